from __future__ import annotations

import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import shared_data
from textgraft.tokenization.sentences import are_sentences, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Dr. Smith met Mr. J. R. Jones at 5 p.m. on Jan. 5.", "He left."],
        ['"Why?" she asked.', '"Go!"', "He went (fast.)", "The U.S. Army came."],
        ["It cost $3.50.", "See fig. 3 and No. 5.", "He said no.", "Then he paid."],
        ["Apples, pears, etc. were sold.", "So were plums, etc.", "The shop belonged to Hill & Co. of York."],
        ["He lives in the U.S.", "The army took him.", "J. K. Rowling wrote it.", "I am I.", "He is he."],
        ["And on it went... until noon.", "Wait...", "What?!", "Oh."],
        ["¿Qué?", "¡No!", "Élan vital.", "Über alles.", "“Quoted.”", "3 men came."],
        ["今日は。", "元気ですか？", "「はい！」"],
    ],
)
def test_sentences_are_told_apart(sentences):
    gap = "" if sentences[0].endswith("。") else " "
    assert split_sentences(gap.join(sentences)) == sentences


def test_text_that_was_tokenized_before_is_cut_at_marks_that_stand_alone():
    text = "he is a man . she , too , laughs . . . `` Yes , '' he said . '' It is so ."
    assert split_sentences(text) == [
        "he is a man .",
        "she , too , laughs . . .",
        "`` Yes , '' he said . ''",
        "It is so .",
    ]


def test_line_breaks_are_spaces_but_behind_a_sentence_and_before_a_blank_line():
    text = "A Title\n\nIt was wrapped\nover lines.\nand this began small. Mr.\nHill came."
    assert split_sentences(text) == [
        "A Title",
        "It was wrapped over lines.",
        "and this began small.",
        "Mr. Hill came.",
    ]


@settings(deadline=None)
@given(st.text(alphabet="aB .!?\n\"')。", max_size=60))
def test_nothing_but_white_space_is_lost(text):
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_a_blank_line_ends_what_rows_of_dashes_or_small_letters_follow():
    text = f"Mr.\n\n{'-' * 9}\n\nso they said.\n\nand went"
    assert split_sentences(text) == ["Mr.", "-" * 9, "so they said.", "and went"]


def test_lines_are_sentences_where_most_end_like_one_and_few_can_be_cut():
    assert are_sentences(["It rained.", "He said:", "Why?", ""])
    assert not are_sentences(["It rained. It poured.", "He left. She stayed."])
    assert not are_sentences(
        ["it was a long page that", "had been wrapped. Then", "it ended here and went", "on."]
    )
    assert not are_sentences([])


@pytest.mark.parametrize("name", ["masc", "wikipedia_movie_plots", "movie_reviews", "inaugural"])
def test_the_rule_agrees_with_sentences_cut_by_others(name):
    with (shared_data("docs_corpus") / f"{name}.txt").open() as handle:
        lines = [line.strip() for line in handle.read(200_000).splitlines() if line.strip()][:-1]
    assert are_sentences(lines)
    found = split_sentences(" ".join(lines))
    given_sentences = {" ".join(line.split()) for line in lines}
    # Headings and lower-case beginnings, which only the lines show, are what is missed.
    assert sum(sentence in given_sentences for sentence in found) > 0.8 * len(lines)


@pytest.mark.parametrize("text", [f"So. {'-' * 5_000} *", f"So{'.' * 50_000}*", f"So. {'( ' * 5_000}"])
def test_a_row_of_marks_takes_no_longer_than_as_many_words(text):
    """Rows of dashes stand in e-mails; a rule with several readings of them would never come to an end."""

    def too_late(*_: object) -> None:
        raise TimeoutError("the rule tries all readings of a row of marks")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(30)
    try:
        assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
