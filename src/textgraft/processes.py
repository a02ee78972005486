"""The other processes of a command under ``torchrun``, told by the environment, without loading torch."""

from __future__ import annotations

import os

from textgraft.errors import OptionError


def process_count() -> int:
    """Return how many processes run this command; one without ``torchrun``."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return whether this process is the one that writes and speaks for all."""
    return os.environ.get("RANK", "0") == "0"


def refuse_several_processes(name: str) -> None:
    """Refuse to run in several processes what would only be done several times over, into the same files.

    Args:
        name: Of the command.

    Raises:
        OptionError: There are several.
    """
    if process_count() > 1:
        raise OptionError(
            f"{name} runs in one process, and torchrun started {process_count()}",
            where="torchrun",
            fix=f"Run textgraft {name} by itself; train, pretrain and distill share their work.",
        )
