"""The client against services that are slow, busy, gone, or talk nonsense."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from textgraft.client.answers import TEXTS, portions
from textgraft.client.asynchronous import AsyncClient
from textgraft.client.client import Client
from textgraft.errors import OptionError, ServiceError
from textgraft.inference.prompting.endpoint import find_key


@contextlib.contextmanager
def service(*answers):
    """Answer connection after connection, each as it is said; the last answer is for all that follow."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        number = 0
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                head = b""
                with contextlib.suppress(OSError):
                    while b"\r\n\r\n" not in head and (part := connection.recv(65536)):
                        head += part
                    asked.append((time.monotonic(), head))
                    answers[min(number, len(answers) - 1)](connection)
                number += 1

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def says(status, body, *headers):
    content = json.dumps(body).encode()

    def answer(connection):
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close", *headers]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    return answer


def drips(start, part):
    """Send a beginning, and then a byte now and then without an end."""

    def answer(connection):
        connection.sendall(start)
        while True:
            time.sleep(0.02)
            connection.sendall(part)

    return answer


INFO = says(200, {"models": []})


def test_it_asks_again_when_the_service_says_it_may():
    busy = says(429, {"error": "too much"}, "Retry-After: 1")
    with service(busy, says(503, {"error": "stopping"}), INFO) as (url, asked), Client(url) as client:
        assert client.info() == {"models": []}
    times = [at for at, _ in asked]
    assert times[1] - times[0] >= 1
    assert len(asked) == 3


def test_it_does_not_wait_longer_than_it_may():
    busy = says(429, {"error": "too much is waiting"}, "Retry-After: 60")
    with service(busy) as (url, asked), Client(url, timeout=2) as client:
        begun = time.monotonic()
        with pytest.raises(ServiceError, match="too much is waiting") as refused:
            client.info()
        assert time.monotonic() - begun < 2
    assert refused.value.status == 429
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection: time.sleep(3),
        drips(b"", b"H"),
        drips(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["silence", "a status without end", "headers without end", "a body without end"],
)
def test_no_call_hangs(answer):
    with service(answer) as (url, _), Client(url, timeout=0.4, retries=0) as client:
        begun = time.monotonic()
        with pytest.raises(ServiceError):
            client.encode(["a text"])
        assert time.monotonic() - begun < 2.5


def test_a_service_that_is_not_there_is_said_to_be():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    nowhere = Client(f"http://127.0.0.1:{port}", retries=1)
    with nowhere as client, pytest.raises(ServiceError, match="cannot be reached") as error:
        client.predict("x")
    assert "textgraft serve" in str(error.value)
    with pytest.raises(OptionError, match="no address"):
        Client("127.0.0.1:8000")


def test_a_refusal_is_not_repeated_and_says_what_is_wrong():
    wrong = says(422, {"error": "input 0 has 402 tokens", "error_type": "validation"})
    with service(wrong) as (url, asked), Client(url) as client:
        with pytest.raises(ServiceError, match="402 tokens"):
            client.predict("x")
        with pytest.raises(OptionError, match="missing"):
            client.encode(["a", None])
    assert len(asked) == 1


@pytest.mark.parametrize("body", [{"data": [{"embedding": "!!!!"}]}, {"data": []}, [1], {"data": [{}]}])
def test_nonsense_is_an_error(body):
    with service(says(200, body)) as (url, _), Client(url) as client:  # noqa: SIM117
        with pytest.raises(ServiceError, match="encodings"):
            client.encode(["a"])


def test_the_key_is_sent(monkeypatch):
    monkeypatch.setenv("TEXTGRAFT_KEY", "from-outside")
    with service(INFO) as (url, asked):
        for options in ({}, {"key": "given"}):
            with Client(url, **options) as client:
                client.info()
    assert [b"Bearer from-outside" in head for _, head in asked] == [True, False]
    assert b"Bearer given" in asked[1][1]


@pytest.mark.parametrize("key", ["…", "a b", "line\n"])
def test_a_key_that_no_header_carries_is_refused_at_once(key, monkeypatch):
    with pytest.raises(OptionError, match="no key has"):
        Client("http://127.0.0.1:1", key=key)
    monkeypatch.setenv("TEXTGRAFT_LLM_KEY", f"x{key}y")
    with pytest.raises(OptionError, match=r"\$TEXTGRAFT_LLM_KEY"):
        find_key()


def test_the_async_twin():
    async def ask(url):
        async with AsyncClient(url) as client:
            return await client.info()

    with service(INFO) as (url, _):
        assert asyncio.run(ask(url)) == {"models": []}


def test_portions_hold_every_text_once():
    texts = ["x" * 150_000, *("y" for _ in range(3 * TEXTS)), "z" * 300_000, "end"]
    found = list(portions(texts))
    assert [place for part in found for place in part] == list(range(len(texts)))
    assert max(map(len, found)) <= TEXTS
    assert list(portions([])) == []


def test_similarity_is_the_cosine():
    a, b = np.eye(2, 3) * 2, np.array([[1.0, 1.0, 0.0]])
    np.testing.assert_allclose(Client.similarity(a, b), [[2**-0.5], [2**-0.5]], rtol=1e-6)


def test_a_client_loads_neither_torch_nor_a_web_framework():
    code = (
        "import sys, textgraft; textgraft.Client('http://127.0.0.1:1');"
        "print([name for name in ('torch', 'transformers', 'fastapi', 'starlette', 'scipy', 'openvino') "
        "if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
