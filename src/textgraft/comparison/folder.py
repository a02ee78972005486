"""The folder of a comparison: named after data and request, used by one process, belonging to one request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from textgraft.comparison.records.plan import ComparisonPlan, Request, has_plan, load_plan
from textgraft.comparison.records.verdict import has_verdict
from textgraft.errors import ModelError, OptionError
from textgraft.files import STANDARD_INPUT, locked, output_errors

_HOME = Path("runs")
_RESULTS = ("comparison.json", "report.html", "best")
"""What the user may want to keep of a finished comparison."""


def usual_folder(source: str, request: Request, data_hash: str, *, add: bool) -> Path:
    """Return where a comparison goes if the user names no folder.

    Args:
        source: The user's file.
        request: What is asked for.
        data_hash: Hash of the rows.
        add: Whether it goes into a folder that holds a comparison of the same rows.

    Raises:
        OptionError: It is to be added, and there is no such folder, or more than one.
    """
    stem = Path(source).stem.split(":")[-1] or "comparison"
    stem = "standard-input" if source == STANDARD_INPUT else stem
    if not add:
        return _HOME / f"{stem}-{request.hash_on(data_hash)[:6]}"
    known = [folder for folder in sorted(_HOME.glob(f"{stem}-*")) if _holds_rows(folder, data_hash)]
    if len(known) != 1:
        found = ", ".join(map(str, known)) if known else f"none in {_HOME / stem}-*"
        raise OptionError(
            f"there is not one comparison of these rows to add to, but {found}",
            where="--add",
            fix="Name its folder with --output, or leave --add out.",
        )
    return known[0]


def _holds_rows(folder: Path, data_hash: str) -> bool:
    try:
        return has_plan(folder) and load_plan(folder).data_hash == data_hash
    except ModelError:
        return False


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Make the folder, and keep a second run out of it.

    Raises:
        OptionError: Another process runs a comparison there.
        OutputError: The folder cannot be written.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stack = contextlib.ExitStack()
        try:
            stack.enter_context(locked(folder / ".lock", wait=False))
        except TimeoutError as error:
            raise OptionError(
                "another comparison is running in this folder",
                where=str(folder),
                fix="Wait for it, or choose another --output.",
            ) from error
    with stack:
        yield


def claim(folder: Path, request: Request, data_hash: str, *, add: bool) -> ComparisonPlan | None:
    """Make sure that the folder is this request's, so that nothing is replaced unasked.

    Trials are kept by their identity, so a comparison that was not finished can go on with other choices; a
    finished one keeps its verdict, its report and its winner unless the user says otherwise.

    Args:
        folder: Of the comparison.
        request: What is asked for.
        data_hash: Hash of the rows.
        add: Whether the user says that it may follow another request there.

    Returns:
        The plan of an earlier run of this very request; None where there is none.

    Raises:
        OptionError: The folder is another comparison's, or holds files of another kind.
        ModelError: What it holds cannot be read.
    """
    if not has_plan(folder):
        taken = [name for name in (*_RESULTS, "data.json") if (folder / name).exists()]
        if taken and not add:
            raise OptionError(
                f"{taken[0]} stands in this folder, and nothing is replaced unasked",
                where=str(folder),
                fix="Choose another --output, or say --add if it was made by textgraft compare.",
            )
        return None
    held = load_plan(folder)
    if held.data_hash != data_hash:
        raise OptionError(
            "this folder holds a comparison of other rows: the file, its columns or its splits changed",
            where=str(folder),
            fix="Choose another --output (finished trials of the old rows stay valid for the old rows).",
        )
    if held.request == request:
        return held
    if has_verdict(folder) and held.is_finished and not add:
        raise OptionError(
            "this folder holds a finished comparison with other options",
            where=str(folder),
            fix="Choose another --output, or say --add: finished trials are then used again, and verdict, "
            "report and best/ become those of the new options.",
        )
    return None
