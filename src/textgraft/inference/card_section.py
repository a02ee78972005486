"""A section of a model card that is written anew whenever what it tells changes."""

from __future__ import annotations

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
