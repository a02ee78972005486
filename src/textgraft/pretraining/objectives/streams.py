"""Contiguous streams of text for recurrent language models: truncated back-propagation through time.

The corpus is a ring of tokens, cut into as many streams of one length as a step has rows. A step reads the
next segment of every stream; the state goes on to the step after it, the gradient does not (Mikolov et al.
2010; Merity et al. 2018, "Regularizing and optimizing LSTM language models"). Every epoch cuts the ring
elsewhere.

The token behind a document is read as the beginning of the next one, with the state set to zero: what is
learned of a first word is learned where nothing came before it, as it will be in use. A leftward language
model reads the same ring the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from textgraft.errors import DataError, OptionError
from textgraft.files import content_hash
from textgraft.models.recurrent.language_model import DIRECTIONS, NOT_PREDICTED, RecurrentState
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.training.objective import Objective, Steps
from textgraft.training.placement import placed
from textgraft.training.precision import autocast
from textgraft.training.settings import TrainingSettings

FORGETTING = 0.02
"""Share of the segments before which a stream's state is set to zero. Where documents are long, these are all
beginnings that a model sees after its first step. Without them the cells of an LSTM of characters filled up
once and for all in every stream, and from a state of zero it predicted worse than chance."""

_ROWS = "rows"
"""Behind a batch's number, names the rows that a process has of it."""


def boundary_ids(tokenizer: PreTrainedTokenizerFast) -> tuple[int, int]:
    """Return the token that begins a text and the one that ends it; they may be the same."""
    known = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "cls", "eos", "sep")}
    start = next(known[name] for name in ("bos", "cls", "eos") if known[name] is not None)
    end = next((known[name] for name in ("eos", "sep") if known[name] is not None), start)
    return start, end


class Streams(Objective):
    """Text for a recurrent language model, or a pair of them.

    ``settings.batch_size`` is the number of streams in a batch, ``settings.max_tokens`` divided by it the
    length of a segment, over which gradients reach back.

    Args:
        train: Documents to learn from, each with a token behind it (``tokenize_corpus(…, end_id=…)``).
        dev: Documents held out, likewise.
        start_id: What that token is read as; see :func:`boundary_ids`.
        bidirectional: Whether the model is a pair, of which the second reads leftward.

    Raises:
        DataError: There is nothing to learn from, or nothing is held out.
    """

    main_metric = "log_likelihood"

    def __init__(self, train: Tokens, dev: Tokens, *, start_id: int, bidirectional: bool = False) -> None:
        for name, tokens in (("to learn from", train), ("held out", dev)):
            if not len(tokens.ids):
                raise DataError(f"there is no text {name}")
        self.direction = "both" if bidirectional else "rightward"
        self.train, self.dev = (_Ring(tokens, start_id, self.direction) for tokens in (train, dev))
        self._identity = content_hash([train.identity, dev.identity, start_id, bidirectional])
        self._states: dict[int, RecurrentState] = {}
        """After the last step, of each batch of a step that falls to this process, or of its rows there."""
        self._rows: dict[int, Tensor] = {}
        """Which rows of a batch these are, [rows], where it has not all of them."""
        self._whole: dict[int, RecurrentState] = {}
        """Of each batch, all rows; as a checkpoint had them, until they are taken up."""
        self._cut: _Cut | None = None

    def begin(self, settings: TrainingSettings) -> None:
        """Forget what an earlier run carried."""
        del settings
        for kept in (self._states, self._rows, self._whole):
            kept.clear()

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the steps of an epoch: in each, the next segment of every stream.

        Raises:
            DataError: There are fewer tokens than streams.
            OptionError: ``max_tokens`` leaves a stream of a batch no token.
        """
        streams = settings.batch_size * settings.accumulation
        length = len(self.train) // streams
        if length < 1:
            raise DataError(
                f"{len(self.train):,} tokens are too few for {streams:,} streams",
                fix="Give more text, or a smaller batch_size.",
            )
        self._cut = _Cut(streams, length, _segment(settings), settings.batch_size, settings.seed)
        first = epoch * self._cut.segments * streams
        return [
            [
                range(start, start + settings.batch_size)
                for start in range(begin, begin + streams, settings.batch_size)
            ]
            for begin in range(first, first + self._cut.segments * streams, streams)
        ]

    def tokens(self, rows: Sequence[int]) -> int:
        """Return how many tokens are predicted in a batch, by all directions."""
        _, begin, end = self._place(rows[0])
        return len(rows) * (end - begin) * len(self.train.directions)

    def held_out_tokens(self) -> int:
        """Return the tokens of the held-out documents, once for each direction."""
        return len(self.dev) * len(self.dev.directions)

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Return a segment of some streams, and which batch of its step it is."""
        cut = self._cut
        assert cut is not None, "batches are made of steps"
        epoch, begin, end = self._place(rows[0])
        offset = int(np.random.default_rng([cut.seed, epoch]).integers(len(self.train)))
        starts = offset + (np.asarray(rows) % cut.streams) * cut.length
        places = starts[:, None] + np.arange(begin, end + 1)
        forgets = generator.random(len(rows)) < (FORGETTING if begin else 1.0)
        turn = rows[0] % cut.streams // cut.batch_size
        return {**self.train.segment(places, forgets), "turn": torch.tensor(turn)}

    def part(
        self, rows: Sequence[int], generator: np.random.Generator, part: int, parts: int
    ) -> dict[str, Tensor]:
        """Return the segments of every so many-th stream, and which rows of the batch they are."""
        batch = self.batch(rows, generator)
        turn = batch.pop("turn")
        own = torch.arange(len(rows))[part::parts]
        own = torch.cat([own + direction * len(rows) for direction in range(len(self.train.directions))])
        return {**{name: tensor[own] for name, tensor in batch.items()}, "turn": turn, "rows": own}

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor]:
        """Return the mean loss of a segment, and keep the states after it."""
        given = dict(batch)
        turn = int(given.pop("turn"))
        rows = given.pop("rows", None)
        state = self._states.get(turn)
        if (whole := self._whole.pop(turn, None)) is not None:
            state = whole if rows is None else _rows_of(whole, rows)
        outputs = self._read(model, given, state)
        self._states[turn] = outputs.past_key_values.detach()
        if rows is not None:
            self._rows[turn] = rows
        return (outputs.loss,)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float]:
        """Return how many tokens are predicted."""
        return (batch["input_ids"].numel(),)

    @torch.inference_mode()
    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Predict every held-out token once: log-likelihood in nats a token, and perplexity.

        Each of ``settings.batch_size`` streams begins with an empty memory, as the first document does.
        """
        model.eval()
        device = model.device
        size, streams = len(self.dev), min(settings.batch_size, len(self.dev))
        length, segment = math.ceil(size / streams), _segment(settings)
        total = 0.0
        state: RecurrentState | None = None
        for begin in range(0, length, segment):
            within = np.arange(begin, min(begin + segment, length) + 1)
            # The token before a stream tells its first one.
            places = np.arange(streams)[:, None] * length + within - 1
            batch = self.dev.segment(places, np.full(streams, begin == 0))
            is_of_others = torch.from_numpy(places[:, 1:] >= size).repeat(len(self.dev.directions), 1)
            batch["shift_labels"].masked_fill_(is_of_others, NOT_PREDICTED)
            with autocast(precision, device):
                outputs = self._read(model, placed(batch, device), state)
            state = outputs.past_key_values
            if counted := int((~is_of_others).sum()):
                total += float(outputs.loss) * counted
        loss = total / self.held_out_tokens()
        # Beyond e^100 a float has nothing to say, and beyond e^709 overflows.
        return {"log_likelihood": -loss, "perplexity": math.exp(min(loss, 100.0))}, loss

    def identity(self) -> str:
        """Return a hash of the documents and of how they are read."""
        return self._identity

    def carried(self) -> dict[str, Tensor]:
        """Return the states of all streams of this process, and which rows of their batches they are."""
        states = {
            f"{turn}.{part}": tensor
            for turn, state in self._states.items()
            for part, tensor in enumerate(state.tensors)
        }
        return states | {f"{turn}.{_ROWS}": rows for turn, rows in self._rows.items()}

    def merged(self, pieces: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Put the states of all processes together, as one process would carry them."""
        whole: dict[str, Tensor] = {}
        for piece in pieces:
            for name, tensor in piece.items():
                turn, _, part = name.partition(".")
                rows = piece.get(f"{turn}.{_ROWS}")
                if part == _ROWS:
                    continue
                if rows is None:
                    whole[name] = tensor
                    continue
                assert self._cut is not None, "what is carried comes from steps"
                layers, _, size = tensor.shape
                everywhere = self._cut.batch_size * len(self.train.directions)
                whole.setdefault(name, tensor.new_zeros(layers, everywhere, size))[:, rows] = tensor
        return whole

    def carry(self, tensors: Mapping[str, Tensor]) -> None:
        """Put the states back."""
        parts: dict[int, list[Tensor]] = {}
        for name in sorted(tensors):
            parts.setdefault(int(name.partition(".")[0]), []).append(tensors[name])
        self._whole = {turn: RecurrentState(group, length=0) for turn, group in parts.items()}

    def _read(self, model: PreTrainedModel, batch: Mapping[str, Tensor], state: RecurrentState | None) -> Any:
        """Read a segment from a state; return the model's outputs."""
        past = None if state is None else state.to(batch["input_ids"].device)
        return model(**batch, past_key_values=past, direction=self.direction, use_cache=True)

    def _place(self, row: int) -> tuple[int, int, int]:
        """Return the epoch of an example, and where in its stream the segment begins and ends."""
        cut = self._cut
        assert cut is not None, "examples are of steps"
        epoch, number = divmod(row // cut.streams, cut.segments)
        return epoch, number * cut.segment, min((number + 1) * cut.segment, cut.length)


class _Cut(NamedTuple):
    """How the ring is cut into streams, and they into segments."""

    streams: int
    length: int
    """Of a stream, in tokens."""
    segment: int
    """Tokens of a segment but the last of a stream."""
    batch_size: int
    seed: int

    @property
    def segments(self) -> int:
        """In a stream."""
        return math.ceil(self.length / self.segment)


class _Ring:
    """Documents end to end, the last followed by the first.

    Args:
        tokens: The documents.
        start_id: What the token behind each is read as.
        direction: Of the model, as in :data:`textgraft.models.recurrent.language_model.DIRECTIONS`.
    """

    def __init__(self, tokens: Tokens, start_id: int, direction: str) -> None:
        self.ids = tokens.ids
        self.ends = tokens.piece_starts[tokens.document_starts[1:]] - 1
        self.start_id = start_id
        self.directions = DIRECTIONS[direction]

    def __len__(self) -> int:
        return len(self.ids)

    def segment(self, places: NDArray[np.int64], forgets: NDArray[np.bool_]) -> dict[str, Tensor]:
        """Return what a model takes, each [directions * streams, time].

        Args:
            places: Counted along a direction from 0 for what follows the end that the ring is closed at,
                [streams, time + 1]; the last of each is only predicted.
            forgets: Which streams carry no state into the first place, [streams].
        """
        along = {"rightward": places, "leftward": -2 - places}
        places = np.concatenate([along[direction] for direction in self.directions]) % len(self)
        ids = np.asarray(self.ids[places], dtype=np.int64)
        inputs, at = ids[:, :-1].copy(), places[:, :-1]
        is_end = self.ends[np.searchsorted(self.ends, at).clip(max=len(self.ends) - 1)] == at
        inputs[is_end] = self.start_id
        is_start = is_end.copy()
        is_start[:, 0] |= np.tile(forgets, len(self.directions))
        arrays = {"input_ids": inputs, "shift_labels": ids[:, 1:].copy(), "starts": is_start}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _rows_of(state: RecurrentState, rows: Tensor) -> RecurrentState:
    return RecurrentState([tensor[:, rows.to(tensor.device)] for tensor in state.tensors], state.length)


def _segment(settings: TrainingSettings) -> int:
    """Return the tokens of a segment."""
    if settings.max_tokens < settings.batch_size:
        raise OptionError(
            f"a batch of {settings.max_tokens} tokens has none for some of its {settings.batch_size} streams",
            where="training setting 'max_tokens'",
            fix=f"Give {64 * settings.batch_size}, for segments of 64 tokens.",
        )
    return settings.max_tokens // settings.batch_size
