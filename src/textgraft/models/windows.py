"""Long texts as windows that an encoder can read, all of about the same length.

A graft averages the encodings of a text's windows. Any other model of Transformers stays what it is, and its
logits are averaged: so its head was trained, and whoever runs it by itself has it read the first window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from textgraft.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor


_RUNNING: ContextVar[Tensor | None] = ContextVar("windows", default=None)


def windows_being_read() -> Tensor | None:
    """Return which windows of its texts a model is reading now, as ``is_used`` in :class:`Windows`.

    None where each row of its batch is a text. For what looks on inside a model run by :func:`in_windows`,
    in the thread that runs it.
    """
    return _RUNNING.get()


@dataclass(frozen=True)
class Cutting:
    """How the configuration of a model has long texts cut."""

    size: int
    """Most tokens of a window, special ones included."""
    frame: tuple[int, int]
    """Special tokens before and after a text; every window has them."""

    @classmethod
    def of(cls, config: Any) -> Self | None:
        """Read ``window`` and ``window_frame`` of a configuration; None where texts are read whole.

        Raises:
            OptionError: A window has no room for the special tokens.
        """
        size, frame = getattr(config, "window", 0), getattr(config, "window_frame", (1, 1))
        if not size:
            return None
        is_frame = isinstance(frame, list | tuple) and len(frame) == 2
        if not is_frame or not all(isinstance(number, int) for number in (size, *frame)) or min(frame) < 0:
            raise OptionError(
                f"texts cannot be cut into windows of {size!r} tokens with {frame!r} special ones",
                where="config.json",
                fix="Give whole numbers: window, and window_frame with those before and after a text.",
            )
        if sum(frame) >= size:
            raise OptionError(
                f"a window of {size} tokens has no room for {list(frame)} special ones",
                fix="Give a larger window, or 0 to read texts whole.",
            )
        return cls(size, (frame[0], frame[1]))

    def cut(self, ids: Sequence[int]) -> list[list[int]]:
        """Cut a text as :func:`cut` does."""
        return cut(ids, self.size, self.frame)


def cut(ids: Sequence[int], size: int, frame: tuple[int, int]) -> list[list[int]]:
    """Cut a tokenized text into as few windows as there must be, of lengths that are as equal as can be.

    Args:
        ids: Of a text, special tokens included.
        size: Most tokens of a window, special ones included.
        frame: Special tokens before and after a text; every window has them.

    Returns:
        The windows; the text itself where it is no longer than one.
    """
    if len(ids) <= size:
        return [list(ids)]
    before, after = frame
    end = len(ids) - after
    content = end - before
    count = -(-content // (size - before - after))
    each = -(-content // count)
    starts = range(before, end, each)
    return [[*ids[:before], *ids[start : min(start + each, end)], *ids[end:]] for start in starts]


def longest(size: int, windows: int, special: int) -> int:
    """Return how many tokens a text may have to fit into some windows.

    Args:
        size: Tokens of a window, special ones included.
        windows: How many.
        special: Special tokens of a text, or of a window.
    """
    return windows * (size - special) + special


@dataclass(frozen=True)
class Windows:
    """The windows of a batch of texts."""

    ids: Tensor
    """[windows, time], right-padded."""
    mask: Tensor
    """1 at true tokens, [windows, time]."""
    is_used: Tensor
    """Which of as many windows for each text are among them, row by row: booleans [texts, most windows]."""

    def averaged(self, vectors: Tensor) -> Tensor:
        """Average the vectors of each text's windows: [windows, size] to [texts, size]."""
        return averaged(vectors, self.is_used)


def averaged(vectors: Tensor, is_used: Tensor) -> Tensor:
    """Average the vectors of each text's windows: [windows, size] to [texts, size].

    Args:
        vectors: Of the windows, text by text.
        is_used: As in :class:`Windows`.
    """
    texts, most = is_used.shape
    spread = vectors.new_zeros((texts * most, vectors.shape[-1]))
    spread[is_used.flatten()] = vectors
    return spread.view(texts, most, -1).sum(dim=1) / is_used.sum(dim=1, keepdim=True)


def in_windows(model: Any, batch: Mapping[str, Tensor]) -> Any:
    """Run a model on texts, window by window where its configuration has ``window`` and a text is longer.

    Args:
        model: A sequence classifier of Transformers, or what spreads one over processes. One whose
            ``reads_windows`` is true cuts texts by itself.
        batch: What it is called with; or, where the texts are cut already, its inputs of all windows, text by
            text, with ``windows``, which is as ``is_used`` in :class:`Windows`, and the labels of the texts.

    Returns:
        The outputs of the model; of texts in windows the mean of their windows' logits, and its loss.

    Raises:
        OptionError: As for :meth:`Cutting.of`.
    """
    inputs, is_used = dict(batch), batch.get("windows")
    ids = batch.get("input_ids")
    if is_used is None and ids is not None and "token_type_ids" not in batch:
        own = getattr(model, "module", model)
        cutting = None if getattr(own, "reads_windows", False) else Cutting.of(getattr(own, "config", None))
        if cutting is not None and ids.shape[-1] > cutting.size:
            # Any token may fill windows up, as nothing looks at it. One of the batch is known to a model
            # that has the vectors of the words in use alone.
            fill = int(ids[0, 0])
            windows = windows_of(ids, batch.get("attention_mask"), cutting.size, cutting.frame, fill)
            inputs |= {"input_ids": windows.ids, "attention_mask": windows.mask}
            is_used = windows.is_used
    if is_used is None:
        return model(**inputs)
    from transformers.modeling_outputs import SequenceClassifierOutput

    from textgraft.models.losses import sequence_loss

    labels = inputs.pop("labels", None)
    inputs.pop("windows", None)
    token = _RUNNING.set(is_used)
    try:
        logits = averaged(model(**inputs).logits.float(), is_used)
    finally:
        _RUNNING.reset(token)
    kind = getattr(model, "module", model).config.problem_type
    return SequenceClassifierOutput(
        loss=None if labels is None else sequence_loss(logits, labels, kind),
        logits=logits,
    )


def windows_of(ids: Tensor, mask: Tensor | None, size: int, frame: tuple[int, int], pad: int) -> Windows:
    """Cut the texts of a batch as :func:`cut` does.

    Args:
        ids: [texts, time].
        mask: 1 at true tokens, [texts, time]; None: all are. Padding may stand on either side.
        size: As there.
        frame: As there.
        pad: Id that fills windows up.
    """
    import torch

    from textgraft.models.padding import ascending, ordered

    mask = torch.ones_like(ids) if mask is None else mask
    ids = ordered(ids, ascending(mask == 0))
    before, after = frame
    length = mask.sum(dim=1)
    content = (length - before - after).clamp(min=0)
    room = size - before - after
    count = ((content + room - 1) // room).clamp(min=1)
    each = (content + count - 1) // count
    most = max(1, -(-(ids.shape[1] - before - after) // room))
    window = torch.arange(most, device=ids.device)[None, :, None]
    step = torch.arange(room, device=ids.device)[None, None, :]
    place = window * each[:, None, None] + step
    is_true = (step < each[:, None, None]) & (place < content[:, None, None])
    texts = ids[:, None, :].expand(-1, most, -1)
    picked = texts.gather(2, (before + place).clamp(max=ids.shape[1] - 1)).masked_fill(~is_true, pad)
    tokens = before + is_true.sum(dim=2, keepdim=True)
    tail = torch.arange(after, device=ids.device)
    closing = texts.gather(2, (length[:, None, None] - after + tail).clamp(min=0).expand(-1, most, -1))
    whole = torch.cat([texts[:, :, :before], picked, picked.new_full((*picked.shape[:2], after), pad)], dim=2)
    whole = whole.scatter(2, tokens + tail, closing)
    tokens = tokens + after
    is_used = window[:, :, 0] < count[:, None]
    width = int(tokens[is_used].max())
    steps = torch.arange(width, device=ids.device)
    return Windows(whole[is_used][:, :width], (steps < tokens[is_used]).long(), is_used)
