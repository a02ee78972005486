"""Time and memory of ``check``, ``encode`` and ``predict`` by the rows of the file, with slopes.

    python benchmarks/scale.py [--rows 10000 100000 1000000] [--commands check encode predict]

Rows are short lines. ``encode`` runs a random BERT of one layer with the bundled tokenizer, into Parquet
shards: what is measured is all around the encoder, and that memory does not grow. ``predict`` runs TF-IDF,
into shards and into one table. Peaks are of the process that does all of it, one thread.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from check import write_rows
from machine import describe

COMMANDS = ("check", "encode", "predict", "predict-file")


def save_encoder(folder: Path) -> None:
    """Save a random BERT of one layer with the bundled tokenizer."""
    from transformers import BertConfig, BertModel

    from textgraft.models.encoders import resolve_encoder

    source = resolve_encoder("bundled").path
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (source / name).is_file():
            shutil.copy(source / name, folder / name)


def run(arguments: list[str]) -> tuple[float, float, float]:
    """Run a command in a process of its own; return its wall-clock and processor seconds and peak MB."""
    limits = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "textgraft", *arguments],
        env={**os.environ, **limits},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"textgraft {' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--folder", type=Path, help="For temporary files; the system's if left out.")
    parser.add_argument("--files", type=Path, help="Folder where the files of rows stay for the next run.")
    arguments = parser.parse_args()
    print(describe("torch", "pyarrow"))
    print("| command | rows | seconds | of processor time | rows a second | peak MB |")
    print("|---|---|---|---|---|---|")
    found: dict[str, list[tuple[int, float, float]]] = {name: [] for name in arguments.commands}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        model, encoder = folder / "model", folder / "encoder"
        if {"predict", "predict-file"} & set(arguments.commands):
            write_rows(folder / "train.csv", 2000, seed=1)
            run(["train", str(folder / "train.csv"), "-o", str(model), "--contender", "tfidf"])
        if "encode" in arguments.commands:
            save_encoder(encoder)
        for rows in sorted(arguments.rows):
            source, output = (arguments.files or folder) / f"rows-{rows}.csv", folder / "out"
            if not source.is_file():
                write_rows(source, rows)
            calls = {
                "check": ["check", str(source)],
                "encode": ["encode", str(source), "-o", str(output), "--encoder", str(encoder)],
                "predict": ["predict", str(model), str(source), "-o", str(output), "--text", "text"],
                "predict-file": ["predict", str(model), str(source), "-o", f"{output}.csv", "--text", "text"],
            }
            for command in arguments.commands:
                wall, processor, peak = run(calls[command])
                found[command].append((rows, processor, peak))
                print(
                    f"| {command} | {rows:,} | {wall:.1f} | {processor:.1f} | {rows / processor:,.0f} "
                    f"| {peak:,.0f} |",
                    flush=True,
                )
                shutil.rmtree(output, ignore_errors=True)
                Path(f"{output}.csv").unlink(missing_ok=True)
            if arguments.files is None:
                source.unlink()
    for command, points in found.items():
        if len(points) > 1:
            rows_, seconds, peaks = map(np.array, zip(*points, strict=True))
            time_slope = (
                np.polyfit(np.log(rows_[1:]), np.log(seconds[1:]), 1)[0] if len(points) > 2 else np.nan
            )
            a_row, base = np.polyfit(rows_, seconds, 1)
            bytes_a_row = np.polyfit(rows_, peaks, 1)[0] * 2**20
            print(
                f"{command}: {base:.1f} s + {a_row * 1e6:.1f} µs a row, exponent {time_slope:.2f} beyond the "
                f"smallest; memory {bytes_a_row:.1f} bytes a row"
            )


if __name__ == "__main__":
    main()
