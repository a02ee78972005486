"""Long texts as windows that an encoder can read, all of about the same length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
        texts, most = self.is_used.shape
        spread = vectors.new_zeros((texts * most, vectors.shape[-1]))
        spread[self.is_used.flatten()] = vectors
        return spread.view(texts, most, -1).sum(dim=1) / self.is_used.sum(dim=1, keepdim=True)


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
