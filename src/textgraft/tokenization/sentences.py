"""Prose cut into sentences, by rule.

A sentence ends at a full stop, question or exclamation mark with what closes behind it, if white space and
then something that can begin a sentence follow. The rule is for languages written with these marks; what it
knows by name (abbreviations, words that begin sentences) is English. In Chinese and Japanese the marks alone
end a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE_NAMES = _words(
    """mr mrs ms dr prof rev gen col lt sgt capt cmdr adm maj gov sen rep hon st mt ft messrs mme mlle vs
    e.g i.e cf viz approx"""
)
"""With a full stop, these never end a sentence."""
_BEFORE_NUMBERS = _words(
    """no nos vol fig figs eq sec ch p pp ed eds al c ca jan feb mar apr jun jul aug sep sept oct nov dec"""
)
"""These do not where a number follows."""
_EITHER = _words("etc inc ltd co corp bros dept est ave blvd rd jr sr a.m p.m ph.d b.a m.a b.c a.d")
"""These, and initials as in "U.S.", do where one of the openers follows."""
_OPENERS = _words(
    """a after all although an and as at because before but by during even for from he her here his how
    however i if in it its many most my no not now on once one or our she since so some such that the their
    then there these they this those though to under until we what when where while who why with yet you
    your"""
)
"""Words that, with a capital, begin a sentence rather than go on with a name."""

_END = re.compile(
    r"""
    (?<! [.!?…] ) (?P<marks> [.!?…]+ ) (?: \s (?: '' | [”»)\]] ) (?=\s|$) | ["'”’»)\]]* ) (?P<gap> \s+ | $ )
    | [。！？｡]+ [」』”’）]*
    | \n [^\S\n]* \n \s*
    """,
    re.VERBOSE,
)
# One mark at a time: a row of dashes has one reading, not as many as it can be cut into.
_BEGINNING = re.compile(r"""(?: ["'“‘«(\[¿¡`-] \s? )* (?P<word> \w+ )""", re.VERBOSE)
_LAST_WORD = re.compile(r"[\w.&'’-]+\Z")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_ENDED = re.compile(r"""[.!?…:;。！？]["'”’»)\]\s]*$""")
_LOOKED_BACK = 40
_ENDED_SHARE = 0.7
_PIECES_A_LINE = 1.1


def split_sentences(text: str) -> list[str]:
    """Cut prose into sentences; line breaks within a sentence become spaces.

    A blank line ends a sentence, whatever stands before it; a line break does where the line before it ends
    like one. Nothing but white space is lost.
    """
    return [" ".join(piece.split()) for piece in _pieces(text)]


def are_sentences(lines: Sequence[str]) -> bool:
    """Tell whether the lines of a file are sentences already, rather than paragraphs or lines of a page.

    They are if most of them end like sentences and few can be cut.
    """
    lines = [line for line in lines if line.strip()]
    ended = sum(1 for line in lines if _ENDED.search(line))
    pieces = sum(len(split_sentences(line)) for line in lines)
    return ended > _ENDED_SHARE * len(lines) and pieces < _PIECES_A_LINE * len(lines)


def _pieces(text: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(text):
        if match["marks"] and match.end() < len(text) and not _is_end(text, match):
            continue
        if text[start : match.end()].strip():
            yield text[start : match.end()]
        start = match.end()
    if text[start:].strip():
        yield text[start:]


def _is_end(text: str, match: re.Match[str]) -> bool:
    """Decide whether the marks of ``match`` end a sentence."""
    if match["gap"].count("\n") > 1:  # a blank line
        return True
    following = _BEGINNING.match(text, match.end())
    if following is None:  # more marks, as in ". . ."
        return False
    before = text[max(0, match.start() - _LOOKED_BACK) : match.start()]
    if before[-1:].isspace():  # the text was cut into tokens before: the mark stands alone
        return True
    if match["marks"] == "." and _abbreviates(before, following["word"]):
        return False
    return "\n" in match["gap"] or not following["word"][0].islower()


def _abbreviates(before: str, following: str) -> bool:
    """Decide whether a full stop belongs to the word before it, and the sentence goes on."""
    found = _LAST_WORD.search(before)
    if found is None:
        return False
    word = found.group().lower().strip("'’-")
    if word in _BEFORE_NAMES:
        return True
    if word in _BEFORE_NUMBERS:
        return following[0].isdigit()
    if word in _EITHER or (_INITIALS.fullmatch(word) and word != "i"):
        return following.lower() not in _OPENERS
    return False
