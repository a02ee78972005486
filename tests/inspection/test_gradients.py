"""Gradients are those of the loss, by finite differences; factors are what theory says."""

import msgspec
import numpy as np
import pytest
import torch
from torch.nn import functional

from textgraft.errors import OptionError
from textgraft.inspection import inspect
from textgraft.inspection.gradients.flow import WORD_VECTORS, reach_of, told_reach
from textgraft.inspection.subject import open_subject

TEXT = "the coach was very old and the goal was new"


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_norms_of_words_are_those_of_the_fused_network(cell, recurrent):
    """torch's own backward pass through the fused layers says the same."""
    found = inspect.gradients(recurrent(cell), TEXT, label="food")
    subject = open_subject(recurrent(cell))
    inputs = subject.inputs(TEXT)
    words = subject.embeddings(inputs["input_ids"]).requires_grad_()
    logits = subject.model(inputs_embeds=words, attention_mask=inputs["attention_mask"]).logits
    (wanted,) = torch.autograd.grad(functional.cross_entropy(logits, torch.tensor([0])), words)
    assert found.named(WORD_VECTORS).norms == pytest.approx(wanted.norm(dim=-1)[0].tolist(), rel=1e-4)
    assert found.target == "the label food"
    assert found.tokens == subject.tokens(inputs["input_ids"])


def test_a_state_has_all_that_comes_back_through_later_steps(recurrent):
    """Both states of an LSTM have their gradients, in the order of the text whichever way it is read."""
    found = inspect.gradients(recurrent("lstm"), TEXT, label="food")
    cell = found.named("cell state, layer 2, rightward")
    hidden = found.named("hidden state, layer 2, rightward")
    assert cell.reach is not None
    assert cell.reach == pytest.approx((cell.norms[0] / cell.norms[-1]) ** (1 / (len(cell.norms) - 1)))
    leftward = found.named("cell state, layer 2, leftward")
    # It reads from the end: its first step is the last token.
    assert leftward.reach == pytest.approx(
        (leftward.norms[-1] / leftward.norms[0]) ** (1 / (len(leftward.norms) - 1))
    )
    assert len(found.series) == 1 + 2 * 4
    # Attention pooling reads all states: nothing is said of vanishing.
    assert found.pooled
    assert not any("vanishes" in line or "explodes" in line for line in found.page().findings)
    assert hidden.norms != cell.norms


def test_of_a_transformer_every_layer_is_shown(bert_classifier):
    found = inspect.gradients(bert_classifier, TEXT)
    assert [one.name for one in found.series] == [WORD_VECTORS, "layer 1", "layer 2"]
    # BERT's head reads the first token alone.
    assert found.named("layer 2").norms[0] > 0
    assert not any(found.named("layer 2").norms[1:])
    assert all(found.named("layer 1").norms)
    assert found.tokens[0] == "[CLS]"


def test_reach_is_the_mean_factor_and_is_put_in_words():
    assert reach_of([0.25, 0.5, 1.0]) == pytest.approx(0.5)
    assert reach_of([1.0]) is None
    assert "vanishes" in told_reach(0.5)
    assert "explodes" in told_reach(1.5)
    assert "holds" in told_reach(1.0)


def test_what_has_no_loss_is_refused(bert, recurrent, topic_model):
    with pytest.raises(OptionError, match="this is an encoder"):
        inspect.gradients(bert, TEXT)
    with pytest.raises(OptionError, match="sport"):
        inspect.gradients(recurrent("rnn"), TEXT, label="sports")
    with pytest.raises(OptionError, match="nothing before it"):
        inspect.gradients(recurrent("rnn"), "")
    with pytest.raises(OptionError, match="no word vectors"):
        inspect.gradients(topic_model, TEXT)


def test_a_record_is_a_page_a_table_and_json(recurrent, tmp_path):
    text = "<b>goal</b> the " + TEXT
    found = inspect.gradients(recurrent("gru"), text)
    page = found.write(tmp_path / "out")
    assert "<b>goal</b>" not in page.read_text()
    assert "<b>goal</b>" not in found._repr_html_()
    assert msgspec.json.decode(found.to_json(), type=type(found)) == found
    assert len(found.table()) == len(found.tokens)
    assert repr(found).startswith("<GradientFlow: ")
    with pytest.raises(Exception, match="nothing is replaced unasked"):
        found.write(tmp_path / "out")


def test_nudging_a_word_moves_the_loss_as_its_gradient_says(recurrent):
    found = inspect.gradients(recurrent("gru"), TEXT, label="food")
    subject = open_subject(recurrent("gru"))
    model = subject.model.double()
    inputs = subject.inputs(TEXT)
    words = subject.embeddings(inputs["input_ids"])
    generator = np.random.default_rng(0)
    moved = []
    for _ in range(200):
        step = torch.zeros_like(words)
        step[0, 3] = torch.from_numpy(generator.normal(size=words.shape[-1]))
        step *= 1e-6 / step.norm()
        with torch.no_grad():
            loss = functional.cross_entropy(
                model(inputs_embeds=words + step, attention_mask=inputs["attention_mask"]).logits,
                torch.tensor([0]),
            )
        moved.append((float(loss) - found.loss) / 1e-6)
    # Of random directions the mean square is the squared norm over the dimensions.
    norm = (np.mean(np.square(moved)) * words.shape[-1]) ** 0.5
    assert norm == pytest.approx(found.named(WORD_VECTORS).norms[3], rel=0.25)
