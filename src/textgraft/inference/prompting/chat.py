"""Questions to an OpenAI-compatible endpoint: bounded in time, size and number of tries."""

from __future__ import annotations

import email.utils
import json
import threading
import time
from typing import Any

import httpx2
import msgspec

from textgraft._version import __version__
from textgraft.errors import ModelError
from textgraft.inference.prompting.endpoint import KEYS, Key, host_of

TRIES = 6
FIRST_WAIT = 0.5
"""Seconds before the second try; each further wait is twice as long."""
LONGEST_WAIT = 60.0
"""Seconds; an endpoint that asks for more is not waited for."""
TIMEOUT = 60.0
"""Seconds without a byte after which a try has failed."""
LARGEST_REPLY = 1 << 20
"""Bytes of a reply that are read."""
_KEPT = "What is answered is kept: run the same command again for the rest."
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same question may be answered."""
_OPTIONAL = ("response_format", "temperature", "max_tokens")
"""Members of a request that not every endpoint takes; one that is refused is left out from then on."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered, and what it cost."""

    content: str | None
    input_tokens: int | None = None
    """As the endpoint counts them; None where it does not."""
    output_tokens: int | None = None
    seconds: float
    """From the question to the answer, of the try that succeeded."""


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _RetryError(Exception):
    """A try failed in a way that another one may not.

    Args:
        reason: What was wrong.
        wait: Seconds that the endpoint asks for; None where it does not say.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.reason = reason
        self.wait = wait
        super().__init__(reason)


class ChatClient:
    """A connection to one endpoint, for any number of threads.

    Args:
        url: Of the chat completions.
        key: Sent as a bearer token, and to this host alone: redirects are not followed.
        concurrency: Connections at a time.
        timeout: Seconds without a byte after which a try has failed.
    """

    def __init__(
        self,
        url: str,
        key: Key | None = None,
        *,
        concurrency: int = 4,
        timeout: float = TIMEOUT,
    ) -> None:
        self.url = url
        self._key = key
        self._is_stopped = threading.Event()
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # nothing that unpacks to more than was read
            "User-Agent": f"textgraft/{__version__}",
        }
        if key is not None:
            headers["Authorization"] = f"Bearer {key.secret}"
        self._client = httpx2.Client(
            headers=headers,
            timeout=timeout,
            limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            follow_redirects=False,
        )

    def stop(self) -> None:
        """Begin no further try: questions under way end with the one that they are at."""
        self._is_stopped.set()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, body: dict[str, Any]) -> Reply:
        """Send one question until it is answered.

        Args:
            body: The request; members that the endpoint refuses, as a schema for the answer, are left out.

        Raises:
            ModelError: The endpoint refuses the key or the question, or gives no answer after several tries.
        """
        wait = FIRST_WAIT
        for tried in range(1, TRIES + 1):
            try:
                return self._try(body)
            except _RetryError as error:
                is_last = tried == TRIES or (error.wait or 0.0) > LONGEST_WAIT
                if is_last or self._is_stopped.wait(max(wait, error.wait or 0.0)):
                    asked_for = f", and asks to wait {error.wait:.0f} s" if error.wait else ""
                    raise ModelError(
                        f"no answer after {tried} tries: {error.reason}{asked_for}",
                        where=host_of(self.url),
                        fix=_KEPT,
                    ) from error
                wait = min(2 * wait, LONGEST_WAIT)
        raise AssertionError("the last try returns or raises")

    def _try(self, body: dict[str, Any]) -> Reply:
        """Send it once, and once more for every member that the endpoint refuses."""
        while True:
            sent = {name: value for name, value in body.items() if name not in self._refused}
            start = time.perf_counter()
            status, headers, content = self._post(json.dumps(sent).encode())
            seconds = time.perf_counter() - start
            if status == httpx2.codes.OK:
                return _reply(content, seconds)
            told = _told(content, self._key)
            if status in (400, 422) and (refused := _refused_member(told, sent)):
                with self._lock:
                    self._refused.add(refused)
                continue
            raise self._failure(status, told, headers.get("retry-after"))

    def _post(self, content: bytes) -> tuple[int, httpx2.Headers, bytes]:
        try:
            with self._client.stream("POST", self.url, content=content) as response:
                parts, size = [], 0
                for part in response.iter_bytes():
                    size += len(part)
                    if size > LARGEST_REPLY:
                        raise _RetryError(f"the reply has more than {LARGEST_REPLY:,} bytes")
                    parts.append(part)
                return response.status_code, response.headers, b"".join(parts)
        except httpx2.TimeoutException as error:
            raise _RetryError("it did not answer in time") from error
        except httpx2.TransportError as error:
            raise _RetryError(f"it cannot be reached ({str(error) or type(error).__name__})") from error
        except (httpx2.DecodingError, httpx2.InvalidURL) as error:
            raise ModelError(f"it cannot be asked: {error}", where=host_of(self.url)) from error

    def _failure(self, status: int, told: str, retry_after: str | None) -> Exception:
        host = host_of(self.url)
        if status in (401, 403):
            held = f"the key in {self._key.variable}" if self._key else "a question without a key"
            return ModelError(
                f"it refuses {held} (HTTP {status}): {told}",
                where=host,
                fix=f"Put a valid key into the environment variable {KEYS[0]}. {_KEPT}",
            )
        if status in _AGAIN and "insufficient_quota" not in told:
            return _RetryError(f"HTTP {status}: {told}", _seconds(retry_after))
        return ModelError(
            f"it refuses the question (HTTP {status}): {told}",
            where=host,
            fix=f"Check --llm and --llm-model. {_KEPT}",
        )


def _reply(content: bytes, seconds: float) -> Reply:
    try:
        completion = msgspec.json.decode(content, type=_Completion)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _RetryError(f"the reply is no chat completion: {error}") from error
    if not completion.choices:
        raise _RetryError("the reply holds no answer")
    usage = completion.usage or _Usage()
    return Reply(
        content=completion.choices[0].message.content,
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        seconds=seconds,
    )


def _told(content: bytes, key: Key | None) -> str:
    """Return what an endpoint says of a failure, in a line; some repeat the key, which is left out."""
    text = " ".join(content[:2000].decode("utf-8", "replace").split())
    if key is not None:
        text = text.replace(key.secret, "…")
    return text[:300] or "no reason given"


def _refused_member(told: str, sent: dict[str, Any]) -> str | None:
    """Return which member of a request an endpoint does not take, as far as it says."""
    named = [name for name in _OPTIONAL if name in sent and name in told]
    if not named and "response_format" in sent and ("schema" in told or "json" in told.lower()):
        return "response_format"
    return named[0] if named else None


def _seconds(retry_after: str | None) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110)."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
