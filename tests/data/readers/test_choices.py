"""Multiple choice: every form of file, and every kind of bad row."""

from __future__ import annotations

import json

import pytest

from tests.conftest import shared_data
from textgraft.data.readers.choices import read_choices, split_names
from textgraft.errors import DataError, OptionError

SWAG = """video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label
v1,1,She opens the. It,She opens the.,It,gold,sings,jumps,runs,sits,2
v2,2,He falls. He,He falls.,He,gen,swims,sleeps,stands,eats,0
"""


def write(path, text):
    path.write_text(text)
    return path


def write_lines(path, *entries):
    return write(path, "".join(json.dumps(entry) + "\n" for entry in entries))


def reasons(dataset):
    return {bad.line: bad.reason for bad in dataset.rejected}


def test_swag_is_read(tmp_path):
    rows = read_choices(write(tmp_path / "a.csv", SWAG))
    assert list(rows.columns) == ["startphrase", "ending0", "ending1", "ending2", "ending3"]
    assert rows.columns["startphrase"][1] == "He falls. He"
    assert rows.labels == [2, 0]
    assert rows.label_column == "label"


def test_prompts_of_two_columns_are_kept_apart(tmp_path):
    file = write(tmp_path / "a.csv", "sent1,sent2,choice_b,choice_a,gold\nOne.,Two,y,x,1\n")
    rows = read_choices(file)
    assert split_names(list(rows.columns)) == (["sent1", "sent2"], ["choice_a", "choice_b"])
    assert rows.labels == [1]


def test_letters_are_choices(tmp_path):
    rows = read_choices(write(tmp_path / "a.csv", "question,A,B,C,answer\nWhy?,x,y,z,c\nHow?,u,v,w,A\n"))
    assert split_names(list(rows.columns))[1] == ["A", "B", "C"]
    assert rows.labels == [2, 0]


@pytest.mark.parametrize("column", ["choices", "endings", "options"])
def test_lists_become_columns(tmp_path, column):
    file = write_lines(
        tmp_path / "a.jsonl",
        {"prompt": "p", column: ["x", "y"], "label": 1},
        {"prompt": "q", column: ["u", "v"], "label": "u"},
    )
    rows = read_choices(file)
    assert rows.columns == {"prompt": ["p", "q"], f"{column}[0]": ["x", "u"], f"{column}[1]": ["y", "v"]}
    assert rows.labels == [1, 0]


def test_a_list_may_stand_in_a_field(tmp_path):
    rows = read_choices(write(tmp_path / "a.csv", 'prompt,choices,label\np,"[""x"", ""y""]",y\n'))
    assert rows.columns["choices[1]"] == ["y"]
    assert rows.labels == [1]


def test_the_columns_of_the_rows_name_those_of_another_file(tmp_path):
    listed = write_lines(tmp_path / "a.jsonl", {"prompt": "p", "choices": ["x", "y"], "label": 1})
    for file in (listed, write(tmp_path / "a.csv", SWAG)):
        rows = read_choices(file)
        again = read_choices(file, text=list(rows.columns), labelled=False)
        assert again.columns == rows.columns
        assert again.labels is None


def test_columns_of_any_name_can_be_given(tmp_path):
    file = write(tmp_path / "a.csv", "start,good,bad,which\np,x,y,bad\n")
    rows = read_choices(file, text=["start", "good", "bad"], label="which")
    assert split_names(list(rows.columns)) == (["start"], ["good", "bad"])
    assert rows.labels == [1]
    listed = write_lines(tmp_path / "a.jsonl", {"begin": "p", "choices": ["x", "y"], "label": 1})
    assert list(read_choices(listed, text="begin").columns) == ["begin", "choices[0]", "choices[1]"]
    assert read_choices(listed, text=["begin", "choices"]).columns["begin"] == ["p"]


@pytest.mark.parametrize(
    ("label", "target"),
    [(0, 0), ("2", 2), (1.0, 1), ("C", 2), ("b", 1), ("yes", 0), (" no ", 1), ("choices[2]", 2)],
)
def test_labels_are_numbers_letters_columns_or_texts(tmp_path, label, target):
    row = {"prompt": "p", "choices": ["yes", "no", "maybe"], "label": label}
    assert read_choices(write_lines(tmp_path / "a.jsonl", row)).labels == [target]


def test_bad_rows_are_listed(tmp_path):
    good = {"prompt": "p", "choices": ["x", "y", "z"], "label": 0}
    bad = {
        "unequal choices: 2 where most rows have 3": {"choices": ["x", "y"]},
        "unequal choices: 4 where most rows have 3": {"choices": ["x", "y", "z", "u"]},
        "too few choices: 1 where at least 2 are needed": {"choices": ["x"]},
        "no choices: a list is needed": {"choices": "x"},
        "malformed list": {"choices": "['x', 'y', 'z'"},
        "empty choice: number 2 of 3": {"choices": ["x", "", "z"]},
        "not text: a number": {"choices": ["x", 2, "z"]},
        "empty text": {"prompt": " "},
        "label out of range: 3, but choices are counted 0 to 2": {"label": 3},
        "label out of range: -1": {"label": -1},
        "unknown label: 'w' is none of the choices": {"label": "w"},
        "ambiguous label: 2 choices read 'x'": {"choices": ["x", "x", "z"], "label": "x"},
        "no label: the field is empty": {"label": None},
        "no label: a list": {"label": [0]},
    }
    file = write_lines(tmp_path / "a.jsonl", good, *({**good, **row} for row in bad.values()), good)
    rows = read_choices(file)
    assert rows.labels == [0, 0]
    assert list(rows.lines) == [1, len(bad) + 2]
    assert list(reasons(rows)) == list(range(2, len(bad) + 2))
    for found, expected in zip(reasons(rows).values(), bad, strict=True):
        assert found.startswith(expected)
    assert rows.notes is not None
    assert rows.notes.total_rows == len(bad) + 2


def test_empty_fields_are_missing_choices(tmp_path):
    rows = read_choices(write(tmp_path / "a.csv", SWAG + "v3,3,He,He,,gold,a,b,,d,0\n"))
    assert reasons(rows) == {4: "empty choice: number 3 of 4"}


def test_files_without_choices_or_prompt_are_told(tmp_path):
    with pytest.raises(DataError, match="no columns look like choices"):
        read_choices(write(tmp_path / "a.csv", "text,label\na,b\n"))
    with pytest.raises(DataError, match="no column looks like the prompt"):
        read_choices(write(tmp_path / "b.csv", "start,ending0,ending1,label\na,b,c,0\n"))
    with pytest.raises(OptionError, match="the prompt is missing"):
        read_choices(tmp_path / "b.csv", text=["ending0", "ending1", "ending0"])
    with pytest.raises(OptionError, match="unknown column 'ending9'"):
        read_choices(tmp_path / "b.csv", text=["start", "ending0", "ending9"])
    with pytest.raises(DataError, match="the only row cannot be used"):
        read_choices(write(tmp_path / "c.csv", "prompt,ending0,ending1,label\na,b,c,7\n"))


def test_codah_is_read_whole():
    rows = read_choices(shared_data("codah") / "full.jsonl")
    assert len(rows) == 2776
    assert not rows.rejected
    assert sorted(set(rows.labels)) == [0, 1, 2, 3]


def test_choices_counted_from_one_are_noticed(tmp_path):
    rows = [{"prompt": "p", "choices": ["x", "y", "z"], "label": label} for label in (1, 3, 2, 1)]
    found = read_choices(write_lines(tmp_path / "a.jsonl", *rows))
    assert found.labels == [0, 2, 1, 0]
    assert "Choices are counted from 1" in found.notes.remarks[0]
    found = read_choices(write_lines(tmp_path / "a.jsonl", *rows, {**rows[0], "label": 0}))
    assert found.labels == [1, 2, 1, 0] or [row.kind for row in found.rejected] == ["label out of range"]
