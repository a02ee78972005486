"""What a comparison concludes, as typed records on disk: curves, choice, savings, verdict."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from textgraft import wording
from textgraft.comparison.contenders.registry import has_fixed_sizes
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.record import FORMAT, load_record
from textgraft.comparison.records.trials import AskedCost, Trial
from textgraft.evaluation.intervals import Estimate, Score
from textgraft.evaluation.paired import SIGNIFICANT
from textgraft.inference.evaluating.robustness import Robustness
from textgraft.integrity import write_record
from textgraft.tables import Table, bullets, page, paragraph
from textgraft.terminal import visible

if TYPE_CHECKING:
    import pandas

_FILE = "comparison.json"
NOTICEABLE = 0.005
"""A difference of scores below this is called none."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One contender at one size."""

    size: int
    seeds: int
    score: Score
    training_seconds: float
    """Median over seeds."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected at more labels than were measured."""

    labels: int
    score: Estimate
    gain: Estimate
    """Against what is expected at the largest measured size."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The learning curve of one contender."""

    contender: str
    points: list[Point]
    forecasts: list[Forecast]
    """At two and four times the largest measured size."""
    refused: str | None
    """Why the curve is not carried on."""

    @property
    def has_room(self) -> bool:
        """Whether there is anything noticeable left to gain at the largest size."""
        return 1 - self.points[-1].score.value >= NOTICEABLE


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What comparison.json holds."""

    format: int = FORMAT
    task: str
    metric: str
    """What scores are of, for people to read, as "macro F1"."""
    metrics: dict[str, str]
    """All metrics of the task: their keys in rows and how people call them; the main one first."""
    overall_metric: str | None = None
    """The key of the one that counts every row alike, where the main one counts every label alike."""
    size: int
    """Training rows at which contenders are judged: the largest size that any was measured at."""
    shots: dict[int, int] = {}
    """How many rows of every label a training size has, by the size; empty where sizes count all rows."""
    decision: Decision
    preferences: Preferences
    standings: list[Standing]
    """One a contender, best score first."""
    pairs: list[Pair]
    curves: list[Curve]
    crossings: list[Crossing]
    savings: list[Saving]
    unmeasured: list[Unmeasured] = []
    """Contenders without a result at the judged size."""
    test_rows: int
    """That contenders answered."""
    set_aside: int = 0
    """All test rows that there are."""
    labels: int
    train_rows: int
    leaked: int
    """Test rows that also stand, exactly or nearly, among the training rows."""
    trials: int
    """Finished trials; each looked at the test rows once."""
    signatures: dict[str, str] = {}
    """Of metrics of written texts, how exactly they were computed."""
    encoder_warning: str | None = None
    """That the encoder does not read the language of the texts, and what to do; None where it seems to."""
    robustness: dict[str, Robustness] = {}
    """By contender, what careless writing does to the model that was kept of it; where it was asked for."""
    sentences: list[str] = []

    @property
    def pick(self) -> str | None:
        """The contender to use; None where no contender stays within the limits."""
        return self.decision.pick

    @property
    def telling(self) -> tuple[str, int] | None:
        """Who scores more than the pick, and how many further seeds of it would tell if it is better.

        None where nothing is passed over, where that was asked for, and where a few seeds would not tell.
        """
        pick, leader = self.pick, self.decision.allowed_leader
        if pick is None or leader is None or pick in {leader, self.preferences.prefer}:
            return None
        seeds = self.pair(leader, pick).seeds_to_tell
        return (leader, seeds) if seeds else None

    def lacks_rows(self, row: Standing) -> bool:
        """Return whether a contender was trained on fewer rows than there was time for with others."""
        return row.size < self.size and not has_fixed_sizes(row.contender)

    def title(self, row: Standing) -> str:
        """Return a contender's name, with its training rows where it had fewer than others."""
        return f"{row.contender}, {wording.count(row.size)} rows" if self.lacks_rows(row) else row.contender

    @property
    def favourite(self) -> str:
        """The pick; where no contender stays within the limits, the best of all."""
        return self.pick or self.decision.leader

    def __repr__(self) -> str:
        return visible(f"<Verdict of {wording.counted(self.trials, 'trial')}: {self.pick or 'no pick'}>")

    def _repr_html_(self) -> str:
        first, *rest = self.sentences or ["There is no verdict yet."]
        return page(paragraph(first, "lead"), self.standings_html(), bullets(rest))

    def table(self) -> Table:
        """Return a row for each contender at the judged size: scores with 95% intervals, and costs."""
        costs = ("training_seconds", "latency_ms_p50", "latency_ms_p95", "model_mb", "memory_mb")
        columns = ["contender", "size", "seeds"]
        for name in self.metrics:
            columns += [name, f"{name} low", f"{name} high"]
        return Table(
            [*columns, *costs],
            [
                [
                    row.contender,
                    row.size,
                    len(row.seeds),
                    *(part for name in self.metrics for part in _parts(row.metrics[name])),
                    *(getattr(row, name) for name in costs),
                ]
                for row in self.standings
            ],
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self.table().to_pandas()

    def standings_html(self) -> str:
        """Return the contenders at the judged size as a table for people, the pick in bold."""
        others = self.others(2)
        table = Table(
            ["contender", f"{self.metric} (95%)", *others.values(), "training", "one text", "size"],
            [
                [
                    self.title(row),
                    f"{wording.score(row.score.value)} ({wording.interval(row.score, '–')})",
                    *(wording.score(row.metrics[name].value) for name in others),
                    wording.seconds(row.training_seconds),
                    wording.milliseconds(row.latency_ms_p50),
                    wording.megabytes(row.model_mb),
                ]
                for row in self.standings
            ],
        )
        names = [row.contender for row in self.standings]
        rows = f"{wording.count(self.size)} labelled rows{wording.of_each(self.size, self.shots)}"
        return paragraph(f"{rows}, {wording.count(self.test_rows)} test rows", "quiet") + table.to_html(
            names.index(self.pick) if self.pick in names else None
        )

    def others(self, most: int) -> dict[str, str]:
        """Return keys and names of the first metrics besides the main one."""
        return dict(list(self.metrics.items())[1 : 1 + most])

    def is_judged(self, trial: Trial) -> bool:
        """Return whether a trial is one of those that its contender is judged by."""
        sizes = {standing.contender: standing.size for standing in self.standings}
        return sizes.get(trial.contender) == trial.size

    def standing(self, contender: str) -> Standing:
        """Return the figures of one contender that was measured at the judged size."""
        return next(standing for standing in self.standings if standing.contender == contender)

    def pair(self, first: str, second: str) -> Pair:
        """Return the test between two contenders, its difference taken as first minus second."""
        pair = next(pair for pair in self.pairs if {pair.first, pair.second} == {first, second})
        return pair if pair.first == first else pair.turned


def load_verdict(folder: Path) -> Verdict:
    """Read comparison.json of a comparison.

    Raises:
        ModelError: The file is missing or damaged.
    """
    fix = "Run the same textgraft compare command again: it judges the finished trials anew."
    return load_record(folder / _FILE, Verdict, fix)


def save_verdict(folder: Path, verdict: Verdict) -> None:
    """Write comparison.json of a comparison."""
    write_record(folder / _FILE, verdict)


def has_verdict(folder: Path) -> bool:
    """Return whether a comparison has come to its verdict."""
    return (folder / _FILE).is_file()


def best_seed(trials: Iterable[Trial]) -> Trial:
    """Return the trial with the highest dev score, the first seed's of equals: its model is kept."""
    return max(trials, key=lambda trial: (trial.dev_score, -trial.seed))


def _parts(score: Score) -> tuple[float, float | None, float | None]:
    return score.value, score.low, score.high


Outcome = Literal["holds", "fails", "undecided"]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """How many times less the pre-trained contender needs."""

    value: float | None
    """None: the baseline's score was not reached at any measured size."""
    low: float | None
    """Ends of the 95% interval; None where the score is not reached in so many draws."""
    high: float | None
    at_least: bool
    """The values are lower bounds: the score was reached at the smallest measured size already."""
    claimed: float
    outcome: Outcome


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """A pre-trained contender against the baseline."""

    contender: str
    baseline: str
    baseline_labels: int
    """The size from which on the baseline has its score."""
    baseline_largest: int
    """The baseline's largest size."""
    baseline_score: float
    """Its mean over these sizes: the score to match."""
    smallest_size: int
    """The pre-trained contender's smallest size: fewer labels were not measured."""
    labels: Ratio
    time_at_equal_score: Ratio
    time_at_equal_size: Ratio
    equal_size: int


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one contender overtakes another for good."""

    before: str
    """The contender that is better with fewer labels."""
    after: str
    labels: float
    low: float | None
    """Lower end of the 95% interval; None where it lies below the smallest measured size."""
    high: float | None
    """Upper end; None where it lies beyond the largest measured size."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One contender at the judged size. Costs are medians over seeds."""

    contender: str
    size: int
    """Training rows: the judged size, or fewer for a contender that learns from fewer whatever there are."""
    seeds: list[int]
    score: Score
    """Of the main metric."""
    epochs: float
    """Mean over seeds."""
    unread: str | None = None
    """Where it did not read long texts to their end, how much it read, as "2 of on average 4.3 windows"."""
    ended_by_clock: int = 0
    """Seeds whose training and schedule the clock ended sooner than the epochs would have."""
    metrics: dict[str, Score]
    score_without_leaked: float
    """The score when test rows that also stand among the training rows are left out."""
    calibration_error: float | None
    """Expected calibration error on the test rows, mean over seeds; None where there are no probabilities."""
    training_seconds: float
    tuning_seconds: float
    """The most that any seed spent on settings that were not chosen."""
    latency_ms_p50: float
    latency_ms_p95: float
    throughput_per_second: float
    model_mb: float
    memory_mb: float | None = None
    """Peak resident memory of a process that loads the best seed's model and answers; None: not measured."""
    tokens_per_second: float | None = None
    """Written in batches; None for tasks whose answers are not written."""
    perplexity: float | None = None
    """Of the test rows' targets, a token; None likewise, and for baselines."""
    oracle: float | None = None
    """The main metric of who knows the targets and can answer no more than the contender; None where it could
    answer anything."""
    asked: AskedCost | None = None
    """Where the rows were answered by an endpoint elsewhere."""
    price_of_thousand: float | None = None
    """What a thousand texts cost, at the prices that the user gave: of the machine, or of an endpoint."""
    price_of_training: float | None = None
    """What the training costs, at the price of the machine."""
    cost: float
    """As a multiple of the cheapest contender's."""
    excluded_by: list[str]
    """The limits it breaks: "latency", "size"."""


class Unmeasured(msgspec.Struct, frozen=True, kw_only=True):
    """A contender without a result at the judged size: what can be said of it there."""

    contender: str
    largest: int
    """The largest size that it was measured at."""
    score: Score
    """There."""
    expected: Estimate | None
    """At the judged size, by carrying its curve on; None where that is refused."""
    refused: str | None
    """Why it is."""
    at_most: float | None
    """The score that it cannot exceed at the judged size if its curve bends as learning curves do: the
    steepness at its end carried on in a straight line, upper end of a 95% interval; None from one size."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two contenders at the judged size, first minus second in the main metric."""

    first: str
    second: str
    difference: Estimate
    p_value: float
    p_adjusted: float
    """Corrected over all pairs of the comparison (Shaffer's method)."""
    seeds_to_tell: int | None = None
    """Further seeds of the better one that would tell if the difference stays; None: a few would not."""
    overall: Estimate | None = None
    """The difference in the metric that counts every row alike; None where the main one does, or none."""
    overall_p: float | None = None
    """Corrected likewise."""

    @property
    def significant(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p_adjusted < SIGNIFICANT

    def is_right_more_often(self, least: float) -> bool:
        """Return whether the first gives right answers to a larger share of the rows, beyond chance.

        Args:
            least: By how much, at least.
        """
        if self.overall is None or self.overall_p is None:
            return False
        return self.overall_p < SIGNIFICANT and self.overall.value >= least

    @property
    def turned(self) -> Pair:
        """The same, second minus first."""
        return msgspec.structs.replace(
            self,
            first=self.second,
            second=self.first,
            difference=_negative(self.difference),
            overall=self.overall and _negative(self.overall),
        )


def _negative(difference: Estimate) -> Estimate:
    return Estimate(-difference.value, -difference.high, -difference.low)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The pick and the reasons for it."""

    pick: str | None
    """None: no contender stays within the limits."""
    leader: str
    """Highest score of all."""
    allowed_leader: str | None
    """Highest score of those within the limits."""
    tied: list[str]
    """Those that tie with the allowed leader, best score first."""
    nearest: str | None
    """Where there is no pick: the contender that breaks its limits by the smallest factor."""
