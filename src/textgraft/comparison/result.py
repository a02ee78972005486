"""A finished comparison as Python has it: the verdict, tables of scores and errors, curves, the winner."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.comparison.records.trials import TestSet, Trial, load_test_set, task_of
from textgraft.comparison.records.verdict import Verdict, best_seed
from textgraft.comparison.reporting.figures import learning_curves
from textgraft.comparison.reporting.sketch import curves_svg
from textgraft.errors import OptionError, unknown
from textgraft.evaluation.intervals import Metrics, Scale, Weights, left_out_scores, score_interval
from textgraft.tables import Table, bullets, page, paragraph
from textgraft.terminal import visible
from textgraft.wording import counted

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

    from textgraft.inference.row_predictor import RowPredictor

_SHOWN_WARNINGS = 5


@dataclass(frozen=True, repr=False)
class Comparison:
    """A finished comparison: the verdict, the trials behind it, and the winner."""

    folder: Path
    verdict: Verdict
    trials: list[Trial]

    @property
    def report(self) -> Path:
        """The report, one self-contained HTML file."""
        return self.folder / "report.html"

    @property
    def best(self) -> RowPredictor:
        """The winner, loaded from ``best/``.

        Raises:
            ModelError: No contender stayed within the limits, so there is none; or it is damaged.
        """
        from textgraft.inference.predictor import load

        return load(self.folder / "best")

    @functools.cached_property
    def test_set(self) -> TestSet:
        """What every trial was judged on.

        Raises:
            ModelError: data.json is missing or damaged.
        """
        return load_test_set(self.folder)

    def table(self) -> Table:
        """Return every score: a row for each contender, training size and metric.

        Columns are contender, size, seeds, metric, value (the mean over seeds), and low and high, the ends of
        its 95% interval; None where too few rows speak for one.
        """
        return Table(
            ("contender", "size", "seeds", "metric", "value", "low", "high"),
            _scores(self.trials, self.test_set),
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self.table().to_pandas()

    def errors(self, contender: str | None = None) -> Table:
        """Return the test rows that contenders get wrong, those that most of them get wrong first.

        Each contender answers by the model that is kept of it, at the size that it is judged at. Columns are
        the row's id, the text (its first 600 characters), the true label, and for each contender its answer
        and, as ``<contender> confidence``, how sure it was, 0 to 1.

        Args:
            contender: Only rows that this one gets wrong; those that any gets wrong if left out.

        Raises:
            OptionError: There is no such contender.
        """
        judged = self._judged()
        if contender is not None and contender not in judged:
            raise unknown("contender", contender, judged, where="contender")
        test_set, task = self.test_set, task_of(self.test_set)
        wrong = {
            name: [
                not task.is_right(gold, answer)
                for gold, answer in zip(test_set.gold, trial.predicted, strict=True)
            ]
            for name, trial in judged.items()
        }
        counts = np.sum(list(wrong.values()), axis=0)
        chosen = np.array(wrong[contender]) if contender is not None else counts > 0
        sure = np.mean([trial.confidence for trial in judged.values()], axis=0)
        order = sorted(np.flatnonzero(chosen).tolist(), key=lambda row: (-counts[row], -sure[row], row))
        columns = ["id", "text", "label"]
        for name in judged:
            columns += [name, f"{name} confidence"]
        rows: list[list[Any]] = []
        for row in order:
            cells: list[Any] = [
                test_set.test_ids[row],
                test_set.test_texts[row],
                task.show(test_set.gold[row]),
            ]
            for trial in judged.values():
                cells += [task.show(trial.predicted[row]), trial.confidence[row]]
            rows.append(cells)
        return Table(columns, rows)

    def plot(self) -> Figure:
        """Return the learning curves as a plotly figure: scores over training sizes, with 95% bands."""
        from plotly.graph_objects import Figure

        return Figure(learning_curves(self.verdict))

    def __repr__(self) -> str:
        pick = self.verdict.pick or "no contender within the limits"
        return visible(f"<Comparison in {self.folder}: {pick}, {counted(len(self.trials), 'trial')}>")

    def _repr_html_(self) -> str:
        first, *rest = self.verdict.sentences or ["There is no verdict yet."]
        warnings = self.test_set.check.get("warnings", [])[:_SHOWN_WARNINGS]
        return page(
            paragraph(first, "lead"),
            self.verdict.standings_html(),
            curves_svg(self.verdict),
            bullets(rest),
            paragraph("What was found in the data:") + bullets(warnings) if warnings else "",
            paragraph(f"The whole report: {self.report}", "quiet"),
        )

    def _judged(self) -> dict[str, Trial]:
        """Return of each contender the trial whose model is kept, best score first."""
        found: dict[str, Trial] = {}
        for standing in self.verdict.standings:
            of_it = [
                trial
                for trial in self.trials
                if trial.contender == standing.contender and self.verdict.is_judged(trial)
            ]
            if of_it:
                found[standing.contender] = best_seed(of_it)
        if not found:
            raise OptionError(
                "no trial has finished",
                where=str(self.folder),
                fix="Run the same comparison again to resume.",
            )
        return found


def _scores(trials: Sequence[Trial], test_set: TestSet) -> list[list[Any]]:
    """Score every contender at every size by every metric, with intervals over the test rows and seeds."""
    if not trials:
        return []
    task = task_of(test_set)
    evidence, rows = task.evidence(test_set.gold), len(test_set.gold)

    def score(answers: Any, weights: Weights) -> Metrics:
        return task.weighted_metrics(test_set.gold, answers, weights)

    left_out = left_out_scores(score, [trial.predicted for trial in trials], rows)
    places: dict[tuple[str, int], list[int]] = {}
    for place, trial in enumerate(trials):
        places.setdefault((trial.contender, trial.size), []).append(place)
    found: list[list[Any]] = []
    for (contender, size), at in places.items():
        for metric in task.metric_names:
            estimate = score_interval(
                [trials[place].metrics[metric] for place in at],
                left_out[metric][at],
                evidence.get(metric, rows),
                task.scales.get(metric, Scale.SHARE),
            )
            found.append([contender, size, len(at), metric, estimate.value, estimate.low, estimate.high])
    return found
