"""An encoder taught the sentence encodings of a larger one: no labels, no words to guess, any architecture.

The teacher reads every text once; its encodings lie on disk while the student learns them.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from textgraft.files import content_hash, locked, output_errors
from textgraft.models.pooling import PooledEncoder, pool
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.examples import Arrays, Examples, Frame, attention_mask, padded
from textgraft.training.batching import bucketed_steps
from textgraft.training.forward import in_batches
from textgraft.training.objective import Objective, Steps
from textgraft.training.precision import resolve_precision
from textgraft.training.settings import TrainingSettings

_CHUNK = 2048
"""Texts that the teacher reads between two writes to disk."""
_CHECK = 32
"""Bytes of a SHA-256."""
_MAX_TOKENS = 2048
"""Padded tokens in a batch of the teacher's."""
_SPECIAL_TOKENS = 2

logger = logging.getLogger(__name__)


class Pieces(Examples):
    """The pieces of documents, each a text by itself; those that are too long are cut.

    Args:
        tokens: Documents.
        frame: The special tokens.
        length: Tokens of a text at most, special tokens included.
        count: Texts at most, drawn at random; None takes all.
    """

    def __init__(self, tokens: Tokens, frame: Frame, *, length: int, count: int | None = None) -> None:
        self.tokens, self.frame = tokens, frame
        sizes = np.minimum(np.diff(tokens.piece_starts), length - _SPECIAL_TOKENS)
        self.chosen = np.arange(len(sizes))
        if count is not None and count < len(sizes):
            self.chosen = np.sort(np.random.default_rng(0).permutation(len(sizes))[:count])
        self.lengths = sizes[self.chosen] + _SPECIAL_TOKENS
        self.identity = content_hash(["pieces", tokens.identity, length, len(self.chosen)])

    def batch(self, numbers: Sequence[int], generator: np.random.Generator | None = None) -> Arrays:
        """Return the texts; nothing of them is left to chance."""
        del generator
        rows = []
        for number in numbers:
            start = self.tokens.piece_starts[self.chosen[number]]
            ids = self.tokens.ids[start : start + self.lengths[number] - _SPECIAL_TOKENS]
            rows.append(np.concatenate([[self.frame.first], ids, [self.frame.separator]]).astype(np.int64))
        return {"input_ids": padded(rows, self.frame.padding), "attention_mask": attention_mask(rows)}


def teacher_encodings(
    teacher: PooledEncoder,
    texts: Pieces,
    path: Path,
    *,
    size: int,
    on_texts: Callable[[int], None] | None = None,
) -> NDArray[np.float16]:
    """Encode all texts, once: what stands in the file already is not computed again.

    Args:
        teacher: An encoder with its pooling.
        texts: What it reads.
        path: File of the encodings, with the checksums of its chunks beside it. It must be of these texts
            and this teacher: name it by both.
        size: Numbers in an encoding.
        on_texts: Called with the number of texts encoded so far.

    Returns:
        The encodings, mapped from the file, float16 [texts, size].

    Raises:
        OutputError: The file cannot be written.
    """
    device = next(teacher.parameters()).device
    chunk = 2 * size * _CHUNK
    with (
        output_errors(path),
        locked(Path(f"{path}.lock")),
        path.open("a+b") as file,
        path.with_name(f"{path.name}.checks").open("a+b") as checks,
    ):
        # Of a chunk that was not written to its end nothing is kept: how texts meet in batches moves the
        # last digit.
        done = _whole_chunks(file, checks, chunk)
        if done * _CHUNK < len(texts):
            file.truncate(done * chunk)
            checks.truncate(done * _CHECK)
            for start in range(done * _CHUNK, len(texts), _CHUNK):
                numbers = np.arange(start, min(start + _CHUNK, len(texts)))
                encodings = np.empty((len(numbers), size), dtype=np.float16)
                _encode(teacher, texts, numbers, encodings, device)
                file.write(content := encodings.tobytes())
                file.flush()
                checks.write(hashlib.sha256(content).digest())
                checks.flush()
                if on_texts is not None:
                    on_texts(int(numbers[-1]) + 1)
    return np.memmap(path, np.float16, mode="r", shape=(len(texts), size))


def _whole_chunks(file: IO[bytes], checks: IO[bytes], chunk: int) -> int:
    """Return how many chunks, from the first on, are what their SHA-256 says; leave both files at their ends.

    Args:
        file: The chunks one after another.
        checks: The SHA-256 of each.
        chunk: Bytes of one; the last may be shorter.
    """
    file.seek(0)
    checks.seek(0)
    done = 0
    while (content := file.read(chunk)) and checks.read(_CHECK) == hashlib.sha256(content).digest():
        done += 1
    if content:
        logger.warning("%s is not whole from chunk %d on; the rest is computed again", file.name, done)
    file.seek(0, os.SEEK_END)
    checks.seek(0, os.SEEK_END)
    return done


def _encode(
    teacher: PooledEncoder,
    texts: Pieces,
    numbers: NDArray[np.int64],
    encodings: NDArray[np.float16],
    device: torch.device,
) -> None:
    """Write the teacher's encodings of some texts into an array, [numbers, size]."""

    def forward(places: Sequence[int], batch: dict[str, Tensor]) -> None:
        encodings[places] = teacher(**batch).float().cpu().numpy()

    in_batches(
        texts.lengths[numbers],
        lambda places: _tensors(texts.batch(numbers[places].tolist())),
        forward,
        max_tokens=_MAX_TOKENS,
        max_sequences=_CHUNK,
        precision=resolve_precision("auto", device),
        device=device,
    )


class DistilledEncodings(Objective):
    """Texts and the teacher's encodings of them, which the student's pooled states are to point along.

    The loss is one minus the cosine between the two, as of normalised encodings half their squared distance.

    Args:
        train: Texts to learn from.
        train_targets: The teacher's encodings of them, [texts, size].
        dev: Held-out texts.
        dev_targets: Likewise.
        pooling: How the student's states become an encoding, as in :func:`~textgraft.models.pooling.pool`.
    """

    main_metric = "cosine"

    def __init__(
        self,
        train: Pieces,
        train_targets: NDArray[np.float16],
        dev: Pieces,
        dev_targets: NDArray[np.float16],
        *,
        pooling: str = "mean",
    ) -> None:
        self.train, self.train_targets = train, train_targets
        self.dev, self.dev_targets = dev, dev_targets
        self.pooling = pooling

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the epoch's batches by token budget, in groups of one optimizer step."""
        return bucketed_steps(self.train.lengths, epoch, settings)

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the tokens of some texts, padding not counted."""
        return int(self.train.lengths[rows].sum())

    def held_out_tokens(self) -> int:
        """Return the tokens of the held-out texts."""
        return int(self.dev.lengths.sum())

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Make a batch: what the model takes, and the teacher's ``encodings`` [rows, size]."""
        del generator
        return _batch(self.train, self.train_targets, rows)

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor]:
        """Return the mean of one minus the cosine."""
        return (1 - self._cosines(model, batch).mean(),)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float]:
        """Return the number of texts."""
        return (len(batch["encodings"]),)

    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Return the mean cosine to the teacher's encodings of held-out texts."""
        model.eval()
        total = 0.0

        def forward(places: Sequence[int], batch: dict[str, Tensor]) -> None:
            nonlocal total
            del places
            total += float(self._cosines(model, batch).sum())

        in_batches(
            self.dev.lengths,
            lambda places: _batch(self.dev, self.dev_targets, places),
            forward,
            max_tokens=settings.max_tokens,
            max_sequences=len(self.dev),
            precision=precision,
            device=model.device,
        )
        cosine = total / len(self.dev)
        return {"cosine": cosine}, 1 - cosine

    def identity(self) -> str:
        """Return a hash of the texts, the teacher's encodings and the pooling."""
        digest = hashlib.sha256()
        for targets in (self.train_targets, self.dev_targets):
            digest.update(targets.tobytes())
        return content_hash([self.train.identity, self.dev.identity, self.pooling, digest.hexdigest()])

    def _cosines(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Tensor:
        states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        pooled = pool(states, batch["attention_mask"], self.pooling)
        return functional.cosine_similarity(pooled, batch["encodings"], dim=-1)


def _batch(texts: Pieces, targets: NDArray[np.float16], numbers: Sequence[int]) -> dict[str, Tensor]:
    batch = _tensors(texts.batch(numbers))
    batch["encodings"] = torch.from_numpy(targets[np.asarray(numbers)].astype(np.float32))
    return batch


def _tensors(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
