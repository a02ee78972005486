"""A tiny random model of every architecture of ours, each with a batch for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

import textgraft.models.auto  # noqa: F401  registers our architectures
from tests.tiny import save_tiny_bert
from tests.tiny_seq2seq import captioner, recurrent
from textgraft.models.baselines.lead import LeadConfig, LeadForSeq2SeqLM
from textgraft.models.baselines.majority import MajorityConfig, MajorityForSequenceClassification
from textgraft.models.baselines.nearest_caption import NearestCaptionForSeq2SeqLM
from textgraft.models.baselines.static import StaticConfig, StaticForSequenceClassification
from textgraft.models.baselines.tfidf import TfidfConfig, TfidfForSequenceClassification
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft.extraction import ExtractionConfig, GraftForExtraction
from textgraft.models.graft.heads import (
    GraftConfig,
    GraftForMultipleChoice,
    GraftForQuestionAnswering,
    GraftForSequenceClassification,
    GraftForTokenClassification,
)
from textgraft.models.graft.pairs import PairGraftConfig, PairGraftForSequenceClassification
from textgraft.models.recurrent.choice import RecurrentForMultipleChoice
from textgraft.models.recurrent.encoder import (
    RecurrentConfig,
    RecurrentForSequenceClassification,
    RecurrentModel,
)
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.models.recurrent.reader import RecurrentForQuestionAnswering
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification

VOCABULARY, ROWS, TIME, CHOICES, LABELS = 30, 4, 9, 3, 3
TAGS = ("O", "B-PER", "I-PER")
VECTOR = 5

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Architecture:
    """How to build one, and what it reads."""

    build: Callable[[Path], PreTrainedModel]
    """Takes the folder of a tiny BERT, for grafts."""
    batch: Callable[[], Batch]
    """A right-padded batch of mixed lengths."""
    labels: Callable[[], Batch]
    """What its loss takes beside that."""


def _ids(rows: int = ROWS, seed: int = 0) -> Tensor:
    return torch.randint(3, VOCABULARY, (rows, TIME), generator=torch.Generator().manual_seed(seed))


def _mask(rows: int = ROWS) -> Tensor:
    lengths = 5 + torch.arange(rows) % (TIME - 4)
    return (torch.arange(TIME) < lengths.unsqueeze(1)).long()


def _texts(rows: int = ROWS) -> Batch:
    return {"input_ids": _ids(rows) * _mask(rows), "attention_mask": _mask(rows)}


def _pairs(rows: int = ROWS) -> Batch:
    types = (torch.arange(TIME) >= 3).long().expand(rows, -1) * _mask(rows)
    return {**_texts(rows), "token_type_ids": types}


def _choices() -> Batch:
    return {name: tensor.unflatten(0, (ROWS, CHOICES)) for name, tensor in _pairs(ROWS * CHOICES).items()}


def _words() -> Batch:
    batch = _texts()
    starts = batch["attention_mask"] * (torch.arange(TIME) % 2)
    letters = torch.randint(1, 200, (ROWS, TIME, 4), generator=torch.Generator().manual_seed(1))
    return {**batch, "word_mask": starts, "character_ids": letters * starts.unsqueeze(2)}


def _classes() -> Batch:
    return {"labels": torch.arange(ROWS) % LABELS}


def _tags() -> Batch:
    return {"labels": torch.arange(TIME).expand(ROWS, -1) % LABELS}


def _word_tags() -> Batch:
    return {"labels": torch.where(_words()["word_mask"] == 1, 1, -100)}


def _spans() -> Batch:
    return {"start_positions": torch.full((ROWS,), 4), "end_positions": torch.full((ROWS,), 4)}


def _same_text() -> Batch:
    batch = _texts()
    return {"labels": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)}


def _targets() -> Batch:
    return {"labels": _ids(seed=2)[:, :6].masked_fill(_mask()[:, :6] == 0, -100)}


def _vectors() -> Batch:
    return {"vectors": torch.randn(ROWS, VECTOR, generator=torch.Generator().manual_seed(3))}


def _nothing() -> Batch:
    return {}


def recurrent_config(**changes: Any) -> RecurrentConfig:
    small = {"vocab_size": VOCABULARY, "embedding_size": 12, "hidden_size": 16, "num_labels": LABELS}
    return RecurrentConfig(**{**small, **changes})


def _network(kind: Any, **changes: Any) -> Callable[[Path], PreTrainedModel]:
    def build(_: Path) -> PreTrainedModel:
        torch.manual_seed(0)
        return kind(recurrent_config(**changes)).eval()

    return build


def _tagger(**changes: Any) -> Callable[[Path], PreTrainedModel]:
    names = dict(enumerate(TAGS))
    return _network(RecurrentForTokenClassification, id2label=names, **changes)


def _graft(kind: Any, config: Any = GraftConfig, **changes: Any) -> Callable[[Path], PreTrainedModel]:
    def build(folder: Path) -> PreTrainedModel:
        if not (folder / "config.json").is_file():
            save_tiny_bert(folder)
        torch.manual_seed(0)
        return kind(config.on(resolve_encoder(folder), num_labels=LABELS, **changes)).eval()

    return build


_ADAPTED = {"lora_rank": 2, "hidden_sizes": [8]}


def _extraction(folder: Path) -> PreTrainedModel:
    if not (folder / "config.json").is_file():
        save_tiny_bert(folder)
    torch.manual_seed(0)
    marks = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2}
    config = ExtractionConfig.on(resolve_encoder(folder))
    config.update({**marks, "between_size": 16, "between_heads": 2, "between_feed_forward_size": 16})
    return GraftForExtraction(config).eval()


def _tfidf(_: Path) -> PreTrainedModel:
    torch.manual_seed(0)
    config = TfidfConfig(vocab_size=VOCABULARY, num_features=VOCABULARY, num_labels=LABELS)
    model = TfidfForSequenceClassification(config)
    torch.nn.init.normal_(model.weight)
    return model.eval()


def _static(**changes: Any) -> Callable[[Path], PreTrainedModel]:
    def build(_: Path) -> PreTrainedModel:
        torch.manual_seed(0)
        sizes = {"vocab_size": VOCABULARY, "embedding_size": 12, "hidden_sizes": [8], "num_labels": LABELS}
        return StaticForSequenceClassification(StaticConfig(pad_token_id=0, **sizes, **changes)).eval()

    return build


def _lead(_: Path) -> PreTrainedModel:
    model = LeadForSeq2SeqLM(LeadConfig(vocab_size=VOCABULARY, words=2))
    model.encoder.begins_word.fill_(value=True)
    return model.eval()


def _nearest(_: Path) -> PreTrainedModel:
    vectors = torch.randn(6, VECTOR, generator=torch.Generator().manual_seed(4))
    captions = np.random.default_rng(0).integers(3, VOCABULARY, (6, 4)).tolist()
    return NearestCaptionForSeq2SeqLM.of(vectors, captions, VOCABULARY).eval()


EVERY: dict[str, Architecture] = {
    "recurrent": Architecture(_network(RecurrentModel), _texts, _nothing),
    "recurrent classifier": Architecture(
        _network(RecurrentForSequenceClassification, num_layers=2), _texts, _classes
    ),
    "recurrent pairs": Architecture(
        _network(RecurrentForSequenceClassification, pairs=True), _pairs, _classes
    ),
    "recurrent tagger": Architecture(_tagger(), _texts, _tags),
    "recurrent tagger, characters, field": Architecture(
        _tagger(crf=True, characters="lstm"), _words, _word_tags
    ),
    "recurrent tagger, convolution": Architecture(_tagger(characters="cnn"), _words, _word_tags),
    "recurrent reader": Architecture(_network(RecurrentForQuestionAnswering), _pairs, _spans),
    "recurrent choice": Architecture(_network(RecurrentForMultipleChoice), _choices, _classes),
    "language model": Architecture(
        _network(RecurrentForCausalLM, bidirectional=False, num_layers=2), _texts, _same_text
    ),
    "language models, both": Architecture(
        _network(RecurrentForCausalLM, independent_directions=True, num_layers=2), _texts, _same_text
    ),
    "seq2seq": Architecture(lambda _: recurrent(attention="none"), _texts, _targets),
    "seq2seq, bahdanau": Architecture(lambda _: recurrent(attention="bahdanau"), _texts, _targets),
    "seq2seq, luong": Architecture(lambda _: recurrent(num_layers=2), _texts, _targets),
    "seq2seq, luong, fed": Architecture(
        lambda _: recurrent(input_feeding=True, decoder_vocab_size=VOCABULARY + 5), _texts, _targets
    ),
    "captioner": Architecture(lambda _: captioner(), _vectors, _targets),
    "captioner, token": Architecture(lambda _: captioner(injection="token"), _vectors, _targets),
    "majority": Architecture(
        lambda _: MajorityForSequenceClassification(
            MajorityConfig(label_counts=[3, 1, 2], num_labels=LABELS)
        ).eval(),
        _texts,
        _classes,
    ),
    "tfidf": Architecture(_tfidf, _texts, _classes),
    "static": Architecture(_static(), _texts, _classes),
    "static, means": Architecture(_static(normalize=False), _texts, _classes),
    "static pairs": Architecture(_static(pairs=True), _pairs, _classes),
    "lead": Architecture(_lead, _texts, _targets),
    "nearest caption": Architecture(_nearest, _vectors, _targets),
    "graft extraction": Architecture(_extraction, _texts, _targets),
    "graft classifier": Architecture(_graft(GraftForSequenceClassification), _texts, _classes),
    "graft classifier, first token": Architecture(
        _graft(GraftForSequenceClassification, pooling="cls"), _texts, _classes
    ),
    "graft classifier, adapted": Architecture(
        _graft(GraftForSequenceClassification, **_ADAPTED), _texts, _classes
    ),
    "graft tagger": Architecture(_graft(GraftForTokenClassification), _texts, _tags),
    "graft tagger, adapted": Architecture(_graft(GraftForTokenClassification, **_ADAPTED), _texts, _tags),
    "graft reader": Architecture(_graft(GraftForQuestionAnswering), _pairs, _spans),
    "graft reader, adapted": Architecture(_graft(GraftForQuestionAnswering, **_ADAPTED), _pairs, _spans),
    "graft choice": Architecture(_graft(GraftForMultipleChoice), _choices, _classes),
    "graft choice, adapted": Architecture(_graft(GraftForMultipleChoice, **_ADAPTED), _choices, _classes),
    "graft pairs": Architecture(
        _graft(PairGraftForSequenceClassification, PairGraftConfig), _pairs, _classes
    ),
}
RECURRENT = tuple(
    name for name in EVERY if name.startswith(("recurrent", "language", "seq2seq", "captioner"))
)
WRITING = tuple(
    name
    for name in EVERY
    if name.startswith(("language", "seq2seq", "captioner", "lead", "nearest", "graft extraction"))
)
