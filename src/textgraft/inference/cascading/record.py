"""What a chain of models costs and scores, beside its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from textgraft import wording
from textgraft.evaluation.cascades import METHOD, fewest_rows
from textgraft.evaluation.intervals import Score
from textgraft.evaluation.promises import CONFIDENCE, Share, Threshold
from textgraft.tables import Table, bullets, page, paragraph
from textgraft.terminal import visible

if TYPE_CHECKING:
    import pandas


class PartFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One model on the rows that measured."""

    name: str
    source: str
    """The model directory; empty for the chain."""
    score: Score
    """The task's main metric with its 95% interval."""
    difference: Score
    """Of that score to the last part's, paired row by row; 0 for the last part itself."""
    milliseconds: float
    """Of a text, in batches, by the clock."""
    processor_milliseconds: float
    """The same in processor time, over all threads."""
    answered: Share
    """Share of the texts that it answers in the chain; 1 for the chain."""


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """A chain of models: how it was chosen, and what it was measured to be."""

    folder: str
    task: str
    metric: str
    title: str
    """How people call the metric."""
    parts: list[PartFigures]
    """The one that is asked first at the beginning."""
    chain: PartFigures
    least: Share | None
    """How sure a part must be to answer; None: the last part answers everything, and is the whole chain."""
    tolerance: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """Share of all texts by which fewer may be answered rightly than by the last part alone."""
    confidence: float = CONFIDENCE
    """With which that is promised."""
    method: str = METHOD
    chosen_on: int
    """Rows that decided the threshold."""
    measured_on: int
    """Other rows, on which all figures were measured."""
    threshold: Threshold | None = None
    """From which score on the chain answers at all, where a target was given; the rest is for a person."""

    def __repr__(self) -> str:
        names = " → ".join(part.name for part in self.parts)
        score = wording.score(self.chain.score.value)
        return visible(f"<Cascade {names}: {self.metric} {score}, {self.time_share:.0%} of the time>")

    def _repr_html_(self) -> str:
        place = len(self.parts)
        return page(paragraph(repr(self)[1:-1], "lead"), self.table().to_html(place), bullets(self.sentences))

    def table(self) -> Table:
        """Return a row for each part and one for the chain."""
        return Table.of(
            [
                {
                    "model": one.name,
                    self.metric: one.score.value,
                    "low": one.score.low,
                    "high": one.score.high,
                    "difference": one.difference.value,
                    "difference_low": one.difference.low,
                    "difference_high": one.difference.high,
                    "milliseconds": one.milliseconds,
                    "processor_milliseconds": one.processor_milliseconds,
                    "answered": one.answered,
                }
                for one in (*self.parts, self.chain)
            ]
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self.table().to_pandas()

    @property
    def last(self) -> PartFigures:
        """The large model."""
        return self.parts[-1]

    @property
    def time_share(self) -> float:
        """What the chain takes of the last part's processor time; 1 where it is that part."""
        return self.chain.processor_milliseconds / max(self.last.processor_milliseconds, 1e-9)

    @property
    def is_within(self) -> bool:
        """Whether the chain's score is not below the interval of the last part's."""
        low = self.last.score.low
        return low is not None and self.chain.score.value >= low

    @property
    def sentences(self) -> list[str]:
        """What was chosen and found, in words."""
        lines = [self._choice, *self._findings]
        if self.threshold is not None:
            lines.append(f"a person last: {self.threshold.sentence}")
        return lines

    @property
    def _choice(self) -> str:
        last = self.last.name
        earlier = wording.listing([part.name for part in self.parts[:-1]], "or")
        loss = f"at most {100 * self.tolerance:g} of 100 texts fewer are answered rightly than by {last}"
        if self.least is None:
            few = ""
            if self.chosen_on < (needed := fewest_rows(self.tolerance)):
                few = f"; that takes {needed:,} rows at least, of rows that are then halved"
            return (
                f"no threshold lets {earlier} answer, with {self.confidence:.0%} confidence that {loss}, on "
                f"{self.chosen_on:,} rows{few}. Every text goes to {last}: this chain gains nothing"
            )
        return (
            f"{earlier} answers where it is at least {self.least:.4f} sure, {last} the rest; with "
            f"{self.confidence:.0%} confidence {loss} (chosen on {self.chosen_on:,} rows)"
        )

    @property
    def _findings(self) -> list[str]:
        if self.least is None:
            return []
        last, chain = self.last, self.chain
        within = "within" if self.is_within else "BELOW"
        difference = f"{wording.signed(chain.difference.value)}, {wording.signed_interval(chain.difference)}"
        lines = [
            f"on {self.measured_on:,} other rows: {self.title} {wording.score(chain.score.value)} against "
            f"{wording.score(last.score.value)} ({difference}), {within} the interval of {last.name}, "
            f"at {self.time_share:.0%} of its processor time"
        ]
        lines += [f"{name} takes more time than it saves: leave it out" for name in self.not_worth_their_time]
        return lines

    @property
    def not_worth_their_time(self) -> list[str]:
        """Parts that cost more than what they keep from those behind them."""
        if self.least is None:
            return []
        found: list[str] = []
        behind = self.last.processor_milliseconds
        left = self.last.answered
        for part in reversed(self.parts[:-1]):
            reading = left + part.answered
            own = part.processor_milliseconds * reading
            if own > behind * part.answered:
                found.insert(0, part.name)
            behind = part.processor_milliseconds + (behind * left / reading if reading else 0.0)
            left = reading
        return found
