"""What exported models cost: size, latency of one text, memory, cold start, and what int8 costs in answers.

    python benchmarks/export.py --data DATA --encoder mpnet=FOLDER --folder WORK
    python benchmarks/export.py MODEL … --rows test.csv --output export.json

The first trains what its table compares, on 1,000 rows of each set: TF-IDF, static vectors, an LSTM, a frozen
encoder under a shallow network, which is a student distilled from the bundled one on the set's texts, the
bundled one, or one of your own; what WORK holds already is neither trained nor measured again.
The second takes model directories, and the models of comparison folders.

Each is exported in fp32 and, where it is a graph, in int8. Each export is then run in processes of its own,
one thread each, without torch: what a process took until its first answer is the cold start, its largest
resident memory the memory. Times are processor time, so that busy neighbours count little; latencies are of
single texts. "Alike" is the share of the labelled rows that an export in int8 answers as that in fp32 does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from textgraft import distill, runtime, train
from textgraft.data.dataset import Dataset
from textgraft.data.demo.embedded import demo_dataset, docstrings_dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import make_splits, nested_subsets
from textgraft.errors import ModelError, OptionError
from textgraft.export.export import RUNNER, export
from textgraft.models.manifest import MANIFEST, Manifest, read_manifest
from textgraft.tasks.registry import make_task

SETS: dict[str, tuple[tuple[str, ...], str, str, tuple[str, ...]]] = {
    "demo": ((), "", "", ("lstm",)),
    "sst2": (("sst2/train.csv", "sst2/test.csv"), "text", "label", ("lstm",)),
    "trec": (("trec/train.csv", "trec/test.csv"), "text", "coarse", ("tfidf", "static", "lstm", "frozen")),
}
"""Rows to learn from and to judge on, their columns, and what is trained; "frozen" with every encoder."""
ROWS = 1000
STUDENT, STUDENT_EPOCHS = "student", 12
Labelled = tuple[list[str], list[str]]
"""Texts and their labels."""
Measured = tuple[str, Path, Labelled | None]
"""The name of a model, its directory, and the rows that it is judged on."""
COLUMNS = ("megabytes", "p50_ms", "p95_ms", "memory_mb", "cold_s", "macro_f1", "alike", "kept")
TEXTS = 60
REPEATS = 3
"""Times that each text is answered."""
COLD_STARTS = 3
PROBE = """
import json, re, sys, time
sys.path.insert(0, sys.argv[1])
from textgraft_runtime import load
texts = json.load(sys.stdin)
model = load(sys.argv[1], threads=1)
model.predict(texts[:1])
cold = time.process_time()
took = []
for text in texts * int(sys.argv[2]):
    start = time.process_time()
    model.predict([text])
    took.append(time.process_time() - start)
# Not getrusage's: that is the largest of the process before this one took its place.
memory = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps({"cold": cold, "took": took, "memory": memory}))
"""


def models_of(paths: list[Path]) -> list[Path]:
    """Return the model directories among folders, and those of comparisons."""
    found = []
    for path in paths:
        found += [path] if (path / MANIFEST).is_file() else sorted(path.glob(f"models/*/{MANIFEST}"))
    return [path.parent if path.name == MANIFEST else path for path in found]


def run(folder: Path, texts: list[str], repeats: int) -> dict[str, Any]:
    """Answer texts in a process that has the folder alone."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder), str(repeats)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout)


def measured(folder: Path, size: int, texts: list[str]) -> dict[str, Any]:
    """Measure one export."""
    first = run(folder, texts, REPEATS)
    cold = [first["cold"], *(run(folder, texts[:1], 0)["cold"] for _ in range(COLD_STARTS - 1))]
    return {
        "megabytes": size / 1e6,
        "p50_ms": float(np.percentile(first["took"], 50)) * 1e3,
        "p95_ms": float(np.percentile(first["took"], 95)) * 1e3,
        "memory_mb": first["memory"],
        "cold_s": float(np.median(cold)),
    }


def macro_f1(manifest: Manifest, answers: list[str], labels: list[str]) -> float:
    """Score answers on labelled rows."""
    task = make_task(manifest.task, manifest.task_settings, where="rows")
    index = {label: place for place, label in enumerate(task.labels)}
    return task.metrics([index[label] for label in labels], [index[each] for each in answers])["macro_f1"]


def labelled_rows(source: str | None, manifest: Manifest) -> Labelled | None:
    """Return texts and labels of a file in a model's columns, or of the demo's test rows."""
    if source is None:
        return None
    if source == "demo":
        return labelled(make_splits(demo_dataset()).test)  # as textgraft demo splits them
    task = make_task(manifest.task, manifest.task_settings, where=source)
    return labelled(task.read(source, text=manifest.text_columns, label=manifest.label_column))


def labelled(rows: Dataset) -> Labelled:
    """Return texts and labels."""
    return rows.texts, list(map(str, rows.labels or ()))


def row(name: str, precision: str, entry: dict[str, Any]) -> str:
    """Return a line of the table."""
    if "refused" in entry:
        return f"| {name} | {precision} | {entry['refused']} |" + " |" * (len(COLUMNS) - 1)
    cells = [entry.get(column) for column in COLUMNS]
    shown = ["–" if cell is None else cell if isinstance(cell, str) else f"{cell:.3g}" for cell in cells]
    return f"| {name} | {precision} | {' | '.join(shown)} |"


def measure_model(model: Path, rows: Labelled | None, name: str, done: dict[str, Any]) -> None:
    """Export a model in both precisions, measure both, and print a line for each; what is done is kept."""
    manifest = read_manifest(model)
    texts, labels = rows or (["\n".join(map(str, each.columns.values())) for each in manifest.golden], [])
    answers: dict[str, list[str]] = done.setdefault("answers", {})
    for precision in ("fp32", "int8"):
        key = f"{name}, {precision}"
        if key not in done:
            with tempfile.TemporaryDirectory() as work:
                try:
                    made = export(model, Path(work) / "export", int8=precision == "int8", note=told)
                except (ModelError, OptionError) as error:
                    done[key] = {"refused": error.what}
                else:
                    size = made.size + (made.folder / RUNNER).stat().st_size
                    entry = {**measured(made.folder, size, texts[:TEXTS]), "kept": len(made.kept) or None}
                    if labels:
                        found = runtime.load(made.folder, threads=1).predict(texts)
                        answers[key] = [str(answer["label"]) for answer in found]
                        entry["macro_f1"] = macro_f1(manifest, answers[key], labels)
                        before = answers.get(f"{name}, fp32", answers[key])
                        alike = np.mean([a == b for a, b in zip(answers[key], before, strict=True)])
                        entry["alike"] = None if precision == "fp32" else f"{alike:.1%}"
                    done[key] = entry
                    told(repr(made))
        print(row(name, precision, done[key]), flush=True)


def told(line: str) -> None:
    """Say what is being done, beside the table."""
    print(f"· {line}", file=sys.stderr, flush=True)


def trained(data: Path, folder: Path, encoders: dict[str, str]) -> Iterator[Measured]:
    """Train what the table compares; yields the name, the model directory and the test rows of each."""
    for name, (files, text, label, contenders) in SETS.items():
        if name == "demo":
            splits = make_splits(docstrings_dataset())
            rows, tests = splits.train, splits.test
        else:
            rows, tests = (read_dataset(data / file, text=text, label=label) for file in files)
        corpus = folder / f"{name}.txt"
        folder.mkdir(parents=True, exist_ok=True)
        corpus.write_text("\n\n".join(" ".join(each.split()) for each in rows.texts))  # a document each
        rows = rows if len(rows) <= ROWS else rows.select(nested_subsets(rows.strata, [ROWS], 0, None)[ROWS])
        for contender in contenders:
            for encoder in encoders if contender == "frozen" else [""]:
                title = f"{name}: {encoder or contender}"
                target = folder / title.replace(": ", "-")
                if not target.is_dir():
                    told(f"{title} is trained")
                    place = _encoder(encoder, encoders, corpus, folder)
                    train(
                        rows.texts,
                        target,
                        labels=rows.labels,
                        contender="bert-frozen" if encoder else contender,
                        encoder=place,
                        progress=False,
                    )
                yield title, target, labelled(tests)


def _encoder(name: str, encoders: dict[str, str], corpus: Path, folder: Path) -> str:
    """Return where an encoder is; the student is distilled first."""
    if name != STUDENT:
        return encoders.get(name) or "bundled"
    target = folder / f"{corpus.stem}-{STUDENT}-encoder"
    if not target.is_dir():
        distill(
            "bundled",
            corpus,
            target,
            student="lstm",
            unit="text",
            settings={"epochs": STUDENT_EPOCHS},
            note=told,
        )
    return str(target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--rows", help="a labelled file, or demo; without it the golden texts are timed")
    parser.add_argument("--data", type=Path, help="trains what the table compares, on its trec and sst2")
    parser.add_argument("--encoder", action="append", default=[], metavar="NAME=FOLDER", help="compared too")
    parser.add_argument("--folder", type=Path, help="of the models that --data trains")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if (options.data is None) != (options.folder is None):
        parser.error("--data and --folder go together")
    print(describe("onnxruntime", "tokenizers", "numpy"), flush=True)
    print("| model | precision | MB | p50 ms | p95 ms | memory MB | cold start s | macro F1 | alike | kept |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    store = options.folder / "measured.json" if options.folder else options.output
    done = json.loads(store.read_text()) if store is not None and store.is_file() else {}
    models: Iterable[Measured] = [
        (manifest.contender, model, labelled_rows(options.rows, manifest))
        for model in models_of(options.models)
        for manifest in [read_manifest(model)]
    ]
    if options.data:
        own = dict(given.split("=", 1) for given in options.encoder)
        encoders = {"MiniLM": "bundled", STUDENT: "", **own}
        models = chain(models, trained(options.data, options.folder, encoders))
    for name, model, rows in models:
        measure_model(model, rows, name, done)
        if store is not None:
            store.write_text(json.dumps(done, indent=1))


if __name__ == "__main__":
    main()
