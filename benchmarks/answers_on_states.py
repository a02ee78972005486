"""Test rows of a comparison: answered by the layers that were trained alone, against by the whole model.

    python benchmarks/answers_on_states.py [--rows 400] [--layers 3] [--rounds 5] [--threads 1]

Docstrings of Python's library under a head on the bundled encoder, of which so many lower layers were frozen.
What these make of a text is computed once in a comparison: "first" is a trial that computes it, "later" one
that finds it. The whole model is run on the engine, as for test rows before, and in torch, as for dev rows.
The sides take turns; neither opening an engine nor timing single rows is in it.
"""

from __future__ import annotations

import functools
import statistics
import time

import torch
import transformers
from machine import describe
from on_threads import answers, asking

from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.inference.encoder_states import open_states
from textgraft.inference.predictor import Predictor
from textgraft.inference.runner import TORCH, Runner
from textgraft.models.encoders import load_encoder_tokenizer, resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.training.frozen import run_upper_layers
from textgraft.training.text_arrays import TextStores


def main() -> None:
    """Time all sides in turn."""
    parser = asking(__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--layers", type=int, default=3)
    arguments = answers(parser)
    dataset = docstrings_dataset()
    rows = dataset.select(range(min(arguments.rows, len(dataset))))
    task, source = SingleLabelClassification(sorted(set(rows.labels))), resolve_encoder()
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification.from_pretrained(
        source.path, num_labels=len(task.labels), trust_remote_code=False
    )
    tokenizer = load_encoder_tokenizer(source)
    whole = {
        engine: Predictor(model, tokenizer, task, 256, runner=Runner(model, engine))
        for engine in ("auto", TORCH)
    }
    windows = whole[TORCH].windows(rows)
    upper = functools.partial(
        run_upper_layers,
        model,
        task,
        windows,
        freeze_layers=arguments.layers,
        precision="auto",
        pad_token_id=tokenizer.pad_token_id,
        open_states=open_states,
    )
    kept, fresh = TextStores(), TextStores()
    sides = {
        "whole, engine": lambda: whole["auto"].run(windows),
        "whole, torch": lambda: whole[TORCH].run(windows),
        "upper, first": lambda: upper(stores=fresh),
        "upper, later": lambda: upper(stores=kept),
    }
    print(describe("torch", "openvino"))
    print(f"{len(rows)} texts, {arguments.threads} threads, {arguments.layers} layers frozen")
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(-1, arguments.rounds):
        for side, answer in sides.items():
            begun = time.perf_counter()
            answer()
            if number >= 0:
                taken[side].append(time.perf_counter() - begun)
            fresh.clear()  # its engine stays open
    medians = {side: statistics.median(times) for side, times in taken.items()}
    for side, seconds in medians.items():
        print(f"{side}: {seconds:.2f} s, {seconds / medians['upper, later']:.2f} times the last")


if __name__ == "__main__":
    main()
