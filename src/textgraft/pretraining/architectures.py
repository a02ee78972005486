"""The architectures that can be pre-trained: an entry holds all that is to be known of one elsewhere.

A new one is an entry here, and where it guesses masked words also a line of
:data:`textgraft.pretraining.objectives.masked.HEADS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from transformers import (
    BertConfig,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from textgraft.errors import DataError, OptionError, unknown
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.next_sentence import SentencePairs
from textgraft.pretraining.objectives.streams import boundary_ids
from textgraft.pretraining.sizes import SIZES, Size, initial_deviation, recurrent_width
from textgraft.pretraining.tokenizers import BYTES, character_tokens, gpt_bytes, roberta_bytes, wordpiece
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

ObjectiveName = Literal["masked", "causal", "recurrent"]
"""What is learned: masked words, the next one of a full sequence, or the next one of a stream."""


class TokenizerTrainer(Protocol):
    """Learns a tokenizer from texts."""

    def __call__(
        self, texts: Any, *, vocabulary_size: int, lowercase: bool, max_length: int
    ) -> PreTrainedTokenizerFast:
        """Return it; see :func:`train_tokenizer`."""


@dataclass(frozen=True)
class ModelOptions:
    """What can be chosen of a model beside its size."""

    max_length: int
    """Positions of a Transformer; recurrent networks have no limit."""
    dropout: float
    """Throughout."""
    bidirectional: bool
    """Whether a recurrent network is a pair, one for each direction (Peters et al. 2018)."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One architecture."""

    objective: ObjectiveName
    learns: str
    """What it is trained to predict, as its model card says it."""
    auto_class: str
    """The Auto class that loads it with the head it was trained with."""
    train_tokenizer: TokenizerTrainer
    known_tokens: int = 0
    """Tokens, beside the special ones, that its tokenizer has whatever it is learned from."""
    reads_characters: bool = False
    """Whether a token may be a character."""
    examples: type[SentencePairs | FullSentences] = FullSentences
    """How sequences with masked words are cut from the corpus."""
    build: Callable[[Size, PreTrainedTokenizerFast, ModelOptions], PreTrainedModel]
    """Makes a model with random weights."""
    is_ours: bool = False
    """Whether Transformers knows it only once :mod:`textgraft.models.auto` is imported."""


def _of_encoder(shape: Size, tokenizer: PreTrainedTokenizerFast, options: ModelOptions) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": 4 * shape.width,
        "hidden_dropout_prob": options.dropout,
        "attention_probs_dropout_prob": options.dropout,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": initial_deviation(shape.width),
    }


def _bert(shape: Size, tokenizer: PreTrainedTokenizerFast, options: ModelOptions) -> PreTrainedModel:
    common = _of_encoder(shape, tokenizer, options)
    return BertForPreTraining(BertConfig(max_position_embeddings=options.max_length, **common))


def _roberta(shape: Size, tokenizer: PreTrainedTokenizerFast, options: ModelOptions) -> PreTrainedModel:
    # RoBERTa counts positions from behind the id of the padding.
    places = options.max_length + tokenizer.pad_token_id + 1
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    common = _of_encoder(shape, tokenizer, options)
    return RobertaForMaskedLM(
        RobertaConfig(max_position_embeddings=places, type_vocab_size=1, **special, **common)
    )


def _gpt(shape: Size, tokenizer: PreTrainedTokenizerFast, options: ModelOptions) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=options.max_length,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            initializer_range=initial_deviation(shape.width),
            resid_pdrop=options.dropout,
            embd_pdrop=options.dropout,
            attn_pdrop=options.dropout,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _recurrent(
    shape: Size, tokenizer: PreTrainedTokenizerFast, options: ModelOptions, *, cell: str
) -> PreTrainedModel:
    layers, is_pair = shape.recurrent_layers, options.bidirectional
    config = RecurrentConfig(
        vocab_size=len(tokenizer),
        cell=cell,
        embedding_size=shape.width,
        hidden_size=recurrent_width(cell, shape, layers, 1 + is_pair),
        num_layers=layers,
        bidirectional=is_pair,
        independent_directions=is_pair,
        # What a classifier on top of a language model reads (Howard and Ruder 2018); nothing to learn.
        pooling="concat",
        dropout=options.dropout,
        embedding_dropout=options.dropout,
        pad_token_id=tokenizer.pad_token_id,
    )
    config.bos_token_id, config.eos_token_id = boundary_ids(tokenizer)
    return RecurrentForCausalLM(config)


def _of_cell(cell: str) -> Architecture:
    return Architecture(
        objective="recurrent",
        learns="the next word, gradients reaching back over one segment (Mikolov et al. 2010)",
        auto_class="AutoModelForCausalLM",
        train_tokenizer=train_word_tokenizer,
        reads_characters=True,
        build=functools.partial(_recurrent, cell=cell),
        is_ours=True,
    )


ARCHITECTURES = {
    "bert": Architecture(
        objective="masked",
        learns="masked words and next sentences (Devlin et al. 2019)",
        auto_class="AutoModelForPreTraining",
        train_tokenizer=wordpiece,
        examples=SentencePairs,
        build=_bert,
    ),
    "roberta": Architecture(
        objective="masked",
        learns="masked words, in sequences of full sentences (Liu et al. 2019)",
        auto_class="AutoModelForMaskedLM",
        train_tokenizer=roberta_bytes,
        known_tokens=BYTES,
        build=_roberta,
    ),
    "gpt": Architecture(
        objective="causal",
        learns="the next word (Radford et al. 2018)",
        auto_class="AutoModelForCausalLM",
        train_tokenizer=gpt_bytes,
        known_tokens=BYTES,
        reads_characters=True,
        build=_gpt,
    ),
    **{cell: _of_cell(cell) for cell in ("lstm", "gru", "rnn")},
}


def those(is_meant: Callable[[Architecture], bool]) -> tuple[str, ...]:
    """Return the names of some architectures."""
    return tuple(name for name, architecture in ARCHITECTURES.items() if is_meant(architecture))


def train_tokenizer(
    architecture: str,
    texts: Iterable[str],
    *,
    characters: bool = False,
    vocabulary_size: int = 30_000,
    lowercase: bool = True,
    max_length: int = 512,
) -> PreTrainedTokenizerFast:
    """Learn the tokenizer that goes with an architecture.

    For "bert" WordPiece (Schuster and Nakajima 2012), loaded as BertTokenizer; for "roberta" and "gpt"
    byte-level BPE (Sennrich et al. 2016, Radford et al. 2019), loaded as RobertaTokenizer and GPT2Tokenizer;
    for "lstm", "gru" and "rnn" words. All are PreTrainedTokenizerFast and load through AutoTokenizer.

    Args:
        architecture: One of :data:`ARCHITECTURES`.
        texts: Raw strings, as :attr:`~textgraft.pretraining.corpus.corpus.Corpus.texts` of a corpus; read
            twice for "bert". The memory needed grows with the different words in them only.
        characters: Whether every character is a token; for "gpt" and the recurrent ones.
        vocabulary_size: Entries at most, special tokens included.
        lowercase: Whether WordPiece and words ignore case (WordPiece then accents, too). The others keep it.
        max_length: The tokenizer's ``model_max_length``: tokens that the model reads.

    Raises:
        DataError: The texts have no words.
        OptionError: There is no such architecture, it does not read characters, or the vocabulary is too
            small for its tokens.
    """
    if architecture not in ARCHITECTURES:
        raise unknown("architecture", architecture, ARCHITECTURES)
    chosen = ARCHITECTURES[architecture]
    if characters and not chosen.reads_characters:
        able = those(lambda one: one.reads_characters)
        raise OptionError(
            f"{architecture} does not read characters", fix=f"Architectures that do: {', '.join(able)}."
        )
    train = character_tokens if characters else chosen.train_tokenizer
    tokenizer = train(texts, vocabulary_size=vocabulary_size, lowercase=lowercase, max_length=max_length)
    known = 0 if characters else chosen.known_tokens
    if len(tokenizer) <= len(tokenizer.all_special_tokens) + known:
        raise DataError(
            "no tokenizer can be learned: no word occurs twice in the texts", fix="Give a larger corpus."
        )
    return tokenizer


def build_model(
    architecture: str,
    size: str,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_length: int,
    dropout: float,
    bidirectional: bool,
    seed: int,
) -> PreTrainedModel:
    """Make a language model with random weights, which ``seed`` determines.

    Args:
        architecture: One of :data:`ARCHITECTURES`.
        size: One of :data:`~textgraft.pretraining.sizes.SIZES`.
        tokenizer: Tells the vocabulary and the special tokens.
        max_length: Positions of a Transformer; recurrent networks have no limit.
        dropout: Throughout.
        bidirectional: Whether a recurrent network is a pair, one for each direction (Peters et al. 2018).
        seed: Of the weights.

    Raises:
        OptionError: There is no such architecture or size.
    """
    if architecture not in ARCHITECTURES:
        raise unknown("architecture", architecture, ARCHITECTURES)
    if size not in SIZES:
        raise unknown("size", size, SIZES, where="--size")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = ModelOptions(max_length, dropout, bidirectional)
        return ARCHITECTURES[architecture].build(SIZES[size], tokenizer, options)
