"""What the pages presume: every file and folder that their commands read and do not make.

Each stands in :data:`FILES`, and nowhere else; the names that their Python uses stand in stage.py.
"""

from __future__ import annotations

import csv
import functools
import gzip
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import textgraft
from tests.tiny import TOPICS, save_tiny_bert, topic_rows
from textgraft.models.shipped import FOLDER as SHIPPED
from textgraft.review.items import Item

ROWS = 90
MOODS = {"sport": "POSITIVE", "food": "NEGATIVE", "space": "POSITIVE"}
LETTER = (
    "Dear all. The meeting of the budget committee is moved from Thursday to Friday at ten. The room stays "
    "the same. Please tell me whether you can come. There will be coffee."
)
SENTENCES = [f"{text.capitalize()}." for text, _ in topic_rows(300, seed=9)]


def _table(*columns: str, count: int = ROWS, seed: int = 0, **others: Callable[[int, str, str], Any]) -> Any:
    """Make a maker of a .csv or .tsv file: a column of texts, one of labels where two are named, and others.

    Args:
        columns: The names of these two.
        count: Rows.
        seed: Of the texts.
        others: Further columns by name: what is in them, by the number, text and label of a row.
    """

    def make(path: Path) -> None:
        rows = []
        for number, (text, label) in enumerate(topic_rows(count, seed)):
            own = dict(zip(columns, (text, label), strict=False))
            rows.append(own | {name: value(number, text, label) for name, value in others.items()})
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            return
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)

    return make


def _other(number: int, text: str, label: str) -> str:
    """Return the text of another row, of the same topic for every second one."""
    texts = [other for other, topic in topic_rows(60, seed=77) if (topic == label) == (number % 2 == 0)]
    return texts[number % len(texts)]


def _is_same(number: int, text: str, label: str) -> int:
    return int(number % 2 == 0)


def _grade(number: int, text: str, label: str) -> float:
    return round({"sport": 1.25, "food": 2.5, "space": 4.75}[label] + 0.01 * (number % 7), 2)


def _mood(number: int, text: str, label: str) -> str:
    return MOODS[label]


def _workbook(path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in [("text", "label"), *topic_rows(ROWS)]:
        book.active.append(row)
    book.save(path)


def _folder_by_label(path: Path) -> None:
    for number, (text, label) in enumerate(topic_rows(ROWS)):
        file = path / ("pos" if label == "sport" else "neg") / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _gzipped(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def made(path: Path) -> None:
        plain = path.with_name("unpacked.csv")
        make(plain)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    return made


def _letters(path: Path) -> None:
    path.mkdir()
    for number, sentence in enumerate(SENTENCES[:5]):
        (path / f"{number}.txt").write_text(sentence)


def _lines(count: int) -> Callable[[Path], None]:
    return lambda path: _write_lines(path, SENTENCES[:count])


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def _corpus(path: Path) -> None:
    path.mkdir()
    documents = [" ".join(SENTENCES[at : at + 4]) for at in range(0, len(SENTENCES), 4)]
    (path / "all.txt").write_text("\n\n".join(documents) + "\n")


def _tagged(path: Path) -> None:
    kinds = {word: kind.upper() for kind, words in TOPICS.items() for word in words}
    sentences = [
        "\n".join(f"{word} {'B-' + kinds[word] if word in kinds else 'O'}" for word in text.split())
        for text, _ in topic_rows(ROWS)
    ]
    path.write_text("\n\n".join(sentences) + "\n")


def _spans(path: Path) -> None:
    rows = []
    for text, label in topic_rows(ROWS):
        word = next(word for word in text.split() if word in TOPICS[label])
        at = text.index(word)
        rows.append({"text": text, "spans": [{"start": at, "end": at + len(word), "label": label.upper()}]})
    _write_lines(path, [json.dumps(row) for row in rows])


def _squad(path: Path) -> None:
    people = itertools.product(
        ("Ada", "John", "Mary"), ("London", "Paris", "Oslo"), ("a bank", "a shop", "the city")
    )
    paragraphs = []
    for number, (who, where, what) in enumerate(people):
        context = f"{who} lives in {where} and works for {what}."
        questions = ((f"Where does {who} live?", where), (f"Whom does {who} work for?", what))
        paragraphs.append(
            {
                "context": context,
                "qas": [
                    {
                        "id": f"{number}-{at}",
                        "question": question,
                        "answers": [{"text": answer, "answer_start": context.index(answer)}],
                    }
                    for at, (question, answer) in enumerate(questions)
                ],
            }
        )
    articles = [{"title": str(at), "paragraphs": [paragraph]} for at, paragraph in enumerate(paragraphs)]
    path.write_text(json.dumps({"version": "1.1", "data": articles}))


def _right_choice(number: int, text: str, label: str) -> str:
    return "ab"[number % 2]


def _choice(place: int) -> Callable[[int, str, str], str]:
    topics = sorted(TOPICS)

    def value(number: int, text: str, label: str) -> str:
        other = next(topic for topic in topics if topic != label)
        return label if number % 2 == place else other

    return value


def _sentences_in(language: str, count: int = ROWS, seed: int = 0) -> Callable[[Path], None]:
    """A file of lines in English, or in a German that has its words reversed."""
    rows = [text for text, _ in topic_rows(count, seed)]
    turn = {"en": lambda text: text, "de": _in_german}[language]
    return lambda path: _write_lines(path, [turn(text) for text in rows])


def _in_german(text: str) -> str:
    return " ".join(word.capitalize() for word in reversed(text.split()))


def _vectors(path: Path) -> None:
    rows = topic_rows(ROWS)
    topics = sorted(TOPICS)
    vectors = np.eye(3, dtype=np.float32)[[topics.index(label) for _, label in rows]]
    if path.suffix == ".npy":
        np.save(path, vectors)
    else:
        np.savez(path, vectors=vectors, captions=np.array([f"about {label}: {text}" for text, label in rows]))


def _word_vectors(path: Path) -> None:
    words = ["the", "film", "king", "queen", "man", "woman", *itertools.chain(*TOPICS.values())]
    values = np.random.default_rng(0).normal(size=(len(words), 6))
    _write_lines(
        path, [" ".join([word, *map("{:.4f}".format, row)]) for word, row in zip(words, values, strict=True)]
    )


def _rated_pairs(path: Path) -> None:
    pairs = itertools.combinations(TOPICS["sport"], 2)
    _write_lines(path, [f"{one}\t{two}\t{at % 10}" for at, (one, two) in enumerate(pairs)])


def _analogies(path: Path) -> None:
    _write_lines(path, [": family", "man woman king queen", "woman man queen king"])


def _labels_table(path: Path) -> None:
    lines = [f"{topic},It is about {topic} and the like." for topic in TOPICS]
    _write_lines(path, ["label,description", *lines])


@functools.cache
def _asked_text() -> str:
    """Return a text whose id in a review store begins as the page has it."""
    texts = map("note {}".format, itertools.count())
    return next(
        text for text in texts if Item(task="classification", columns={"text": text}).id.startswith("3f2a")
    )


def _new_rows(path: Path) -> None:
    texts = [_asked_text(), *(text for text, _ in topic_rows(19, seed=5))]
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([("text", "frage"), *zip(texts, texts, strict=True)])


def _predictions(path: Path) -> None:
    """Predictions for these rows, by their lines, of which a person is asked about the first."""
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("id", "label", "score", "score:negative", "score:positive"))
        writer.writerow((2, "positive", 0.55, 0.45, 0.55))
        writer.writerows((at, "negative", 0.99, 0.99, 0.01) for at in range(3, 22))


def _tool_export(path: Path) -> None:
    """What Label Studio writes of a text that somebody has decided."""
    choice = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["negative"]}}
    decided = {"completed_by": {"id": 1, "email": "bob@example.org"}, "result": [choice]}
    path.write_text(json.dumps([{"id": 1, "data": {"text": "so so"}, "annotations": [decided]}]))


def _glue(path: Path) -> None:
    for name, columns in (("CoLA", "cola"), ("RTE", "rte"), ("MNLI", "mnli")):
        (path / name).mkdir(parents=True)
        for part, count in (("train", 60), ("dev", 40)):
            rows = topic_rows(count, seed=count)
            if columns == "cola":
                lines = [f"x\t{int(label == 'sport')}\t\t{text}" for text, label in rows]
            elif columns == "rte":
                lines = ["index\tsentence1\tsentence2\tlabel"] + [
                    f"{at}\tso\t{text}\t{'entailment' if label == 'sport' else 'not_entailment'}"
                    for at, (text, label) in enumerate(rows)
                ]
            else:
                names = {"sport": "entailment", "food": "neutral", "space": "contradiction"}
                lines = ["index\tsentence1\tsentence2\tgold_label"] + [
                    f"{at}\tso\t{text}\t{names[label]}" for at, (text, label) in enumerate(rows)
                ]
            files = [part] if columns != "mnli" or part == "train" else ["dev_matched", "dev_mismatched"]
            for file in files:
                _write_lines(path / name / f"{file}.tsv", lines)
    _write_lines(
        path / "CoLA" / "test.tsv", ["index\tsentence", "0\tthe goal of the team", "1\tsoup and bread"]
    )


def _classifier_checkpoint(path: Path) -> None:
    """A folder that Transformers alone made: a classifier of moods, with random weights."""
    import torch
    from transformers import AutoModelForSequenceClassification

    save_tiny_bert(path)
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(
        path, num_labels=2, id2label={0: "NEGATIVE", 1: "POSITIVE"}, label2id={"NEGATIVE": 0, "POSITIVE": 1}
    ).save_pretrained(path)


def tiny_bundled(path: Path) -> None:
    """An encoder in the place of the bundled one: random weights, and as long texts."""
    from transformers import AutoConfig, AutoModel

    save_tiny_bert(path)
    AutoModel.from_config(AutoConfig.from_pretrained(path, max_position_embeddings=512)).save_pretrained(path)
    told = path / "tokenizer_config.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"model_max_length": 512}))


def _deep_masked_checkpoint(path: Path) -> None:
    """A teacher with a head for masked words, and more layers than its student."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    save_tiny_bert(path)
    config = AutoConfig.from_pretrained(path, num_hidden_layers=6)
    AutoModelForMaskedLM.from_config(config).save_pretrained(path)


def _with_prompts(seed: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        save_tiny_bert(path, seed)
        prompts = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query"}
        (path / "config_sentence_transformers.json").write_text(json.dumps(prompts))

    return make


def _shipped(name: str) -> Callable[[Path], None]:
    return lambda path: shutil.copytree(SHIPPED / name, path) and None


def _trained(source: str, contender: str, **options: Any) -> Callable[[Path], None]:
    """A model directory, trained on one of the files."""

    def make(path: Path) -> None:
        rows = path.parent / f"rows-{path.name}{Path(source).suffix}"
        make_file(source, rows)
        textgraft.train(rows, path, contender=contender, progress=False, **options)

    return make


def _classifier(path: Path) -> None:
    """One that can be streamed, exported, looked into, and asked for sets of labels."""
    rows = path.parent / "many.csv"
    _table("text", "label", count=360, seed=3)(rows)
    settings = {"epochs": 8, "bidirectional": False, "hidden_size": 32, "embedding_size": 32}
    textgraft.train(rows, path, contender="lstm", settings=settings, progress=False)


def _small_classifier(path: Path) -> None:
    rows = path.parent / "many.csv"
    _table("text", "label", count=240, seed=4)(rows)
    textgraft.train(rows, path, contender="tfidf", progress=False)


def _pretrained(arch: str, **options: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        corpus = path.parent / "corpus"
        if not corpus.exists():
            _corpus(corpus)
        settings = {"max_tokens": 256, "batch_size": 8}
        textgraft.pretrain(
            corpus,
            path,
            arch=arch,
            tokens=2000,
            max_length=32,
            vocabulary_size=300,
            settings=settings,
            **options,
        )

    return make


_TOPICS = _table("text", "label")
_TEXTS = _table("text")
_MAILS = _table("body", subject=lambda number, text, label: f"{label} {number % 3}")


def _subjects(seed: int) -> Callable[[Path], None]:
    return _table("text", seed=seed, summary=lambda number, text, label: f"{label} {number % 3}")


FILES: dict[str, Callable[[Path], None]] = {
    # Tables of texts with one label each.
    "rows.csv": _TOPICS,
    "train.csv": _TOPICS,
    "test.csv": _table("text", "label", seed=1),
    "dev.csv": _table("text", "label", seed=2, count=30),
    "fresh.csv": _table(
        "text",
        "label",
        seed=8,
        channel=lambda number, *_: "ab"[number % 2],
        country=lambda number, *_: "xy"[number % 3 % 2],
    ),
    "judged.csv": _table("text", "label", seed=8),
    "labelled.csv": _table("text", "label", seed=8, count=200),
    "tickets.csv": _table("text", "label", count=240),
    "mails.csv": _table("text", "label"),
    "intents.csv": _TOPICS,
    "plots.csv": _table("plot", "origin"),
    "reviews.csv": _table("review", mood=_mood),
    "reviews.csv.gz": _gzipped(_table("review", mood=_mood)),
    "other.csv": _table("review", mood=_mood, seed=1),
    "survey.xlsx": _workbook,
    "aclImdb/train": _folder_by_label,
    "sst2/train.csv": _table("text", "label", count=330),
    "sst2/dev.csv": _table("text", "label", seed=1),
    "sst2/test.csv": _table("text", "label", seed=2),
    # Of other tasks.
    "comments.csv": _table("comment", toxic=_is_same, insult=lambda number, *_: int(number % 3 == 0)),
    "articles.jsonl": _table(
        "body", topics=lambda number, text, label: sorted({label, "news"[: 4 * (number % 2)]} - {""})
    ),
    "adverts.csv": _table("advert", price=_grade),
    "questions.csv": _table("question1", question2=_other, duplicate=_is_same),
    "sentences.csv": _table(
        "sentence1", sentence2=_other, score=lambda number, *_: 0.5 + 4 * (number % 2 == 0)
    ),
    "shows.csv": _table(
        "title", "country", description=_other, director=lambda number, *_: f"d{number % 20}"
    ),
    "exams.csv": _table("question", a=_choice(0), b=_choice(1), answer=_right_choice),
    "entities.conll": _tagged,
    "spans.jsonl": _spans,
    "squad.json": _squad,
    "mails.jsonl": _MAILS,
    "aeslc/train.jsonl": _subjects(0),
    "aeslc/dev.jsonl": _subjects(1),
    "aeslc/test.jsonl": _subjects(2),
    "train.tsv": _table(en=lambda number, text, label: text, de=lambda number, text, label: _in_german(text)),
    "train.de": _sentences_in("de"),
    "train.en": _sentences_in("en"),
    "val.de": _sentences_in("de", 20, 1),
    "val.en": _sentences_in("en", 20, 1),
    "test.de": _sentences_in("de", 20, 2),
    "test.en": _sentences_in("en", 20, 2),
    "forms.csv": _table("source", target=lambda number, text, label: text.upper()),
    "vectors.npz": _vectors,
    "features.npy": _vectors,
    "vectors.npy": lambda path: np.save(path, np.eye(3, dtype=np.float32)[:2]),
    "captions.csv": _table(caption=lambda number, text, label: f"about {label}: {text}"),
    # Texts without labels.
    "new.csv": _new_rows,
    "new.jsonl": _table("text", seed=5, count=20, key=lambda number, *_: f"k{number}"),
    "new.de": _sentences_in("de", 4, 3),
    "mail.txt": _lines(5),
    "pages.csv": _table("text", count=30),
    "pages.jsonl": _table("text", count=30),
    "texts.csv": _table("text", count=12),
    "texts.txt": _lines(4),
    "unlabelled.csv": _table("text", seed=6, count=60),
    "letters.txt": _lines(4),
    "asked.csv": _table("question", context=lambda *_: "Ada lives in London and works for a bank.", count=4),
    "new-exams.csv": _table("question", a=_choice(0), b=_choice(1), count=4, seed=3),
    "letters": _letters,
    "support.log": _lines(4),
    "corpus": _corpus,
    "docs_corpus": _corpus,
    # Beside rows.
    "labels.csv": _labels_table,
    "vectors.txt": _word_vectors,
    "glove.6B.100d.txt": _word_vectors,
    "ws-353-all.tsv": _rated_pairs,
    "questions-words.txt": _analogies,
    "new.predictions.csv": _predictions,
    "export.json": _tool_export,
    "predictions.jsonl": _table("text", "label", score=lambda number, *_: 0.5, needs_review=lambda *_: True),
    "glue_data": _glue,
    # Encoders and checkpoints of others.
    "./mpnet": save_tiny_bert,
    "./my-bert": _classifier_checkpoint,
    "distillation: ./my-bert": _deep_masked_checkpoint,
    "./student": save_tiny_bert,
    "./e5": _with_prompts(1),
    "./bge": _with_prompts(2),
    "./multilingual-e5-small": _with_prompts(0),
    # What commands of other pages have left.
    "runs/plots-1a2b3c/best": _classifier,
    "runs/reviews-1a2b3c/best": _classifier,
    "runs/plots/best": _classifier,
    "runs/x/best": _classifier,
    "runs/b/best": _classifier,
    "model": _classifier,
    "small-model": _small_classifier,
    "large-model": _classifier,
    "runs/de-en/best": _shipped("translation-de-en"),
    "runs/mails/best": _trained("mails.jsonl", "lstm-seq2seq", task="summarization"),
    "runs/forms/best": _trained("forms.csv", "lstm-seq2seq", task="text2text"),
    "runs/icons/best": _trained("vectors.npz", "lstm-captioner"),
    "runs/exams/best": _trained(
        "exams.csv", "lstm", text=("question", "a", "b"), label="answer", task="multiple-choice"
    ),
    "runs/shakespeare": _shipped("text-generation"),
    "runs/lm": _pretrained("lstm", bidirectional=True),
    "lm": _pretrained("lstm"),
    "runs/lstm-tiny": _pretrained("lstm"),
    "runs/bert": _pretrained("bert"),
    "runs/bert-tiny": _pretrained("bert"),
    "runs/gpt": _pretrained("gpt"),
    "student": save_tiny_bert,
}
"""Every file and folder that a page reads and does not make: its name, and what makes it."""


def make_file(name: str, path: Path) -> None:
    """Make a file or folder of :data:`FILES` under another name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FILES[name](path)
