"""A process that does the jobs it is told on standard input and answers on standard output.

Messages are MessagePack after their length in four bytes. When standard input ends, so does the process,
whatever it is at: whoever gave it work is gone.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import IO

import msgspec

from textgraft.executors.answers import answer

_LENGTH = 4


class Told(msgspec.Struct, frozen=True):
    """A job for a worker."""

    function: str
    order: bytes
    threads: int


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write a message."""
    pipe.write(len(message).to_bytes(_LENGTH, "big") + message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Read a message; None where the pipe has ended."""
    length = pipe.read(_LENGTH)
    if len(length) < _LENGTH:
        return None
    size = int.from_bytes(length, "big")
    message = pipe.read(size)
    return message if len(message) == size else None


def _main() -> None:
    # What a library prints must not pass for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    told: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        while (message := receive(sys.stdin.buffer)) is not None:
            told.put(message)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        job = msgspec.msgpack.decode(told.get(), type=Told)
        send(answers, answer(job.function, job.order, job.threads))


if __name__ == "__main__":
    _main()
