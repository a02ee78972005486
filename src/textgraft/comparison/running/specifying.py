"""What the planned trials of a run are to do, and which finished ones are their results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from textgraft.comparison.contenders.base import Contender, RecipeSettings
from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial, configurations_of

if TYPE_CHECKING:
    from textgraft.comparison.preparing import Material
    from textgraft.comparison.records.trials import Trial
    from textgraft.comparison.running.trials import TrialSpec


class Running(Protocol):
    """What is asked of a run whose trials are specified."""

    contenders: dict[str, Contender]
    material: Material
    record: ComparisonPlan
    finished: dict[str, Trial]


class Specs:
    """Specifies the planned trials of one run.

    Args:
        run: The run.
    """

    def __init__(self, run: Running) -> None:
        self.run = run

    def of(self, planned: PlannedTrial) -> TrialSpec | None:
        """Return what a planned trial is to run; None while the configuration to take is not chosen yet."""
        configurations = self._configurations(planned)
        return self.fitting(planned, configurations) if configurations else None

    def fitting(self, planned: PlannedTrial, configurations: tuple[RecipeSettings, ...]) -> TrialSpec:
        """Return what a planned trial runs that fits these configurations."""
        from textgraft.comparison.running.trials import TrialSpec

        material, record, contender = self.run.material, self.run.record, self._contender(planned)
        shots = record.shots.get(planned.size)
        return TrialSpec(
            contender=contender,
            job=material.job(contender, *material.rows(planned.size, planned.seed, shots), planned.seed),
            test=material.test,
            configurations=configurations,
            data_hash=material.data_hash,
            shots=shots,
            times_briefly=planned.size < record.programmes[planned.contender].sizes[-1],
        )

    def result(self, planned: PlannedTrial, spec: TrialSpec) -> Trial | None:
        """Return the trial that has this specification, if there is one.

        One that the clock shaped is a result for nobody but the plan that gave it so much time.
        """
        finished = self.run.finished
        trial = finished.get(spec.id)
        if trial is None:
            trial = finished.get(self.run.record.results.get(planned.name, ""))
            if trial is not None and not _is_of(trial, spec):
                return None
        return trial

    def _contender(self, planned: PlannedTrial) -> Contender:
        """Return a contender as it is planned: reading less of long texts where time is short."""
        contender = self.run.contenders[planned.contender]
        windows = self.run.record.plan.windows.get(planned.contender)
        return contender.reading(windows) if windows else contender

    def _configurations(self, planned: PlannedTrial) -> tuple[RecipeSettings, ...]:
        """Return what the first seed chooses from, and what it chose for the others."""
        if planned.seed == 0:
            return self._promising(planned)
        first = self.run.record.results.get(PlannedTrial(planned.contender, planned.size, 0).name)
        return (self._contender(planned).configured(self.run.finished[first].settings),) if first else ()

    def _grid(self, planned: PlannedTrial) -> tuple[RecipeSettings, ...]:
        """Return the configurations that there are to choose from."""
        programme = self.run.record.programmes[planned.contender]
        return tuple(self._contender(planned).grid[: programme.configurations])

    def _promising(self, planned: PlannedTrial) -> tuple[RecipeSettings, ...]:
        """Return the configurations that a trial of the first seed fits, the most promising first."""
        grid, number = self._grid(planned), self.run.record.plan.configurations[planned.contender]
        # All of them are fitted in their own order, whatever was best elsewhere.
        chosen = self.chosen.get(planned.contender, {}) if number < len(grid) else {}
        return tuple(grid[place] for place in configurations_of(planned, min(number, len(grid)), chosen))

    @property
    def chosen(self) -> dict[str, dict[int, int]]:
        """By contender and training rows: the place in its grid of what the first seed chose."""
        found: dict[str, dict[int, int]] = {}
        for known in self.run.record.results.values():
            trial = self.run.finished.get(known)
            if trial is None or trial.seed or trial.contender not in self.run.contenders:
                continue
            grid = self._grid(PlannedTrial(trial.contender, trial.size, 0))
            places = [place for place, one in enumerate(grid) if one.given() == trial.settings]
            if places:
                found.setdefault(trial.contender, {})[trial.size] = places[0]
        return found


def _is_of(trial: Trial, spec: TrialSpec) -> bool:
    """Return whether a trial was run for this plan: with its configurations, or some of them."""
    possible = [one.given() for one in (spec.configurations if trial.seed else spec.contender.grid)]
    if any(one.settings not in possible for one in trial.configurations):
        return False
    fitted = tuple(spec.contender.configured(one.settings) for one in trial.configurations)
    return replace(spec, configurations=fitted).identity(trial.limit_seconds).id == trial.id
