"""Weights stored in int8: a quarter of the size on disk, computed with in 32 bits as before.

Each row of a matrix is stored as whole numbers from -127 to 127 and the float32 by which they are multiplied,
the largest absolute value of the row over 127; what is no matrix is stored in 16 bits. The file has a name of
its own, so that a reader that knows nothing of it finds no weights rather than wrong ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from textgraft.errors import ModelError
from textgraft.models.vetting import INT8_WEIGHTS, WEIGHTS, read_json, tensor_shapes

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

LEVELS = 127
_WHOLE, _SCALE = ".int8", ".scale"
_AGAIN = "Fetch or copy the folder again from where it came."


def as_int8(matrix: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix [rows, columns] to int8; returns it with the scale of each row [rows]."""
    largest = np.abs(matrix).max(axis=1, initial=0)
    scale = (np.where(largest > 0, largest, 1) / LEVELS).astype(np.float32)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


def store_int8(folder: Path) -> None:
    """Put weights in int8 into the place of a folder's model.safetensors."""
    from safetensors.numpy import load_file, save_file

    stored: dict[str, NDArray[np.generic]] = {}
    for name, values in load_file(folder / WEIGHTS).items():
        if values.ndim == 2 and np.issubdtype(values.dtype, np.floating):
            stored[name + _WHOLE], stored[name + _SCALE] = as_int8(values.astype(np.float32))
        elif np.issubdtype(values.dtype, np.floating):
            stored[name] = values.astype(np.float16)
        else:
            stored[name] = values
    save_file(stored, folder / INT8_WEIGHTS)
    (folder / WEIGHTS).unlink()


def read_int8(folder: Path) -> dict[str, Tensor]:
    """Read the weights that :func:`store_int8` wrote, as float32.

    Raises:
        ModelError: The file is damaged, or a matrix and its scale do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    file = folder / INT8_WEIGHTS
    tensor_shapes(folder)  # refuses what is damaged
    try:
        held = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"the weights are damaged and cannot be loaded: {error}", where=str(file), fix=_AGAIN
        ) from error
    weights = {}
    for name, values in held.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) + _WHOLE in held:
            continue
        if not name.endswith(_WHOLE):
            weights[name] = torch.from_numpy(_as_float(values))
            continue
        scale = held.get(name.removesuffix(_WHOLE) + _SCALE)
        is_whole = values.dtype == np.int8 and values.ndim == 2
        if scale is None or not is_whole or scale.dtype != np.float32 or scale.shape != values.shape[:1]:
            raise ModelError(f"{name} and its scale do not belong together", where=str(file), fix=_AGAIN)
        if not np.isfinite(scale).all():
            raise ModelError(f"the scale of {name} is not finite", where=str(file), fix=_AGAIN)
        weights[name.removesuffix(_WHOLE)] = torch.from_numpy(values * scale[:, None])
    return weights


def _as_float(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values.astype(np.float32) if np.issubdtype(values.dtype, np.floating) else values


def fill(model: PreTrainedModel, folder: Path) -> tuple[list[str], list[str]]:
    """Give a model the weights of a folder, and what its generation_config.json says.

    Args:
        model: With any weights; changed in place.
        folder: With weights in int8.

    Returns:
        The names of the tensors that the folder does not hold, and of those that the model does not have.

    Raises:
        ModelError: As for :func:`read_int8`.
        RuntimeError: A tensor has another shape than the model's.
    """
    from transformers import GenerationConfig

    found = model.load_state_dict(read_int8(folder), strict=False)
    model.tie_weights()
    if model.can_generate() and (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_dict(read_json(folder / "generation_config.json"))
    state = model.state_dict()
    held = {tensor.data_ptr() for name, tensor in state.items() if name not in found.missing_keys}
    missing = [name for name in found.missing_keys if state[name].data_ptr() not in held]  # but tied ones
    return missing, list(found.unexpected_keys)


def blank(kind: object, config: PreTrainedConfig) -> PreTrainedModel:
    """Make a model of a configuration, with random weights that leave the state of chance as it was.

    Args:
        kind: An Auto class, or the class of a model.
        config: Its description.
    """
    with torch.random.fork_rng([]):
        make = getattr(kind, "from_config", None) or kind
        model: PreTrainedModel = make(config)  # type: ignore[operator]
        return model
