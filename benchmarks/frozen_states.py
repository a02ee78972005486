"""Hidden states of frozen lower layers: on the engine against torch, which trained on them before.

    python benchmarks/frozen_states.py [--texts 400] [--layers 3] [--rounds 5] [--threads 1]

The states of docstrings of Python's library, computed once for a training of the upper layers; the sides take
turns, in the precision that training takes here. Opening the engine is not in it: it is said apart.
"""

from __future__ import annotations

import statistics
import time

from machine import describe
from on_threads import answers, asking

from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.inference.encoder_states import open_states
from textgraft.models.encoders import load_encoder, load_encoder_tokenizer, resolve_encoder
from textgraft.models.graft.encoder_layers import lower_modules, only_layers
from textgraft.training.text_arrays import TextStores
from textgraft.training.text_states import Frozen, text_states


def main() -> None:
    """Time both sides in turn."""
    parser = asking(__doc__)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--layers", type=int, default=3)
    arguments = answers(parser)
    source = resolve_encoder()
    encoder, _ = load_encoder(source)
    read = load_encoder_tokenizer(source)(docstrings_dataset().columns["docstring"][: arguments.texts])
    texts = [{"input_ids": ids} for ids in read["input_ids"]]
    print(describe("torch", "openvino"), f"{len(texts)} texts, {arguments.threads} threads", sep="\n")

    def running():
        return only_layers(encoder, 0, arguments.layers)

    stores = {"torch": TextStores(), "engine": TextStores()}
    taken: dict[str, list[float]] = {side: [] for side in stores}
    for number in range(-1, arguments.rounds):
        for side, kept in stores.items():
            frozen = Frozen(
                encoder,
                lower_modules(encoder, arguments.layers),
                running,
                arguments.layers,
                open_states if side == "engine" else None,
            )
            begun = time.perf_counter()
            found = text_states(frozen, texts, "auto", 0, kept, 10**10)
            seconds = time.perf_counter() - begun
            assert found is not None
            kept.clear()  # the engine stays open
            if number < 0:
                print(f"{side}, the first time: {seconds:.2f} s")
            else:
                taken[side].append(seconds)
    medians = {side: statistics.median(times) for side, times in taken.items()}
    print(*(f"{side}: {seconds:.2f} s" for side, seconds in medians.items()), sep="\n")
    print(f"ratio {medians['torch'] / medians['engine']:.2f}")


if __name__ == "__main__":
    main()
