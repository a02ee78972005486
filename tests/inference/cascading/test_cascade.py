"""A chain of models, from its making to its answers, by every way in which a model answers."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

import textgraft
from tests.inference.cascading.conftest import rows, write
from textgraft.cli import app
from textgraft.data.dataset import Dataset
from textgraft.errors import DamagedError, DataError, ModelError, OptionError, OutputError
from textgraft.evaluation.cascades import find_least
from textgraft.inference.cascading.making import halves, joint_fingerprint
from textgraft.inference.cascading.record import Cascade
from textgraft.inference.cascading.steps import load_steps
from textgraft.inference.cascading.terminal import render
from textgraft.integrity import read_members, write_record
from textgraft.models.fingerprint import Fingerprint, HashSet
from textgraft.models.manifest import read_manifest, stamp
from textgraft.terminal import open_console


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_each_row_is_answered_by_the_first_part_that_is_sure_enough(world):
    chain = textgraft.load(world["chain"])
    small, large = (textgraft.load(world[name]) for name in ("small", "large"))
    texts = chain.task.read(world["test"]).texts
    least = load_steps(world["chain"], read_manifest(world["chain"])).parts[0].least
    assert least is not None
    by = []
    for given, one, other in zip(
        chain.predict(texts), small.predict(texts), large.predict(texts), strict=True
    ):
        expected, name = (one, "tfidf-1") if one.score >= least else (other, "tfidf-2")
        np.testing.assert_allclose(given.probabilities, expected.probabilities, atol=1e-5)
        assert given.part == name
        assert given.prediction.label == expected.label
        by.append(name)
    assert 0.2 < by.count("tfidf-1") / len(by) < 0.9


def test_figures_are_those_of_rows_that_chose_nothing(world, tmp_path):
    found = textgraft.cascade(
        [world["small"], world["large"]], world["rows"], tmp_path / "chain", tolerance=0.05
    )
    assert found.chosen_on == found.measured_on == 400
    small, large = found.parts
    assert small.score.value < large.score.value - 0.05
    assert small.difference.high < 0
    assert large.difference.value == 0
    assert found.chain.difference.low <= found.chain.difference.value <= found.chain.difference.high
    assert found.chain.score.value == pytest.approx(large.score.value + found.chain.difference.value)
    assert small.answered + large.answered == pytest.approx(1)
    assert min(part.processor_milliseconds for part in (small, large, found.chain)) > 0
    assert found.threshold is None
    task = textgraft.load(world["large"]).task
    chosen, measured = halves(task.read(world["rows"]))
    assert textgraft.evaluate(tmp_path / "chain", measured).metrics["macro_f1"] == found.chain.score
    graded = [
        task.graded(task.targets(chosen), textgraft.load(world[name]).predict_rows(chosen))
        for name in ("small", "large")
    ]
    right = np.stack([one[:, 0] for _, one in graded])
    assert found.least == find_least(graded[0][0][:, 0][None], right, 0.05)
    assert read_manifest(tmp_path / "chain").metrics["macro_f1"] == found.chain.score.value
    assert "tfidf-2 the rest" in found.sentences[0]
    assert repr(found).startswith("<Cascade tfidf-1 → tfidf-2: macro_f1 0.")
    assert [row["model"] for row in found.table()] == ["tfidf-1", "tfidf-2", "cascade"]
    assert "gains nothing" not in found._repr_html_()
    assert "interval of tfidf-2" in found.sentences[1]


def test_the_command_prints_a_table_and_writes_a_whole_model(world, tmp_path):
    output = run(
        "cascade", world["small"], world["large"], world["rows"], "-o", tmp_path / "chain",
        "--tolerance", "0.05", "--precision", "0.95", "--json",
    )  # fmt: skip
    told = msgspec.json.decode(output[output.index("{") :], type=Cascade)
    assert [part.name for part in told.parts] == ["tfidf-1", "tfidf-2"]
    assert told.threshold.rows == 400
    console = open_console()
    with console.capture() as shown:
        console.print(render(told), soft_wrap=True)
    assert "a person last: answers with a score of" in shown.get()
    card = (tmp_path / "chain" / "README.md").read_text()
    assert "## Answers without a person" in card
    assert "| cascade |" in card
    # It needs no other folder, and is what it was wherever it is copied to.
    moved = shutil.copytree(tmp_path / "chain", tmp_path / "moved")
    shutil.rmtree(tmp_path / "chain")
    run("predict", moved, world["test"], "-o", tmp_path / "a.csv")
    answers = table(tmp_path / "a.csv")
    own = ["id", "label", "needs_review", "score", "part"]
    assert [name for name in answers[0] if name in own] == own
    assert {row["part"] for row in answers} == {"tfidf-1", "tfidf-2"}
    least = read_manifest(moved).threshold.least
    assert {row["needs_review"] for row in answers} == {"true", "false"}
    for row in answers:
        assert (row["label"] == "") == (row["needs_review"] == "true") == (float(row["score"]) < least - 5e-7)


def test_it_is_evaluated_thresholded_and_piped_like_any_other_model(world, tmp_path):
    chain = shutil.copytree(world["chain"], tmp_path / "chain")
    whole = textgraft.evaluate(chain, world["test"], report=tmp_path / "report")
    assert (whole.contender, whole.rows) == ("cascade", 300)
    assert whole.details.threshold.promised == read_manifest(chain).threshold
    before = read_manifest(chain).threshold
    textgraft.threshold(chain, world["test"], precision=0.8)
    assert read_manifest(chain).threshold != before
    run("threshold", chain, "--remove")
    model = textgraft.load(chain)
    texts = model.task.read(world["test"]).texts
    plain = model.predict(texts)
    classify = textgraft.pipeline("text-classification", chain)
    for by_folder, by_model, one in zip(
        classify(texts), textgraft.pipeline("text-classification", model)(texts), plain, strict=True
    ):
        assert by_folder == by_model == {"label": one.label, "score": pytest.approx(one.score, abs=1e-5)}
    textgraft.threshold(chain, world["test"], precision=0.95)
    held = textgraft.pipeline("text-classification", chain)(texts)
    assert {entry["needs_review"] for entry in held} == {True, False}
    model = textgraft.load(chain)
    model.give_sets(0.9)
    sets = [one.label_set for one in model.predict(model.task.read(world["test"]).texts)]
    gold = model.task.read(world["test"]).labels
    assert 0.84 < np.mean([label in one for label, one in zip(gold, sets, strict=True)]) < 0.97


def test_it_is_served_like_any_other_model(world):
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    from tests.serving.running import running
    from textgraft.serving.loading import Named, load_models

    model = textgraft.load(world["chain"])
    texts = model.task.read(world["test"]).texts[:30]
    expected = model.predict(texts)
    with running(load_models([Named("chain", str(world["chain"]))], engine="torch")) as served:
        results = served.post("/predict", {"inputs": texts, "details": True}).json()
        for entry, one in zip(results, expected, strict=True):
            assert entry["part"] == one.part
            assert (entry["label"], entry["needs_review"]) == (one.label, one.needs_review)
            assert entry["score"] == pytest.approx(one.score, abs=1e-4)
        assert served.http.get("/health").status_code == 200


def test_rows_that_a_part_learned_from_are_told_and_left_out(world, tmp_path):
    notes: list[str] = []
    mixed = write(tmp_path / "mixed.csv", rows(800, 2) + rows(120, 5, told=3))
    found = textgraft.cascade(
        [world["small"], world["large"]], mixed, tmp_path / "chain", tolerance=0.05, note=notes.append
    )
    assert any("training rows of tfidf-1: they are left out" in line for line in notes)
    assert any("dev rows of tfidf-1" in line for line in notes)
    assert 800 <= found.chosen_on + found.measured_on < 850
    seen = textgraft.evaluate(tmp_path / "chain", world["seen"]).seen
    assert seen.train > 80, "a chain remembers what its parts have seen"
    assert textgraft.evaluate(tmp_path / "chain", world["rows"]).seen.dev == 800
    with pytest.raises(DataError, match="none of the models learned from"):
        textgraft.cascade([world["small"], world["large"]], world["seen"], tmp_path / "other")


def test_where_nothing_can_be_told_every_text_goes_to_the_last_part(world, tmp_path):
    few = write(tmp_path / "few.csv", rows(80, 9))
    output = run("cascade", world["small"], world["large"], few, "-o", tmp_path / "chain")
    assert "no threshold lets tfidf-1 answer" in output
    assert "that takes 149 rows at least" in output
    assert "gains nothing" in output
    model = textgraft.load(tmp_path / "chain")
    assert [part.name for part in model.parts] == ["tfidf-2"]
    assert {one.part for one in model.predict(["goal team", "soup oven"])} == {"tfidf-2"}


def test_three_parts_each_answer_something(world, tmp_path):
    middle = write(tmp_path / "middle.csv", rows(200, 8, told=5))
    textgraft.train(middle, tmp_path / "middle", contender="tfidf", settings={"c": 3.0}, test=world["test"])
    found = textgraft.cascade(
        [world["small"], tmp_path / "middle", world["large"]],
        world["rows"], tmp_path / "chain", tolerance=0.1,
    )  # fmt: skip
    assert [part.name for part in found.parts] == ["tfidf-1", "tfidf-2", "tfidf-3"]
    assert min(part.answered for part in found.parts) > 0
    model = textgraft.load(tmp_path / "chain")
    told = {one.part for one in model.predict(model.task.read(world["test"]).texts)}
    assert told == {"tfidf-1", "tfidf-2", "tfidf-3"}
    # A middle part as slow as the last one, which keeps little from it, is not worth its time.
    assert found.not_worth_their_time == _too_dear(found)


def _too_dear(found) -> list[str]:
    """By what the chain would take with each part left out, on average over texts."""
    cost = [part.processor_milliseconds for part in found.parts]
    share = [part.answered for part in found.parts]
    second = cost[1] * (share[1] + share[2]) > cost[2] * share[1]
    behind = cost[1] + cost[2] * share[2] / (share[1] + share[2])
    first = cost[0] > behind * share[0]
    return [name for name, dear in (("tfidf-1", first), ("tfidf-2", second)) if dear]


@pytest.mark.parametrize(
    ("models", "options", "error", "message"),
    [
        (["small"], {}, OptionError, "2 to 8 models"),
        (["small", "small"], {}, OptionError, "named twice"),
        (["small", "missing"], {}, ModelError, "no such model directory"),
        (["chain", "large"], {}, OptionError, "a cascade already"),
        (["other", "large"], {}, OptionError, "one of them alone knows 'music', 'space'"),
        (["small", "large"], {"tolerance": 1.5}, OptionError, "no share of texts"),
        (["small", "large"], {"precision": 3.0}, OptionError, "cannot be promised"),
        (["small", "large"], {"engine": "opnvino"}, OptionError, "openvino"),
        (["small", "large"], {"output": "small"}, OptionError, "stands there"),
        (["small", "large"], {"output": "small/inside"}, OptionError, "stands there"),
        (["small", "large"], {"output": "chain"}, OutputError, "exists already"),
    ],
)
def test_what_makes_no_chain_is_refused_before_a_model_is_loaded(
    world, tmp_path, monkeypatch, models, options, error, message
):
    monkeypatch.setattr("textgraft.inference.predictor.load", None)
    if "other" in models:
        other = shutil.copytree(world["small"], world["folder"] / "other", dirs_exist_ok=True)
        manifest = read_members(other / "textgraft.json", fix="")
        manifest["task_settings"]["labels"] = ["food", "music", "sport"]
        write_record(other / "textgraft.json", {k: v for k, v in manifest.items() if k != "checksum"})
    output = world["folder"] / options.pop("output") if "output" in options else tmp_path / "out"
    with pytest.raises(error, match=message):
        textgraft.cascade([world["folder"] / name for name in models], world["rows"], output, **options)


def test_other_tasks_are_refused(world, tmp_path):
    source = tmp_path / "numbers.csv"
    source.write_text("text,score\n" + "".join(f"{text},{len(text) / 7}\n" for text, _ in rows(60, 1)))
    textgraft.train(source, tmp_path / "numbers", contender="tfidf", task="regression")
    with pytest.raises(OptionError, match="trained for regression"):
        textgraft.cascade([world["small"], tmp_path / "numbers"], world["rows"], tmp_path / "x")


def test_a_damaged_or_exchanged_part_is_refused(world, tmp_path):
    chain = shutil.copytree(world["chain"], tmp_path / "chain")
    first, second = chain / "parts" / "1", chain / "parts" / "2"
    weights = (first / "model.safetensors").read_bytes()
    (first / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(DamagedError, match=r"parts/1/model\.safetensors"):
        textgraft.load(chain)
    (first / "model.safetensors").write_bytes(weights)
    shutil.move(first, chain / "aside")
    shutil.copytree(second, first)
    with pytest.raises(DamagedError, match=r"parts/1/textgraft\.json"):
        textgraft.load(chain)
    shutil.rmtree(first)
    shutil.move(chain / "aside", first)
    (chain / "cascade.json").unlink()
    with pytest.raises(DamagedError, match=r"cascade\.json"):
        textgraft.load(chain)


def test_a_hostile_cascade_is_refused(world, tmp_path):
    """Its hashes are right, as whoever wrote it computed them."""
    chain = shutil.copytree(world["chain"], tmp_path / "chain")
    manifest = read_manifest(chain)

    def told(steps: list[dict[str, object]]) -> None:
        write_record(chain / "cascade.json", {"format": 1, "parts": steps})
        stamp(chain, manifest)

    told([{"name": "a", "least": 0.5}, {"name": "b", "least": 0.5}])
    with pytest.raises(ModelError, match="the last has none"):
        textgraft.load(chain)
    told([{"name": "a", "least": 0.5}, {"name": "b", "least": 0.5}, {"name": "c", "least": None}])
    with pytest.raises(ModelError, match="says nothing of parts/3"):
        textgraft.load(chain)
    told([{"name": "a", "least": 0.5}] * 9)
    with pytest.raises(ModelError, match="length <= 8"):
        textgraft.load(chain)
    shutil.rmtree(chain / "parts" / "1")
    shutil.copytree(world["chain"], chain / "parts" / "1")
    told([{"name": "a", "least": 0.5}, {"name": "b", "least": None}])
    with pytest.raises(ModelError, match="is one itself"):
        textgraft.load(chain)


def test_the_two_halves_share_no_text_and_do_not_depend_on_the_order_of_the_file():
    texts = [f"text {number % 70}" for number in range(100)]
    chosen, measured = (set(part.texts) for part in halves(Dataset.unlabelled({"text": texts})))
    assert (len(chosen), len(measured)) == (35, 35)
    assert not chosen & measured
    again = halves(Dataset.unlabelled({"text": texts[::-1]}))
    assert [set(part.texts) for part in again] == [chosen, measured]


def test_what_a_chain_remembers_is_known_of_all_its_parts(monkeypatch):
    """Of a part that keeps the smallest hashes alone, nothing is known of larger ones."""

    def made(*hashes: int) -> Fingerprint:
        own = HashSet(np.array(hashes, dtype=np.uint64))
        return Fingerprint(own, HashSet.of([]), own, {"a": len(hashes)})

    monkeypatch.setattr("textgraft.inference.cascading.making.MOST_HASHES", 4)
    rows = Dataset.unlabelled({"text": ["a"]})
    joint = joint_fingerprint([made(1, 2, 3, 9), made(4, 30)], rows)
    assert joint.train.hashes.tolist() == [1, 2, 3, 4]
    assert joint.dev.holds(HashSet.of(["a"]).hashes).all()
    assert joint_fingerprint([made(1, 9), made(4, 30)], rows).train.hashes.tolist() == [1, 4, 9, 30]
    assert joint_fingerprint([made(1), None], rows) is None
