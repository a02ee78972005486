"""Write the states that graphs of the bundled encoder are checked by: what torch computes in fp32.

    python benchmarks/ship_states.py

One batch of single texts with padding, and one of pairs; states are rounded to half precision, which moves no
cosine that is looked at.
"""

from __future__ import annotations

import numpy as np
import torch
from machine import describe
from safetensors.numpy import save_file

from textgraft.inference.engines.bundled import FILE, STATES
from textgraft.models.encoders import load_encoder, resolve_encoder

TEXTS = (
    "A short one.",
    "The committee met on Tuesday, but it could not agree on the date of the election.",
    "ORDER #4711: 2 x USB-C cable (1.5 m), EUR 12.90!!",
)
PAIRS = (("Why does the kettle whistle?", "Steam leaves it."), ("Who came?", "Nobody had been seen all day."))


def main() -> None:
    print(describe("textgraft", "torch", "transformers"))
    encoder, tokenizer = load_encoder(resolve_encoder())
    held: dict[str, np.ndarray] = {}
    for name, rows in (("texts", TEXTS), ("two", PAIRS)):
        batch = tokenizer(list(rows), padding=True, return_tensors="pt")
        with torch.inference_mode():
            states = encoder(**batch).last_hidden_state
        held |= {f"{name}.{key}": value.numpy().astype(np.int32) for key, value in batch.items()}
        held[f"{name}.{STATES}"] = states.numpy().astype(np.float16)
    save_file(held, FILE)
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
