from __future__ import annotations

import json

import pytest

from textgraft.errors import DataError
from textgraft.tasks.guessing import guess_task
from textgraft.tasks.registry import TASKS


def numbers(values):
    return "text,label\n" + "".join(f"word,{value}\n" for value in values)


FILES = {
    "classification": [
        ("a.csv", "text,label\nfine,good\n"),
        ("a.csv", numbers(range(10))),
        ("a.csv", numbers(["0.5", "1.5"] * 10)),
        ("a.csv", 'text,label\nfine,"good, or bad"\n'),
        ("a.csv", "text,id\nfine,3\n"),
        ("a.txt", "one text\nanother text\n"),
        ("a.csv", "first,name,label\nx,y,z\n"),
        ("a.csv", "text,a,b,label\nw,x,y,z\n"),
        ("a.csv", "source,target\n" + "".join(f"a {n},good\n" for n in range(9))),
    ],
    "multi-label": [
        ("a.jsonl", '{"text": "a", "labels": ["x", "y"]}\n{"text": "b", "labels": []}\n'),
        ("a.csv", "text,tags\na,x\nb,x|y\nc,\n"),
        ("a.csv", 'text,label\na,"[""x"", ""y""]"\n'),
    ],
    "regression": [
        ("a.csv", numbers([0.25 * value for value in range(1, 20)])),
        ("a.csv", "review,rating,user\n" + "".join(f"word,{value}.5,u\n" for value in range(9))),
    ],
    "pairs": [
        ("a.csv", "sentence1,sentence2,label\na,b,1\n"),
        ("a.csv", "premise,hypothesis,label,genre\na,b,neutral,x\n"),
        ("a.jsonl", '{"question1": "a", "question2": "b", "is_duplicate": 0}\n'),
    ],
    "similarity": [("a.csv", "sentence1,sentence2,score,year\na,b,3.8,2012\nc,d,5,2013\n")],
    "multiple-choice": [
        ("a.csv", "startphrase,ending0,ending1,label\na,b,c,0\n"),
        ("a.csv", "context,question,answer0,answer1,label\na,b,c,d,0\n"),
        ("a.csv", "question,A,B,C,answer\na,b,c,d,A\n"),
        ("a.jsonl", '{"prompt": "a", "choices": ["x", "y"], "label": 0}\n'),
        ("a.jsonl", '{"ctx": "a", "endings": ["x", "y"], "label": 0}\n'),
        ("a.jsonl", '{"context": "a", "question": "b", "options": ["x", "y"], "answer": "A"}\n'),
    ],
    "translation": [
        ("a.tsv", "en\tde\nyes\tja\n"),
        ("a.csv", "id,de_AT,pt-BR\n1,ja,sim\n"),
    ],
    "summarization": [
        ("a.jsonl", '{"id": 1, "text": "a b c", "summary": "a"}\n'),
        ("a.csv", "article,highlights\na b c,a\n"),
    ],
    "text2text": [("a.csv", "source,target\n" + "".join(f"a {n},{n} a\n" for n in range(9)))],
    "captioning": [
        ("a.jsonl", '{"image": [0.5, 1], "caption": "a dot"}\n'),
        ("a.npz", ""),
    ],
    "question-answering": [
        ("a.json", '{"data": []}'),
        ("a.jsonl", '{"question": "a", "context": "b", "answers": {"text": ["b"], "answer_start": [0]}}\n'),
        ("a.jsonl", '{"id": 1, "context": "b", "question": "a", "answer": "b"}\n'),
    ],
    "token-classification": [
        ("a.conll", "John B-PER\n"),
        ("a.txt", "-DOCSTART- -X- O\n\nJohn NNP B-PER\nran VBD O\n\nParis\tB-LOC\n"),
        ("a.jsonl", '{"tokens": ["John"], "ner_tags": ["B-PER"]}\n'),
        ("a.jsonl", '{"text": "John", "spans": [{"start": 0, "end": 4, "label": "PER"}]}\n'),
    ],
}


@pytest.mark.parametrize(
    ("task", "name", "content"), [(task, *file) for task, files in FILES.items() for file in files]
)
def test_plain_files_are_guessed(tmp_path, task, name, content):
    (tmp_path / name).write_text(content)
    guess = guess_task(tmp_path / name)
    assert guess.task == task
    assert guess.reason
    assert guess_task(str(tmp_path / name)) == guess


def test_every_task_can_be_guessed():
    assert set(FILES) == set(TASKS)


def test_named_columns_decide(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("sentence1,sentence2,topic,score\na,b,x,3.5\nc,d,y,1.25\n")
    assert guess_task(file).task == "similarity"
    assert guess_task(file, label="topic").task == "pairs"
    assert guess_task(file, text="sentence1", label="topic").task == "classification"
    assert guess_task(file, text=["sentence2", "sentence1"]).task == "similarity"


def test_the_reason_names_columns(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("sentence1,sentence2,score\na,b,3.5\n")
    assert guess_task(file).reason == (
        "'sentence1' and 'sentence2' are a pair, and 'score' holds numbers with fractions"
    )


def test_few_rows_are_read(tmp_path):
    rows = [{"text": "a", "label": "x"}] * 400 + [{"text": "a", "label": "x|y"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert guess_task(tmp_path / "a.jsonl").task == "classification"


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        guess_task(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(DataError, match="empty"):
        guess_task(tmp_path / "b.csv")
    with pytest.raises(DataError, match="folder"):
        guess_task(tmp_path)
