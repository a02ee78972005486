from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from textgraft.models.recurrent.encoder import CELLS
from textgraft.pretraining.architectures import build_model
from textgraft.pretraining.cost import (
    MACHINES,
    PUBLISHED,
    Costs,
    amortization,
    priced,
    training_flops,
)
from textgraft.pretraining.objectives.masked import masked_logits
from textgraft.pretraining.sizes import SIZES


class Vocabulary:
    """All that a model needs of a tokenizer."""

    pad_token_id = bos_token_id = cls_token_id = eos_token_id = sep_token_id = 0

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size


def build(architecture, size, *, vocabulary=30_522, length=512, bidirectional=False):
    return build_model(
        architecture, size, Vocabulary(vocabulary), max_length=length, dropout=0.0,
        bidirectional=bidirectional, seed=0,
    )  # fmt: skip


PUBLISHED_MILLIONS = {"tiny": 4.4, "mini": 11.3, "small": 29.1, "medium": 41.7, "base": 110.1, "large": 340.0}
"""github.com/google-research/bert; Devlin et al. 2019 for large."""


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_the_published_ones(size):
    with torch.device("meta"):
        encoder = build("bert", size).bert
    count = sum(weight.numel() for weight in encoder.parameters())
    assert count / 1e6 == pytest.approx(PUBLISHED_MILLIONS[size], rel=0.02)
    assert encoder.config.num_attention_heads * 64 == encoder.config.hidden_size


@pytest.mark.parametrize("size", ["tiny", "medium", "large"])
@pytest.mark.parametrize("architecture", ["gpt", *CELLS])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_other_architectures_are_of_like_size(architecture, size, bidirectional):
    if bidirectional and architecture == "gpt":
        pytest.skip("a GPT reads rightward")
    with torch.device("meta"):
        model = build(architecture, size, bidirectional=bidirectional)
    tables = [part for part in model.modules() if isinstance(part, torch.nn.Embedding)]
    others = sum(weight.numel() for weight in model.parameters())
    others -= sum(table.weight.numel() for table in tables)
    assert others == pytest.approx(SIZES[size].parameters, rel=0.15)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt"])
@pytest.mark.parametrize(("size", "deviation"), [("tiny", 0.049), ("small", 0.0245)])
def test_a_sum_over_a_narrow_layers_inputs_is_as_wide_as_bert_bases(architecture, size, deviation):
    model = build(architecture, size, vocabulary=500, length=32)
    name = "c_attn.weight" if architecture == "gpt" else "query.weight"
    weights = torch.cat([weight.flatten() for key, weight in model.named_parameters() if key.endswith(name)])
    assert weights.std().item() == pytest.approx(deviation, rel=0.02)


def test_the_seed_makes_the_weights_and_leaves_the_callers_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (build("gpt", "tiny", vocabulary=50, length=16) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    for name, weight in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], weight), name


def counted(model, step):
    model.set_attn_implementation("eager")
    counter = FlopCounterMode(display=False)
    with counter:
        step().backward()
    return counter.get_total_flops()


def test_operations_are_those_that_torch_counts():
    rows, length = 4, 64
    ids = torch.randint(1, 900, (rows, length))
    gpt = build("gpt", "tiny", vocabulary=900, length=length)
    found = counted(gpt, lambda: gpt(input_ids=ids, labels=ids).loss) / ids.numel()
    assert training_flops(gpt, "causal", length) == pytest.approx(found, rel=0.02)
    bert = build("bert", "tiny", vocabulary=900, length=length)
    masked = torch.arange(0, ids.numel())[: round(0.15 * ids.numel())]
    batch = {
        "input_ids": ids,
        "positions": masked,
        "next_sentence_label": torch.zeros(rows, dtype=torch.long),
    }

    def step():
        words, sentences = masked_logits(bert, batch)
        return words.sum() + sentences.sum()

    assert training_flops(bert, "masked", length) == pytest.approx(
        counted(bert, step) / ids.numel(), rel=0.02
    )


def test_operations_of_a_recurrent_network_are_two_a_weight_and_twice_that_backward():
    with torch.device("meta"):
        lstm = build("lstm", "tiny", vocabulary=1000)
        pair = build("lstm", "tiny", vocabulary=1000, bidirectional=True)
    width, cells = lstm.config.hidden_size, 4 * lstm.config.hidden_size
    weights = cells * (128 + width) + 128 * width + 128 * 1000
    assert training_flops(lstm, "recurrent", 64) == 6 * weights
    width, cells = pair.config.hidden_size, 4 * pair.config.hidden_size
    weights = cells * (128 + width) + 128 * width + 128 * 1000
    assert training_flops(pair, "recurrent", 64) == 6 * weights, "a token is predicted by one of the two"


def test_money_is_spread_over_tasks_beside_the_published():
    costs = Costs(5_000_000, 2e7, 10**9, 50_000.0, 20_000.0, *priced("g5.xlarge", None, torch.device("cpu")))
    assert costs.flops == 2e16
    assert costs.money == pytest.approx(20_000 / 3600 * MACHINES["g5.xlarge"].price)
    header, *rows = amortization(costs)
    assert header == ("tasks", "this model", "BERT-base", "BERT-large")
    assert rows[0] == ("1", "$5.59", "$2,074–$6,912", "$8,296–$27,648")
    assert rows[2] == ("100", "$0.06", "$20.74–$69.12", "$82.96–$276")
    assert all(entry.source and entry.how for entry in PUBLISHED)
    assert priced("my server", 0.5, torch.device("cpu")) == ("my server", 0.5)
