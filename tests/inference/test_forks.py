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
    print(queue.get(timeout=60), flush=True)
    process.join(10)
def answer():
    print([answer.label for answer in model.predict(texts)], flush=True)
answer()
forked()
answer()
thread = threading.Thread(target=model.predict, args=(texts,))
thread.start()
thread.join()
forked()
answer()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
def test_a_forked_child_answers_or_says_why_not(topic_model: Path) -> None:
    assert "fork" in multiprocessing.get_all_start_methods()
    ended = subprocess.run(
        [sys.executable, "-c", FORK.replace("import textgraft\n", "import textgraft, textgraft.errors\n"),
         str(topic_model)],
        capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    answer = "['food', 'space']"
    lines = ended.stdout.strip().splitlines()
    assert [*lines[:3], lines[-1]] == [answer] * 4, "after this thread alone has computed, a child answers"
    refusal = " ".join(lines[3:-1])
    assert "forked from one that had computed on several threads" in refusal
    assert "spawn" in refusal
