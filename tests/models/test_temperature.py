"""A temperature that is in the weights divides the model's own logits."""

from __future__ import annotations

import pytest
import torch
import transformers

from tests.models.every_model import EVERY, WRITING
from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.models.temperature import fold_temperature, output_parameters

CHOOSING = [name for name in EVERY if name not in (*WRITING, "recurrent")]
HEADS = ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tmp_path_factory.mktemp("encoder") / "bert"


def logits(model, batch):
    with torch.no_grad():
        outputs = model(**batch)
    names = ("start_logits", "end_logits") if "start_logits" in outputs else ("logits",)
    return torch.cat([outputs[name] for name in names], dim=-1)


def unmasked(found):
    """Leave out the least of all numbers, which stands where no answer may be."""
    return found[found > torch.finfo(torch.float32).min / 10]


@pytest.mark.parametrize("name", CHOOSING)
def test_the_logits_of_every_architecture_are_divided_and_restored(name, bert):
    architecture = EVERY[name]
    model, batch = architecture.build(bert), architecture.batch()
    before = logits(model, batch)
    undo = fold_temperature(model, 1.7)
    torch.testing.assert_close(unmasked(logits(model, batch)), unmasked(before) / 1.7)
    assert undo is not None
    undo()
    assert torch.equal(logits(model, batch), before)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_layer_of_foreign_heads_is_found(family, head, tmp_path):
    folder = save_tiny_encoder(tmp_path, family)
    model = getattr(transformers, f"AutoModelFor{head}").from_pretrained(folder, num_labels=2).eval()
    shape = (2, 3, 6) if head == "MultipleChoice" else (2, 6)
    batch = {"input_ids": torch.randint(5, 20, shape), "attention_mask": torch.ones(shape, dtype=torch.long)}
    before = logits(model, batch)
    fold_temperature(model, 0.4)
    torch.testing.assert_close(logits(model, batch), before / 0.4, atol=1e-5, rtol=1e-4)


def test_a_model_without_a_linear_head_is_left_alone():
    model = EVERY["recurrent"].build(None)
    model.pooling = None
    states = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert output_parameters(model) == []
    assert fold_temperature(model, 2.0) is None
    assert all(torch.equal(states[name], tensor) for name, tensor in model.state_dict().items())
