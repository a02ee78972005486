import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from textgraft.evaluation.corrections import _most_equalities, holm, shaffer

NAMES = "abcde"
PAIRS = list(itertools.combinations(NAMES, 2))


def test_holm_on_a_worked_example():
    # Four hypotheses: 0.005 * 4, then 0.01 * 3, then 0.03 * 2, then 0.04 raised to stay in order.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_raw_values_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for raw, value in zip(p_values, adjusted, strict=True):
        assert raw <= value <= min(1.0, raw * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.asarray(adjusted)[order]) >= 0)
    if p_values:
        assert (np.asarray(adjusted) >= false_discovery_control(p_values) - 1e-12).all()


def test_shaffer_on_a_worked_example():
    # Any of three may hold: 0.01 * 3. As a is not b, c equals one of them at most: 0.02 and 0.04 stand alone.
    adjusted = shaffer({("a", "b"): 0.01, ("a", "c"): 0.02, ("b", "c"): 0.04})
    assert list(adjusted.values()) == pytest.approx([0.03, 0.03, 0.04])


@given(st.lists(st.floats(0, 0.2), min_size=len(PAIRS), max_size=len(PAIRS)))
def test_shaffer_lies_between_the_raw_values_and_holm(p_values):
    adjusted = shaffer(dict(zip(PAIRS, p_values, strict=True)))
    assert list(adjusted) == PAIRS
    for raw, value, holms in zip(p_values, adjusted.values(), holm(p_values), strict=True):
        assert raw <= value <= holms + 1e-12


def divisions(names):
    """Yield all ways to put names into groups."""
    if not names:
        yield []
        return
    first, *others = names
    for rest in divisions(others):
        yield [[first], *rest]
        for place, group in enumerate(rest):
            yield [*rest[:place], [first, *group], *rest[place + 1 :]]


@given(st.sets(st.sampled_from(PAIRS)))
def test_as_many_pairs_are_equal_as_the_best_division_allows(unequal):
    allowed = [
        equal
        for division in divisions(NAMES)
        if not unequal & (equal := {pair for group in division for pair in itertools.combinations(group, 2)})
    ]
    # Names are put into groups in their order, so that every pair stands as in PAIRS.
    assert _most_equalities(NAMES, unequal) == max(map(len, allowed))


@pytest.mark.parametrize("means", [(0, 0, 0, 0, 0), (0, 0, 0, 9, 9), (0, 0, 5, 5, 10), (0, 0, 0, 0, 3)])
def test_the_chance_of_any_false_claim_stays_below_5_percent(means):
    """Five things measured once each with the same error, some of which are equal."""
    rng, repetitions = np.random.default_rng(0), 2000
    false = dict.fromkeys((shaffer, holm), 0)
    equal = [means[NAMES.index(first)] == means[NAMES.index(second)] for first, second in PAIRS]
    for _ in range(repetitions):
        seen = dict(zip(NAMES, rng.normal(means), strict=True))
        p_values = [2 * norm.sf(abs(seen[first] - seen[second]) / 2**0.5) for first, second in PAIRS]
        adjusted = {
            shaffer: shaffer(dict(zip(PAIRS, p_values, strict=True))).values(),
            holm: holm(p_values),
        }
        for method, values in adjusted.items():
            false[method] += any(p < 0.05 for p, is_equal in zip(values, equal, strict=True) if is_equal)
    assert false[holm] <= false[shaffer]
    assert false[shaffer] / repetitions <= 0.06  # of 2,000 at 5%: more with a probability of 2%


def test_shaffer_finds_more_than_holm():
    """Three equal ones, and two others."""
    rng, found = np.random.default_rng(1), {shaffer: 0, holm: 0}
    for _ in range(300):
        seen = dict(zip(NAMES, rng.normal((0, 0, 0, 3, 3)), strict=True))
        p_values = {pair: 2 * norm.sf(abs(seen[pair[0]] - seen[pair[1]]) / 2**0.5) for pair in PAIRS}
        found[shaffer] += sum(p < 0.05 for p in shaffer(p_values).values())
        found[holm] += sum(p < 0.05 for p in holm(list(p_values.values())))
    assert found[shaffer] > 1.1 * found[holm]
