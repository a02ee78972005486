"""What the grafts of the package are trained on, and with which settings; `ship_grafts.py` does it."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TYPES = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
"""Types of WNUT 2017 as those of WikiANN; creative works and products are no entities here."""
PASSAGE = 95
"""Most words of a passage of a review: with few exceptions it fits into 128 tokens."""
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
    "sentiment": "Film reviews in English, read to their 64th window of 128 tokens; other domains, irony and "
    "mixed opinions are beyond it.",
    "ner": "English; trained on automatic labels of Wikipedia, on tweets and on requests for weather and "
    "tables. Creative works, products and all else that is no person, organisation or location is left out.",
    "question-answering": "English, answers of at most 30 tokens that stand in the context. It always "
    "answers, also where the context holds no answer.",
    "banking-intents": "English questions of bank customers; a text of any other kind gets an intent, too.",
}


def sentiment(data: Path, work: Path) -> dict[str, Any]:
    """Short sentences, and the first or the last passage of whole reviews, with the usual labels.

    The graft reads a long text in windows of the length of those passages, and averages what it makes of
    them. Tweets are only measured: their terms leave no other use.
    """
    names = {"0": "NEGATIVE", "1": "POSITIVE", "neg": "NEGATIVE", "pos": "POSITIVE"}
    sentences, reviews = data / "mr_sentence_polarity", data / "movie_reviews_long"
    tweets = data / "umsab_multilingual_sentiment" / "english" / "test.csv"

    def rows(source: Path) -> Iterator[tuple[str, str]]:
        with source.open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                yield row["text"], names.get(row["label"], row["label"].upper())

    def passages(source: Path) -> Iterator[tuple[str, str]]:
        for number, (text, label) in enumerate(rows(source)):
            # The first passage of one review, the last of the next.
            lines, step = text.splitlines(), -1 if number % 2 else 1
            ordered = lines[::step]
            total = itertools.accumulate(len(line.split()) for line in ordered)
            taken = [line for line, words in zip(ordered, total, strict=True) if words <= PASSAGE]
            yield "\n".join((taken or ordered[:1])[::step]), label

    with tweets.open(newline="", encoding="utf-8") as handle:
        told = [
            (row["text"], {"0": "NEGATIVE", "2": "POSITIVE"}[row["label"]])
            for row in csv.DictReader(handle)
            if row["label"] != "1"
        ]
    files = {
        "train": (*rows(sentences / "train.csv"), *passages(reviews / "train.csv")),
        "dev": (*rows(sentences / "dev.csv"), *passages(reviews / "dev.csv")),
        "test": rows(sentences / "test.csv"),
        "movie_reviews_long": rows(reviews / "test.csv"),
        "tweets": told,
    }
    for name, written in files.items():
        with (work / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([("text", "label"), *written])
    return {
        "task": "classification",
        "source": work / "train.csv",
        "dev": work / "dev.csv",
        "test": work / "test.csv",
        "also": {name: work / f"{name}.csv" for name in ("movie_reviews_long", "tweets")},
        "contender": "bert-adapter",
        "max_length": 128,
        "windows": 64,
        "settings": {
            "lora_rank": 16,
            "freeze_layers": 2,
            "epochs": 2,
            "learning_rate": 1e-3,
            "batch_size": 32,
        },
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
