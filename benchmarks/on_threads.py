"""What benchmarks ask that time their sides in turn on some threads."""

from __future__ import annotations

import argparse

import torch

from textgraft.processor import use_threads


def asking(description: str | None, threads: int = 1) -> argparse.ArgumentParser:
    """Return a parser that asks for ``--rounds`` and ``--threads``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=threads)
    return parser


def answers(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return what was answered, and have this process compute on so many threads."""
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    use_threads(arguments.threads)
    return arguments
