"""Every task's ``read`` takes the same keywords, and tells the nearest of one that it does not know."""

from __future__ import annotations

import json

import pytest

from textgraft.data.read_options import ReadOptions
from textgraft.errors import OptionError
from textgraft.tasks.registry import TASKS, task_class


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    ("given", "meant"),
    [("txt", "text"), ("lable", "label"), ("id_colum", "id_column"), ("labeled", "labelled")],
)
def test_a_misspelt_keyword_is_told_before_the_file_is_looked_for(name: str, given: str, meant: str) -> None:
    with pytest.raises(OptionError, match=f"unknown keyword '{given}'\nDid you mean '{meant}'?"):
        task_class(name).read("nowhere.csv", **{given: "x"})


@pytest.mark.parametrize("name", TASKS)
def test_offsets_are_for_tasks_whose_files_have_them(name: str, tmp_path) -> None:
    task = task_class(name)
    file = tmp_path / "rows.jsonl"
    # "𝒜" is one character and two units of UTF-16.
    spans = [{"start": 3, "end": 6, "label": "PER"}]
    answers = [{"text": "Ann", "answer_start": 3}]
    row = {"text": "𝒜 Ann ran.", "spans": spans}
    if name == "question-answering":
        row = {"question": "Who ran?", "context": "𝒜 Ann ran.", "answers": answers}
    file.write_text(json.dumps(row))
    if task.has_offsets:
        assert len(task.read(file, offsets="utf-16")) == 1
    else:
        with pytest.raises(OptionError, match="no offsets"):
            task.read(file, offsets="utf-16")


def test_the_keywords_are_what_the_readers_take() -> None:
    assert set(ReadOptions.__annotations__) == {
        "text", "label", "id_column", "group", "labelled", "offsets", "packed",
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in TASKS if not task_class(name).packs_texts])
def test_rows_are_packed_for_tasks_that_can_alone(name: str) -> None:
    with pytest.raises(OptionError, match="unknown keyword 'packed'"):
        task_class(name).read("nowhere.csv", packed=True)
