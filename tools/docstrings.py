"""What docstrings say, as pages have it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

_SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Attributes):\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^(\*{0,2}\w+)(?: \([^)]*\))?:\s*", re.MULTILINE)


def plain(text: str) -> str:
    """Return a docstring as one line of Markdown, which may stand in a table."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`").replace("|", r"\|")


def meanings(kind: Any) -> dict[str, str]:
    """Return what stands below each field of a record in its source, those of its parents among them."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if owner.__module__.startswith("textgraft"):
            body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
            assert isinstance(body, ast.ClassDef)
            for field, text in zip(body.body, body.body[1:], strict=False):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                ):
                    found[field.target.id] = plain(str(text.value.value))
    return found


def sections(documented: Any) -> dict[str, str]:
    """Return the parts of a docstring in Google's style: "" for what stands first, then "Args" and so on."""
    text = inspect.cleandoc(documented.__doc__ or "")
    marks = list(_SECTION.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    parts = {"": text[: marks[0].start()] if marks else text}
    for mark, end in zip(marks, ends, strict=True):
        parts[mark[1]] = textwrap.dedent(text[mark.end() : end]).strip()
    return parts


def entries(section: str) -> dict[str, str]:
    """Return the entries of a section by name: an entry begins at its margin, and goes on further in."""
    found: dict[str, str] = {}
    for line in re.split(r"\n(?=\S)", section):
        if mark := _ENTRY.match(line):
            found[mark[1].lstrip("*")] = plain(line[mark.end() :])
    return found
