"""What goes into a chain: model directories that fit together, and rows that none of them learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.inference.cascading.steps import MOST, is_cascade
from textgraft.inference.prompting.prompt import FILE as PROMPT
from textgraft.models.fingerprint import MOST as MOST_HASHES
from textgraft.models.fingerprint import Fingerprint, HashSet, hashes, row_texts
from textgraft.models.manifest import Manifest, read_manifest
from textgraft.models.shipped import model_folder

TASK = "classification"
"""The task of a chain's parts: one label for each text."""
FEWEST = 20
"""Rows below which nothing is chosen or measured."""


@dataclass(frozen=True)
class Given:
    """A model directory that is to be a part."""

    name: str
    path: Path
    manifest: Manifest


def given_parts(models: Sequence[str | Path]) -> list[Given]:
    """Look at model directories, without loading them.

    Args:
        models: The cheapest first.

    Returns:
        Each named by what trained it, and numbered where that is so of several.

    Raises:
        ModelError: One is missing or damaged.
        OptionError: They cannot be a chain.
    """
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise OptionError(
            f"the models are {type(models).__name__}", where="models", fix="Give a list of folders."
        )
    if not 2 <= len(models) <= MOST:
        raise OptionError(
            f"a cascade is made of 2 to {MOST} models, and these are {len(models)}",
            where="textgraft cascade",
            fix="Write textgraft cascade SMALL LARGE rows.csv -o FOLDER.",
        )
    paths = [model_folder(model) for model in models]
    manifests = [read_manifest(path) for path in paths]
    places = [path.resolve() for path in paths]
    for path, manifest in zip(paths, manifests, strict=True):
        _check_part(path, manifest)
        if places.count(path.resolve()) > 1:
            raise OptionError("this model is named twice", where=str(path), fix="Name each part once.")
    for path, manifest in zip(paths[:-1], manifests[:-1], strict=True):
        _check_alike(path, manifest, paths[-1], manifests[-1])
    counts = Counter(manifest.contender for manifest in manifests)
    met: Counter[str] = Counter()
    found = []
    for path, manifest in zip(paths, manifests, strict=True):
        met[manifest.contender] += 1
        number = f"-{met[manifest.contender]}" if counts[manifest.contender] > 1 else ""
        found.append(Given(f"{manifest.contender}{number}", path, manifest))
    return found


def _check_part(path: Path, manifest: Manifest) -> None:
    if manifest.task != TASK:
        raise OptionError(
            f"this model was trained for {manifest.task}, and a cascade is made of models that give each "
            "text one label",
            where=str(path),
            fix="Name models that were trained with --task classification.",
        )
    if is_cascade(manifest):
        raise OptionError(
            "this model is a cascade already", where=str(path), fix="Name its parts, and others beside them."
        )
    if (path / PROMPT).is_file():
        raise OptionError(
            "this folder holds a prompt for a language model elsewhere, which does not say how sure it is",
            where=str(path),
            fix="Name models with weights.",
        )


def _check_alike(path: Path, manifest: Manifest, other: Path, wanted: Manifest) -> None:
    own, labels = manifest.task_settings.get("labels"), wanted.task_settings.get("labels")
    if own != labels:
        only = sorted(set(map(str, own or ())) ^ set(map(str, labels or ())))
        shown = ", ".join(map(repr, only[:4])) + (", …" if len(only) > 4 else "")
        raise OptionError(
            f"its labels are not those of {other}: one of them alone knows {shown}",
            where=str(path),
            fix="Train all parts on rows with the same labels.",
        )
    if manifest.text_columns != wanted.text_columns:
        raise OptionError(
            f"it reads the columns {manifest.text_columns}, and {other} reads {wanted.text_columns}",
            where=str(path),
            fix="Train all parts on the same columns.",
        )


def halves(rows: Dataset) -> tuple[Dataset, Dataset]:
    """Part rows into those that choose and those that measure, by a hash of their texts.

    Rows of one text stay together, and the order of the file does not matter.
    """
    found = hashes(row_texts(rows))
    different = np.unique(found)
    first: NDArray[np.bool_] = np.searchsorted(different, found) < len(different) / 2
    chosen, measured = np.flatnonzero(first).tolist(), np.flatnonzero(~first).tolist()
    return rows.select(chosen), rows.select(measured)


def joint_fingerprint(parts: Sequence[Fingerprint | None], rows: Dataset) -> Fingerprint | None:
    """Return what a chain remembers: all that its parts do, and the rows that it was made on as dev rows.

    None where a part remembers nothing.
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    own = HashSet.of(row_texts(rows))
    return Fingerprint(
        train=_union([part.train for part in known]),
        dev=_union([*(part.dev for part in known), own]),
        words=_union([part.words for part in known]),
        label_rows=known[-1].label_rows,
    )


def _union(sets: Sequence[HashSet]) -> HashSet:
    joint = np.unique(np.concatenate([one.hashes for one in sets]))
    full = [one.hashes[-1] for one in sets if len(one.hashes) >= MOST_HASHES]
    if full:
        joint = joint[joint <= min(full)]  # what lies above is not known of all
    return HashSet(joint[:MOST_HASHES])
