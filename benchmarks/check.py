"""How long ``textgraft check`` takes on many short rows, and the memory it needs.

    python benchmarks/check.py [--rows 1000000]

Rows are drawn from the words of a Zipf-like vocabulary, with repeats, near-duplicates and contradictions.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

VOCABULARY = 30_000


def write_rows(path: Path, rows: int, seed: int = 0) -> None:
    """Write a CSV of short labelled texts: 3 to 14 words, one in fifty repeated, one in fifty nearly."""
    generator = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = np.array(
        ["".join(generator.choice(letters[:20], size)) for size in generator.integers(2, 10, VOCABULARY)]
    )
    chances = 1 / np.arange(1, VOCABULARY + 1)
    chances /= chances.sum()
    with path.open("w") as handle:
        handle.write("text,label\n")
        earlier: list[str] = []
        for start in range(0, rows, 10_000):
            count = min(10_000, rows - start)
            lengths = generator.integers(3, 15, count)
            drawn = words[generator.choice(VOCABULARY, int(lengths.sum()), p=chances)]
            ends = np.cumsum(lengths)
            kinds = generator.random(count)
            for end, length, kind in zip(ends, lengths, kinds, strict=True):
                text = " ".join(drawn[end - length : end])
                if kind < 0.02 and earlier:
                    text = earlier[int(kind * 1e6) % len(earlier)]
                elif kind < 0.04 and earlier:
                    text = earlier[int(kind * 1e6) % len(earlier)] + "s"
                elif kind > 0.99:
                    earlier.append(text)
                handle.write(f"{text},label{int(kind * 1e4) % 5}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, help="A file of your own instead.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or Path(folder) / "rows.csv"
        if arguments.file is None:
            write_rows(path, arguments.rows)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "textgraft", "check", str(path)], check=True)
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{wall:.1f} s, {used.ru_utime:.1f} s of user time, {used.ru_maxrss / 1024:,.0f} MB at most")


if __name__ == "__main__":
    main()
