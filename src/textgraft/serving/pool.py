"""A bounded pool of threads for what is done before the model: tokenizing, above all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from textgraft.serving.refusals import BusyError

T = TypeVar("T")
THREADS = 2


class Pool:
    """Runs functions on a few threads.

    Args:
        max_characters: Characters of all texts that wait or are worked on.
        threads: How many work at a time.
    """

    def __init__(self, max_characters: int, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="textgraft-tokenize")
        self._most = max_characters
        self._characters = 0
        self._lock = threading.Lock()

    def submit(self, function: Callable[[], T], characters: int) -> Future[T]:
        """Run a function.

        Args:
            function: What to run.
            characters: Of the texts that it works on.

        Raises:
            BusyError: Too much is waiting already.
        """
        with self._lock:
            if self._characters and self._characters + characters > self._most:
                raise BusyError("too much text is waiting to be tokenized", retry_after=1)
            self._characters += characters
        try:
            running = self._threads.submit(function)
        except BaseException:
            self._leave(characters)
            raise
        running.add_done_callback(lambda _: self._leave(characters))
        return running

    def close(self) -> None:
        """End the threads when they are done."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _leave(self, characters: int) -> None:
        with self._lock:
            self._characters -= characters
