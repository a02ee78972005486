"""Train the grafts that the package ships, on sets that may be shipped, and write their cards.

    python benchmarks/ship_grafts.py --data ../shared/data [NAME …] [--reference MINUTES]
    python benchmarks/ship_grafts.py --stamp [NAME …]
    python benchmarks/ship_grafts.py --calibrate [NAME …]
    python benchmarks/ship_grafts.py --measure --data ../shared/data [NAME …]

Every graft is one `textgraft.train` with the options below; a run that was stopped goes on. With --reference
all layers are fine-tuned too on the same rows for so many minutes, for the card. The grafts land in
src/textgraft/grafts/, without a tokenizer: the bundled encoder's is used. With --stamp nothing is trained:
textgraft.json of those that are there is written anew, in the current format, with the hashes of the files
beside it. With --calibrate a temperature that stands in textgraft.json alone becomes a part of the head's
weights, and the golden outputs are taken anew; no other weight changes. With --measure the grafts that are
there are scored again, and the figures of their cards replaced. Everything is measured in fp32, which every
processor has: in bf16 an answer that is close to a tie may fall the other way.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from machine import describe
from safetensors.torch import load_file, save_file

from textgraft.comparison.train import train
from textgraft.data.dataset import Dataset
from textgraft.inference.evaluate import Evaluation, evaluate
from textgraft.inference.predictor import Predictor, load
from textgraft.models.directory import library_versions
from textgraft.models.graft.base import PEFT
from textgraft.models.manifest import MANIFEST, WEIGHTS, Golden, read_manifest, stamp
from textgraft.models.temperature import output_parameters
from textgraft.wording import duration

GRAFTS = Path(__file__).parents[1] / "src" / "textgraft" / "grafts"
TYPES = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
"""Types of WNUT 2017 as those of WikiANN; creative works and products are no entities here."""
PLACES = {"city", "state", "country"}
NAMELESS = PLACES | {
    "condition_description", "condition_temperature", "party_size_number", "restaurant_type", "sort",
    "spatial_relation", "timeRange",
}  # fmt: skip
"""Slots of SNIPS that are places, and those that name nothing."""
NO_NAME = (
    "There|This|That|These|Those|They|It|He|She|We|What|Who|Here|One|Each|Both|Some|Many|Most|All|To|Inside|"
    "Another"
)
DEFINITION = re.compile(
    rf"(?:^|(?<=\. ))((?:The |An? )?(?!(?:{NO_NAME})\b)[\w'-]+(?: [\w'-]+){{0,2}}) (is|are) "
    r"((?:an?|the|one of) [^.;:,()\[\]\"\n]{8,110})\.(?= |$)"
)
"""A sentence that says what something is, of at most three words and an article."""
LIMITS = {
    "sentiment": "Film reviews in English; other domains, irony and mixed opinions are beyond it.",
    "ner": "English; trained on automatic labels of Wikipedia, on tweets and on requests for weather and "
    "tables. Creative works, products and all else that is no person, organisation or location is left out.",
    "question-answering": "English, answers of at most 30 tokens that stand in the context. It always "
    "answers, also where the context holds no answer.",
    "banking-intents": "English questions of bank customers; a text of any other kind gets an intent, too.",
}


def sentiment(data: Path, work: Path) -> dict[str, Any]:
    """Short sentences and whole reviews, with the labels that pipelines are used to."""
    names = {"0": "NEGATIVE", "1": "POSITIVE", "neg": "NEGATIVE", "pos": "POSITIVE"}

    def rows(*sources: Path) -> Iterator[tuple[str, str]]:
        for source in sources:
            with source.open(newline="", encoding="utf-8") as handle:
                for row in csv.DictReader(handle):
                    yield row["text"], names.get(row["label"], row["label"].upper())

    sentences, reviews = data / "mr_sentence_polarity", data / "movie_reviews_long"
    files = {
        "train": (sentences / "train.csv", reviews / "train.csv"),
        "dev": (sentences / "dev.csv",),
        "test": (sentences / "test.csv",),
        "movie_reviews_long": (reviews / "test.csv",),
    }
    for name, sources in files.items():
        with (work / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([("text", "label"), *rows(*sources)])
    return {
        "task": "classification",
        "source": work / "train.csv",
        "dev": work / "dev.csv",
        "test": work / "test.csv",
        "also": {"movie_reviews_long": work / "movie_reviews_long.csv"},
        "contender": "bert-adapter",
        "max_length": 128,
        "settings": {"lora_rank": 8, "epochs": 2, "learning_rate": 1e-3, "batch_size": 32},
    }


def ner(data: Path, work: Path) -> dict[str, Any]:
    """Persons, organisations and locations of both sets, and requests of SNIPS that name a place.

    The tweets are shown several times: they are sentences that people wrote, where the rows of Wikipedia are
    mostly headings and lists. The requests end with a place and no full stop, which neither of the others
    does. Those that name anything else, as a restaurant or an artist, are left out. Sentences of Wikipedia
    are shown once more as people write in haste: without the full stop, and persons by their first name.
    """

    def mapped(source: Path) -> str:
        lines = []
        for line in source.read_text(encoding="utf-8").splitlines():
            token, _, tag = line.rpartition("\t")
            prefix, _, kind = tag.partition("-")
            lines.append(
                f"{token}\t{prefix}-{TYPES[kind]}" if kind in TYPES else f"{token}\tO" if token else ""
            )
        return "\n".join(lines) + "\n"

    def places(source: Path) -> Iterator[str]:
        for request in source.read_text(encoding="utf-8").split("\n\n"):
            rows = [line.rpartition("\t")[::2] for line in request.splitlines()]
            slots = {tag.partition("-")[2] for _, tag in rows if tag != "O"}
            if slots & PLACES and slots <= NAMELESS:
                tags = [f"{tag[0]}-LOC" if tag[2:] in PLACES else "O" for _, tag in rows]
                yield "\n".join(f"{word}\t{tag}" for (word, _), tag in zip(rows, tags, strict=True)) + "\n\n"

    def in_haste(sentence: str) -> str:
        rows = [line.rpartition("\t")[::2] for line in sentence.splitlines()]
        kept, surname = [], False
        for (word, tag), (following, _) in reversed(list(zip(rows, [*rows[1:], ("", "")], strict=True))):
            # A name is cut where a word of the sentence follows, not another name.
            surname = tag == "I-PER" and (surname or (following.isalpha() and following.islower()))
            if not surname:
                kept.append(f"{word}\t{tag}")
        return "\n".join(reversed(kept)).removesuffix("\n.\tO")

    wiki, tweets = data / "wikiann_en", data / "wnut17"
    sentences = (wiki / "train.conll").read_text(encoding="utf-8").strip().split("\n\n")
    hasty = [copy for sentence in sentences if (copy := in_haste(sentence)) != sentence]
    train_rows = "\n\n".join([*sentences, *hasty]) + "\n\n"
    train_rows += mapped(tweets / "train.conll") * 4 + "\n"
    train_rows += "".join(places(data / "snips" / "train.conll"))
    (work / "train.conll").write_text(train_rows, encoding="utf-8")
    dev_rows = (wiki / "dev.conll").read_text(encoding="utf-8").split("\n\n")[:2000]
    (work / "dev.conll").write_text("\n\n".join(dev_rows) + "\n", encoding="utf-8")
    (work / "wnut17.conll").write_text(mapped(tweets / "test.conll"), encoding="utf-8")
    return {
        "task": "token-classification",
        "source": work / "train.conll",
        "dev": work / "dev.conll",
        "test": wiki / "test.conll",
        "also": {"wnut17": work / "wnut17.conll"},
        "contender": "bert-adapter",
        "settings": {"lora_rank": 8, "epochs": 3, "learning_rate": 2e-3, "batch_size": 32},
    }


def question_answering(data: Path, work: Path) -> dict[str, Any]:
    """Questions of 39 articles; the test questions are of nine others.

    The articles hardly ever ask what something is, and never of a short text. So a quarter of the questions
    is asked once more of the one sentence that holds the answer; and sentences such as "Oxygen is a chemical
    element." are asked for what they define: alone, and in their paragraph. Of several annotators' answers
    the first is learned. The longest was tried, for a third of the time: F1 0.62, and no longer answers.
    """
    folder = data / "squad_v1.1_dev"
    articles = json.loads((folder / "split_train.json").read_text(encoding="utf-8"))["data"]
    contexts = [paragraph for article in articles for paragraph in article["paragraphs"]]
    shorter = [row for number, paragraph in enumerate(contexts) for row in _of_sentences(number, paragraph)]
    added = [*articles, {"title": "Sentences of the above", "paragraphs": shorter}]
    (work / "train.json").write_text(json.dumps({"version": "1.1", "data": added}), encoding="utf-8")
    return {
        "task": "question-answering",
        "source": work / "train.json",
        "test": folder / "split_dev.json",
        "also": {},
        "contender": "bert-adapter",
        "max_length": 320,
        "settings": {"lora_rank": 8, "epochs": 3, "patience": None},
    }


def _of_sentences(number: int, paragraph: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield short paragraphs with questions, made of a longer one."""
    context = paragraph["context"]
    for index, question in enumerate(paragraph["qas"]):
        if index % 4 == 0:
            answer = question["answers"][0]
            before = context.rfind(". ", 0, answer["answer_start"])
            start = before + 2 if before >= 0 else 0
            end = context.find(". ", answer["answer_start"] + len(answer["text"]))
            sentence = context[start : end + 1 if end >= 0 else None]
            moved = {**answer, "answer_start": answer["answer_start"] - start}
            row = {**question, "id": f"{question['id']} alone", "answers": [moved]}
            yield {"context": sentence, "qas": [row]}
    for found in DEFINITION.finditer(context):
        subject, verb, answer = found.groups()
        subject = re.sub("^(The|An?) ", lambda article: article[0].lower(), subject)
        for shown, start in ((found[0], found.start()), (context, 0)):
            row = {
                "id": f"{number} defines {subject} {'alone' if shown is not context else 'here'}",
                "question": f"What {verb} {subject}?",
                "answers": [{"text": answer, "answer_start": found.start(3) - start}],
            }
            yield {"context": shown, "qas": [row]}


def banking_intents(data: Path, work: Path) -> dict[str, Any]:
    """77 intents; the frozen encoder and a linear head."""
    del work
    folder = data / "banking77"
    return {
        "task": "classification",
        "source": folder / "train.csv",
        "test": folder / "test.csv",
        "also": {},
        "contender": "bert-frozen",
        "settings": {"c": 10.0},
    }


RECIPES = {
    "sentiment": sentiment,
    "ner": ner,
    "question-answering": question_answering,
    "banking-intents": banking_intents,
}


IN_FP32 = patch("textgraft.inference.runner.resolve_precision", new=lambda *_: "fp32")
"""While it is entered, models that are loaded compute in fp32 on every processor."""
TABLE = ["| rows | metric | value | 95% interval |", "|---|---|---|---|"]
PIPELINES = {
    "classification": "text-classification",
    "token-classification": "token-classification",
    "question-answering": "question-answering",
}
"""Tags of the Hub by task."""


def ship(name: str, data: Path, runs: Path, reference: float | None) -> None:
    """Train one graft, score it, and put it with its card into the package."""
    work = runs / f"{name}-rows"
    work.mkdir(parents=True, exist_ok=True)
    options = RECIPES[name](data, work)
    source, also = options.pop("source"), options.pop("also")
    options |= {side: str(options[side]) for side in ("dev", "test") if side in options}
    if not (runs / name / MANIFEST).is_file():
        train(source, runs / name, resume=True, note=print, **options)
    scores = _scores(runs / name, {"test": options["test"], **also})
    full: dict[str, Evaluation] = {}
    if reference:
        rival = {**options, "contender": "bert-finetuned", "settings": {}, "budget": 60 * reference}
        if not (runs / f"{name}-full" / MANIFEST).is_file():
            train(source, runs / f"{name}-full", resume=True, note=print, **rival)
        rows = f"test, all layers fine-tuned, {reference:g} min"
        full = _scores(runs / f"{name}-full", {rows: options["test"]})
    folder = GRAFTS / name
    shutil.rmtree(folder, ignore_errors=True)
    # The vocabulary is the bundled encoder's, and nearly as large as the graft.
    shutil.copytree(runs / name, folder, ignore=shutil.ignore_patterns("tokenizer*", "vocab*", PEFT))
    stamp(folder, read_manifest(folder))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    told = json.loads((folder / "textgraft.json").read_text())["training"]
    (folder / "README.md").write_text(_card(name, options, told, scores, full, size))
    print(name, f"{size:.2f} MB", {key: value.metrics[value.metric] for key, value in scores.items()})


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
    golden = [
        Golden(row.columns, [round(value, 6) for value in prediction.numbers()])
        for row, prediction in zip(manifest.golden, predictor.predict_rows(rows), strict=True)
    ]
    changed = msgspec.structs.replace(
        manifest, temperature=1.0, calibration=folded, golden=golden, versions=library_versions()
    )
    stamp(folder, changed)


def measure(name: str, data: Path, runs: Path) -> None:
    """Score a graft of the package again, and put the figures in place of those on its card."""
    work = runs / f"{name}-rows"
    work.mkdir(parents=True, exist_ok=True)
    options = RECIPES[name](data, work)
    scores = _scores(GRAFTS / name, {"test": options["test"], **options["also"]})
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
    arguments = parser.parse_args()
    if not (arguments.stamp or arguments.calibrate) and arguments.data is None:
        parser.error("--data is needed to train and to measure")
    for name in arguments.names:
        if arguments.stamp:
            stamp(GRAFTS / name, read_manifest(GRAFTS / name))
            continue
        if arguments.calibrate:
            calibrate(GRAFTS / name)
            continue
        if arguments.measure:
            measure(name, arguments.data, arguments.runs)
            continue
        ship(name, arguments.data, arguments.runs, arguments.reference)


if __name__ == "__main__":
    main()
