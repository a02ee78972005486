"""What ``encode`` and ``predict`` do alike in shards: which options ask for it, and what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textgraft.cli.standard_input import is_piped
from textgraft.cli.surface import give
from textgraft.files import STANDARD_INPUT
from textgraft.terminal import open_console
from textgraft.wording import counted

if TYPE_CHECKING:
    from textgraft.inference.shards.run import ShardedWork


def in_shards(
    output: Path, jobs: int | None, ray: str | None, share: str | None, shard_rows: int | None
) -> bool:
    """Return whether shards are asked for: by an option, or by an output without an ending."""
    return not output.suffix or any(given is not None for given in (jobs, ray, share, shard_rows))


def show_shards(source: str, work: ShardedWork, jobs: int | None, ray: str | None, share: str | None) -> None:
    """Do work in shards, with a bar, and say what became of it.

    Args:
        source: The file.
        work: What.
        jobs: How many shards at a time.
        ray: Address of a cluster.
        share: Which of the shards, as "3/100"; None: all.

    Raises:
        OptionError: The file is standard input.
    """
    from dataclasses import asdict

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from textgraft.errors import OptionError
    from textgraft.executors.open import open_executor
    from textgraft.inference.shards.run import check_shards, parse_share, run_shards
    from textgraft.wording import duration

    if is_piped(source):
        raise OptionError(
            "shards are of a file, which stays where it is", where=STANDARD_INPUT, fix="Write a file first."
        )
    own = parse_share(share)
    check_shards(work)
    console = open_console(stderr=True)
    with (
        open_executor(jobs, ray) as executor,
        Progress(
            TextColumn(f"{work.command} rows"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as progress,
    ):
        bar = progress.add_task("", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        found = run_shards(work, executor, own, on_progress)
    by = f" by {found.note}" if found.note else ""
    console.print(
        f"{counted(found.rows, 'row')} → {work.output} ({counted(found.shards, 'shard')}, {found.computed:,} "
        f"computed) in {duration(found.seconds)}{by}",
        soft_wrap=True,
    )
    if share is not None:
        console.print(
            f"shards that are left: {found.left:,}; when all shares have run, the same command without "
            "--share puts them together"
        )
    if found.empty:
        console.print(f"{counted(found.empty, 'row')} without text, encoded as an empty string is")
    if found.unusable and not found.left and share is None:
        console.print(
            f"{counted(found.unusable, 'row')} cannot be used; with reasons: {work.rejected}", soft_wrap=True
        )
    if found.truncated_fraction:
        console.print(f"{found.truncated_fraction:.1%} of all tokens lie beyond the length limit")
    give({"output": work.output, **asdict(found), "truncated_fraction": found.truncated_fraction})
