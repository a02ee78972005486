"""Full disks, kills, people who are slow or go away: nothing that was acknowledged is lost."""

import concurrent.futures
import contextlib
import errno
import json
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import httpx2
import numpy as np
import pytest

from tests.review.made import items
from tests.serving.running import running
from textgraft.review.store import ReviewStore
from textgraft.serving.limits import Limits
from textgraft.serving.loading import Named
from textgraft.serving.registry import Lazy
from textgraft.serving.serve import Chosen, _Reloading

HEAD = (
    b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


def make_store(path, count):
    with ReviewStore(path) as store:
        store.add(items(count))
    return path


@contextlib.contextmanager
def files_no_longer_than(size):
    """Let the kernel refuse to write more: what a full disk does, to whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def decided(served, reviewer="Ada"):
    """Take an item and decide it; return the statuses of both."""
    given = served.post("/review/next", {"reviewer": reviewer})
    if given.status_code != 200:
        return given.status_code, None
    (item,) = given.json()["items"]
    body = {"item": item["id"], "reviewer": reviewer, "answer": "yes"}
    return 200, served.post("/review/decide", body).status_code


def test_a_full_disk_is_told_and_costs_no_decision(models, tmp_path, caplog):
    path = make_store(tmp_path / "review.db", 6)
    with running(models, review=path) as served:
        assert decided(served) == (200, 200)
        held = served.post("/review/next", {"reviewer": "Ada"}).json()["items"][0]["id"]
        log = path.with_name(path.name + "-wal")
        with files_no_longer_than(log.stat().st_size + 100):
            full = served.post("/review/decide", {"item": held, "reviewer": "Ada", "answer": "yes"})
            assert full.status_code == 507
            assert full.json()["error_type"] == "storage"
            assert str(path) not in full.text, "no path of the machine is told"
            assert decided(served, "Bob") == (507, None)
            assert served.http.get("/review/stats").json()["items"]["decided"] == 1
            assert served.post("/embed", {"inputs": "hello"}).status_code == 200
            assert served.http.get("/health").status_code == 200
        assert "disk" in caplog.text, "who runs it is told more"
        again = served.post("/review/decide", {"item": held, "reviewer": "Ada", "answer": "yes"})
        assert again.status_code == 200
        assert decided(served, "Bob") == (200, 200)
    with ReviewStore(path) as store:
        assert [decision.reviewer for decision in store.decisions()] == ["Ada", "Ada", "Bob"]


def test_a_pipeline_that_cannot_be_kept_is_tried_again(models):
    attempts = []

    def build():
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return models[1].pipelines["text-classification"]()

    with running([replace(models[1], pipelines={"text-classification": Lazy(build)})]) as served:
        ask = {"inputs": "Where is my card?"}
        assert served.post("/pipelines/text-classification", ask).status_code == 507
        assert served.post("/pipelines/text-classification", ask).status_code == 200


def test_models_that_cannot_be_loaded_anew_stay(models, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("textgraft.serving.serve.load_models", full)
    monkeypatch.setattr("textgraft.serving.serve.identity", lambda named: "another")
    with running(models) as served:
        assert not _Reloading(served.service, Chosen((Named.of("bundled"),))).run()
        assert served.post("/embed", {"inputs": "hello"}).status_code == 200


@contextlib.contextmanager
def started(folder, *options):
    """The command, until it is killed."""
    log = folder / "log"
    with log.open("w") as written:
        command = [sys.executable, "-m", "textgraft", "serve", "--port", "0", "--precision", "fp32", *options]
        process = subprocess.Popen(command, stderr=written, text=True)
    try:
        deadline = time.monotonic() + 60
        while "ready: " not in log.read_text() and time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield process, log.read_text().partition("ready: ")[2].split()[0]
    finally:
        process.kill()
        process.wait()


def test_a_kill_loses_nothing_that_was_acknowledged(models, tmp_path):
    path = make_store(tmp_path / "review.db", 400)
    acknowledged, held = [], {}

    def work(url, reviewer):
        with httpx2.Client(base_url=url, timeout=30) as http, contextlib.suppress(httpx2.TransportError):
            while True:
                given = http.post("/review/next", json={"reviewer": reviewer}).json()["items"]
                held[reviewer] = given[0]["id"]
                body = {"item": held[reviewer], "reviewer": reviewer, "answer": "yes"}
                if http.post("/review/decide", json=body).status_code == 200:
                    acknowledged.append((held.pop(reviewer), reviewer))

    people = [f"reviewer {n}" for n in range(4)]
    with (
        started(tmp_path, "--review", str(path)) as (process, url),
        concurrent.futures.ThreadPoolExecutor(4) as threads,
    ):
        working = [threads.submit(work, url, reviewer) for reviewer in people]
        deadline = time.monotonic() + 60
        while len(acknowledged) < 40 and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        for one in working:
            one.result(30)
    assert len(acknowledged) >= 40
    with started(tmp_path, "--review", str(path)) as (_, url), httpx2.Client(base_url=url) as http:
        made = http.get("/review/stats").json()["items"]["decided"]
        for reviewer, item in held.items():
            given = http.post("/review/next", json={"reviewer": reviewer}).json()["items"]
            assert given[0]["id"] == item or made > len(acknowledged), "what was held is held"
    with ReviewStore(path) as store:
        decisions = {(decision.item, decision.reviewer) for decision in store.decisions()}
    assert decisions >= set(acknowledged)
    assert len(decisions) - len(acknowledged) <= len(people), "those under way, and no more"


def connected(served):
    connection = socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])))
    connection.settimeout(20)
    return connection


def test_heads_that_do_not_come_are_not_waited_for(models):
    with running(models, limits=Limits(body_deadline=0.3)) as served:
        for sent in (b"", b"GET /livez HT", HEAD[:-4] % 9 + b"\r\nX-More: "):
            with connected(served) as slow:
                slow.sendall(sent)
                with contextlib.suppress(ConnectionResetError):
                    assert slow.recv(100) == b""
        with connected(served) as endless, contextlib.suppress(ConnectionError):
            endless.sendall(b"GET /livez HTTP/1.1\r\nX-Much: ")
            for _ in range(2000):
                endless.sendall(b"x" * 1000)
            assert endless.recv(1000).startswith((b"HTTP/1.1 400", b""))
        with connected(served) as kept:
            # One that is idle after an answer has its own time.
            for _ in range(2):
                kept.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b" 200 " in kept.recv(1000)
                time.sleep(0.7)
        assert not served.server.server_state.connections or served.server.server_state.connections.pop()


class Instant:
    """A lane that computes nothing."""

    key, background = "instant", False

    def run(self, batches):
        for batch in batches:
            yield np.full((len(batch), 384), 1 / 3, np.float32)


def test_a_refusal_reaches_who_is_still_sending(served):
    body = b'{"inputs": "hello"}'
    head = (HEAD % len(body)).replace(b"application/json", b"text/plain")
    with connected(served) as sending:
        sending.sendall(head)
        time.sleep(0.1)
        sending.sendall(body)
        time.sleep(0.1)
        assert b" 415 " in sending.recv(1000)


def test_an_answer_that_nobody_takes_is_not_kept(models):
    encoder = type(models[0].encoder)(models[0].encoder.encoder)
    encoder.lane = Instant()
    with running([replace(models[0], encoder=encoder)], limits=Limits(body_deadline=0.3)) as served:
        body = json.dumps({"inputs": ["hello"] * 1024}).encode()
        with connected(served) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(HEAD % len(body) + body)
            deadline = time.monotonic() + 20
            seen = False
            while time.monotonic() < deadline:
                held = [
                    one.transport.get_write_buffer_size()
                    for one in list(served.server.server_state.connections)
                ]
                seen |= any(held)
                if seen and not any(held):
                    break
                time.sleep(0.02)
            assert seen
            assert not any(held)
        assert served.post("/embed", {"inputs": "hello"}).status_code == 200


@pytest.mark.parametrize("stage", ["head", "body", "work", "answer"])
def test_who_goes_away_at_any_stage_leaves_nothing_behind(served, stage):
    body = json.dumps({"inputs": ["hello and goodbye"] * 40}).encode()
    sent = {"head": HEAD[:30], "body": HEAD % len(body) + body[:50]}.get(stage, HEAD % len(body) + body)
    for abrupt in (False, True):
        connection = connected(served)
        connection.sendall(sent)
        if stage == "work":
            time.sleep(0.02)
        if stage == "answer":
            connection.recv(100)
        if abrupt:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (served.app._under_way or served.service.batcher.queued_tokens):
        time.sleep(0.01)
    assert served.app._under_way == 0
    assert served.app._buffered == 0
    assert served.service.batcher.queued_tokens == 0
    assert served.post("/embed", {"inputs": "hello"}).status_code == 200
