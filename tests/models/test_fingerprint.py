"""What a model directory remembers of its rows: small, without texts, and read with care."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.models import fingerprint
from textgraft.models.fingerprint import (
    FINGERPRINT,
    Fingerprint,
    HashSet,
    hashes,
    load_fingerprint,
    row_texts,
)

TRAIN = ["A new  Match", "bread and soup", "bread and soup", "猫 sat"]


def rows(texts, labels=None):
    numbers = list(range(1, len(texts) + 1))
    return Dataset({"text": texts}, labels, list(map(str, numbers)), numbers, "rows.csv")


@pytest.fixture
def folder(tmp_path):
    made = Fingerprint.of(rows(TRAIN, ["a", "b", "b", "a"]), rows(["dinner"]))
    made.save(tmp_path)
    return tmp_path


def test_rows_and_words_are_known_again_and_no_text_is_kept(folder):
    found = load_fingerprint(folder)
    asked = hashes(row_texts(rows(["a NEW match ", "soup and bread", "dinner", "bread and soup"])))
    assert found.train.holds(asked).tolist() == [True, False, False, True]
    assert found.dev.holds(asked).tolist() == [False, False, True, False]
    assert found.words.holds(hashes(["match", "dinner", "猫", "sat"])).tolist() == [True, False, True, True]
    assert found.label_rows == {"a": 2, "b": 2}
    content = (folder / FINGERPRINT).read_bytes()
    assert not any(word in content for word in (b"bread", b"match", b"dinner"))
    assert len(found.train.hashes) == 3


def test_of_many_texts_the_smallest_hashes_are_kept_and_the_others_not_judged(monkeypatch):
    texts = [f"text {number}" for number in range(1000)]
    monkeypatch.setattr(fingerprint, "MOST", 100)
    kept = HashSet.of(texts)
    assert len(kept.hashes) == 100
    asked = hashes([*texts, *(f"other {number}" for number in range(1000))])
    judged = kept.judges(asked)
    assert 120 <= judged.sum() <= 300  # a tenth of either kind
    assert (kept.holds(asked) == judged)[:1000].all()
    assert not kept.holds(asked)[1000:].any()


def test_without_rows_or_texts_nothing_is_remembered(tmp_path):
    vectors = Dataset({"vector": [[1.0, 2.0]]}, [["a"]], ["1"], [1], "rows.npy")
    made = Fingerprint.of(vectors, rows([]))
    made.save(tmp_path)
    found = load_fingerprint(tmp_path)
    assert (len(found.train.hashes), len(found.dev.hashes), len(found.words.hashes)) == (1, 0, 0)
    assert not found.dev.holds(hashes(["a"])).any()
    assert load_fingerprint(tmp_path / "absent") is None


@pytest.mark.parametrize("damage", ["bytes", "order", "type", "missing", "size"])
def test_what_is_no_fingerprint_is_refused(folder, damage, monkeypatch):
    path = folder / FINGERPRINT
    arrays = load_file(path)
    if damage == "bytes":
        path.write_bytes(path.read_bytes()[:20])
    elif damage == "order":
        save_file(arrays | {"train": arrays["train"][::-1].copy()}, path)
    elif damage == "type":
        save_file(arrays | {"words": np.zeros((2, 2))}, path)
    elif damage == "missing":
        save_file({"train": arrays["train"]}, path)
    else:
        monkeypatch.setattr(fingerprint, "LARGEST_FILE", 100)
    with pytest.raises(ModelError, match=FINGERPRINT):
        load_fingerprint(folder)
