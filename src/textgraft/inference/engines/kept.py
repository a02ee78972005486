"""Converted models on disk: ``<cache>/engines/<model>/<form>/``, whole or absent, shared by all processes.

A form's folder holds the engine's own files and agreement.json with the cosine between its outputs and
torch's on the golden batches, by precision; checksums.json vouches for them, and a model that fails its check
is converted anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from textgraft.files import atomic_folder, cache_folder, locked
from textgraft.integrity import is_intact, seal

FOLDER = "engines"
"""Of the cache folder; holds a folder a model."""
KEPT_BYTES = 1 << 32
"""Of all models; of more, those used longest ago are deleted."""
LEFT_ALONE = 3600.0
"""Seconds for which a model that was used is not deleted: another process may be reading it."""
AGREEMENT = "agreement.json"

Agreement = dict[str, float]
"""The cosine to torch's outputs, by precision."""


def kept_agreement(model: str, form: str) -> Agreement:
    """Return the agreement of a model's form that lies on disk; nothing if none is there that is whole.

    Args:
        model: As of :func:`kept_form`.
        form: As there.
    """
    return _read(cache_folder() / FOLDER / model / form)


def kept_form(
    model: str, form: str, precision: str, make: Callable[[Path], Agreement]
) -> tuple[Path, Agreement]:
    """Return the folder of a model's form and its agreement, making it if need be.

    Args:
        model: Names the model, its engine and the engine's version.
        form: Names one of the forms that the engine has of it.
        precision: What the form's agreement must be known for.
        make: Writes the form into an empty folder and returns its agreement.
    """
    engines = cache_folder() / FOLDER / model
    folder = engines / form
    agreement = _read(folder)
    if precision in agreement:
        with contextlib.suppress(OSError):  # where the cache is not ours, its order is another's
            os.utime(engines)
        return folder, agreement
    engines.mkdir(parents=True, exist_ok=True)
    _make_room(engines)
    with locked(engines / f"{form}.lock"):
        # Another process may have made it while this one waited for the lock.
        agreement = _read(folder)
        if precision not in agreement:
            with atomic_folder(folder) as temporary:
                agreement = make(temporary)
                (temporary / AGREEMENT).write_text(json.dumps(agreement))
                seal(temporary)
    return folder, agreement


def _read(folder: Path) -> Agreement:
    """Return the agreement of what is in a folder; nothing if it is not whole."""
    return json.loads((folder / AGREEMENT).read_text()) if is_intact(folder) else {}


def _make_room(own: Path) -> None:
    """Delete the models used longest ago until the others are within :data:`KEPT_BYTES`."""
    newest = time.time() - LEFT_ALONE
    sizes = {
        folder: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in own.parent.iterdir()
        if folder.is_dir() and folder != own
    }
    excess = sum(sizes.values()) - KEPT_BYTES
    for folder in sorted(sizes, key=lambda folder: folder.stat().st_mtime):
        if excess <= 0 or folder.stat().st_mtime > newest:
            return
        shutil.rmtree(folder, ignore_errors=True)
        excess -= sizes[folder]
