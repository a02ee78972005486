"""Still pictures say what the figures say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from textgraft.inspection.figures import chosen_heatmap, heatmap, lines
from textgraft.reporting.picture import Picture, picture

SVG = "{http://www.w3.org/2000/svg}"


def drawn(figure, title=""):
    return ET.fromstring(picture(figure, title))


def points(svg) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, place.split(","))) for place in line.get("points").split()]
        for line in svg.iter(f"{SVG}polyline")
    ]


def words(svg) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]


def test_a_straight_line_is_straight_and_higher_is_above():
    ((first, middle, last),) = points(drawn(lines({"a": ([0, 1, 2], [0.0, 5.0, 10.0])}, "x", "y")))
    assert first[0] < middle[0] < last[0]
    assert first[1] > middle[1] > last[1]
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.2)


def test_powers_of_ten_are_as_far_apart_as_each_other_and_named():
    svg = drawn(lines({"a": ([1, 10, 100], [1e-6, 1e-3, 1.0])}, "x", "y", log_x=True, log_y=True))
    ((first, middle, last),) = points(svg)
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.2)
    assert {"10−6", "10−3", "1", "100"} <= set(words(svg))


def test_what_is_missing_is_a_gap_and_what_lies_outside_stays_on_the_sheet():
    svg = drawn(lines({"a": (range(4), [1.0, None, 3.0, 9.0])}, "x", "y", y_range=(0, 4)))
    runs = points(svg)
    assert [len(run) for run in runs] == [1, 2]
    assert min(y for run in runs for _, y in run) >= 0


@pytest.mark.parametrize("values", [[2.0, 2.0], [None, None], [0.0, 0.0]])
@pytest.mark.parametrize("log_y", [False, True])
def test_lines_without_extent_are_drawn_all_the_same(values, log_y):
    drawn(lines({"a": (range(2), values)}, "x", "y", log_y=log_y))


def test_cells_are_as_dark_as_their_values():
    svg = drawn(heatmap([[0.0, 0.5], [1.0, 0.25]], ["r", "s"], ["c", "d"], ("rows", "columns"), most=1.0))
    told = [(cell, cell.find(f"{SVG}title")) for cell in svg.iter(f"{SVG}rect")]
    cells = {title.text: cell for cell, title in told if title is not None}
    assert set(cells) == {"0.5", "1", "0.25"}  # nothing is white
    shades = {told: int(cell.get("fill")[1:3], 16) for told, cell in cells.items()}
    assert shades["1"] < shades["0.5"] < shades["0.25"]
    assert float(cells["1"].get("y")) > float(cells["0.5"].get("y"))
    assert float(cells["1"].get("x")) < float(cells["0.5"].get("x"))


def test_of_several_maps_the_first_is_shown_and_named():
    svg = drawn(chosen_heatmap({"one": [[1.0]], "other": [[0.5]]}, ["r"], ["c"], ("", "")))
    assert "one" in words(svg)
    assert "other" not in words(svg)


def test_names_are_text_and_no_markup():
    name = "<script>alert('&')</script>"
    for figure in (
        lines({name: ([0, 1], [0.0, 1.0])}, name, name, ticks=[name, name]),
        heatmap([[1.0]], [name], [name], (name, name)),
    ):
        svg = drawn(figure, name)
        assert not list(svg.iter(f"{SVG}script"))
        assert any(word.startswith("<script>") for word in words(svg))


def test_a_notebook_shows_it():
    text = Picture(lines({"a": ([0, 1], [0.0, 1.0])}, "x", "y"), "title")._repr_svg_()
    assert re.match(r'<svg xmlns="http://www.w3.org/2000/svg"', text)
    assert ">title<" in text
