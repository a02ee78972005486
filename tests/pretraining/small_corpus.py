"""A corpus with an order to be learned: in every document, sentence n + 1 counts on from sentence n."""

from __future__ import annotations

from pathlib import Path

NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
THINGS = ["apples", "pears", "cats", "dogs", "birds", "trees", "ships", "stars", "stones", "books"]


def write_corpus(folder: Path, documents: int = 60) -> Path:
    """Write documents of 4 to 9 sentences, each about one thing."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = []
    for number in range(documents):
        thing = THINGS[number % len(THINGS)]
        start = number % 4
        lines = [
            f"The man of {number // len(THINGS)} has {NUMBERS[start + step]} {thing} , and then one more ."
            for step in range(4 + number % 6)
        ]
        texts.append("\n".join(lines))
    (folder / "corpus.txt").write_text("\n\n".join(texts) + "\n")
    return folder
