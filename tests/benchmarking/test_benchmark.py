"""A benchmark from a folder of sets to its table, its page, its submission and its claims."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import TOPICS, save_tiny_bert, topic_rows
from textgraft.benchmarking import running
from textgraft.benchmarking.finding import find_set
from textgraft.benchmarking.results import percent
from textgraft.benchmarking.submission import hidden_rows, predicted_file
from textgraft.benchmarking.suites.glue import GLUE
from textgraft.benchmarking.suites.registry import chosen_sets
from textgraft.cli import app
from textgraft.comparison.running import trial_jobs
from textgraft.errors import DataError, OptionError
from textgraft.evaluation.intervals import Score
from textgraft.training.training_time import timed_by_processor, training_clock

NAMES = dict(zip(TOPICS, ("entailment", "neutral", "contradiction"), strict=True))


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """GLUE's files of two sets: one without a header, one with two files to score."""
    folder = tmp_path_factory.mktemp("glue")
    for part, count, seed in (("train", 45, 0), ("dev", 40, 1)):
        rows = topic_rows(count, seed)
        _write(
            folder / "CoLA" / f"{part}.tsv",
            [f'x\t{int(label == "sport")}\t\t"{text}' for text, label in rows],
        )
        name = {"train": "train", "dev": "dev_matched"}[part]
        for file in {name, name.replace("matched", "mismatched")}:
            _write(
                folder / "MNLI" / f"{file}.tsv",
                ["index\tsentence1\tsentence2\tlabel1\tgold_label"]
                + [f"{at}\tso\t{text}\tx\t{NAMES[label]}" for at, (text, label) in enumerate(rows)],
            )
    _write(folder / "CoLA" / "test.tsv", ["index\tsentence", '0\t"the goal of the team', "1\tsoup and bread"])
    _write(
        folder / "MNLI" / "test_matched.tsv",
        ["index\tsentence1\tsentence2", "7\tso\tthe moon", "9\tso\toven"],
    )
    _write(folder / "diagnostic" / "diagnostic.tsv", ["index\tsentence1\tsentence2", "0\tso\tthe moon"])
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    result = textgraft.benchmark(
        "glue",
        data,
        output=folder / "out",
        contenders="majority,tfidf,lstm",
        rows=30,
        submission=folder / "s.zip",
    )
    return folder, result


def test_the_table_has_official_scores_beside_published_ones(run):
    _, result = run
    rows = {(row["set"], row["measure"]): row for row in result.table()}
    assert set(rows) == {
        ("CoLA", "Matthews' φ"), ("MNLI-m", "accuracy"), ("MNLI-mm", "accuracy"),
    }  # fmt: skip
    row = rows["CoLA", "Matthews' φ"]
    assert list(row)[3:6] == ["majority", "tfidf", "lstm"], "whoever leads"
    assert row["BERT-base (published)"] == "52.1"
    assert row["BiLSTM+ELMo (published)"] == "36.0"
    assert row["majority"].startswith("0.0")
    assert float(row["tfidf"].split()[0]) > 20
    # The same rows were written as the second file: the models answer them as they did as test rows.
    assert rows["MNLI-mm", "accuracy"]["lstm"] == rows["MNLI-m", "accuracy"]["lstm"]
    assert rows["MNLI-mm", "accuracy"]["BERT-base (published)"] == "83.4"
    assert result.sets[0].figures[0].train_rows == 30
    assert result.lacking["QNLI"] == "no folder qnli"
    assert result.lacking["STS-B"] == "no folder stsb"


def test_the_page_says_what_keeps_the_rows_apart(run):
    folder, _ = run
    page = (folder / "out" / "page.md").read_text()
    assert "Not run: QQP, for there is no folder qqp." in page
    assert "trained on 30 rows" in page
    assert "dev rows, where the published rows are of the test rows" in page
    assert "Devlin" in page
    assert json.loads((folder / "out" / "results.json").read_text())["suite"] == "glue"


def test_the_submission_has_a_file_a_task_in_the_form_of_the_server(run):
    folder, _ = run
    with zipfile.ZipFile(folder / "s.zip") as archive:
        files = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    assert set(files) == {"CoLA.tsv", "MNLI-m.tsv", "AX.tsv"}
    best = {name: textgraft.load(folder / "out" / name / "best") for name in ("cola", "mnli-m")}
    texts = ['"the goal of the team', "soup and bread"]
    answers = [prediction.label for prediction in best["cola"].predict(texts)]
    assert files["CoLA.tsv"] == ["index\tprediction", f"0\t{answers[0]}", f"1\t{answers[1]}"]
    moon, oven = (one.label for one in best["mnli-m"].predict([("so", "the moon"), ("so", "oven")]))
    assert files["MNLI-m.tsv"] == ["index\tprediction", f"7\t{moon}", f"9\t{oven}"]
    assert files["AX.tsv"] == ["index\tprediction", f"0\t{moon}"]


def test_scores_are_written_as_numbers_between_zero_and_five(tmp_path):
    class Similar:
        def predict(self, pairs):
            assert pairs == [("so", "it is")]
            return [SimpleNamespace(answer=5.25)]

    for part in ("train", "dev"):
        _write(tmp_path / "STS-B" / f"{part}.tsv", ["index\tsentence1\tsentence2\tscore", "0\ta\tb\t2.5"])
    _write(tmp_path / "STS-B" / "test.tsv", ["index\tsentence1\tsentence2", "0\tso\tit is"])
    found = find_set(tmp_path, chosen_sets(GLUE, ["STS-B"])[0])
    (path,) = hidden_rows(found, tmp_path).values()
    assert predicted_file(found, path, Similar()) == "index\tprediction\n0\t5.000\n"
    path.write_text("index\tsentence1\tsentence2\n0\tso\n")
    with pytest.raises(DataError, match="an answer to each"):
        predicted_file(found, path, Similar())


def test_finished_trials_are_not_run_again(run, data, monkeypatch):
    folder, result = run

    def refuse(*given, **named):
        raise AssertionError("a finished trial is run again")

    monkeypatch.setattr(trial_jobs, "run_trial", refuse)
    again = CliRunner().invoke(
        app,
        ["benchmark", "glue", "--data", str(data), "-o", str(folder / "out"), "-c", "majority,tfidf,lstm",
         "--rows", "30", "--json"],
    )  # fmt: skip
    assert again.exit_code == 0, again.stderr
    found = json.loads(again.stdout)
    assert [one["name"] for one in found["sets"]] == [one.name for one in result.sets]


def test_mistakes_end_before_anything_is_trained(data, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "run_comparison", lambda *given: pytest.fail("trained"))
    with pytest.raises(OptionError, match="no server"):
        textgraft.benchmark("swag", data, submission=tmp_path / "s.zip")
    with pytest.raises(OptionError, match="not written here"):
        textgraft.benchmark("glue", data, submission=tmp_path / "s.tar")
    with pytest.raises(DataError, match="none of the sets of SWAG"):
        textgraft.benchmark("swag", data)
    with pytest.raises(DataError, match="no such folder"):
        textgraft.benchmark("glue", tmp_path / "nowhere")
    with pytest.raises(OptionError, match="rows"):
        textgraft.benchmark("glue", data, rows=3)
    with pytest.raises(DataError, match="none of the sets of GLUE"):
        textgraft.benchmark("glue", data, sets="MNLI-m", contenders="tfidf")


def test_scores_are_written_as_papers_write_them():
    assert percent(Score(0.521, 0.4604, 0.583)) == "52.1 (46.0 to 58.3)"
    assert percent(Score(0.5, None, None)) == "50.0 (no interval)"


def test_the_claims_are_held_on_a_set_from_a_folder(tmp_path):
    for part, count, seed in (("train", 60, 0), ("test", 60, 1)):
        rows = [f"{text},{label}" for text, label in topic_rows(count, seed)]
        _write(tmp_path / "snips" / f"{part}.csv", ["text,label", *rows])
    result = textgraft.benchmark(
        "seed-claims", tmp_path, output=tmp_path / "out", encoder=save_tiny_bert(tmp_path / "tiny"),
        contenders="majority,tfidf,lstm,bert-frozen", rows=30, seeds=1,
    )  # fmt: skip
    (claims,) = result.sets
    assert [level.size for level in claims.contenders[0].levels] == [10, 30]
    assert claims.contenders[0].pairs[0].baseline == "lstm"
    assert claims.words.score.value > claims.floor.score.value
    assert len(result.table()) == 6
    page = (tmp_path / "out" / "page.md").read_text()
    assert "- **snips**: bert-frozen has " in page
    assert "no folder trec" in page


def test_time_is_the_processors_only_where_it_was_asked_for(monkeypatch):
    monkeypatch.setattr("time.process_time", lambda: 5.0)
    monkeypatch.setattr("time.perf_counter", lambda: 7.0)
    assert training_clock() == 7.0
    with timed_by_processor():
        assert training_clock() == 5.0
    assert training_clock() == 7.0
