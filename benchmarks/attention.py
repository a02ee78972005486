"""Attention in training on a CPU: as torch computes it, and as textgraft lets it.

    python benchmarks/attention.py [--threads 1] [--rounds 7]

One forward and backward pass of torch's scaled_dot_product_attention with a padding mask, for shapes
[texts, heads, tokens, width of a head] of the models that textgraft trains, without dropout and with a tenth.
Two sides take turns, and the medians of their times are compared:

    torch       in bf16 under torch.autocast
    textgraft   the context in which textgraft trains: attention stays in fp32, dropout is its own

On a processor without bf16 both compute in fp32.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from machine import describe, precisions
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from textgraft.training.precision import autocast

SHAPES = {
    "Transformer on sentences": (128, 4, 14, 64),
    "MiniLM on sentences": (64, 12, 32, 32),
    "MiniLM on paragraphs": (16, 12, 128, 32),
    "MiniLM at its longest": (8, 12, 256, 32),
    "BERT tiny, pre-training": (16, 2, 128, 64),
    "BERT base": (8, 12, 128, 64),
}
CPU = torch.device("cpu")
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SIDES: dict[str, Callable[[str], AbstractContextManager[object]]] = {
    "torch": lambda precision: torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"),
    "textgraft": lambda precision: autocast(precision, CPU),
}


def seconds(side: str, precision: str, rate: float, inputs: list[Tensor], mask: Tensor) -> float:
    """Return the processor time of one forward and backward pass."""
    start = time.process_time()
    with SIDES[side](precision):
        found = scaled_dot_product_attention(*inputs, attn_mask=mask, dropout_p=rate)
    found.backward(torch.ones_like(found))
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{describe('torch')}, {options.threads} thread(s)")
    precision = precisions("fp32", "bf16")[-1]
    for (name, shape), rate in itertools.product(SHAPES.items(), (0.0, 0.1)):
        texts, _, tokens, _ = shape
        inputs = [torch.randn(shape, dtype=TYPES[precision], requires_grad=True) for _ in range(3)]
        mask = torch.arange(tokens) < torch.randint(tokens // 2, tokens + 1, (texts, 1, 1, 1))
        mask = mask.expand(texts, 1, tokens, tokens)
        times: dict[str, list[float]] = {side: [] for side in SIDES}
        for turn in range(options.rounds + 1):
            for side in SIDES:
                taken = seconds(side, precision, rate, inputs, mask)
                if turn:  # the first one warms up
                    times[side].append(taken)
        theirs, ours = (1000 * statistics.median(times[side]) for side in SIDES)
        print(
            f"RATIO {precision}, dropout {rate}, {name} {list(shape)}: {theirs / ours:.2f} "
            f"({theirs:.1f} against {ours:.1f} ms)"
        )


if __name__ == "__main__":
    main()
