"""From what the user chose to what every trial draws on: the same in any process that runs some of them."""

from __future__ import annotations

import functools

from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.comparison.preparing import Entrants, Material, Note, choose, read
from textgraft.comparison.settings import CompareSettings
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source


def choose_entrants(source: Source | Dataset, settings: CompareSettings, note: Note) -> Entrants:
    """Find the task, the contenders and what they begin with; no row is read yet.

    Args:
        source: The user's file or rows.
        settings: The user's choices.
        note: Told what was guessed, and who was left out.
    """
    return choose(
        source,
        settings,
        functools.partial(choose_contenders, settings.contenders),
        note,
        are_usual=settings.contenders is None,
    )


def read_material(
    source: Source | Dataset, entrants: Entrants, settings: CompareSettings, note: Note
) -> Material:
    """Read and split the user's rows, as :func:`~textgraft.comparison.preparing.read`.

    Args:
        source: The user's file or rows.
        entrants: Who will learn from them.
        settings: The user's choices.
        note: Told how the rows were read.
    """
    return read(source, entrants, settings, note, are_few=settings.shots is not None)
