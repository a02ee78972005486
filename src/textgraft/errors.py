"""Every error that a user can meet: what is wrong, where, and what to do.

A mistake in data, options or files ends in exactly one of these. The command line prints it without a
traceback and exits with code 2; from Python it is an ordinary exception. Anything else that escapes is a
defect of textgraft.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from textgraft.terminal import visible


class TextgraftError(Exception):
    """A problem the user can solve.

    Args:
        what: What is wrong, in one sentence, with the offending value.
        where: The file, line, column or option it was met at, if there is one.
        fix: What to do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(what, where, fix)

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.fix:
            parts.append(self.fix)
        return visible("\n".join(parts))


class DataError(TextgraftError):
    """The user's data cannot be read or cannot be learned from."""


class OptionError(TextgraftError):
    """An option, setting or name has a value that textgraft does not know or cannot use."""


class ModelError(TextgraftError):
    """A model directory or an encoder is missing, damaged or of another kind than asked for."""


class DamagedError(ModelError):
    """A file that textgraft wrote, or one of a model, is missing, damaged or changed."""


class ConflictError(TextgraftError):
    """Somebody else holds what is asked for, or has decided it already."""


class OutputError(TextgraftError):
    """A result cannot be written: folder not writable, disk full, or something else in its place."""


class ServiceError(TextgraftError):
    """A service cannot be reached, has too much to do, or refuses a request.

    Args:
        what: What is wrong.
        where: Its address.
        fix: What to do about it.
        status: The HTTP status that it answered with, if it answered.
    """

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.status = status


class MissingExtraError(TextgraftError):
    """An optional dependency is not installed.

    Args:
        package: The import that failed.
        extra: The extra of textgraft that brings it.
        purpose: What it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            fix=f"Install it with: pip install 'textgraft[{extra}]'",
        )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the entry of ``known`` that ``name`` is most likely a misspelling of, or None."""
    options = list(known)
    lowered = {option.lower(): option for option in options}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def unknown(kind: str, name: object, known: Iterable[str], *, where: str | None = None) -> OptionError:
    """Build the error for a name that is not among the known ones, with the nearest as a suggestion.

    Args:
        kind: What the name stands for, as "contender" or "setting".
        name: The name that was given.
        known: The names that exist.
        where: The option or file that the name came from.
    """
    options = list(known)
    guess = nearest(name, options) if isinstance(name, str) else None
    hint = f"Did you mean {guess!r}? " if guess else ""
    known_ones = f"Known: {', '.join(options)}." if options else "There is none."
    return OptionError(f"unknown {kind} {name!r}", where=where, fix=f"{hint}{known_ones}")
