"""Texts written otherwise: the same each time, more at each level, and never broken."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgraft.data.dataset import Dataset
from textgraft.data.perturbations import LEVELS, PERTURBATIONS, edited, perturb
from textgraft.data.perturbed_rows import perturbed_rows

NAMES = st.sampled_from(sorted(PERTURBATIONS))
WRITTEN = st.text(st.one_of(st.sampled_from("abcdeäéñ ÄBCxyz.,!?\t\ń"), st.characters()), max_size=60)


@settings(max_examples=300, deadline=None)
@given(WRITTEN, NAMES, st.integers(0, 5))
def test_the_same_each_time_and_more_at_each_level(text, name, seed):
    found = [edited(text, name, level, seed=seed) for level in LEVELS]
    assert found == [edited(text, name, level, seed=seed) for level in LEVELS]
    edits = [count for _, count in found]
    assert edits == sorted(edits)
    assert all((other == text) or count for other, count in found)
    for other, _ in found:
        if not any(0xD800 <= ord(character) < 0xE000 for character in text):
            other.encode()


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_there_is_something_to_see(name):
    text = "Überall, wo die Café-Terrassen öffnen, sitzen Menschen; sie reden. " * 5
    found = [edited(text, name, level) for level in LEVELS]
    assert 0 < found[0][1] < found[2][1]
    assert perturb("", name, "strong") == ""
    assert perturb(text, name, "strong", seed=1) != text


def test_each_does_what_its_name_says():
    text = "The naïve Café opens, at 9."
    assert perturb(text, "upper", "strong") == "THE NAÏVE CAFÉ OPENS, AT 9."
    assert perturb(text, "lower", "strong") == "the naïve café opens, at 9."
    assert perturb(text, "accents", "strong") == "The naive Cafe opens, at 9."
    assert perturb(unicodedata.normalize("NFD", text), "accents", "strong") == "The naive Cafe opens, at 9."
    assert perturb("й क़ का", "accents", "strong") == "й क़ का"
    assert perturb(text, "punctuation", "strong") == "The naïve Café opens at 9"
    assert perturb(text, "truncation", "strong") == "The naïve Café"
    assert perturb("one", "truncation", "strong") == "one"
    looks = perturb("cappuccino " * 20, "homoglyphs", "strong")
    assert looks != "cappuccino " * 20
    assert looks.split()[0] in {"cappuccino"} or not looks.split()[0].isascii()


def test_rows_keep_their_targets_and_no_text_goes_missing():
    numbers = [1, 2]
    rows = Dataset(
        {"question": ["who?", "!"], "context": ["He did.", "Yes."]}, ["a", "b"], ["1", "2"], numbers, "x"
    )
    found = perturbed_rows(rows, "punctuation", "strong", columns=["question"])
    assert found.columns == {"question": ["who", "!"], "context": ["He did.", "Yes."]}
    assert found.labels == rows.labels
    assert perturbed_rows(Dataset({"vector": [[1.0]]}, None, ["1"], [1], "x"), "typos", "mild") is None


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text("abcäÉ.中", min_size=1, max_size=8), max_size=12), NAMES, st.sampled_from(LEVELS))
def test_words_of_a_tagged_text_stay_words(words, name, level):
    from textgraft.data.words import joined

    text, places = joined(words)
    rows = Dataset({"text": [text], "words": [places]}, [["O"] * len(words)], ["1"], [1], "x")
    found = perturbed_rows(rows, name, level)
    if not PERTURBATIONS[name].keeps_words:
        assert found is None
        return
    (other,), (moved,) = found.columns["text"], found.columns["words"]
    cut = [other[start:end] for start, end in moved]
    assert len(cut) == len(words)
    assert all(cut)
    assert " ".join(cut) == other
