"""Files that trainings and comparisons read back, damaged in every way: made again, or one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.damages import damages, put
from tests.tiny_encoders import save_tiny_encoder
from textgraft.embeddings.word_vectors import WordVectors
from textgraft.errors import DataError, ModelError
from textgraft.integrity import read_record, write_record
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
from textgraft.training.checkpoint import load_checkpoint, save_checkpoint


@pytest.mark.parametrize("ending", [".txt", ".vec", ".bin", ".txt.gz", ".bin.gz"])
def test_word_vectors(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"vectors{ending}"
    matrix = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    WordVectors([f"word{n}" for n in range(20)], matrix).save(path)
    content = path.read_bytes()
    for what, damaged in damages(content):
        put(path, damaged)
        with pytest.raises(DataError) as caught:
            WordVectors.load(path)
        assert str(path) in str(caught.value), what
    path.write_bytes(content)
    assert WordVectors.load(path).matrix.tobytes() == matrix.tobytes()


def test_word_vectors_of_others_need_no_hash(tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text("a 1 2\nb 3 4\n")
    assert len(WordVectors.load(tmp_path / "glove.txt")) == 2


def test_a_record(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    value = {"scores": [0.1, 0.25, 1e-9], "name": "Überschrift", "size": 3, "nested": {"b": None, "a": True}}
    write_record(path, value)
    content = path.read_bytes()
    refused = 0
    for at in range(len(content)):  # every byte of it
        flipped = bytearray(content)
        flipped[at] ^= 1
        path.write_bytes(bytes(flipped))
        try:
            assert read_record(path, dict[str, Any], fix="") == value, at
        except ModelError:
            refused += 1
    assert refused > 0.8 * len(content)
    for _, damaged in damages(content):
        put(path, damaged)
        try:
            assert read_record(path, dict[str, Any], fix="") == value
        except ModelError as error:
            assert str(path) in str(error)  # noqa: PT017  either outcome is right
    path.write_bytes(content.replace(b"\n", b"\r\n"))  # another system's line ends
    assert read_record(path, dict[str, Any], fix="") == value


def test_a_checkpoint(tmp_path: Path) -> None:
    def save(step: int) -> Path:
        tensors = {"model": {"weight": torch.full((30, 2), float(step))}, "optimizer": {"m": torch.ones(5)}}
        return save_checkpoint(tmp_path, step, {"step": step}, tensors, 2)

    save(1)
    newest = save(2)
    for path in sorted(newest.iterdir()):
        content = path.read_bytes()
        for what, damaged in damages(content):
            put(path, damaged)
            found = load_checkpoint(tmp_path)
            assert found is not None
            # White space in the list of hashes is no content.
            assert found.state["step"] == 1 or path.name == "manifest.json", (path, what)
            assert (found.tensors["model"]["weight"] == found.state["step"]).all(), (path, what)
            path.write_bytes(content)


def test_a_graft_notices_another_configuration_of_its_encoder(tmp_path: Path) -> None:
    encoder, folder = tmp_path / "encoder", tmp_path / "graft"
    encoder.mkdir()
    save_tiny_encoder(encoder, "bert")
    config = GraftConfig.on(resolve_encoder(encoder), num_labels=2)
    GraftForSequenceClassification(config).save_pretrained(folder)
    GraftForSequenceClassification.from_pretrained(folder)
    text = (encoder / "config.json").read_text()
    assert '"gelu"' in text
    (encoder / "config.json").write_text(text.replace('"gelu"', '"relu"'))
    with pytest.raises(ModelError, match="another configuration"):
        GraftForSequenceClassification.from_pretrained(folder)


@pytest.mark.parametrize("name", ["plan.json", "data.json", "comparison.json", "trial"])
def test_the_records_of_a_comparison(name: str, tmp_path: Path) -> None:
    from tests.comparison.synthetic import LSTM, TFIDF, Comparison
    from textgraft.comparison.records.plan import load_plan
    from textgraft.comparison.records.trials import load_test_set, load_trials
    from textgraft.comparison.records.verdict import load_verdict

    folder = Comparison((TFIDF, LSTM), sizes=(100, 300), seeds=2, rows=60).write(tmp_path / "comparison")
    read = {
        "plan.json": load_plan,
        "data.json": load_test_set,
        "comparison.json": load_verdict,
        "trial": load_trials,
    }[name]
    path = min((folder / "trials").glob("*.json")) if name == "trial" else folder / name
    expected, content = read(folder), path.read_bytes()
    for what, damaged in damages(content):
        if damaged is None and name == "trial":
            continue  # a trial that is not there is one that was not run
        put(path, damaged)
        try:
            assert read(folder) == expected, what
        except ModelError as error:
            assert str(path) in str(error), what  # noqa: PT017  either outcome is right
