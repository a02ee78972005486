"""Who may ask, and how often: keys are kept as hashes, and compared in constant time.

A file has a line a key: the SHA-256 of the key in hexadecimal, a name for logs and metrics, and, if it is
limited, requests a minute. ``textgraft serve --new-key NAME`` makes one. A key has 256 random bits, so that
its hash needs neither salt nor a slow function.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from textgraft.errors import OptionError
from textgraft.serving.refusals import BusyError, UnauthorizedError

VARIABLE = "TEXTGRAFT_KEYS"
"""Of the environment: keys as they are, with spaces or commas between them; each may be NAME=KEY."""
_HASH = re.compile(r"[0-9a-f]{64}")
_LARGEST_FILE = 1 << 20
_BURST = 6
"""A key may use a sixth of a minute's requests at once."""


@dataclass(frozen=True)
class Key:
    """A key that is known."""

    sha256: str
    name: str
    per_minute: float | None = None
    """Requests; None: as many as it likes."""


class Keys:
    """All keys that are known, and how much each has used.

    Args:
        keys: They.
        clock: Seconds, steadily rising.
    """

    def __init__(self, keys: Sequence[Key], clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = tuple(keys)
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def check(self, authorization: str) -> str:
        """Let a request pass, or refuse it.

        Args:
            authorization: The header of this name; "" where there is none.

        Returns:
            The name of the key; "" where no keys are asked for.

        Raises:
            UnauthorizedError: There is no key, or an unknown one.
            BusyError: The key has used up its requests.
        """
        if not self._keys:
            return ""
        scheme, _, given = authorization.partition(" ")
        hashed = hashlib.sha256(given.strip().encode("utf-8", "replace")).hexdigest()
        # All are compared, whichever fits: how long it takes tells nothing.
        fitting = [key for key in self._keys if hmac.compare_digest(hashed, key.sha256)]
        if scheme.lower() != "bearer" or not fitting:
            raise UnauthorizedError('this service wants a key: send the header "Authorization: Bearer KEY"')
        self._spend(fitting[0])
        return fitting[0].name

    def _spend(self, key: Key) -> None:
        if key.per_minute is None:
            return
        most = max(1.0, key.per_minute / _BURST)
        with self._lock:
            now = self._clock()
            left, since = self._left.get(key.sha256, (most, now))
            left = min(most, left + (now - since) * key.per_minute / 60)
            if left < 1:
                self._left[key.sha256] = left, now
                wait = (1 - left) * 60 / key.per_minute
                raise BusyError(
                    f"this key has {key.per_minute:g} requests a minute",
                    retry_after=max(1, round(wait + 0.5)),
                )
            self._left[key.sha256] = left - 1, now


def read_keys(file: Path | None, environment: Mapping[str, str] = os.environ) -> Keys:
    """Read the keys of a file and of the environment.

    Args:
        file: Lines of hash, name and rate; None reads the environment alone.
        environment: With :data:`VARIABLE` in it, or not.

    Raises:
        OptionError: The file cannot be read, or a line is wrong.
    """
    found = []
    for number, entry in enumerate(environment.get(VARIABLE, "").replace(",", " ").split(), start=1):
        name, equals, key = entry.partition("=")
        found.append(
            Key(
                hashlib.sha256((key if equals else entry).encode()).hexdigest(),
                name if equals else f"key-{number}",
            )
        )
    if file is not None:
        found += _of_file(file)
        if not found:
            raise OptionError("there is no key in it", where=str(file), fix=_FIX)
    return Keys(found)


_FIX = "A line is: SHA-256 of the key, name, requests a minute. textgraft serve --new-key NAME writes one."


def _of_file(file: Path) -> list[Key]:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise OptionError("it is too large for a file of keys", where=str(file))
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"the keys cannot be read: {error}", where=str(file)) from error
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.split()
        rate = _rate(parts[2]) if len(parts) == 3 else None
        if not 2 <= len(parts) <= 3 or not _HASH.fullmatch(parts[0]) or (len(parts) == 3 and rate is None):
            raise OptionError("this is no key", where=f"{file}, line {number}", fix=_FIX)
        found.append(Key(parts[0], parts[1], rate))
    return found


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 < rate < 1e9 else None


def new_key(name: str, per_minute: float | None = None) -> tuple[str, str]:
    """Make a key.

    Args:
        name: For logs and metrics, one word.
        per_minute: Requests; None: as many as it likes.

    Returns:
        The key, which is kept nowhere, and the line of the file that knows it.

    Raises:
        OptionError: The name is not one word.
    """
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise OptionError(
            f"{name!r} cannot name a key", where="--new-key", fix="Give letters, digits, - and _."
        )
    key = f"tg-{secrets.token_urlsafe(32)}"
    rate = "" if per_minute is None else f" {per_minute:g}"
    return key, f"{hashlib.sha256(key.encode()).hexdigest()} {name}{rate}"
