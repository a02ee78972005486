"""A service on a free port of this machine, in a thread."""

import asyncio
import contextlib
import socket
import threading
import time

import httpx2
import uvicorn

from textgraft.serving.keys import Keys
from textgraft.serving.limits import Limits
from textgraft.serving.serve import build, loop_factory, server_config


class Running:
    """A service that answers."""

    def __init__(self, service, app):
        self.service = service
        self.app = app
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.server = uvicorn.Server(server_config(app, service.limits))
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(self.server.serve(sockets=[self.listening]))

    def __enter__(self):
        self.service.start()
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        self.http = httpx2.Client(base_url=self.url, timeout=30)
        return self

    def __exit__(self, *_):
        self.http.close()
        self.server.should_exit = True
        self.server.config.timeout_graceful_shutdown = 5
        self.thread.join(10)
        self.service.stop(5)
        self.listening.close()

    def post(self, path, content, **options):
        return self.http.post(path, json=content, **options)


@contextlib.contextmanager
def running(models, *, limits=None, keys=None, challengers=(), **options):
    service, app = build(models, challengers, keys or Keys(()), limits or Limits(), **options)
    with Running(service, app) as found:
        yield found


class Slow:
    """A lane that waits before it computes, in place of a model's own."""

    def __init__(self, lane, seconds):
        self.lane, self.seconds = lane, seconds
        self.key, self.background = lane.key, lane.background

    def run(self, batches):
        for batch in batches:
            time.sleep(self.seconds)
            yield from self.lane.run(iter([batch]))
