"""A decoder that begins as an MPNet, which Transformers knows as an encoder alone.

MPNet (Song et al. 2020) is BERT's Transformer that numbers places as RoBERTa does and has, beside, a bias of
attention by distance. Apart from this bias each of its weights has its like in a RoBERTa, which can be a
decoder: that is what is built here, the bias left out. A warm-started decoder has to learn to look leftward
only and at a source in any case (Rothe et al. 2020); to do without the bias comes on top of it.
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel, RobertaConfig, RobertaForCausalLM

from textgraft.models.mpnet_names import BEFORE_FIRST_PLACE, as_berts

_LEFT = ("pooler.", "encoder.relative_attention_bias.")
_SHAPE = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings"),
    *("initializer_range", "layer_norm_eps", "bos_token_id", "eos_token_id"),
)


def mpnet_decoder(encoder: PreTrainedModel) -> RobertaForCausalLM:
    """Build a RoBERTa that reads leftward context, attends to a source and has an MPNet's weights.

    New are the attention to the source and the output layer but for the word vectors, which it shares.

    Args:
        encoder: The MPNet; its weights are copied.
    """
    shape = {name: getattr(encoder.config, name) for name in _SHAPE}
    decoder = RobertaForCausalLM(
        RobertaConfig(
            **shape,
            pad_token_id=BEFORE_FIRST_PLACE,
            type_vocab_size=1,
            is_decoder=True,
            add_cross_attention=True,
        )
    )
    inner = decoder.base_model
    weights = {
        as_berts(name): weight for name, weight in encoder.state_dict().items() if not name.startswith(_LEFT)
    }
    missing, unexpected = inner.load_state_dict(weights, strict=False)
    unknown = [name for name in missing if "crossattention" not in name and "token_type" not in name]
    assert not unknown, f"weights that an MPNet has not: {unknown}"
    assert not unexpected, f"weights that a RoBERTa has not: {unexpected}"
    nn.init.zeros_(inner.get_submodule("embeddings.token_type_embeddings").weight)  # type: ignore[arg-type]
    return decoder
