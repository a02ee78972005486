"""Labelled texts to measure learning curves on, each made of one of the data sets.

The constants of ``textgraft.comparison.judging.forecasts`` were set on FITTED. None of the texts of HELD_OUT
are among those, but for the films' descriptions, which there had another label.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.readers.tagged import read_tagged

Labelled = Iterable[tuple[str, str]]
"""Texts with their labels."""
Source = Callable[[Path], Labelled]
"""Takes the folder of the data sets."""


def table(*files: str, text: str | list[str] = "text", label: str = "label") -> Source:
    """Take tables with text columns and a label column."""

    def read(data: Path) -> Labelled:
        for file in files:
            rows = read_dataset(data / file, text=text, label=label)
            yield from zip(rows.texts, rows.labels or (), strict=True)

    return read


def tweets(language: str) -> Source:
    """Take the tweets of one language, labelled by sentiment."""
    return table(
        *(f"umsab_multilingual_sentiment/{language}/{side}.csv" for side in ("train", "val", "test"))
    )


def articles(data: Path) -> Labelled:
    """Yield SQuAD's questions, labelled by the Wikipedia article that they are about."""
    document = json.loads((data / "squad_v1.1_dev/dev-v1.1.json").read_text())
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield question["question"], article["title"]


def mails(part: int) -> Source:
    """Take e-mails, labelled by a part of their id: 0 is whose mailbox they are from, 1 the folder in it."""

    def read(data: Path) -> Labelled:
        for side in ("train", "dev", "test"):
            for line in (data / f"aeslc/{side}.jsonl").read_text().splitlines():
                row = json.loads(line)
                yield row["text"], row["id"].split("_")[part]

    return read


def entities(language: str) -> Source:
    """Take WikiANN's fragments with one type of entity, labelled by that type."""

    def read(data: Path) -> Labelled:
        rows = read_tagged(data / f"wikiann_{language}/train.conll")
        for text, names in zip(rows.texts, rows.names, strict=True):
            if len(set(names)) == 1:
                yield text, names[0]

    return read


def first_of(file: str, text: str, label: str) -> Source:
    """Take a table whose label is the first of a list between commas."""

    def read(data: Path) -> Labelled:
        with (data / file).open(newline="") as handle:
            for row in csv.DictReader(handle):
                yield row[text], row[label].split(",")[0].strip()

    return read


def corpora(data: Path) -> Labelled:
    """Yield sentences of eight words and more, labelled by the corpus they are from.

    The film reviews are not among them: they are those of FITTED.
    """
    for file in sorted((data / "docs_corpus").glob("*.txt")):
        if file.stem == "movie_reviews":
            continue
        sentences = [line for line in file.read_text().splitlines() if line.count(" ") >= 7]
        step = max(1, len(sentences) // 1500)
        yield from ((" ".join(sentence.lower().split()), file.stem) for sentence in sentences[::step])


def docstrings(data: Path) -> Labelled:
    """Yield the docstrings of Python's library, labelled by the chapter of its manual."""
    del data
    rows = docstrings_dataset()
    return zip(rows.texts, rows.labels or (), strict=True)


def common(source: Source, fewest: int = 60) -> Source:
    """Leave out the rows whose label has fewer than so many."""

    def read(data: Path) -> Labelled:
        rows = [(text, label) for text, label in source(data) if text.strip() and label != "unknown"]
        counts = Counter(label for _, label in rows)
        return [(text, label) for text, label in rows if counts[label] >= fewest]

    return read


FITTED: dict[str, Source] = {
    "trec": table("trec/train.csv", "trec/test.csv", label="coarse"),
    "trec-fine": table("trec/train.csv", "trec/test.csv", label="fine"),
    "snips": table("snips/train.csv"),
    "banking77": table("banking77/train.csv"),
    "sst2": table("sst2/train.csv"),
    "polarity": table("mr_sentence_polarity/train.csv"),
    "reviews": table("movie_reviews_long/train.csv", "movie_reviews_long/test.csv"),
    "cola": table("cola/train.csv", text="sentence"),
    "news": table("ag_news_7600/train.csv", text=["title", "description"]),
    "origins": table(
        "title_origins_netflix24/train.csv", text=["description", "director", "cast"], label="origin"
    ),
    "tweets-english": tweets("english"),
    "tweets-german": tweets("german"),
}
HELD_OUT: dict[str, Source] = {
    "articles": articles,
    "mailboxes": common(mails(0), 300),
    "mail-folders": mails(1),
    "entities-english": entities("en"),
    "entities-german": entities("de"),
    "film-genres": common(first_of("title_origins_netflix24/all.csv", "description", "genres")),
    "film-kinds": first_of("title_origins_netflix24/all.csv", "description", "type"),
    "plots": common(first_of("movie_plots_partial/wiki_movie_plots_partial.csv", "Plot", "Genre")),
    "docstrings": docstrings,
    "corpora": corpora,
    "sentence-sources": common(first_of("stsb/train.csv", "sentence1", "file")),
    "paraphrases": table("mrpc/train.csv", "mrpc/test.csv", text=["sentence1", "sentence2"]),
    "entailment": table("rte/train.csv", "rte/dev.csv", text=["sentence1", "sentence2"]),
    **{
        f"tweets-{language}": tweets(language)
        for language in ("arabic", "french", "hindi", "italian", "portuguese", "spanish")
    },
}
