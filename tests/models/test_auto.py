import pytest
from transformers import AutoConfig

from textgraft.models import auto
from textgraft.models.recurrent.language_model import RecurrentForCausalLM


def test_registering_again_changes_nothing():
    auto.register(auto.MODELS)
    for _, config, _ in auto.MODELS:
        assert type(AutoConfig.for_model(config.model_type)) is config


@pytest.mark.parametrize(("auto_class", "config", "model"), auto.MODELS)
def test_the_auto_classes_build_our_models(auto_class, config, model):
    # The size spares a graft the look at its encoder; a language model reads one direction.
    wanted = {"encoding_size": 8} if config is auto.GraftConfig else {}
    wanted |= {"bidirectional": False} if model is RecurrentForCausalLM else {}
    assert type(auto_class.from_config(config(num_labels=2, **wanted))) is model
