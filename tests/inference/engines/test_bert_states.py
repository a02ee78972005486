"""BERT in numpy is BERT."""

import numpy as np
import pytest
import torch
import transformers

from textgraft.inference.engines.bert_states import last_states
from textgraft.inference.engines.bert_weights import ACTIVATIONS, EncoderWeights, tensor_names
from textgraft.inference.engines.golden import random_batches

SHAPE = {
    "vocab_size": 20,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 90,
}
MODELS = {
    **{f"bert, {kind}": (transformers.BertConfig, transformers.BertModel, kind) for kind in ACTIVATIONS},
    "roberta": (transformers.RobertaConfig, transformers.RobertaModel, "gelu"),
}


@pytest.mark.parametrize("name", MODELS)
def test_numpy_gives_what_torch_gives(name):
    config_class, model_class, activation = MODELS[name]
    config = config_class(**SHAPE, hidden_act=activation)
    torch.manual_seed(0)
    model = model_class(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    described, tensors = config.to_dict(), model.state_dict()
    encoder = EncoderWeights(described, {key: tensors[key].numpy() for key in tensor_names(described)})
    for batch in random_batches(config, has_types=name != "roberta"):
        with torch.inference_mode():
            given = {key: torch.from_numpy(array) for key, array in batch.items()}
            expected = model(**given).last_hidden_state.numpy()
        mask = batch["attention_mask"][:, :, None]
        np.testing.assert_allclose(last_states(encoder, batch), expected * mask, atol=2e-5)
