"""Files of questions: every question is read with its answers in place, or listed with the reason."""

from __future__ import annotations

import json

import pytest

from tests.conftest import shared_data
from textgraft.data.readers.squad import read_squad
from textgraft.errors import DataError

CONTEXT = "🙂 Ann wrote it.\r\nThen Ann went to Łódź."


def squad(*questions, context=CONTEXT, title="Ann") -> dict:
    return {
        "version": "1.1",
        "data": [{"title": title, "paragraphs": [{"context": context, "qas": questions}]}],
    }


def ask(text="Ann", start=2, number="q1", **more) -> dict:
    return {"id": number, "question": "Who?", "answers": [{"text": text, "answer_start": start}], **more}


def write(folder, content, name="f.json"):
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = "\n".join(map(json.dumps, content)) if name.endswith("l") else json.dumps(content)
        path.write_text(text, encoding="utf-8")
    return path


def test_squad_json_is_read(tmp_path):
    two = {
        **ask(number="q2"),
        "answers": [{"text": "Łódź", "answer_start": 34}, {"text": "Ann", "answer_start": 2}],
    }
    rows = read_squad(write(tmp_path, squad(ask(), two)))
    assert rows.columns == {"question": ["Who?", "Who?"], "context": [CONTEXT, CONTEXT]}
    assert rows.labels == [
        [{"text": "Ann", "start": 2}],
        [{"text": "Łódź", "start": 34}, {"text": "Ann", "start": 2}],
    ]
    assert (rows.ids, rows.lines, rows.groups) == (["q1", "q2"], [1, 2], ["Ann", "Ann"])
    assert rows.rejected == []
    assert rows.notes.format == "SQuAD JSON"
    assert rows.notes.total_rows == 2


@pytest.mark.parametrize(
    "answers",
    [
        {"answers": {"text": ["Łódź", "Ann"], "answer_start": [34, 2]}},
        {"answers": [{"text": "Łódź", "answer_start": 34}, {"text": "Ann", "answer_start": 2}]},
        {"answers": [{"text": "Łódź"}, {"text": "Ann", "answer_start": 2}]},
    ],
)
def test_json_lines_in_every_form(tmp_path, answers):
    rows = read_squad(write(tmp_path, [{"question": "Who?", "context": CONTEXT, **answers}], "f.jsonl"))
    assert rows.labels == [[{"text": "Łódź", "start": 34}, {"text": "Ann", "start": 2}]]
    assert rows.ids == ["1"]
    assert rows.groups == [CONTEXT]


def test_json_lines_with_a_single_answer(tmp_path):
    lines = [
        {"id": 7, "question": "Who?", "context": CONTEXT, "answer": "Ann", "answer_start": 22, "title": "t"},
        {"id": 8, "question": "Where?", "context": CONTEXT, "answer": "Łódź"},
    ]
    rows = read_squad(write(tmp_path, lines, "f.jsonl"))
    assert rows.labels == [[{"text": "Ann", "start": 22}], [{"text": "Łódź", "start": 34}]]
    assert rows.ids == ["7", "8"]
    assert rows.groups == ["t", CONTEXT]


def test_unanswerable_questions(tmp_path):
    lines = [
        {"question": "Who?", "context": CONTEXT, "answers": []},
        {"question": "Who?", "context": CONTEXT, "answers": {"text": [], "answer_start": []}},
        {"question": "Who?", "context": CONTEXT, "is_impossible": True},
    ]
    assert read_squad(write(tmp_path, lines, "f.jsonl")).labels == [[], [], []]
    version_2 = {**ask(), "answers": [], "is_impossible": True, "plausible_answers": [{"text": "Ann"}]}
    assert (
        read_squad(write(tmp_path, squad(version_2, ask(number="q2", is_impossible=False)))).labels[0] == []
    )


def test_rows_to_predict_need_no_answers(tmp_path):
    lines = [
        {"question": "Who?", "context": CONTEXT},
        {"question": "Who?", "context": CONTEXT, "answers": "?"},
    ]
    rows = read_squad(write(tmp_path, lines, "f.jsonl"), labelled=False)
    assert rows.labels is None
    assert len(rows) == 2


BAD_QUESTIONS = {
    "answer not at its offset": (
        ask(start=4),
        "'Ann' is not at 4, where the context has 'n w'; it stands at 2, 22",
    ),
    "answer nowhere": (
        ask("Bob"),
        "not at its offset: 'Bob' is not at 2, where the context has 'Ann'; it occurs nowhere",
    ),
    "answer beyond the end": (
        ask(start=999),
        "'Ann' is not at 999, where the context has ''; it stands at 2, 22",
    ),
    "negative offset": (ask(".", start=-1), "not at its offset: '.' is not at -1"),
    "offset that is text": (ask(start="2"), "malformed answer: answer_start is a text, not a whole number"),
    "offset that is a fraction": (ask(start=2.5), "malformed answer: answer_start is a number, not a whole"),
    "offset that is a truth value": (ask(start=True), "malformed answer: answer_start is a truth value"),
    "answer without its place": (ask(start=None), "answer without its place: 'Ann' stands at 2, 22"),
    "answer not in its context": (ask("Bob", None), "answer not in its context: 'Bob' does not occur"),
    "empty answer": (ask(" "), "empty answer: an unanswerable question has an empty list"),
    "answer that is a number": (ask(5), "malformed answer: a number where a text is needed"),
    "answers that are text": (
        {**ask(), "answers": "Ann"},
        "malformed answers: a text where a list is needed",
    ),
    "answers of texts": ({**ask(), "answers": ["Ann"]}, "malformed answers: an entry is no object"),
    "answers without starts": (
        {**ask(), "answers": {"text": ["Ann"]}},
        "needs the lists 'text' and 'answer_start'",
    ),
    "answers of unequal number": (
        {**ask(), "answers": {"text": ["Ann"], "answer_start": [2, 22]}},
        "malformed answers: 1 text and 2 starts",
    ),
    "no answers": ({"id": "q1", "question": "Who?"}, "no answers: give them"),
    "impossible, yet answered": (
        ask(is_impossible=True),
        "contradiction: is_impossible is true, yet there are 1",
    ),
    "possible, yet not answered": (
        {**ask(is_impossible=False), "answers": []},
        "is_impossible is false, yet",
    ),
    "no question": ({**ask(), "question": None}, "no question: it is missing"),
    "empty question": ({**ask(), "question": " \n"}, "empty question: there is nothing in it"),
    "question that is a list": ({**ask(), "question": ["Who?"]}, "malformed question: a list where a text"),
    "half a surrogate pair": (
        {**ask(), "question": "Who\ud83d?"},
        "broken Unicode: half a surrogate pair at character 4",
    ),
    "malformed id": ({**ask(), "id": []}, "malformed id: a list"),
    "huge question": (
        {**ask(), "question": "x" * 1_000_001},
        "too long: the question has more than 1,000,000",
    ),
}


@pytest.mark.parametrize("kind", BAD_QUESTIONS)
def test_bad_questions_are_listed_with_place_and_reason(tmp_path, kind):
    bad, reason = BAD_QUESTIONS[kind]
    rows = read_squad(write(tmp_path, squad(bad, ask(number="good"))))
    assert rows.ids == ["good"]
    (rejected,) = rows.rejected
    assert rejected.line == 1
    assert reason in rejected.reason
    assert rejected.reason.endswith("(data[0].paragraphs[0].qas[0])")
    assert len(rejected.excerpt) <= 200


@pytest.mark.parametrize("kind", ["answer not at its offset", "empty question", "answers of unequal number"])
def test_bad_lines_are_listed_with_their_number(tmp_path, kind):
    bad, reason = BAD_QUESTIONS[kind]
    lines = [{**ask(number="good"), "context": CONTEXT}, {**bad, "context": CONTEXT}]
    rows = read_squad(write(tmp_path, lines, "f.jsonl"))
    assert [(row.line, reason in row.reason) for row in rows.rejected] == [(2, True)]


def test_broken_lines_and_repeated_ids_are_listed(tmp_path):
    good = json.dumps({**ask(), "context": CONTEXT})
    path = write(tmp_path, "\n".join([good, "{", good, '{"question": "Who?"}']).encode(), "f.jsonl")
    rows = read_squad(path)
    assert [(row.line, row.kind) for row in rows.rejected] == [
        (2, "malformed JSON"),
        (3, "repeated id"),
        (4, "no context"),
    ]


def test_broken_parts_of_a_squad_file_cost_only_themselves(tmp_path):
    content = squad(ask(), "no question", ask(number="q2"))
    content["data"] += [
        5,
        {"title": "t"},
        {"title": "t", "paragraphs": [{"context": CONTEXT}, {"qas": [ask(number="q3")]}]},
    ]
    rows = read_squad(write(tmp_path, content))
    assert rows.ids == ["q1", "q2"]
    assert [row.reason for row in rows.rejected] == [
        "malformed SQuAD: no question at data[0].paragraphs[0].qas[1]",
        "malformed SQuAD: no question at data[1].paragraphs.qas",
        "malformed SQuAD: no question at data[2].paragraphs.qas",
        "malformed SQuAD: no question at data[3].paragraphs[0].qas",
        "no context: it is missing (data[3].paragraphs[1].qas[0])",
    ]


BAD_FILES = {
    "empty file": ("f.json", b"", "the file is empty"),
    "cut file": ("f.json", b'{"data": [', "malformed JSON"),
    "other lines": ("f.json", b'{"a": 1}\n{"a": 2}', "no column is called 'question'"),
    "list at the top": ("f.json", b"[]", "this JSON document is no table"),
    "no data": ("f.json", b'{"version": "1.1"}', "this JSON document is no table"),
    "no questions": ("f.json", b'{"data": []}', "there are no questions in this file"),
    "nested too deeply": ("f.json", b'{"data":' + b"[" * 100_000, "nested too deeply"),
    "broken UTF-8": (
        "f.json",
        '{"data": ["é",\n"é",\n'.encode() + b'\n"\xff"]}',
        "line 4",
    ),
    "archive": ("f.json", b"PK\x03\x04rest", "ZIP archive"),
    "no object": ("f.jsonl", b"[1]\n", "no line of this file is a JSON object"),
    "nothing usable": (
        "f.jsonl",
        b'{"question": "", "context": "x"}\n',
        "the only question cannot be used",
    ),
    "no answers": ("f.csv", b"question,context\na,b\n", "no answers"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_one_clear_error(tmp_path, kind):
    name, content, message = BAD_FILES[kind]
    path = write(tmp_path, content, name)
    with pytest.raises(DataError) as caught:
        read_squad(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_a_misspelt_key_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        read_squad(write(tmp_path, [{"question": "Who?", "contxt": CONTEXT}], "f.jsonl"))
    assert "no column is called 'context'" in str(caught.value)
    assert "Rename 'contxt'" in str(caught.value)


def test_a_missing_file_suggests_the_nearest(tmp_path):
    write(tmp_path, squad(ask()), "train.json")
    with pytest.raises(DataError, match=r"Did you mean '.*train\.json'"):
        read_squad(tmp_path / "trian.json")
    with pytest.raises(DataError, match="no such folder"):
        read_squad(tmp_path / "nowhere" / "train.json")
    with pytest.raises(DataError, match="this is a folder"):
        read_squad(tmp_path)


def test_other_encodings(tmp_path):
    text = json.dumps(squad(ask()), ensure_ascii=False)
    for encoding in ("utf-8-sig", "utf-16"):
        assert read_squad(write(tmp_path, text.encode(encoding))).columns["context"] == [CONTEXT]


@pytest.mark.parametrize(
    ("name", "questions", "unanswerable", "articles"),
    [("squad_v1.1_dev/dev-v1.1", 10570, 0, 48), ("squad_v2.0_dev/dev-v2.0", 11873, 5945, 35)],
)
def test_the_real_squad(name, questions, unanswerable, articles):
    folder, _, file = name.partition("/")
    rows = read_squad(shared_data(folder) / f"{file}.json")
    assert len(rows) == questions
    assert rows.rejected == []
    assert sum(not answers for answers in rows.labels) == unanswerable
    assert len(set(rows.groups)) == articles
    for context, answers in zip(rows.columns["context"], rows.labels, strict=True):
        for answer in answers:
            assert context.startswith(answer["text"], answer["start"])
