"""The models that come with the package, and how a folder is told by what a user calls a model."""

from __future__ import annotations

from pathlib import Path

import msgspec

from textgraft.errors import ModelError, OptionError, nearest
from textgraft.files import as_path
from textgraft.models.manifest import MANIFEST, Manifest

FOLDER = Path(__file__).parents[1] / "grafts"
"""Holds each model in a folder of its name, with its card; of the pipelines that run the bundled encoder as
it is, the card alone."""
_CONFIG = "config.json"
_NOT_THERE = "there is no such model directory, and no model of this name comes with textgraft"


def shipped_graft(name: str) -> Path | None:
    """Return the folder of a model of a task that comes with the package, or None."""
    folder = FOLDER / name
    return folder if Path(name).name == name and (folder / MANIFEST).is_file() else None


def shipped_model(name: str) -> Path | None:
    """Return the folder of a model, of a task or of none, that comes with the package, or None."""
    folder = FOLDER / name
    return folder if Path(name).name == name and (folder / _CONFIG).is_file() else None


def shipped_grafts() -> list[str]:
    """Return the names of the models of a task that come with the package."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{MANIFEST}"))


def folder_of(model: str | Path, *, of_task: bool = True) -> Path:
    """Return the folder of what a user calls a model: a folder, or the name of a model that comes along.

    A folder of the user's own comes before a model of its name.

    Args:
        model: The path or the name.
        of_task: Whether a model that comes along must be of a task. Others, as language models, have no
            textgraft.json.

    Returns:
        The folder; the path itself where there is none and no such model either.

    Raises:
        OptionError: It is neither a string nor a path.
    """
    given = as_path(model, "model")
    path = given.expanduser()
    if path.is_dir():
        return path
    return (shipped_graft if of_task else shipped_model)(str(given)) or path


def model_folder(model: str | Path, *, of_task: bool = True) -> Path:
    """Return the same where nothing but a model can be meant, so that a name of none is refused.

    Args:
        model: As for :func:`folder_of`.
        of_task: Likewise.

    Returns:
        The folder; a path stays as it is, whether it is there or not: what opens it says what is wrong.

    Raises:
        ModelError: It is a name, as no path is, and no model of this name comes with textgraft, or one that
            is for a pipeline alone.
        OptionError: It is neither a string nor a path.
    """
    path, name = folder_of(model, of_task=of_task), str(model)
    if path.exists() or Path(name).name != name:
        return path
    if shipped_model(name) is not None:
        raise ModelError(
            "this model comes with textgraft for a pipeline alone",
            where=name,
            fix=f"Ask it in Python: pipeline({name!r}).",
        )
    refuse_misspelt(name)
    raise ModelError(
        _NOT_THERE,
        where=name,
        fix=f"Give the folder that holds {MANIFEST}, as runs/<name>/best, or one of "
        f"{', '.join(shipped_grafts())}.",
    )


def refuse_misspelt(name: str | Path) -> None:
    """Refuse a name that is nearly that of a model which comes with the package, where nothing is called so.

    Raises:
        ModelError: It is; says which one may be meant.
    """
    given = str(name)
    known = sorted(path.parent.name for path in FOLDER.glob(f"*/{_CONFIG}"))
    guess = nearest(given, known) if Path(given).name == given and given not in known else None
    if guess is not None:
        raise ModelError(_NOT_THERE, where=given, fix=f"Did you mean {guess!r}?")


def is_shipped(folder: Path) -> bool:
    """Tell whether a folder is that of a model that comes with the package."""
    return folder.resolve().parent == FOLDER.resolve()


def columns_known(manifest: Manifest, folder: Path) -> Manifest:
    """Return a model's manifest as rows are to be read by it.

    A model that comes with the package was trained on tables whose columns nobody else has: those of other
    rows are told by their names and values.

    Args:
        manifest: What stands in its textgraft.json.
        folder: Where that lies.
    """
    return msgspec.structs.replace(manifest, label_column=None) if is_shipped(folder) else manifest


def own_folder(model: str | Path) -> Path:
    """Return the folder of a model that is to be changed: one of the user's own.

    Raises:
        ModelError: As for :func:`model_folder`.
        OptionError: Likewise; or the model comes with the package.
    """
    path = model_folder(model)
    if is_shipped(path):
        raise OptionError(
            "this model comes with textgraft, and is not changed",
            where=str(model),
            fix=f"Change a copy of it: cp -r {path} my-{path.name}",
        )
    return path
