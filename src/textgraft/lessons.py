"""The tutorial's notebooks: which there are, where they lie, and copies of them to work in.

They stand in ``docs/tutorial`` of the repository; an installed package has them as ``textgraft/notebooks``.
What is told of a notebook stands in its own metadata, so that a further one is a further file.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from textgraft.errors import DamagedError
from textgraft.files import as_path, output_errors, refuse_to_replace, write_atomic


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """One notebook of the tutorial."""

    name: str
    """Of its file, as "01_recurrence.ipynb"."""
    title: str
    shows: str
    """What is done in it, in a sentence or two."""
    seconds: float
    """Of the whole notebook on one core of the machine that it was last run on."""
    needs: list[str]
    """Extras of textgraft that it takes."""
    path: Path
    """Where it lies."""


class _Told(msgspec.Struct):
    title: str
    shows: str
    seconds: float
    needs: list[str] = msgspec.field(default_factory=list)


class _Metadata(msgspec.Struct):
    textgraft: _Told


class _Notebook(msgspec.Struct):
    metadata: _Metadata


def lessons_folder() -> Path:
    """Return the folder with the notebooks.

    Raises:
        DamagedError: It is missing.
    """
    here = Path(__file__).parent
    folder = here / "notebooks"
    if not folder.is_dir():  # run from the sources, which have them among the documentation
        folder = here.parents[1] / "docs" / "tutorial"
    if not any(folder.glob("*.ipynb")):
        raise DamagedError(
            "the notebooks of the tutorial are not here",
            where=str(folder),
            fix="Install textgraft anew, or take them from docs/tutorial of its repository.",
        )
    return folder


def lessons() -> list[Lesson]:
    """Return the notebooks of the tutorial, in the order in which they are meant to be read.

    Raises:
        DamagedError: They are missing, or one cannot be read.
    """
    found = []
    for path in sorted(lessons_folder().glob("*.ipynb")):
        try:
            told = msgspec.json.decode(path.read_bytes(), type=_Notebook).metadata.textgraft
        except (OSError, msgspec.MsgspecError) as error:
            raise DamagedError(
                f"this is no notebook of the tutorial: {error}",
                where=str(path),
                fix="Install textgraft anew.",
            ) from error
        found.append(
            Lesson(
                name=path.name,
                title=told.title,
                shows=told.shows,
                seconds=told.seconds,
                needs=told.needs,
                path=path,
            )
        )
    return found


def copy_lessons(output: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write copies of all notebooks into a folder, which is made if it is missing.

    Args:
        output: The folder.
        overwrite: Whether notebooks of the same names that stand there may be replaced.

    Returns:
        The copies, in the order of :func:`lessons`.

    Raises:
        OutputError: One stands there already, or they cannot be written; nothing is written then.
        DamagedError: The notebooks are missing.
    """
    folder = as_path(output, "output")
    sources = [lesson.path for lesson in lessons()]
    targets = [folder / source.name for source in sources]
    for target in targets:
        refuse_to_replace(target, overwrite=overwrite)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for source, target in zip(sources, targets, strict=True):
        write_atomic(target, source.read_bytes())
    return targets
