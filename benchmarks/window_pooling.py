"""Long reviews: the mean of a text's windows against attention over them, on frozen encodings.

    python benchmarks/window_pooling.py --data DATA/movie_reviews_long [--rows 120 300] [--seeds 3]

Every window is encoded once. On the windows' encodings stands a softmax over a learned query, as in Yang et
al. 2016 ("Hierarchical attention networks"), or the mean, which is the same with the query held at zero; then
one linear layer. Query and layer are fitted together by LBFGS, with the penalty of five that is best on the
dev rows; "chosen" takes the pooling that is. The score is macro F1 on the test rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe
from torch import Tensor
from torch.nn import functional

from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import nested_subsets
from textgraft.inference.encode import Encoder
from textgraft.models.encoders import load_tokenizer, resolve_encoder
from textgraft.models.windows import cut
from textgraft.tasks.text.classification import SingleLabelClassification

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Of the mean loss, times the squared weights over the number of rows."""
STEPS = 60


class Windows:
    """The encodings of all windows of some texts, padded.

    Args:
        encoder: Reads a window at a time.
        texts: Cut where the encoder's windows end.
    """

    def __init__(self, encoder: Encoder, texts: list[str]) -> None:
        tokenizer = load_tokenizer(encoder.source)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        parts = []
        for text in texts:
            offsets = tokenizer.encode(text, add_special_tokens=False).offsets
            places = cut(list(range(len(offsets))), encoder.max_length - sum(encoder.frame), (0, 0))
            parts.append([text[offsets[own[0]][0] : offsets[own[-1]][1]] for own in places if own] or [""])
        encoded = torch.from_numpy(encoder.encode([part for own in parts for part in own]))
        most = max(map(len, parts))
        self.is_used = torch.tensor([[place < len(own) for place in range(most)] for own in parts])
        self.states = torch.zeros(*self.is_used.shape, encoded.shape[1])
        self.states[self.is_used] = encoded

    def pooled(self, query: Tensor, rows: Tensor) -> Tensor:
        """Return one vector of length one a text, [rows, size]."""
        states, is_used = self.states[rows], self.is_used[rows]
        weights = (states @ query).masked_fill(~is_used, -torch.inf).softmax(dim=1)
        return functional.normalize((weights[..., None] * states).sum(dim=1), dim=-1)


def fit(windows: Windows, rows: Tensor, gold: Tensor, penalty: float, *, attends: bool) -> list[Tensor]:
    """Fit a query, a matrix and a bias; without attention the query stays at zero."""
    labels, size = int(gold.max()) + 1, windows.states.shape[-1]
    learned = [torch.zeros(size), torch.zeros(size, labels), torch.zeros(labels)]
    for tensor in learned[0 if attends else 1 :]:
        tensor.requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [tensor for tensor in learned if tensor.requires_grad], max_iter=STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        query, matrix, bias = learned
        logits = windows.pooled(query, rows) @ matrix + bias
        found = functional.cross_entropy(logits, gold)
        found = found + penalty * (matrix.square().sum() + query.square().sum()) / len(rows)
        found.backward()
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return [tensor.detach() for tensor in learned]


def main() -> None:
    """Fit both at every size with every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[120, 300])
    parser.add_argument("--dev-rows", type=int, default=100)
    parser.add_argument("--test-rows", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print(describe("textgraft", "torch"))
    rows, test = (
        read_dataset(arguments.data / f"{side}.csv", text="text", label="label") for side in ("train", "test")
    )
    count = max(arguments.rows) + arguments.dev_rows
    rows, test = (_sample(part, size) for part, size in ((rows, count), (test, arguments.test_rows)))
    task = SingleLabelClassification.fitted_to(rows)
    start, encoder = time.process_time(), Encoder(resolve_encoder(), precision="bf16")
    windows, of_test = Windows(encoder, list(rows.texts)), Windows(encoder, list(test.texts))
    gold, expected = torch.tensor(task.targets(rows)), task.targets(test)
    each = windows.is_used.sum(dim=1).float().mean()
    seconds = time.process_time() - start
    print(f"{len(rows) + len(test)} texts of {each:.1f} windows encoded in {seconds:.0f} s of processor time")

    def score(learned: list[Tensor], of: Windows, own: Tensor, target: list[int]) -> float:
        query, matrix, bias = learned
        answers = (of.pooled(query, own) @ matrix + bias).argmax(dim=1).tolist()
        return task.metrics(target, answers)[task.main_metric]

    found: dict[tuple[int, str], list[float]] = {}
    for seed in range(arguments.seeds):
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(rows)))
        dev = order[: arguments.dev_rows]
        for size in arguments.rows:
            own = order[arguments.dev_rows :][:size]
            best = {}
            for attends in (False, True):
                fits = [fit(windows, own, gold[own], penalty, attends=attends) for penalty in PENALTIES]
                by_dev = [score(each, windows, dev, gold[dev].tolist()) for each in fits]
                place = int(np.argmax(by_dev))
                on_test = score(fits[place], of_test, torch.arange(len(test)), expected)
                best[attends] = (by_dev[place], on_test)
                found.setdefault((size, "attention" if attends else "mean"), []).append(on_test)
            chosen = best[best[True][0] > best[False][0]][1]
            found.setdefault((size, "chosen"), []).append(chosen)
    for (size, name), values in sorted(found.items()):
        listed = ", ".join(f"{value:.3f}" for value in values)
        print(f"{size} rows, {name:10s} {task.main_metric} {statistics.fmean(values):.3f} ({listed})")


def _sample(rows: Dataset, size: int) -> Dataset:
    return rows.select(nested_subsets(rows.strata, [size], 0, None)[size])


if __name__ == "__main__":
    main()
