"""How words are written, and heads that are told of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft import runtime
from textgraft.tokenization.word_shapes import SHAPES, hides_case, shape_places, shapes_in_context, word_shape


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ([",", "…", "東京", "—"], 1),
        (["1984", "3.5"], 2),
        (["the", "ärger", "x2"], 3),
        (["I", "J."], 4),
        (["EU", "U.S.", "A4B"], 5),
        (["Ann", "Élodie", "O'"], 6),
        (["iPhone", "McDonald", "AnnB"], 7),
    ],
)
def test_each_way_of_writing_has_its_shape(words, shape):
    wanted = {"O'": 4}
    assert [word_shape(word) for word in words] == [wanted.get(word, shape) for word in words]


def test_neighbours_and_the_ends_of_a_text_are_told():
    own, first, last = word_shape("met"), word_shape("Ann"), word_shape("EU")
    assert shapes_in_context(["Ann", "met", "EU"]) == [
        first + SHAPES * 0 + SHAPES**2 * own,
        own + SHAPES * first + SHAPES**2 * last,
        last + SHAPES * own,
    ]
    assert shapes_in_context([]) == []


def test_only_a_tokenizer_without_capitals_hides_case():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"word": 0, "Word": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert not hides_case(tokenizer)
    tokenizer.normalizer = normalizers.Lowercase()
    assert hides_case(tokenizer)


@given(st.lists(st.text(max_size=6), max_size=6))
def test_the_runner_that_needs_nothing_of_this_says_the_same(words):
    assert runtime.shapes_in_context(words) == shapes_in_context(words)


def test_each_place_has_rows_of_its_own():
    (number,) = shapes_in_context(["Ann"])
    assert shape_places(np.array([number])).tolist() == [[6, SHAPES, 2 * SHAPES]]
