"""The number of labels at which contenders are judged against each other."""

from __future__ import annotations

from collections.abc import Iterable

from textgraft.comparison.contenders.registry import has_fixed_sizes, is_floor


def judged_size(measured: Iterable[tuple[str, int]]) -> int:
    """Return the largest size that a contender was measured at: what comes nearest to the user's rows.

    Those that were not measured there are carried on to it. Floors count only among themselves, and so do
    contenders with sizes of their own, which are the same at any number of labels. As trials are added, the
    size can only grow.

    Args:
        measured: Contenders and sizes with a finished trial.
    """
    found = list(measured)
    learning = [place for place in found if not has_fixed_sizes(place[0])]
    counting = [place for place in learning if not is_floor(place[0])]
    return max((size for _, size in counting or learning or found), default=0)
