"""Functions for jobs, importable by any process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from textgraft.errors import DataError


def double(order: bytes) -> bytes:
    return order * 2


def process(order: bytes) -> bytes:
    return f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}".encode()


def printing(order: bytes) -> bytes:
    print("this is no answer")
    return order


def mistake(order: bytes) -> bytes:
    raise DataError("no such row", where="rows.csv, line 3", fix="Add it.")


def defect(order: bytes) -> bytes:
    raise ZeroDivisionError("of the job")


def dies_once(order: bytes) -> bytes:
    """Die as by kill -9, unless this was done before."""
    seen = Path(order.decode())
    if not seen.exists():
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return b"alive"


def dies(order: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""
