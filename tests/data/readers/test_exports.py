"""Exports of annotation tools, and other files as people bring them, in the forms that they come in."""

# ruff: noqa: E501, UP031  (one row of a file is one line here)
from __future__ import annotations

import json

import pytest

from textgraft.tasks.guessing import guess_task
from textgraft.tasks.registry import task_class

TEXTS = [f"Ann moved to Rome in {year}" for year in range(1950, 1974)]
SPANS = [(0, 3, "PER"), (13, 17, "LOC")]
TAGS = ["B-PER", "O", "O", "B-LOC", "O", "O"]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def studio(result, **more):
    return [
        {"id": n, "data": {"text": text}, "annotations": [{"result": result(n, text), **more}]}
        for n, text in enumerate(TEXTS)
    ]


def marked(number, text):
    return [
        {"from_name": "ner", "to_name": "text", "type": "labels",
         "value": {"start": start, "end": end, "text": text[start:end], "labels": [kind]}}
        for start, end, kind in SPANS
    ]  # fmt: skip


def chosen(*names):
    def result(number, text):
        kinds = names[: 1 + number % len(names)]
        return [
            {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": list(kinds)}}
        ]

    return result


def objects(start="start", end="end", label="label", several=False):
    return [{start: a, end: b, label: [kind] if several else kind} for a, b, kind in SPANS]


TAGGED = {
    "doccano label": ("a.jsonl", lines({"text": t, "label": [list(s) for s in SPANS]} for t in TEXTS)),
    "doccano labels": ("a.jsonl", lines({"text": t, "labels": [list(s) for s in SPANS]} for t in TEXTS)),
    "doccano entities": (
        "a.jsonl",
        lines(
            {"id": n, "text": t, "entities": objects("start_offset", "end_offset"), "relations": []}
            for n, t in enumerate(TEXTS)
        ),
    ),
    "Label Studio JSON": ("a.json", json.dumps(studio(marked))),
    "Label Studio JSON-MIN": (
        "a.json",
        json.dumps(
            [{"id": n, "text": t, "label": objects(label="labels", several=True)} for n, t in enumerate(TEXTS)]
        ),
    ),
    "Label Studio CSV": (
        "a.csv",
        "id,label,text\n"
        + "".join(
            '%d,"%s",%s\n' % (n, json.dumps(objects(label="labels", several=True)).replace('"', '""'), t)
            for n, t in enumerate(TEXTS)
        ),
    ),
    "Prodigy": (
        "a.jsonl",
        lines(
            {"text": t, "tokens": [{"text": w, "id": n} for n, w in enumerate(t.split())], "spans": objects(),
             "answer": "accept"}
            for t in TEXTS
        ),
    ),
    "spaCy": ("a.json", json.dumps([[t, {"entities": [list(s) for s in SPANS]}] for t in TEXTS])),
    "Rasa": (
        "a.json",
        json.dumps(
            {"rasa_nlu_data": {"common_examples": [
                {"text": t, "entities": [
                    {"start": a, "end": b, "value": t[a:b], "entity": k} for a, b, k in SPANS]}
                for t in TEXTS]}}
        ),
    ),
    "Python literals in CSV": (
        "a.csv", "text,entities\n" + "".join(f'{t},"{[tuple(s) for s in SPANS]}"\n' for t in TEXTS)
    ),
    "lists in CSV": ("a.csv", "Sentence,Tag\n" + "".join(f'{t},"{TAGS}"\n' for t in TEXTS)),
    "a number on each row": (
        "a.csv",
        "sentence_id,word,ner\n"
        + "".join(f"{n},{w},{g}\n" for n, t in enumerate(TEXTS) for w, g in zip(t.split(), TAGS, strict=True)),
    ),
    "a tab and no header": (
        "a.tsv",
        "\n".join("".join(f"{w}\t{g}\n" for w, g in zip(t.split(), TAGS, strict=True)) for t in TEXTS),
    ),
    "CoNLL of another ending": (
        "ner.train",
        "\n".join("".join(f"{w} {g}\n" for w, g in zip(t.split(), TAGS, strict=True)) for t in TEXTS),
    ),
    "CoNLL without empty lines": (
        "a.conll",
        "".join(f"{w} {g}\n" for t in TEXTS for w, g in zip([*t.split(), "."], [*TAGS, "O"], strict=True)),
    ),
    "tags that are not in the last column": (
        "a.conll",
        "\n".join("".join(f"{w}\t{g}\tx{n}\n" for n, (w, g) in enumerate(zip(t.split(), TAGS, strict=True)))
                  for t in TEXTS),
    ),
    "CoNLL-U, another feature": (
        "a.conllu",
        "\n".join(
            "".join(f"{n}\t{w}\t_\tX\t_\t_\t0\tdep\t_\tNER={g}|SpaceAfter=No\n"
                    for n, (w, g) in enumerate(zip(t.split(), TAGS, strict=True), 1))
            for t in TEXTS
        ),
    ),
}  # fmt: skip


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("form", TAGGED)
def test_tagged_texts(tmp_path, form):
    path = write(tmp_path, *TAGGED[form])
    guess = guess_task(path)
    assert guess.task == "token-classification", guess
    found = task_class(guess.task).read(path)
    expected = [*TAGS, "O"] if form == "CoNLL without empty lines" else TAGS
    assert found.labels == [expected] * len(TEXTS)
    assert not found.rejected


LABELS = ["food", "trip"] * 12
SETS = [["food", "good"], ["trip"]] * 12
CLASSES = {
    "JSON array": ("a.json", json.dumps([{"text": t, "label": k} for t, k in zip(TEXTS, LABELS, strict=True)])),
    "JSON lines called .json": (
        "a.json", lines({"text": t, "label": k} for t, k in zip(TEXTS, LABELS, strict=True))
    ),
    "array called .jsonl": (
        "a.jsonl", json.dumps([{"text": t, "label": k} for t, k in zip(TEXTS, LABELS, strict=True)])
    ),
    "records below a key": (
        "a.json",
        json.dumps({"version": 1, "data": [{"text": t, "label": k} for t, k in zip(TEXTS, LABELS, strict=True)]}),
    ),
    "columns": ("a.json", json.dumps({"text": TEXTS, "label": LABELS})),
    "pandas columns": (
        "a.json",
        json.dumps({"text": dict(enumerate(TEXTS)), "label": dict(enumerate(LABELS))}),
    ),
    "pandas split": (
        "a.json",
        json.dumps({"columns": ["text", "label"], "index": list(range(24)),
                    "data": [list(p) for p in zip(TEXTS, LABELS, strict=True)]}),
    ),
    "one choice each": ("a.json", json.dumps(studio(chosen("food")) + studio(chosen("trip")))),
    "Prodigy choices": (
        "a.jsonl",
        lines({"text": t, "options": [{"id": "food"}, {"id": "trip"}], "accept": [k], "answer": "accept"}
              for t, k in zip(TEXTS, LABELS, strict=True)),
    ),
    "doccano": ("a.jsonl", lines({"text": t, "label": [k]} for t, k in zip(TEXTS, LABELS, strict=True))),
    "fastText": ("a.txt", "".join(f"__label__{k} {t}\n" for t, k in zip(TEXTS, LABELS, strict=True))),
    "no header, label first": ("a.tsv", "".join(f"{k}\t{t}\n" for t, k in zip(TEXTS, LABELS, strict=True))),
    "no header, text first": ("a.csv", "".join(f"{t},{k}\n" for t, k in zip(TEXTS, LABELS, strict=True))),
    "sep= with a mark": (
        "a.csv",
        b"\xef\xbb\xbfsep=;\r\n" + ("text;label\r\n" + "".join(
            f"{t};{k}\r\n" for t, k in zip(TEXTS, LABELS, strict=True))).encode(),
    ),
    "quoted sep=": ("a.csv", '"sep=|"\ntext|label\n' + "".join(
        f"{t}|{k}\n" for t, k in zip(TEXTS, LABELS, strict=True))),
    "NaN and half a pair in other keys": (
        "a.jsonl",
        "".join('{"text": "%s", "label": "%s", "n": NaN, "o": "\\ud83d"}\n' % p
                for p in zip(TEXTS, LABELS, strict=True)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", CLASSES)
def test_texts_with_one_label(tmp_path, form):
    path = write(tmp_path, *CLASSES[form])
    guess = guess_task(path)
    assert guess.task == "classification", guess
    found = task_class(guess.task).read(path)
    assert set(found.labels) == {"food", "trip"}
    assert len(found) >= len(TEXTS)
    assert set(found.texts) == set(TEXTS)
    assert not found.rejected


LABEL_SETS = {
    "Python lists": ("a.csv", "text,labels\n" + "".join(
        f'{t},"{k}"\n' for t, k in zip(TEXTS, SETS, strict=True))),
    "numpy lists": ("a.csv", "text,labels\n" + "".join(
        f'{t},"[{" ".join(map(repr, k))}]"\n' for t, k in zip(TEXTS, SETS, strict=True))),
    "JSON lists": ("a.jsonl", lines({"text": t, "labels": k} for t, k in zip(TEXTS, SETS, strict=True))),
    "choices and bare names": (
        "a.json",
        json.dumps([{"text": t, "topic": {"choices": k} if len(k) > 1 else k[0]}
                    for t, k in zip(TEXTS, SETS, strict=True)]),
    ),
    "fastText": ("a.train", "".join(
        "".join(f"__label__{k} " for k in names) + f"{t}\n" for t, names in zip(TEXTS, SETS, strict=True))),
    "one-hot": ("a.csv", "text,food,good,trip\n" + "".join(
        f"{t},{int('food' in k)},{int('good' in k)},{int('trip' in k)}\n"
        for t, k in zip(TEXTS, SETS, strict=True))),
    "one-hot of pandas": ("a.csv", "text,food,good,trip\n" + "".join(
        f"{t},{'food' in k},{'good' in k},{'trip' in k}\n" for t, k in zip(TEXTS, SETS, strict=True))),
}  # fmt: skip


@pytest.mark.parametrize("form", LABEL_SETS)
def test_texts_with_several_labels(tmp_path, form):
    path = write(tmp_path, *LABEL_SETS[form])
    guess = guess_task(path)
    assert guess.task == "multi-label", guess
    found = task_class(guess.task).read(path)
    assert found.labels == [tuple(names) for names in SETS]
    assert not found.rejected


def test_one_hot_labels_with_missing_values(tmp_path):
    rows = ["1,0", "0,1", ",0", "-1,1", "1.0,0.0", "NaN,1"]
    path = write(
        tmp_path, "a.csv", "text,toxic,insult\n" + "".join(f"text {n},{r}\n" for n, r in enumerate(rows))
    )
    found = task_class("multi-label").read(path, label=["toxic", "insult"])
    assert found.labels == [("toxic",), ("insult",), ("toxic",)]
    assert [row.line for row in found.rejected] == [4, 5, 7]
    assert {row.kind for row in found.rejected} == {"no label"}


def test_columns_of_ticks_and_of_names(tmp_path):
    ticks = write(tmp_path, "a.csv", "text,a,b\none,x,\ntwo,,x\nthree,,\n")
    assert task_class("multi-label").read(ticks, label=["a", "b"]).labels == [("a",), ("b",), ()]
    names = write(tmp_path, "b.csv", "text,first,second\none,food,good\ntwo,trip,\n")
    assert task_class("multi-label").read(names, label=["first", "second"]).labels == [
        ("food", "good"), ("trip",)
    ]  # fmt: skip


def test_skipped_tasks_of_label_studio_are_rejected(tmp_path):
    tasks = [*studio(marked), *studio(marked, was_cancelled=True)[:3], *studio(lambda n, t: [])[:2]]
    tasks += [{"id": 99, "data": {"text": "never seen"}, "annotations": []}]
    found = task_class("token-classification").read(write(tmp_path, "a.json", json.dumps(tasks)))
    assert len(found) == len(TEXTS) + 2
    assert found.labels[-1] == ["O"] * 6
    assert [row.kind for row in found.rejected] == ["rejected annotation"] * 3 + ["no tags"]


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_rejected_spans_of_prodigy_are_never_read(tmp_path, answer):
    rows = [
        {"text": t, "spans": objects(), "answer": answer if n % 3 == 0 else "accept"}
        for n, t in enumerate(TEXTS)
    ]
    found = task_class("token-classification").read(write(tmp_path, "a.jsonl", lines(rows)))
    assert len(found) == 16
    assert {row.kind for row in found.rejected} == {"rejected annotation"}
