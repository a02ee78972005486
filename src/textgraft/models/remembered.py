"""Files of arrays that are bounded before they are read, as what a model directory remembers of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textgraft.errors import ModelError

FIX = "Copy the whole folder again, or train again."


@contextmanager
def remembered(path: Path, largest: int, *, fix: str = FIX) -> Iterator[Any]:
    """Open a file of arrays as safetensors' ``safe_open`` does, for numpy.

    Args:
        path: The file.
        largest: Bytes that it may have.
        fix: What the user should do if it is damaged.

    Raises:
        ModelError: The file is too large or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if (size := path.stat().st_size) > largest:
            raise ModelError(f"the file has {size:,} bytes, over {largest:,}", where=str(path), fix=fix)
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise ModelError(f"the file is damaged: {error}", where=str(path), fix=fix) from error
