from transformers import AutoConfig, AutoModelForSequenceClassification

from textgraft.models import auto


def test_registering_again_changes_nothing():
    auto.register()
    for config, model in auto.CLASSIFIERS.items():
        assert type(AutoConfig.for_model(config.model_type)) is config
        # The size spares a graft the look at its encoder.
        small = config(num_labels=2, encoding_size=8)
        assert type(AutoModelForSequenceClassification.from_config(small)) is model
