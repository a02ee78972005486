from __future__ import annotations

import pytest
from pydantic import ValidationError

from textgraft.errors import OptionError
from textgraft.training.settings import TrainingSettings


def test_a_misspelt_setting_suggests_the_nearest():
    with pytest.raises(OptionError, match="Did you mean 'learning_rate'"):
        TrainingSettings(lerning_rate=1e-3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("head_learning_rate", -1),
        ("epochs", 0),
        ("epochs", "many"),
        ("max_seconds", 0),
        ("max_seconds", -1.5),
        ("max_seconds", float("nan")),
        ("max_seconds", float("inf")),
        ("layer_decay", float("nan")),
        ("warmup_fraction", float("nan")),
        ("weight_decay", float("nan")),
        ("clip_norm", float("inf")),
        ("batch_size", 0),
        ("max_tokens", 0),
        ("accumulation", 0),
        ("warmup_fraction", 1),
        ("schedule", "square"),
        ("weight_decay", -0.1),
        ("clip_norm", 0),
        ("precision", "fp16"),
        ("patience", 0),
        ("evaluations_per_epoch", 0),
        ("class_weights", "heavy"),
        ("seed", -1),
        ("checkpoint_seconds", 0),
        ("keep", 0),
    ],
)
def test_bounds(name, value):
    with pytest.raises(OptionError, match=name):
        TrainingSettings(**{name: value})


def test_settings_do_not_change():
    settings = TrainingSettings()
    with pytest.raises(ValidationError):
        settings.epochs = 7
    assert TrainingSettings(**settings.model_dump()) == settings
