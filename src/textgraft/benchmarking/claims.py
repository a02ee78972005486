"""The claims that textgraft began with, held on one set: F1, labels, time, development.

An outcome goes by the 95% interval: a claim holds where all of the interval does, fails where none of it
does, and is undecided between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from textgraft.comparison.contenders.registry import contender_named, is_floor
from textgraft.comparison.judging.development import development_saving
from textgraft.comparison.judging.savings import saving_of
from textgraft.comparison.judging.scores import ScoreTable
from textgraft.comparison.records.trials import TestSet, Trial
from textgraft.comparison.records.verdict import Outcome, Ratio
from textgraft.evaluation.intervals import Score

CLAIMED_SCORE = 0.84
"""F1 of encodings with a shallow network, with 1,000 samples."""
CLAIMED_CEILING = 0.60
"""What the LSTM never exceeded."""
CLAIMED_ROWS = 1000
SIZES = (10, 32, 100)
"""Training rows below those of the claim: from 10 to 1,000 a hundredfold saving of labels can show."""
BASELINES = ("lstm", "lstm-static")
"""The LSTM without and with pre-trained word vectors; ``--vectors`` gives those of a file to the first."""
_WORDS = ("tfidf",)


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """The score of a contender at a size."""

    contender: str
    size: int
    score: Score


class ClaimsOfPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pre-trained contender against an LSTM."""

    baseline: str
    highest: Level
    """Of the LSTM, at whichever size."""
    stays_below: Outcome
    """Whether it is never above :data:`CLAIMED_CEILING`."""
    labels: Ratio | None
    """None: there are too few sizes to tell."""
    baseline_labels: int
    baseline_score: float
    time_at_equal_score: Ratio | None
    time_at_equal_size: Ratio | None
    development: Ratio | None


class ClaimsOfContender(msgspec.Struct, frozen=True, kw_only=True):
    """What a pre-trained contender does on a set."""

    levels: list[Level]
    """At every size, the smallest first."""
    reaches: Outcome
    """Whether it has :data:`CLAIMED_SCORE` at the largest size."""
    pairs: list[ClaimsOfPair]
    """One for each LSTM."""

    @property
    def contender(self) -> str:
        """Its name."""
        return self.levels[-1].contender

    @property
    def last(self) -> Level:
        """At the largest size."""
        return self.levels[-1]


class ClaimsOfSet(msgspec.Struct, frozen=True, kw_only=True):
    """What the claims are worth on a set."""

    name: str
    labels: int
    size: int
    """Training rows of the largest size."""
    test_rows: int
    floor: Level | None
    """What ignores the text."""
    words: Level | None
    """TF-IDF."""
    encoder_warning: str | None
    """That the encoder does not read the texts' language."""
    contenders: list[ClaimsOfContender]

    @property
    def rows_a_label(self) -> float:
        """Training rows of a label, on average."""
        return self.size / self.labels


def judge_claims(name: str, trials: Sequence[Trial], test_set: TestSet, label_seconds: float) -> ClaimsOfSet:
    """Hold the claims on the trials of a set.

    Args:
        name: Of the set.
        trials: Of every contender and size, at least one pre-trained contender and one LSTM among them.
        test_set: What they were judged on.
        label_seconds: What it takes a person to label a text.
    """
    table = ScoreTable(trials, test_set)
    size = max(trial.size for trial in trials)

    def last(names: Sequence[str]) -> Level | None:
        found = next((one for one in names if one in table.contenders), None)
        return _levels(table, found)[-1] if found is not None else None

    return ClaimsOfSet(
        name=name,
        labels=len(test_set.labels),
        size=size,
        test_rows=len(test_set.gold),
        floor=last([one for one in table.contenders if is_floor(one)]),
        words=last(_WORDS),
        encoder_warning=test_set.check.get("encoder_warning"),
        contenders=[
            _of_contender(table, contender, label_seconds)
            for contender in table.contenders
            if (entry := contender_named(contender)) is not None and entry.saving in ("claimed", "measured")
        ],
    )


def _levels(table: ScoreTable, contender: str) -> list[Level]:
    return [
        Level(contender=contender, size=size, score=table.score(contender, size))
        for size in table.sizes(contender)
    ]


def _of_contender(table: ScoreTable, contender: str, label_seconds: float) -> ClaimsOfContender:
    levels = _levels(table, contender)
    baselines = [name for name in table.contenders if name in BASELINES]
    return ClaimsOfContender(
        levels=levels,
        reaches=reaches(levels[-1].score, CLAIMED_SCORE),
        pairs=[_pair(table, contender, baseline, label_seconds) for baseline in baselines],
    )


def _pair(table: ScoreTable, contender: str, baseline: str, label_seconds: float) -> ClaimsOfPair:
    highest = max(_levels(table, baseline), key=lambda level: level.score.value)
    saving = saving_of(table, contender, baseline)
    return ClaimsOfPair(
        baseline=baseline,
        highest=highest,
        stays_below=stays_below(highest.score, CLAIMED_CEILING),
        labels=saving.labels if saving else None,
        baseline_labels=saving.baseline_labels if saving else highest.size,
        baseline_score=saving.baseline_score if saving else highest.score.value,
        time_at_equal_score=saving.time_at_equal_score if saving else None,
        time_at_equal_size=saving.time_at_equal_size if saving else None,
        development=development_saving(table, contender, baseline, label_seconds),
    )


def reaches(score: Score, claimed: float) -> Outcome:
    """Tell whether a score is at least what is claimed."""
    if score.low is None or score.high is None:
        return "undecided"
    return "holds" if score.low >= claimed else "fails" if score.high < claimed else "undecided"


def stays_below(score: Score, claimed: float) -> Outcome:
    """Tell whether a score is at most what is claimed."""
    if score.low is None or score.high is None:
        return "undecided"
    return "holds" if score.high <= claimed else "fails" if score.low > claimed else "undecided"


def outcomes_of(contender: ClaimsOfContender) -> Iterator[tuple[str, tuple[str, str], Outcome]]:
    """Yield the outcome of every claim that was measured of a contender.

    Yields:
        The claim's title, what it is made of and what that is held against ("" if nothing), and its outcome.
    """
    own = contender.contender
    yield f"F1 {CLAIMED_SCORE:.2f} with {CLAIMED_ROWS:,} labels", (own, ""), contender.reaches
    for pair in contender.pairs:
        yield f"never above {CLAIMED_CEILING:.2f}", (pair.baseline, ""), pair.stays_below
    for pair in contender.pairs:
        for title, ratio in (
            ("100 times fewer labels", pair.labels),
            ("20 times less training time for the same score", pair.time_at_equal_score),
            ("20 times less training time with as many labels", pair.time_at_equal_size),
            ("10 times faster development", pair.development),
        ):
            if ratio is not None:
                yield title, (own, pair.baseline), ratio.outcome
