"""Fine-tuning with the vectors of the words in use against those of the whole vocabulary.

    python benchmarks/words_in_use.py [--steps 6] [--rounds 2] [--data-folder FOLDER]

The sides take turns, on one thread: a step of the training loop on 32 texts, of all layers, for the bundled
MiniLM and for a network of the shape of multilingual MiniLM (250,037 words, twelve layers, random weights).
The same weights come out on either side (``tests/training/test_words_in_use.py``). Processor time, the first
step left out; and the memory that gradients and moments take.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from finetune import Bench, read_texts
from machine import describe
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from textgraft.training import words_in_use
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

SIDES = {"whole vocabulary": 0.0, "words in use": words_in_use.MOST_IN_USE}
"""The share of the words in use above which all are trained."""


def multilingual() -> PreTrainedModel:
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=250_037,
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    return BertForSequenceClassification(shape)


def seconds_a_step(bench: Bench, make: Callable[[], PreTrainedModel], share: float, steps: int) -> float:
    """Return the processor time of a step, the median, by the texts that it had."""
    marks: list[tuple[int, float]] = []
    words_in_use.MOST_IN_USE = share
    fit(
        make(),
        TaskRows(bench.task, bench.rows, bench.rows[:1], pad_token_id=0),
        TrainingSettings(epochs=None, max_steps=steps, patience=None),
        on_step=lambda progress: marks.append((progress.tokens, time.process_time())),
    )
    # The last one is followed by an evaluation.
    paces = [
        (after[1] - before[1]) / (after[0] - before[0]) for before, after in itertools.pairwise(marks[:-1])
    ]
    return statistics.median(paces) * 32 * bench.mean_length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--models", nargs="+", choices=["bundled", "multilingual"], default=["bundled", "multilingual"]
    )
    parser.add_argument("--data-folder", type=Path, default=os.environ.get("TEXTGRAFT_DATA"))
    options = parser.parse_args()
    if options.data_folder is None:
        parser.error("give --data-folder, or set TEXTGRAFT_DATA")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    print(describe("torch", "transformers"), flush=True)
    bench = Bench(read_texts(options.data_folder, mixed=True), 0.0, 0)
    used = len(TaskRows(bench.task, bench.rows, bench.rows[:1], pad_token_id=0).ids_in_use())
    for name in options.models:
        make = bench.model if name == "bundled" else multilingual
        found: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side, share in SIDES.items():
                found[side].append(seconds_a_step(bench, make, share, options.steps))
        whole, ours = (statistics.median(found[side]) for side in SIDES)
        words, size = make().get_input_embeddings().weight.shape
        print(f"{name}: {used:,} of {words:,} words in use; {whole:.2f} and {ours:.2f} s a step of 32 texts")
        taken = [f"{12 * rows * size / 1e6:.0f}" for rows in (words, used)]
        print(f"  gradient and moments of word vectors: {' and '.join(taken)} MB")
        print(f"RATIO {name}: whole vocabulary / words in use {whole / ours:.2f}", flush=True)


if __name__ == "__main__":
    main()
