"""A folder from anywhere is an encoder or one clear error: it runs nothing, asks nothing, and is bounded."""

from __future__ import annotations

import ast
import io
import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import textgraft
from tests.tiny_encoders import save_tiny_encoder
from textgraft.errors import ModelError
from textgraft.models.encoders import load_encoder, resolve_encoder

SOURCES = Path(textgraft.__file__).parent


def change(folder, name="config.json", **members):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def nested(folder, depth=200_000):
    (folder / "config.json").write_text('{"a":' + "[" * depth + "]" * depth + "}")


def code_of_its_own(folder, model_type="mine"):
    for name in ("configuration_mine.py", "modeling_mine.py", "tokenization_mine.py"):
        (folder / name).write_text(f"open({str(folder / 'RAN')!r}, 'w')\n")
    auto_map = {"AutoConfig": "configuration_mine.Config", "AutoModel": "modeling_mine.Model"}
    change(folder, model_type=model_type, auto_map=auto_map)
    change(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_mine.Tokenizer", None]})


class Running:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def pickled(folder, name="pytorch_model.bin"):
    torch.save({"weights": Running(folder / "RAN")}, folder / name)


def only_pickled(folder):
    pickled(folder)
    (folder / "model.safetensors").unlink()


def indexed(target):
    def prepare(folder):
        tensors = load_file(folder / "model.safetensors")
        (folder.parent / "outside").mkdir(exist_ok=True)
        save_file(tensors, folder.parent / "outside" / "w.safetensors", metadata={"format": "pt"})
        (folder / "model.safetensors").unlink()
        pickled(folder, "evil.bin")
        name = target.format(outside=folder.parent / "outside")
        index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, name)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return prepare


def linked(folder, name="model.safetensors"):
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")


HOSTILE = {
    "code for an unknown type": code_of_its_own,
    "no type": lambda folder: (folder / "config.json").write_text("{}"),
    "pickled weights alone": only_pickled,
    "an index to a pickle": indexed("evil.bin"),
    "an index out of the folder": indexed("../outside/w.safetensors"),
    "an index to an absolute path": indexed("{outside}/w.safetensors"),
    "an index to a device": indexed("/dev/zero"),
    "an index of numbers": lambda folder: (
        (folder / "model.safetensors").unlink(),
        (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": 3}}'),
    ),
    "weights linked from outside": linked,
    "a tokenizer linked from outside": lambda folder: linked(folder, "tokenizer.json"),
    "an adapter beside": lambda folder: (folder / "adapter_config.json").write_text("{}"),
    "nested 200,000 deep": nested,
    "a tokenizer's configuration nested deep": lambda folder: (folder / "tokenizer_config.json").write_text(
        "[" * 200_000
    ),
    "10**7 layers": lambda folder: change(folder, num_hidden_layers=10**7),
    "10**10 layers": lambda folder: change(folder, num_hidden_layers=10**10),
    "-1 layers": lambda folder: change(folder, num_hidden_layers=-1),
    "more layers than weights": lambda folder: change(folder, num_hidden_layers=3),
    "fewer layers than weights": lambda folder: change(folder, num_hidden_layers=1),
    "hidden size 10**10": lambda folder: change(folder, hidden_size=10**10),
    "hidden size of text": lambda folder: change(folder, hidden_size="wide"),
    "intermediate size 10**10": lambda folder: change(folder, intermediate_size=10**10),
    "vocabulary of 10**10": lambda folder: change(folder, vocab_size=10**10),
    "positions 10**10": lambda folder: change(folder, max_position_embeddings=10**10),
    "types 10**10": lambda folder: change(folder, type_vocab_size=10**10),
    "a list": lambda folder: (folder / "config.json").write_text("[1, 2]"),
    "no JSON": lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe{"),
    "other weights named": lambda folder: change(folder, transformers_weights="../w.safetensors"),
    "another configuration named": lambda folder: change(folder, configuration_files=["config.4.0.json"]),
    "attention from the Hub": lambda folder: change(folder, attn_implementation="somebody/kernel"),
    "a FIFO": lambda folder: ((folder / "config.json").unlink(), os.mkfifo(folder / "config.json")),
    "weights cut": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:-100]
    ),
    "weights of nothing": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "a header of 2**60 bytes": lambda folder: (folder / "model.safetensors").write_bytes(
        (2**60).to_bytes(8, "little") + b"{}"
    ),
    "a tokenizer of nothing": lambda folder: (folder / "tokenizer.json").write_text("{}"),
}


class Yes(io.StringIO):
    """Standard input that agrees to everything, and tells that it was asked."""

    asked = False

    def readline(self, *_):
        type(self).asked = True
        return "y\n"

    read = readline


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_encoder_is_one_clear_error_at_once(tmp_path, monkeypatch, kind):
    folder = tmp_path / "encoder"
    folder.mkdir()
    save_tiny_encoder(folder, "bert")
    HOSTILE[kind](folder)
    monkeypatch.setattr(Yes, "asked", False)
    monkeypatch.setattr(sys, "stdin", Yes())
    started = time.process_time()
    with pytest.raises(ModelError) as caught:
        load_encoder(resolve_encoder(folder))
    assert time.process_time() - started < 2
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert not (folder / "RAN").exists()
    assert not Yes.asked


def test_a_known_type_with_code_of_its_own_is_loaded_without_it(tmp_path, monkeypatch):
    save_tiny_encoder(tmp_path, "bert")
    code_of_its_own(tmp_path, "bert")
    pickled(tmp_path)
    monkeypatch.setattr(Yes, "asked", False)
    monkeypatch.setattr(sys, "stdin", Yes())
    load_encoder(resolve_encoder(tmp_path))
    assert not (tmp_path / "RAN").exists()
    assert not Yes.asked


def test_the_hubs_cache_of_links_is_read(tmp_path):
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    save_tiny_encoder(snapshot, "bert")
    for number, file in enumerate(list(snapshot.iterdir())):
        file.rename(repository / "blobs" / str(number))
        file.symlink_to(Path("../../blobs") / str(number))
    load_encoder(resolve_encoder(snapshot))


def loads(tree):
    """Yield every call of a ``from_pretrained``, and whether it goes on to that of the parent class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "from_pretrained":
            owner = node.func.value
            yield node, isinstance(owner, ast.Call) and getattr(owner.func, "id", "") == "super"


def test_every_load_runs_no_code_of_the_folder():
    found = 0
    for path in sorted(SOURCES.rglob("*.py")):
        for call, is_super in loads(ast.parse(path.read_text())):
            place = f"{path.relative_to(SOURCES)}:{call.lineno}"
            if is_super:  # an override hands on what its caller, who is in this list, gives
                continue
            found += 1
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            trusts = given.get("trust_remote_code")
            assert isinstance(trusts, ast.Constant), place
            assert trusts.value is False, place
            at_home = ("models/loading.py", "tokenization/subword_tokenizer.py")
            assert path.relative_to(SOURCES).as_posix() in at_home, f"{place}: load it by models/loading.py"
    assert found >= 3
