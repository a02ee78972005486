"""Look at labelled rows before any training: what is wrong with them, and what would make scores too good."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgraft.data.check import DataCheck, EncoderCheck, check_dataset
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, Source, as_source
from textgraft.data.languages import sample
from textgraft.data.splits import make_splits
from textgraft.errors import DataError, MissingExtraError
from textgraft.files import as_path, refuse_to_replace, write_json
from textgraft.models.encoder_languages import encoder_warning
from textgraft.models.encoders import BUNDLED, resolve_encoder
from textgraft.settings import flag
from textgraft.tasks.named import RowSettings
from textgraft.tasks.reading import named_task, read_files


def check(
    source: Rows,
    labels: Iterable[Any] | None = None,
    *,
    task: str | None = None,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    test: Rows | None = None,
    dev: Rows | None = None,
    id_column: str | None = None,
    group: str | None = None,
    merge_labels: bool = False,
    offsets: str = "characters",
    encoder: str | Path = BUNDLED,
    revision: str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> DataCheck:
    """Check labelled rows: duplicates, leaks, contradictions, rare labels, encodings, languages.

    Args:
        source: A file of the task, a Hub name, a DataFrame of pandas or Polars, an Arrow table, a
            ``datasets.Dataset``, a list of dicts, or a list of texts with ``labels``.
        labels: The label of each row, where no column holds it.
        task: Name of the task; guessed from the rows if left out.
        text: Name of the text column, or of several; guessed from common names if left out.
        label: Name of the label column, or of several, one for each label that a row may have; likewise.
        test: The user's own test rows, as ``source`` or as ``(texts, labels)``.
        dev: The user's own dev rows, likewise.
        id_column: Column that names rows.
        group: Column whose equal values never straddle splits, as an author or a document.
        merge_labels: Whether labels that differ in spelling alone, as Food and food, are one label.
        offsets: What the offsets of spans and answers count: "characters", "utf-16" or "utf-8".
        encoder: "bundled", a local directory or a Hub id: whether it reads the language of the texts.
        revision: Of a Hub id.
        output: A file to save the findings in, as JSON.
        overwrite: Whether a file that stands there may be replaced.

    Returns:
        The findings; their ``warnings`` say what is wrong and what to do.

    Raises:
        DataError: The rows cannot be read.
        OptionError: An option is unknown or of another kind.
        ModelError: The encoder is missing or damaged.
        OutputError: The findings cannot be written.
    """
    settings = RowSettings.model_validate(
        {
            "task": task,
            "text": text,
            "label": label,
            "test": test,
            "dev": dev,
            "id_column": id_column,
            "group": group,
            "merge_labels": merge_labels,
            "offsets": offsets,
        }
    )
    flag(overwrite, "overwrite")
    target = None if output is None else as_path(output, "output")
    if target is not None:
        refuse_to_replace(target, overwrite=overwrite)
    given = as_source(source, labels, labelled=True)
    found = check_rows(given, settings, encoder=encoder, revision=revision)
    if target is not None:
        write_json(target, found.to_dict())
    return found


def check_rows(
    source: Source | Dataset,
    settings: RowSettings,
    *,
    encoder: str | Path = BUNDLED,
    revision: str | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> DataCheck:
    """Check rows as :func:`check` does, with what the user named of them in one record.

    Args:
        source: The rows.
        settings: What the user named.
        encoder: As there.
        revision: As there.
        note: Told how the rows were read, where they could have been read in another way.
    """
    task = named_task(source, settings, note)
    dataset, test, dev = read_files(task, source, settings, note, packed=True)
    splits = unsplit = None
    try:
        splits = make_splits(dataset, test=test, dev=dev)
    except DataError as problem:
        # What stands in the file is worth seeing even where nothing can be learned from it.
        unsplit = str(problem)
    if splits is not None:
        # The sides hold all rows; of the whole, no more is looked at than tells the language.
        thinned = dataset.select(sample(range(len(dataset))))
        dataset = replace(thinned, rejected=dataset.rejected, notes=dataset.notes)
    return check_dataset(dataset, splits, encoder_check=_encoder_check(encoder, revision), unsplit=unsplit)


def _encoder_check(encoder: str | Path, revision: str | None) -> EncoderCheck | None:
    """Return what tells whether the encoder reads the texts; None where the bundled one is not installed."""
    try:
        return functools.partial(encoder_warning, resolve_encoder(encoder, revision))
    except MissingExtraError:
        if encoder == BUNDLED:
            return None
        raise
