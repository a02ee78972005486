from __future__ import annotations

import json

import pytest
import torch

from textgraft.errors import ModelError, OutputError
from textgraft.training.checkpoint import load_checkpoint, save_checkpoint


def save(folder, step, keep=2):
    tensors = {"model": {"weight": torch.full((3, 2), float(step))}, "best": {}}
    return save_checkpoint(folder, step, {"step": step}, tensors, keep)


def test_newest_comes_back(tmp_path):
    for step in (9, 10, 200):
        save(tmp_path, step)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.state == {"step": 200}
    assert torch.equal(checkpoint.tensors["model"]["weight"], torch.full((3, 2), 200.0))
    assert checkpoint.tensors["best"] == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-00000010", "checkpoint-00000200"]


def test_an_empty_folder_has_none(tmp_path):
    assert load_checkpoint(tmp_path) is None


@pytest.mark.parametrize("file", ["model.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "delete"])
def test_a_damaged_one_is_named_and_passed_over(tmp_path, caplog, file, damage):
    save(tmp_path, 1)
    victim = save(tmp_path, 2) / file
    content = victim.read_bytes()
    if damage == "delete":
        victim.unlink()
    else:
        victim.write_bytes(
            content[:-3] if damage == "cut" else content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]
        )
    assert load_checkpoint(tmp_path).state == {"step": 1}
    assert str(victim) in caplog.text


def test_all_damaged_is_an_error_that_names_the_file(tmp_path):
    for step in (1, 2):
        (save(tmp_path, step) / "state.json").write_text("{}")
    with pytest.raises(ModelError, match=r"00000002/state\.json has other content"):
        load_checkpoint(tmp_path)


def test_leftovers_of_a_killed_write_are_swept(tmp_path):
    save(tmp_path, 1)
    (tmp_path / ".checkpoint-00000002.abc").mkdir()
    (tmp_path / ".checkpoint-00000002.abc" / "state.json").write_text("half")
    assert load_checkpoint(tmp_path).state == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001"]


def test_a_failed_write_leaves_the_others(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("textgraft.training.checkpoint.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001"]
    assert load_checkpoint(tmp_path).state == {"step": 1}


def test_nothing_is_pickled(tmp_path):
    path = save(tmp_path, 1)
    names = {file.name for file in path.iterdir()}
    assert names == {"model.safetensors", "best.safetensors", "state.json", "manifest.json"}
    hashes = json.loads((path / "manifest.json").read_text())
    assert hashes.keys() == names - {"manifest.json"}
