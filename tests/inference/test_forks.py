"""A forked child of a process that has computed on threads says so, and does not hang."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

FORK = """
import multiprocessing, sys, threading
import textgraft
model = textgraft.load(sys.argv[1])
texts = ["soup with cheese", "the rocket"]
def child(queue):
    try:
        queue.put([answer.label for answer in model.predict(texts)])
    except textgraft.errors.TextgraftError as error:
        queue.put(str(error))
def forked():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get(timeout=60))
    process.join(10)
model.predict(texts)
if sys.argv[2] == "threads":
    thread = threading.Thread(target=model.predict, args=(texts,))
    thread.start()
    thread.join()
forked()
print([answer.label for answer in model.predict(texts)])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
@pytest.mark.parametrize("where", ["threads", "main thread alone"])
def test_a_forked_child_answers_or_says_why_not(topic_model: Path, where: str) -> None:
    assert "fork" in multiprocessing.get_all_start_methods()
    ended = subprocess.run(
        [sys.executable, "-c", FORK.replace("import textgraft\n", "import textgraft, textgraft.errors\n"),
         str(topic_model), where],
        capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    child, parent = ended.stdout.strip().splitlines()[0], ended.stdout.strip().splitlines()[-1]
    assert parent == "['food', 'space']"
    if where == "threads":
        assert "forked from one that had computed on several threads" in child
        assert "spawn" in ended.stdout
    else:
        assert child == parent
