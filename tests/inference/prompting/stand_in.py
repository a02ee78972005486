"""A stand-in for an OpenAI-compatible server: it labels by the words of topics, and misbehaves when told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.tiny import TOPICS

Answer = tuple[int, dict[str, str], Any]
"""Status, headers, and the body: JSON, or bytes as they are."""


def topic_of(text: str) -> str:
    """Return the topic whose words a text has."""
    return max(sorted(TOPICS), key=lambda topic: sum(word in TOPICS[topic] for word in text.split()))


def completion(content: str | None, tokens: tuple[int, int] | None = (100, 4)) -> Answer:
    body: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": content}}]}
    if tokens:
        body["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return 200, {}, body


def labelled(body: dict[str, Any]) -> Answer:
    """Answer well."""
    return completion(json.dumps({"label": topic_of(body["messages"][-1]["content"])}))


@dataclass
class StandIn:
    """A running server, and what it was asked."""

    url: str = ""
    answer: Callable[[dict[str, Any]], Answer] = labelled
    """Makes the answer to a request; may raise, or sleep."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    most_at_a_time: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """What was to be labelled."""
        return [request["messages"][-1]["content"] for request in self.requests]

    def once(self, *answers: Answer) -> None:
        """Give these answers first, then good ones."""
        waiting = list(answers)

        def answer(body: dict[str, Any]) -> Answer:
            with self._lock:
                first = waiting.pop(0) if waiting else None
            return first or labelled(body)

        self.answer = answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most_at_a_time = max(self.most_at_a_time, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Serve on a free port of this machine for a block."""
    server = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server._counted():
                with server._lock:
                    server.requests.append(body)
                    server.headers.append(dict(self.headers))
                    server.paths.append(self.path)
                time.sleep(0.005)
                status, headers, content = server.answer(body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # whoever asked has gone

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
