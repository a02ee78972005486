"""Comparisons of tiny rows: each is seen a few times at most."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from textgraft.comparison.contenders.base import EpochSchedule

FEW = 8
WHOLE = {
    "test_planning", "test_probing", "test_reversal", "test_recurrent", "test_contender_entries",
    "test_lstm_pretrained",
}  # fmt: skip
"""Modules that reckon with schedules, or in which something is to be learned."""


@pytest.fixture(scope="module", autouse=True)
def _few_epochs(request: pytest.FixtureRequest) -> Iterator[None]:
    known = EpochSchedule.number
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.rpartition(".")[2] not in WHOLE:
            patch.setattr(EpochSchedule, "number", lambda self, size: min(FEW, known(self, size)))
        yield
