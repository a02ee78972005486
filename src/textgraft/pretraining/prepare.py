"""From a corpus and a few words about the model to all that a training run takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from textgraft.files import atomic_folder, cache_folder, content_hash, locked, output_errors
from textgraft.integrity import is_intact, seal
from textgraft.models.loading import load_tokenizer
from textgraft.pretraining.architectures import build_model, train_tokenizer
from textgraft.pretraining.config import PretrainConfig
from textgraft.pretraining.corpus.corpus import Corpus, read_corpus
from textgraft.pretraining.corpus.tokens import Tokens, tokenize_corpus
from textgraft.pretraining.objectives.causal import CausalText
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.objectives.masking import Masking
from textgraft.pretraining.objectives.streams import Streams, boundary_ids
from textgraft.training.objective import Objective

_DEV_SHARES = (0.02, 0.1, 0.3)
_FEWEST_HELD_OUT = 8
"""Held-out documents below which a larger share is held out."""


@dataclass(frozen=True)
class Prepared:
    """What a training run takes."""

    tokenizer: PreTrainedTokenizerFast
    model: PreTrainedModel
    """With random weights."""
    objective: Objective
    train: Tokens
    dev: Tokens


def prepare(
    source: str | Path, config: PretrainConfig, on_documents: Callable[[int], None] | None = None
) -> Prepared:
    """Read a corpus, learn its tokenizer, and make the model and the objective of its training.

    The tokenizer and the token ids are kept in textgraft's cache folder by the content of the corpus, so that
    a second call costs little.

    Args:
        source: A file or folder of text, see :func:`~textgraft.pretraining.corpus.corpus.read_corpus`.
        config: All choices.
        on_documents: Called with the number of documents read so far.

    Raises:
        DataError: The corpus cannot be read or is too small.
        OptionError: An option is out of range.
        OutputError: The cache folder cannot be written.
    """
    corpus = read_corpus(source, text=config.text, documents=config.documents)
    dev = config.dev and read_corpus(config.dev, text=config.text, documents=config.documents)
    tokenizer = _tokenizer(corpus, config, on_documents)
    train, held_out = _tokens(corpus, dev or None, tokenizer, config, on_documents)
    model = build_model(
        config.arch,
        config.size,
        tokenizer,
        max_length=config.max_length,
        dropout=config.dropout,
        bidirectional=config.bidirectional,
        seed=config.seed,
    )
    return Prepared(tokenizer, model, _objective(train, held_out, tokenizer, config), train, held_out)


class _Counted:
    """Texts of a corpus that tell how many of them were read, every time anew.

    Args:
        texts: The texts.
        on_documents: Told the number now and then.
    """

    def __init__(self, texts: Iterable[str], on_documents: Callable[[int], None]) -> None:
        self._texts, self._on_documents = texts, on_documents

    def __iter__(self) -> Iterator[str]:
        for count, text in enumerate(self._texts, start=1):
            if count % 100 == 0:
                self._on_documents(count)
            yield text


def _tokenizer(
    corpus: Corpus, config: PretrainConfig, on_documents: Callable[[int], None] | None
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer, or find the one that was learned before."""
    options: dict[str, Any] = {
        "characters": config.characters,
        "vocabulary_size": config.vocabulary_size,
        "lowercase": config.lowercase,
        "max_length": config.max_length,
    }
    home = cache_folder() / "tokenizers"
    name = content_hash([corpus.identity(), config.arch, options])
    with output_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    with locked(home / f".{name}.lock"):
        if not is_intact(home / name):
            texts = _Counted(corpus.texts, on_documents) if on_documents else corpus.texts
            tokenizer = train_tokenizer(config.arch, texts, **options)
            with atomic_folder(home / name) as folder:
                tokenizer.save_pretrained(folder)
                seal(folder)
        return load_tokenizer(home / name)


def _tokens(
    corpus: Corpus,
    dev: Corpus | None,
    tokenizer: PreTrainedTokenizerFast,
    config: PretrainConfig,
    on_documents: Callable[[int], None] | None,
) -> tuple[Tokens, Tokens]:
    """Return the documents to train on and those held out, as token ids."""
    end = {"masked": None, "causal": tokenizer.eos_token_id, "recurrent": boundary_ids(tokenizer)[1]}
    for share in _DEV_SHARES:
        train, held_out = tokenize_corpus(
            corpus,
            tokenizer,
            unit="sentences" if config.objective == "masked" else "text",
            dev=dev,
            dev_fraction=share,
            end_id=end[config.objective],
            on_documents=on_documents,
        )
        if dev is not None or len(held_out) >= _FEWEST_HELD_OUT:
            break
    return train, held_out


def _objective(
    train: Tokens, dev: Tokens, tokenizer: PreTrainedTokenizerFast, config: PretrainConfig
) -> Objective:
    if config.objective == "recurrent":
        start, _ = boundary_ids(tokenizer)
        return Streams(train, dev, start_id=start, bidirectional=config.bidirectional)
    if config.objective == "causal":
        return CausalText(train, dev, length=config.max_length)
    kind = config.architecture.examples
    frame = Frame.of(tokenizer)
    learned, held_out = (kind(tokens, frame, length=config.max_length) for tokens in (train, dev))
    short = config.short_length and kind(train, frame, length=config.short_length)
    masking = Masking.of(tokenizer, whole_words=config.whole_word_masking)
    return MaskedText(learned, held_out, masking, short or None)
