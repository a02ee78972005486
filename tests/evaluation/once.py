"""Metrics of rows that count once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def once(weighted: Callable[..., Any], gold: Any, *given: Any, **options: Any) -> dict[str, float]:
    """Call a metric of weighted rows with a single weighting, in which each row weighs one."""
    weights = np.ones((len(gold), 1), dtype=np.float32)
    return {name: float(values[0]) for name, values in weighted(gold, *given, weights, **options).items()}
