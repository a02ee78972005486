"""From a cold start to the first encoding: textgraft against sentence-transformers; and the command line.

    python benchmarks/startup.py [--rounds 7]

Every turn is a process of its own, the sides take turns, and medians are compared. textgraft has converted
the encoder once before, as every second run has; how long the very first takes is printed too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from machine import describe

THEIRS = """
from sentence_transformers import SentenceTransformer
from textgraft.models.encoders import resolve_encoder
SentenceTransformer(str(resolve_encoder().path), device="cpu").encode(["A cold start."])
"""
SIDES = {
    "sentence-transformers": ["-c", THEIRS],
    "textgraft.encode": ["-c", "import textgraft; textgraft.encode(['A cold start.'])"],
    "import textgraft": ["-c", "import textgraft"],
    "textgraft --help": ["-m", "textgraft", "--help"],
    "python alone": ["-c", "pass"],
}


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(describe("textgraft", "torch", "sentence-transformers", "openvino"))
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TEXTGRAFT_CACHE": cache}
        first = seconds(SIDES["textgraft.encode"], environment)
        times: dict[str, list[float]] = {name: [] for name in SIDES}
        for _ in range(rounds):
            for name, arguments in SIDES.items():
                times[name].append(seconds(arguments, environment))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:>22}  median {medians[name]:.2f} s  least {min(values):.2f} s")
    print(f"{'the very first encode':>22}  {first:.1f} s (converts the encoder)")
    print(f"RATIO first encoding: {medians['sentence-transformers'] / medians['textgraft.encode']:.1f}")


if __name__ == "__main__":
    main()
