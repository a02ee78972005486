"""Encoders fetched through the real Hub client, from a stand-in that serves them on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest

from tests.tiny_encoders import save_tiny_encoder
from textgraft.files import sha256_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLDER = "fedcba9876543210fedcba9876543210fedcba98"


class Hub(BaseHTTPRequestHandler):
    """The part of the Hub's HTTP interface that fetching a repository asks for."""

    repositories: ClassVar[dict[tuple[str, str], Path]] = {}
    """Folders by repository and commit."""
    asked: ClassVar[list[str]] = []

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(self.path.partition("?")[0]).strip("/")
        self.asked.append(f"{self.command} {path}")
        about = re.fullmatch(r"api/models/(\w+/\w+)/(revision|tree)/([\w-]+)", path)
        file = re.fullmatch(r"(\w+/\w+)/resolve/(\w+)/(.+)", path)
        if about:
            self.describe(*about.groups())
        elif file:
            name, commit, place = file.groups()
            content = (self.repositories[name, commit] / place).read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            self.answer(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})
        else:
            self.answer(404, b"", {})

    def describe(self, name, what, revision):
        commit = COMMIT if revision == "main" else revision
        folder = self.repositories.get((name, commit))
        if folder is None:
            code = "RevisionNotFound" if (name, COMMIT) in self.repositories else "RepoNotFound"
            return self.answer(404, b"", {"X-Error-Code": code})
        files = {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*.*")}
        tree = [{"type": "file", "path": path, "size": size, "oid": "0" * 40} for path, size in files.items()]
        summary = {"id": name, "sha": commit, "siblings": [{"rfilename": path} for path in files]}
        content = json.dumps(tree if what == "tree" else summary).encode()
        return self.answer(200, content, {"Content-Type": "application/json"})

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    newest = save_tiny_encoder(folder / "newest", "xlm-roberta")
    # Other formats of the same weights, as repositories hold them: never to be fetched.
    (newest / "onnx").mkdir()
    (newest / "onnx" / "model.safetensors").write_bytes(b"x")
    (newest / "pytorch_model.bin").write_bytes(b"x")
    older = save_tiny_encoder(folder / "older", "bert", seed=1)
    Hub.repositories = {("owner/tiny", COMMIT): newest, ("owner/tiny", OLDER): older}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def in_a_process(code, endpoint, cache, **environment):
    """Run code in a fresh process, as the Hub client reads its endpoint once; return what it printed."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(cache),
            "HF_HUB_DISABLE_XET": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


USE = """
import json, sys
import torch
from transformers import AutoModelForTokenClassification
import textgraft.models.auto
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForTokenClassification
def use(revision, folder):
    source = resolve_encoder("owner/tiny", revision)
    encoder, tokenizer = load_encoder(source)
    config = GraftConfig.on(source, lora_rank=2, num_labels=3)
    model = GraftForTokenClassification(config).eval()
    model.save_pretrained(folder)
    loaded = AutoModelForTokenClassification.from_pretrained(folder)
    ids = torch.tensor([tokenizer("goal team")["input_ids"]])
    same = torch.equal(loaded(input_ids=ids).logits, model(input_ids=ids).logits)
    return [source.sha256, encoder.config.model_type, same, loaded.config.encoder, loaded.config.revision]
print(json.dumps([use(revision, "{folder}/" + str(revision)) for revision in {revisions!r}]))
"""


def test_fetched_used_under_a_graft_and_found_again_without_the_network(hub, tmp_path):
    Hub.asked.clear()
    code = USE.format(revisions=[None, OLDER], folder=str(tmp_path / "graft"))
    first = in_a_process(code, hub, tmp_path / "cache")
    for found, (revision, commit, family) in zip(
        first, [(None, COMMIT, "xlm-roberta"), (OLDER, OLDER, "bert")], strict=True
    ):
        weights = Hub.repositories["owner/tiny", commit] / "model.safetensors"
        assert found == [sha256_file(weights), family, True, "owner/tiny", revision]
    assert not [line for line in Hub.asked if "onnx" in line or ".bin" in line]
    asked = [line for line in Hub.asked if line.startswith("GET") and "resolve" in line]
    assert len(asked) >= 6
    for commit in (COMMIT, OLDER):  # files that both have are fetched once
        assert f"GET owner/tiny/resolve/{commit}/model.safetensors" in asked
    offline = in_a_process(code, "http://127.0.0.1:9", tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert offline == first


REFUSED = """
import json
from textgraft.errors import ModelError
from textgraft.models.encoders import resolve_encoder
said = []
for name, revision in (("owner/tinny", None), ("owner/tiny", "no-such-branch")):
    try:
        resolve_encoder(name, revision)
    except ModelError as error:
        said.append(str(error))
print(json.dumps(said))
"""


def test_what_the_hub_does_not_have_is_told(hub, tmp_path):
    repository, revision = in_a_process(REFUSED, hub, tmp_path)
    assert "'owner/tinny' cannot be fetched" in repository
    assert "Check the spelling and the revision" in repository
    assert "'owner/tiny' cannot be fetched" in revision
