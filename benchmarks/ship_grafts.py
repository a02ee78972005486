"""Train the grafts that the package ships, on sets that may be shipped, and write their cards.

    python benchmarks/ship_grafts.py --data ../shared/data [NAME …] [--reference MINUTES]
    python benchmarks/ship_grafts.py --data ../shared/data --encoder FOLDER [--budget MINUTES]
        [--fine-tune ROWS] [NAME …]
    python benchmarks/ship_grafts.py --stamp [NAME …]
    python benchmarks/ship_grafts.py --calibrate [NAME …]
    python benchmarks/ship_grafts.py --measure --data ../shared/data [NAME …]

Every graft is one `textgraft.train` with the options below; a run that was stopped goes on. With --reference
all layers are fine-tuned too on the same rows for so many minutes, for the card. The grafts land in
src/textgraft/grafts/, without a tokenizer: the bundled encoder's is used. With --encoder the same is trained
on another encoder, for --budget minutes if given, and scored; nothing of it is shipped; with --fine-tune its
upper half learns in place of an adapter, from so many rows drawn at random, questions of the sentences around
the answer alone. With --stamp nothing is trained:
textgraft.json of those that are there is written anew, in the current format, with the hashes of
the files beside it and the golden outputs taken anew. With --calibrate a temperature that stands in
textgraft.json alone becomes a part of the head's weights; no other weight changes. With --measure the grafts
that are there are scored again, and the figures of their cards replaced. Everything is measured in fp32,
which every processor has: in bf16 an answer that is close to a tie may fall the other way.
"""

from __future__ import annotations

import argparse
import bisect
import json
import random
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
from graft_recipes import LIMITS, RECIPES
from machine import describe
from safetensors.torch import load_file, save_file

from textgraft.comparison.train import train
from textgraft.data.dataset import Dataset
from textgraft.inference.evaluate import Evaluation, evaluate
from textgraft.inference.predictor import Predictor, load
from textgraft.models.directory import library_versions
from textgraft.models.encoders import encoder_width, resolve_encoder
from textgraft.models.graft.base import PEFT
from textgraft.models.manifest import MANIFEST, WEIGHTS, Golden, read_manifest, stamp
from textgraft.models.temperature import output_parameters
from textgraft.models.windows import longest
from textgraft.wording import duration

CONFIG = "config.json"
GRAFTS = Path(__file__).parents[1] / "src" / "textgraft" / "grafts"
IN_FP32 = patch("textgraft.inference.runner.resolve_precision", new=lambda *_: "fp32")
"""While it is entered, models that are loaded compute in fp32 on every processor."""
TABLE = ["| rows | metric | value | 95% interval |", "|---|---|---|---|"]
PIPELINES = {
    "classification": "text-classification",
    "token-classification": "token-classification",
    "question-answering": "question-answering",
}
"""Tags of the Hub by task."""


class Recipe(NamedTuple):
    """How a graft is trained, and what it is scored on."""

    source: Path
    options: dict[str, Any]
    """Of `textgraft.train`."""
    files: dict[str, Any]
    """Labelled rows to score it on, by what the card calls them."""
    windows: int
    """Of the training length, that it reads of a long text; 0: it has no windows, or ways of its own."""

    @classmethod
    def of(cls, name: str, data: Path, work: Path) -> Recipe:
        """Write the rows of a graft of the package."""
        work.mkdir(parents=True, exist_ok=True)
        options = RECIPES[name](data, work)
        source, also = options.pop("source"), options.pop("also")
        windows = options.pop("windows", 0)
        options |= {side: str(options[side]) for side in ("dev", "test") if side in options}
        return cls(source, options, {"test": options["test"], **also}, windows)

    def train(self, folder: Path) -> Path:
        """Train what is not trained yet; returns its folder."""
        if not (folder / MANIFEST).is_file():
            train(self.source, folder, resume=True, reporter=print, **self.options)
        if self.windows:
            _read_whole_texts(folder, self.windows)
        return folder


def ship(name: str, data: Path, runs: Path, reference: float | None) -> None:
    """Train one graft, score it, and put it with its card into the package."""
    recipe = Recipe.of(name, data, runs / f"{name}-rows")
    trained = recipe.train(runs / name)
    scores = _scores(trained, recipe.files)
    full: dict[str, Evaluation] = {}
    if reference:
        rival = {**recipe.options, "contender": "bert-finetuned", "settings": {}, "budget": 60 * reference}
        folder = recipe._replace(options=rival, windows=0).train(runs / f"{name}-full")
        full = _scores(folder, {f"test, all layers fine-tuned, {reference:g} min": recipe.files["test"]})
    folder = GRAFTS / name
    shutil.rmtree(folder, ignore_errors=True)
    # The vocabulary is the bundled encoder's, and nearly as large as the graft.
    left = ("tokenizer*", "vocab*", PEFT, "*.fingerprint")
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns(*left))
    halve(folder)
    regild(folder, {metric: value.value for metric, value in scores["test"].metrics.items()})
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    told = json.loads((folder / MANIFEST).read_text())["training"]
    (folder / "README.md").write_text(_card(name, recipe.options, told, scores, full, size))
    stamp(folder, read_manifest(folder))
    print(name, f"{size:.2f} MB", {key: value.metrics[value.metric] for key, value in scores.items()})


def try_encoder(
    name: str, encoder: Path, budget: float | None, fine_tuned: int | None, data: Path, runs: Path
) -> None:
    """Train a graft's recipe on another encoder and print its scores; nothing is put into the package.

    Its adapter is in all layers, and in what time there is it takes smaller steps, and more of them. Or its
    upper half is fine-tuned in the usual way, on a part of the rows.
    """
    mark = f"{name}-{encoder.name}" + ("-fine-tuned" if fine_tuned else "")
    recipe = Recipe.of(name, data, runs / f"{mark}-rows")
    settings = {key: value for key, value in recipe.options["settings"].items() if key != "freeze_layers"}
    if "learning_rate" in settings:
        factor = encoder_width(resolve_encoder("bundled")) / encoder_width(resolve_encoder(str(encoder)))
        settings |= {"learning_rate": factor * settings["learning_rate"], "batch_size": 16}
    options = {**recipe.options, "encoder": str(encoder), "settings": settings}
    if fine_tuned:
        _draw(recipe.source, fine_tuned)
        options |= {"contender": "bert-finetuned", "settings": {}}
    options["budget"] = budget and 60 * budget
    folder = recipe._replace(options=options).train(runs / mark)
    told = read_manifest(folder).training
    print(f"{mark}: {told['rows']:,} rows, {duration(told['seconds'])}, {describe('torch', 'transformers')}")
    print("\n".join([*TABLE, *_figures(_scores(folder, recipe.files))]))


def _draw(source: Path, rows: int) -> None:
    """Keep so many of the sentences or of the questions of a file, drawn at random."""
    whole = source.read_text(encoding="utf-8")
    if source.suffix == ".json":
        asked = [
            (article["title"], paragraph["context"], question)
            for article in json.loads(whole)["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
        kept = random.Random(0).sample(asked, min(rows, len(asked)))
        drawn = json.dumps({"version": "1.1", "data": [_around(*one) for one in kept]})
    else:
        blocks = whole.strip().split("\n\n")
        drawn = "\n\n".join(random.Random(0).sample(blocks, min(rows, len(blocks)))) + "\n"
    source.write_text(drawn, encoding="utf-8")


def _around(title: str, context: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return an article of the sentence that holds a question's answer, with one before and one after."""
    answer = question["answers"][0]
    start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
    bounds = [0, *(found.end() for found in re.finditer(r"\. ", context)), len(context)]
    first = bounds[max(0, bisect.bisect_right(bounds, start) - 2)]
    last = bounds[min(len(bounds) - 1, bisect.bisect_left(bounds, end) + 1)]
    moved = {**answer, "answer_start": start - first}
    passage = {"context": context[first:last].strip(), "qas": [{**question, "answers": [moved]}]}
    return {"title": title, "paragraphs": [passage]}


def _read_whole_texts(folder: Path, windows: int) -> None:
    """Let a graft read long texts in windows of the length that it was trained on."""
    manifest = read_manifest(folder)
    config = json.loads((folder / CONFIG).read_text())
    if config["window"]:
        return
    before, after = config["window_frame"]
    config["window"] = manifest.max_length
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    limit = longest(manifest.max_length, windows, before + after)
    stamp(folder, msgspec.structs.replace(manifest, max_length=limit))


def halve(folder: Path) -> None:
    """Keep the weights in 16 bits: they compute in 32 as before."""
    halve_weights(folder)
    stamp(folder, read_manifest(folder))


def halve_weights(folder: Path) -> None:
    """Do so in a folder that has no textgraft.json."""
    file = folder / WEIGHTS
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file, {"format": "pt"})


@IN_FP32
def regild(folder: Path, metrics: dict[str, float] | None = None) -> None:
    """Take the golden outputs anew, in fp32, by the same rows; and note metrics, if there are new ones."""
    manifest = read_manifest(folder)
    stamp(folder, msgspec.structs.replace(manifest, golden=[]))  # what is outdated is not checked
    predictor = load(folder, engine="torch")
    names = manifest.golden[0].columns
    rows = Dataset.unlabelled({name: [row.columns[name] for row in manifest.golden] for name in names})
    golden = [
        Golden(row.columns, [round(value, 6) for value in prediction.numbers()])
        for row, prediction in zip(manifest.golden, predictor.predict_rows(rows), strict=True)
    ]
    changed = msgspec.structs.replace(
        manifest, golden=golden, metrics=metrics or manifest.metrics, versions=library_versions()
    )
    stamp(folder, changed)


@IN_FP32
def calibrate(folder: Path) -> None:
    """Divide the last layer of a graft by its temperature, as training does today; save just that layer."""
    manifest = read_manifest(folder)
    if manifest.temperature == 1:
        return
    predictor = load(folder, engine="torch")
    assert isinstance(predictor, Predictor)
    names = manifest.golden[0].columns
    rows = Dataset.unlabelled({name: [row.columns[name] for row in manifest.golden] for name in names})
    folded = predictor.calibrate(manifest.temperature, rows)
    if folded != manifest.temperature:
        raise SystemExit(f"{folder}: its last layer does not scale its logits")
    file = folder / WEIGHTS
    weights = load_file(file)
    last = {id(parameter) for parameter in output_parameters(predictor.model)}
    weights |= {
        name: parameter.detach().to(weights[name].dtype)
        for name, parameter in predictor.model.named_parameters()
        if id(parameter) in last
    }
    save_file(weights, file, metadata={"format": "pt"})
    stamp(folder, msgspec.structs.replace(manifest, temperature=1.0, calibration=folded))
    regild(folder)


def measure(name: str, data: Path, runs: Path) -> None:
    """Score a graft of the package again, and put the figures in place of those on its card and beside it."""
    scores = _scores(GRAFTS / name, Recipe.of(name, data, runs / f"{name}-rows").files)
    card = GRAFTS / name / "README.md"
    kept = [
        line
        for line in card.read_text(encoding="utf-8").splitlines()
        if not line.startswith(tuple(f"| {rows} |" for rows in scores))
    ]
    place = kept.index(TABLE[1]) + 1
    first = next(number for number, line in enumerate(kept) if line.startswith("Scored "))
    kept[place:place] = _figures(scores)
    kept[first] = _scored(name)
    card.write_text("\n".join(kept) + "\n", encoding="utf-8")
    metrics = {metric: value.value for metric, value in scores["test"].metrics.items()}
    stamp(GRAFTS / name, msgspec.structs.replace(read_manifest(GRAFTS / name), metrics=metrics))
    print(name, {key: value.metrics[value.metric] for key, value in scores.items()})


@IN_FP32
def _scores(folder: Path, files: dict[str, Any]) -> dict[str, Evaluation]:
    predictor = load(folder, engine="torch")
    return {name: evaluate(predictor, file) for name, file in files.items()}


def _card(
    name: str,
    options: dict[str, Any],
    told: dict[str, Any],
    scores: dict[str, Evaluation],
    full: dict[str, Evaluation],
    size: float,
) -> str:
    return f"""---
library_name: transformers
pipeline_tag: {PIPELINES[options["task"]]}
tags: [textgraft, graft]
language: [en]
license: apache-2.0
base_model: sentence-transformers/all-MiniLM-L6-v2
---
# {name}

A graft on the bundled encoder (all-MiniLM-L6-v2, named by hash in config.json): {options["contender"]},
{size:.2f} MB. Task: {options["task"]}.

Trained by `python benchmarks/ship_grafts.py {name}` on {told["rows"]:,} rows (seed {told["seed"]}, settings
`{told["settings"]}`) in {duration(told["seconds"])} on {describe("torch", "transformers")}.

{_scored(name)}

{chr(10).join([*TABLE, *_figures({**scores, **full})])}

Limits: {LIMITS[name]}
"""


def _scored(name: str) -> str:
    return (
        f"Scored by torch in fp32 with `python benchmarks/ship_grafts.py --measure {name}` on "
        f"{describe('torch', 'transformers')}."
    )


def _figures(scores: dict[str, Evaluation]) -> list[str]:
    return [
        f"| {rows} | {metric} | {value.value:.4f} | {value.low:.4f} to {value.high:.4f} |"
        for rows, found in scores.items()
        for metric, value in found.metrics.items()
    ]


def main() -> None:
    """Train what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(RECIPES))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--stamp", action="store_true")
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "textgraft-grafts")
    parser.add_argument("--reference", type=float, metavar="MINUTES")
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--budget", type=float, metavar="MINUTES")
    parser.add_argument("--fine-tune", type=int, metavar="ROWS", help="ner and question-answering alone")
    arguments = parser.parse_args()
    if arguments.fine_tune and not {"ner", "question-answering"} >= set(arguments.names):
        parser.error("--fine-tune is for ner and question-answering")
    if not (arguments.stamp or arguments.calibrate) and arguments.data is None:
        parser.error("--data is needed to train and to measure")
    for name in arguments.names:
        if arguments.stamp:
            regild(GRAFTS / name)
            continue
        if arguments.calibrate:
            calibrate(GRAFTS / name)
            continue
        if arguments.measure:
            measure(name, arguments.data, arguments.runs)
            continue
        if arguments.encoder:
            options = arguments.budget, arguments.fine_tune, arguments.data, arguments.runs
            try_encoder(name, arguments.encoder, *options)
            continue
        ship(name, arguments.data, arguments.runs, arguments.reference)


if __name__ == "__main__":
    main()
