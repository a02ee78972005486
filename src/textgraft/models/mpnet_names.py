"""What an MPNet calls as no BERT does, which Transformers and we read as a BERT or a RoBERTa with a bias."""

from __future__ import annotations

_NAMES = {
    ".attention.attn.q.": ".attention.self.query.",
    ".attention.attn.k.": ".attention.self.key.",
    ".attention.attn.v.": ".attention.self.value.",
    ".attention.attn.o.": ".attention.output.dense.",
    ".attention.LayerNorm.": ".attention.output.LayerNorm.",
}
BEFORE_FIRST_PLACE = 1
"""MPNet numbers places from the one after this, whatever its padding; a RoBERTa from that after its own."""


def as_berts(name: str) -> str:
    """Return what BERT calls a weight of an MPNet."""
    for own, other in _NAMES.items():
        name = name.replace(own, other)
    return name
