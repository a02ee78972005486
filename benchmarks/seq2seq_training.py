"""Training an encoder–decoder: batches by token budget, both sides bucketed, against padded random batches.

    python benchmarks/seq2seq_training.py [--models lstm transformer] [--rounds 5] [--data DATA/multi30k]

Two sides train the same model on the same pairs by forward, backward and optimizer step:

    padded      64 pairs in random order, each side padded to its longest (what a DataLoader with a padding
                collator does), torch.optim.AdamW as it comes, fp32
    ours fp32   batches by a token budget from pairs whose sources and targets are both of similar length, and
                the training loop's optimizer
    ours bf16   the same in bf16, as the loop computes it

The sides take turns, and the medians of their true target tokens per second of processor time are compared.
Lengths are those of sentences (log-normal, a target is as long as its source give or take a fifth), or with
--data those of a folder with train.de and train.en.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe, precisions
from padding import padding_fraction

from textgraft.models.generation.encoder_decoder import transformer
from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig
from textgraft.models.recurrent.teacher_forcing import NOT_PREDICTED, teacher_forced
from textgraft.tasks.base import padded
from textgraft.training.batching import token_budget_batches
from textgraft.training.optimizer import build_optimizer
from textgraft.training.precision import autocast
from textgraft.training.settings import TrainingSettings

VOCABULARY, PAIRS, LONGEST = 8_000, 12_000, 120
BATCH = 64
SETTINGS = TrainingSettings(batch_size=128, max_tokens=4096)
"""What the recurrent contenders of translation train with."""
SLICE = 50_000
"""True tokens of both sides, about, that a side trains on before the next one has its turn."""

Batches = list[list[int]]
MODELS: dict[str, Callable[[], Any]] = {
    "lstm": lambda: RecurrentForSeq2SeqLM(RecurrentSeq2SeqConfig(vocab_size=VOCABULARY)),
    "lstm-fixed": lambda: RecurrentForSeq2SeqLM(
        RecurrentSeq2SeqConfig(vocab_size=VOCABULARY, attention="none")
    ),
    "transformer": lambda: transformer(vocab_size=VOCABULARY),
}


class Corpus:
    """Random pairs with realistic lengths.

    Args:
        lengths: Of source and target, [pairs, 2].
    """

    def __init__(self, lengths: np.ndarray) -> None:
        self.generator = np.random.default_rng(0)
        self.lengths = lengths.tolist()
        self.ids = [
            [self.generator.integers(3, VOCABULARY, n).tolist() for n in pair] for pair in self.lengths
        ]

    def batch(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Pad some pairs."""
        source, target = zip(*(self.ids[row] for row in rows), strict=True)
        ids = padded(source, 0)
        return {
            "input_ids": ids,
            "attention_mask": (ids != 0).long(),
            "labels": padded(target, NOT_PREDICTED),
        }

    def random_batches(self) -> Batches:
        """Cut a random order into batches."""
        order = self.generator.permutation(len(self.lengths)).tolist()
        return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]

    def budget_batches(self) -> Batches:
        """Group pairs whose sides are both of similar length."""
        return token_budget_batches(
            self.lengths,
            max_tokens=SETTINGS.max_tokens,
            max_sequences=SETTINGS.batch_size,
            generator=self.generator,
        )


class Side:
    """A model, its optimizer and its way to make batches."""

    def __init__(
        self,
        corpus: Corpus,
        model: Any,
        optimizer: torch.optim.Optimizer,
        epoch: Callable[[], Batches],
        bf16: bool = False,
    ) -> None:
        self.corpus, self.model, self.optimizer, self.epoch, self.bf16 = corpus, model, optimizer, epoch, bf16
        self.batches = self._batches()
        self.rates: list[float] = []

    def _batches(self) -> Iterator[list[int]]:
        while True:
            yield from self.epoch()

    def train(self, tokens: int = SLICE) -> float:
        """Train on the next slice; return true target tokens per second of processor time."""
        seen = targets = 0
        start = time.process_time()
        while seen < tokens:
            rows = next(self.batches)
            batch = self.corpus.batch(rows)
            with autocast("bf16" if self.bf16 else "fp32", torch.device("cpu")):
                loss = teacher_forced(self.model, batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), SETTINGS.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            seen += sum(sum(self.corpus.lengths[row]) for row in rows)
            targets += sum(self.corpus.lengths[row][1] for row in rows)
        return targets / (time.process_time() - start)


def drawn_lengths(median: float, spread: float) -> np.ndarray:
    """Draw the lengths of pairs, [pairs, 2]."""
    generator = np.random.default_rng(0)
    sources = np.exp(generator.normal(np.log(median), spread, PAIRS))
    targets = sources * np.exp(generator.normal(0.0, 0.2, PAIRS))
    return np.stack([sources, targets], axis=1).clip(2, LONGEST).astype(int)


def lengths_of(folder: Path) -> np.ndarray:
    """Return the words of each line of train.de and train.en, the end token counted, [pairs, 2]."""
    sides = [
        [len(line.split()) + 1 for line in (folder / f"train.{side}").read_text().splitlines()]
        for side in ("de", "en")
    ]
    return np.array(sides).T[:PAIRS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["lstm", "transformer"], choices=MODELS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--median-length", type=float, default=20.0)
    parser.add_argument("--spread", type=float, default=0.6)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lengths = (
        lengths_of(options.data) if options.data else drawn_lengths(options.median_length, options.spread)
    )
    corpus = Corpus(lengths)
    print(describe("torch", "transformers"))
    native = precisions("fp32", "bf16")
    print(
        f"{len(lengths):,} pairs, sources of {lengths[:, 0].mean():.0f} tokens, targets of "
        f"{lengths[:, 1].mean():.0f}; {options.threads} thread(s), median of {options.rounds}; padding "
        f"{padding_fraction(corpus.lengths, corpus.random_batches()):.0%} in random batches, "
        f"{padding_fraction(corpus.lengths, corpus.budget_batches()):.1%} in ours"
    )
    for name in options.models:
        torch.manual_seed(0)
        model = MODELS[name]().train()
        sides = {
            "padded": Side(corpus, model, torch.optim.AdamW(model.parameters()), corpus.random_batches),
        }
        for precision in native:
            sides[f"ours {precision}"] = Side(
                corpus,
                model,
                build_optimizer(model, SETTINGS),
                corpus.budget_batches,
                bf16=precision == "bf16",
            )
        for side in sides.values():
            side.train(SLICE // 4)
        for _ in range(options.rounds):
            for side in sides.values():
                side.rates.append(side.train())
        rates = {side: statistics.median(entry.rates) for side, entry in sides.items()}
        for side in (f"ours {precision}" for precision in native):
            print(
                f"RATIO {name}, {side} over padded: {rates[side] / rates['padded']:.2f} (target 2): "
                f"{rates[side]:,.0f} against {rates['padded']:,.0f} target tokens per second"
            )


if __name__ == "__main__":
    main()
