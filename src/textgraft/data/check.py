"""What a user should know about the data before any model is trained on it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.data.dataset import Dataset, ReadingNotes, Rejected
from textgraft.data.facts import check_facts
from textgraft.data.joined_labels import find_joined
from textgraft.data.languages import Languages, dataset_languages
from textgraft.data.near_duplicates import near_duplicates
from textgraft.data.overlaps import EXAMPLES, EXCERPT, LEAK, Overlap, StackedRows, overlaps
from textgraft.data.packed import StackedColumns
from textgraft.data.spellings import Spellings, find_spellings
from textgraft.data.splits import Splits
from textgraft.tables import Table, bullets, page
from textgraft.terminal import visible
from textgraft.wording import counted

if TYPE_CHECKING:
    import pandas

TokenCounter = Callable[[Sequence[str]], list[int]]
"""Counts the tokens of each text, before any truncation."""
EncoderCheck = Callable[[Dataset], str | None]
"""Says what speaks against an encoder for these texts; None where nothing does."""

LEARNABLE = 10
"""Labels with fewer rows are reported as hard to learn."""
COUNTED_TEXTS = 2000
"""Of larger data so many texts, evenly spaced, are given to the token counters."""

OVERLAP_SAID = 0.01
"""Rows that sides drawn from one file share are worth a sentence above this fraction of the first."""

MISSING = ("nan", "NaN", "NAN", "<NA>", "NaT", "n/a", "N/A", "#N/A", "NA", "null", "NULL", "None")
"""What programs write in place of a value that is missing; "none" is a label where it is one."""
_SHOWN_LABELS = 100


@dataclass(frozen=True, slots=True)
class Truncation:
    """What a model would not see of the texts because of its length limit."""

    limit: int
    """Tokens the model can take."""
    lost_tokens: float
    """Share of all tokens that lie beyond it, 0 to 1."""
    cut_texts: float
    """Share of texts that are longer than it, 0 to 1."""


@dataclass(frozen=True, repr=False)
class DataCheck:
    """The findings. Examples name rows as ``file:line``; there are few of them, the counts are complete."""

    source: str
    rows: int
    """Usable rows, the user's own dev and test rows included."""
    sides: dict[str, int]
    """Rows for "train", "dev" and "test"; empty before the split."""
    notes: ReadingNotes | None
    rejected: dict[str, int]
    """How many rows were set aside, by kind of reason."""
    rejected_examples: list[dict[str, Any]]
    labels: dict[str, int]
    """Rows of each label, or with each type of tag, the most frequent first."""
    one_label: bool
    """Whether every row has exactly one label."""
    spellings: list[Spellings]
    """Labels that are written in several ways."""
    untested_labels: list[str]
    """Labels of training rows that no test row has: too rare to split."""
    repeated_rows: int
    """Rows whose normalised text stands in an earlier row."""
    repeated_examples: list[dict[str, Any]]
    near_duplicate_rows: int
    """Rows that resemble another row's different text (Jaccard similarity at least 0.8)."""
    compared_candidates: float
    """Share of the candidate pairs that were compared for this; below 1 the rows are at least so many."""
    near_duplicate_examples: list[dict[str, Any]]
    contradictory_texts: int
    """Texts that stand under more than one label."""
    contradictory_examples: list[dict[str, Any]]
    overlaps: list[Overlap]
    """Rows that stand on two sides, exactly or nearly, for each pair of sides; empty before the split."""
    words: dict[str, float]
    """Words a text, separated by spaces: mean and quantiles."""
    characters: dict[str, float]
    """Characters a text: mean and quantiles."""
    languages: Languages
    truncation: dict[str, Truncation] = field(default_factory=dict)
    """By model."""
    encoder_warning: str | None = None
    """That the encoder does not read the language of the texts, and what to do; None where it seems to."""
    unsplit: str | None = None
    """Why the rows cannot be split, so that nothing can be learned from them; None where they can."""

    def __repr__(self) -> str:
        warnings = len(self.warnings)
        return visible(
            f"<DataCheck of {self.source}: {counted(self.rows, 'row')}, {counted(warnings, 'warning')}>"
        )

    def _repr_html_(self) -> str:
        return page(self.table().to_html(), bullets(self.warnings))

    def table(self) -> Table:
        """Return the findings in short, one a row."""
        return Table(("finding", "value"), check_facts(self.to_dict()))

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self.table().to_pandas()

    @property
    def leaked(self) -> list[int]:
        """Positions of the test rows whose text stands, exactly or nearly, among the training rows."""
        return next((found.rows for found in self.overlaps if found.pair == LEAK), [])

    @property
    def rare_labels(self) -> dict[str, int]:
        """Labels with fewer than :data:`LEARNABLE` rows."""
        return {label: count for label, count in self.labels.items() if count < LEARNABLE}

    @property
    def warnings(self) -> list[str]:
        """What is wrong and what to do about it, one sentence or two each; the gravest first."""
        return list(_warnings(self))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-like values, small whatever the size of the data."""
        shown = dict(list(self.labels.items())[:_SHOWN_LABELS])
        return {
            "source": self.source,
            "rows": self.rows,
            "sides": self.sides,
            "reading": None if self.notes is None else asdict(self.notes),
            "rejected": {
                "rows": sum(self.rejected.values()),
                "kinds": self.rejected,
                "examples": self.rejected_examples,
            },
            "labels": {
                "count": len(self.labels),
                "rows": shown,
                "rare": [label for label in shown if label in self.rare_labels],
                "untested": self.untested_labels[:_SHOWN_LABELS],
                "spellings": [asdict(group) for group in self.spellings[:_SHOWN_LABELS]],
            },
            "repeated": {"rows": self.repeated_rows, "examples": self.repeated_examples},
            "near_duplicates": {
                "rows": self.near_duplicate_rows,
                "compared_candidates": self.compared_candidates,
                "examples": self.near_duplicate_examples,
            },
            "contradictions": {"texts": self.contradictory_texts, "examples": self.contradictory_examples},
            "overlaps": [found.to_dict() for found in self.overlaps],
            "words": self.words,
            "characters": self.characters,
            "languages": {"told": self.languages.told, "shares": self.languages.shares},
            "encoder_warning": self.encoder_warning,
            "unsplit": self.unsplit,
            "truncation": {model: asdict(lost) for model, lost in self.truncation.items()},
            "warnings": self.warnings,
        }


def check_dataset(
    dataset: Dataset,
    splits: Splits | None = None,
    token_counters: Mapping[str, tuple[TokenCounter, int]] | None = None,
    encoder_check: EncoderCheck | None = None,
    unsplit: str | None = None,
) -> DataCheck:
    """Examine labelled or unlabelled rows.

    Args:
        dataset: The rows of the user's file.
        splits: Its splits, if made: then the user's own dev and test rows are examined too, and rows that
            stand on two sides are found.
        token_counters: By model name, the function that counts tokens and the model's length limit.
        encoder_check: Asked whether the encoder to be used reads the language of the texts.
        unsplit: Why there are no splits, where the rows cannot be split.
    """
    sides = {"train": splits.train, "dev": splits.dev, "test": splits.test} if splits else {}
    parts = list(sides.values()) or [dataset]
    # Before all else: what this takes is free again when the model that tells languages is loaded.
    in_common = _in_common(parts, splits)
    texts = StackedColumns([part.texts for part in parts])
    rejected = [(dataset.source, bad) for bad in dataset.rejected]
    if splits:
        rejected += [(side.source, bad) for side in (splits.dev, splits.test) for bad in side.rejected]
    labels: Counter[str] = Counter()
    for part in parts:
        labels.update(part.name_counts)
    tested = set(splits.test.name_counts) if splits else set()
    words, characters = _lengths(texts)
    return DataCheck(
        source=dataset.source,
        rows=len(texts),
        sides={name: len(side) for name, side in sides.items()},
        notes=dataset.notes,
        rejected=dict(Counter(bad.kind for _, bad in rejected).most_common()),
        rejected_examples=_rejected_examples(rejected),
        labels=dict(labels.most_common()),
        one_label=dataset.has_names,
        spellings=find_spellings(labels),
        untested_labels=sorted(set(splits.train.name_counts) - tested) if splits else [],
        **in_common,
        words=words,
        characters=characters,
        truncation={
            model: _truncation(texts, counter, limit)
            for model, (counter, limit) in (token_counters or {}).items()
        },
        languages=dataset_languages(dataset),
        encoder_warning=encoder_check(dataset) if encoder_check else None,
        unsplit=unsplit,
    )


def _in_common(parts: Sequence[Dataset], splits: Splits | None) -> dict[str, Any]:
    """Find the rows that repeat, resemble or contradict each other: fields of :class:`DataCheck`."""
    rows = StackedRows(parts)
    near, compared = near_duplicates(rows.different)
    repeated, contradictory = np.flatnonzero(rows.counts > 1), rows.contradictory()
    near_texts = {text for left, right, _ in near for text in (left, right)}
    return {
        "repeated_rows": int((rows.counts[repeated] - 1).sum()),
        "repeated_examples": [rows.example(rows.positions(text)) for text in repeated[:EXAMPLES].tolist()],
        "near_duplicate_rows": int(rows.counts[sorted(near_texts)].sum()),
        "compared_candidates": compared,
        "near_duplicate_examples": [
            rows.example([int(rows.first[left]), int(rows.first[right])])
            | {"similarity": round(similarity, 3)}
            for left, right, similarity in near[:EXAMPLES]
        ],
        "contradictory_texts": len(contradictory),
        "contradictory_examples": [
            rows.example(rows.positions(text)) for text in contradictory[:EXAMPLES].tolist()
        ],
        "overlaps": overlaps(splits, rows, near) if splits else [],
    }


def _rejected_examples(rejected: Sequence[tuple[str, Rejected]]) -> list[dict[str, Any]]:
    """Show the first rows of each kind of reason."""
    shown: Counter[str] = Counter()
    examples = []
    for source, bad in rejected:
        shown[bad.kind] += 1
        if shown[bad.kind] <= EXAMPLES:
            row = f"{Path(source).name}:{bad.line}"
            examples.append({"row": row, "reason": bad.reason, "text": bad.excerpt[:EXCERPT]})
    return examples


def _lengths(texts: Iterable[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the quantiles of the words and of the characters of texts."""
    words, characters = array("i"), array("i")
    for text in texts:
        words.append(len(text.split()))
        characters.append(len(text))
    return _quantiles(np.asarray(words)), _quantiles(np.asarray(characters))


def _quantiles(values: np.ndarray) -> dict[str, float]:
    points = {"min": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    found = np.quantile(values, list(points.values())).tolist()
    return {"mean": round(float(np.mean(values)), 1), **dict(zip(points, found, strict=True))}


def _truncation(texts: Sequence[str], count: TokenCounter, limit: int) -> Truncation:
    step = max(1, -(-len(texts) // COUNTED_TEXTS))
    tokens = np.array(count(list(texts[::step])))
    beyond = np.maximum(tokens - limit, 0)
    return Truncation(
        limit=limit,
        lost_tokens=float(beyond.sum() / max(1, tokens.sum())),
        cut_texts=float((beyond > 0).mean()),
    )


def _warnings(check: DataCheck) -> Iterable[str]:
    if check.unsplit:
        yield check.unsplit
    rejected = sum(check.rejected.values())
    if rejected:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in check.rejected.items())
        example = check.rejected_examples[0]
        yield (
            f"{counted(rejected, 'row')} cannot be used ({kinds}), as {example['row']}: {example['reason']}. "
            "Correct them if they matter."
        )
    if check.encoder_warning:
        yield check.encoder_warning
    if check.notes:
        yield from check.notes.warnings()
    for found in check.overlaps:
        if found.rows and (found.pair == LEAK or found.own_files or found.fraction > OVERLAP_SAID):
            yield found.warning
    if check.contradictory_texts:
        example = check.contradictory_examples[0]
        given = " and ".join(dict.fromkeys(map(repr, example["labels"])))
        yield (
            f"{counted(check.contradictory_texts, 'text')} with more than one label, as {given} for "
            f"{example['text'][:60]!r} ({', '.join(example['rows'])}). Correct one of these labels."
        )
    if check.repeated_rows > 0.01 * check.rows:
        share = check.repeated_rows / check.rows
        yield (
            f"{counted(check.repeated_rows, 'row')} ({share:.1%}) repeat an earlier text. "
            "They make the data look larger than it is: consider removing them."
        )
    for group in check.spellings[:EXAMPLES]:
        yield (
            f"A label is written in {len(group.rows)} ways: {group}. Models take them for different labels: "
            "write them alike, or merge them by --merge-labels (in Python: merge_labels=True)."
        )
    labels = check.labels
    if len(labels) > check.rows / 5:
        yield (
            f"There {'is' if len(labels) == 1 else 'are'} {counted(len(labels), 'label')} for "
            f"{counted(check.rows, 'row')}. "
            "Check that the label column is the right one."
        )
    elif check.rare_labels:
        yield (
            f"Hardly learnable with fewer than {LEARNABLE} rows: {_some(check.rare_labels)}. "
            "Label more of them, or merge them with others."
        )
    if check.untested_labels:
        yield (
            f"Too rare to split, hence only in training: {_some(dict.fromkeys(check.untested_labels))}. "
            "The scores say nothing about them."
        )
    if missing := {label: count for label, count in labels.items() if label in MISSING}:
        yield (
            f"Labels that are called as missing ones are written: {_some(missing)}. If they stand for none, "
            "empty these fields."
        )
    if check.one_label and (joined := find_joined(labels)) is not None:
        yield (
            f"Labels look like several names in one field, as {joined.label!r}: if a text can have several, "
            "give --task multi-label, which cuts them."
        )
    in_all = sum(labels.values())
    if check.one_label and max(labels.values()) > 0.8 * in_all:
        label, count = next(iter(labels.items()))
        yield (
            f"{count / in_all:.0%} of the rows have the label {label!r}: accuracy is high for "
            "a model that always says so. Go by macro F1."
        )
    for model, lost in check.truncation.items():
        if lost.lost_tokens > 0.01:
            yield (
                f"{model} reads {lost.limit} tokens of a text and would lose {lost.lost_tokens:.1%} of all "
                f"tokens ({lost.cut_texts:.1%} of the texts are longer)."
            )


def _some(labels: Mapping[str, int | None]) -> str:
    shown = [label if count is None else f"{label} ({count})" for label, count in list(labels.items())[:8]]
    return ", ".join(shown) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
