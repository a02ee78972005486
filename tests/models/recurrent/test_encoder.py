"""The recurrent family: exact under padding, whole after saving, usable as any Transformers model."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, pipeline

import textgraft.models.auto  # noqa: F401
from textgraft.errors import OptionError
from textgraft.models.recurrent.encoder import (
    RecurrentConfig,
    RecurrentForSequenceClassification,
    RecurrentModel,
    reorder,
    reversal_index,
)
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

VARIANTS = list(itertools.product(("rnn", "lstm", "gru"), (False, True), (1, 2), ("attention", "last")))


def config(**changes) -> RecurrentConfig:
    small = {"vocab_size": 50, "embedding_size": 12, "hidden_size": 16, "num_labels": 3}
    return RecurrentConfig(**{**small, **changes})


def classifier(**changes) -> RecurrentForSequenceClassification:
    torch.manual_seed(0)
    return RecurrentForSequenceClassification(config(**changes)).eval()


def padded(rows: list[list[int]], extra: int = 0) -> dict[str, torch.Tensor]:
    longest = max(map(len, rows)) + extra
    return {
        "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows]),
    }


MODELS = {
    variant: classifier(cell=variant[0], bidirectional=variant[1], num_layers=variant[2], pooling=variant[3])
    for variant in VARIANTS
}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda parts: "-".join(map(str, parts)))
@settings(max_examples=8, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(1, 49), min_size=1, max_size=20), min_size=2, max_size=5),
    extra=st.integers(0, 7),
)
def test_padding_changes_no_output(variant, rows, extra):
    model = MODELS[variant]
    with torch.no_grad():
        together = model(**padded(rows, extra), output_hidden_states=True)
        for position, row in enumerate(rows):
            alone = model(**padded([row]), output_hidden_states=True)
            assert (alone.logits[0] - together.logits[position]).abs().max() < 1e-5
            states = together.hidden_states[-1][position, : len(row)]
            assert (alone.hidden_states[-1][0] - states).abs().max() < 1e-5


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_reversal_is_within_each_length_and_its_own_inverse(lengths):
    time = max(lengths) + 1
    batch = torch.arange(len(lengths) * time).view(len(lengths), time, 1)
    index = reversal_index(torch.tensor(lengths), time)
    turned = reorder(batch, index)
    for row, length in enumerate(lengths):
        assert turned[row, :length, 0].tolist() == batch[row, :length, 0].tolist()[::-1]
        assert torch.equal(turned[row, length:], batch[row, length:])
    assert torch.equal(reorder(turned, index), batch)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_both_directions_equal_torchs_packed_bidirectional_layer(cell):
    model = RecurrentModel(config(cell=cell, pooling="last")).eval()
    layer = model.layers[0]
    reference = type(layer.rightward)(12, 16, batch_first=True, bidirectional=True)
    reference.load_state_dict(
        dict(layer.rightward.state_dict())
        | {f"{name}_reverse": value for name, value in layer.leftward.state_dict().items()}
    )
    batch = padded([[3, 4, 5, 6, 7], [8, 9], [10, 11, 12]])
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        model.embedding(batch["input_ids"]),
        batch["attention_mask"].sum(1),
        batch_first=True,
        enforce_sorted=False,
    )
    states, last = reference(packed)
    states, _ = torch.nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
    last = last[0] if cell == "lstm" else last
    outputs = model(**batch)
    mask = batch["attention_mask"].bool()
    torch.testing.assert_close(outputs.last_hidden_state[mask], states[mask], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        outputs.pooler_output, torch.cat([last[0], last[1]], dim=-1), atol=1e-6, rtol=1e-5
    )


def test_a_text_without_tokens_has_finite_outputs():
    with torch.no_grad():
        logits = MODELS["lstm", True, 1, "attention"](
            torch.zeros(2, 3, dtype=torch.long), torch.tensor([[0, 0, 0], [1, 0, 0]])
        ).logits
    assert torch.isfinite(logits).all()


def test_without_a_mask_padding_is_told_by_its_id():
    batch = padded([[3, 4, 5, 6], [7]])
    for model in MODELS.values():
        with torch.no_grad():
            assert torch.equal(model(**batch).logits, model(batch["input_ids"]).logits)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda parts: "-".join(map(str, parts)))
def test_every_weight_gets_a_gradient(variant):
    model = MODELS[variant]
    model.zero_grad()
    model(**padded([[3, 4, 5, 6], [7, 8]]), labels=torch.tensor([0, 2])).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert model.recurrent.embedding.weight.grad[0].abs().sum() == 0, "padding is never trained"


def test_loss_is_the_cross_entropy_of_the_logits():
    model = MODELS["gru", True, 1, "last"]
    labels = torch.tensor([0, 2])
    outputs = model(**padded([[3, 4], [7, 8, 9]]), labels=labels)
    torch.testing.assert_close(outputs.loss, torch.nn.functional.cross_entropy(outputs.logits, labels))


def test_attention_weights_are_returned_where_there_are_any():
    batch = padded([[3, 4, 5], [6]])
    (weights,) = MODELS["lstm", True, 1, "attention"](**batch, output_attentions=True).attentions
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert torch.all(weights[batch["attention_mask"] == 0] == 0)
    assert MODELS["lstm", True, 1, "last"](**batch, output_attentions=True).attentions is None
    assert MODELS["lstm", True, 1, "attention"](**batch).attentions is None


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_bf16_is_close_to_fp32_and_trains(cell):
    model = MODELS[cell, True, 2, "attention"]
    batch = padded([[3, 4, 5, 6, 7, 8], [9, 10]])
    exact = model(**batch).logits
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(**batch, labels=torch.tensor([0, 1]))
    outputs.loss.backward()
    assert (outputs.logits.float() - exact).abs().max() < 0.03
    assert outputs.loss.dtype == torch.float32
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@pytest.mark.parametrize(("cell", "pooling"), [("rnn", "last"), ("lstm", "attention"), ("gru", "attention")])
def test_learns_an_order_that_no_bag_of_words_tells(cell, pooling):
    """Every text holds the words 3 and 4 once; the label says which comes first."""
    generator = torch.Generator().manual_seed(0)

    def batch(rows: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        labels = torch.randint(2, (rows,), generator=generator)
        texts = []
        for label in labels.tolist():
            length = int(torch.randint(2, 9, (1,), generator=generator))
            words = torch.randint(5, 50, (length,), generator=generator)
            first, second = sorted(torch.randperm(length, generator=generator)[:2].tolist())
            words[first], words[second] = (4, 3) if label else (3, 4)
            texts.append(words.tolist())
        return padded(texts), labels

    torch.manual_seed(0)
    model = RecurrentForSequenceClassification(
        config(cell=cell, pooling=pooling, num_labels=2, dropout=0.0, embedding_dropout=0.0)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(120):
        inputs, labels = batch(64)
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    inputs, labels = batch(500)
    with torch.no_grad():
        assert (model.eval()(**inputs).logits.argmax(1) == labels).float().mean() > 0.95


def test_initial_weights():
    model = classifier(hidden_size=16)
    lstm = model.recurrent.layers[0].rightward
    for gate in lstm.weight_hh_l0.split(16):
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    assert torch.equal(bias, torch.cat([torch.zeros(16), torch.ones(16), torch.zeros(32)]))
    assert model.recurrent.embedding.weight[0].abs().sum() == 0


@pytest.mark.parametrize(
    ("option", "wrong", "meant"),
    [("cell", "ltsm", "lstm"), ("pooling", "atention", "attention")],
)
def test_a_misspelt_option_names_the_nearest(option, wrong, meant):
    with pytest.raises(OptionError, match=f"Did you mean '{meant}'"):
        config(**{option: wrong})


@pytest.mark.parametrize("variant", VARIANTS[::5], ids=lambda parts: "-".join(map(str, parts)))
def test_saved_and_loaded_by_the_auto_classes_bit_for_bit(variant, tmp_path):
    model = MODELS[variant]
    model.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(loaded) is RecurrentForSequenceClassification
    assert AutoConfig.from_pretrained(tmp_path).to_dict() == loaded.config.to_dict()
    for (name, ours), (_, theirs) in zip(
        model.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    batch = padded([[3, 4, 5], [6]])
    base = AutoModel.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, loaded(**batch).logits)
        assert torch.equal(model.recurrent(**batch).pooler_output, base(**batch).pooler_output)


def test_works_in_a_transformers_pipeline(tmp_path):
    texts = ["A fine film.", "A dull, dull film", ""]
    tokenizer = train_word_tokenizer(texts, min_frequency=1)
    labels = {0: "bad", 1: "good"}
    model = classifier(vocab_size=len(tokenizer), num_labels=2, id2label=labels)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classify = pipeline("text-classification", model=str(tmp_path), top_k=None)
    together, alone = classify(texts, batch_size=3), [classify([text])[0] for text in texts]
    for batched, single in zip(together, alone, strict=True):
        assert {entry["label"] for entry in batched} == {"bad", "good"}
        assert batched[0]["label"] == single[0]["label"]
        assert batched[0]["score"] == pytest.approx(single[0]["score"], abs=1e-5)
