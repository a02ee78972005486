"""A file worked on in shards: rows set out once, shards computed where they are missing, and put together.

Everything that is computed lies in a file of its own, which appears whole and is then noted as done. So any
number of processes, here or on other machines, at the same time or one after the other, may work on the same
folder: what one has finished no other computes, and what two have computed at once is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from textgraft._version import __version__
from textgraft.data.dataset import Dataset
from textgraft.errors import DataError, OptionError, OutputError
from textgraft.executors.base import Done, Executor, Job, run_jobs
from textgraft.files import check_output, content_hash, locked, refuse_to_replace, remove_folder
from textgraft.inference.engines.open import FEWEST_CALIBRATION_BATCHES
from textgraft.inference.shards.joining import REJECTED, conclude, join, write_rejected
from textgraft.inference.shards.records import MANIFEST, Manifest, ShardDone, ShardFolder
from textgraft.inference.shards.writing import ShardOrder

SHARD_ROWS = 10_000
"""Rows of a shard: some seconds to a minute of work, little to lose with a process that is lost."""
FOLDER_FORM = ".parquet"
"""Of the shards of a folder."""
FOLDER_ENDING = ".shards"
"""Of the folder beside a file in which its shards are until they are put together."""


@dataclass(frozen=True)
class ShardedWork:
    """What is computed, and of which rows.

    Args:
        command: "encode" or "predict".
        function: What computes a shard, as :class:`~textgraft.executors.base.Job` names it.
        choices: By which the model or encoder is opened; its ``identity`` is among them.
        source: The file.
        parts: Reads it, part by part.
        output: A file, or a folder for the shards themselves.
        forms: Endings of the files that can be written.
        shard_rows: Rows of the source in a shard.
        overwrite: Whether what stands at ``output`` may be replaced.
    """

    command: str
    function: str
    choices: dict[str, Any]
    source: str
    parts: Callable[[int], Iterator[Dataset]]
    output: Path
    forms: Sequence[str]
    shard_rows: int = SHARD_ROWS
    overwrite: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether the shards themselves are the result."""
        return is_folder(self.output)

    @property
    def folder(self) -> ShardFolder:
        """Where the shards are."""
        if self.is_folder:
            return ShardFolder(self.output, FOLDER_FORM)
        beside = self.output.with_name(self.output.name + FOLDER_ENDING)
        return ShardFolder(beside, self.output.suffix.lower())

    @property
    def rejected(self) -> Path:
        """Where the rows are listed that could not be used."""
        if self.is_folder:
            return self.output / REJECTED
        return self.output.with_name(f"{self.output.name}.{REJECTED}")

    @property
    def identity(self) -> str:
        """The hash of all that the shards depend on."""
        path = Path(self.source)
        stamp = [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else []
        # Where the file and the model lie is no part of it.
        choices = {name: value for name, value in self.choices.items() if name not in ("model", "encoder")}
        facts = [self.command, choices, path.name, stamp, self.shard_rows, __version__]
        return content_hash([*facts, self.folder.form])


@dataclass(frozen=True)
class ShardsSummary:
    """What became of the shards."""

    shards: int
    computed: int
    """Shards that this run computed."""
    left: int
    """Shards that are still to be computed, by other shares."""
    rows: int
    """Of the finished ones."""
    empty: int
    unusable: int
    tokens: int
    lost: int
    """Of the tokens, those beyond what is read."""
    width: int
    seconds: float
    note: str
    """What computed, in which precision."""

    @property
    def truncated_fraction(self) -> float:
        """Share of all tokens that lie beyond what is read, 0 to 1."""
        return self.lost / self.tokens if self.tokens else 0.0


def is_folder(output: Path) -> bool:
    """Return whether an output is a folder of shards: one without an ending is."""
    return not output.suffix


def parse_share(given: str | None) -> tuple[int, int]:
    """Read "3/100" as the third of a hundred equal shares of the shards; None is all of them.

    Returns:
        Which one, from 1, and of how many.

    Raises:
        OptionError: It is nothing of the kind.
    """
    if given is None:
        return 1, 1
    first, slash, second = given.partition("/")
    if not slash or not first.strip().isdecimal() or not second.strip().isdecimal():
        raise OptionError(f"{given!r} is no share", where="--share", fix="Write --share 3/100.")
    own, of = int(first), int(second)
    if not 1 <= own <= of:
        raise OptionError(
            f"there is no share {own} of {of}", where="--share", fix=f"Shares count from 1 to {max(of, 1)}."
        )
    return own, of


def check_shards(work: ShardedWork) -> None:
    """Refuse, before any work is done, what cannot be written or would replace something unasked.

    Raises:
        OptionError: The output has another ending.
        OutputError: Something stands there that is not of this very work.
    """
    folder = work.folder
    if work.is_folder:
        if not folder.path.parent.is_dir():
            raise OutputError(
                "there is no such folder", where=str(folder.path.parent), fix="Make it, or choose another."
            )
    else:
        check_output(work.output, work.forms, overwrite=work.overwrite)
        refuse_to_replace(work.rejected, overwrite=work.overwrite)
    found = folder.manifest()
    if found is None:
        # Without a manifest nothing was computed: rows may have been set out, when that was stopped.
        if folder.path.is_dir() and any(entry.name not in _OURS for entry in folder.path.iterdir()):
            refuse_to_replace(folder.path, overwrite=work.overwrite, mark=MANIFEST)
    elif found.identity != work.identity and not work.overwrite:
        raise OutputError(
            "the shards there are of other rows, of another model or of other options",
            where=str(folder.path),
            fix="Choose another --output, or say --overwrite.",
        )


_OURS = ("work", ".lock")
"""What may stand in a folder before its manifest does."""


def run_shards(
    work: ShardedWork,
    executor: Executor,
    share: tuple[int, int] = (1, 1),
    on_progress: Callable[[int, int], None] | None = None,
) -> ShardsSummary:
    """Compute the shards of a file that are missing, and put all together once they are there.

    Args:
        work: What and of which rows.
        executor: Who computes.
        share: Of the shards, only every so-manieth from that one on; the others are left to other calls.
        on_progress: Called with the rows that are finished, and all rows.

    Raises:
        DataError: The file cannot be read.
        OutputError: Something cannot be written.
        TextgraftError: As for :func:`~textgraft.executors.base.run_jobs`.
    """
    start = time.perf_counter()
    folder = work.folder
    manifest = _set_out(work, folder)
    if manifest.is_finished:
        return _summary(manifest, manifest.shards, 0, start)
    own, of = share
    mine = [number for number in range(len(manifest.rows)) if number % of == own - 1]
    finished = {number: done for number in mine if (done := folder.done(number)) is not None}
    total = sum(manifest.rows[number] for number in mine)
    known = sum(manifest.rows[number] for number in finished)
    computed = 0

    def on_done(done: Done) -> None:
        nonlocal known, computed
        found = msgspec.msgpack.decode(done.result, type=ShardDone)
        computed += 1
        known += manifest.rows[found.number]
        if on_progress:
            on_progress(known, total)

    if on_progress:
        on_progress(known, total)
    is_enough = len(manifest.calibration) >= FEWEST_CALIBRATION_BATCHES  # or every process takes its own
    choices = {**work.choices, "calibration": manifest.calibration} if is_enough else work.choices
    run_jobs(executor, _jobs(work, choices, [one for one in mine if one not in finished]), on_done)
    shards = [done for number in range(len(manifest.rows)) if (done := folder.done(number)) is not None]
    if len(shards) == len(manifest.rows) and of == 1:
        write_rejected(work.rejected, shards, overwrite=work.overwrite)
        if work.is_folder:
            conclude(folder, manifest, shards)
        else:
            join(folder, shards, work.output)
    return _summary(manifest, shards, computed, start)


def _jobs(work: ShardedWork, choices: dict[str, Any], numbers: Sequence[int]) -> Iterator[Job]:
    """Make the jobs of shards, each when it is its turn."""
    folder = work.folder
    for number in numbers:
        order = ShardOrder(
            folder=str(folder.path.resolve()), form=folder.form, number=number, choices=choices
        )
        yield Job(f"shard {number + 1}", work.function, msgspec.msgpack.encode(order))


def _set_out(work: ShardedWork, folder: ShardFolder) -> Manifest:
    """Read the file and keep the rows of every shard, unless that was done; of several calls one does it."""
    found = folder.manifest()
    if found is not None and found.identity == work.identity:
        return found
    if found is not None:
        remove_folder(folder.path)
    folder.make()
    with locked(folder.path / ".lock"):
        if (found := folder.manifest()) is not None:
            return found
        rows, unusable, calibration = [], [], []
        for number, part in enumerate(work.parts(work.shard_rows)):
            folder.stage(number, part)
            rows.append(len(part))
            unusable.append(len(part.rejected))
            if number == 0 and work.choices.get("precision") == "int8":
                calibration = list(dict.fromkeys(part.texts))[:CALIBRATION_TEXTS]
        if not rows:
            raise DataError(
                "the file has no rows", where=work.source, fix="Check that it was written to the end."
            )
        manifest = Manifest(
            command=work.command,
            identity=work.identity,
            source=Path(work.source).name,
            form=folder.form,
            shard_rows=work.shard_rows,
            rows=rows,
            unusable=unusable,
            calibration=calibration,
        )
        folder.settle()
        folder.save(manifest)
        return manifest


CALIBRATION_TEXTS = 1000
"""Of the first shard, for an encoder in int8: the same in every process."""


def _summary(manifest: Manifest, shards: Sequence[ShardDone], computed: int, start: float) -> ShardsSummary:
    return ShardsSummary(
        shards=len(manifest.rows),
        computed=computed,
        left=len(manifest.rows) - len(shards),
        rows=sum(done.rows for done in shards),
        empty=sum(done.empty for done in shards),
        unusable=sum(manifest.unusable),
        tokens=sum(done.tokens for done in shards),
        lost=sum(done.lost for done in shards),
        width=max((done.width for done in shards), default=0),
        seconds=time.perf_counter() - start,
        note=next((done.note for done in shards if done.note), ""),
    )
