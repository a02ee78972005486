"""Batch prediction is idempotent, resumes, grows with its file, and sets bad rows aside."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import topic_rows, write_topics
from textgraft.cli import app
from textgraft.data.dataset import Dataset
from textgraft.data.formats.jsonlines import JsonLinesTable
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import OptionError, OutputError, TextgraftError
from textgraft.files import cache_folder
from textgraft.inference import predict_file as batch
from textgraft.inference.predict_file import predict_file


@pytest.fixture(autouse=True)
def _nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test predicted is not known."""
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path.with_name(tmp_path.name + "-cache")))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_row_gets_label_score_and_all_scores(topic_model: Path, tmp_path: Path) -> None:
    source = write_topics(tmp_path / "new.csv", 50, seed=3)
    result = CliRunner().invoke(app, ["predict", str(topic_model), str(source)])
    assert result.exit_code == 0, result.output
    rows = _read(tmp_path / "new.predictions.csv")
    assert len(rows) == 50
    gold = [label for _, label in topic_rows(50, seed=3)]
    assert sum(row["label"] == label for row, label in zip(rows, gold, strict=True)) > 45
    assert [row["given_label"] for row in rows] == gold
    for row in rows:
        scores = {name.removeprefix("score:"): float(value) for name, value in row.items() if ":" in name}
        assert max(scores, key=scores.__getitem__) == row["label"]
        assert float(row["score"]) == max(scores.values())


def test_the_columns_of_the_file_stay_as_they_are_and_answers_beside_them(
    topic_model: Path, tmp_path: Path
) -> None:
    """Also where one has the name of an answer's value, or rows are written in shards."""
    source = tmp_path / "new.csv"
    source.write_text('id,when,text,score\n7,2026-01-31,"soup, with cheese",0.10\n8,,,\n9,,the rocket,n/a\n')
    model = str(topic_model)
    for form, options in {".csv": (), ".jsonl": (), "-2.csv": ("--shard-rows", "2")}.items():
        output = tmp_path / f"answers{form}"
        done = CliRunner().invoke(app, ["predict", model, str(source), "-o", str(output), *options])
        assert done.exit_code == 0, done.output
    rows = _read(tmp_path / "answers.csv")
    assert list(rows[0])[:7] == ["line", "id", "when", "text", "given_score", "label", "score"]
    kept = ("line", "id", "when", "text", "given_score", "label")
    assert [[row[name] for name in kept] for row in rows] == [
        ["2", "7", "2026-01-31", "soup, with cheese", "0.10", "food"],
        ["4", "9", "", "the rocket", "n/a", "space"],
    ]
    assert _read(tmp_path / "answers-2.csv") == rows
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [(line["given_score"], line["label"]) for line in lines] == [("0.10", "food"), ("n/a", "space")]
    assert 0.5 < lines[0]["score"] <= 1
    named = tmp_path / "named.csv"
    done = CliRunner().invoke(app, ["predict", model, str(source), "-o", str(named), "--id", "id"])
    assert list(_read(named)[0])[:5] == ["id", "when", "text", "given_score", "label"]


def test_a_table_is_read_once(topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "new.jsonl"
    rows = [{"data": {"text": text}, "n": n} for n, (text, _) in enumerate(topic_rows(20))]
    source.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"n": 20}]))
    read: list[list[str]] = []
    whole = JsonLinesTable.rows
    monkeypatch.setattr(
        JsonLinesTable, "rows", lambda table, names: read.append(list(names)) or whole(table, names)
    )
    found = textgraft.predict(topic_model, source, text="data.text")
    assert read == [["data", "n"]]
    assert (len(found), [row.line for row in found.rejected]) == (20, [21])
    assert [row["n"] for row in found.table()] == list(range(20))
    read.clear()
    sharded = ["--shard-rows", "8", "-o", str(tmp_path / "answers.jsonl"), "--text", "data.text"]
    done = CliRunner().invoke(app, ["predict", str(topic_model), str(source), *sharded])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == [answer["label"] for answer in found]


def test_of_two_columns_of_a_name_none_is_taken_silently(topic_model: Path, tmp_path: Path) -> None:
    source = tmp_path / "new.csv"
    source.write_text("text,text\na,b\n")
    with pytest.raises(TextgraftError):
        textgraft.predict(topic_model, source)


def test_a_second_run_computes_nothing_and_writes_the_same(topic_model: Path, tmp_path: Path) -> None:
    model = textgraft.load(topic_model)
    dataset = read_dataset(write_topics(tmp_path / "new.csv", 50), text="text", labelled=False)
    output = tmp_path / "answers.jsonl"
    first = predict_file(model, dataset, output)
    content = output.read_bytes()
    with pytest.raises(OutputError, match="nothing is replaced unasked"):
        predict_file(model, dataset, output)
    second = predict_file(model, dataset, output, overwrite=True)
    assert (first.computed, second.computed) == (50, 0)
    assert output.read_bytes() == content
    assert json.loads(content.splitlines()[0]).keys() == {"id", "label", "score", "scores"}


def test_an_interrupted_run_goes_on(
    topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = textgraft.load(topic_model)
    dataset = read_dataset(write_topics(tmp_path / "new.csv", 50), text="text", labelled=False)
    monkeypatch.setattr(batch, "CHUNK", 10)
    done: list[int] = []

    def interrupt(rows: int) -> None:
        done.append(rows)
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_file(model, dataset, tmp_path / "answers.csv", interrupt)
    assert not (tmp_path / "answers.csv").exists()
    assert predict_file(model, dataset, tmp_path / "answers.csv").computed == 20


def test_progress_is_told_within_a_row_of_many_windows(
    topic_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row whose context takes minutes would else show nothing until it is done."""
    model = textgraft.load(topic_model)
    monkeypatch.setattr("textgraft.inference.predictor.MAX_SEQUENCES", 4)
    told: list[float] = []
    rows = model.task.rows([text for text, _ in topic_rows(10)])
    found = list(batch.Predictions(model, rows, on_progress=told.append))
    assert len(found) == 10
    assert told == pytest.approx([4, 4, 2])
    assert told[-1] == 2


def test_rows_of_long_texts_are_held_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CHUNK", 3)
    monkeypatch.setattr(batch, "CHUNK_CHARACTERS", 10)
    rows = Dataset.unlabelled({"text": ["a" * size for size in (4, 4, 4, 25, 1, 1, 1, 1, 9)]})
    assert list(batch._chunks(rows)) == [range(2), range(2, 3), range(3, 4), range(4, 7), range(7, 9)]


def test_a_grown_file_costs_only_its_new_rows(topic_model: Path, tmp_path: Path) -> None:
    model = textgraft.load(topic_model)
    rows = topic_rows(50)
    short = read_dataset(
        _with_ids(tmp_path / "a.csv", rows[:40]), text="text", id_column="key", labelled=False
    )
    grown = read_dataset(_with_ids(tmp_path / "b.csv", rows), text="text", id_column="key", labelled=False)
    predict_file(model, short, tmp_path / "answers.csv")
    assert predict_file(model, grown, tmp_path / "answers.csv", overwrite=True).computed == 10
    assert [row["key"] for row in _read(tmp_path / "answers.csv")] == [f"row-{n}" for n in range(50)]


def _with_ids(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["key", "text"])
        writer.writerows((f"row-{number}", text) for number, (text, _) in enumerate(rows))
    return path


def test_bad_rows_are_set_aside_with_line_and_reason(topic_model: Path, tmp_path: Path) -> None:
    source = tmp_path / "new.csv"
    source.write_text('text\nsoup with cheese\n"  "\nthe team\n')
    result = CliRunner().invoke(
        app, ["predict", str(topic_model), str(source), "-o", str(tmp_path / "a.csv")]
    )
    assert result.exit_code == 0, result.output
    assert len(_read(tmp_path / "a.csv")) == 2
    aside = json.loads((tmp_path / "a.csv.rejected.jsonl").read_text())
    assert aside["line"] == 3
    assert "empty" in aside["reason"]


def test_standard_input_is_answered_on_standard_output(topic_model: Path) -> None:
    result = CliRunner().invoke(
        app, ["predict", str(topic_model), "-"], input="soup with cheese\nthe rocket\n"
    )
    assert result.exit_code == 0, result.output
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["label"] for answer in answers] == ["food", "space"]


def test_an_unknown_output_format_is_refused(topic_model: Path, tmp_path: Path) -> None:
    dataset = read_dataset(write_topics(tmp_path / "new.csv", 5), text="text", labelled=False)
    with pytest.raises(OptionError, match="are not written here"):
        predict_file(textgraft.load(topic_model), dataset, tmp_path / "answers.xlsx")


def test_nothing_but_the_answers_stands_beside_the_file(topic_model: Path, tmp_path: Path) -> None:
    source = write_topics(tmp_path / "new.csv", 20)
    command = ["predict", str(topic_model), str(source)]
    assert CliRunner().invoke(app, command).exit_code == 0
    answers = tmp_path / "new.predictions.csv"
    assert {path.name for path in tmp_path.iterdir()} == {"new.csv", answers.name}
    content = answers.read_bytes()
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, OutputError)
    assert "--overwrite" in str(again.exception)
    assert answers.read_bytes() == content
    replaced = CliRunner().invoke(app, [*command, "--overwrite"])
    assert replaced.exit_code == 0
    assert "0 computed" in replaced.stderr


def test_a_prediction_depends_on_the_model_the_engine_and_the_row(
    topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = textgraft.load(topic_model)
    dataset = read_dataset(write_topics(tmp_path / "new.csv", 20, seed=9), text="text", labelled=False)
    assert predict_file(model, dataset, tmp_path / "a.csv").computed == 20
    assert predict_file(model, dataset, tmp_path / "b.csv").computed == 0
    model.temperature = 3.0
    assert predict_file(model, dataset, tmp_path / "c.csv").computed == 20
    monkeypatch.setattr(type(model), "engine", "another one")
    assert predict_file(model, dataset, tmp_path / "d.csv").computed == 20
    model.manifest = None  # a model in memory, which nothing tells from another
    assert predict_file(model, dataset, tmp_path / "e.csv").computed == 20
    assert predict_file(model, dataset, tmp_path / "f.csv").computed == 20


def test_a_cache_that_cannot_be_used_is_said_once_and_work_goes_on(
    topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batch, "CHUNK", 5)
    monkeypatch.setattr(batch.RowStore, "_put", _no_space)
    model = textgraft.load(topic_model)
    dataset = read_dataset(write_topics(tmp_path / "new.csv", 20, seed=8), text="text", labelled=False)
    assert predict_file(model, dataset, tmp_path / "answers.csv").computed == 20
    assert len(_read(tmp_path / "answers.csv")) == 20
    assert len([record for record in caplog.records if "nothing more is kept" in record.getMessage()]) == 1


def _no_space(*_: object) -> None:
    raise OutputError("the cache cannot be used: database or disk is full")


def test_of_many_models_the_predictions_used_last_are_kept(
    topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "KEPT_BYTES", 1)
    model = textgraft.load(topic_model)
    dataset = read_dataset(write_topics(tmp_path / "new.csv", 5), text="text", labelled=False)
    for temperature in (1.0, 2.0, 3.0):
        model.temperature = temperature
        predict_file(model, dataset, tmp_path / "answers.csv", overwrite=True)
    assert len(list((cache_folder() / batch.FOLDER).glob("*.sqlite3"))) == 1
    assert predict_file(model, dataset, tmp_path / "answers.csv", overwrite=True).computed == 0


def test_tokens_are_counted_while_they_are_read(topic_model: Path, tmp_path: Path) -> None:
    model = textgraft.load(topic_model)
    model.max_length = 4
    (tmp_path / "new.csv").write_text("text\nsoup with cheese and bread\nsoup\n")
    dataset = read_dataset(tmp_path / "new.csv", text="text", labelled=False)
    lost = predict_file(model, dataset, tmp_path / "answers.csv").truncated_fraction
    assert lost == pytest.approx(model.task.truncated_fraction(dataset, model.tokenizer, 4))
    assert lost > 0


def test_errors_of_standard_input_name_it(topic_model: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(topic_model), "-", "--format", "csv"], input="text\n")
    assert result.exception is not None
    assert str(result.exception).startswith("standard input: ")
