"""Which task a file is for, where its form, its columns and its first rows make that plain.

Every task in the registry is asked; the one for which most speaks is taken (see
:class:`~textgraft.tasks.sketch.Evidence`). What the user names decides: a task that would read other columns
steps back. Without names the plain reading, one text and one label, wins over one that the names of other
columns suggest.
"""

from __future__ import annotations

from collections.abc import Sequence

from textgraft.data.columns import as_tuple
from textgraft.data.formats.given import Source
from textgraft.tasks.registry import TASKS, task_class
from textgraft.tasks.sketch import Guess, Sketch


def guess_task(
    source: Source,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
) -> Guess:
    """Guess the task of a file from its form, its columns and its first rows.

    Args:
        source: A path or Hub name.
        text: The text columns, where the user named them.
        label: The label columns, where the user named them.

    Raises:
        DataError: The file is missing, empty, damaged or of an unknown format.
        MissingExtraError: A Hub name is given and ``datasets`` is not installed.
    """
    sketch = Sketch(source, as_tuple(text), as_tuple(label))
    guesses = [guess for name in TASKS if (guess := task_class(name).recognise(sketch)) is not None]
    if not guesses:
        return Guess("classification", "nothing speaks for another task")
    return max(guesses, key=lambda guess: guess.evidence)
