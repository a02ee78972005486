"""Models that write, at equal time a contender: e-mails to subject lines, and German to English.

    python benchmarks/writing.py --data DATA [--sets aeslc multi30k tatoeba] [--contenders NAME …]
        [--seconds 60] [--rows 4000] [--test-rows 500] [--taken-rows N] [--encoder bundled]
        [--freeze-encoder] [--against NAME] [--output runs/writing]

Every contender is trained by ``textgraft.train`` on the same rows for the same time, what it computes of
texts before its first step included, and writes the same test rows. Beside the summaries stand some that need
no training: the first sentence, as many words of the beginning as subject lines have on average and twice as
many, and the oracle, who knows the true summary and takes the sentences that fit it best. Printed is a table
for each set, with 95% intervals over the test rows, and each one's difference from one, row by row. On
a busy machine the same time is not the same work: the table has the processor's seconds of training and
test together, too. bert-extractive encodes every sentence of its rows before its first step, and so does
bert-to-bert with --freeze-encoder, which then trains what writes alone; so that this fits the time, they may
be given fewer rows with --taken-rows, and a fifth as many dev rows.

What is finished in the output folder is kept, not trained again, and shown with the rest: so a second run
with another --encoder stands in the same table, as "bert-to-bert@mpnet".
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe

from textgraft.comparison.train import train
from textgraft.data.dataset import Dataset
from textgraft.evaluation.extraction import oracle
from textgraft.evaluation.intervals import Scale, left_out_scores, score_interval
from textgraft.evaluation.paired import paired_change
from textgraft.evaluation.rouge import weighted_rouge
from textgraft.files import write_json
from textgraft.tasks.base import Task
from textgraft.tasks.registry import task_class
from textgraft.tokenization.sentences import split_sentences

GREEDY = {"num_beams": 1, "epochs": 1000, "patience": 1000, "evaluations_per_epoch": 1}
"""Searching with beams would take longer than training does here; the time ends the training."""
TAKES = "bert-extractive"
"""The contender that takes sentences, whose training has no beams to be told of."""
WARM_STARTED = ("bert-to-bert", "bert-to-bert-copy")
WRITERS = ("lstm-attention", "transformer", *WARM_STARTED)


@dataclass(frozen=True)
class Collection:
    """A set of rows, and how it is read."""

    task: str
    source: str
    target: str
    contenders: tuple[str, ...]
    max_length: int
    """Tokens that writers read of a source; what takes sentences reads all of it."""
    metrics: tuple[str, ...]

    def load(self, data: Path, name: str) -> dict[str, list[tuple[str, str]]]:
        """Return the training, dev and test rows, as (source, target)."""
        if name == "aeslc":
            files = {part: data / name / f"{part}.jsonl" for part in ("train", "dev", "test")}
            return {
                part: [
                    (row["text"], row["summary"]) for row in map(json.loads, file.read_text().splitlines())
                ]
                for part, file in files.items()
            }
        if name == "tatoeba":
            found = {}
            for part in ("train", "dev", "test"):
                lines = (data / "tatoeba_deu_eng" / f"{part}.tsv").read_text().splitlines()[1:]
                found[part] = [
                    (german, english) for english, german in (line.split("\t")[:2] for line in lines)
                ]
            return found
        names = {"train": "train", "dev": "val", "test": "test_2016_flickr"}
        sides = {
            part: [(data / name / f"{file}.{side}").read_text().splitlines() for side in ("de", "en")]
            for part, file in names.items()
        }
        return {part: list(zip(*both, strict=True)) for part, both in sides.items()}


_PAIRS = Collection("translation", "de", "en", WRITERS, 64, ("bleu", "chrf"))
SETS = {
    "aeslc": Collection(
        "summarization",
        "document",
        "summary",
        (TAKES, *WRITERS),
        128,
        ("rouge_l", "rouge_1", "rouge_2"),
    ),
    "multi30k": _PAIRS,
    "tatoeba": _PAIRS,
}


def prepared(name: str, options: argparse.Namespace) -> Path:
    """Write the rows that are used, the same ones each time; return their folder."""
    kind, folder = SETS[name], options.output / name
    counts = {"train": options.rows, "dev": options.dev_rows, "test": options.test_rows}
    folder.mkdir(parents=True, exist_ok=True)
    for part, given in kind.load(options.data, name).items():
        rows = [row for row in given if row[0].strip() and row[1].strip()]
        random.Random(0).shuffle(rows)
        lines = [json.dumps({kind.source: one, kind.target: other}) for one, other in rows[: counts[part]]]
        (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def title(contender: str, options: argparse.Namespace) -> str:
    """Name a contender, the encoder that it is on, and its rows if they are not those of all."""
    needs_encoder = contender.startswith("bert")
    encoder = "" if options.encoder == "bundled" or not needs_encoder else f"@{Path(options.encoder).name}"
    is_frozen = options.freeze_encoder and contender in WARM_STARTED
    rows = f" of {options.taken_rows} rows" if taken_rows(contender, options) else ""
    return f"{contender}{encoder}{' frozen' if is_frozen else ''}{rows}"


def taken_rows(contender: str, options: argparse.Namespace) -> int | None:
    """Return how many rows a contender learns from that first encodes them all; None: as many as all."""
    encodes_first = contender == TAKES or (options.freeze_encoder and contender in WARM_STARTED)
    return options.taken_rows if encodes_first else None


def first_rows(file: Path, count: int | None) -> Path:
    """Return a file of the first rows of a file, or the file itself."""
    if count is None:
        return file
    part = file.with_stem(f"{file.stem}-{count}")
    part.write_text("".join(file.read_text().splitlines(keepends=True)[:count]))
    return part


def trained(name: str, contender: str, folder: Path, options: argparse.Namespace) -> None:
    """Train a contender and let it write the test rows, unless it did."""
    record = folder / f"{title(contender, options)}.json"
    if record.is_file():
        return
    kind = SETS[name]
    takes = contender == TAKES
    rows = taken_rows(contender, options)
    given = {} if takes else GREEDY
    if options.freeze_encoder and contender in WARM_STARTED:
        given = {**given, "freeze_encoder": True}
    begun = time.process_time()
    model = train(
        first_rows(folder / "train.jsonl", rows),
        folder / record.stem,
        resume=True,
        task=kind.task,
        text=kind.source,
        label=kind.target,
        dev=first_rows(folder / "dev.jsonl", None if rows is None else max(1, rows // 5)),
        test=folder / "test.jsonl",
        contender=contender,
        encoder=options.encoder,
        max_length=None if takes else kind.max_length,
        budget=options.seconds,
        settings=given,
    )
    trial = model.trial
    found = {
        "answers": trial.predicted,
        "processor": time.process_time() - begun,
        "rate": trial.cost.throughput_per_second,
        "seconds": trial.cost.training_seconds,
        "epochs": trial.epochs,
        "megabytes": trial.cost.model_mb,
    }
    write_json(record, found)


def untrained(rows: Dataset, words: int) -> dict[str, dict[str, Any]]:
    """Return the summaries that need no training, by name."""
    documents = [split_sentences(text) or [""] for text in rows.texts]
    chosen = {
        "first sentence": [own[0] for own in documents],
        f"lead, {words} words": [" ".join(text.split()[:words]) for text in rows.texts],
        f"lead, {2 * words} words": [" ".join(text.split()[: 2 * words]) for text in rows.texts],
        "oracle of sentences": [
            " ".join(own[place] for place in oracle(own, texts))
            for own, texts in zip(documents, rows.labels or (), strict=True)
        ],
    }
    return {name: {"answers": answers} for name, answers in chosen.items()}


def chances(rows: Dataset, answers: Sequence[str]) -> str:
    """Say where something could be gained over the first sentence, and what was made of it."""
    documents = [split_sentences(text) or [""] for text in rows.texts]
    gold = list(rows.labels or ())
    best = [oracle(own, texts) for own, texts in zip(documents, gold, strict=True)]
    one = np.ones((1, 1), np.float32)
    gains = [
        float(weighted_rouge([texts], [answer], one)["rouge_l"][0])
        - float(weighted_rouge([texts], [own[0]], one)["rouge_l"][0])
        for own, texts, answer in zip(documents, gold, answers, strict=True)
        if answer != own[0]
    ]
    better, worse = (sum(sign * gain > 0 for gain in gains) for sign in (1, -1))
    return (
        f"no sentence has a word of the summary in {best.count([]) / len(best):.0%}, the oracle takes the "
        f"first alone in {best.count([0]) / len(best):.0%}; {TAKES} takes another than the first alone in "
        f"{len(gains)}, {better} of them better, {worse} worse"
    )


def table(
    task: Task, metrics: Sequence[str], rows: Dataset, found: dict[str, dict[str, Any]], against: str | None
) -> str:
    """Return scores with intervals, and differences in the main metric, as Markdown.

    Args:
        task: Of the rows.
        metrics: To show, the main one first.
        rows: The test rows.
        found: The answers and costs of each contender, by name.
        against: From which the others differ; None: the first.
    """
    gold = task.targets(rows)
    names = list(found)
    base = names.index(against) if against in names else 0
    answers = [found[name]["answers"] for name in names]
    left_out = left_out_scores(
        lambda given, weights: task.weighted_metrics(gold, given, weights), answers, len(gold)
    )
    values = [task.metrics(gold, own) for own in answers]
    titles = [task.title(metric) for metric in metrics]
    head = [titles[0] + " (95%)", *titles[1:], f"− {names[base]} (95%)"]
    lines = [
        f"| contender | {' | '.join(head)} | passes | training | processor | texts/s | size |",
        "|---" * (len(head) + 6) + "|",
    ]
    for place, name in enumerate(names):
        own, main = found[name], metrics[0]
        scored = score_interval(
            [values[place][main]], left_out[main][place : place + 1], len(gold), Scale.SHARE
        )
        cells = [
            f"{scored.value:.3f} ({scored.low:.3f}–{scored.high:.3f})",
            *(f"{values[place][metric]:.3f}" for metric in metrics[1:]),
        ]
        if place != base:
            change, _ = paired_change(
                values[place][main] - values[base][main],
                np.asarray(left_out[main][place] - left_out[main][base]),
                len(gold),
            )
            cells.append(f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})")
        else:
            cells.append("")
        if "seconds" in own:
            cells += [
                f"{own['epochs']:.1f}",
                f"{own['seconds']:.0f} s",
                f"{own['processor']:.0f} s",
                f"{own['rate']:.0f}",
                f"{own['megabytes']:.0f} MB",
            ]
        else:
            cells += ["–"] * 5
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--contenders", nargs="+", help="all of a set if left out")
    parser.add_argument("--seconds", type=float, default=60, help="of training for each contender")
    parser.add_argument("--rows", type=int, default=4000, help="to train on")
    parser.add_argument("--dev-rows", type=int, default=300)
    parser.add_argument("--test-rows", type=int, default=500)
    parser.add_argument("--taken-rows", type=int, help="for what encodes all of them first; all if left out")
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--freeze-encoder", action="store_true", help="of bert-to-bert")
    parser.add_argument("--against", help="whom the others are compared with; the first if left out")
    parser.add_argument("--output", type=Path, default=Path("runs/writing"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("textgraft", "torch", "transformers", "sacrebleu", "rouge-score"), flush=True)
    for name in options.sets:
        kind, folder = SETS[name], prepared(name, options)
        rows = task_class(kind.task).read(folder / "test.jsonl", text=kind.source, label=kind.target)
        task = task_class(kind.task).fitted_to(rows)
        found: dict[str, dict[str, Any]] = {}
        if kind.task == "summarization":
            train_rows = map(json.loads, (folder / "train.jsonl").read_text().splitlines())
            lengths = [len(row[kind.target].split()) for row in train_rows]
            found |= untrained(rows, round(sum(lengths) / len(lengths)))
        for contender in kind.contenders:
            if options.contenders is None or contender in options.contenders:
                trained(name, contender, folder, options)
                print(name, title(contender, options), "done", flush=True)
            records = [folder / f"{contender}.json", *sorted(folder.glob(f"{contender}[@ ]*.json"))]
            found |= {file.stem: json.loads(file.read_text()) for file in records if file.is_file()}
        print(f"\n{name}: {options.rows:,} rows, {len(rows):,} test rows\n")
        print(table(task, kind.metrics, rows, found, options.against), flush=True)
        if TAKES in found:
            print(f"\n{chances(rows, found[TAKES]['answers'])}")


if __name__ == "__main__":
    main()
