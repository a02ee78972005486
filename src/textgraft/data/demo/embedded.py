"""Real labelled text that every machine has: the docstrings of Python's standard library.

Each text is one docstring, its label the chapter of the Library Reference that describes its module. The
sources of the running interpreter are parsed, never imported, so the data is the same on every machine with
the same version of Python.

What would give the label away is taken out: doctests, signatures, markup, dotted names, and the names of the
docstring's own module and packages, in any letter case ("TarFile" goes with "tarfile"). What a text is about
stays in it.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import inspect
import itertools
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from textgraft.data.dataset import Dataset
from textgraft.data.demo.chapters import CHAPTERS
from textgraft.errors import DataError

LONGEST_TEXT = 200
"""Characters that are kept of a docstring, at the end of a word; at most its first two paragraphs."""
SHORTEST_TEXT = 6
"""Words that a text needs, once it is cleaned."""
LARGEST_CHAPTER = 200
"""Of larger chapters so many docstrings are kept, chosen by hash."""
SHORT_CHAPTER, SHORT_TEXT = 80, 100
"""The same of a demonstration, and the characters that it keeps of a text: all contenders have time for their
curves then on a slow laptop, too."""

_TESTS = frozenset(("test", "tests", "__pycache__"))
_DOCTEST = re.compile(r"^[ \t]*>>> .*", re.MULTILINE | re.DOTALL)
_SIGNATURE = re.compile(r"^\s*[\w.]+\([^\n]*\)(\s*->[^\n]*)?\s*$", re.MULTILINE)
_FIELD_OR_DIRECTIVE = re.compile(r"^\s*(:\w[^:\n]*:|\.\. [\w-]+::)[^\n]*$", re.MULTILINE)
_ROLE = re.compile(r":[\w:]+:`~?")
_QUOTED_NAME = re.compile(r"`(\w+)'")
_MARKUP = re.compile(r"`+|\*+(?=\w)|(?<=\w)\*+|[=~-]{3,}")
_DOTTED_NAME = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b(?:\(\))?")


_Found = TypeVar("_Found")


class _Docstring(NamedTuple):
    name: str
    """Dotted name of the object."""
    chapter: str
    text: str

    @property
    def rank(self) -> bytes:
        return hashlib.sha256(self.name.encode()).digest()


def demo_dataset() -> Dataset:
    """Return the docstrings that a demonstration compares on, fewer of them and shorter."""
    return docstrings_dataset(SHORT_CHAPTER, SHORT_TEXT)


def docstrings_dataset(largest_chapter: int = LARGEST_CHAPTER, longest_text: int = LONGEST_TEXT) -> Dataset:
    """Return the docstrings of the standard library, labelled by chapter.

    Docstrings with fewer than :data:`SHORTEST_TEXT` words are left out, and so is every text that stands
    under two chapters; of a text that stands twice under one the first is kept.

    Args:
        largest_chapter: Most docstrings of a chapter.
        longest_text: Most characters of a text.

    Raises:
        DataError: This interpreter comes without the sources of its library.
    """
    root = Path(sysconfig.get_path("stdlib"))
    found: dict[str, _Docstring] = {}
    ambiguous: set[str] = set()
    for docstring in _uncollected(_docstrings(root, longest_text)):
        first = found.setdefault(docstring.text.lower(), docstring)
        if first.chapter != docstring.chapter:
            ambiguous.add(docstring.text.lower())
    kept: list[_Docstring] = []
    counts: Counter[str] = Counter()
    for docstring in sorted(found.values(), key=lambda row: row.rank):
        counts[docstring.chapter] += 1
        if docstring.text.lower() not in ambiguous and counts[docstring.chapter] <= largest_chapter:
            kept.append(docstring)
    if not kept:
        raise _no_sources(root)
    return Dataset(
        columns={"docstring": [row.text for row in kept]},
        labels=[row.chapter for row in kept],
        ids=[row.name for row in kept],
        lines=list(range(1, len(kept) + 1)),
        source="python-docstrings",
        label_column="chapter",
        id_column="object",
    )


def library_texts() -> list[str]:
    """Return all that Python says of itself: its library's docstrings, and the manual of the language.

    Raw text to learn words and language from, about 200,000 words: docstrings whole and as they are written,
    of the modules of :data:`~textgraft.data.demo.chapters.CHAPTERS`, and the paragraphs of what ``help()``
    knows of keywords and operators. White space is made even; a text that stands twice is taken once.

    Raises:
        DataError: This interpreter comes without the sources of its library.
    """
    root = Path(sysconfig.get_path("stdlib"))
    try:
        from pydoc_data.topics import topics
    except ImportError as error:  # some distributions have it in a package of its own
        raise _no_sources(root) from error
    objects = (_objects(path, ".".join(parts)) for _, path, parts in _sources(root))
    found = [text for _, text in _uncollected(itertools.chain.from_iterable(objects))]
    if not found:
        raise _no_sources(root)
    found += [part for topic in topics.values() for part in re.split(r"\n\s*\n", topic)]
    return list(dict.fromkeys(" ".join(text.split()) for text in found if len(text.split()) >= SHORTEST_TEXT))


def _uncollected(found: Iterable[_Found]) -> list[_Found]:
    """List what is found in sources while Python looks for no cycles: half of the parsing is that."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return list(found)
    finally:
        if was_on:
            gc.enable()


def _no_sources(root: Path) -> DataError:
    return DataError(
        "the sources of the standard library are not here",
        where=str(root),
        fix="Use a Python that comes with them, or a data file of your own.",
    )


def _sources(root: Path) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    """Yield the files of all chapters, with their chapter and the parts of their modules' names."""
    for chapter, modules in CHAPTERS.items():
        for module in modules:
            for path in [root / f"{module}.py", *sorted((root / module).rglob("*.py"))]:
                parts = path.relative_to(root).with_suffix("").parts
                if path.is_file() and not _TESTS & set(parts):
                    yield chapter, path, parts


def _docstrings(root: Path, longest_text: int) -> Iterator[_Docstring]:
    """Yield every usable docstring, cleaned; each name once."""
    seen: set[str] = set()
    for chapter, path, parts in _sources(root):
        own_names = _own_names(parts)
        for name, raw in _objects(path, ".".join(parts).removesuffix(".__init__")):
            text = clean_docstring(raw, own_names, longest_text)
            if name not in seen and len(text.split()) >= SHORTEST_TEXT:
                seen.add(name)
                yield _Docstring(name, chapter, text)


def _objects(path: Path, module: str) -> Iterator[tuple[str, str]]:
    """Yield dotted name and docstring of a module and of its classes, functions and methods."""
    pending: list[tuple[str, ast.AST]] = [(module, ast.parse(path.read_bytes()))]
    while pending:
        name, node = pending.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield name, docstring
        for child in ast.iter_child_nodes(node):
            inner = getattr(child, "name", None)
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                pending.append((f"{name}.{inner}", child))
            elif isinstance(child, ast.If | ast.Try):
                pending.append((name, child))


def _own_names(parts: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of the words that name the module itself or a package it is in."""
    # The sources of "decimal" and "io" are in "_pydecimal" and "_pyio".
    names = {re.sub(r"^_+(py)?_*|_+$", "", part).lower() for part in parts} - {"init", "main"}
    return re.compile(rf"\b_*(?:{'|'.join(sorted(names))})_*\b", re.IGNORECASE)


def clean_docstring(docstring: str, own_names: re.Pattern[str], longest_text: int = LONGEST_TEXT) -> str:
    """Return the beginning of a docstring as plain prose, without what names its module."""
    prose = _DOCTEST.sub("", inspect.cleandoc(docstring))
    for pattern in (_SIGNATURE, _FIELD_OR_DIRECTIVE, _ROLE, _DOTTED_NAME):
        prose = pattern.sub(" ", prose)
    prose = _MARKUP.sub("", _QUOTED_NAME.sub(r"\1", prose))
    prose = own_names.sub(" ", prose)
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", prose)]
    text = " ".join([paragraph for paragraph in paragraphs if paragraph][:2])
    text = re.sub(r"\s+([.,;:!?)])", r"\1", text).lstrip(" .,;:-")
    if len(text) > longest_text:
        text = text[: longest_text + 1].rpartition(" ")[0]
    return text
