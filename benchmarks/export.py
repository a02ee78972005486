"""What exported models cost: size, latency of one text, memory, cold start, and what int8 costs in F1.

    textgraft demo
    python benchmarks/export.py runs/python-docstrings-*/ --rows demo
    python benchmarks/export.py MODEL … --rows test.csv --output export.json

Every model directory, and every model of a comparison folder, is exported in fp32 and, where it is a graph,
in int8. Each export is then run in processes of its own, one thread each, without torch: what a process took
until its first answer is the cold start, its largest resident memory the memory. Times are processor time, so
that busy neighbours count little; latencies are of single texts. An encoder of your own is measured by
training with it: ``textgraft train rows.csv -o model -c bert-frozen --encoder FOLDER``, then this command.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from textgraft import runtime
from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.data.splits import make_splits
from textgraft.errors import ModelError, OptionError
from textgraft.export.export import RUNNER, export
from textgraft.models.manifest import MANIFEST, read_manifest
from textgraft.tasks.registry import make_task

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


def macro_f1(folder: Path, texts: list[str], labels: list[str]) -> float:
    """Score an export on labelled rows."""
    manifest = read_manifest(folder)
    task = make_task(manifest.task, manifest.task_settings, where=str(folder))
    index = {label: place for place, label in enumerate(task.labels)}
    answers = [index[answer["label"]] for answer in runtime.load(folder, threads=1).predict(texts)]
    return task.metrics([index[label] for label in labels], answers)["macro_f1"]


def labelled_rows(source: str | None, manifest: Any) -> tuple[list[str], list[str]]:
    """Return texts and labels of a file, or of the demo's; of a model without rows its golden texts."""
    if source is None:
        return ["\n".join(map(str, row.columns.values())) for row in manifest.golden], []
    if source == "demo":
        rows = make_splits(docstrings_dataset()).test  # as textgraft demo splits them
    else:
        task = make_task(manifest.task, manifest.task_settings, where=source)
        rows = task.read(source, text=manifest.text_columns, label=manifest.label_column)
    return rows.texts, list(rows.labels or ())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--rows", help="a labelled file, or demo; without it the golden texts are timed")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    print(describe("onnxruntime", "tokenizers", "numpy"), flush=True)
    print("| model | precision | MB | p50 ms | p95 ms | memory MB | cold start s | macro F1 |")
    print("|---|---|---|---|---|---|---|---|")
    results = []
    with tempfile.TemporaryDirectory() as name:
        for model in models_of(options.models):
            manifest = read_manifest(model)
            texts, labels = labelled_rows(options.rows, manifest)
            for precision in ("fp32", "int8"):
                folder = Path(name) / f"{model.name}-{precision}"
                try:
                    done = export(model, folder, int8=precision == "int8")
                except (ModelError, OptionError) as error:
                    print(f"| {manifest.contender} | {precision} | {error.what} | | | | | |", flush=True)
                    continue
                size = done.size + (folder / RUNNER).stat().st_size
                entry = measured(folder, size, texts[:TEXTS])
                if labels:
                    entry["macro_f1"] = macro_f1(folder, texts, labels)
                results.append({"model": manifest.contender, "precision": precision, **entry})
                figures = " | ".join(f"{value:.3g}" for value in entry.values())
                print(f"| {manifest.contender} | {precision} | {figures} |", flush=True)
    if options.output:
        options.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
