"""Whatever speaks of a row of a file calls it by the line on which it starts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from typer.testing import CliRunner

import textgraft
from tests.tiny import topic_rows
from textgraft.cli import app
from textgraft.comparison.compare import compare
from textgraft.data.readers.reading import read_dataset
from textgraft.review.exchange.files import read_file
from textgraft.review.exchange.table import Wanted
from textgraft.review.label_errors import doubted_rows, find_label_errors


def _odd_file(folder: Path) -> tuple[Path, dict[int, str], int]:
    """Write a table with a header, an empty line, a bad line and a text of two lines; one label is wrong.

    Returns:
        The file, its texts by the line on which they start, and the line of the wrong label.
    """
    lines, texts, wrong = ["text,label"], {}, 0
    for number, row in enumerate(topic_rows(90, seed=5)):
        text, label = row
        if number == 20:
            lines.append("")
        if number == 30:
            lines.append("one,two,three,four")
        if number == 40:
            text = f"{text}\n{text}"
        if number == 60:
            wrong, label = len(lines) + 1, "food" if label != "food" else "space"
        texts[len(lines) + 1] = text
        lines += f'"{text}",{label}'.split("\n")
    path = folder / "odd.csv"
    path.write_text("\n".join(lines) + "\n")
    return path, texts, wrong


def test_a_row_has_one_number_from_the_check_to_the_review(topic_model: Path, tmp_path: Path) -> None:
    path, texts, wrong = _odd_file(tmp_path)
    bad = 1 + path.read_text().split("\n").index("one,two,three,four")

    checked = textgraft.check(path)
    assert [found["row"] for found in checked.to_dict()["rejected"]["examples"]] == [f"odd.csv:{bad}"]

    dataset = read_dataset(path)
    (doubted, *_) = doubted_rows(dataset, find_label_errors(dataset, None).doubted)
    assert (doubted["line"], doubted["id"]) == (wrong, str(wrong))

    output = tmp_path / "answers.csv"
    done = CliRunner().invoke(app, ["predict", str(topic_model), str(path), "-o", str(output)])
    assert done.exit_code == 0, done.output
    with output.open(newline="") as handle:
        answers = {int(row["id"]): row["text"] for row in csv.DictReader(handle)}
    assert answers == texts
    rejected = json.loads(Path(f"{output}.rejected.jsonl").read_text())
    assert rejected["line"] == bad

    items = read_file(output, None, Wanted()).items
    assert {int(item.row): item.text for item in items} == texts

    report = tmp_path / "evaluation.html"
    found = textgraft.evaluate(topic_model, path, report=report, progress=False)
    assert [int(error.id) for error in found.details.errors][:1] == [wrong]

    result = compare(
        path, output=tmp_path / "compared", contenders=("majority", "tfidf"), sizes=(40,), progress=False
    )
    assert {int(row["id"]): row["text"] for row in result.errors()}.items() <= texts.items()


def test_what_has_no_lines_is_counted_by_rows(topic_model: Path) -> None:
    rows = [{"text": "the goal of the team"}, {"text": None}, {"text": "soup with cheese"}]
    found = textgraft.predict(topic_model, rows, progress=False)
    assert [row["id"] for row in found] == ["1", "3"]
    assert found.dataset.place(found.rejected[0].line).endswith(", row 2")
