"""The client for everybody: calls that return when there is an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from textgraft.client.answers import Encodings
from textgraft.client.asynchronous import AsyncClient
from textgraft.errors import ServiceError

T = TypeVar("T")


class Client:
    """Asks a service, over connections that are kept.

    It takes the place of an encoder of sentence-transformers: ``Client(url).encode(texts)``. No call hangs:
    each request has its time, tries and waiting included, and ends in an answer or an error. Safe to use from
    several threads.

    Args:
        url: The service's address, as "http://127.0.0.1:8765".
        key: Its key; that of the environment variable TEXTGRAFT_KEY if left out.
        model: Which of its models; the first that can do what is asked if left out.
        timeout: Seconds of a request, all tries included.
        retries: How often a request is sent again if the service is busy or cannot be reached.
        concurrency: Requests under way at a time, where a call makes several.

    Raises:
        OptionError: The address is none, or a number is out of bounds.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        model: str | None = None,
        timeout: float = 60.0,
        retries: int = 6,
        concurrency: int = 4,
    ) -> None:
        self._inner = AsyncClient(
            url, key=key, model=model, timeout=timeout, retries=retries, concurrency=concurrency
        )
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def truncated_fraction(self) -> float:
        """Share of all tokens of the last encoded texts that lay beyond what is read of a text, 0 to 1."""
        return self._inner.truncated_fraction

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and end the thread that they live in."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._inner.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()

    def encode(
        self,
        texts: Any,
        on_progress: Callable[[int], None] | None = None,
        *,
        normalize: bool = True,
        truncate: bool = True,
        dimensions: int | None = None,
        text: str | None = None,
    ) -> Encodings:
        """Encode texts; as :meth:`AsyncClient.encode`.

        Returns:
            float32 [texts, dimension], in the order of the texts; of one string [dimension].

        Raises:
            ServiceError: The service does not answer, or refuses.
            OptionError: An entry is no text.
        """
        return self._result(
            self._inner.encode(
                texts, on_progress, normalize=normalize, truncate=truncate, dimensions=dimensions, text=text
            )
        )

    def predict(
        self,
        inputs: Any,
        *,
        truncate: bool = True,
        text: Any = None,
        sets: float | None = None,
        reject: float | None = None,
    ) -> Any:
        """Predict the target of inputs; as :meth:`AsyncClient.predict`.

        Returns:
            For each a dict; of a single string or dict its dict alone.

        Raises:
            ServiceError: The service does not answer, or refuses.
        """
        asked = self._inner.predict(inputs, truncate=truncate, text=text, sets=sets, reject=reject)
        return self._result(asked)

    def pipeline(self, task: str, inputs: Any, *, truncate: bool = False, **parameters: Any) -> Any:
        """Run a pipeline of the service; as :meth:`AsyncClient.pipeline`.

        Raises:
            ServiceError: The service does not answer, or refuses.
        """
        return self._result(self._inner.pipeline(task, inputs, truncate=truncate, **parameters))

    def info(self) -> dict[str, Any]:
        """Describe the service: its models and its limits.

        Raises:
            ServiceError: It does not answer.
        """
        return self._result(self._inner.info())

    @staticmethod
    def similarity(first: Encodings, second: Encodings) -> Encodings:
        """Return the cosines between encodings, [first, second]."""
        sides = [np.atleast_2d(np.asarray(side, dtype=np.float32)) for side in (first, second)]
        scaled = [side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12) for side in sides]
        found: Encodings = scaled[0] @ scaled[1].T
        return found

    def _result(self, asked: Coroutine[Any, Any, T]) -> T:
        """Wait for what is asked; Ctrl-C while waiting gives it up."""
        running = asyncio.run_coroutine_threadsafe(asked, self._running_loop())
        try:
            return running.result()
        except CancelledError as error:
            raise ServiceError("the client was closed meanwhile", where=self._inner.url) from error
        except BaseException:
            running.cancel()
            raise

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="textgraft-client", daemon=True
                )
                self._thread.start()
            return self._loop
