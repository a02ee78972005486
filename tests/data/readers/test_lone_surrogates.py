"""Half a surrogate pair, which JSON can spell and no file can hold, costs its row wherever it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from textgraft.data.check import check_dataset
from textgraft.tasks.registry import task_class

ROWS = 8


def squad(where: str) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    for number in range(ROWS):
        bad = {where: "@@"} if number == 2 else {}
        question = {
            "id": f"q{number}{bad.get('id', '')}",
            "question": f"Who is {number}?{bad.get('question', '')}",
            "answers": [{"text": f"Ann{bad.get('answer', '')}", "answer_start": 0}],
        }
        context = f"Ann{bad.get('answer', '')} is {number}.{bad.get('context', '')}"
        paragraph = {"context": context, "qas": [question]}
        data.append({"title": f"t{number}{bad.get('title', '')}", "paragraphs": [paragraph]})
    return {"version": "1.1", "data": data}


TABLES: dict[str, tuple[str, dict[str, Any], str]] = {
    # task, a row, the key that the half stands in
    "text": ("classification", {"text": "text", "label": "one"}, "text"),
    "label": ("classification", {"text": "text", "label": "one"}, "label"),
    "second of a pair": ("pairs", {"sentence1": "a", "sentence2": "b", "label": "one"}, "sentence2"),
    "question": ("question-answering", {"question": "a", "context": "b c", "answers": []}, "question"),
    "target": ("text2text", {"source": "a", "target": "b"}, "target"),
    "source": ("text2text", {"source": "a", "target": "b"}, "source"),
    "word": ("token-classification", {"tokens": ["a", "b"], "tags": ["O", "B-X"]}, "tokens"),
    "tag": ("token-classification", {"tokens": ["a", "b"], "tags": ["O", "B-X"]}, "tags"),
    "text with spans": (
        "token-classification", {"text": "a b", "spans": [{"start": 0, "end": 1, "label": "X"}]}, "text"
    ),
    "choice": ("multiple-choice", {"prompt": "a", "choices": ["b", "c"], "label": 0}, "choices"),
}  # fmt: skip


def checked(task: str, path: Path) -> None:
    kind = task_class(task)
    dataset = kind.read(path)
    assert len(dataset) == ROWS - 1
    assert len(dataset.rejected) == 1
    assert "broken Unicode" in dataset.rejected[0].reason
    assert dataset.hash
    json.dumps(check_dataset(dataset).to_dict(), ensure_ascii=False).encode()


@pytest.mark.parametrize("where", ["context", "question", "answer", "id", "title"])
def test_in_a_squad_file(tmp_path: Path, where: str) -> None:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(squad(where)).replace("@@", "\\ud800"))
    checked("question-answering", path)


@pytest.mark.parametrize("where", TABLES)
def test_in_lines_of_json(tmp_path: Path, where: str) -> None:
    task, row, key = TABLES[where]
    lines = []
    for number in range(ROWS):
        own = dict(row)
        for name, value in own.items():
            if name in ("text", "sentence1", "source", "prompt") and "spans" not in own:
                own[name] = f"{value}{number}"
        if task == "classification" or task == "pairs":
            own["label"] = "one" if number % 2 else "two"
        if number == 2:
            value = own[key]
            own[key] = [*value[:-1], f"{value[-1]}@@"] if isinstance(value, list) else f"{value}@@"
        lines.append(json.dumps(own).replace("@@", "\\ud800"))
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n")
    checked(task, path)


def test_in_conll_columns_of_utf_16(tmp_path: Path) -> None:
    text = "".join(f"a O\nb{number} B-X\n\n" for number in range(ROWS))
    data = text.encode("utf-16-le").replace("b2".encode("utf-16-le"), "b".encode("utf-16-le") + b"\x00\xd8")
    path = tmp_path / "rows.conll"
    path.write_bytes(b"\xff\xfe" + data)
    dataset = task_class("token-classification").read(path)
    assert len(dataset) == ROWS - 1
    assert "broken UTF-16" in dataset.rejected[0].reason
