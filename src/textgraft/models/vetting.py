"""What a model's folder may hold, looked at before anything heavy is loaded and before any size is used.

Folders come from anywhere. Only safetensors inside the folder are weights; JSON is bounded in bytes and
depth; numbers of layers and sizes are held against the tensors that are there. This needs neither torch nor
Transformers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textgraft.errors import ModelError
from textgraft.integrity import inside

WEIGHTS = "model.safetensors"
INT8_WEIGHTS = "model.int8.safetensors"
"""In place of those: see :mod:`textgraft.models.int8`."""
INDEX = "model.safetensors.index.json"
LARGEST_JSON = 64 << 20
"""Bytes of a configuration; names of many labels take some."""
LARGEST_TOKENIZER = 256 << 20
"""Bytes of tokenizer.json; those of the largest vocabularies have some 35 MB."""
DEEPEST = 32
"""Levels of nesting in a configuration."""
MOST_LAYERS = 64
"""Layers that need no proof; more must be there as tensors."""
LARGEST_SIZE = 1 << 12
"""Of a layer, likewise."""
MOST_ROWS = 1 << 17
"""Rows of a vocabulary or of positions, likewise."""
LARGEST_NUMBER = 10**7
"""Of any whole number in a configuration that is neither a size nor a number of layers."""
_JSON = (
    "config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "generation_config.json", "sentence_bert_config.json", INDEX,
)  # fmt: skip
_READ = frozenset({".json", ".safetensors", ".txt", ".model", ".jinja"})
"""Endings of the files that Transformers reads of a folder."""
_REDIRECTING = ("transformers_weights", "configuration_files", "fast_tokenizer_files")
"""Keys by which a configuration names other files to be read in place of the usual ones."""
_LAYERS = re.compile(r"layers?$|(^|_)depth$|(^|_)blocks$")
_SIZES = re.compile(r"(_size|_dim|_features)s?$|^(dim|d_model|d_ff|d_kv|n_embd|n_inner)$")
_ROWS = re.compile(r"vocab_size$|position_embeddings$|^n_positions$|^n_ctx$")
_FREE = re.compile(r"theta|seed|factor|scale|counts|_ids?$|^(id2label|label2id)$")
"""Keys whose numbers shape no tensor."""
_AGAIN = "Fetch or copy the folder again from where it came."


def vet(folder: Path) -> dict[str, Any]:
    """Check a folder of a model, an encoder or a tokenizer.

    Args:
        folder: With whatever of the files is there.

    Returns:
        config.json; empty if there is none.

    Raises:
        ModelError: A file leads out of the folder, is too large or too deep, or states what its weights
            cannot be; names it.
    """
    for path in folder.iterdir():
        if path.suffix in _READ and inside(folder, path.name) is None:
            raise ModelError(
                "the link leads out of the folder", where=str(path), fix="Put the file itself in its place."
            )
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            "the folder holds an adapter of PEFT, which changes or replaces the model beside it",
            where=str(folder / "adapter_config.json"),
            fix="Merge it into its model with merge_and_unload(), and save that.",
        )
    tokenizer = folder / "tokenizer.json"
    if tokenizer.is_file() and tokenizer.stat().st_size > LARGEST_TOKENIZER:
        raise ModelError(
            f"the file has {tokenizer.stat().st_size:,} bytes, over {LARGEST_TOKENIZER:,}",
            where=str(tokenizer),
            fix=_AGAIN,
        )
    read = {name: read_json(folder / name) for name in _JSON if (folder / name).exists()}
    shapes = tensor_shapes(folder)
    for name, members in read.items():
        if name != INDEX:
            _check_members(folder / name, members, shapes)
    return read.get("config.json", {})


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that others may have written.

    Raises:
        ModelError: The file cannot be read, is too large or too deep, or holds something else.
    """
    try:
        if not path.is_file():
            what = "this is no ordinary file" if path.exists() else "the file is missing"
            raise ModelError(what, where=str(path), fix=_AGAIN)
        if (size := path.stat().st_size) > LARGEST_JSON:
            raise ModelError(
                f"the file has {size:,} bytes, over {LARGEST_JSON:,}", where=str(path), fix=_AGAIN
            )
        value = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ModelError("the file is nested too deeply", where=str(path), fix=_AGAIN) from error
    except OSError as error:
        raise ModelError(f"it cannot be read: {error.strerror}", where=str(path), fix=_AGAIN) from error
    except ValueError as error:
        raise ModelError(f"{path.name} is not JSON: {error}", where=str(path), fix=_AGAIN) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path.name} holds no JSON object", where=str(path), fix=_AGAIN)
    return value


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a Transformers directory, in the order of their names.

    Raises:
        ModelError: There are none, they are pickled, or the index leads to something else or elsewhere.
    """
    for name in (WEIGHTS, INT8_WEIGHTS):
        if (folder / name).is_file():
            return [folder / name]
    index = folder / INDEX
    if index.is_file():
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict) or not names or not all(isinstance(n, str) for n in names.values()):
            raise ModelError("the index names no files of weights", where=str(index), fix=_AGAIN)
        files = []
        for name in sorted(set(names.values())):
            if not name.endswith(".safetensors") or (file := inside(folder, name)) is None:
                raise ModelError(
                    f"the index names {name!r}, which is no .safetensors file inside the folder",
                    where=str(index),
                    fix="Nothing else is loaded as weights: fetch the model from a place that you trust.",
                )
            if not file.is_file():
                raise ModelError(
                    f"the weights are incomplete: {name} is missing", where=str(folder), fix=_AGAIN
                )
            files.append(file)
        return files
    pickled = next(folder.glob("pytorch_model*.bin"), None)
    if pickled:
        raise ModelError(
            f"the weights are pickled ({pickled.name}), which textgraft never loads",
            where=str(folder),
            fix="Save the model again with a current Transformers: it writes model.safetensors.",
        )
    raise ModelError(
        f"there is no {WEIGHTS}", where=str(folder), fix="Give a folder that save_pretrained() wrote."
    )


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]] | None:
    """Return the shape of every tensor by its name, from the heads of the files; None where there are none.

    Raises:
        ModelError: A file is damaged, or an index leads elsewhere.
    """
    if not any((folder / name).is_file() for name in (WEIGHTS, INT8_WEIGHTS, INDEX)):
        return None
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="numpy") as tensors:
                shapes |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(
                f"the weights are damaged and cannot be loaded: {error}", where=str(file), fix=_AGAIN
            ) from error
    return shapes


def _check_members(path: Path, members: Mapping[str, Any], shapes: dict[str, tuple[int, ...]] | None) -> None:
    """Hold every number of a configuration against the tensors, and refuse what leads to other files."""
    for name in _REDIRECTING:
        if members.get(name):
            raise ModelError(
                f"{name!r} names other files to be read in place of the usual ones",
                where=str(path),
                fix="Remove it, if you trust the folder.",
            )
    is_shaping = path.name == "config.json"
    most = max(MOST_LAYERS, len(shapes or {}))
    largest = max((max(shape, default=0) for shape in (shapes or {}).values()), default=0)
    has_positions = any("position" in name or "wpe" in name for name in shapes or {})
    for key, value in _walk(path, members):
        if isinstance(value, float) and not math.isfinite(value) and "limit" not in key:
            raise ModelError(f"{key} is {value}, no number", where=str(path), fix=_AGAIN)
        if key.endswith("attn_implementation") and isinstance(value, str) and "/" in value:
            raise ModelError(f"{key} names code to be fetched: {value!r}", where=str(path), fix="Remove it.")
        if not is_shaping or isinstance(value, bool) or not isinstance(value, int) or _FREE.search(key):
            continue
        if _LAYERS.search(key):
            if not 0 <= value <= most:
                raise ModelError(
                    f"{key} is {value:,}, and the weights have {len(shapes or {}):,} tensors",
                    where=str(path),
                    fix=_AGAIN,
                )
        elif _ROWS.search(key) and (has_positions or "vocab" in key):
            _check_size(path, key, value, max(largest, MOST_ROWS))
        elif _SIZES.search(key):
            _check_size(path, key, value, max(largest, LARGEST_SIZE))
        elif abs(value) > LARGEST_NUMBER:
            raise ModelError(f"{key} is {value:,}, over {LARGEST_NUMBER:,}", where=str(path), fix=_AGAIN)


def _check_size(path: Path, key: str, value: int, most: int) -> None:
    if not -1 <= value <= most:
        raise ModelError(f"{key} is {value:,}, and no tensor is so large", where=str(path), fix=_AGAIN)


def _walk(path: Path, members: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every value that is no list and no object with the key it stands under, whatever its depth."""
    waiting: list[tuple[str, Any, int]] = [(key, value, 1) for key, value in members.items()]
    while waiting:
        key, value, depth = waiting.pop()
        if depth > DEEPEST:
            raise ModelError("the file is nested too deeply", where=str(path), fix=_AGAIN)
        if isinstance(value, dict):
            if _FREE.search(key):
                waiting += [(key, inner, depth + 1) for inner in value.values()]
            else:
                waiting += [(name, inner, depth + 1) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(key, inner, depth + 1) for inner in value]
        else:
            yield key, value
