"""Training a bidirectional LSTM classifier: textgraft's batches and layers against the habits.

    python benchmarks/recurrent_training.py [--threads 1 2] [--rounds 5] [--median-length 30] [--spread 1.0]

Four sides train the same network (word vectors, one bidirectional LSTM layer, attention pooling, a linear
layer) on the same texts, at most 32 to a batch, by forward, backward and optimizer step:

    packed      random batches through pack_padded_sequence, torch.optim.AdamW as it comes
    padded      random batches, padded, the backward direction running over the padding (fast, and wrong)
    ours fp32   batches by token budget, reversal within true lengths, the training loop's optimizer
    ours bf16   the same under bf16 autocast

The sides take turns, a slice of an epoch each, and the medians of their true tokens per second are compared.
Text lengths are log-normal, like those of reviews, mails or plots (a spread of 1.0 is that of film plots).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from machine import describe, precisions
from padding import padding_fraction
from torch import Tensor, nn

from textgraft.models.recurrent.attention import AttentionPooling
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.training.batching import token_budget_batches
from textgraft.training.optimizer import build_optimizer
from textgraft.training.settings import TrainingSettings

VOCABULARY, SIZE, LABELS = 20_000, 128, 6
TEXTS, LONGEST = 12_000, 512
SETTINGS = TrainingSettings(max_tokens=8192)
"""A recurrent layer goes through a batch step by step: it needs several long texts side by side."""
BATCH = SETTINGS.batch_size
SLICE = 15
"""Batches that a side trains on before the next one has its turn."""


class Habit(nn.Module):
    """The usual classifier around nn.LSTM(bidirectional=True)."""

    def __init__(self, packed: bool) -> None:
        super().__init__()
        self.packed = packed
        self.embedding = nn.Embedding(VOCABULARY, SIZE, padding_idx=0)
        self.lstm = nn.LSTM(SIZE, SIZE, batch_first=True, bidirectional=True)
        self.pooling = AttentionPooling(2 * SIZE, SIZE)
        self.classifier = nn.Linear(2 * SIZE, LABELS)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Classify a right-padded batch."""
        vectors = self.embedding(input_ids)
        if self.packed:
            lengths = attention_mask.sum(dim=1)
            states, _ = self.lstm(
                nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
            )
            states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
        else:
            states, _ = self.lstm(vectors)
        return self.classifier(self.pooling(states, attention_mask.bool())[0])


def same_network(habit: Habit, ours: RecurrentForSequenceClassification) -> None:
    """Give both networks the same weights."""
    layer = ours.recurrent.layers[0]
    with torch.no_grad():
        ours.recurrent.embedding.load_state_dict(habit.embedding.state_dict())
        ours.recurrent.pooling.load_state_dict(habit.pooling.state_dict())
        ours.classifier.load_state_dict(habit.classifier.state_dict())
        for name, parameter in habit.lstm.named_parameters():
            direction = layer.leftward if name.endswith("_reverse") else layer.rightward
            direction.get_parameter(name.removesuffix("_reverse")).copy_(parameter)


class Corpus:
    """Random texts with realistic lengths."""

    def __init__(self, median: float, spread: float) -> None:
        self.generator = np.random.default_rng(0)
        lengths = np.exp(self.generator.normal(np.log(median), spread, TEXTS))
        self.lengths = np.clip(lengths, 3, LONGEST).astype(int).tolist()
        self.ids = [torch.from_numpy(self.generator.integers(3, VOCABULARY, n)) for n in self.lengths]
        self.labels = torch.from_numpy(self.generator.integers(0, LABELS, TEXTS))

    def batch(self, rows: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return padded ids, mask and labels of some texts."""
        input_ids = nn.utils.rnn.pad_sequence([self.ids[row] for row in rows], batch_first=True)
        return input_ids, (input_ids != 0).long(), self.labels[rows]

    def random_batches(self) -> list[list[int]]:
        """Cut a random order into batches, as a DataLoader does."""
        order = self.generator.permutation(TEXTS).tolist()
        return [order[start : start + BATCH] for start in range(0, TEXTS, BATCH)]

    def budget_batches(self) -> list[list[int]]:
        """Group texts of similar length, as the training loop does."""
        return token_budget_batches(
            self.lengths, max_tokens=SETTINGS.max_tokens, max_sequences=BATCH, generator=self.generator
        )


class Side:
    """A network, its optimizer and its way to make batches."""

    def __init__(
        self,
        logits: Callable[[Tensor, Tensor], Tensor],
        optimizer: torch.optim.Optimizer,
        epoch: Callable[[], list[list[int]]],
        bf16: bool = False,
    ) -> None:
        self.logits, self.optimizer, self.epoch, self.bf16 = logits, optimizer, epoch, bf16
        self.batches = self._batches()
        self.rates: list[float] = []

    def _batches(self) -> Iterator[list[int]]:
        while True:
            yield from self.epoch()

    def train(self, corpus: Corpus) -> float:
        """Train on the next slice; return true tokens per second."""
        rows_of_slice = [next(self.batches) for _ in range(SLICE)]
        tokens = sum(corpus.lengths[row] for rows in rows_of_slice for row in rows)
        start = time.perf_counter()
        for rows in rows_of_slice:
            input_ids, mask, labels = corpus.batch(rows)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                loss = nn.functional.cross_entropy(self.logits(input_ids, mask).float(), labels)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
        return tokens / (time.perf_counter() - start)


def build_sides(corpus: Corpus, native: list[str]) -> dict[str, Side]:
    """Build the sides, ours in each precision, after checking that packed and ours compute the same."""
    sides, habits = {}, {name: Habit(packed=name == "packed") for name in ("packed", "padded")}
    for name, habit in habits.items():
        sides[name] = Side(habit, torch.optim.AdamW(habit.parameters()), corpus.random_batches)
    for name in (f"ours {precision}" for precision in native):
        config = RecurrentConfig(
            vocab_size=VOCABULARY, embedding_size=SIZE, hidden_size=SIZE, dropout=0.0, embedding_dropout=0.0
        )
        config.num_labels = LABELS
        ours = RecurrentForSequenceClassification(config)
        same_network(habits["packed"], ours)
        input_ids, mask, _ = corpus.batch(corpus.random_batches()[0])
        with torch.no_grad():
            difference = (ours(input_ids, mask).logits - habits["packed"](input_ids, mask)).abs().max()
        assert difference < 1e-5, f"the sides do not compute the same: {difference}"
        optimizer = build_optimizer(ours, SETTINGS)
        sides[name] = Side(
            lambda input_ids, mask, model=ours: model(input_ids, mask).logits,
            optimizer,
            corpus.budget_batches,
            bf16=name.endswith("bf16"),
        )
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--median-length", type=float, default=30.0)
    parser.add_argument("--spread", type=float, default=1.0)
    options = parser.parse_args()
    torch.manual_seed(0)
    corpus = Corpus(options.median_length, options.spread)
    print(describe("torch", "transformers"))
    native = precisions("fp32", "bf16")
    print(
        f"{TEXTS:,} texts of 3 to {LONGEST} tokens, mean {np.mean(corpus.lengths):.0f}; "
        f"vocabulary {VOCABULARY:,}, vectors and states of {SIZE}, {BATCH} texts a batch at most; padding "
        f"{padding_fraction(corpus.lengths, corpus.random_batches()):.0%} in random batches, "
        f"{padding_fraction(corpus.lengths, corpus.budget_batches()):.1%} in ours"
    )
    for threads in options.threads:
        torch.set_num_threads(threads)
        sides = build_sides(corpus, native)
        for side in sides.values():
            side.train(corpus)
        for _ in range(options.rounds):
            for side in sides.values():
                side.rates.append(side.train(corpus))
        rates = {name: statistics.median(side.rates) for name, side in sides.items()}
        print(
            f"\n{threads} thread{'s' if threads > 1 else ''}: tokens per second, median of {options.rounds}"
        )
        for name, rate in rates.items():
            print(f"  {name:10s} {rate:10,.0f}   {rate / rates['packed']:5.2f} x packed")
        for ours, habit, target in (("fp32", "packed", 6), ("bf16", "packed", 10), ("bf16", "padded", 3)):
            if ours not in native:
                continue
            ratio = rates[f"ours {ours}"] / rates[habit]
            print(f"RATIO {threads} threads: {ours} over {habit} {ratio:.1f} (target {target})")


if __name__ == "__main__":
    main()
