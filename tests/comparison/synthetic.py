"""Comparisons whose truth is known: trials drawn from declared learning curves, and folders of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from tests.evaluation.once import once
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.plan import (
    ComparisonPlan,
    PlannedContender,
    PlannedTrial,
    Programme,
    Rate,
    Request,
    TrialPlan,
    save_plan,
)
from textgraft.comparison.records.trials import (
    Configuration,
    Cost,
    TestSet,
    Trial,
    save_test_set,
    save_trial,
)
from textgraft.comparison.records.verdict import Verdict, save_verdict
from textgraft.data.check import check_dataset
from textgraft.data.dataset import Dataset
from textgraft.evaluation.metrics import weighted_metrics
from textgraft.files import content_hash

LABELS = ["billing", "delivery", "returns", "account", "praise"]
SENTENCE = "the parcel came late and nobody could say why it went to the wrong house"


@dataclass(frozen=True)
class Curve:
    """A contender with a known accuracy at every size, and known costs."""

    name: str
    accuracy: Callable[[float], float]
    seconds: Callable[[float], float] = lambda size: 1 + size / 1000
    latency_ms: float = 2.0
    megabytes: float = 10.0
    seed_spread: float = 0.005
    """Standard deviation of the accuracy over seeds."""


def power_law(a: float, b: float, c: float) -> Callable[[float], float]:
    """Accuracy 1 - (a n^-b + c)."""
    return lambda size: 1 - (a * size**-b + c)


TFIDF = Curve("tfidf", power_law(2.2, 0.35, 0.06), lambda n: 0.2 + n / 4000, 0.6, 1.4)
LSTM = Curve("lstm", power_law(9.0, 0.5, 0.02), lambda n: 4 + n / 40, 3.0, 6.0)
FROZEN = Curve("bert-frozen", power_law(0.9, 0.3, 0.06), lambda n: 1 + n / 150, 12.0, 91.0)
FINETUNED = Curve("bert-finetuned", power_law(2.0, 0.42, 0.03), lambda n: 10 + n / 9, 12.0, 91.0)
USUAL = (TFIDF, LSTM, FROZEN, FINETUNED)
SIZES = (100, 300, 1000, 3000)


@dataclass(frozen=True)
class Comparison:
    """The trials of some curves, judged by the same test rows."""

    curves: Sequence[Curve] = USUAL
    sizes: Sequence[int] = SIZES
    seeds: int = 3
    rows: int = 1000
    labels: Sequence[str] = tuple(LABELS)
    rare: int | None = None
    """Test rows of the last label; None: as many as of any other."""
    leaked: Sequence[int] = ()
    draw: int = 0
    """Another number gives another world of the same truth."""
    texts: Sequence[str] = field(default=())

    def test_set(self) -> TestSet:
        rng = np.random.default_rng([self.draw, 0])
        texts = self.texts or [
            " ".join(rng.choice(SENTENCE.split(), rng.integers(5, 40))) for _ in range(self.rows)
        ]
        return TestSet(
            task="classification",
            task_settings={"labels": list(self.labels)},
            labels=list(self.labels),
            gold=self._gold().tolist(),
            test_texts=list(texts),
            test_ids=[str(row + 1) for row in range(self.rows)],
            leaked=list(self.leaked),
            train_rows=max(self.sizes),
            dev_rows=self.rows // 2,
            check=self._check(),
        )

    def _check(self) -> dict[str, Any]:
        """Check a small file with a few faults: a repeated text, a text under two labels, a rare label."""
        texts = [f"{SENTENCE} {number} {number**2}" for number in range(60)]
        texts += [texts[0], texts[1]]
        labels = [self.labels[number % len(self.labels)] for number in range(59)]
        labels += ["<rare>", labels[0], self.labels[2 % len(self.labels)]]
        ids = [str(number + 1) for number in range(len(texts))]
        dataset = Dataset({"text": texts}, labels, ids, list(range(2, len(texts) + 2)), "complaints.csv")
        return check_dataset(dataset).to_dict()

    def _gold(self) -> np.ndarray:
        gold = np.arange(self.rows) % len(self.labels)
        if self.rare is not None:
            gold = np.arange(self.rows) % (len(self.labels) - 1)
            gold[: self.rare] = len(self.labels) - 1
        return np.random.default_rng([self.draw, 1]).permutation(gold)

    def trials(self) -> list[Trial]:
        return [
            self._trial(position, curve, size, seed)
            for position, curve in enumerate(self.curves)
            for size in self.sizes
            for seed in range(self.seeds)
        ]

    def _trial(self, position: int, curve: Curve, size: int, seed: int) -> Trial:
        gold, count = self._gold(), len(self.labels)
        hardness = np.random.default_rng([self.draw, 2]).normal(size=self.rows)
        rng = np.random.default_rng([self.draw, 3, position, size, seed])
        accuracy = np.clip(curve.accuracy(size) + rng.normal(0, curve.seed_spread), 0.01, 0.99)
        # All models find the same rows hard, seeds of one contender more so; errors go to the next label.
        own = np.random.default_rng([self.draw, 4, position]).normal(size=self.rows)
        ease = 0.6**0.5 * hardness + 0.25**0.5 * own + 0.15**0.5 * rng.normal(size=self.rows)
        right = (ease < norm.ppf(accuracy)) | np.isin(np.arange(self.rows), list(self.leaked))
        step = np.where(rng.random(self.rows) < 0.7, 1, rng.integers(1, count, self.rows))
        predicted = np.where(right, gold, (gold + step) % count)
        confidence = np.clip(accuracy - 0.15 * ease + rng.normal(0, 0.05, self.rows), 1 / count, 1)
        metrics = once(weighted_metrics, gold, predicted, count)
        settings = {"learning_rate": 1e-3}
        return Trial(
            id=content_hash([self.draw, curve.name, size, seed]),
            contender=curve.name,
            size=size,
            seed=seed,
            settings=settings,
            configurations=[
                Configuration(
                    settings={"learning_rate": rate}, dev_score=metrics["macro_f1"] - gap, seconds=2.0
                )
                for rate, gap in ((1e-3, 0.0), (3e-3, 0.01))
            ],
            data_hash="d" * 16,
            predicted=predicted.tolist(),
            confidence=confidence.tolist(),
            metric="macro_f1",
            metrics=metrics,
            dev_metrics=metrics,
            cost=Cost(
                training_seconds=curve.seconds(size) * float(rng.uniform(0.95, 1.05)),
                tuning_seconds=curve.seconds(size),
                latency_ms_p50=curve.latency_ms,
                latency_ms_p95=1.3 * curve.latency_ms,
                throughput_per_second=4000 / curve.latency_ms,
                model_mb=curve.megabytes,
            ),
            truncated_fraction=0.02,
            epochs=6.0,
            stopped_by="patience",
            history=[{"epoch": 1.0, "loss": 1.2, "dev_loss": 1.1, "dev_score": 0.5, "seconds": 1.0}],
            versions={"torch": "2.13.0", "transformers": "5.23.0"},
        )

    def judge(self, **options) -> Verdict:
        return judge(self.trials(), self.test_set(), **options)

    def write(self, folder: Path, **options) -> Path:
        """Write the folder of this comparison, as ``compare`` leaves it before the report is drawn."""
        folder.mkdir(parents=True)
        trials, test_set = self.trials(), self.test_set()
        for trial in trials:
            save_trial(folder, trial)
        save_test_set(folder, test_set)
        save_verdict(folder, judge(trials, test_set, **options))
        save_plan(folder, self.plan(trials))
        return folder

    def plan(self, trials: Sequence[Trial]) -> ComparisonPlan:
        """Return the plan of which the trials are the results."""
        planned = [PlannedTrial(trial.contender, trial.size, trial.seed) for trial in trials]
        names = [curve.name for curve in self.curves]
        return ComparisonPlan(
            request=Request(
                task="classification",
                contenders=tuple(names),
                sizes=tuple(self.sizes),
                seeds=self.seeds,
                tuning=2,
                encoders=(),
                vectors=None,
                language_model=None,
                max_length=None,
                freeze_layers=0,
                budget=None,
            ),
            data_hash="d" * 16,
            title="complaints.csv",
            source="complaints.csv",
            command="textgraft compare complaints.csv",
            machine="a machine",
            threads=1,
            contenders={
                name: PlannedContender(name, [{"learning_rate": 1e-3}, {"learning_rate": 3e-3}])
                for name in names
            },
            dev_rule="a quarter of the training size, at least 20 rows",
            rates={name: Rate(fixed=1.0, per_row=0.0, per_epoch=0.0) for name in names},
            programmes={
                name: Programme(sizes=tuple(self.sizes), seeds=self.seeds, configurations=2) for name in names
            },
            seconds=420.0,
            plan=TrialPlan(trials=[], configurations=dict.fromkeys(names, 2), seconds=0.0),
            results={entry.name: trial.id for entry, trial in zip(planned, trials, strict=True)},
        )
