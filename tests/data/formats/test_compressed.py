from __future__ import annotations

import gzip

import pyarrow
import pytest

from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError

CONTENT = "text,label\ngood,1\nschlecht ä,0\n".encode()


@pytest.mark.parametrize(
    ("ending", "compress"),
    [("gz", gzip.compress), ("zst", lambda content: pyarrow.compress(content, codec="zstd", asbytes=True))],
)
def test_tables_may_be_compressed(tmp_path, ending, compress):
    path = tmp_path / f"reviews.csv.{ending}"
    path.write_bytes(compress(CONTENT))
    assert read_dataset(path).texts == ["good", "schlecht ä"]
    path.write_bytes(compress(CONTENT)[:-3])
    with pytest.raises(DataError, match="cannot be read"):
        read_dataset(path)
