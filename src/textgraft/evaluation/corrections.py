"""Many tests at once: p-values made stricter, so that the chance of any false claim stays what is said.

Adjusted values are compared with the usual level. Both methods reject one hypothesis after the other, the
smallest p-value first, each multiplied by how many of the hypotheses may still be true. Holm's takes for that
all that are left. Among all pairs of several models fewer can be: if A is as good as B and B as C, then so is
A as C. Shaffer's, which García and Herrera (2008, "An extension on 'Statistical comparisons of classifiers
over multiple data sets' for all pairwise comparisons") recommend for comparing classifiers, counts them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that comparing each with 0.05 keeps the chance of any false claim below 5%.

    Holm 1979, "A simple sequentially rejective multiple test procedure".

    Returns:
        The adjusted values in the order given, each at least as large as the raw one and at most 1.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def shaffer(p_values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Adjust the p-values of all pairs of several things, as Holm's method does, but for what pairs imply.

    Shaffer 1986, "Modified sequentially rejective multiple test procedures", the second of them: each p-value
    is multiplied by the number of equalities that can hold together, given that those rejected before do not.

    Args:
        p_values: Of the hypothesis that both of a pair are equal; each pair of all once, in either order.

    Returns:
        The adjusted values, none of them above Holm's.
    """
    names = list(dict.fromkeys(name for pair in p_values for name in pair))
    rejected: list[tuple[str, str]] = []
    adjusted = dict.fromkeys(p_values, 1.0)
    running = 0.0
    for pair in sorted(p_values, key=p_values.__getitem__):
        running = max(running, _most_equalities(names, rejected) * p_values[pair])
        if running >= 1:
            break
        adjusted[pair] = running
        rejected.append(pair)
    return adjusted


def _most_equalities(names: Sequence[str], unequal: Collection[tuple[str, str]]) -> int:
    """Return how many pairs of names can be equal at most, given some that are not.

    What is equal falls into groups without an unequal pair. The largest group of the best division takes up
    no further member, or moving one into it would gain pairs: so only such groups are tried.
    """
    place = {name: 1 << index for index, name in enumerate(names)}
    everything = (1 << len(names)) - 1
    may_equal = {bit: everything & ~bit for bit in place.values()}
    for first, second in unequal:
        may_equal[place[first]] &= ~place[second]
        may_equal[place[second]] &= ~place[first]

    def groups(group: int, candidates: int, excluded: int) -> Iterator[int]:
        """Yield the sets that no candidate can join (Bron and Kerbosch 1973)."""
        if not candidates and not excluded:
            yield group
            return
        # A set without this one has a member that cannot be its equal, or this one could join.
        pivot = max(_bits(candidates | excluded), key=lambda one: (candidates & may_equal[one]).bit_count())
        for one in _bits(candidates & ~may_equal[pivot]):
            yield from groups(group | one, candidates & may_equal[one], excluded & may_equal[one])
            candidates &= ~one
            excluded |= one

    @cache
    def most(rest: int) -> int:
        found = 0
        for group in sorted(groups(0, rest, 0), key=int.bit_count, reverse=True):
            size, left = group.bit_count(), rest & ~group
            own = size * (size - 1) // 2
            # Every further member is in a group that is no larger.
            if own + left.bit_count() * (size - 1) / 2 > found:
                found = max(found, own + most(left))
        return found

    return most(everything)


def _bits(members: int) -> list[int]:
    return [1 << index for index in range(members.bit_length()) if members >> index & 1]
