"""The memory that models of a comparison take, as a record on disk: measured once for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from textgraft.comparison.records.record import FORMAT, load_record
from textgraft.comparison.records.trials import Trial
from textgraft.comparison.records.verdict import Verdict
from textgraft.errors import ModelError
from textgraft.integrity import write_record

_FILE = "memory.json"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The content of memory.json."""

    format: int = FORMAT
    megabytes: dict[str, float] = {}
    """Peak resident memory of a process that loads a trial's model and answers, in 10^6 bytes, by trial."""

    def in_verdict(self, verdict: Verdict, trials: Sequence[Trial]) -> Verdict:
        """Return the verdict with the memory of each contender at the judged size, where it is known."""
        found = {
            trial.contender: self.megabytes[trial.id]
            for trial in trials
            if verdict.is_judged(trial) and trial.id in self.megabytes
        }
        standings = [
            msgspec.structs.replace(standing, memory_mb=found.get(standing.contender))
            for standing in verdict.standings
        ]
        return msgspec.structs.replace(verdict, standings=standings)


def load_memory(folder: Path) -> Memory:
    """Read memory.json of a comparison; what is missing or damaged there can be measured again."""
    try:
        return load_record(folder / _FILE, Memory, fix="")
    except ModelError:
        return Memory()


def save_memory(folder: Path, memory: Memory) -> None:
    """Write memory.json of a comparison."""
    write_record(folder / _FILE, memory)
