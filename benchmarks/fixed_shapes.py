"""Encoding in batches whose shape follows from a text's own length: how large are they best?

    python benchmarks/fixed_shapes.py [--tokens 256,768] [--texts 64,285,2000] [--rounds 5] [--threads 2]

A comparison computes texts so, that no bit of a text depends on the others, and fills batches up where texts
of a length run out: the larger the batches, the more of few texts is filling. Docstrings of Python's library,
the bundled encoder on the engine; the sizes take turns.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict

from machine import describe
from on_threads import answers, asking

from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.inference.encode import Encoder
from textgraft.training import batching


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Time each size of batches on each number of texts."""
    parser = asking(__doc__, threads=2)
    parser.add_argument("--tokens", type=numbers, default=[256, 768])
    parser.add_argument("--texts", type=numbers, default=[64, 285, 2000])
    arguments = answers(parser)
    texts = docstrings_dataset().texts
    texts = texts[::2] + texts[1::2]
    encoder = Encoder(precision="bf16", fixed_shapes=True)
    print(describe("textgraft", "openvino"), encoder.open().note, f"{arguments.threads} threads", sep=", ")
    taken: dict[tuple[int, int], list[float]] = defaultdict(list)
    for number in range(-1, arguments.rounds):
        for tokens in arguments.tokens:
            batching.SHAPED_TOKENS = tokens
            for count in arguments.texts:
                begun = time.perf_counter()
                for _ in encoder.batch_by_batch(texts[:count]):
                    pass
                if number >= 0:  # shapes are prepared once
                    taken[tokens, count].append(time.perf_counter() - begun)
    for count in arguments.texts:
        found = (f"{statistics.median(taken[tokens, count]):.2f} s" for tokens in arguments.tokens)
        print(f"{count} texts:", ", ".join(map("{} tokens {}".format, arguments.tokens, found)))


if __name__ == "__main__":
    main()
