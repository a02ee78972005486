"""What is decided of a trained model: kept in textgraft.json, and told in a section of its card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from textgraft.evaluation.promises import EarlyAnswer, Threshold
from textgraft.files import write_atomic
from textgraft.integrity import write_record
from textgraft.models.manifest import FORMAT, MANIFEST, read_manifest
from textgraft.models.shipped import own_folder

CARD = "README.md"
"""The model card, in a model directory."""


def with_section(card: str, title: str, text: str | None) -> str:
    """Return a card with a section, in place of one that has its title; None leaves none.

    Args:
        card: The card.
        title: As "## Answers without a person".
        text: What stands below it.
    """
    before, found, after = card.partition(f"{title}\n")
    if found:
        _, heading, rest = after.partition("\n## ")
        after = heading.lstrip("\n") + rest
    if text is None:
        return before.rstrip("\n") + "\n" + (f"\n{after}" if after else "")
    return f"{before.rstrip(chr(10))}\n\n{title}\n{text}\n" + (f"\n{after}" if after else "")


def keep_decision(
    path: Path,
    name: Literal["threshold", "early"],
    decided: Threshold | EarlyAnswer | None,
    *,
    title: str,
    text: str | None,
) -> None:
    """Write what was decided into a model directory, into its card too; None takes away what is there.

    Args:
        path: The model directory.
        name: Where it stands in textgraft.json.
        decided: As it is kept there.
        title: Of the section of the card.
        text: What the section says.

    Raises:
        ModelError: It is no model directory, or damaged.
        OptionError: The model comes with the package.
        OutputError: It cannot be written.
    """
    path = own_folder(path)
    manifest = read_manifest(path)
    write_record(path / MANIFEST, msgspec.structs.replace(manifest, format=FORMAT, **{name: decided}))
    card = path / CARD
    if card.is_file():
        write_atomic(card, with_section(card.read_text(), title, text))
