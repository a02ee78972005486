"""Tags of words, as B-PER I-PER O: what they say of entities, and which may follow which.

Schemes differ in what they mark (Tjong Kim Sang and Veenstra 1999, "Representing text chunks"):

- IOB1: I- everywhere; B- only where an entity follows another of its type at once;
- BIO, also called IOB2: B- on the first word of every entity, I- on the others;
- IOBES, also called BIOES: as BIO, with E- on the last word of an entity and S- on an entity of one word;
  BILOU writes L- and U- for these two.

Every one of them is read by the same rules, those of the CoNLL evaluation script ``conlleval``, which make
sense of any sequence of tags, broken ones included. Within textgraft all tags are BIO.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
Entity = tuple[str, int, int]
"""Type, first word, and one past the last word."""


_TAG = re.compile(r"O|[BIESLU]-\S.*")


def is_tag(tag: str) -> bool:
    """Tell whether ``tag`` is O, or one of B I E S (in BILOU, L U), a hyphen and a type."""
    return _TAG.fullmatch(tag) is not None


def entities(tags: Sequence[str]) -> list[Entity]:
    """Read entities as conlleval does, and seqeval by default: whatever begins without B- begins anyway.

    Args:
        tags: One tag a word, of any scheme; a tag without a type has the type "_".
    """
    found = []
    before, type_before, start = OUTSIDE, "_", 0
    for position, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = tag[:1], tag[1:].split("-", maxsplit=1)[-1] or "_"
        changes = kind != type_before
        if before in "ES" or (before in "BI" and prefix in "BSO") or (before not in "O." and changes):
            found.append((type_before, start, position))
        if prefix in "BS" or (prefix in "EI" and before in "ESO") or (prefix not in "O." and changes):
            start = position
        before, type_before = prefix, kind
    return found


def strict_entities(tags: Sequence[str]) -> list[Entity]:
    """Read entities of BIO tags as seqeval does in strict mode: what begins without B- does not count."""
    found: list[Entity] = []
    inside = False
    for position, tag in enumerate(tags):
        kind = tag[1:].split("-", maxsplit=1)[-1] or "_"
        inside = tag[:1] == "B" or (tag[:1] == "I" and inside and found[-1][0] == kind)
        if tag[:1] == "B":
            found.append((kind, position, position + 1))
        elif inside:
            found[-1] = (kind, found[-1][1], position + 1)
    return found


def bio_tags(found: Iterable[Entity], words: int) -> list[str]:
    """Write entities that do not overlap as BIO tags of so many words."""
    tags = [OUTSIDE] * words
    for kind, start, end in found:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags


def repaired(tags: Sequence[str]) -> list[str]:
    """Return the BIO tags that mean what conlleval reads in ``tags``; whole BIO tags stay as they are."""
    return bio_tags(entities(tags), len(tags))


def detect_scheme(sequences: Iterable[Sequence[str]]) -> str:
    """Return the scheme that the tags of a file keep to, or break least: "IOB1", "BIO" or "IOBES"."""
    b_is_rare, i_begins = True, False
    for tags in sequences:
        for previous, tag in pairwise([OUTSIDE, *tags]):
            prefix = tag[:1]
            if prefix in "ES":
                return "IOBES"
            if prefix == "B":
                b_is_rare &= previous[1:] == tag[1:]
            elif prefix == "I":
                i_begins |= previous[1:] != tag[1:]
    return "IOB1" if i_begins and b_is_rare else "BIO"


def may_follow(previous: str, tag: str, *, closes: bool) -> bool:
    """Tell whether a tag may come right after another; O stands for the borders of a text.

    Args:
        previous: A tag of BIO or IOBES.
        tag: The next one.
        closes: Whether the scheme marks the end of entities, as IOBES does.
    """
    if tag[:1] in "IE":
        return previous[:1] in "BI" and previous[1:] == tag[1:]
    return not closes or previous[:1] not in "BI"


def broken_transitions(tags: Sequence[str], scheme: str) -> list[int]:
    """Return the words whose tag may not follow the one before; past the last, an entity without its end."""
    if scheme == "IOB1":
        return []
    closes = scheme == "IOBES"
    pairs = pairwise([OUTSIDE, *tags, OUTSIDE])
    return [place for place, (before, tag) in enumerate(pairs) if not may_follow(before, tag, closes=closes)]


def allowed_transitions(tags: Sequence[str]) -> NDArray[np.bool_]:
    """Return which tag may follow which, [1 + tags, 1 + tags], from the first axis to the second.

    Index 0 of the first axis is the beginning of a text, index 0 of the second axis its end; the tags follow.
    Where a name is no tag of a scheme, as for parts of speech, everything may follow everything.
    """
    if not all(is_tag(tag) and tag[0] not in "LU" for tag in tags):
        return np.ones((1 + len(tags), 1 + len(tags)), dtype=bool)
    closes = any(tag[0] in "ES" for tag in tags)
    names = [OUTSIDE, *tags]
    return np.array([[may_follow(before, tag, closes=closes) for tag in names] for before in names])


def best_tags(
    scores: NDArray[np.floating[Any]], allowed: NDArray[np.bool_], before: int = 0
) -> NDArray[np.int64]:
    """Choose the tags of words one after the other: of those that may follow the last one, the best.

    So no entity is broken by a word of another type. What comes later changes no tag, so a text that is read
    as it comes gets the same ones.

    Args:
        scores: [words, tags], the higher the better.
        allowed: Which tag may follow which, as :func:`allowed_transitions` gives it.
        before: Index in it of the tag before the first word; 0 at the beginning of a text.

    Returns:
        Indices of tags, [words].
    """
    best = scores.argmax(axis=1)
    path = np.concatenate([[before], 1 + best])
    if not allowed[path[:-1], path[1:]].all():
        for place, row in enumerate(scores):
            best[place] = np.where(allowed[before, 1:], row, -np.inf).argmax()
            before = 1 + int(best[place])
    return best
