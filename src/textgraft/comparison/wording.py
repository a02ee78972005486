"""Figures as people read them, the same in sentences, terminal and report."""

from __future__ import annotations

from collections.abc import Sequence

from textgraft.evaluation.intervals import Estimate

METRIC_TITLES = {
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "micro_f1": "micro F1",
    "f1": "F1",
    "exact_match": "exact match",
    "pearson": "Pearson's r",
    "spearman": "Spearman's ρ",
    "matthews": "Matthews' φ",
    "r2": "R²",
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge_l": "ROUGE-L",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
}
"""How people call a metric; the others are called by their keys."""


def score(value: float) -> str:
    """Write a score between 0 and 1: "0.873"."""
    return f"{value:.3f}"


def signed(value: float) -> str:
    """Write a difference of scores: "+0.012", "−0.004", "0.000"."""
    return f"{value:+.3f}".replace("-", "−") if abs(value) >= 0.0005 else "0.000"


def interval(estimate: Estimate) -> str:
    """Write the ends of a 95% interval: "0.861 to 0.885"."""
    return f"{score(estimate.low)} to {score(estimate.high)}"


def count(value: float) -> str:
    """Write a measured number of things in full: "3,000"."""
    return f"{value:,.0f}"


def about(value: float) -> str:
    """Write an estimated number with two digits that mean something: "1,300", "0.42", "7.5"."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def seconds(value: float) -> str:
    """Write a duration: "0.4 s", "12 s", "3 min 20 s", "1 h 5 min"."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def milliseconds(value: float) -> str:
    """Write a latency: "0.4 ms", "35 ms"."""
    return f"{value:.1f} ms" if value < 9.95 else f"{count(value)} ms"


def megabytes(value: float) -> str:
    """Write a size: "0.3 MB", "91 MB"."""
    return f"{value:.1f} MB" if value < 9.95 else f"{count(value)} MB"


def p_value(value: float) -> str:
    """Write a probability: "p = 0.03", "p < 0.001"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def listing(names: Sequence[str], joint: str = "and") -> str:
    """Join names: "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {joint} {names[-1]}"
