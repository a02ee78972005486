"""How far does a score vary with the seed, and is it as is expected where nothing but rows are known?

    python benchmarks/seed_deviation.py --curves FOLDER [FOLDER …]

Each folder holds what ``benchmarks/learning_curves.py`` measured: the answers of contenders trained on
samples of several sizes with six seeds each. For each number of training rows and of test rows, of which the
first ones are taken, it prints the root mean square over sets of the deviation of macro F1 over seeds, and
that of what ``textgraft.evaluation.seeds.deviation_by_rows`` expects. Only samples of up to three quarters of
a set's training rows are looked at: seeds that draw the same rows differ less.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import describe
from sklearn.metrics import f1_score

from textgraft.evaluation.seeds import deviation_by_rows

TEST_ROWS = (300, 1000, 2000)
MOST_DRAWN = 0.75


def deviations(path: Path) -> Iterator[tuple[int, int, float, float]]:
    """Yield training rows, test rows, the deviation over seeds and the expected one, of one curve."""
    stored = np.load(path)
    gold, answers, sizes = stored["gold"], stored["answers"], stored["sizes"]
    for test_rows in TEST_ROWS:
        if test_rows > len(gold):
            continue
        for place, size in enumerate(sizes):
            if size > MOST_DRAWN * sizes[-1]:
                continue
            scores = [
                f1_score(gold[:test_rows], seed[place][:test_rows], average="macro", zero_division=0)
                for seed in answers
            ]
            expected = deviation_by_rows(int(size), test_rows, float(np.mean(scores)))
            yield int(size), test_rows, float(np.std(scores, ddof=1)), expected


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=Path, nargs="+", required=True)
    paths = sorted(path for folder in parser.parse_args().curves for path in folder.glob("*.npz"))
    found = [one for path in paths for one in deviations(path)]
    print(describe("scikit-learn"))
    print(f"{len(paths)} curves\n| training rows | test rows | curves | deviation | expected |")
    print("|---|---|---|---|---|")
    for size, test_rows in sorted({one[:2] for one in found}):
        own = np.array([one[2:] for one in found if one[:2] == (size, test_rows)])
        measured, expected = np.sqrt((own**2).mean(axis=0))
        print(f"| {size:,} | {test_rows:,} | {len(own)} | {measured:.4f} | {expected:.4f} |")


if __name__ == "__main__":
    main()
