"""What a model remembers of where its training texts lie is vetted before it is used."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from textgraft.errors import ModelError
from textgraft.models.known import KNOWN, MOST, KnownTexts, load_known


def test_the_nearest_text_is_found_whatever_the_lengths(tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    KnownTexts.of(rows).save(tmp_path)
    known = load_known(tmp_path)
    assert known is not None
    np.testing.assert_allclose(known.nearness(7 * rows), 1, atol=1e-3)
    np.testing.assert_allclose(KnownTexts.of(rows[:1]).nearness(-rows[:1]), -1, atol=1e-3)
    assert known.nearness(np.zeros((1, 8), np.float32)) == 0
    assert load_known(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    "found",
    [
        {"encodings": np.zeros((4, 8), np.float32)},
        {"encodings": np.zeros(8, np.float16)},
        {"encodings": np.zeros((0, 8), np.float16)},
        {"encodings": np.zeros((MOST + 1, 1), np.float16)},
        {"encodings": np.full((2, 2), np.nan, np.float16)},
        {"others": np.zeros((2, 2), np.float16)},
    ],
)
def test_what_is_no_encodings_is_refused(tmp_path, found):
    save_file(found, tmp_path / KNOWN)
    with pytest.raises(ModelError, match=r"encodings|damaged"):
        load_known(tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / KNOWN).write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match="damaged") as refused:
        load_known(tmp_path)
    assert KNOWN in str(refused.value)
