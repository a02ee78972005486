"""What an encoder's own card says of it, read as data that may say anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textgraft.models.encoders import BUNDLED, BUNDLED_HUB_ID, EncoderSource

_CARD_BYTES = 1 << 18


def front_matter(source: EncoderSource) -> dict[str, Any]:
    """Return the front matter of the encoder's README.md; nothing where there is none that can be read."""
    import yaml

    try:
        with (source.path / "README.md").open("rb") as handle:
            text = handle.read(_CARD_BYTES).decode(errors="replace")
    except OSError:
        return {}
    opening, _, rest = text.partition("\n")
    front, closing, _ = rest.partition("\n---")
    if opening.strip() != "---" or not closing:
        return {}
    try:
        card = yaml.safe_load(front)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return card if isinstance(card, dict) else {}


def hub_id(source: EncoderSource) -> str | None:
    """Return the encoder's name on the Hub; None for a folder, which may be a copy of anything."""
    if source.name == BUNDLED:
        return BUNDLED_HUB_ID
    return None if Path(source.name).expanduser().is_dir() else source.name


def licence(source: EncoderSource) -> str | None:
    """Return the licence that the encoder's card names; None where it names none."""
    given = front_matter(source).get("license")
    return given.strip()[:80] if isinstance(given, str) and given.strip() else None
