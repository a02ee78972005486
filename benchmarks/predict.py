"""Predictions: one text alone and 200, on the engine that textgraft picks, in torch, and in Transformers.

    python benchmarks/predict.py [--rounds 15] [--tasks sentiment ner …]

The sides take turns, on one thread, in one process. "engine" and "torch" are textgraft's pipeline and
predictor on either, a predictor on the engine that a loaded model gets, int8 included; "transformers" is
Transformers' own pipeline around the same model, where it has one that runs it. Before each task the largest
difference between a score of both of textgraft's sides is printed. Medians of wall-clock and of processor
time; ``encode`` is what the encoder alone takes, for comparison. ONEDNN_MAX_CPU_ISA=AVX2
ATEN_CPU_CAPABILITY=avx2 CT2_FORCE_CPU_ISA=AVX2 make a larger processor compute as one with AVX2, but for the
few kernels that OpenVINO chooses by itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch
import transformers
from machine import describe

import textgraft
from textgraft.inference.encode import Encoder
from textgraft.inference.predictor import Predictor
from textgraft.inference.runner import Runner
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
from textgraft.models.loading import load_tokenizer
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.tasks.text.multiple_choice import MultipleChoice
from textgraft.tasks.text.pairs import PairClassification
from textgraft.tasks.text.regression import Regression

MANY = 200
WORDS = (
    "We", "left", "the", "old", "house", "before", "the", "rain", "came", "and", "Anna", "Meyer", "drove",
    "us", "to", "Hamburg", "in", "her", "car",
)  # fmt: skip
ONE = "We left the old house"
Call = Callable[[list[Any]], Any]


def sentences(count: int) -> list[str]:
    """Texts of 5 to 60 words."""
    return [" ".join((WORDS * 4)[row % 7 : row % 7 + 5 + 11 * row % 56]) for row in range(count)]


def fine_tuned(head: str, **settings: Any) -> Any:
    """The bundled encoder under a head of random weights: its speed is that of a trained one."""
    torch.manual_seed(0)
    kind = getattr(transformers, f"BertFor{head}")
    return kind.from_pretrained(resolve_encoder().path, trust_remote_code=False, **settings)


def frozen() -> Any:
    torch.manual_seed(0)
    return GraftForSequenceClassification(GraftConfig.on(resolve_encoder(), num_labels=6))


def predictors(model: Any, task: Any) -> dict[str, Call]:
    tokenizer = load_tokenizer(resolve_encoder().path)
    sides = {}
    for side, engine in (("engine", "auto"), ("torch", "torch")):
        runner = Runner(model, engine, int8=True)
        print(f"{side}: {runner.note}")
        sides[side] = Predictor(model, tokenizer, task, 256, runner=runner).predict
    return sides


def pipelines(name: str, model: str) -> dict[str, Call]:
    return {
        side: textgraft.pipeline(name, model, engine=engine)
        for side, engine in (("engine", "auto"), ("torch", "torch"))
    }


def theirs(name: str, model: Any) -> dict[str, Call]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = transformers.pipeline(
            name, model=model, tokenizer=load_tokenizer(resolve_encoder().path), device="cpu"
        )
    return {"transformers": lambda given: made(given, batch_size=32 if len(given) > 1 else 1)}


def tasks() -> dict[str, Callable[[], tuple[dict[str, Call], list[Any]]]]:
    texts = [ONE, *sentences(MANY)]
    pairs = list(zip(texts, reversed(texts), strict=True))
    labels = [f"label {number}" for number in range(6)]

    def classification() -> tuple[dict[str, Call], list[Any]]:
        model = fine_tuned("SequenceClassification", num_labels=6)
        task = SingleLabelClassification(labels)
        return predictors(model, task) | theirs("text-classification", model), texts

    def token_classification() -> tuple[dict[str, Call], list[Any]]:
        model = fine_tuned("TokenClassification", num_labels=5)
        sides = {
            side: textgraft.pipeline(
                "token-classification", (model, load_tokenizer(resolve_encoder().path)), engine=engine
            )
            for side, engine in (("engine", "auto"), ("torch", "torch"))
        }
        return sides | theirs("token-classification", model), texts

    return {
        "frozen": lambda: (predictors(frozen(), SingleLabelClassification(labels)), texts),
        "sentiment": lambda: (pipelines("text-classification", "sentiment"), texts),
        "ner": lambda: (pipelines("token-classification", "ner"), texts),
        "question-answering": lambda: (
            pipelines("question-answering", "question-answering"),
            [{"question": "Who left?", "context": text} for text in texts],
        ),
        "classification": classification,
        "multi-label": lambda: (
            predictors(fine_tuned("SequenceClassification", num_labels=6), MultiLabelClassification(labels)),
            texts,
        ),
        "regression": lambda: (
            predictors(fine_tuned("SequenceClassification", num_labels=1), Regression(0.0, 1.0)),
            texts,
        ),
        "pairs": lambda: (
            predictors(fine_tuned("SequenceClassification", num_labels=6), PairClassification(labels)),
            pairs,
        ),
        "multiple-choice": lambda: (
            predictors(fine_tuned("MultipleChoice"), MultipleChoice(2)),
            [{"prompt": text, "choices": ["at once", "later"]} for text in texts],
        ),
        "token-classification": token_classification,
    }


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    start, busy = time.perf_counter(), time.process_time()
    call()
    return 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - busy)


def measure(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the median milliseconds of each side, by the clock and of processor time."""
    for side in sides.values():
        side()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(timed(side))
    return {
        name: (statistics.median(wall for wall, _ in found), statistics.median(busy for _, busy in found))
        for name, found in times.items()
    }


def scores(value: Any) -> list[float]:
    """Return all scores in an answer, in order."""
    if isinstance(value, list | tuple):
        return [score for entry in value for score in scores(entry)]
    if isinstance(value, dict):
        return [float(value["score"])] if "score" in value else []
    return list(value.numbers()) if hasattr(value, "numbers") else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tasks", nargs="+", choices=tasks(), default=list(tasks()))
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    print(describe("textgraft", "torch", "transformers", "openvino"), flush=True)
    encoder = Encoder(threads=1)
    wall, busy = measure({"encode": lambda: encoder.encode([ONE])}, 3 * options.rounds)["encode"]
    print(f"{'encode, one text':34s} {wall:9.1f} ms   {busy:9.1f} ms of processor time", flush=True)
    for name in options.tasks:
        sides, inputs = tasks()[name]()
        a, b = (scores(sides[side](inputs[:32])) for side in ("engine", "torch"))
        drift = max((abs(x - y) for x, y in zip(a, b, strict=False)), default=0.0)
        print(f"{name}: scores of engine and torch differ by {drift:.4f} at most")
        for what, given, rounds in (
            ("one text", inputs[:1], 3 * options.rounds),
            (f"{MANY} texts", inputs[1:], max(2, options.rounds // 5)),
        ):
            found = measure(
                {side: lambda call=call, given=given: call(given) for side, call in sides.items()}, rounds
            )
            for side, (wall, busy) in found.items():
                print(f"  {what:10s} {side:20s} {wall:9.1f} ms   {busy:9.1f} ms of processor time")
            ratio = found["torch"][1] / found["engine"][1]
            print(f"  RATIO {name}, {what}: torch over engine {ratio:.2f} by processor time", flush=True)


if __name__ == "__main__":
    main()
