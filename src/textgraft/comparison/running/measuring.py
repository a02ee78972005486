"""What a trained model costs: latency, and size on disk; on which machine, and by which command."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.processor import instruction_sets

if TYPE_CHECKING:
    from textgraft.data.dataset import Dataset
    from textgraft.inference.row_predictor import Asked, RowPredictor

MEGABYTE = 1e6
LATENCY_ROWS = 50
PACE_ROWS = 64
"""Rows that tell the pace of what need not be run on all of them."""
BRIEF_PACE_ROWS = 16
LONG_PASS = 1.0
"""Seconds that rows take together: where they take longer, what an engine prepares, once, for batches of new
shapes is a small part, so that they need not be answered once more to tell the pace."""
LATENCY_ROWS_AT_LEAST = 10
LATENCY_SECONDS = 0.5
"""Rows are timed until there are so many, or this time is up and there are the fewest."""


def command() -> str:
    """Return the command line where there was one: what to type to get the same again."""
    name, *arguments = sys.argv
    return shlex.join(["textgraft", *arguments]) if Path(name).name == "textgraft" else "textgraft.compare(…)"


def machine() -> str:
    """Describe this machine in one line: processor, cores, instruction sets that matter, Python, system."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    pairs = (line.partition(":") for line in text.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    sets = instruction_sets()
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if name in sets]
    parts = [
        fields.get("model name") or platform.processor() or platform.machine(),
        f"{os.cpu_count()} cores",
        " ".join(wide),
        f"Python {platform.python_version()}",
        platform.system(),
    ]
    return ", ".join(part for part in parts if part)


def latency_ms(
    predict: Callable[[Dataset], object], rows: Dataset, most: int = LATENCY_ROWS
) -> tuple[float, float]:
    """Return the median and the 95th percentile of the milliseconds that one row alone takes.

    Args:
        predict: Takes a data set, from raw text to predictions.
        rows: The first ones are timed one by one after two warm-up calls.
        most: So many of them, fewer of slow models.
    """
    sample = [rows.select([row]) for row in range(min(most, len(rows)))]
    for row in sample[:2]:
        predict(row)
    times = []
    for row in sample:
        start = time.perf_counter()
        predict(row)
        times.append(1000 * (time.perf_counter() - start))
        if len(times) >= LATENCY_ROWS_AT_LEAST and sum(times) > 1000 * LATENCY_SECONDS:
            break
    return float(np.percentile(times, 50)), float(np.percentile(times, 95))


@dataclass(frozen=True)
class Serving:
    """What answering costs."""

    latency_ms_p50: float
    latency_ms_p95: float
    throughput_per_second: float
    seconds: float
    """That all rows took."""
    asked: Asked | None
    """Where they were answered elsewhere."""


def measure_serving(
    predictor: RowPredictor,
    rows: Dataset,
    known: Callable[[Dataset], tuple[list[Any], list[Any]]] | None = None,
    *,
    briefly: bool = False,
) -> tuple[Serving, list[Any]]:
    """Answer rows one by one and together.

    What was answered elsewhere is not asked again: it counts as it was when it was asked.

    Args:
        predictor: What answers.
        rows: At least one.
        known: Does what its ``outputs`` does, on what was computed of the rows before: some of them tell the
            pace then, from raw text.
        briefly: Whether as few rows are timed as tell a cost roughly.

    Returns:
        The costs, and the predictions.
    """
    asked = predictor.asked(rows)
    if asked is None:
        most, pace = (LATENCY_ROWS_AT_LEAST, BRIEF_PACE_ROWS) if briefly else (LATENCY_ROWS, PACE_ROWS)
        p50, p95 = latency_ms(predictor.predict_rows, rows, most)
        timed = rows if known is None else rows.select(range(min(pace, len(rows))))
        predictions, seconds = _timed(predictor, timed)
        if not briefly and len(timed) <= PACE_ROWS and seconds < LONG_PASS:
            predictions, seconds = _timed(predictor, timed)
        seconds *= len(rows) / len(timed)
        if known is not None:
            predictions = predictor.predictions(*known(rows))
    else:
        times = 1000 * np.array(asked.seconds)
        p50, p95 = float(np.percentile(times, 50)), float(np.percentile(times, 95))
        predictions = predictor.predict_rows(rows)
        seconds = sum(asked.seconds) / asked.concurrency
    return Serving(p50, p95, len(rows) / max(seconds, 1e-9), seconds, asked), predictions


def _timed(predictor: RowPredictor, rows: Dataset) -> tuple[list[Any], float]:
    """Return the predictions of rows, and the seconds that they took together."""
    start = time.perf_counter()
    predictions = predictor.predict_rows(rows)
    return predictions, time.perf_counter() - start
