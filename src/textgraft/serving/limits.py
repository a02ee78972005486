"""What a service takes, and what it holds at once."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from textgraft.settings import Checked, Seconds

Count = Annotated[int, Field(ge=1)]


class Limits(Checked):
    """Bounds of single requests and of all of them together; memory stays within them under any load."""

    kind: ClassVar[str] = "limit"

    max_body: Count = 4_000_000
    """Bytes of a request's body."""
    max_texts: Count = 1024
    """Texts of a request."""
    max_characters: Count = 400_000
    """Characters of a text, or token ids of one: it is refused before it is tokenized."""
    max_buffered: Count = 64_000_000
    """Bytes of all bodies that are held at a time."""
    max_queued_tokens: Count = 262_144
    """Tokens that wait for the model; when nothing waits, a request of any number is taken."""
    max_connections: Count = 1000
    """Requests under way at a time, those that only wait included."""
    batch_tokens: Count = 768
    """Padded tokens of a batch."""
    batch_texts: Count = 64
    """Texts of a batch."""
    window: Count = 512
    """Texts waiting longest that a batch is chosen from."""
    deadline: Seconds = 30.0
    """Seconds from a request's arrival to its answer."""
    body_deadline: Seconds = 10.0
    """Seconds for a request's head to arrive, for its body, and for something of an answer to be taken."""
    stop_deadline: Seconds = 30.0
    """Seconds that a stopping service gives to what it took."""
