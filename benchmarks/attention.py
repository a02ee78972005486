"""Fused attention on a CPU under bf16: as torch computes it there, and in fp32 as textgraft lets it.

    python benchmarks/attention.py [--threads 1] [--rounds 7]

One forward and backward pass of torch's scaled_dot_product_attention with a padding mask, for shapes
[texts, heads, tokens, width of a head] of the models that textgraft trains. Two sides take turns, and the
medians of their times are compared:

    autocast    torch.autocast to bf16
    textgraft   the context in which textgraft computes in bf16, where attention stays in fp32
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from machine import describe
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
SIDES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "textgraft": lambda: autocast("bf16", CPU),
}


def seconds(side: str, inputs: list[Tensor], mask: Tensor) -> float:
    """Time one forward and backward pass."""
    start = time.perf_counter()
    with SIDES[side]():
        found = scaled_dot_product_attention(*inputs, attn_mask=mask)
    found.backward(torch.ones_like(found))
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{describe('torch')}, {options.threads} thread(s)")
    for name, shape in SHAPES.items():
        texts, _, tokens, _ = shape
        inputs = [torch.randn(shape, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
        mask = torch.arange(tokens) < torch.randint(tokens // 2, tokens + 1, (texts, 1, 1, 1))
        mask = mask.expand(texts, 1, tokens, tokens)
        times: dict[str, list[float]] = {side: [] for side in SIDES}
        for turn in range(options.rounds + 1):
            for side in SIDES:
                taken = seconds(side, inputs, mask)
                if turn:  # the first one warms up
                    times[side].append(taken)
        theirs, ours = (1000 * statistics.median(times[side]) for side in SIDES)
        print(f"RATIO {name} {list(shape)}: {theirs / ours:.2f} ({theirs:.1f} against {ours:.1f} ms)")


if __name__ == "__main__":
    main()
