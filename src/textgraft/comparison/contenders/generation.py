"""Those that write: sequence to sequence, vector to sequence, and their baselines."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from textgraft.comparison.contenders.base import (
    MAX_LENGTH,
    Contender,
    Count,
    EpochSchedule,
    Fitted,
    Job,
    KeepingStates,
    RecipeSettings,
    TrainedSettings,
    train_on_rows,
)
from textgraft.models.encoders import encoder_max_length
from textgraft.training.settings import Fraction

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

WRITING = ("translation", "summarization", "text2text")
"""Tasks whose source and answer are texts, the latter written word by word."""
ROOM = 1.5
"""A text may become so many times as long as the longest of the training targets."""
Cell = Literal["rnn", "lstm", "gru"]


def _targets(job: Job) -> list[str]:
    """Return what is to be written for each training row, the first where there are several."""
    return [texts[0] for texts in job.targets(job.train)]


class WrittenWords(RecipeSettings):
    """Settings of the tokens of what is written."""

    vocabulary_size: Count = 8000
    """Subwords at most."""


class LeadSettings(WrittenWords):
    """Settings of writing the beginning of the source."""

    length: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How many times as long as the mean training target the beginning is."""


def _lead(job: Job, settings: LeadSettings) -> Fitted:
    """Write the beginning of the source, in proportion to the words that the training targets have."""
    words = [len(text.split()) for text in _targets(job)]
    return _beginning(job, settings, max(1, round(settings.length * sum(words) / len(words))))


def _copy(job: Job, settings: WrittenWords) -> Fitted:
    """Write the whole source."""
    return _beginning(job, settings, 0)


def _beginning(job: Job, settings: WrittenWords, words: int) -> Fitted:
    """Write so many words of the source; 0 for all."""
    from textgraft.models.baselines.lead import LeadForSeq2SeqLM
    from textgraft.tokenization.subword_tokenizer import train_vocabularies

    tokenizer = train_vocabularies(job.train.texts, _targets(job), vocabulary_size=settings.vocabulary_size)
    model = LeadForSeq2SeqLM.reading(tokenizer, words)
    length = job.max_length or MAX_LENGTH
    model.generation_config.update(max_new_tokens=length + 1)
    return Fitted(model, tokenizer, length)


def _captions(job: Job, vocabulary_size: int) -> PreTrainedTokenizerFast:
    """Learn the tokens of the training captions: the source has none."""
    from textgraft.tokenization.subword_tokenizer import train_vocabularies

    return train_vocabularies([], _targets(job), vocabulary_size=vocabulary_size)


def _nearest(job: Job, settings: WrittenWords) -> Fitted:
    """Remember every training vector and its caption."""
    import torch

    from textgraft.models.baselines.nearest_caption import NearestCaptionForSeq2SeqLM
    from textgraft.tasks.generation.captioning import vectors_of
    from textgraft.tokenization.subword_tokenizer import target_ids

    tokenizer = _captions(job, settings.vocabulary_size)
    length = job.max_length or MAX_LENGTH
    ids = target_ids(tokenizer, _targets(job), length).ids
    model = NearestCaptionForSeq2SeqLM.of(torch.tensor(vectors_of(job.train)), ids, len(tokenizer))
    model.generation_config.update(max_new_tokens=length)
    return Fitted(model, tokenizer, length)


class WritingSettings(TrainedSettings):
    """Settings of how a trained model searches for the best text; None: Transformers' own default."""

    num_beams: Count = 1
    """How many beginnings of a text are followed at a time; 1: always the likeliest next word."""
    length_penalty: float | None = Field(default=None, allow_inf_nan=False)
    """Power of the length that log-probabilities are divided by; above 0, longer texts win."""
    no_repeat_ngram_size: int | None = Field(default=None, ge=0)
    """So many words in a row are never written twice; 0: any may be."""
    early_stopping: bool | Literal["never"] | None = None
    """Whether the search ends as soon as there are as many texts as beams."""
    label_smoothing: Fraction = 0.0
    """Fraction of the probability that the training loss spreads over all words."""

    def search(self) -> dict[str, Any]:
        """Return what generation is told."""
        values = {name: getattr(self, name) for name in _SEARCH}
        return {name: value for name, value in values.items() if value is not None}


_SEARCH = ("num_beams", "length_penalty", "no_repeat_ngram_size", "early_stopping")
_VOCABULARY = ("vocabulary", "vocabulary_size")


def _fit(
    job: Job,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    length: int,
    settings: WritingSettings,
    keeping: KeepingStates | None = None,
) -> Fitted:
    """Tell the model how to search, and train it."""
    model.generation_config.update(max_new_tokens=_longest(job, tokenizer, length), **settings.search())
    return train_on_rows(job, model, tokenizer, length, settings, keeping)


def _longest(job: Job, tokenizer: PreTrainedTokenizerFast, length: int) -> int:
    """Return how many tokens may be written: more than any training target has, to see where one ends."""
    from textgraft.tokenization.subword_tokenizer import target_ids, target_tokenizer

    longest = max(map(len, target_ids(target_tokenizer(tokenizer), _targets(job), length).ids))
    return min(length, math.ceil(ROOM * longest))


class TwoVocabularies(WritingSettings):
    """Settings of the tokens of source and target."""

    vocabulary: Literal["shared", "separate"] = "shared"
    """Whether source and target have the same tokens."""
    vocabulary_size: Count = 8000
    """Subwords at most, of each."""

    def tokenizer(self, job: Job) -> PreTrainedTokenizerFast:
        """Learn the tokens of the training rows."""
        from textgraft.tokenization.subword_tokenizer import train_vocabularies

        return train_vocabularies(
            job.train.texts,
            _targets(job),
            vocabulary=self.vocabulary,
            vocabulary_size=self.vocabulary_size,
        )


def _sizes(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Return the entries of the vocabularies as models want to know them."""
    from textgraft.tokenization.subword_tokenizer import target_tokenizer

    writer = target_tokenizer(tokenizer)
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer)}
    return sizes if writer is tokenizer else {**sizes, "decoder_vocab_size": len(writer)}


class Seq2SeqSettings(TwoVocabularies):
    """Settings of a recurrent encoder–decoder; see RecurrentSeq2SeqConfig."""

    cell: Cell = "lstm"
    """"lstm", "gru" or "rnn"."""
    embedding_size: Count = 256
    """Width of a token's vector."""
    hidden_size: Count = 256
    """Width of one direction's state."""
    num_layers: Count = 1
    """Recurrent layers, on either side."""
    input_feeding: bool = False
    """Whether what attention found goes into the next step (Luong et al. 2015); slower."""
    dropout: Fraction = 0.3
    """Fraction of the states between layers set to zero in training."""
    embedding_dropout: Fraction = 0.3
    """The same for the tokens' vectors."""


def _seq2seq(job: Job, settings: Seq2SeqSettings, *, attention: str) -> Fitted:
    """Train a recurrent encoder–decoder from random weights."""
    from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig

    tokenizer = settings.tokenizer(job)
    shape = settings.model(*_SEARCH, *_VOCABULARY)
    model = RecurrentForSeq2SeqLM(RecurrentSeq2SeqConfig(**_sizes(tokenizer), attention=attention, **shape))
    return _fit(job, model, tokenizer, job.max_length or MAX_LENGTH, settings)


class TransformerSettings(TwoVocabularies):
    """Settings of a Transformer; see :func:`textgraft.models.generation.encoder_decoder.transformer`."""

    hidden_size: Count = 256
    """Width of a layer."""
    num_layers: Count = 3
    """Layers, on either side."""
    num_heads: Count = 4
    """Attention heads of a layer."""
    feed_forward_size: Count = 512
    """Width between the two maps of a layer."""
    dropout: Fraction = 0.1
    """Fraction of what every layer computes set to zero in training."""


def _transformer(job: Job, settings: TransformerSettings) -> Fitted:
    """Train a Transformer encoder–decoder from random weights."""
    from textgraft.models.generation.encoder_decoder import transformer

    tokenizer = settings.tokenizer(job)
    length = job.max_length or MAX_LENGTH
    shape = settings.model(*_SEARCH, *_VOCABULARY)
    model = transformer(**_sizes(tokenizer), max_length=length, **shape)
    return _fit(job, model, tokenizer, length, settings)


class BertToBertSettings(WritingSettings):
    """Settings of fine-tuning an encoder that both sides begin as."""

    label_smoothing: Fraction = 0.1
    """Fraction of the probability that the training loss spreads over all words."""
    freeze_encoder: bool = False
    """Whether only what writes is trained: what reads then stays as it is, and computes each source once."""


def _bert_to_bert(job: Job, settings: BertToBertSettings, *, copies: bool) -> Fitted:
    """Fine-tune an encoder–decoder whose both sides begin as the pre-trained encoder."""
    from textgraft.inference.encoder_states import open_states
    from textgraft.models.generation.encoder_decoder import bert_to_bert
    from textgraft.training.frozen_source import fit_decoder

    source = job.needed_encoder()
    model, tokenizer = bert_to_bert(source, label_smoothing=settings.label_smoothing, copies=copies)
    length = job.max_length or encoder_max_length(source)
    decoder_alone = KeepingStates(functools.partial(fit_decoder, open_states=open_states))
    fitted = _fit(job, model, tokenizer, length, settings, decoder_alone if settings.freeze_encoder else None)
    return replace(fitted, begun_from=source)


class CaptionerSettings(WritingSettings):
    """Settings of a recurrent decoder on vectors; see CaptionerConfig."""

    vocabulary_size: Count = 8000
    """Subwords at most."""
    cell: Cell = "lstm"
    """"lstm", "gru" or "rnn"."""
    embedding_size: Count = 128
    """Width of a token's vector."""
    hidden_size: Count = 256
    """Width of the state."""
    num_layers: Count = 1
    """Recurrent layers."""
    injection: Literal["state", "token"] = "state"
    """How the vector enters: as the first "state", or as the first "token"."""
    dropout: Fraction = 0.3
    """Fraction of the states between layers set to zero in training."""
    embedding_dropout: Fraction = 0.3
    """The same for the tokens' vectors."""


def _captioner(job: Job, settings: CaptionerSettings) -> Fitted:
    """Train a recurrent decoder on vectors from random weights."""
    import torch

    from textgraft.models.recurrent.captioner import CaptionerConfig, CaptionerForSeq2SeqLM
    from textgraft.tasks.generation.captioning import vectors_of

    vectors = torch.tensor(vectors_of(job.train))
    tokenizer = _captions(job, settings.vocabulary_size)
    shape = settings.model(*_SEARCH, "vocabulary_size")
    model = CaptionerForSeq2SeqLM(
        CaptionerConfig(vector_size=vectors.shape[1], vocab_size=len(tokenizer), **shape)
    )
    model.encoder.fit(vectors)
    return _fit(job, model, tokenizer, job.max_length or MAX_LENGTH, settings)


_EPOCHS = EpochSchedule(rows=300_000, least=10, most=60)
_SEQ2SEQ = Seq2SeqSettings(
    batch_size=128,
    max_tokens=4096,
    num_beams=4,
    vocabulary_size=8000,
    embedding_size=256,
    hidden_size=256,
    learning_rate=2e-3,
    dropout=0.3,
    embedding_dropout=0.3,
    label_smoothing=0.1,
)
_TRANSFORMER = TransformerSettings(
    # It wants many steps: of Multi30k's first half epoch it learned more in batches of 64 than of 128 pairs.
    batch_size=64,
    max_tokens=2048,
    num_beams=4,
    vocabulary_size=8000,
    hidden_size=256,
    num_layers=3,
    num_heads=4,
    feed_forward_size=512,
    learning_rate=7e-4,
    dropout=0.2,
    label_smoothing=0.1,
)
_CAPTIONER = CaptionerSettings(
    batch_size=128,
    max_tokens=4096,
    num_beams=4,
    vocabulary_size=2000,
    embedding_size=128,
    hidden_size=256,
    injection="state",
    learning_rate=2e-3,
    dropout=0.3,
    embedding_dropout=0.3,
)

CONTENDERS = (
    Contender(
        name="lead",
        title="beginning of the document",
        recipe=_lead,
        grid=tuple(LeadSettings(length=length) for length in (1.0, 2.0, 0.5)),
        tasks=("summarization",),
        colour="#8a8a8a",
        marker="cross",
        is_default=True,
    ),
    Contender(
        name="copy",
        title="the source as it is",
        recipe=_copy,
        grid=(WrittenWords(),),
        tasks=("translation", "text2text"),
        colour="#8a8a8a",
        marker="square-open",
        is_default=True,
    ),
    Contender(
        name="nearest",
        title="caption of the nearest vector",
        recipe=_nearest,
        grid=(WrittenWords(),),
        tasks=("captioning",),
        colour="#8a8a8a",
        marker="diamond-open",
        is_default=True,
    ),
    *(
        Contender(
            name=name,
            title=title,
            recipe=functools.partial(_seq2seq, attention=attention),
            grid=(
                _SEQ2SEQ,
                _SEQ2SEQ.but(learning_rate=1e-3, num_layers=2),
                _SEQ2SEQ.but(learning_rate=4e-3, dropout=0.5),
            ),
            tasks=WRITING,
            colour=colour,
            marker=marker,
            is_default=True,
            epochs=_EPOCHS,
        )
        for name, title, attention, colour, marker in (
            ("lstm-seq2seq", "LSTM encoder–decoder, one vector between", "none", "#e69f00", "triangle-left"),
            ("lstm-attention", "LSTM encoder–decoder with attention", "luong", "#009e73", "diamond-wide"),
        )
    ),
    Contender(
        name="transformer",
        title="Transformer encoder–decoder",
        recipe=_transformer,
        grid=(_TRANSFORMER, _TRANSFORMER.but(learning_rate=4e-4), _TRANSFORMER.but(dropout=0.3)),
        tasks=WRITING,
        colour="#0072b2",
        marker="hexagon2",
        is_default=True,
        epochs=EpochSchedule(rows=450_000, least=15, most=90),
    ),
    *(
        Contender(
            name=name,
            asked_about="BERT",
            title=title,
            recipe=functools.partial(_bert_to_bert, copies=copies),
            grid=tuple(
                BertToBertSettings(
                    learning_rate=rate, label_smoothing=0.1, batch_size=32, max_tokens=2048, num_beams=4
                )
                for rate in (2e-4, 4e-4, 1e-4)
            ),
            tasks=WRITING,
            colour="#d55e00",
            marker=marker,
            is_default=not copies,
            epochs=EpochSchedule(rows=60_000, least=3, most=30),
            needs_encoder=True,
            rate_follows_width=True,
        )
        for name, title, copies, marker in (
            ("bert-to-bert", "BERT encoder–decoder", False, "hexagram"),
            ("bert-to-bert-copy", "BERT encoder–decoder that copies", True, "hexagram-open"),
        )
    ),
    Contender(
        name="lstm-captioner",
        title="LSTM that begins with the vector",
        recipe=_captioner,
        grid=(
            _CAPTIONER,
            _CAPTIONER.but(injection="token"),
            _CAPTIONER.but(learning_rate=1e-3, dropout=0.5, embedding_dropout=0.5),
        ),
        tasks=("captioning",),
        colour="#009e73",
        marker="diamond-tall",
        is_default=True,
        epochs=_EPOCHS,
    ),
)
