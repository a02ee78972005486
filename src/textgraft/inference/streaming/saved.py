"""What is known of streams, as a file: arrays in the form of safetensors, bound to the model they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import ModelError
from textgraft.files import as_path, check_output, write_atomic
from textgraft.models.remembered import remembered
from textgraft.tokenization.growing import LONGEST_HELD

if TYPE_CHECKING:
    from tokenizers import Tokenizer

KIND = "textgraft stream"
FORMAT = "1"
_ENDING = ".safetensors"
_HEAD = 1 << 16
"""Bytes of a file beside its arrays and texts."""
_PER_CHARACTER = 12
"""Bytes of a character in JSON at most: two escapes of six."""
_AGAIN = "Begin anew, or save the state again."


def model_identity(model: Any, tokenizer: Tokenizer) -> str:
    """Return a hash of all that what a state means depends on: network, weights and tokenizer."""
    found = hashlib.sha256()
    config = model.config
    found.update(f"{type(model).__name__} {config.cell} {config.num_layers}".encode())
    found.update(tokenizer.to_str().encode())
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def check_state_path(path: str | Path, *, overwrite: bool) -> Path:
    """Return where a state is to be written.

    Raises:
        OptionError: The name does not end in .safetensors.
        OutputError: Something stands there, or it cannot be written.
    """
    target = as_path(path, "path")
    check_output(target, (_ENDING,), overwrite=overwrite)
    return target


def write_state(path: Path, arrays: Mapping[str, NDArray[Any]], held: Sequence[str], identity: str) -> None:
    """Write a state, atomically.

    Args:
        path: The file.
        arrays: By their names.
        held: What each stream holds back.
        identity: Of the model.

    Raises:
        OutputError: It cannot be written.
    """
    from safetensors.numpy import save

    metadata = {"kind": KIND, "format": FORMAT, "model": identity, "held": json.dumps(list(held))}
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=metadata)
    write_atomic(path, content)


def read_state(
    path: str | Path, expected: Mapping[str, NDArray[Any]], identity: str, *, most_tag: int
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Read a state, and see that it is one of this model.

    Args:
        path: The file.
        expected: Arrays as the model has them: these names, types and shapes are read and no others.
        identity: Of the model.
        most_tag: The largest number of a tag.

    Returns:
        The arrays, and what each stream holds back.

    Raises:
        ModelError: The file is missing, too large, damaged, or of another model or number of streams.
    """
    file = as_path(path, "path")
    where = str(file)
    streams = len(expected["read"])
    size = sum(array.nbytes for array in expected.values())
    largest = size + streams * _PER_CHARACTER * LONGEST_HELD + _HEAD
    if not file.is_file():
        raise ModelError("there is no such file", where=where, fix="Give one that save() wrote.")
    with remembered(file, largest, fix=_AGAIN) as opened:
        metadata: Mapping[str, str] = opened.metadata() or {}
        if metadata.get("kind") != KIND:
            raise ModelError("this is no state of a stream", where=where, fix="Give one that save() wrote.")
        if metadata.get("format") != FORMAT:
            raise ModelError(
                f"its format is {metadata.get('format')!r}, and this textgraft reads {FORMAT}",
                where=where,
                fix="Read it with the version that wrote it, or begin anew.",
            )
        if metadata.get("model") != identity:
            raise ModelError(
                "this is the state of another model",
                where=where,
                fix="Restore it with the model that it was saved with, as it was then.",
            )
        names = set(opened.keys())
        shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in names & set(expected)}
        found = shapes.get("read", ())
        if found != (streams,):
            count = found[0] if len(found) == 1 else 0
            raise ModelError(
                f"it is the state of {count:,} streams, and there are {streams:,}",
                where=where,
                fix="Restore it into as many streams as it was saved of.",
            )
        if names != set(expected) or any(shapes[name] != array.shape for name, array in expected.items()):
            raise ModelError("its arrays are not those of this model", where=where, fix=_AGAIN)
        arrays = {name: opened.get_tensor(name) for name in expected}
        held = _texts(metadata.get("held", ""), streams)
    _check_values(arrays, expected, most_tag, where)
    if held is None:
        raise ModelError("what its streams hold back is damaged", where=where, fix=_AGAIN)
    return arrays, held


def _check_values(
    arrays: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]], most_tag: int, where: str
) -> None:
    for name, array in arrays.items():
        if array.dtype != expected[name].dtype:
            raise ModelError(f"{name} is {array.dtype}", where=where, fix=_AGAIN)
        if not np.isfinite(array).all():
            raise ModelError(f"{name} holds what is no number", where=where, fix=_AGAIN)
    tags = arrays["tag"]
    counts = [arrays["read"], arrays["characters"]]
    if any((count < 0).any() for count in counts) or (tags < -1).any() or (tags > most_tag).any():
        raise ModelError("a count or a tag in it cannot be", where=where, fix=_AGAIN)


def _texts(written: str, count: int) -> list[str] | None:
    """Read a JSON list of so many texts, none longer than can be held back; None where it is none."""
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or len(found) != count:
        return None
    if not all(isinstance(text, str) and len(text) <= LONGEST_HELD for text in found):
        return None
    return found
