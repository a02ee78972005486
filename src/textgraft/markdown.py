"""What the user named, in a card: labels, columns and files are text there, no markup."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Return text of the user's on one line, no part of which is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    """Return text without line breaks, control characters and escape sequences."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def code(text: str) -> str:
    """Return text of the user's as code, whatever marks it holds."""
    text = _one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"
