"""Every file that is read back, damaged in every way: the same answer, or one clear error that names it.

A byte is flipped at several places, the file is cut, emptied and deleted.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import textgraft
from tests.damages import PLACES, damages, put
from tests.tiny import topic_rows, write_topics
from tests.tiny_encoders import save_tiny_encoder
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import ModelError, TextgraftError
from textgraft.inference.encoding_cache import EncodingCache, Entry
from textgraft.inference.row_store import RowStore
from textgraft.integrity import is_intact, seal, write_record
from textgraft.models.encoders import resolve_encoder


def test_a_damaged_model_directory(topic_model: Path, tmp_path: Path) -> None:
    texts = [text for text, _ in topic_rows(20)]
    expected = [prediction.to_dict() for prediction in textgraft.load(topic_model).predict(texts)]
    copy = shutil.copytree(topic_model, tmp_path / "copy")
    refused = tried = 0
    for path in sorted(file for file in copy.rglob("*") if file.is_file()):
        content = path.read_bytes()
        for what, damaged in damages(content):
            put(path, damaged)
            tried += 1
            try:
                found = [prediction.to_dict() for prediction in textgraft.load(copy).predict(texts)]
            except ModelError as error:
                refused += 1
                assert str(copy) in str(error), (path, what)  # noqa: PT017  either outcome is right
            else:
                assert found == expected, (path, what)
                assert path.name in ("README.md", "textgraft.json"), (path, what)
            path.write_bytes(content)
    assert tried >= 5 * (2 * PLACES + 4)
    assert refused > tried / 2


def test_a_damaged_sealed_encoder(tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path, "bert")
    seal(tmp_path)
    identity = resolve_encoder(tmp_path).identity
    for path in sorted(file for file in tmp_path.iterdir() if file.name != "checksums.json"):
        content = path.read_bytes()
        for what, damaged in damages(content):
            put(path, damaged)
            with pytest.raises(ModelError) as caught:
                resolve_encoder(tmp_path)
            assert path.name in str(caught.value), what
            path.write_bytes(content)
    assert resolve_encoder(tmp_path).identity == identity


@pytest.mark.parametrize("kind", ["encodings", "rows"])
def test_a_damaged_cache_never_gives_another_value(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "cache"
    keys = [f"key {number}".encode() for number in range(60)]
    if kind == "encodings":
        values = {key: Entry(np.full(8, n, np.float32), n, 0) for n, key in enumerate(keys)}

        def write() -> None:
            EncodingCache(path).put(values)

        def read() -> dict[bytes, object]:
            return {key: tuple(entry.vector) for key, entry in EncodingCache(path).get(keys).items()}
    else:

        def write() -> None:
            RowStore(path, 1).put({key: b"label " + key for key in keys})

        def read() -> dict[bytes, object]:
            return dict(RowStore(path, 1).get(keys))

    write()
    expected = read()
    assert len(expected) == len(keys)
    content = path.read_bytes()
    for what, damaged in damages(content):
        for rest in tmp_path.glob("cache*"):
            rest.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        try:
            found = read()
            assert found.items() <= expected.items(), what
            write()  # what is missing is computed again, and kept where the file can still be searched
            assert read().items() <= expected.items(), what
        except TextgraftError as error:
            assert str(path) in str(error), what  # noqa: PT017  either outcome is right


def test_a_sealed_folder_is_intact_or_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.bin", "inner/b.bin"):
        (folder / name).write_bytes(bytes(range(256)))
    seal(folder)
    for name in ("a.bin", "inner/b.bin"):
        content = (folder / name).read_bytes()
        for what, damaged in damages(content):
            put(folder / name, damaged)
            assert not is_intact(folder), (name, what)
            (folder / name).write_bytes(content)
    assert is_intact(folder)
    assert not is_intact(tmp_path / "nothing")


def test_a_predictions_file_is_the_same_from_a_damaged_cache(
    topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textgraft.inference.predict_file import predict_file

    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "caches"))
    model = textgraft.load(topic_model)
    dataset = read_dataset(write_topics(tmp_path / "new.csv", 50), text="text", labelled=False)
    output = tmp_path / "answers.jsonl"
    predict_file(model, dataset, output)
    expected = output.read_bytes()
    caches = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes()[:6] == b"SQLite"]
    assert caches
    content = caches[0].read_bytes()
    for what, damaged in list(damages(content))[::3]:
        for rest in caches[0].parent.glob(f"{caches[0].name}*"):
            rest.unlink()
        if damaged is not None:
            caches[0].write_bytes(damaged)
        output.unlink(missing_ok=True)
        try:
            predict_file(model, dataset, output)
        except TextgraftError:
            continue
        assert output.read_bytes() == expected, what


HOSTILE = {
    "temperature 0": {"temperature": 0},
    "temperature below zero": {"temperature": -1.5},
    "temperature 10**300": {"temperature": 1e300},
    "temperature of text": {"temperature": "warm"},
    "length -5": {"max_length": -5},
    "length 0": {"max_length": 0},
    "length 10**10": {"max_length": 10**10},
    "no text columns": {"text_columns": []},
    "text columns of numbers": {"text_columns": [1]},
    "fewer labels": {"task_settings": {"labels": ["food", "space"]}},
    "more labels": {"task_settings": {"labels": ["food", "space", "sport", "x"]}},
    "no labels": {"task_settings": {"labels": []}},
    "labels twice": {"task_settings": {"labels": ["food", "food", "sport"]}},
    "labels in another order": {"task_settings": {"labels": ["sport", "space", "food"]}},
    "labels of numbers": {"task_settings": {"labels": [1, 2, 3]}},
    "no settings": {"task_settings": {}},
    "settings of nothing known": {"task_settings": {"lables": ["a"]}},
    "settings that are a list": {"task_settings": [1]},
    "an unknown task": {"task": "fortune-telling"},
    "another task": {"task": "regression", "task_settings": {"mean": 0.0, "deviation": 1.0}},
    "another format": {"format": 99},
    "no format": {"format": None},
    "a file of the system": {"files": {"/etc/passwd": "0" * 64}},
    "a file out of the folder": {"files": {"../x": "0" * 64}},
    "golden of text": {"golden": [{"columns": {"text": "a"}, "numbers": ["x"]}]},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_manifest_is_one_clear_error(kind: str, topic_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(topic_model, tmp_path / "copy")
    members = json.loads((copy / "textgraft.json").read_text())
    write_record(copy / "textgraft.json", {**members, **HOSTILE[kind]})
    with pytest.raises(ModelError) as caught:
        textgraft.load(copy)
    assert str(copy) in str(caught.value)


def test_a_manifest_nested_deep_or_of_nan_is_one_clear_error(topic_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(topic_model, tmp_path / "copy")
    good = (copy / "textgraft.json").read_text()
    for content in ('{"a":' * 200_000, good.replace('"temperature": 1.5', '"temperature": NaN'), "[]", "\0"):
        (copy / "textgraft.json").write_text(content)
        with pytest.raises(ModelError, match=r"textgraft\.json"):
            textgraft.load(copy)
