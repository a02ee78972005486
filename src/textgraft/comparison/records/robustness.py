"""How models of a comparison stand careless writing, as a record on disk: measured once for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from textgraft.comparison.records.record import FORMAT, load_record
from textgraft.comparison.records.trials import Trial
from textgraft.comparison.records.verdict import Verdict
from textgraft.errors import ModelError
from textgraft.inference.evaluating.robustness import Robustness
from textgraft.integrity import write_record

_FILE = "robustness.json"


class MeasuredRobustness(msgspec.Struct, frozen=True, kw_only=True):
    """The content of robustness.json."""

    format: int = FORMAT
    trials: dict[str, Robustness] = {}
    """Of the model of a trial, on the test rows."""

    def in_verdict(self, verdict: Verdict, trials: Sequence[Trial]) -> Verdict:
        """Return the verdict with what is known of each contender at the judged size."""
        found = {
            trial.contender: self.trials[trial.id]
            for trial in trials
            if verdict.is_judged(trial) and trial.id in self.trials
        }
        return msgspec.structs.replace(verdict, robustness=found)


def load_robustness(folder: Path) -> MeasuredRobustness:
    """Read robustness.json of a comparison; what is missing or damaged there can be measured again."""
    try:
        return load_record(folder / _FILE, MeasuredRobustness, fix="")
    except ModelError:
        return MeasuredRobustness()


def save_robustness(folder: Path, robustness: MeasuredRobustness) -> None:
    """Write robustness.json of a comparison."""
    write_record(folder / _FILE, robustness)
