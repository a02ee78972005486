"""A service as a process, and its models while it runs."""

import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from tests.serving.running import Slow, running
from textgraft.errors import ModelError, OptionError
from textgraft.models.shipped import shipped_graft
from textgraft.serving.answering import prepare_rows
from textgraft.serving.encoding import _refuse_rough
from textgraft.serving.limits import Limits
from textgraft.serving.loading import Named, load_models
from textgraft.serving.serve import Chosen, reload_models, serve

LARGEST = 400_000
"""Kilobytes that a light service may have in memory."""


@pytest.fixture
def process(models, tmp_path):
    """The command, with graphs that lie on disk."""
    log = (tmp_path / "log").open("w+")
    begun = subprocess.Popen(
        [sys.executable, "-m", "textgraft", "serve", "banking-intents", "--port", "0", "--precision", "fp32"],
        stderr=log,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while "ready: " not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            assert begun.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.02)
        yield begun, (tmp_path / "log").read_text().partition("ready: ")[2].split()[0], tmp_path / "log"
    finally:
        begun.kill()
        begun.wait()
        log.close()


def test_a_head_answers_without_torch_and_a_stop_finishes_what_was_taken(process):
    begun, url, log = process
    with httpx2.Client(base_url=url, timeout=30) as http, concurrent.futures.ThreadPoolExecutor(8) as threads:
        answer = http.post("/predict", json={"inputs": "My card was stolen, says Zachariah", "details": True})
        assert answer.json()["label"] == "lost_or_stolen_card"
        assert http.post("/embed", json={"inputs": "a text"}).status_code == 200, "its encoder is served, too"
        assert "libtorch" not in Path(f"/proc/{begun.pid}/maps").read_text()
        status = Path(f"/proc/{begun.pid}/status").read_text()
        assert int(status.partition("VmRSS:")[2].split()[0]) < LARGEST
        texts = [f"{'word ' * 200}{n}" for n in range(30)]
        asked = [threads.submit(http.post, "/embed", json={"inputs": texts}) for _ in range(4)]
        # All four, and the one that asks.
        while "textgraft_requests_under_way 5.0" not in http.get("/metrics").text and not asked[0].done():
            time.sleep(0.005)
        begun.send_signal(signal.SIGTERM)
        statuses = [future.result(60).status_code for future in asked]
    assert statuses == [200] * 4
    assert begun.wait(30) == 0
    assert "Zachariah" not in log.read_text()


def test_a_taken_port_is_told_before_anything_is_loaded(served):
    port = int(served.url.rpartition(":")[2])
    with pytest.raises(OptionError, match="cannot be listened on"):
        serve(["no such model"], port=port)


def poisoned(tmp_path, how):
    folder = shutil.copytree(shipped_graft("banking-intents"), tmp_path / "model")
    manifest = json.loads((folder / "textgraft.json").read_text())
    if how == "a bad hash":
        with (folder / "model.safetensors").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\xff")
    if how == "a path out of the folder":
        manifest["files"]["../../etc/passwd"] = "0" * 64
        (folder / "textgraft.json").write_text(json.dumps(manifest))
    if how == "a pickle":
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    if how == "a link out of the folder":
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors").symlink_to(shipped_graft("banking-intents") / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    "how", ["a bad hash", "a path out of the folder", "a pickle", "a link out of the folder"]
)
def test_a_poisoned_model_is_refused(models, tmp_path, how):
    with pytest.raises(ModelError):
        load_models([Named.of(str(poisoned(tmp_path, how)))], precision="fp32")


def test_without_torch_what_needs_it_is_refused_and_not_offered(models, monkeypatch):
    monkeypatch.setattr("textgraft.serving.loading._has_torch", lambda: False)
    monkeypatch.setattr("textgraft.serving.loading.open_light", lambda *_: None)
    with pytest.raises(ModelError, match="needs torch"):
        load_models([Named.of("ner")])
    (encoder,) = load_models([Named.of("bundled")], precision="fp32")
    assert not encoder.pipelines
    assert models[0].pipelines


def test_a_pipeline_that_is_built_late_is_ready_then(models, monkeypatch):
    """The model thread does not wait for its engine."""
    opened = []

    class Made:
        @property
        def engine(self):
            opened.append(True)
            return "torch"

    monkeypatch.setattr("textgraft.inference.pipelines.factory.pipeline", lambda *_: Made())
    (encoder,) = load_models([Named.of("bundled")], precision="fp32")
    assert not opened
    assert {"summarization", "zero-shot-classification"} <= set(encoder.pipelines)
    encoder.pipelines["feature-extraction"]()
    assert opened


def test_names():
    assert Named.of("x=bundled") == Named("x", "bundled")
    assert Named.of("bundled").name == "bundled"
    with pytest.raises(OptionError, match="two models"):
        load_models([Named.of("bundled"), Named.of("bundled")])
    with pytest.raises(OptionError, match="names no model"):
        Named.of("x=")


def test_a_run_gives_its_name_to_its_best(tmp_path):
    (tmp_path / "plots" / "best").mkdir(parents=True)
    assert Named.of(str(tmp_path / "plots" / "best")).name == "plots"


def relabelled(folder):
    """Exchange two labels of a model, and vouch for it as training does."""
    from textgraft.models.manifest import read_manifest, stamp

    config = json.loads((folder / "config.json").read_text())
    names = config["id2label"]
    names["0"], names["1"] = names["1"], names["0"]
    config["label2id"] = {name: int(place) for place, name in names.items()}
    (folder / "config.json").write_text(json.dumps(config))
    manifest = read_manifest(folder)
    labels = [names[str(place)] for place in range(len(names))]
    stamp(folder, type(manifest)(**{
        **{name: getattr(manifest, name) for name in manifest.__struct_fields__},
        "task_settings": {**manifest.task_settings, "labels": labels},
    }))  # fmt: skip


def test_models_are_exchanged_without_dropping_a_request(models, tmp_path):
    folder = shutil.copytree(shipped_graft("banking-intents"), tmp_path / "intents")
    chosen = Chosen((Named("bundled", "bundled"), Named("intents", str(folder))), precision="fp32")
    with running(load_models(chosen.models, precision="fp32")) as served:
        assert reload_models(served.service, chosen) == []
        before = served.http.get("/v1/models").json()["data"][1]
        stop = []

        def ask(_):
            statuses = []
            while not stop:
                text = {"inputs": "Where is my card?", "model": "intents"}
                statuses.append(served.post("/predict", text).status_code)
            return statuses

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            asking = [threads.submit(ask, n) for n in range(4)]
            relabelled(folder)
            assert reload_models(served.service, chosen) == ["intents"]
            time.sleep(0.2)
            stop.append(True)
            statuses = [status for future in asking for status in future.result(30)]
        assert set(statuses) == {200}
        after = served.http.get("/v1/models").json()["data"][1]
        assert after["sha256"] != before["sha256"]
        assert after["labels"][:2] == before["labels"][1::-1]
        with (folder / "model.safetensors").open("r+b") as file:
            file.write(b"\0")
        relabelled_since = served.http.get("/v1/models").json()
        with pytest.raises(ModelError):
            reload_models(
                served.service,
                Chosen((*chosen.models[:1], Named("intents", str(tmp_path))), precision="fp32"),
            )
        assert served.http.get("/v1/models").json() == relabelled_since, (
            "what cannot be loaded changes nothing"
        )


def test_a_challenger_is_compared_and_never_waited_for(models):
    _, intents = models
    challenger = replace(intents, name="banking-intents")
    with running(models, challengers=[challenger]) as served:
        names = ("banking-intents", "banking-intents")
        for n in range(5):
            assert served.post("/predict", {"inputs": [f"Where is card {n}?", "hello"]}).status_code == 200
        deadline = time.monotonic() + 10
        compared = served.service.metrics.compared.labels(*names)
        while compared._value.get() < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert compared._value.get() == 10
        assert served.service.metrics.agreed.labels(*names)._value.get() == 10
        assert "textgraft_shadow_agreed_total" in served.http.get("/metrics").text


def test_a_slow_challenger_costs_nobody_an_answer(models):
    slowed = replace(models[1].answering, lane=Slow(models[1].answering.lane, 0.1))
    challenger = replace(models[1], answering=slowed)
    with running(models, challengers=[challenger], limits=Limits(deadline=20)) as served:
        served.service.shadows.most = 3
        for n in range(12):
            assert served.post("/predict", {"inputs": f"Where is card {n}?"}).status_code == 200
        assert served.service.shadows._waiting <= 3


def test_a_head_on_a_shared_encoder_shares_its_batches(models):
    """One encoder in memory for encodings and for every head on it."""
    encoder, intents = models
    assert intents.answering.lane is encoder.encoder.lane
    prepared = prepare_rows(intents.answering, ["Where is my card?"], truncate=False)
    assert prepared.lane.key == encoder.encoder.prepare(["x"], truncate=False).lane.key


def test_int8_that_moves_encodings_too_far_is_refused():
    """Where the processor lacks it, or a package, the next best is taken."""
    note = "openvino, bf16; int8 differs from the reference (cosine 0.97)"
    engine = SimpleNamespace(precision="bf16", note=note)
    with pytest.raises(OptionError, match=r"moves the encodings of mine too far: .*0\.97") as caught:
        _refuse_rough(engine, "mine", "int8")
    assert "--calibration" in str(caught.value)
    _refuse_rough(engine, "mine", "auto")
    engine.note = "openvino, bf16; this processor has no int8 dot product (VNNI)"
    _refuse_rough(engine, "mine", "int8")


def test_int8_is_calibrated_on_texts_that_are_named(tmp_path, monkeypatch):
    (tmp_path / "texts.csv").write_text("text\n" + "".join(f"A text, number {n}.\n" for n in range(400)))
    seen = {}

    class Recorded(Exception):
        pass

    def record(name, **given):
        seen.update(given)
        raise Recorded

    monkeypatch.setattr("textgraft.serving.encoding.Encoder", record)
    with pytest.raises(Recorded):
        serve(["bundled"], port=0, precision="int8", calibration=tmp_path / "texts.csv")
    assert (seen["precision"], len(seen["calibration"])) == ("int8", 300)
    assert seen["calibration"][0] == "A text, number 0."
