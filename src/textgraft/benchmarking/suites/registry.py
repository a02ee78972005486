"""Every suite by its name."""

from __future__ import annotations

from textgraft.benchmarking.sets import BenchmarkSet, Suite
from textgraft.benchmarking.suites.claims import CLAIMS
from textgraft.benchmarking.suites.glue import GLUE
from textgraft.benchmarking.suites.reading import CONLL, SQUAD, SWAG
from textgraft.errors import unknown

SUITES = {suite.name: suite for suite in (GLUE, SQUAD, SWAG, CONLL, CLAIMS)}


def suite_named(name: str) -> Suite:
    """Return a suite.

    Raises:
        OptionError: There is none of that name; the nearest is suggested.
    """
    if name not in SUITES:
        raise unknown("benchmark", name, SUITES)
    return SUITES[name]


def chosen_sets(suite: Suite, names: list[str] | None) -> list[BenchmarkSet]:
    """Return the sets of a suite that are asked for, in its order; all of them for None.

    Raises:
        OptionError: It has no set of such a name.
    """
    known = {one.name.lower(): one for one in suite.sets}
    for name in names or ():
        if name.lower() not in known:
            raise unknown("set", name, [one.name for one in suite.sets], where="--sets")
    wanted = {name.lower() for name in names or known}
    return [one for name, one in known.items() if name in wanted]
