"""What the grafts of the package are trained on, and with which settings; `ship_grafts.py` does it."""

from __future__ import annotations

import csv
import itertools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TYPES = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
"""Types of WNUT 2017 as those of WikiANN; creative works and products are no entities here."""
PASSAGE = 95
"""Most words of a passage of a review: with few exceptions it fits into 128 tokens."""
HELD_OUT = 136
"""Sentences of WikiGold, the last of its train file, that tell which epoch was the best."""
Sentence = list[tuple[str, str]]
"""Words and their tags."""
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
    "ner": "English, told of capitals by its head alone; trained on Wikipedia labelled by rule and by hand, "
    "on tweets and on requests for weather and tables. User names of tweets count as names. Creative works, "
    "products and all else that is no person, organisation or location is left out.",
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
    """Persons, organisations and locations of all sets, and requests of SNIPS that name a place.

    The rows of Wikipedia that were labelled by rule are mostly headings and lists; WikiGold and the tweets
    are sentences that people wrote and people labelled, so they are shown several times, some of them with
    other names in place of theirs. The requests end with a place and no full stop; those that name anything
    else, as a restaurant or an artist, are left out. Sentences of Wikipedia are shown once more as people
    write in haste: without the full stop, and persons by their first name. User names of tweets count as
    names, and their @ as one of its own, as the newest part of the Broad Twitter Corpus has it; WNUT 2017,
    which leaves them untagged, is learned from without them.
    """
    wiki, gold, noisy, tweets = (data / name for name in ("wikiann_en", "wikigold_en", "wnut17", "btc_en"))
    ruled, by_hand = _tagged(wiki / "train.conll"), _tagged(gold / "train.conll")
    chosen_on = by_hand[-HELD_OUT:]
    by_hand = by_hand[:-HELD_OUT]
    names = _names(ruled)
    draw = random.Random(0)
    posts = [_with_users(sentence) for sentence in _tagged(tweets / "train.conll")]
    userless = ([row for row in sentence if row[0][0] != "@"] for sentence in _tagged(noisy / "train.conll"))
    rows = [*ruled[::2], *list(_hasty(ruled[1::2]))[::2], *by_hand * 2, *_hasty(by_hand), *posts]
    rows += [sentence for sentence in userless if sentence]
    rows += [_renamed(sentence, names, draw) for sentence in by_hand * 3]
    rows += [_renamed(sentence, names, draw) for sentence in posts[::3]]
    rows += _places(data / "snips" / "train.conll")
    dev = [*chosen_on, *_tagged(noisy / "dev.conll"), *_tagged(wiki / "dev.conll")[:1000]]
    test = _tagged(gold / "test.conll")
    written = {
        "train": rows,
        "dev": dev,
        "wikigold": test,
        "btc": _tagged(tweets / "dev.conll"),
        "wnut17": _tagged(noisy / "test.conll"),
    }
    for name, sentences in written.items():
        text = "".join("".join(f"{word}\t{tag}\n" for word, tag in sentence) + "\n" for sentence in sentences)
        (work / f"{name}.conll").write_text(text, encoding="utf-8")
    return {
        "task": "token-classification",
        "source": work / "train.conll",
        "dev": work / "dev.conll",
        "test": wiki / "test.conll",
        "also": {name: work / f"{name}.conll" for name in ("wikigold", "btc", "wnut17")},
        "contender": "bert-adapter",
        "settings": {
            "lora_rank": 16,
            "freeze_layers": 2,
            "epochs": 3,
            "learning_rate": 2e-3,
            "batch_size": 64,
        },
    }


def _tagged(source: Path) -> list[Sentence]:
    """Read the sentences of a file, with the types of WikiANN."""
    found = []
    for block in source.read_text(encoding="utf-8").split("\n\n"):
        sentence = []
        for line in block.splitlines():
            word, _, tag = line.rpartition("\t")
            prefix, _, kind = tag.partition("-")
            kind = TYPES.get(kind, kind)
            if word:
                sentence.append((word, f"{prefix}-{kind}" if kind in TYPES.values() else "O"))
        if sentence:
            found.append(sentence)
    return found


def _places(source: Path) -> Iterator[Sentence]:
    """Yield the requests of SNIPS that name a place and nothing else."""
    for request in source.read_text(encoding="utf-8").split("\n\n"):
        rows = [line.rpartition("\t")[::2] for line in request.splitlines()]
        slots = {tag.partition("-")[2] for _, tag in rows if tag != "O"}
        if slots & PLACES and slots <= NAMELESS:
            yield [(word, f"{tag[0]}-LOC" if tag[2:] in PLACES else "O") for word, tag in rows]


def _hasty(sentences: list[Sentence]) -> Iterator[Sentence]:
    """Yield those of the sentences that can be written in haste, written so."""
    for sentence in sentences:
        kept, surname = [], False
        for (word, tag), (following, _) in reversed(
            list(zip(sentence, [*sentence[1:], ("", "")], strict=True))
        ):
            # A name is cut where a word of the sentence follows, not another name.
            surname = tag == "I-PER" and (surname or (following.isalpha() and following.islower()))
            if not surname:
                kept.append((word, tag))
        kept.reverse()
        if kept and kept[-1] == (".", "O"):
            kept.pop()
        if kept and kept != sentence:
            yield kept


def _with_users(sentence: Sentence) -> Sentence:
    """Tag the @ of each user name that is tagged."""
    return [
        (word, following if word == "@" and following[0] == "B" else tag)
        for (word, tag), (_, following) in zip(sentence, [*sentence[1:], ("", "O")], strict=True)
    ]


def _names(sentences: list[Sentence]) -> dict[str, list[list[str]]]:
    """Return the names in sentences by their type, each as often as it stands there."""
    found: dict[str, list[list[str]]] = {}
    for sentence in sentences:
        for kind, words in _entities(sentence):
            if kind and len(words) <= 5 and words[0][:1].isupper() and "(" not in words:
                found.setdefault(kind, []).append(words)
    return found


def _renamed(sentence: Sentence, names: dict[str, list[list[str]]], draw: random.Random) -> Sentence:
    """Put another name of its type in place of each; a quarter stay, and all names of users."""
    written: Sentence = []
    for kind, words in _entities(sentence):
        if not kind:
            written += [(word, "O") for word in words]
            continue
        is_user = words[0][0] in "@#" or (bool(written) and written[-1][0] == "@")
        kept = is_user or draw.random() < 0.25
        shown = words if kept else draw.choice(names[kind])
        written += [(word, f"{'I' if at else 'B'}-{kind}") for at, word in enumerate(shown)]
    return written


def _entities(sentence: Sentence) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of a sentence with their types, and what stands between them with an empty one."""
    words: list[str] = []
    before = ""
    for word, tag in sentence:
        prefix, _, kind = tag.partition("-")
        if words and (kind != before or prefix == "B"):
            yield before, words
            words = []
        words, before = [*words, word], kind
    if words:
        yield before, words


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
