"""Models loaded from several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from transformers import BertConfig, BertForMaskedLM, PreTrainedModel

from textgraft.models.loading import load_model


def test_models_loaded_side_by_side_leave_weights_tied(tmp_path):
    """Two loads that overlapped took the tying of weights from every later model of the process."""
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertForMaskedLM(BertConfig(vocab_size=50, **shape)).save_pretrained(tmp_path)
    tie_weights = PreTrainedModel.tie_weights
    try:
        with ThreadPoolExecutor(4) as pool:
            models = list(pool.map(lambda _: load_model("AutoModelForMaskedLM", tmp_path), range(24)))
        assert PreTrainedModel.tie_weights is tie_weights
    finally:
        PreTrainedModel.tie_weights = tie_weights
    for model in models:
        assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
