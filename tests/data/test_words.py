from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft.data.words import cut_words, joined


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("John's 1,000.50 won.", ["John", "'", "s", "1,000.50", "won", "."]),
        ("one\r\ntwo\u00a0three\tfour", ["one", "two", "three", "four"]),
        ("e\u0301te\u0301 Zoë", ["e\u0301te\u0301", "Zoë"]),
        (
            "👨\u200d👩\u200d👧 ❤\ufe0fx 🇩🇪🇫🇷 👍🏽!",
            ["👨\u200d👩\u200d👧", "❤\ufe0f", "x", "🇩🇪", "🇫🇷", "👍🏽", "!"],
        ),
        ("नमस्ते می\u200cخواهم", ["नमस्ते", "می\u200cخواهم"]),
        ("A東京タワー2か\u3099", ["A", "東", "京", "タ", "ワ", "ー", "2", "か\u3099"]),
        ("ดีมาก 2ครั้ง", ["ดี", "ม", "า", "ก", "2", "ค", "รั้", "ง"]),
        ("ຂ້ອຍ", ["ຂ້", "ອ", "ຍ"]),
        ("ខ្ញុំ", ["ខ្ញុំ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("zero\u200bwidth \ufeff", ["zero", "width"]),
        ("Jean-Paul @user #tag", ["Jean", "-", "Paul", "@", "user", "#", "tag"]),
        ("", []),
        (" \r\n\t", []),
    ],
)
def test_words_and_their_places(text, words):
    assert [text[start:end] for start, end in cut_words(text)] == words


@given(st.text())
def test_words_stand_in_order_and_leave_out_only_what_is_not_seen(text):
    places = cut_words(text)
    rest, end = "", 0
    for start, stop in places:
        assert end <= start < stop
        rest += text[end:start]
        end = stop
    rest += text[end:]
    assert not any(sign.isalnum() for sign in rest)


@given(st.lists(st.text(min_size=1)))
def test_joined_words_keep_their_places(words):
    text, places = joined(words)
    assert [text[start:end] for start, end in places] == words
    assert text == " ".join(words)
