"""A text that goes on: quality against the share that is read, and what a token costs at any length.

    python benchmarks/streaming.py --data DATA [--rows 1200] [--sets news sst2] [--parts latency quality]

Quality: an LSTM that reads to the right alone is trained on rows of each set. On the set's test rows, which
it has not seen, one half chooses from which score on a text is answered before its end (with 95% confidence
at most 2 of 100 texts fewer rightly than after all of it), the other half measures that and other scores;
and, so that one sees what going by the score is worth, what answering every text after the same share of it,
sure or not, comes to.

Latency: the LSTM reads one token more of a text of so many tokens; the bundled BERT, on the fastest engine,
reads the whole text again, in windows of 250 words where it is longer than BERT reads at once. Both in turn,
medians of processor time on one thread, so that busy neighbours count little.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from machine import describe

import textgraft
from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import nested_subsets
from textgraft.inference.encode import Encoder
from textgraft.inference.predictor import Predictor
from textgraft.inference.streaming.early import early_decisions
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

SETS: dict[str, tuple[str, str, list[str], str]] = {
    "news": ("ag_news_7600/train.csv", "ag_news_7600/test.csv", ["title", "description"], "label"),
    "sst2": ("sst2/train.csv", "sst2/test.csv", ["text"], "label"),
    "trec": ("trec/train.csv", "trec/test.csv", ["text"], "coarse"),
}
"""Rows to learn from and to judge on, and their columns."""
LENGTHS = (10, 30, 100, 300, 1000, 3000, 10_000)
"""Tokens read before the one that is timed."""
WINDOW = 250
"""Words that BERT reads at once."""
MORE = 20
"""Tokens that are timed in a round."""
STREAMS = (1, 16, 256)
PARTS = ("latency", "quality")


def subset(rows: Dataset, size: int) -> Dataset:
    """Draw rows, the labels in their shares."""
    return rows if size >= len(rows) else rows.select(nested_subsets(rows.strata, [size], 0, None)[size])


def quality(data: Path, name: str, size: int, folder: Path) -> None:
    """Train on one set, and print quality against share read."""
    train, test, text, label = SETS[name]
    rows = subset(read_dataset(data / train, text=text, label=label), size)
    judged = read_dataset(data / test, text=text, label=label)
    start = time.process_time()
    trained = textgraft.train(
        rows.texts,
        folder / name,
        labels=rows.labels,
        contender="lstm",
        settings={"bidirectional": False},
        progress=False,
    )
    seconds = time.process_time() - start
    print(f"\n{name}: {len(rows):,} rows, {seconds:.0f} s of processor time to train", flush=True)
    found = early_decisions(trained.predictor, judged.texts, labels=judged.labels)
    print(f"{found.sentence}\n{found.finding}")
    print("| from a score of | macro F1 | answered rightly | of a text read | answered before its end |")
    print("|---|---|---|---|---|")
    for point in found.points:
        least = "the whole text" if point.least is None else f"{point.least:.4g}"
        print(f"| {least} | {point.score:.3f} | {point.right:.1%} | {point.read:.0%} | {point.early:.0%} |")
    print("\n| of every text read | macro F1 | answered rightly |\n|---|---|---|")
    for each in found.beginnings:
        print(f"| {each.read:.0%} | {each.score:.3f} | {each.right:.1%} |")


def processor_time(run: Callable[[], Any]) -> float:
    """Return the processor time of a call, in seconds."""
    start = time.process_time()
    run()
    return time.process_time() - start


def network(texts: list[str]) -> Predictor:
    """Return a network of the contender's usual size; what a token costs does not depend on its weights."""
    tokenizer = train_word_tokenizer(texts)
    task = SingleLabelClassification(["no", "yes"])
    config = RecurrentConfig(
        vocab_size=len(tokenizer), embedding_size=128, hidden_size=128, bidirectional=False, pad_token_id=0
    )
    task.configure(config)
    return Predictor(RecurrentForSequenceClassification(config).eval(), tokenizer, task, 512)


def latency(model: Predictor, words: list[str], rounds: int) -> None:
    """Print what one token more costs, by the tokens that were read before."""
    ids = model.tokenizer.backend_tokenizer.encode(" ".join(words), add_special_tokens=False).ids
    stream, encoder = model.stream(), Encoder()
    print("\n| tokens read | LSTM, one token more: ms | BERT, all again: ms | times |")
    print("|---|---|---|---|")
    for length in LENGTHS:
        stream.reset()
        stream.feed(ids[:length])
        windows = [" ".join(words[at : min(at + WINDOW, length)]) for at in range(0, length, WINDOW)]
        encoder.encode(windows)
        own, theirs = [], []
        for turn in range(rounds):
            more = ids[length + MORE * turn : length + MORE * (turn + 1)]
            own.append(processor_time(partial(feed_singly, stream, more)) / MORE)
            theirs.append(processor_time(partial(encoder.encode, windows)))
        assert stream.read == length + MORE * rounds
        one, again = statistics.median(own) * 1e3, statistics.median(theirs) * 1e3
        print(f"| {length:,} | {one:.2f} | {again:,.1f} | {again / one:,.0f} |", flush=True)


def feed_singly(stream: Any, ids: list[int]) -> None:
    """Read one token at a time."""
    for token in ids:
        stream.feed([token])


def batches(model: Predictor, ids: list[int], rounds: int) -> None:
    """Print what a token costs with several streams in a batch, and what is kept of each."""
    print("\n| streams in a batch | ms a step | tokens a second |")
    print("|---|---|---|")
    for count in STREAMS:
        streams = model.streams(count)
        took = [processor_time(partial(streams.feed, [[token]] * count)) for token in ids[: MORE * rounds]]
        step = statistics.median(took)
        print(f"| {count} | {step * 1e3:.2f} | {count / step:,.0f} |", flush=True)
    size = sum(array.nbytes for array in model.streams(1)._arrays().values())
    print(f"kept of a stream: {size:,} bytes, at any length")


def main() -> None:
    """Measure quality on each set, and latency."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["news", "sst2"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("textgraft", "torch"))
    if "latency" in arguments.parts:
        train, _, text, label = SETS["news"]
        texts = read_dataset(arguments.data / train, text=text, label=label).texts
        model = network(texts)
        latency(model, " ".join(texts).split()[: max(LENGTHS) + MORE * arguments.rounds], arguments.rounds)
        batches(model, list(range(3, 203)), arguments.rounds)
    if "quality" in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            for name in arguments.sets:
                quality(arguments.data, name, arguments.rows, Path(folder))


if __name__ == "__main__":
    main()
