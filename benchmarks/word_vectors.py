"""Word vectors by word2vec and by GloVe from one corpus: how well they agree with people, and their cost.

    python benchmarks/word_vectors.py [CORPUS] [--size 100] [--keep FOLDER]

Both are trained with textgraft's own defaults on the same words. Scores are Spearman's correlation for rated
pairs and accuracy of 3CosAdd for Google's analogies, each with the share of the set whose words are known:
on a small corpus many are not. Vectors that stand in the folder already are not trained again.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from machine import describe

from textgraft.embeddings.word_vectors import WordVectors
from textgraft.pretraining.vectors.word_vectors import METHODS, score_word_vectors, word_vectors

DATA = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = [
    *(DATA / "word_similarity" / f"{name}.tsv" for name in ("ws-353-all", "simlex-999", "men-tr-3k")),
    DATA / "analogies" / "questions-words.txt",
]


def trained(method: str, corpus: Path, size: int, folder: Path) -> WordVectors:
    """Train vectors, or read those of an earlier run."""
    path = folder / f"{method}-{size}.txt"
    if path.is_file():
        return WordVectors.load(path)
    wall, processor = time.perf_counter(), time.process_time()
    vectors = word_vectors(corpus, method=method, size=size, output=path)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{method}: {len(vectors):,} words, {processor:,.0f} s of processor time, {wall:,.0f} s in all")
    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=DATA / "docs_corpus")
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--keep", type=Path, default=Path("runs/word-vectors"))
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    print(describe("gensim", "numpy", "scipy"))
    scores = {
        method: score_word_vectors(trained(method, options.corpus, options.size, options.keep), SETS)
        for method in METHODS
    }
    print(f"\n| set | judged | {' | '.join(scores)} |\n|---|---|{'---|' * len(scores)}")
    for name, first in scores[next(iter(scores))].items():
        values = " | ".join(f"{score[name].value:.3f}" for score in scores.values())
        print(f"| {name} | {first.judged:,} of {first.total:,} ({first.coverage:.0%}) | {values} |")


if __name__ == "__main__":
    main()
