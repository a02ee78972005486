"""Many texts answered on several cores: as many batches at a time as there are, against one after the other.

    python benchmarks/at_once.py [--threads 2] [--texts 400] [--rounds 5] [--models sentiment ner …]

The sides take turns in one process. "one by one" is the engine given one batch at a time, of 2,048 tokens,
which was the way before; an engine computes a batch on one core. "torch" is the same model without an engine,
which computes a batch on all of them. ``encode`` is what the encoder alone takes.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

from machine import describe
from on_threads import answers, asking

import textgraft
from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.inference.encode import Encoder
from textgraft.inference.predictor import MAX_TOKENS, Predictor


def main() -> None:
    """Time the sides in turn, for each model."""
    parser = asking(__doc__, threads=2)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--models", nargs="+", default=["sentiment", "ner", "banking-intents"])
    arguments = answers(parser)
    texts = docstrings_dataset().columns["docstring"][: arguments.texts]
    print(describe("torch", "openvino"), f"{len(texts)} texts, {arguments.threads} threads", sep="\n")
    for name in arguments.models:
        model, by_torch = textgraft.load(name, engine="openvino"), textgraft.load(name, engine="torch")
        assert isinstance(model, Predictor)
        opened = model.runner.open()
        encoder = Encoder(engine="openvino", precision="bf16")
        former = patch("textgraft.inference.predictor.ENGINE_TOKENS", MAX_TOKENS)

        def at_once(number: int, model: Predictor = model, opened=opened) -> None:
            model.runner._opened = dataclasses.replace(opened, at_once=number)
            model.predict(texts)

        def one_by_one(answer: Callable[[int], None] = at_once, former=former) -> None:
            with former:
                answer(1)

        sides: dict[str, Callable[[], object]] = {
            "one by one": one_by_one,
            "at once": lambda answer=at_once, opened=opened: answer(opened.at_once),
            "torch": lambda by_torch=by_torch: by_torch.predict(texts),
            "encode": lambda encoder=encoder: encoder.encode(texts),
        }
        taken: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(-1, arguments.rounds):
            for side, call in sides.items():
                start = time.perf_counter()
                call()
                if number >= 0:
                    taken[side].append(time.perf_counter() - start)
        medians = {side: statistics.median(times) for side, times in taken.items()}
        told = ", ".join(f"{side} {seconds:.2f} s" for side, seconds in medians.items())
        print(f"{name} ({opened.note}): {told}", flush=True)
        for side in ("one by one", "torch"):
            print(f"  RATIO {side} over at once {medians[side] / medians['at once']:.2f}", flush=True)


if __name__ == "__main__":
    main()
