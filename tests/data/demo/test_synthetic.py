"""Synthetic tasks: the answer is known, the rows come from the seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft.data.demo.synthetic import synthetic_rows
from textgraft.errors import OptionError


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 9), st.integers(0, 3))
def test_answers_are_right_and_within_bounds(symbols, shortest, more, seed):
    bounds = {"symbols": symbols, "shortest": shortest, "longest": shortest + more, "seed": seed}
    reverse, copy = (synthetic_rows(task, 20, **bounds) for task in ("reverse", "copy"))
    for (source, target), (same, copied) in zip(reverse, copy, strict=True):
        assert source == same == copied
        assert target.split() == source.split()[::-1]
        assert shortest <= len(source.split()) <= shortest + more
    assert len({symbol for source, _ in reverse for symbol in source.split()}) <= symbols


def test_the_seed_determines_the_rows():
    assert synthetic_rows("reverse", 50, seed=1) == synthetic_rows("reverse", 50, seed=1)
    assert synthetic_rows("reverse", 50, seed=1) != synthetic_rows("reverse", 50, seed=2)
    lengths = {len(source.split()) for source, _ in synthetic_rows("copy", 2000)}
    assert lengths == set(range(1, 21))


def test_what_cannot_be_is_refused():
    with pytest.raises(OptionError, match="Did you mean 'reverse'"):
        synthetic_rows("revers", 1)
    with pytest.raises(OptionError, match="from 5 to 4"):
        synthetic_rows("copy", 1, shortest=5, longest=4)
    with pytest.raises(OptionError, match="0 symbols"):
        synthetic_rows("copy", 1, symbols=0)
