"""Keep Transformers from drawing progress bars across ours, for loads and saves that take milliseconds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def no_progress_bar() -> Iterator[None]:
    """Switch Transformers' progress bars off inside the block."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()
