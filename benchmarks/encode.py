"""Encoding 2,000 texts of mixed length: textgraft against sentence-transformers at its defaults.

    python benchmarks/encode.py [--threads 1 2] [--rounds 5] [--texts 2000] [--without-sts]

Both sides run the bundled encoder, cut texts at the same 256 tokens, and take turns in one process (a process
of its own for every number of threads). After every turn the processor's matrix products are timed, in bf16
where it has it and else in fp32, in the shapes of the encoder's own layers; the share of that rate counts the
operations of true tokens only. Shares, and the second ratio, go by processor time, which a neighbour on the
same cores disturbs least. bf16 and OpenVINO's int8 run where the processor computes in them, CTranslate2's
int8 where that is installed. What one text of five words takes alone is processor time, too.

ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 CT2_FORCE_CPU_ISA=AVX2 make a larger processor compute as one
with AVX2, but for the few kernels that OpenVINO chooses by itself. ONNX Runtime has no such limit.

Accuracy: the cosine to the fp32 encodings of torch, and Spearman's correlation on the test pairs of the STS
benchmark (published for this encoder: 82.0). int8 is calibrated on other texts of the same kinds.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from machine import describe, precisions

DATA = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
TEXTS = 2000
SHAPES = (((768, 384), (384, 384)), ((768, 384), (384, 1536)), ((768, 1536), (1536, 384)))


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def mixed_texts(split: str, count: int, seed: int) -> list[str]:
    """Two parts sentences, two parts news in brief, one part passages of 60 to 220 words."""
    generator = random.Random(seed)
    sentences = [row["sentence1"] for row in rows(f"stsb/{split}.csv")]
    news = [f"{row['title']}. {row['description']}" for row in rows(f"ag_news_7600/{split}.csv")]
    passages = []
    for row in rows(f"movie_reviews_long/{split}.csv"):
        words = row["text"].split()
        while words:
            length = generator.randint(60, 220)
            passages.append(" ".join(words[:length]))
            words = words[length:]
    chosen = [
        *generator.sample(sentences, count * 2 // 5),
        *generator.sample(news, count * 2 // 5),
        *generator.sample(passages, count - 2 * (count * 2 // 5)),
    ]
    generator.shuffle(chosen)
    return chosen


def matmul_rate(precision: str, seconds: float = 0.3) -> float:
    """Return operations a processor second of matrix products in the encoder's shapes, the best."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32

    best = 0.0
    for left, right in SHAPES:
        a, b = torch.randn(left, dtype=kind), torch.randn(right, dtype=kind)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.process_time()
            for _ in range(20):
                a @ b
            best = max(best, 20 * 2 * left[0] * left[1] * right[1] / (time.process_time() - start))
    return best


def operations(lengths: list[int], layers: int = 6, size: int = 384, inner: int = 1536) -> float:
    """Multiplications and additions that texts of these true lengths need."""
    linear = 2 * (4 * size * size + 2 * size * inner)
    return float(sum(layers * (length * linear + 4 * length * length * size) for length in lengths))


def spearman(encode: Callable[[list[str]], np.ndarray]) -> float:
    from scipy.stats import spearmanr

    pairs = rows("stsb/test.csv")
    first, second = (encode([row[column] for row in pairs]) for column in ("sentence1", "sentence2"))
    return 100 * float(spearmanr((first * second).sum(axis=1), [float(row["score"]) for row in pairs])[0])


def table(lines: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


def one_text(sides: dict[str, Callable[[list[str]], np.ndarray]], turns: int) -> dict[str, float]:
    """Return the milliseconds of processor time of one short text, the median of each side."""
    busy: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, encode in sides.items():
            start = time.process_time()
            encode(["We left the old house"])
            busy[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in busy.items()}


def measure(threads: int, rounds: int, count: int, sts: bool) -> None:
    os.environ |= {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    import torch
    from sentence_transformers import SentenceTransformer

    from textgraft.inference.encode import Encoder
    from textgraft.models.encoders import resolve_encoder

    torch.set_num_threads(threads)
    native = precisions("fp32", "bf16", "int8")
    product = "bf16" if "bf16" in native else "fp32"
    source = resolve_encoder()
    texts, calibration = mixed_texts("test", count, seed=0), mixed_texts("train", 300, seed=1)
    theirs = SentenceTransformer(str(source.path), device="cpu")
    reference = Encoder(source, engine="torch", precision="fp32", threads=threads)
    ours = {
        precision: Encoder(source, precision=precision, threads=threads, calibration=calibration)
        for precision in native
    }
    for precision, encoder in ours.items():
        assert encoder.open().precision == precision, encoder.open().note
    if importlib.util.find_spec("ctranslate2"):
        ours["ctranslate2 int8"] = Encoder(source, engine="ctranslate2", precision="int8", threads=threads)
    print(f"picked by itself: {Encoder(source, threads=threads).open().note}")
    assert theirs.max_seq_length == reference.max_length
    lengths = [len(row) for row in reference._tokens(texts).ids]
    sides: dict[str, Callable[[list[str]], np.ndarray]] = {
        "sentence-transformers": lambda given: theirs.encode(given, show_progress_bar=False),
        **{f"textgraft {precision}": encoder.encode for precision, encoder in ours.items()},
    }
    exact = reference.encode(texts)
    wall: dict[str, list[float]] = {name: [] for name in sides}
    busy: dict[str, list[float]] = {name: [] for name in sides}
    rates = []
    encodings = {}
    for encode in sides.values():
        encode(texts[:64])
    for _ in range(rounds):
        for name, encode in sides.items():
            start, start_busy = time.perf_counter(), time.process_time()
            encodings[name] = encode(texts)
            wall[name].append(time.perf_counter() - start)
            busy[name].append(time.process_time() - start_busy)
            rates.append(matmul_rate(product))
    seconds = {name: statistics.median(values) for name, values in wall.items()}
    processor = {name: statistics.median(values) for name, values in busy.items()}
    rate = statistics.median(rates)
    base = "sentence-transformers"
    alone = one_text(sides, 20 * rounds)
    columns = [
        "texts/s",
        "ratio",
        "by CPU time",
        "cosine mean",
        "least",
        "STS-B",
        f"of {product} rate",
        "one, ms",
    ]
    lines = [["", *columns]]
    for name, encode in sides.items():
        cosines = (encodings[name] * exact).sum(axis=1)
        cells = [
            f"{count / seconds[name]:.0f}",
            f"{seconds[base] / seconds[name]:.2f}",
            f"{processor[base] / processor[name]:.2f}",
            f"{cosines.mean():.5f}",
            f"{cosines.min():.4f}",
            f"{spearman(encode):.2f}" if sts else "",
            f"{operations(lengths) / processor[name] / rate:.0%}",
            f"{alone[name]:.1f}",
        ]
        lines.append([name, *cells])
    print(
        f"{threads} thread(s): {count} texts of {sum(lengths) / count:.0f} tokens on average, {rounds} rounds"
    )
    print("\n".join(table(lines)))
    print(f"{product} matrix products: {rate / 1e9:.0f} G operations a processor second")
    for precision in ours:
        ratio = seconds[base] / seconds[f"textgraft {precision}"]
        print(f"RATIO encode {precision} {threads} thread(s): {ratio:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--without-sts", action="store_true", help="leave out what takes longest")
    given = parser.parse_args()
    if len(given.threads) == 1:
        measure(given.threads[0], given.rounds, given.texts, not given.without_sts)
        return
    print(describe("textgraft", "torch", "sentence-transformers", "openvino", "nncf"), flush=True)
    for threads in given.threads:
        subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--threads", str(threads)],
            check=True,
        )


if __name__ == "__main__":
    main()
