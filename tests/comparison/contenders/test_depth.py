"""How many layers are trained: a part of the configurations, unless the user says it for all."""

from __future__ import annotations

import pytest
import yaml

from tests.tiny_encoders import save_tiny_encoder
from textgraft.comparison.contenders.bert import frozen_layers
from textgraft.comparison.contenders.registry import choose_contenders, with_frozen_layers
from textgraft.comparison.settings import TrainConfig
from textgraft.comparison.train import full_config
from textgraft.errors import OptionError
from textgraft.models.encoders import EncoderSource, resolve_encoder

NAMES = ["tfidf", "bert-frozen", "bert-adapter", "bert-scratch", "bert-finetuned"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EncoderSource]:
    root = tmp_path_factory.mktemp("encoders")
    return {
        family: resolve_encoder(save_tiny_encoder(root / family, family)) for family in ("bert", "distilbert")
    }


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_half_the_layers_of_any_encoder(sources, family):
    assert [frozen_layers(sources[family], wanted) for wanted in ("half", 0, 1)] == [1, 0, 1]
    with pytest.raises(OptionError, match="freeze_layers cannot be 2: the encoder has 2 layers"):
        frozen_layers(sources[family], 2)


def test_where_layers_cannot_be_told_apart_all_are_trained(sources, monkeypatch):
    monkeypatch.setattr("textgraft.models.graft.encoder_layers.STACKS", {})
    assert frozen_layers(sources["bert"], "half") == 0
    with pytest.raises(OptionError, match="'bert' cannot be told apart"):
        frozen_layers(sources["bert"], 1)


def test_fine_tuning_begins_with_the_upper_half_and_tries_all_layers():
    (entry,) = choose_contenders(["bert-finetuned"], "classification")
    assert [settings.freeze_layers for settings in entry.grid] == ["half", 0, 0]


@pytest.mark.parametrize("layers", [0, 1])
def test_the_user_decides_for_all_configurations(sources, layers):
    stated = choose_contenders(NAMES, "classification")
    found = with_frozen_layers(stated, layers, [sources["bert"]])
    for before, after in zip(stated, found, strict=True):
        is_freezing = after.name in {"bert-adapter", "bert-finetuned"}
        assert {getattr(settings, "freeze_layers", None) for settings in after.grid} == {
            layers if is_freezing else None
        }
        assert len(set(map(str, after.grid))) == len(after.grid), "all still differ"
        assert is_freezing or after == before
    assert with_frozen_layers(stated, None, []) == stated
    with pytest.raises(OptionError, match="one at least is to be trained"):
        with_frozen_layers(stated, 2, [sources["bert"]])


@pytest.mark.parametrize(
    ("given", "option", "setting"),
    [({}, None, None), ({"freeze_layers": 1}, 1, None), ({"settings": {"freeze_layers": 1}}, None, 1)],
)
def test_a_printed_config_trains_the_same_and_takes_another_number(sources, given, option, setting):
    config = TrainConfig(encoder=str(sources["bert"].path), **given)
    printed = yaml.safe_load(full_config(config))
    assert printed["freeze_layers"] == option
    assert printed["settings"].get("freeze_layers") == setting
    changed = TrainConfig(**{**printed, "freeze_layers": 0})
    assert yaml.safe_load(full_config(changed))["freeze_layers"] == 0
