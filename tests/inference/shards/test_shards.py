"""A file worked on in shards gives what it gives at once, whoever computes and however often it stops."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from tests.tiny import save_tiny_bert, write_topics
from textgraft.cli import app
from textgraft.errors import DamagedError, OptionError, OutputError
from textgraft.executors.base import Done
from textgraft.executors.serial import SerialExecutor
from textgraft.inference.shards import writing
from textgraft.inference.shards.run import ShardedWork, check_shards, parse_share, run_shards
from textgraft.inference.shards.work import encoding_work, prediction_work

ROWS = 53


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with rows that cannot be used and a text of several lines."""
    path = write_topics(tmp_path_factory.mktemp("rows") / "rows.csv", ROWS, seed=3)
    lines = path.read_text().splitlines()
    lines[11] = "one,two,three,four"
    lines[12] = '"the old\nrocket",space'
    lines[30] = ",food"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("encoder") / "bert")


def run(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def predict(model: Path, source: Path, output: Path, **options: object) -> ShardedWork:
    given = {"engine": "auto", "sets": None, "reject": None, "opener": None}
    return prediction_work(model, str(source), output, given, shard_rows=10, **options)


def encode(encoder: Path, source: Path, output: Path) -> ShardedWork:
    given = {"encoder": str(encoder), "engine": "torch", "precision": "fp32"}
    return encoding_work(str(source), output, given, shard_rows=10)


class Interrupting(SerialExecutor):
    """Stops after so many shards, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def wait(self) -> Done:
        if not self.after:
            raise KeyboardInterrupt
        self.after -= 1
        return super().wait()


@pytest.mark.parametrize("form", [".csv", ".jsonl"])
def test_joined_predictions_are_those_of_one_go(form: str, topic_model: Path, rows: Path, tmp_path: Path):
    """Byte for byte, as the ids, the lines of rejected rows and the header are."""
    whole, joined = tmp_path / f"whole{form}", tmp_path / f"joined{form}"
    run("predict", topic_model, rows, "-o", whole)
    run("predict", topic_model, rows, "-o", joined, "--shard-rows", 7)
    assert joined.read_bytes() == whole.read_bytes()
    rejected = [path.with_name(f"{path.name}.rejected.jsonl").read_bytes() for path in (whole, joined)]
    assert rejected[0] == rejected[1]
    assert rejected[0].count(b"\n") == 2
    assert sorted(tmp_path.iterdir()) == sorted(
        [path.with_name(path.name + end) for path in (whole, joined) for end in ("", ".rejected.jsonl")]
    )


def test_joined_encodings_are_those_of_one_go(bert: Path, rows: Path, tmp_path: Path):
    options = ("--encoder", bert, "--engine", "torch", "--precision", "fp32")
    run("encode", rows, "-o", tmp_path / "whole.npy", *options)
    run("encode", rows, "-o", tmp_path / "joined.npy", *options, "--shard-rows", 10)
    whole, joined = np.load(tmp_path / "whole.npy"), np.load(tmp_path / "joined.npy")
    assert whole.shape == joined.shape == (ROWS, 32)
    assert np.isnan(joined).all(axis=1).nonzero()[0].tolist() == [10]
    np.testing.assert_allclose(joined, whole, atol=1e-6)


def test_a_folder_holds_every_row_once_and_a_manifest(bert: Path, rows: Path, tmp_path: Path):
    summary = run_shards(encode(bert, rows, tmp_path / "vectors"), SerialExecutor())
    table = pyarrow.parquet.read_table(sorted((tmp_path / "vectors").glob("*.parquet")))
    assert (summary.shards, summary.rows, summary.unusable, table.num_rows) == (6, ROWS, 1, ROWS)
    assert table["line"].to_pylist() == sorted(set(table["line"].to_pylist()))
    assert [row for row, vector in enumerate(table["vector"].to_pylist()) if vector is None] == [10]
    manifest = json.loads((tmp_path / "vectors" / "manifest.json").read_text())
    assert [shard["rows"] for shard in manifest["shards"]] == [10, 10, 10, 10, 10, 3]
    assert sum(manifest["rows"]) == ROWS - 1
    assert not (tmp_path / "vectors" / "work").exists()
    again = run_shards(encode(bert, rows, tmp_path / "vectors"), SerialExecutor())
    assert (again.computed, again.rows, again.left) == (0, ROWS, 0)


def test_a_folder_of_predictions_is_one_table(topic_model: Path, rows: Path, tmp_path: Path):
    run("predict", topic_model, rows, "-o", tmp_path / "answers", "--shard-rows", 10)
    run("predict", topic_model, rows, "-o", tmp_path / "whole.jsonl")
    whole = [json.loads(line) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]
    table = pyarrow.parquet.read_table(sorted((tmp_path / "answers").glob("*.parquet"))).to_pylist()
    assert [row["id"] for row in table] == [row["id"] for row in whole]
    assert [row["label"] for row in table] == [row["label"] for row in whole]
    assert [row["score:food"] for row in table] == [row["scores"]["food"] for row in whole]
    rejected = (tmp_path / "answers" / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in rejected] == [12, 32]


def test_a_stopped_run_goes_on_where_it_was(topic_model: Path, rows: Path, tmp_path: Path):
    clean, stopped = tmp_path / "clean.csv", tmp_path / "stopped.csv"
    run_shards(predict(topic_model, rows, clean), SerialExecutor())
    with pytest.raises(KeyboardInterrupt):
        run_shards(predict(topic_model, rows, stopped), Interrupting(2))
    assert not stopped.exists()
    told: list[tuple[int, int]] = []
    work = predict(topic_model, rows, stopped)
    check_shards(work)
    summary = run_shards(work, SerialExecutor(), on_progress=lambda *rows: told.append(rows))
    assert (summary.computed, summary.shards) == (4, 6)
    assert told[0] == (19, ROWS - 2)
    assert told[-1] == (ROWS - 2, ROWS - 2)
    assert stopped.read_bytes() == clean.read_bytes()


def test_rows_are_set_out_anew_where_that_was_stopped(
    topic_model: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    output = tmp_path / "answers"
    with monkeypatch.context() as patch:
        patch.setattr("textgraft.inference.shards.records.ShardFolder.save", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_shards(predict(topic_model, rows, output), SerialExecutor())
    work = predict(topic_model, rows, output)
    check_shards(work)
    assert run_shards(work, SerialExecutor()).rows == ROWS - 2


def _interrupt(*given: object) -> None:
    raise KeyboardInterrupt


def test_a_shard_that_is_not_as_it_was_written_is_computed_again(
    topic_model: Path, rows: Path, tmp_path: Path
):
    output = tmp_path / "answers.csv"
    with pytest.raises(KeyboardInterrupt):
        run_shards(predict(topic_model, rows, output), Interrupting(2))
    shard = tmp_path / "answers.csv.shards" / "00001.csv"
    content = shard.read_bytes()
    shard.write_bytes(content.replace(b"0", b"1", 1))
    with pytest.raises(DamagedError, match=r"00001.csv: the shard has other content"):
        run_shards(predict(topic_model, rows, output), SerialExecutor())
    assert not output.exists()


def test_shares_of_an_array_compute_what_one_process_does(topic_model: Path, rows: Path, tmp_path: Path):
    """As a Slurm array does: each share by itself, in any order, and the command without a share at last."""
    run("predict", topic_model, rows, "-o", tmp_path / "clean.csv", "--shard-rows", 10)
    command = ("predict", topic_model, rows, "-o", tmp_path / "array.csv", "--shard-rows", 10)
    for share in ("3/4", "1/4", "4/4"):
        run(*command, "--share", share)
    done = [path.stem for path in sorted((tmp_path / "array.csv.shards").glob("*.csv"))]
    assert done == ["00000", "00002", "00003", "00004"]
    assert not (tmp_path / "array.csv").exists()
    run(*command)  # also what the share did that failed
    assert (tmp_path / "array.csv").read_bytes() == (tmp_path / "clean.csv").read_bytes()
    assert not (tmp_path / "array.csv.shards").exists()


@pytest.mark.parametrize("given", ["3", "0/4", "5/4", "a/b", "1/0", "-1/4"])
def test_what_is_no_share_is_refused(given: str):
    with pytest.raises(OptionError, match="--share"):
        parse_share(given)


def test_shards_of_other_work_are_not_replaced_unasked(topic_model: Path, rows: Path, tmp_path: Path):
    output = tmp_path / "answers"
    run_shards(predict(topic_model, rows, output), SerialExecutor())
    other = tmp_path / "other.csv"
    write_topics(other, 12)
    with pytest.raises(OutputError, match="of other rows"):
        check_shards(predict(topic_model, other, output))
    work = predict(topic_model, other, output, overwrite=True)
    check_shards(work)
    assert run_shards(work, SerialExecutor()).rows == 12
    assert len(list(output.glob("*.parquet"))) == 2
    assert not (output / "rejected.jsonl").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(OutputError):
            check_shards(predict(topic_model, rows, tmp_path / "mine", overwrite=overwrite))


def test_another_encoder_at_the_same_place_is_told(bert: Path, rows: Path, tmp_path: Path):
    work = encode(bert, rows, tmp_path / "vectors")
    work.choices["identity"] = "another"
    with pytest.raises(Exception, match="is another one here"):
        run_shards(work, SerialExecutor())


def test_a_shard_that_is_there_is_not_computed(
    topic_model: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As where a node is lost after its work and before its answer: no row twice."""

    class Twice(SerialExecutor):
        def wait(self) -> Done:
            self._waiting.append(self._waiting[0])
            first = super().wait()
            assert super().wait() == first
            return first

    begun: list[int] = []
    atomic = writing.atomic_writer
    monkeypatch.setattr(writing, "atomic_writer", lambda path: begun.append(1) or atomic(path))
    run_shards(predict(topic_model, rows, tmp_path / "answers.csv"), Twice())
    assert len(begun) == 6


def test_plain_lines_and_json_lines_keep_their_places(topic_model: Path, tmp_path: Path):
    texts = [f"the {word} of the {word}" for word in ("goal", "", "bread", "moon")] * 6
    (tmp_path / "rows.txt").write_text("\n".join(texts) + "\n")
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"k": f"n{at}", "text": text}) + "\n" for at, text in enumerate(texts))
    )
    for name, options in (("rows.txt", ()), ("rows.jsonl", ("--id", "k"))):
        command = ("predict", topic_model, tmp_path / name, *options)
        run(*command, "-o", tmp_path / f"whole.{name}.csv")
        run(*command, "-o", tmp_path / f"shards.{name}.csv", "--shard-rows", 5)
        whole, shards = ((tmp_path / f"{kind}.{name}.csv").read_bytes() for kind in ("whole", "shards"))
        assert whole == shards
