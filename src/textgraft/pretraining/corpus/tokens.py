"""A corpus as token ids on disk: built once, mapped into memory, read from anywhere at no cost.

A cache holds two sets of documents, "train" and "dev". Of each, ``ids.bin`` has the tokens of all pieces one
after the other; ``pieces.bin`` the place in it where each piece begins and, last, where the last one ends;
``documents.bin`` the piece with which each document begins and, last, the number of pieces. A piece is a
sentence, or a stretch of text.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray
from tokenizers import Tokenizer

from textgraft.errors import DataError
from textgraft.files import atomic_folder, cache_folder, content_hash, locked, output_errors, write_json
from textgraft.integrity import is_intact, seal
from textgraft.pretraining.corpus.corpus import Corpus, Document, fingerprint, shuffled

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Unit = Literal["sentences", "text"]

_FORMAT = 2
_HEADER = "tokens.json"
_BATCH_CHARACTERS = 1 << 20
_STRETCH = 1 << 16
"""Characters of a stretch of text, at most: tokenizers need memory by the hundredfold of what they are given
at once."""


@dataclass(frozen=True)
class Tokens:
    """Documents as token ids."""

    ids: NDArray[np.integer[Any]]
    """Of all documents one after the other, uint16 or uint32 [tokens]."""
    piece_starts: NDArray[np.int64]
    """Where in ``ids`` each piece begins, and where the last one ends, [pieces + 1]."""
    document_starts: NDArray[np.int64]
    """With which piece each document begins, and the number of pieces, [documents + 1]."""
    identity: str
    """Hash of what they were made from."""

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.document_starts) - 1

    def document(self, number: int) -> NDArray[np.integer[Any]]:
        """Return the ids of a document, [tokens]."""
        first, end = self.document_starts[number : number + 2]
        return self.ids[self.piece_starts[first] : self.piece_starts[end]]

    def pieces(self, number: int) -> list[NDArray[np.integer[Any]]]:
        """Return the ids of each piece of a document, [tokens] each."""
        first, end = self.document_starts[number : number + 2].tolist()
        starts = self.piece_starts[first : end + 1].tolist()
        return [self.ids[start:stop] for start, stop in pairwise(starts)]


def tokenize_corpus(
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerFast,
    *,
    unit: Unit,
    dev: Corpus | None = None,
    dev_fraction: float = 0.02,
    end_id: int | None = None,
    folder: Path | None = None,
    on_documents: Callable[[int], None] | None = None,
) -> tuple[Tokens, Tokens]:
    """Turn a corpus into token ids on disk, or find it there.

    The cache is named by a hash of the content of the files, of the tokenizer and of the options. It is
    written atomically, and made anew where a file fails its checksum; a second process waits for the first.
    Documents are shuffled in a buffer, so that neighbours seldom come from one file.

    Args:
        corpus: The documents.
        tokenizer: Cuts them; special tokens are neither added nor looked for in the text.
        unit: "sentences" makes every sentence a piece, a space between them, as pairs of sentences need it;
            "text" keeps documents as they stand, in pieces of at most 65,536 characters.
        dev: Documents held out; they are left out of ``corpus`` where they stand there, too. None holds out
            some of ``corpus``, chosen by their hash, at least one.
        dev_fraction: Fraction of the documents held out if ``dev`` is None.
        end_id: Token put behind each document, as part of its last piece.
        folder: Where caches lie; None takes "tokens" in textgraft's cache folder.
        on_documents: Called with the number of documents turned so far.

    Returns:
        The documents to train on, and those held out.

    Raises:
        DataError: The corpus cannot be read, or has a single document and none is to be held out.
        OutputError: The folder cannot be written.
    """
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())  # a copy: it is changed here
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # a text that happens to say "[MASK]" is text
    identity = content_hash(
        [
            _FORMAT,
            corpus.identity(),
            dev.identity() if dev else dev_fraction,
            sha256(backend.to_str().encode()).hexdigest(),
            unit,
            end_id,
        ]
    )
    home = folder or cache_folder() / "tokens"
    with output_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    place = home / identity
    with locked(home / f".{identity}.lock"):
        if not is_intact(place):
            for leftover in home.glob(f".{identity}.*/"):  # of a process that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            dtype = np.dtype(np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32)
            documents = _split(corpus, dev, dev_fraction)
            with atomic_folder(place) as temporary:
                _write(temporary, documents, backend, unit, end_id, dtype, on_documents)
                write_json(temporary / _HEADER, {"dtype": dtype.name, "unit": unit})
                seal(temporary)
    dtype = np.dtype(json.loads((place / _HEADER).read_text())["dtype"])
    train, held_out = (_open(place / name, dtype, f"{identity}/{name}") for name in ("train", "dev"))
    for tokens, purpose in ((train, "train on"), (held_out, "hold out")):
        if not len(tokens.ids):
            raise DataError(
                f"the corpus has too few documents: there is none to {purpose}",
                where=str(corpus.files[0]),
                fix="Give more documents, separated by blank lines, or a corpus of its own to hold out.",
            )
    return train, held_out


def _split(corpus: Corpus, dev: Corpus | None, share: float) -> Iterator[tuple[str, Document]]:
    """Yield each document with the set that it belongs to."""
    if dev is not None:
        held_out = set()
        for document in dev:
            held_out.add(fingerprint(document.text))
            yield "dev", document
    order = shuffled(corpus, np.random.default_rng(0))
    first = None
    has_dev = dev is not None
    for document in order:
        name = fingerprint(document.text)
        if dev is not None and name in held_out:
            continue
        if dev is None and name % (1 << 32) < share * (1 << 32):
            has_dev = True
            yield "dev", document
        elif first is None:
            first = document  # waits: it is held out if no other is
        else:
            yield "train", document
    if first is not None:
        yield "train" if has_dev else "dev", first


def _write(
    folder: Path,
    documents: Iterable[tuple[str, Document]],
    tokenizer: Tokenizer,
    unit: Unit,
    end_id: int | None,
    dtype: np.dtype[Any],
    on_documents: Callable[[int], None] | None,
) -> None:
    counted = 0
    with ExitStack() as stack:
        files: dict[str, dict[str, Any]] = {}
        ends: dict[str, list[int]] = {}
        for name in ("train", "dev"):
            (folder / name).mkdir()
            files[name] = {
                part: stack.enter_context((folder / name / f"{part}.bin").open("wb"))
                for part in ("ids", "pieces", "documents")
            }
            ends[name] = [0, 0]
            for part in ("pieces", "documents"):
                files[name][part].write(np.zeros(1, np.int64).tobytes())
        for batch in _batches(documents):
            pieces = [_pieces(document, unit) for _, document in batch]
            encodings = iter(tokenizer.encode_batch_fast(list(chain(*pieces)), add_special_tokens=False))
            for (name, _), texts in zip(batch, pieces, strict=True):
                rows = [row for row in (next(encodings).ids for _ in texts) if row]
                if not rows:
                    continue
                if end_id is not None:
                    rows[-1] = [*rows[-1], end_id]
                stops = ends[name][0] + np.cumsum([len(row) for row in rows])
                ends[name] = [int(stops[-1]), ends[name][1] + len(rows)]
                files[name]["ids"].write(np.fromiter(chain(*rows), dtype).tobytes())
                files[name]["pieces"].write(stops.astype(np.int64).tobytes())
                files[name]["documents"].write(np.array(ends[name][1], np.int64).tobytes())
            counted += len(batch)
            if on_documents is not None:
                on_documents(counted)


def _batches(documents: Iterable[tuple[str, Document]]) -> Iterator[list[tuple[str, Document]]]:
    batch: list[tuple[str, Document]] = []
    size = 0
    for entry in documents:
        batch.append(entry)
        size += len(entry[1].text)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _pieces(document: Document, unit: Unit) -> list[str]:
    if unit == "text":
        return list(_stretches(document.text))
    first, *others = document.sentences or [""]
    # Where spaces count, as in byte-level BPE, a word within a text is another token than at its beginning.
    return [first, *(f" {sentence}" for sentence in others)]


def _stretches(text: str) -> Iterator[str]:
    """Cut a text into stretches, behind a line break or else a space where there is one."""
    start = 0
    while len(text) - start > _STRETCH:
        limit = start + _STRETCH
        end = next((at for mark in "\n " if (at := text.rfind(mark, start, limit) + 1)), limit)
        yield text[start:end]
        start = end
    if text[start:]:
        yield text[start:]


def _open(folder: Path, dtype: DTypeLike, identity: str) -> Tokens:
    return Tokens(
        _mapped(folder / "ids.bin", dtype),
        _mapped(folder / "pieces.bin", np.int64),
        _mapped(folder / "documents.bin", np.int64),
        identity,
    )


def _mapped(path: Path, dtype: DTypeLike) -> NDArray[Any]:
    # An empty file cannot be mapped.
    return np.memmap(path, dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)
