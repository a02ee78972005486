"""The client for asyncio; the other one is this one in a thread."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2
import msgspec
import numpy as np

from textgraft.client.answers import (
    BUSY,
    LARGEST,
    Encoded,
    Encodings,
    checked_key,
    error_of,
    portions,
    read_encodings,
    read_json,
    wait_before,
)
from textgraft.data.inputs import given_inputs, given_texts
from textgraft.errors import OptionError, ServiceError

KEY_VARIABLE = "TEXTGRAFT_KEY"
_SPACE = " "
"""Sent for an empty text, which no service takes: tokenizers of the BERT family read nothing in either."""


class AsyncClient:
    """Asks a service, over connections that are kept.

    No call hangs: each request has its time, tries and waiting included, and ends in an answer or an error.

    Args:
        url: The service's address, as "http://127.0.0.1:8765".
        key: Its key; that of the environment variable TEXTGRAFT_KEY if left out.
        model: Which of its models; the first that can do what is asked if left out.
        timeout: Seconds of a request, all tries included.
        retries: How often a request is sent again if the service is busy or cannot be reached.
        concurrency: Requests under way at a time, where a call makes several.

    Raises:
        OptionError: The address is none, the key cannot be one, or a number is out of bounds.
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
        if not url.startswith(("http://", "https://")):
            raise OptionError(
                f"{url!r} is no address", where="url", fix='Give one as "http://127.0.0.1:8765".'
            )
        if not timeout > 0 or retries < 0 or concurrency < 1:
            raise OptionError("timeout and concurrency are above 0, and retries not below")
        self.url = url.rstrip("/")
        self.model = model
        self.timeout = timeout
        self.retries = retries
        self.concurrency = concurrency
        self.truncated_fraction = 0.0
        """Share of all tokens of the last encoded texts that lay beyond what is read of a text, 0 to 1."""
        given = "key" if key else f"${KEY_VARIABLE}"
        key = checked_key(key or os.environ.get(KEY_VARIABLE, ""), given)
        self._http = httpx2.AsyncClient(
            headers={"authorization": f"Bearer {key}"} if key else {},
            limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def encode(
        self,
        texts: Any,
        on_progress: Callable[[int], None] | None = None,
        *,
        normalize: bool = True,
        truncate: bool = True,
        dimensions: int | None = None,
        text: str | None = None,
    ) -> Encodings:
        """Encode texts.

        Args:
            texts: One string, or any number of them, as for :func:`textgraft.encode`.
            on_progress: Called with the number of texts just finished.
            normalize: Whether vectors are scaled to length one.
            truncate: Whether the beginning of a longer text is read; else it is an error.
            dimensions: Numbers of a vector that are kept, the first ones.
            text: The column of a table that holds the texts.

        Returns:
            float32 [texts, dimension], in the order of the texts; of one string [dimension].

        Raises:
            ServiceError: The service does not answer, or refuses.
            OptionError: An entry is no text.
        """
        if isinstance(texts, str):
            return (
                await self.encode([texts], normalize=normalize, truncate=truncate, dimensions=dimensions)
            )[0]
        given = given_texts(texts, text)
        # /embed knows whether to scale, and sends numbers; OpenAI's form sends bytes, and always scales.
        options = {"truncate": truncate, "dimensions": dimensions, "model": self.model}
        found: list[tuple[range, Encoded]] = []
        waiting: Iterator[range] = portions(given)

        async def work() -> None:
            for places in waiting:
                part = [given[place] or _SPACE for place in places]
                encoded = await self._encoded(part, options, normalize=normalize)
                found.append((places, encoded))
                if on_progress:
                    on_progress(len(places))

        async with _errors_of_group(), asyncio.TaskGroup() as group:
            for _ in range(self.concurrency):
                group.create_task(work())
        if not found:
            width = (await self.info())["models"]
            return np.empty((0, next((m["dimension"] for m in width if m["dimension"]), 0)), np.float32)
        vectors = np.empty((len(given), found[0][1].vectors.shape[1]), dtype=np.float32)
        for places, encoded in found:
            vectors[places.start : places.stop] = encoded.vectors
        lost = sum(encoded.lost for _, encoded in found)
        self.truncated_fraction = lost / max(1, lost + sum(encoded.tokens for _, encoded in found))
        return vectors

    async def _encoded(self, texts: list[str], options: Mapping[str, Any], *, normalize: bool) -> Encoded:
        if normalize:
            body = {**_given(options), "input": texts, "encoding_format": "base64"}
            answer, _ = await self._ask("POST", "/v1/embeddings", body)
            return read_encodings(answer, len(texts), self.url)
        answer, headers = await self._ask(
            "POST", "/embed", {**_given(options), "inputs": texts, "normalize": False}
        )
        vectors = np.array(read_json(answer, self.url), dtype=np.float32)
        return Encoded(vectors, int(headers.get("x-n-tokens", 0)), int(headers.get("x-n-lost", 0)))

    async def predict(
        self,
        inputs: Any,
        *,
        truncate: bool = True,
        text: Any = None,
        sets: float | None = None,
        reject: float | None = None,
    ) -> Any:
        """Predict the target of inputs.

        Args:
            inputs: One string or dict, or any number of what the model's task takes.
            truncate: Whether the beginning of a longer input is read; else it is an error.
            text: The columns of a table to read.
            sets: Add the labels that a text may have, as ``set``: the true one is among them in this share of
                texts, as 0.95.
            reject: Tell texts that fit no label, as ``unknown``; this share of the others is not told so.

        Returns:
            For each a dict: the label, the scores or whatever the task answers, with ``n_tokens`` and
            ``truncated``; of a single input its dict alone.

        Raises:
            ServiceError: The service does not answer, or refuses.
        """
        options = {"model": self.model, "truncate": truncate, "details": True, "sets": sets, "reject": reject}
        if isinstance(inputs, str | Mapping):
            return await self._json("/predict", {**_given(options), "inputs": inputs})
        given = given_inputs(inputs, text)
        found = []
        for places in portions([str(entry) for entry in given]):
            part = [list(given[n]) if isinstance(given[n], tuple) else given[n] for n in places]
            # Two texts in a list may be a pair: a list of lists cannot be mistaken.
            found += await self._json("/predict", {**_given(options), "inputs": part})
        return found

    async def pipeline(self, task: str, inputs: Any, *, truncate: bool = False, **parameters: Any) -> Any:
        """Run a pipeline of the service.

        Args:
            task: Its name, as "token-classification".
            inputs: One input, or a list of several.
            truncate: Whether the beginning of a longer input is read; else it is an error.
            parameters: Options of the pipeline.

        Returns:
            What the pipeline gives, see :func:`textgraft.pipeline`.

        Raises:
            ServiceError: The service does not answer, or refuses.
        """
        body = {"model": self.model, "inputs": inputs, "truncate": truncate, "parameters": parameters or None}
        return await self._json(f"/pipelines/{task}", _given(body))

    async def info(self) -> dict[str, Any]:
        """Describe the service: its models and its limits.

        Raises:
            ServiceError: It does not answer.
        """
        answer, _ = await self._ask("GET", "/info")
        found: dict[str, Any] = read_json(answer, self.url)
        return found

    async def _json(self, path: str, body: Mapping[str, Any]) -> Any:
        answer, _ = await self._ask("POST", path, body)
        return read_json(answer, self.url)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Send a request until there is an answer, and return its body and headers.

        Raises:
            ServiceError: There is none in time, or it is a refusal.
        """
        end = time.monotonic() + self.timeout
        content = None if body is None else msgspec.json.encode(body)
        for attempt in range(1, self.retries + 2):
            try:
                async with asyncio.timeout(max(0.001, end - time.monotonic())):
                    status, headers, answer = await self._send(method, path, content)
            except TimeoutError as error:
                raise ServiceError(f"there is no answer within {self.timeout:g} s", where=self.url) from error
            except (httpx2.TransportError, httpx2.InvalidURL) as error:
                failure = ServiceError(
                    f"the service cannot be reached: {type(error).__name__}",
                    where=self.url,
                    fix="Is it running? textgraft serve starts one.",
                )
                wait = wait_before(attempt, {})
            else:
                if status < 300:
                    return answer, headers
                failure = error_of(status, answer, self.url)
                if status not in BUSY:
                    raise failure
                wait = wait_before(attempt, headers)
            if attempt > self.retries or time.monotonic() + wait > end:
                raise failure
            await asyncio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def _send(
        self, method: str, path: str, content: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {} if content is None else {"content-type": "application/json"}
        async with self._http.stream(
            method, f"{self.url}{path}", content=content, headers=headers, timeout=None
        ) as response:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > LARGEST:
                    raise ServiceError("the answer has no end", where=self.url)
                parts.append(part)
            return response.status_code, response.headers, b"".join(parts)


class _errors_of_group:  # noqa: N801  used as a statement
    """Lets the first error of a task group out as itself."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, BaseExceptionGroup):
            raise error.exceptions[0] from None


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
