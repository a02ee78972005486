"""Texts to vectors with a pre-trained encoder, fast.

Texts are tokenized without padding, sorted by length and run in batches of a token budget, so that almost no
work is spent on padding. With a graph on disk (see :mod:`textgraft.inference.engines.conversion`) nothing
here loads torch or Transformers: the first vector is there in a fraction of a second.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.bars import check_progress, open_bar
from textgraft.data.formats.given import Rows
from textgraft.data.inputs import as_given_text, given_inputs, given_texts
from textgraft.errors import ModelError, OptionError, unknown
from textgraft.files import as_path, content_hash
from textgraft.inference.calibration import own_texts
from textgraft.inference.encoder_weights import reads_weights
from textgraft.inference.encoding_cache import EncodingCache, Entry, entry_keys
from textgraft.inference.engines import bundled
from textgraft.inference.engines.base import PRECISIONS, Batch, Engine, ModuleSource, Outputs
from textgraft.inference.engines.open import ENGINES, FEWEST_CALIBRATION_BATCHES, open_engine
from textgraft.models.encoders import (
    BUNDLED,
    BUNDLED_SHA256,
    POOLINGS,
    EncoderSource,
    encoder_max_length,
    encoder_positions,
    encoder_width,
    load_encoder,
    load_tokenizer,
    pad_token_id,
    resolve_encoder,
)
from textgraft.models.windows import cut, longest
from textgraft.settings import flag, whole_number
from textgraft.tokenization.encode import TextFrame, TokenIds, token_ids
from textgraft.training.batching import ShapedBatch, fixed_shapes, token_budget_batches
from textgraft.training.text_arrays import Computed
from textgraft.wording import counted

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn

Encodings = NDArray[np.float32]
"""One row a text, [texts, dimension]."""
Shape = Callable[[int, int, int | None], tuple[int, int]]
"""Tells what a batch is filled up to, see :meth:`Encoder.encode_batches`."""
CHUNK = 2048
"""Texts tokenized and sorted at a time: enough that neighbours are of one length, little enough to hold."""
MAX_TOKENS = 768
"""Padded tokens in a batch: the fastest measured, as a layer's activations still fit the core's own cache."""
MAX_SEQUENCES = 64
CALIBRATION_TEXTS = 300
FEWEST_TOKENS = 3
"""An opening, a closing token and one of the text."""
OUTPUT = "encoding"
GOLDEN_TEXTS = (
    "A short one.",
    "The committee met on Tuesday, but it could not agree on the date of the next election.",
    "Why does the kettle whistle?",
    "",
    "She had walked along the river for most of the afternoon, past the boats and the old brick warehouses, "
    "and when the rain came at last she was glad of it: nobody would ask why her coat was wet, or where she "
    "had been, or what she had thrown into the water under the second bridge at half past three.",
    "ORDER #4711: 2 x USB-C cable (1.5 m), EUR 12.90 - not delivered!!",
)
"""What every engine must encode as torch does before it is used."""


class Encoder:
    """A pre-trained encoder with its pooling.

    Args:
        name: ``bundled``, a local directory, a Hub id, or a source already resolved.
        revision: Of a Hub id.
        prompt: What stands before every text, as ``resolve_encoder`` takes it; of a resolved source, its own.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        precision: "auto", "fp32", "bf16" or "int8". "auto" takes bf16 where the processor computes in it;
            else CTranslate2's int8 where that is installed and agrees with torch, else fp32.
        pooling: "mean" or "max" over the tokens, or "cls" for the first one.
        normalize: Whether vectors are scaled to length one.
        max_length: Tokens read of a text, special tokens included; None takes the encoder's own limit.
        windows: Windows of that length that are read of a longer text at most. Their encodings are averaged,
            and scaled again where they are scaled.
        threads: Threads to compute on; None leaves it to the engine.
        cache: Keep encodings on disk: True in the cache folder, or the path of a database file.
        calibration: Texts like those to come, for int8; by default those of the first call of :meth:`encode`
            if they are a hundred, else texts that come with the package. Fewer than a hundred are filled up
            with those.
        fixed_shapes: Whether a text is encoded in batches whose shape follows from its own length, so that
            the others have no part in its rounding. Costs an eighth more, and much more of a call with few
            texts.

    Raises:
        OptionError: An option has an unknown value.
        ModelError: The encoder cannot be found or is damaged.
        MissingExtraError: The bundled encoder's package, or an engine asked for by name, is not installed.
    """

    def __init__(
        self,
        name: str | Path | EncoderSource = BUNDLED,
        *,
        revision: str | None = None,
        prompt: str | None = None,
        engine: str = "auto",
        precision: str = "auto",
        pooling: str = "mean",
        normalize: bool = True,
        max_length: int | None = None,
        windows: int = 1,
        threads: int | None = None,
        cache: Path | bool = False,
        calibration: Sequence[str] | None = None,
        fixed_shapes: bool = False,
    ) -> None:
        for kind, value, known in (
            ("engine", engine, ENGINES),
            ("precision", precision, PRECISIONS),
            ("pooling", pooling, POOLINGS),
        ):
            if value not in known:
                raise unknown(kind, value, known)
        self.source = name if isinstance(name, EncoderSource) else resolve_encoder(name, revision, prompt)
        self.pooling = pooling
        self.normalize = normalize
        self.max_length = (
            encoder_max_length(self.source)
            if max_length is None
            else whole_number(max_length, "max_length", least=1)
        )
        positions = encoder_positions(self.source)
        if self.max_length < FEWEST_TOKENS or (positions and self.max_length > positions):
            raise OptionError(
                f"max_length is {self.max_length}, out of this encoder's range",
                fix=f"Give {FEWEST_TOKENS} to {positions} tokens." if positions else None,
            )
        self.dimension = encoder_width(self.source)
        """Numbers in an encoding."""
        self.truncated_fraction = 0.0
        """Share of all tokens of the last call's texts that lay beyond max_length, 0 to 1."""
        self.tokens = 0, 0
        """Those tokens, and how many of them lay beyond."""
        self._wanted = engine, precision
        self._threads = None if threads is None else whole_number(threads, "threads", least=1)
        self._calibration = None if calibration is None else given_texts(calibration)
        self._fixed_shapes = fixed_shapes
        self._positions = positions
        self._pad = pad_token_id(self.source)
        self._tokenizer = load_tokenizer(self.source)
        if windows < 1:
            raise OptionError(f"windows is {windows}, but at least one is read")
        frame = TextFrame.of(self._tokenizer, "a")
        self.frame = len(frame.before), len(frame.after)
        if self.source.prompt and frame.size >= self.max_length:
            raise OptionError(
                f"a length of {self.max_length} tokens has no room for a text: the prompt and special tokens "
                f"take {frame.size}",
                where="max_length",
                fix="Give a shorter prompt or a greater length.",
            )
        """Special tokens before and after a text."""
        self.longest = self.max_length if windows == 1 else longest(self.max_length, windows, frame.size)
        """Tokens read of a text in all."""
        self._engine: Engine | None = None
        self._calibrated_on = ""
        self._cache = EncodingCache(None if cache is True else cache) if cache else None

    def open(self, texts: Sequence[str] = ()) -> Engine:
        """Open the engine, which :meth:`encode` does by itself when it is first called.

        Args:
            texts: What int8 is calibrated on if the encoder was not given calibration texts.

        Returns:
            The engine; its precision and note say what was picked and why.
        """
        if self._engine is None:
            name, precision = self._wanted
            sample, kept_back = self._sample(texts) if precision == "int8" else ([], [])
            golden, reference = self._golden()
            self._engine = open_engine(
                ModuleSource(
                    key=content_hash(self._computation()),
                    build=functools.partial(_build, self.source, self.pooling, self.normalize),
                    golden=golden,
                    calibration=[self._batch([row]) for row in self._window(sample)],
                    kept_back=[self._batch([row]) for row in self._window(kept_back)],
                    outputs=(OUTPUT,),
                    weights=reads_weights(self.source),
                    pooling=self.pooling,
                    normalize=self.normalize,
                    reference=reference,
                ),
                engine=name,
                precision=precision,
                threads=self._threads,
            )
            if self._engine.precision == "int8":
                # Each calibration makes another model, with encodings of its own; so does what needs none.
                is_calibrated = self._engine.name == "openvino"
                self._calibrated_on = content_hash(sample) if is_calibrated else self._engine.name
                if is_calibrated and kept_back:
                    self._engine.note += ", calibrated on texts that come with textgraft"
        return self._engine

    def close(self) -> None:
        """Let go of the engine; what is encoded next opens one anew."""
        self._engine = None

    def _sample(self, texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return what int8 is calibrated on, and what is kept back to compare it with fp32 on.

        Args:
            texts: Of the first call.
        """
        own, kept_back = own_texts()
        given = sorted(dict.fromkeys(self._calibration or texts), key=_text_hash)[:CALIBRATION_TEXTS]
        if len(given) >= FEWEST_CALIBRATION_BATCHES:
            return given, []
        # A few texts that happened to come first would make a model of their own, to be calibrated each time.
        return [*own, *(given if self._calibration else [])], kept_back

    def encode(
        self,
        texts: Any,
        on_progress: Callable[[int], None] | None = None,
        *,
        text: str | None = None,
    ) -> Encodings:
        """Encode texts; equal texts are computed once.

        Memory holds the texts, the result (4 bytes a number) and the tokens of some thousand texts at a time.
        How texts meet in batches moves a result by less than the precision's own rounding.

        Args:
            texts: Any number of strings: a list, a generator, an array, a series; or a table, as a DataFrame.
                An empty string is encoded as its special tokens.
            on_progress: Called with the number of texts just finished.
            text: The column of a table that holds the texts.

        Returns:
            float32 [texts, dimension], in the order of the texts.

        Raises:
            OptionError: ``texts`` is a single string, a dict, or a table whose column is not named; or an
                entry is missing or no valid string.
            ModelError: The encoder gives numbers that are not finite.
        """
        given = given_texts(texts, text)
        place = {text: row for row, text in enumerate(dict.fromkeys(given))}
        unique = list(place)
        rows = np.fromiter((place[text] for text in given), dtype=np.int64, count=len(given))
        copies = np.bincount(rows, minlength=len(unique))
        vectors = np.empty((len(unique), self.dimension), dtype=np.float32)
        costs = np.zeros((len(unique), 2), dtype=np.int64)
        engine = self.open(unique)
        for start in range(0, len(unique), CHUNK):
            part = slice(start, start + CHUNK)
            for done in self._encode_chunk(engine, unique[part], vectors[part], costs[part]):
                if on_progress:
                    on_progress(int(copies[part][done].sum()))
        total, lost = copies @ costs
        self.tokens = int(total), int(lost)
        self.truncated_fraction = float(lost / total) if total else 0.0
        return vectors if len(unique) == len(given) else vectors[rows]

    def _encode_chunk(
        self, engine: Engine, texts: list[str], vectors: Encodings, costs: NDArray[np.int64]
    ) -> Iterator[list[int]]:
        """Fill ``vectors`` [texts, dimension] and ``costs`` [texts, (tokens, lost)]; yield the rows done."""
        missing = list(range(len(texts)))
        keys: list[bytes] = []
        if self._cache:
            settings = self._computation() | {
                "max_length": self.max_length,
                "precision": engine.precision,
                "calibrated_on": self._calibrated_on,
            }
            if self._fixed_shapes:
                settings["fixed_shapes"] = True
            if self.longest > self.max_length:
                settings["longest"] = self.longest
            keys = entry_keys(settings, texts)
            found = self._cache.get(keys)
            missing = [row for row, key in enumerate(keys) if key not in found]
            for row, key in enumerate(keys):
                if entry := found.get(key):
                    vectors[row], costs[row] = entry.vector, (entry.tokens, entry.lost)
            yield [row for row, key in enumerate(keys) if key in found]
        tokens = self._tokens([texts[row] for row in missing])
        costs[missing, 0] = tokens.lengths
        costs[missing, 1] = np.subtract(tokens.lengths, [len(ids) for ids in tokens.ids])
        for done in self._run(engine, tokens.ids):
            rows = [missing[place] for place in done.places]
            vectors[rows] = np.concatenate(done.arrays) if rows else vectors[:0]
            yield rows
        if self._cache and missing:
            self._cache.put({keys[row]: Entry(vectors[row], *map(int, costs[row])) for row in missing})

    def encode_ids(self, ids: Sequence[Sequence[int]]) -> Encodings:
        """Encode rows of token ids as they stand: special tokens are there or are not.

        Args:
            ids: Each row within the encoder's positions, and not empty.

        Returns:
            float32 [rows, dimension], in the order of the rows.

        Raises:
            ModelError: The encoder gives numbers that are not finite.
        """
        batches = token_budget_batches(
            [len(row) for row in ids], max_tokens=MAX_TOKENS, max_sequences=MAX_TOKENS, generator=None
        )
        vectors = np.empty((len(ids), self.dimension), dtype=np.float32)
        outputs = self.open().run_all(self._batch([ids[row] for row in batch]) for batch in batches)
        for batch, output in zip(batches, outputs, strict=True):
            vectors[batch] = output[OUTPUT]
        self._check_finite(vectors)
        return vectors

    def tokenize(self, texts: Sequence[str]) -> TokenIds:
        """Tokenize texts as :meth:`encode` does: what is read of each, and how long it is as a whole."""
        return self._tokens(texts)

    @property
    def tokenizer(self) -> Tokenizer:
        """The encoder's tokenizer."""
        return self._tokenizer

    def encode_batches(
        self, batches: Iterable[Sequence[Sequence[int]]], shape: Shape | None = None
    ) -> Iterator[Encodings]:
        """Encode batches of token ids as they come, each by itself.

        The next batch is asked for as soon as there is room for it, which may be before the last is done.

        Args:
            batches: Each as :meth:`encode_ids` takes it; what is in one is padded to the longest of it.
            shape: Given the rows of a batch, its longest one's tokens and the most that can be read, returns
                the rows and the width that it is filled up to before it is computed.

        Yields:
            float32 [rows, dimension] for each batch, in order.

        Raises:
            ModelError: The encoder gives numbers that are not finite.
        """
        counts: deque[int] = deque()

        def padded() -> Iterator[Batch]:
            for batch in batches:
                counts.append(len(batch))
                filled = shape(len(batch), max(map(len, batch)), self._positions) if shape else (0, 0)
                yield self._batch(batch, *filled)

        for output in self.open().run_all(padded()):
            vectors = output[OUTPUT][: counts.popleft()]
            self._check_finite(vectors)
            yield vectors

    def _check_finite(self, vectors: Encodings) -> None:
        if not np.isfinite(vectors).all():
            raise ModelError(
                "the encoder gives numbers that are not finite",
                where=str(self.source.path),
                fix="Its weights are damaged, or too large for this precision: try precision='fp32'.",
            )

    def _golden(self) -> tuple[list[Batch], Callable[[], list[Outputs]] | None]:
        """Return what engines are tried on, and where it is known what torch gives for it."""
        if self.source.sha256 == BUNDLED_SHA256:
            # Texts alone: encodings have no token types.
            known = [
                ({name: batch[name] for name in ("input_ids", "attention_mask")}, states)
                for batch, states in zip(bundled.golden_batches(), bundled.golden_states(), strict=True)
                if not batch["token_type_ids"].any()
            ]

            def reference() -> list[Outputs]:
                return [
                    {OUTPUT: bundled.pooled(states, batch["attention_mask"], self.pooling, self.normalize)}
                    for batch, states in known
                ]

            return [batch for batch, _ in known], reference
        alone = [self._batch(self._window([text])) for text in GOLDEN_TEXTS]
        return [self._batch(self._window(GOLDEN_TEXTS)), *alone], None

    def batch_by_batch(self, texts: Sequence[str]) -> Iterator[Computed]:
        """Encode different texts, and yield what each batch gives as soon as it is done.

        Args:
            texts: Raw strings. The caches on disk are not asked.

        Yields:
            For each batch the encodings of its texts, [1, dimension] each.

        Raises:
            ModelError: The encoder gives numbers that are not finite.
        """
        engine = self.open(texts)
        for start in range(0, len(texts), CHUNK):
            ids = self._tokens(texts[start : start + CHUNK]).ids
            for done in self._run(engine, ids):
                yield replace(done, places=[start + place for place in done.places])

    def _run(self, engine: Engine, ids: list[list[int]]) -> Iterator[Computed]:
        """Encode tokenized texts in batches of like length; yield after each the texts that are done.

        Raises:
            ModelError: A number is not finite.
        """
        windows = [cut(row, self.max_length, self.frame) for row in ids]
        pieces = [(place, piece) for place, own in enumerate(windows) for piece in own]
        # A text's windows are added up in an order that follows from the text: the longest first.
        sums: dict[int, NDArray[np.float32]] = {}
        left = [len(own) for own in windows]
        tokens = [0] * len(ids)
        lengths = [len(piece) for _, piece in pieces]
        if self._fixed_shapes:
            batches = fixed_shapes(lengths, self._positions)
        else:
            batches = [
                ShapedBatch(members, len(members), max(lengths[place] for place in members))
                for members in token_budget_batches(
                    lengths, max_tokens=MAX_TOKENS, max_sequences=MAX_SEQUENCES, generator=None
                )
            ]
        outputs = engine.run_all(
            self._batch([pieces[member][1] for member in batch.members], batch.rows, batch.width)
            for batch in batches
        )
        for batch, output in zip(batches, outputs, strict=True):
            encoded = output[OUTPUT][: len(batch.members)]
            self._check_finite(encoded)
            done, arrays = [], []
            for member, vector in zip(batch.members, encoded, strict=True):
                place = pieces[member][0]
                tokens[place] += batch.width
                left[place] -= 1
                if len(windows[place]) > 1:
                    sums[place] = sums[place] + vector if place in sums else vector
                if not left[place]:
                    done.append(place)
                    whole = self._averaged(sums.pop(place), len(windows[place])) if place in sums else vector
                    arrays.append(whole[None])
            yield Computed(done, arrays, [tokens[place] for place in done], batch.rows * batch.width)

    def _averaged(self, total: NDArray[np.float32], windows: int) -> NDArray[np.float32]:
        """Average the encodings of a text's windows, [dimension]."""
        mean = total / np.float32(windows)
        return mean / max(float(np.linalg.norm(mean)), 1e-12) if self.normalize else mean

    def _computation(self) -> dict[str, Any]:
        return {"encoder": self.source.identity, "pooling": self.pooling, "normalize": self.normalize}

    def _window(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenize texts and keep of each what one window holds."""
        return token_ids(self._tokenizer, texts, self.max_length).ids

    def _tokens(self, texts: Sequence[str]) -> TokenIds:
        return token_ids(self._tokenizer, texts, self.longest)

    def _batch(self, ids: Sequence[Sequence[int]], rows: int = 0, width: int = 0) -> Batch:
        """Pad token ids on the right: input_ids and attention_mask [texts, longest].

        Args:
            ids: Of the texts.
            rows: Texts at least; copies of the first one fill the batch up.
            width: Tokens at least.
        """
        ids = [*ids, *([ids[0]] * (rows - len(ids)))]
        lengths = np.array([len(row) for row in ids])
        mask = np.arange(max(width, lengths.max())) < lengths[:, None]
        input_ids = np.full(mask.shape, self._pad, dtype=np.int64)
        input_ids[mask] = np.concatenate(ids)
        return {"input_ids": input_ids, "attention_mask": mask.astype(np.int64)}


def encode(
    source: Rows,
    encoder: str | Path | EncoderSource = BUNDLED,
    *,
    text: str | Sequence[str] | None = None,
    revision: str | None = None,
    prompt: str | None = None,
    engine: str = "auto",
    precision: str = "auto",
    pooling: str = "mean",
    normalize: bool = True,
    max_length: int | None = None,
    threads: int | None = None,
    cache: Path | bool = False,
    progress: bool | None = None,
) -> Encodings:
    """Encode texts with a pre-trained encoder: one float32 row a text.

    To encode again and again, keep an :class:`Encoder`, which stays loaded.

    Args:
        source: A list of texts, an array, a series; a DataFrame of pandas or Polars, an Arrow table, a
            ``datasets.Dataset`` or a list of dicts; or a file, of which a row that cannot be read is NaN.
        encoder: ``bundled``, a local directory or a Hub id.
        text: The column of a table that holds the texts, or several, which are joined; told by names and
            values if left out.
        revision: Of a Hub id.
        prompt: What stands before every text, as "query: ", or the name of one of the encoder's own prompts;
            "" for none, None for its default.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        precision: "auto", "fp32", "bf16" or "int8".
        pooling: "mean" or "max" over the tokens, or "cls" for the first one.
        normalize: Whether vectors are scaled to length one.
        max_length: Tokens read of a text; the encoder's own limit if left out.
        threads: Threads to compute on; None leaves it to the engine.
        cache: Keep encodings on disk: True in the cache folder, or the path of a database file.
        progress: Whether a bar is shown; if left out, in notebooks and terminals.

    Returns:
        float32 [rows, dimension], in the order of the rows.

    Raises:
        DataError: A file cannot be read.
        OptionError: An option has an unknown value, or an entry is missing or no text.
        ModelError: The encoder cannot be found or is damaged.
        MissingExtraError: The bundled encoder's package, or an engine asked for by name, is not installed.
    """
    from textgraft.inference.encodable import aligned, is_file, read_texts, text_columns

    flag(normalize, "normalize")
    check_progress(progress)
    if not isinstance(cache, bool):
        cache = as_path(cache, "cache")
    # The rows first: loading an encoder takes longer.
    dataset = None
    if is_file(source):
        assert isinstance(source, str | os.PathLike)
        dataset = read_texts(os.fspath(source), text)
        texts = dataset.texts
    else:
        texts = _joined(given_inputs(source, text or text_columns(source)))
    opened = Encoder(
        encoder,
        revision=revision,
        prompt=prompt,
        engine=engine,
        precision=precision,
        pooling=pooling,
        normalize=normalize,
        max_length=max_length,
        threads=threads,
        cache=cache,
    )
    done = 0
    with open_bar(progress) as bar:

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            bar.update(done, len(texts), f"encoding {counted(len(texts), 'text')}")

        vectors = opened.encode(texts, advance)
    return vectors if dataset is None else aligned(vectors, dataset)


def _joined(inputs: Sequence[Any]) -> list[str]:
    """Return texts; those of several columns as one, joined by a newline."""
    return [
        "\n".join(as_given_text(place, part) for part in entry)
        if isinstance(entry, tuple)
        else as_given_text(place, entry)
        for place, entry in enumerate(inputs)
    ]


def _build(source: EncoderSource, pooling: str, normalize: bool) -> nn.Module:
    from textgraft.models.pooling import PooledEncoder

    return PooledEncoder(load_encoder(source)[0], pooling, normalize)


def _text_hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
