"""How contenders that write texts are fitted: vocabulary, model, how they search, training."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

import textgraft.models.auto  # noqa: F401  registers our architectures
from textgraft.comparison.contenders.base import Fitted, Job, Settings
from textgraft.comparison.contenders.recipes import encoder_of, train_on_rows
from textgraft.models.baselines.lead import LeadForSeq2SeqLM
from textgraft.models.baselines.nearest_caption import NearestCaptionForSeq2SeqLM
from textgraft.models.encoders import encoder_max_length
from textgraft.models.generation.encoder_decoder import bert_to_bert as build_bert_to_bert
from textgraft.models.generation.encoder_decoder import transformer as build_transformer
from textgraft.models.recurrent.captioner import CaptionerConfig, CaptionerForSeq2SeqLM
from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig
from textgraft.tasks.generation.captioning import vectors_of
from textgraft.tokenization.subword_tokenizer import target_ids, target_tokenizer, train_vocabularies

MAX_LENGTH = 512
"""Tokens read and written of a text where the user sets no other limit."""
ROOM = 1.5
"""A text may become so many times as long as the longest of the training targets."""

VOCABULARY = ("vocabulary", "vocabulary_size")
"""Settings of the vocabularies."""
SEARCH = ("num_beams", "length_penalty", "no_repeat_ngram_size", "early_stopping")
"""Settings of how the best text is searched for."""
RECURRENT = (
    "cell", "embedding_size", "hidden_size", "num_layers", "input_feeding", "dropout", "embedding_dropout",
    "label_smoothing",
)  # fmt: skip
"""Settings that describe a recurrent encoder–decoder."""
CAPTIONER = (
    "cell", "embedding_size", "hidden_size", "num_layers", "injection", "dropout", "embedding_dropout",
    "label_smoothing",
)  # fmt: skip
"""Settings that describe a captioner."""
TRANSFORMER = ("hidden_size", "num_layers", "num_heads", "feed_forward_size", "dropout", "label_smoothing")
"""Settings that describe a Transformer."""
BERT = ("label_smoothing",)


def _part(settings: Settings, names: Collection[str]) -> Settings:
    return {name: value for name, value in settings.items() if name in names}


def _tokenizer(job: Job, settings: Settings) -> PreTrainedTokenizerFast:
    """Learn the vocabularies of the training rows."""
    targets = [texts[0] for texts in job.targets(job.train)]
    return train_vocabularies(job.train.texts, targets, **_part(settings, VOCABULARY))


def _sizes(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Return the entries of the vocabularies as models want to know them."""
    writer = target_tokenizer(tokenizer)
    sizes = {"vocab_size": len(tokenizer)}
    return sizes if writer is tokenizer else {**sizes, "decoder_vocab_size": len(writer)}


def _longest(job: Job, tokenizer: PreTrainedTokenizerFast, length: int) -> int:
    """Return how many tokens may be written: more than any training target has, to see where one ends."""
    targets = [texts[0] for texts in job.targets(job.train)]
    longest = max(map(len, target_ids(target_tokenizer(tokenizer), targets, length).ids))
    return min(length, math.ceil(ROOM * longest))


def _fit(
    job: Job,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    length: int,
    settings: Settings,
    architecture: Collection[str],
) -> Fitted:
    """Tell the model how to search, and train it."""
    model.generation_config.update(max_new_tokens=_longest(job, tokenizer, length), **_part(settings, SEARCH))
    known = (*architecture, *VOCABULARY, *SEARCH)
    training = {name: value for name, value in settings.items() if name not in known}
    return train_on_rows(job, model, tokenizer, length, training)


def recurrent(job: Job, settings: Settings, *, attention: str) -> Fitted:
    """Train a recurrent encoder–decoder from random weights."""
    tokenizer = _tokenizer(job, settings)
    config = RecurrentSeq2SeqConfig(**_sizes(tokenizer), attention=attention, **_part(settings, RECURRENT))
    model = RecurrentForSeq2SeqLM(config)
    return _fit(job, model, tokenizer, job.max_length or MAX_LENGTH, settings, RECURRENT)


def transformer(job: Job, settings: Settings) -> Fitted:
    """Train a Transformer encoder–decoder from random weights."""
    tokenizer = _tokenizer(job, settings)
    length = job.max_length or MAX_LENGTH
    model = build_transformer(**_sizes(tokenizer), max_length=length, **_part(settings, TRANSFORMER))
    return _fit(job, model, tokenizer, length, settings, TRANSFORMER)


def bert_to_bert(job: Job, settings: Settings) -> Fitted:
    """Fine-tune an encoder–decoder whose both sides begin as the pre-trained encoder."""
    source = encoder_of(job)
    model, tokenizer = build_bert_to_bert(source, **_part(settings, BERT))
    return _fit(job, model, tokenizer, job.max_length or encoder_max_length(source), settings, BERT)


def captioner(job: Job, settings: Settings) -> Fitted:
    """Train a recurrent decoder on vectors from random weights."""
    vectors = torch.tensor(vectors_of(job.train))
    tokenizer = _captions(job, settings)
    model = CaptionerForSeq2SeqLM(
        CaptionerConfig(vector_size=vectors.shape[1], vocab_size=len(tokenizer), **_part(settings, CAPTIONER))
    )
    model.encoder.fit(vectors)
    return _fit(job, model, tokenizer, job.max_length or MAX_LENGTH, settings, CAPTIONER)


def _captions(job: Job, settings: Settings) -> PreTrainedTokenizerFast:
    """Learn the vocabulary of the training captions: the source has none."""
    targets = [texts[0] for texts in job.targets(job.train)]
    return train_vocabularies([], targets, **_part(settings, VOCABULARY))


def nearest(job: Job, settings: Settings) -> Fitted:
    """Remember every training vector and its caption."""
    tokenizer = _captions(job, settings)
    length = job.max_length or MAX_LENGTH
    ids = target_ids(tokenizer, [texts[0] for texts in job.targets(job.train)], length).ids
    model = NearestCaptionForSeq2SeqLM.of(torch.tensor(vectors_of(job.train)), ids, len(tokenizer))
    model.generation_config.update(max_new_tokens=length)
    return Fitted(model, tokenizer, length)


def lead(job: Job, settings: Settings, *, whole: bool = False) -> Fitted:
    """Write the beginning of the source, as many words as the training targets have, or all of it.

    Args:
        job: Tells how long targets are.
        settings: ``length``: how many times as long as the mean training target the beginning is.
        whole: Whether the whole source is copied.
    """
    tokenizer = _tokenizer(job, settings)
    words = [len(texts[0].split()) for texts in job.targets(job.train)]
    count = 0 if whole else max(1, round(settings["length"] * sum(words) / len(words)))
    model = LeadForSeq2SeqLM.reading(tokenizer, count)
    length = job.max_length or MAX_LENGTH
    model.generation_config.update(max_new_tokens=length + 1)
    return Fitted(model, tokenizer, length)
