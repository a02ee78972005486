"""Transformer encoder–decoders: from nothing, or around a pre-trained encoder.

All are classes of the library Transformers. From nothing it is the model of Vaswani et al. (2017),
"Attention is all you need", for which Transformers has the Marian configuration: sinusoidal positions, word
vectors scaled by the root of their width and shared with the output layer, and each layer's normalisation
after its residual sum (post-norm), so that training needs a warm-up of the learning rate. The two sides may
have vocabularies of their own.

Around a pre-trained encoder it is an EncoderDecoderModel (Rothe et al. 2020, "Leveraging pre-trained
checkpoints for sequence generation tasks"): the decoder is the encoder once more, reading leftward context
only (BERT to BERT; for MPNet see ``mpnet_decoder.py``), or a GPT-2. Its attention to the source is new in
either case.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from transformers import (
    EncoderDecoderConfig,
    EncoderDecoderModel,
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MarianConfig,
    MarianMTModel,
)

from textgraft.errors import ModelError, OptionError
from textgraft.models.encoders import load_encoder
from textgraft.models.generation.copying import CopyingConfig, CopyingEncoderDecoder
from textgraft.models.generation.mpnet_decoder import mpnet_decoder
from textgraft.models.loading import NEW_PARTS, load_config, load_model
from textgraft.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.models.encoders import EncoderSource


@dataclass(frozen=True)
class TargetTokens:
    """Ids of the tokens that stand around a target; by default those of tokenizers that are trained here."""

    pad_token_id: int = 0
    """Fills batches up."""
    eos_token_id: int = 2
    """Ends a target."""
    decoder_start_token_id: int = 1
    """What the decoder reads before the first word."""


def transformer(
    *,
    vocab_size: int,
    decoder_vocab_size: int | None = None,
    hidden_size: int = 256,
    num_layers: int = 3,
    num_heads: int = 4,
    feed_forward_size: int = 512,
    dropout: float = 0.1,
    label_smoothing: float = 0.1,
    max_length: int = 512,
    tokens: TargetTokens = TargetTokens(),
) -> MarianMTModel:
    """Build a Transformer encoder–decoder with random weights.

    Args:
        vocab_size: Entries of the source's vocabulary.
        decoder_vocab_size: Entries of the target's; None: both sides share one vocabulary and its vectors.
        hidden_size: Width of a state and of a word vector.
        num_layers: Layers of each side.
        num_heads: Attention heads of each layer.
        feed_forward_size: Width inside the feed-forward part of a layer.
        dropout: Fraction of what each part of a layer adds set to zero in training.
        label_smoothing: As in :func:`textgraft.models.recurrent.teacher_forcing.teacher_forced`.
        max_length: Most tokens of a source or target.
        tokens: Ids of the special tokens.

    Raises:
        OptionError: The width cannot be shared out among the heads.
    """
    if hidden_size % num_heads:
        raise OptionError(
            f"a width of {hidden_size} cannot be shared out among {num_heads} attention heads",
            where="hidden_size",
            fix=f"Take a multiple of {num_heads}.",
        )
    config = MarianConfig(
        vocab_size=vocab_size,
        decoder_vocab_size=decoder_vocab_size,
        share_encoder_decoder_embeddings=decoder_vocab_size is None,
        d_model=hidden_size,
        encoder_layers=num_layers,
        decoder_layers=num_layers,
        encoder_attention_heads=num_heads,
        decoder_attention_heads=num_heads,
        encoder_ffn_dim=feed_forward_size,
        decoder_ffn_dim=feed_forward_size,
        activation_function="relu",
        dropout=dropout,
        scale_embedding=True,
        # Scaled, a word vector is about as long as the vector of a position.
        init_std=hidden_size**-0.5,
        max_position_embeddings=max_length,
        **asdict(tokens),
        forced_eos_token_id=None,
    )
    config.label_smoothing = label_smoothing
    return MarianMTModel(config)


def bert_to_bert(
    source: EncoderSource, *, label_smoothing: float = 0.1, copies: bool = False
) -> tuple[EncoderDecoderModel, PreTrainedTokenizerFast]:
    """Build an encoder–decoder whose both sides begin as the same pre-trained encoder.

    Args:
        source: The encoder; its tokenizer serves both sides.
        label_smoothing: As in :func:`transformer`.
        copies: Whether it may copy words of the source, see
            :class:`~textgraft.models.generation.copying.CopyingEncoderDecoder`.

    Returns:
        The model, in evaluation mode, and the tokenizer.

    Raises:
        ModelError: The encoder cannot be loaded.
        OptionError: Transformers has no decoder of its architecture.
    """
    encoder, tokenizer = load_encoder(source)
    config = load_config(source.path)
    config.is_decoder = config.add_cross_attention = True
    with quiet_transformers():
        try:
            decoder = (
                mpnet_decoder(encoder)
                if config.model_type == "mpnet"
                else load_model(
                    "AutoModelForCausalLM",
                    source.path,
                    new=(*NEW_PARTS, "crossattention"),
                    config=config,
                    dtype=torch.float32,
                )
            )
            model = _joined(encoder, decoder, tokenizer, label_smoothing, copies=copies)
        except (ModelError, ValueError) as error:  # as an encoder it was loaded
            raise OptionError(
                f"an encoder of type {config.model_type!r} cannot be turned into a decoder",
                where=source.name,
                fix="Take a GPT-2 as the decoder, or an encoder of type bert, roberta or mpnet.",
            ) from error
    return model, tokenizer


def bert_to_gpt(
    source: EncoderSource, *, num_layers: int = 6, num_heads: int = 6, label_smoothing: float = 0.1
) -> tuple[EncoderDecoderModel, PreTrainedTokenizerFast]:
    """Build an encoder–decoder of a pre-trained encoder and a new GPT-2 of the same width and vocabulary.

    The decoder begins with the encoder's word vectors; all else in it is random.

    Args:
        source: The encoder; its tokenizer serves both sides.
        num_layers: Layers of the decoder.
        num_heads: Attention heads of each of them.
        label_smoothing: As in :func:`transformer`.

    Returns:
        The model, in evaluation mode, and the tokenizer.

    Raises:
        ModelError: The encoder cannot be loaded.
    """
    encoder, tokenizer = load_encoder(source)
    words = encoder.get_input_embeddings().state_dict()["weight"]
    vocabulary, width = words.shape
    decoder = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary,
            n_embd=width,
            n_layer=num_layers,
            n_head=num_heads,
            n_positions=tokenizer.model_max_length,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            add_cross_attention=True,
        )
    )
    decoder.get_input_embeddings().load_state_dict({"weight": words})
    return _joined(encoder, decoder, tokenizer, label_smoothing), tokenizer


def _joined(
    encoder: PreTrainedModel,
    decoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    label_smoothing: float,
    *,
    copies: bool = False,
) -> EncoderDecoderModel:
    """Put both sides together; a target begins and ends with the special tokens that a text has."""
    tokens = asdict(TargetTokens(tokenizer.pad_token_id, tokenizer.sep_token_id, tokenizer.cls_token_id))
    config_class = CopyingConfig if copies else EncoderDecoderConfig
    model_class = CopyingEncoderDecoder if copies else EncoderDecoderModel
    config = config_class.from_encoder_decoder_configs(
        encoder.config, decoder.config, **tokens, label_smoothing=label_smoothing
    )
    model = model_class(encoder=encoder, decoder=decoder, config=config)
    model.generation_config = GenerationConfig(**tokens)
    return model.eval()
