"""Two quick models of the same labels, the second the better one, and their chain."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import textgraft
from tests.tiny import TOPICS


def rows(count: int, seed: int, told: int = 6) -> list[tuple[str, str]]:
    """Make texts of two words of a topic, of the first ``told`` that it has, and one of any.

    Of one text in six nobody can know the topic for certain: it has one word of it, and one of any.
    """
    generator = np.random.default_rng(seed)
    every = [word for words in TOPICS.values() for word in words]
    made = []
    for _ in range(count):
        label = str(generator.choice(list(TOPICS)))
        own = 1 if generator.random() < 1 / 6 else 2
        words = [*generator.choice(TOPICS[label][:told], own), *generator.choice(every, 1)]
        made.append(
            (" ".join(map(str, generator.permutation(words))) + f" {generator.integers(10**6)}", label)
        )
    return made


def write(path: Path, made: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *made])
    return path


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small model has met half of the words, the large one all of them."""
    folder = tmp_path_factory.mktemp("cascade")
    files = {
        "rows": write(folder / "rows.csv", rows(800, 2)),
        "test": write(folder / "test.csv", rows(300, 3)),
        "seen": write(folder / "seen.csv", rows(120, 5, told=3)),
    }
    small = write(folder / "small.csv", rows(120, 5, told=3))
    large = write(folder / "large.csv", rows(500, 6))
    for name, source in (("small", small), ("large", large)):
        textgraft.train(source, folder / name, contender="tfidf", settings={"c": 3.0}, test=files["test"])
        files[name] = folder / name
    textgraft.cascade(
        [files["small"], files["large"]], files["rows"], folder / "chain", tolerance=0.05, precision=0.95
    )
    return files | {"chain": folder / "chain", "folder": folder}
