"""Where a language model is asked: the address, the key, and whether texts may go there."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from textgraft.client.answers import checked_key
from textgraft.errors import OptionError

KEYS = ("TEXTGRAFT_LLM_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key; the first that is set is used."""
HOST = "TEXTGRAFT_LLM_HOST"
"""Environment variable that names the host to which a model directory may send texts."""
_PATH = "/chat/completions"


@dataclass(frozen=True)
class Key:
    """The secret, and the environment variable that it comes from. It is never written anywhere."""

    variable: str
    secret: str

    def __repr__(self) -> str:
        return f"Key({self.variable})"


def find_key() -> Key | None:
    """Return the key of the environment; None where there is none, as many local servers need none.

    Raises:
        OptionError: It holds what no key does.
    """
    found = ((name, os.environ.get(name, "").strip()) for name in KEYS)
    return next((Key(name, checked_key(secret, f"${name}")) for name, secret in found if secret), None)


def endpoint_url(given: str) -> str:
    """Return the URL of the chat completions of an OpenAI-compatible server.

    Args:
        given: As ``http://localhost:8000/v1``, or with ``/chat/completions``.

    Raises:
        OptionError: It is no such URL, or holds a secret, which would be written down.
    """
    try:
        parts = urlsplit(given.strip())
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_url = False
    if not is_url:
        raise OptionError(
            f"{given!r} is no URL of a server", where="--llm", fix="Write --llm http://localhost:8000/v1."
        )
    if parts.username or parts.password or {name for name, _ in parse_qsl(parts.query)} - {"api-version"}:
        raise OptionError(
            "the URL holds a name, a password or parameters, which would be written down",
            where="--llm",
            fix=f"Leave them out; a key belongs into the environment variable {KEYS[0]}.",
        )
    path = parts.path.rstrip("/")
    path = path if path.endswith(_PATH) else path + _PATH
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def host_of(url: str) -> str:
    """Return the host of a URL, with its port where one is named."""
    return urlsplit(url).netloc


def is_local(url: str) -> bool:
    """Return whether a URL leads to this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def departure(url: str, model: str, key: Key | None) -> str:
    """Say what goes where, once, before anything does."""
    what = f"every text is sent to {host_of(url)}, to be labelled by {model}"
    if is_local(url):
        return f"{what}; that is this machine"
    secret = f"with the key in {key.variable}" if key else "without a key"
    plain = "; unencrypted, as the URL begins with http" if url.startswith("http:") else ""
    return f"texts leave this machine: {what}, {secret}{plain}"


def check_consent(url: str, where: str) -> None:
    """Refuse to send texts, and a key with them, to a host that only a folder names.

    Args:
        url: Of the endpoint.
        where: The folder.

    Raises:
        OptionError: The host is another machine, and the user has not named it.
    """
    host = host_of(url)
    if not is_local(url) and os.environ.get(HOST, "").strip() != host:
        raise OptionError(
            f"this model sends every text, with your key, to {host}",
            where=where,
            fix=f"If it may, set the environment variable {HOST}={host}.",
        )
