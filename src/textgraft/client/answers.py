"""What a service's answer means: a result, a reason to ask again, or an error."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from textgraft.errors import OptionError, ServiceError
from textgraft.wording import counted

Encodings = NDArray[np.float32]
BUSY = (429, 502, 503)
"""Statuses after which asking again may help."""
TEXTS = 128
"""Of a request: enough that batches are full, few enough that progress shows."""
CHARACTERS = 200_000
LARGEST = 256_000_000
"""Bytes of an answer."""
FIRST_WAIT = 0.25
"""Seconds before the second try where the service names none; doubled for each further one."""
LONGEST_WAIT = 15.0


@dataclass(frozen=True)
class Encoded:
    """The encodings of a request, and what the length limit cost."""

    vectors: Encodings
    tokens: int
    """Read of all texts."""
    lost: int
    """Beyond what is read of a text."""


class _Entry(msgspec.Struct):
    embedding: str
    n_tokens: int = 0
    n_lost: int = 0


class _Embeddings(msgspec.Struct):
    data: list[_Entry]


def checked_key(key: str, where: str) -> str:
    """Return a key that a request's header can carry.

    Args:
        key: It is never shown.
        where: What it was given by.

    Raises:
        OptionError: It has characters that no header carries, as a placeholder that was copied.
    """
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise OptionError(
            "the key holds a space or a character that no key has",
            where=where,
            fix="Give the key as it was handed out, without quotation marks.",
        )
    return key


def wait_before(attempt: int, headers: Mapping[str, str]) -> float:
    """Return the seconds to wait before asking again.

    Args:
        attempt: How many tries there were.
        headers: Of the answer; "retry-after" in seconds is heeded.
    """
    given = headers.get("retry-after", "")
    usual = FIRST_WAIT * 2.0 ** min(attempt - 1, 10)
    return float(given) if given.isdigit() else min(LONGEST_WAIT, usual)


def error_of(status: int, body: bytes, where: str) -> ServiceError:
    """Return the error that an answer stands for."""
    try:
        told = msgspec.json.decode(body)
        found = told.get("error") if isinstance(told, dict) else None
        message = found.get("message") if isinstance(found, dict) else found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = None
    fix = {
        401: 'Give the key: Client(url, key="…"), or set $TEXTGRAFT_KEY.',
        404: "Check the address and the model's name.",
        413: "Send less at once.",
        429: "Ask again later, or less at once.",
    }.get(status)
    return ServiceError(str(message or f"the answer is {status}"), where=where, fix=fix, status=status)


def read_encodings(body: bytes, count: int, where: str) -> Encoded:
    """Read encodings that were sent as base64.

    Args:
        body: Of the answer.
        count: Encodings that were asked for.
        where: The service.

    Raises:
        ServiceError: It is no such answer.
    """
    try:
        entries = msgspec.json.decode(body, type=_Embeddings).data
        rows = [
            np.frombuffer(base64.b64decode(entry.embedding, validate=True), dtype="<f4") for entry in entries
        ]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), -1)
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError("the answer holds no encodings", where=where) from error
    if len(rows) != count:
        raise ServiceError(f"{counted(len(rows), 'encoding')} came for {counted(count, 'text')}", where=where)
    tokens, lost = (sum(getattr(entry, name) for entry in entries) for name in ("n_tokens", "n_lost"))
    return Encoded(vectors, tokens, lost)


def read_json(body: bytes, where: str) -> Any:
    """Read any answer.

    Raises:
        ServiceError: It is no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError("the answer is no JSON", where=where) from error


def portions(texts: Sequence[str]) -> Iterator[range]:
    """Yield the places of texts that make one request each."""
    start, held = 0, 0
    for place, text in enumerate(texts):
        if place > start and (place - start == TEXTS or held + len(text) > CHARACTERS):
            yield range(start, place)
            start, held = place, 0
        held += len(text)
    if start < len(texts):
        yield range(start, len(texts))
