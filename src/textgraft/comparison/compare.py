"""Compare contenders on one data set: plan, run what is missing, judge, report, hand over the winner."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from textgraft.comparison.contenders.recurrent import word_table_note
from textgraft.comparison.contenders.registry import (
    choose_contenders,
    needed_language_model,
    with_encoder,
    with_vectors,
)
from textgraft.comparison.judging.judge import check_test_targets
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.trials import TestSet, save_struct
from textgraft.comparison.records.verdict import Comparison
from textgraft.comparison.running.progress import Reporter, SilentReporter
from textgraft.comparison.running.run import Request, Run
from textgraft.data.check import DataCheck, check_dataset
from textgraft.data.dataset import Dataset
from textgraft.data.splits import Splits
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.errors import OptionError
from textgraft.files import content_hash, locked, output_errors, write_atomic
from textgraft.models.encoder_languages import encoder_warning
from textgraft.models.encoders import EncoderSource, encoder_max_length
from textgraft.tasks.base import Task
from textgraft.tasks.reading import named_task, read_splits

EXCERPT = 600


def compare(
    source: str | Path | Dataset,
    *,
    task: str | None = None,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    test: str | Path | None = None,
    dev: str | Path | None = None,
    id_column: str | None = None,
    group: str | None = None,
    merge_labels: bool = False,
    contenders: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    seeds: int = 3,
    tuning: int = 3,
    encoder: str = "bundled",
    revision: str | None = None,
    max_length: int | None = None,
    freeze_layers: int = 0,
    vectors: str | Path | None = None,
    language_model: str | Path | None = None,
    budget: float | None = None,
    output: str | Path | None = None,
    preferences: Preferences | None = None,
    reporter: Reporter | None = None,
) -> Comparison:
    """Measure on the user's own labelled text which generation of NLP it needs.

    The same call goes on where an earlier one was stopped: finished trials are never run again.

    Args:
        source: A CSV, TSV, JSON Lines or Parquet file, the Hub name of a data set, or a Dataset; for tasks
            other than those of tables the files that their ``read`` takes.
        task: Name of the task; guessed from the file where it is left out.
        text: Name of the text column, or of several; guessed from common names if left out.
        label: Name of the label column; likewise.
        test: A file of the user's own test rows; otherwise a fifth of the rows is set aside, fixed by hash.
        dev: A file of the user's own dev rows.
        id_column: Column that names rows.
        group: Column whose equal values never straddle splits, as an author or a document.
        merge_labels: Whether labels that differ in spelling alone, as Food and food, are one label.
        contenders: Names of contenders; the task's usual ones if left out.
        sizes: Training sizes; 100, 300, 1000, … and all rows if left out.
        seeds: Runs a size, each with its own training rows and random weights.
        tuning: Settings each contender may try on the dev rows, the same number for all.
        encoder: "bundled", a local directory or a Hub id.
        revision: Of a Hub id.
        max_length: Tokens a text is cut to; each contender's own limit if left out.
        freeze_layers: Lower layers of the encoder that fine-tuning leaves as they are; what they compute is
            then computed once. None of them: every layer is trained.
        vectors: File of word vectors that the recurrent contenders begin with.
        language_model: Folder of a recurrent language model, for contenders that begin with one.
        budget: Seconds that everything may take.
        output: Folder of the comparison; ``runs/<name>-<hash of the data>`` if left out.
        preferences: Limits on latency and size, and what to prefer. They change the pick, not the figures.
        reporter: Told what goes on; silent if left out.

    Returns:
        The verdict, the trials and the winner.

    Raises:
        DataError: The rows cannot be read or learned from.
        OptionError: An option is unknown or out of range, or the output folder holds other data.
        ModelError: The encoder is missing or damaged.
        MissingExtraError: A contender is named that needs the bundled encoder, which is not installed.
        OutputError: The output folder cannot be written.
    """
    started = time.perf_counter()
    reporter = reporter or SilentReporter()
    kind = named_task(task, source, reporter.note, text=text, label=label)
    vector_source = VectorSource.of(vectors) if vectors else None
    chosen = with_vectors(choose_contenders(contenders, kind.name), vector_source)
    language_model_source = needed_language_model(chosen, language_model)
    chosen, encoder_source = with_encoder(
        chosen, encoder, revision, spare=reporter.note if contenders is None else None
    )
    request = Request(
        kind.name,
        tuple(contender.name for contender in chosen),
        tuple(sorted(set(sizes))) if sizes else None,
        seeds,
        tuning,
        encoder,
        max_length,
        freeze_layers,
        vector_source.name if vector_source else None,
        str(language_model) if language_model else None,
        budget,
    )
    request.check()
    preferences = preferences or Preferences()
    preferences.check(request.contenders)
    splits, whole = read_splits(
        kind,
        source,
        text=text,
        label=label,
        id_column=id_column,
        group=group,
        test=test,
        dev=dev,
        merge_labels=merge_labels,
    )
    fitted = kind.fitted_to(splits.train)
    check_test_targets(fitted, fitted.targets(splits.test))
    check = check_dataset(
        whole,
        splits,
        _token_counters(encoder_source, max_length),
        functools.partial(encoder_warning, encoder_source) if encoder_source else None,
    )
    wanted = _sizes(request.sizes, splits, reporter)
    data_hash = content_hash([splits.train.hash, splits.dev.hash, splits.test.hash])
    folder = Path(output) if output else Path("runs") / f"{_stem(whole.source)}-{data_hash[:6]}"
    reporter.data(check, folder)
    with _exclusive(folder):
        _own(folder, data_hash, splits)
        test_set = _test_set(splits, check, fitted)
        save_struct(folder / "data.json", test_set)
        _save_rejected(folder / "rejected.jsonl", [whole, splits.dev, splits.test])
        if vector_source is not None:
            reporter.note(word_table_note(splits.train, vector_source))
        run = Run(
            folder,
            request,
            chosen,
            splits,
            fitted,
            encoder_source,
            vector_source,
            language_model_source,
            data_hash,
            reporter,
            started,
        )
        plan = run.plan(wanted)
        run.trials(plan, wanted)
        return run.conclude(test_set, preferences)


def _stem(source: str) -> str:
    return Path(source).stem.split(":")[-1] or "comparison"


def _sizes(wanted: tuple[int, ...] | None, splits: Splits, reporter: Reporter) -> list[int]:
    from textgraft.comparison.running.planning import default_sizes

    rows = len(splits.train)
    if wanted is None:
        return default_sizes(rows)
    if min(wanted) > rows:
        raise OptionError(
            f"the smallest size is {min(wanted):,}, but only {rows:,} rows are left to train on",
            where="--sizes",
            fix=f"Give sizes up to {rows:,}: dev and test rows are set aside first.",
        )
    if max(wanted) > rows:
        reporter.note(f"sizes above the {rows:,} training rows are taken as {rows:,}")
    return sorted({min(size, rows) for size in wanted})


def _token_counters(source: EncoderSource | None, max_length: int | None) -> dict[str, Any]:
    """Count tokens as the contenders will, for the share that a length limit cuts off."""
    if source is None:
        return {}
    from tokenizers import Tokenizer

    from textgraft.tokenization.encode import token_ids

    file = source.path / "tokenizer.json"
    if not file.is_file():
        return {}
    tokenizer = Tokenizer.from_file(str(file))
    limit = max_length or encoder_max_length(source)
    return {f"BERT ({source.name})": (lambda texts: token_ids(tokenizer, texts, limit).lengths, limit)}


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Make the folder, and keep a second run out of it."""
    with output_errors(folder):
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        stack = contextlib.ExitStack()
        try:
            stack.enter_context(locked(folder / ".lock", wait=False))
        except TimeoutError as error:
            raise OptionError(
                "another comparison is running in this folder",
                where=str(folder),
                fix="Wait for it, or choose another --output.",
            ) from error
    with stack:
        yield


def _own(folder: Path, data_hash: str, splits: Splits) -> None:
    """Refuse a folder that holds a comparison of other data."""
    plan = folder / "plan.json"
    if plan.is_file():
        held = json.loads(plan.read_text()).get("data_hash")
        if held != data_hash:
            raise OptionError(
                "this folder holds a comparison of other rows: the file, its columns or its splits changed",
                where=str(folder),
                fix="Choose another --output (finished trials of the old rows stay valid for the old rows).",
            )


def _test_set(splits: Splits, check: DataCheck, task: Task) -> TestSet:
    return TestSet(
        task=task.name,
        task_settings=task.settings(),
        labels=list(task.labels),
        gold=task.targets(splits.test),
        test_texts=[text[:EXCERPT] for text in task.shown(splits.test)],
        test_ids=splits.test.ids,
        leaked=check.leaked,
        train_rows=len(splits.train),
        dev_rows=len(splits.dev),
        check=check.to_dict(),
    )


def _save_rejected(path: Path, datasets: Sequence[Dataset]) -> None:
    """Write the rows that cannot be used, of all files, with their lines and reasons."""
    lines = (
        msgspec.json.encode(
            {"source": dataset.source, "line": row.line, "reason": row.reason, "excerpt": row.excerpt}
        )
        for dataset in datasets
        for row in dataset.rejected
    )
    write_atomic(path, b"".join(line + b"\n" for line in lines))
