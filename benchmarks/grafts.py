"""Five tasks on one encoder against five fine-tuned models: memory and time.

    python benchmarks/grafts.py [--threads 1 2] [--rounds 5] [--texts 200]

All sides have the bundled encoder's architecture and answer the same five tasks (three on whole texts, tags,
spans) for the same batches of tokens, in bf16 where the processor has it. Weights beyond the encoder's are
random: no figure depends on them.

    separate       five fine-tuned models, each with an encoder of its own
    frozen         five heads on one encoder
    upper          five heads and adapters of rank 8, for the upper half of the layers
    all            five heads and adapters of rank 8, for all layers

Memory is what a fresh process of each side holds after it has answered once (resident set), less what one
holds that has only imported the libraries. Times are of sides taking turns in one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SIDES = ("separate", "frozen", "upper", "all")
TASKS = {"sentiment": "Sequence", "topic": "Sequence", "intent": "Sequence", "tags": "Token", "spans": "Span"}
LORA = {
    "frozen": {"lora_rank": 0},
    "upper": {"lora_rank": 8, "lora_layers": [3, 4, 5]},
    "all": {"lora_rank": 8},
}


def auto_classes() -> dict[str, type]:
    from transformers import (
        AutoModelForQuestionAnswering,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
    )

    import textgraft.models.auto  # noqa: F401

    return {
        "Sequence": AutoModelForSequenceClassification,
        "Token": AutoModelForTokenClassification,
        "Span": AutoModelForQuestionAnswering,
    }


def save(folder: Path) -> None:
    """Write the models of every side, so that each process finds them as a user would."""
    import torch

    from textgraft.models.encoders import resolve_encoder
    from textgraft.models.graft.heads import GraftConfig
    from textgraft.models.quiet import quiet_transformers

    source = resolve_encoder()
    for seed, (task, head) in enumerate(TASKS.items()):
        auto = auto_classes()[head]
        torch.manual_seed(seed)
        with quiet_transformers():
            auto.from_pretrained(source.path, num_labels=2).save_pretrained(folder / "separate" / task)
            for side, settings in LORA.items():
                model = auto.from_config(GraftConfig.on(source, num_labels=2, **settings))
                model.save_pretrained(folder / side / task)


def load(side: str, folder: Path) -> Callable[[dict], object]:
    """Return what answers all five tasks for a batch."""
    from textgraft.models.quiet import quiet_transformers

    if side == "separate":
        with quiet_transformers():
            models = [
                auto_classes()[head].from_pretrained(folder / side / task).eval()
                for task, head in TASKS.items()
            ]
        return lambda batch: [model(**batch) for model in models]
    from textgraft.inference.grafted import GraftedEncoder

    grafted = GraftedEncoder()
    for task in TASKS:
        grafted.add(task, folder / side / task)
    return grafted.outputs


def batches(count: int) -> list[dict]:
    """Make batches of texts of 5 to 60 tokens, by token budget as everywhere."""
    import numpy as np
    import torch

    from textgraft.training.batching import token_budget_batches

    generator = np.random.default_rng(0)
    lengths = np.exp(generator.normal(np.log(20), 0.6, count)).clip(5, 60).astype(int).tolist()
    made = []
    for rows in token_budget_batches(lengths, max_tokens=2048, max_sequences=256, generator=None):
        longest = max(lengths[row] for row in rows)
        ids = torch.from_numpy(generator.integers(1000, 30000, (len(rows), longest)))
        mask = torch.stack([torch.arange(longest) < lengths[row] for row in rows]).long()
        made.append({"input_ids": ids * mask, "attention_mask": mask})
    return made


def answer(run: Callable[[dict], object], data: list[dict]) -> None:
    import torch

    from textgraft.training.precision import autocast, resolve_precision

    device = torch.device("cpu")
    with torch.inference_mode(), autocast(resolve_precision("auto", device), device):
        for batch in data:
            run(batch)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def hold(side: str, folder: Path, texts: int) -> None:
    """Print what this process holds."""
    auto_classes()
    import textgraft.inference.grafted  # noqa: F401

    before = resident_mb()
    data = batches(texts)
    run = load(side, folder)
    answer(run, data)
    print(resident_mb() - before)


def measure(folder: Path, threads: int, rounds: int, texts: int) -> None:
    """Let the sides take turns."""
    import torch

    torch.set_num_threads(threads)
    data = batches(texts)
    sides = {side: load(side, folder) for side in SIDES}
    single = [{name: tensor[:1] for name, tensor in data[len(data) // 2].items()}]
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    latencies: dict[str, list[float]] = {side: [] for side in SIDES}
    for turn in range(rounds + 1):
        for side, run in sides.items():
            for work, kept in ((data, times), (single, latencies)):
                start = time.perf_counter()
                answer(run, work)
                if turn:  # the first is to warm up
                    kept[side].append(time.perf_counter() - start)
    print(f"\n{threads} thread(s), median of {rounds}: {texts} texts for five tasks, and one text alone")
    for side in SIDES:
        rate = statistics.median(times[side])
        print(f"{side:>10}  {rate:7.2f} s  {1000 * statistics.median(latencies[side]):7.1f} ms")
    for side in SIDES[1:]:
        ratio = statistics.median(times["separate"]) / statistics.median(times[side])
        print(f"RATIO {threads} thread(s): time, separate / {side} {ratio:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--hold", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.hold:
        hold(given.hold[0], Path(given.hold[1]), given.texts)
        return
    from machine import describe

    print(describe("textgraft", "torch", "transformers", "peft"), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(folder)
        held: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(min(3, given.rounds)):
            for side in SIDES:
                command = [sys.executable, __file__, "--texts", str(given.texts), "--hold", side, name]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                held[side].append(float(output))
        memory = {side: statistics.median(values) for side, values in held.items()}
        for side in SIDES:
            size = sum(file.stat().st_size for file in (folder / side).rglob("*.*") if file.is_file()) / 1e6
            print(f"{side:>10}  {memory[side]:6.0f} MB held  {size:6.1f} MB on disk")
        for side in SIDES[1:]:
            print(f"RATIO memory, separate / {side} {memory['separate'] / memory[side]:.2f}", flush=True)
        for threads in given.threads:
            measure(folder, threads, given.rounds, given.texts)


if __name__ == "__main__":
    main()
