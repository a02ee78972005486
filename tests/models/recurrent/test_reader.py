"""Attention flow as its paper writes it, and the reader around it."""

import pytest
import torch
from transformers import AutoModelForQuestionAnswering

import textgraft.models.auto  # noqa: F401
from textgraft.errors import OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.reader import AttentionFlow, RecurrentForQuestionAnswering


def reader(**changes) -> RecurrentForQuestionAnswering:
    torch.manual_seed(0)
    shape = {"vocab_size": 40, "embedding_size": 8, "hidden_size": 6}
    return RecurrentForQuestionAnswering(RecurrentConfig(**{**shape, **changes})).eval()


def batch(*pairs: tuple[list[int], list[int]], extra: int = 0) -> dict[str, torch.Tensor]:
    longest = max(len(question) + len(context) for question, context in pairs) + extra
    rows = {"input_ids": [], "attention_mask": [], "token_type_ids": []}
    for question, context in pairs:
        fill = [0] * (longest - len(question) - len(context))
        rows["input_ids"].append([*question, *context, *fill])
        rows["attention_mask"].append([1] * (longest - len(fill)) + fill)
        rows["token_type_ids"].append([0] * len(question) + [1] * len(context) + fill)
    return {name: torch.tensor(values) for name, values in rows.items()}


PAIRS = (([2, 5, 6], [2, 7, 8, 9, 10]), ([2, 11, 12, 13, 14, 15], [2, 16, 17]), ([2], [2, 30]))


def test_attention_flow_equals_its_formulas():
    torch.manual_seed(0)
    size, context, question = 4, torch.randn(2, 5, 4), torch.randn(2, 3, 4)
    lengths, words = (5, 3), (2, 3)
    masks = [
        torch.arange(time)[None, :] < torch.tensor(of)[:, None] for time, of in ((5, lengths), (3, words))
    ]
    flow = AttentionFlow(size)
    found = flow(context, masks[0], question, masks[1])
    weight = torch.cat([flow.of_context.weight, flow.of_question.weight, flow.of_both.weight], dim=1)[0]
    for row in range(2):
        h, u = context[row, : lengths[row]], question[row, : words[row]]
        similarity = torch.stack(
            [torch.stack([weight @ torch.cat([one, other, one * other]) for other in u]) for one in h]
        )
        to_question = similarity.softmax(dim=1) @ u
        to_context = similarity.max(dim=1).values.softmax(dim=0) @ h
        expected = torch.cat([h, to_question, h * to_question, h * to_context], dim=1)
        torch.testing.assert_close(found[row, : lengths[row]], expected)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_neither_padding_nor_neighbours_change_a_score(cell, bidirectional):
    model = reader(cell=cell, bidirectional=bidirectional)
    with torch.no_grad():
        together = model(**batch(*PAIRS, extra=4))
        for row, pair in enumerate(PAIRS):
            alone = model(**batch(pair))
            size = len(pair[0]) + len(pair[1])
            for name in ("start_logits", "end_logits"):
                torch.testing.assert_close(together[name][row, :size], alone[name][0], atol=1e-5, rtol=1e-5)


def test_only_the_context_and_the_first_token_are_scored():
    with torch.no_grad():
        outputs = reader()(**batch(*PAIRS))
    least = torch.finfo(torch.float32).min
    for logits in (outputs.start_logits, outputs.end_logits):
        scored = [(row > least).nonzero().flatten().tolist() for row in logits]
        assert scored == [[0, 4, 5, 6, 7], [0, 7, 8], [0, 2]]


def test_loss_is_the_mean_cross_entropy_of_both_ends():
    model, inputs = reader(), batch(*PAIRS)
    starts, ends = torch.tensor([4, 0, 2]), torch.tensor([6, 0, 2])
    with torch.no_grad():
        outputs = model(**inputs, start_positions=starts, end_positions=ends)
    expected = 0.0
    for logits, positions in ((outputs.start_logits, starts), (outputs.end_logits, ends)):
        chances = logits.softmax(dim=-1)[torch.arange(3), positions]
        expected -= float(chances.log().mean()) / 2
    assert float(outputs.loss) == pytest.approx(expected, rel=1e-5)


def test_every_parameter_learns():
    model, inputs = reader().train(), batch(*PAIRS)
    model(
        **inputs, start_positions=torch.tensor([4, 0, 2]), end_positions=torch.tensor([6, 0, 2])
    ).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        # A bias that shifts all scores of a softmax alike moves no probability.
        if name not in ("start.bias", "end.bias", "attention.of_context.weight"):
            assert parameter.grad.abs().max() > 0, name


def test_a_row_without_a_context_is_finite():
    inputs = batch(*PAIRS)
    inputs["token_type_ids"][1] = 0
    with torch.no_grad():
        outputs = reader()(**inputs)
    assert torch.isfinite(outputs.start_logits).all()


def test_saved_and_loaded_by_the_auto_class(tmp_path):
    model, inputs = reader(), batch(*PAIRS)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    assert isinstance(loaded, RecurrentForQuestionAnswering)
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(**inputs).start_logits, model(**inputs).start_logits)


def test_missing_token_types_are_named():
    inputs = batch(*PAIRS)
    del inputs["token_type_ids"]
    with pytest.raises(OptionError, match="token_type_ids are missing"):
        reader()(**inputs)
