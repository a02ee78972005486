from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from textgraft.tasks.spans.word_windows import Window, word_windows


@given(st.integers(1, 24), st.data())
def test_windows_cover_every_word_once_where_it_has_most_context(room, data):
    sizes = data.draw(st.lists(st.integers(1, max(1, room // 2)), max_size=60))
    windows = word_windows(sizes, room)
    assert [word for window in windows for word in range(window.first, window.last)] == list(
        range(len(sizes))
    )
    for window in windows:
        assert sum(sizes[window.start : window.stop]) <= room
        assert window.start <= window.first <= window.last <= window.stop

    def context(window, word):
        # At the borders of the text no context is missing.
        behind = sum(sizes[window.start : word]) if window.start else room
        ahead = sum(sizes[word + 1 : window.stop]) if window.stop < len(sizes) else room
        return min(behind, ahead)

    for window in windows:
        for word in range(window.first, window.last):
            reading = [other for other in windows if other.start <= word < other.stop]
            assert context(window, word) == max(context(other, word) for other in reading)


def test_a_text_that_fits_is_one_window():
    assert word_windows([2, 3, 1], 6) == [Window(0, 3, 0, 3)]
    assert word_windows([], 6) == [Window(0, 0, 0, 0)]


def test_windows_overlap_by_a_quarter():
    assert word_windows([1] * 20, 8) == [
        Window(0, 8, 0, 7),
        Window(6, 14, 7, 13),
        Window(12, 20, 13, 20),
    ]
