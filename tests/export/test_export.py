"""An exported model answers as the model that it was made of, whatever its task and family, without torch."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.export.tiny_models import INPUTS, LABELS, MODELS, TEXTS, fine_tuned, recurrent, tfidf
from textgraft import runtime
from textgraft.cli import app
from textgraft.errors import ModelError, OptionError, OutputError
from textgraft.evaluation.conformal import Nonconformity
from textgraft.evaluation.promises import Threshold
from textgraft.export.checking import INT8_TOLERANCE
from textgraft.export.drawing import Drawing
from textgraft.export.export import RUNNER, export
from textgraft.export.int8 import quantize, roundable
from textgraft.export.light import load_light
from textgraft.inference.predictor import load
from textgraft.integrity import as_record, write_record
from textgraft.models.manifest import Manifest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


def close(found: Any, expected: Any) -> bool:
    """Compare answers: numbers to four places, all else to the letter."""
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(close(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(expected, float):
        return math.isclose(found, expected, abs_tol=2e-4)
    return bool(found == expected)


@pytest.fixture(autouse=True)
def _in_fp32(monkeypatch) -> None:
    """Torch computes in fp32 as the graph does, also where the processor has bf16."""
    monkeypatch.setattr("textgraft.inference.runner.resolve_precision", lambda wanted, device: "fp32")


@pytest.fixture(scope="module")
def lstm(tmp_path_factory) -> Path:
    """A model directory."""
    return recurrent(tmp_path_factory.mktemp("lstm") / "model")


@pytest.fixture(scope="module")
def exported(lstm) -> Path:
    """Its export."""
    folder = lstm.parent / "onnx"
    export(lstm, folder)
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_every_task_and_family_answers_as_the_model(name, tmp_path):
    """Rows of all lengths: the graph was drawn from none of them."""
    folder = MODELS[name](tmp_path / "model")
    done = export(folder, tmp_path / "onnx")
    assert done.agreement.drift < 1e-3
    model = load(folder, engine="torch")
    inputs = INPUTS.get(model.task.name, TEXTS)
    expected = [prediction.to_dict() for prediction in model.predict(inputs)]
    found = runtime.load(tmp_path / "onnx").predict(inputs)
    assert len(found) == len(expected)
    for number, (answer, wanted) in enumerate(zip(found, expected, strict=True)):
        assert close(answer, wanted), (inputs[number], answer, wanted)
    light = [prediction.to_dict() for prediction in load_light(tmp_path / "onnx").predict(inputs)]
    assert all(map(close, light, expected))


def test_no_axis_is_static(exported):
    graph = onnx.load(exported / runtime.GRAPH).graph
    for value in graph.input:
        assert all(axis.dim_param for axis in value.type.tensor_type.shape.dim), value


@pytest.mark.parametrize("least", [0.4, None])
@pytest.mark.parametrize("name", ["classification", "multi-label"])
def test_what_does_not_reach_the_threshold_is_held_back(name, least, tmp_path):
    folder = recurrent(tmp_path / "model", name)
    members = json.loads((folder / "textgraft.json").read_text())
    threshold = Threshold(
        least=least,
        precision=0.9,
        rows=10,
        answered=5,
        right=5,
        coverage=0.5,
        coverage_low=0.1,
        coverage_high=0.9,
    )
    members.pop("checksum")
    manifest = as_record(members, Manifest, where="", fix="")
    write_record(folder / "textgraft.json", msgspec.structs.replace(manifest, threshold=threshold))
    export(folder, tmp_path / "onnx")
    expected = [prediction.to_dict() for prediction in load(folder, engine="torch").predict(TEXTS)]
    assert {answer["needs_review"] for answer in expected} >= {least is None}
    assert all(map(close, runtime.load(tmp_path / "onnx").predict(TEXTS), expected))


def test_int8_answers_the_same(tmp_path):
    """Each row is answered by itself: what stands beside it changes nothing."""
    folder = recurrent(tmp_path / "model")
    whole = export(folder, tmp_path / "fp32")
    small = export(folder, tmp_path / "int8", int8=True)
    assert (small.precision, whole.precision) == ("int8", "fp32")
    operators = {node.op_type for node in onnx.load(tmp_path / "int8" / runtime.GRAPH).graph.node}
    assert "DynamicQuantizeLSTM" in operators
    model = runtime.load(tmp_path / "int8")
    together = model.predict(TEXTS)
    assert together == [model.predict([text])[0] for text in TEXTS]
    assert model.check() < 0.05


def negated(source: Path, target: Path, outputs: set[str]) -> None:
    """Write a graph whose weights are the negative of what they were, in parts with these outputs."""
    model = onnx.load(source)
    names = {name for node in model.graph.node if node.output[0] in outputs for name in node.input}
    for weight in model.graph.initializer:
        if weight.name in names and weight.data_type == onnx.TensorProto.FLOAT:
            array = onnx.numpy_helper.to_array(weight)
            weight.CopyFrom(onnx.numpy_helper.from_array(-array, weight.name))
    onnx.save(model, target)


def test_an_answer_that_changes_is_refused(lstm, tmp_path, monkeypatch):
    def damage(source: Path, target: Path, *, keep: Any = ()) -> None:
        negated(source, target, {node.output[0] for node in onnx.load(source).graph.node})

    monkeypatch.setattr("textgraft.export.rounding.quantize", damage)
    with pytest.raises(ModelError, match="int8 does not answer as the model does"):
        export(lstm, tmp_path / "onnx", int8=True)
    assert not list(tmp_path.iterdir())


def test_parts_that_rounding_costs_too_much_stay_in_fp32(tmp_path, monkeypatch):
    """Two parts are damaged where they are rounded: just these are found, and kept as they are."""
    folder = fine_tuned(tmp_path / "model", "classification")
    bad = ["encoder.layer.1.attention.self.value", "encoder.layer.0.intermediate.dense"]

    def damaging(source: Path, target: Path, *, keep: Any = ()) -> None:
        parts = roundable(onnx.load(source))
        hurt = {part.output for part in parts if part.name in bad} - set(keep)
        negated(source, target, hurt)
        quantize(target, target, keep=keep)

    monkeypatch.setattr("textgraft.export.rounding.quantize", damaging)
    notes: list[str] = []
    done = export(folder, tmp_path / "int8", int8=True, note=notes.append)
    assert list(done.kept) == bad, "the costliest first"
    assert "in fp32 stay encoder.layer." in repr(done)
    assert any("what rounding each of its" in line for line in notes)
    assert runtime.load(tmp_path / "int8").check() <= INT8_TOLERANCE


def test_every_token_is_rounded_by_itself(tmp_path):
    """One token has outliers a thousand times as large: the others are as precise as without it."""
    import onnxruntime

    generator = np.random.default_rng(0)
    weight = generator.normal(size=(64, 8)).astype(np.float32)
    table = (generator.normal(size=(40, 64)) * 10.0 ** generator.integers(-3, 3, (40, 1))).astype(np.float32)
    drawing = Drawing()
    ids = drawing.input("input_ids", "texts", "time")
    rows = drawing.op("Gather", drawing.constant(table), ids)
    drawing.save(
        tmp_path / "fp32.onnx", drawing.op("MatMul", rows, drawing.constant(weight)), "texts", "time", 8
    )
    quantize(tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "int8.onnx", providers=["CPUExecutionProvider"])
    given = np.arange(40).reshape(2, 20)
    found = session.run(None, {"input_ids": given})[0]
    expected = table[given] @ weight
    size = np.abs(table[given]).max(axis=-1, keepdims=True) * np.sqrt(64)
    # Of 255 steps half a one at most, over as many numbers as a token has, weights rounded alike.
    assert (np.abs(found - expected) < 0.02 * size).all()
    held = onnx.load(tmp_path / "int8.onnx").graph.initializer
    assert not any(len(each.dims) == 2 and each.data_type == 1 and each.dims[1] > 1 for each in held)


def test_the_runner_needs_no_torch_and_no_textgraft(exported, tmp_path):
    """The copy in the folder, in a process that can import neither."""
    code = f"""if True:
        import json, sys
        for name in ("torch", "transformers", "textgraft", "scipy", "sklearn", "msgspec"):
            sys.modules[name] = None
        sys.path.insert(0, {str(exported)!r})
        from textgraft_runtime import load
        print(json.dumps(load({str(exported)!r}).predict({TEXTS!r})))
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == runtime.load(exported).predict(TEXTS)
    piped = subprocess.run(
        [sys.executable, exported / RUNNER, exported],
        input="the goal\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(piped.stdout)["label"] in LABELS


def test_importing_the_runtime_loads_nothing_heavy():
    code = """if True:
        import sys, textgraft.runtime
        heavy = ("torch", "transformers", "onnxruntime", "tokenizers", "scipy", "sklearn", "msgspec")
        print([name for name in heavy if name in sys.modules])
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_predict_light_writes_what_predict_writes_without_torch(lstm, exported, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("text\nthe goal of the team\nbread and soup\n")
    for arguments in (
        [lstm, rows, "-o", tmp_path / "a.csv"],
        [exported, rows, "-o", tmp_path / "b.csv", "--light"],
    ):
        result = CliRunner().invoke(app, ["predict", *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    whole, light = ((tmp_path / name).read_text().splitlines() for name in ("a.csv", "b.csv"))
    assert [line.split(",")[:3] for line in whole] == [line.split(",")[:3] for line in light]
    code = f"""if True:
        import sys
        sys.modules["torch"] = sys.modules["transformers"] = None
        from textgraft.cli import app
        app(["predict", {str(exported)!r}, {str(rows)!r}, "--light", "-o", {str(tmp_path / "c.jsonl")!r}])
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [json.loads(line)["label"] for line in (tmp_path / "c.jsonl").read_text().splitlines()] == [
        line.split(",")[2] for line in whole[1:]
    ]


@pytest.mark.parametrize(("light", "told"), [(True, "Export it first"), (False, "Say --light")])
def test_predict_says_which_folder_is_which(light, told, lstm, exported, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("text\nthe goal\n")
    arguments = ["predict", str(lstm if light else exported), str(rows), *(["--light"] if light else [])]
    result = CliRunner().invoke(app, arguments)
    assert told in str(result.exception)


def test_prediction_sets_and_unknown_texts_come_with_light_answers(tmp_path):
    measured = Nonconformity(rows=50, values=[n / 50 for n in range(50)])
    folder = tfidf(tmp_path / "model", nonconformity=measured, doubt=measured)
    export(folder, tmp_path / "onnx")
    answers = []
    for model in (load(folder), load_light(tmp_path / "onnx")):
        model.give_sets(0.9)
        model.tell_unknown(0.5)
        answers.append([answer.to_dict() for answer in model.predict(TEXTS)])
    assert all(map(close, *answers))


@pytest.mark.parametrize("name", [runtime.GRAPH, runtime.FACTS, runtime.TOKENIZER])
def test_a_damaged_file_is_named(name, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "damaged")
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(runtime.ExportError, match=f"{name}: the file has other content"):
        runtime.load(folder)
    path.unlink()
    with pytest.raises(runtime.ExportError, match=name):
        runtime.load(folder)


def test_what_cannot_be_exported_is_refused_before_torch_is_loaded(tmp_path, lstm):
    members = json.loads((lstm / "textgraft.json").read_text())
    members.pop("checksum")
    folder = tmp_path / "writes"
    folder.mkdir()
    write_record(folder / "textgraft.json", {**members, "task": "translation"})
    with pytest.raises(OptionError, match="a model of translation is not exported"):
        export(folder, tmp_path / "onnx")
    with pytest.raises(OptionError, match="unknown format 'onxx'"):
        export(lstm, tmp_path / "onnx", format="onxx")
    with pytest.raises(OutputError, match="something else stands there"):
        export(lstm, lstm, overwrite=True)
    with pytest.raises(OptionError, match="are in fp16"):
        export(MODELS["static-pairs"](tmp_path / "static"), tmp_path / "onnx", int8=True)
    with pytest.raises(OptionError, match="nothing to round"):
        export(tfidf(tmp_path / "tfidf"), tmp_path / "onnx", int8=True)
    assert not (tmp_path / "onnx").exists()


@pytest.mark.parametrize("given", [3, ("a", "b"), None])
def test_an_input_of_another_form_is_named(given, exported):
    with pytest.raises(runtime.ExportError, match="input 1 is not what classification takes"):
        runtime.load(exported).predict(["a text", given])
