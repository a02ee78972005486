"""BERT's encoder through CTranslate2: int8 without calibration, also where there are no int8 dot products."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.forks import computing
from textgraft.inference.engines.base import Batch, ModuleSource, Outputs
from textgraft.inference.engines.bundled import pooled
from textgraft.processor import chosen_threads, cores
from textgraft.side_by_side import in_order

WORDS, PLACES, TYPES = "textgraft_words", "textgraft_places", "textgraft_types"
"""Entries of the model's config.json: token ids that it knows, tokens that a text may have, token types."""
_COMPUTED_IN = {"int8": "int8_float32", "fp32": "float32"}
_OWN_THREADS = 2
"""CTranslate2 computes on threads of its own, however many: a fork leaves none of them."""


class CTranslate2Engine:
    """Runs a model that lies on disk. Safe to use from several threads.

    Args:
        folder: The model, as :func:`~textgraft.inference.engines.ctranslate2_model.save` writes it. It is
            read at once and needed no longer.
        precision: "fp32" or "int8".
        source: What it is: its inputs, its one output, and what is made of the encoder's states.
        threads: Batches computed at a time, on a core each; None takes all cores.
    """

    name = "ctranslate2"

    def __init__(self, folder: Path, precision: str, source: ModuleSource, threads: int | None) -> None:
        import ctranslate2

        self.precision = precision
        self.note = ""
        (self._output,) = source.outputs
        self._source = source
        held = json.loads((folder / "config.json").read_text())
        self._words, self._places, self._types = (int(held[name]) for name in (WORDS, PLACES, TYPES))
        self._view = ctranslate2.StorageView.from_array
        self.at_once = threads or chosen_threads() or cores()
        # A batch a core: batches that never wait for each other lose least to a busy neighbour.
        self._encoder = ctranslate2.Encoder(
            str(folder), compute_type=_COMPUTED_IN[precision], inter_threads=self.at_once, intra_threads=1
        )

    def run(self, batch: Batch) -> Outputs:
        """Run one batch.

        Raises:
            ValueError: Inputs differ in shape, an id or type is none of the model's, or there are more tokens
                than the model has places for. CTranslate2 would read beyond its arrays.
        """
        computing(_OWN_THREADS)
        self._check(batch)
        ids, mask, types = batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids")
        # A row of padding alone is computed as one token: a length of 0 is none.
        lengths = np.maximum(mask.sum(axis=1), 1).astype(np.int32)
        found = self._encoder.forward_batch(
            self._view(np.ascontiguousarray(ids, dtype=np.int32)),
            self._view(lengths),
            token_type_ids=None if types is None or not types.any() else types.tolist(),
        )
        states: NDArray[np.float32] = np.asarray(found.last_hidden_state)
        return {self._output: self._made_of(states, mask)}

    def run_all(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Run many batches, one a core at a time; outputs come in their order."""
        return in_order(self.run, batches, self.at_once)

    def _check(self, batch: Batch) -> None:
        if len({array.shape for array in batch.values()}) > 1:
            raise ValueError(f"inputs differ in shape: {[array.shape for array in batch.values()]}")
        for name, known in (("input_ids", self._words), ("token_type_ids", self._types)):
            given = batch.get(name)
            if given is not None and given.size and not 0 <= given.min() <= given.max() < known:
                raise ValueError(f"{name} holds {given.max()}, but the encoder knows {known:,}")
        if (length := batch["input_ids"].shape[1]) > self._places:
            raise ValueError(f"{length} tokens, but the encoder has places for {self._places}")

    def _made_of(self, states: NDArray[np.float32], mask: NDArray[np.int64]) -> Any:
        if self._source.pooling is None:
            return np.where(mask[:, :, None] == 1, states, np.float32(0))
        return pooled(states, mask, self._source.pooling, self._source.normalize).astype(np.float32)
