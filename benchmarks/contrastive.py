"""Few rows of each label: contrastive fine-tuning against what else there is, SetFit among it.

    python benchmarks/contrastive.py --data DATA [--sets trec sst2 banking77] [--shots 4 8 16] [--seeds 3]
        [--contenders bert-frozen bert-finetuned bert-contrastive] [--setfit 20]

Every contender fits its first configuration on the same rows with the same encoder, and is scored on the same
test rows. With ``--setfit`` the package of this name, which has to be installed, does so as well: at its
defaults (cosine-similarity loss, batches of 16, one epoch, logistic regression) on so many pairs of each kind
a row (``num_iterations``). Times are of the processor; what frozen layers compute is charged to each fit.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import nested_shots, nested_subsets
from textgraft.models.encoders import EncoderSource, resolve_encoder
from textgraft.tasks.base import Task
from textgraft.tasks.text.classification import SingleLabelClassification

LABELS = {"trec": "coarse", "sst2": "label", "banking77": "label"}
CONTENDERS = ["bert-frozen", "bert-finetuned", "bert-contrastive"]


def by_contender(name: str, job: Job, test: Dataset) -> tuple[list[Any], float]:
    """Fit a contender's first configuration; return its answers and the seconds of the fit."""
    contender = contenders_for("classification")[name]
    torch.manual_seed(job.seed)
    start = time.process_time()
    fitted = contender.fit(job, contender.grid[0])
    seconds = time.process_time() - start + max(0.0, fitted.cached_seconds)
    predictor = fitted.predictor(job.task)
    predictor.choose_engine("torch")
    return [prediction.answer for prediction in predictor.predict_rows(test)], seconds


def by_setfit(encoder: EncoderSource, job: Job, test: Dataset, iterations: int) -> tuple[list[Any], float]:
    """Fit SetFit's model; return its answers and the seconds of the fit."""
    from datasets import Dataset as Rows
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression

    start = time.process_time()
    words = Transformer(str(encoder.path), max_seq_length=256)
    body = SentenceTransformer(modules=[words, Pooling(words.get_word_embedding_dimension())], device="cpu")
    rows = Rows.from_dict({"text": list(job.train.texts), "label": job.targets(job.train)})
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_iterations=iterations,
            seed=job.seed,
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        model = SetFitModel(model_body=body, model_head=LogisticRegression(max_iter=1000))
        Trainer(model=model, args=arguments, train_dataset=rows).train()
    seconds = time.process_time() - start
    return [int(answer) for answer in model.predict(list(test.texts))], seconds


def score(task: Task, test: Dataset, answers: list[Any]) -> float:
    """Return the main metric."""
    return task.metrics(task.targets(test), answers)[task.main_metric]


def main() -> None:
    """Fit everything on every set, with so many rows a label, with every seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(LABELS), choices=list(LABELS))
    parser.add_argument("--shots", nargs="+", type=int, default=[4, 8, 16])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS)
    parser.add_argument("--setfit", type=int, default=0)
    parser.add_argument("--test-rows", type=int, default=400)
    arguments = parser.parse_args()
    print(describe("textgraft", "torch", "transformers"))
    encoder = resolve_encoder()
    for name in arguments.sets:
        folder, columns = arguments.data / name, {"text": "text", "label": LABELS[name]}
        rows, test = (read_dataset(folder / f"{side}.csv", **columns) for side in ("train", "test"))
        count = min(arguments.test_rows, len(test))
        test = test.select(nested_subsets(test.strata, [count], 0, None)[count])
        task = SingleLabelClassification.fitted_to(rows)
        for shots in arguments.shots:
            found: dict[str, list[tuple[float, float]]] = {}
            for seed in range(arguments.seeds):
                train = nested_shots(rows.strata, [shots], seed)[shots]
                others = np.setdiff1d(np.arange(len(rows)), train)
                dev = np.random.default_rng(seed).choice(others, max(20, len(train) // 4), replace=False)
                job = Job(rows.select(train), rows.select(dev.tolist()), task, seed, encoder)
                fits = {kind: by_contender(kind, job, test) for kind in arguments.contenders}
                if arguments.setfit:
                    fits["setfit"] = by_setfit(encoder, job, test, arguments.setfit)
                for kind, (answers, seconds) in fits.items():
                    found.setdefault(kind, []).append((score(task, test, answers), seconds))
            for kind, results in found.items():
                scores, times = zip(*results, strict=True)
                spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
                print(
                    f"{name}, {shots} a label: {kind:20s} {task.main_metric} {statistics.fmean(scores):.3f} "
                    f"(± {spread:.3f} between seeds), {statistics.fmean(times):.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
