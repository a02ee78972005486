"""What the pages tell people to type: each block of commands or of Python, with where it stands."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem != "commands"),
    *sorted((ROOT / "src" / "textgraft" / "grafts").glob("*/README.md")),
]
"""All but the page of commands, which tools/commands.py makes of the commands themselves."""


@dataclass(frozen=True)
class Snippet:
    """Lines that are typed together."""

    page: str
    section: str
    line: int
    """Of the page, counted from 1."""
    text: str

    @property
    def is_python(self) -> bool:
        """Whether it is Python, and not what is typed into a shell."""
        return _is_python(self.text)

    def __str__(self) -> str:
        """Say where it stands and what it is."""
        return f"{self.page}, line {self.line}:\n{textwrap.indent(self.text, '    ')}"


def name_of(page: Path) -> str:
    """Return what a page is called in reports of tests."""
    return page.parent.name if page.name == "README.md" and page.parent != ROOT else page.stem


def snippets(page: Path) -> list[Snippet]:
    """Return the snippets of a page: indented blocks, and those between fences.

    A block in which commands and Python stand below each other is parted at its empty lines.
    """
    found: list[Snippet] = []
    section = ""
    for line, text, is_block in _parts(page.read_text()):
        if not is_block:
            section = text
        elif _is_python(text):
            found.append(Snippet(name_of(page), section, line, text))
        else:
            found += [Snippet(name_of(page), section, line + at, part) for at, part in _paragraphs(text)]
    return found


def readable(code: str) -> str:
    """Return Python whose ellipses, which stand for anything, are Python's own."""
    return code.replace("…", "...")


def _is_python(text: str) -> bool:
    try:
        ast.parse(readable(text))
    except SyntaxError:
        return False
    return True


def _parts(page: str) -> Iterator[tuple[int, str, bool]]:
    """Yield headings and blocks, each with its line and whether it is a block."""
    block: list[str] = []
    begun, is_fenced = 0, False
    for number, line in enumerate([*page.splitlines(), "end"], start=1):
        if line.startswith("```"):
            if is_fenced and block:
                yield begun, "\n".join(block).strip("\n"), True
            block, begun, is_fenced = [], number + 1, not is_fenced
        elif is_fenced:
            block.append(line)
        elif line.startswith("    ") or (block and not line.strip()):
            begun = begun if block else number
            block.append(line)
        else:
            if block:
                yield begun, textwrap.dedent("\n".join(block)).strip("\n"), True
                block = []
            if heading := re.match(r"#+ (.+)", line):
                yield number, heading[1], False


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield what stands between empty lines, with how many lines stand before it."""
    at = 0
    for paragraph in re.split(r"(\n\s*\n)", text):
        if paragraph.strip():
            yield at, paragraph
        at += paragraph.count("\n")
