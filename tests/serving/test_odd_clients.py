"""What clients send that is allowed and rarely thought of, over plain sockets."""

import socket

import pytest

from tests.serving.running import running
from textgraft.errors import OptionError
from textgraft.serving.limits import Limits
from textgraft.serving.serve import _listen, _listen_now

BODY = b'{"inputs": "hello"}'
HEAD = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(BODY)


class Plain:
    """A connection on which bytes are sent as they are."""

    def __init__(self, served):
        self.socket = socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])))
        self.socket.settimeout(20)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, sent):
        self.socket.sendall(sent)

    def answer(self):
        """Return an answer's status, headers and body."""
        status = int(self.stream.readline().split()[1])
        headers = {}
        while line := self.stream.readline().strip():
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        return status, headers, self.stream.read(int(headers.get(b"content-length", 0)))


@pytest.fixture
def plain(served):
    with Plain(served) as connection:
        yield connection


def test_http_1_0_needs_no_host(plain):
    plain.send(b"POST /embed HTTP/1.0\r\n" + HEAD + b"\r\n" + BODY)
    assert plain.answer()[0] == 200
    assert plain.stream.read() == b"", "and it is closed"


def test_http_1_1_needs_one(plain):
    plain.send(b"POST /embed HTTP/1.1\r\n" + HEAD + b"\r\n" + BODY)
    assert plain.answer()[0] == 421


def test_requests_that_are_sent_at_once_are_answered_in_order(plain):
    post = b"POST /embed HTTP/1.1\r\nHost: localhost\r\n" + HEAD + b"\r\n" + BODY
    get = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    plain.send(post + get + post)
    found = [plain.answer() for _ in range(3)]
    assert [status for status, _, _ in found] == [200, 200, 200]
    assert found[1][2] == b'{"status":"alive"}'
    assert found[0][2] == found[2][2]


def test_who_asks_for_http_2_is_answered_as_others_are(plain):
    """Java's client does, and curl --http2: httptools would read no body, and nothing that follows."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    post = b"POST /embed HTTP/1.1\r\nHost: localhost\r\n" + upgrade + HEAD + b"\r\n"
    for parts in ((post + BODY,), (post, BODY)):
        for part in parts:
            plain.send(part)
        status, _, body = plain.answer()
        assert status == 200
        assert body.startswith(b"[[")


def test_a_body_that_is_refused_is_not_asked_for(models):
    with running(models, limits=Limits(max_body=1000)) as served, Plain(served) as plain:
        head = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        plain.send(head + b"Content-Type: application/json\r\nContent-Length: 2000\r\n\r\n")
        assert plain.answer()[0] == 413, "and not 100 first"


def test_a_body_that_is_taken_is_asked_for(plain):
    plain.send(b"POST /embed HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n" + HEAD + b"\r\n")
    assert plain.answer()[0] == 100
    plain.send(BODY)
    assert plain.answer()[0] == 200


def test_headers_without_end_are_told_of(plain):
    plain.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Much: " + b"x" * 65_537)
    assert plain.answer()[0] == 431


def test_a_wrong_address_is_told_with_where_to_look(served):
    found = served.post("/embeddings", {"input": "hello"})
    assert found.status_code == 404
    assert "/v1" in found.json()["error"]


def test_of_two_services_that_start_at_once_one_is_told():
    """Neither has the address while both load."""
    with _listen("127.0.0.1", 0) as first, _listen("127.0.0.1", first.getsockname()[1]) as second:
        _listen_now(second, "127.0.0.1")
        with pytest.raises(OptionError, match="cannot be listened on"):
            _listen_now(first, "127.0.0.1")
