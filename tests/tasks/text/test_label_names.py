"""Names of labels become words, and names that say nothing are told from those that do."""

from __future__ import annotations

import pytest

from textgraft.tasks.text.label_names import are_words, codes_note, label_codes, label_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("card_arrival", "card arrival"),
        ("cardArrival", "card arrival"),
        ("AddToPlaylist", "add to playlist"),
        ("HTMLParser", "HTML parser"),
        ("rec.sport.hockey", "rec sport hockey"),
        ("Sci/Tech", "Sci Tech"),
        ("ABBR", "ABBR"),
        ("non-fiction", "non-fiction"),
        ("  World ", "World"),
        ("体育", "体育"),
        ("___", "___"),
    ],
)
def test_names_become_words(name, words):
    assert label_words(name) == words


@pytest.mark.parametrize(
    ("labels", "are"),
    [
        (["sport", "food"], True),
        (["pos", "neg"], True),
        (["体", "食"], True),
        (["covid19", "flu"], True),
        (["0", "1"], False),
        (["a", "b"], False),
        (["sport", "2"], False),
        (["label_0", "label_1"], False),
        (["Class 1", "class 2"], False),
    ],
)
def test_what_says_nothing_is_no_word(labels, are):
    assert are_words(labels) is are


def test_codes_are_told_from_words():
    codes = ["ABBR", "HUM", "B12", "x_1", "0", "R&D"]
    words = ["sport", "pos", "World", "covid19", "POLITICS", "card_arrival", "体育"]
    assert label_codes([*codes, *words]) == codes
    told = codes_note("zero-shot", codes)
    assert "6 of them look like codes (ABBR, HUM, B12, x_1, …)" in told
    assert "1 of them looks like a code (ABBR): " in codes_note("zero-shot", ["ABBR"])
    assert "--describe labels.csv" in told
