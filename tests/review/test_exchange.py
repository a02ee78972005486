"""Items and decisions go to annotation tools and come back."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree as ET

import pytest

from textgraft.errors import DataError, OptionError
from textgraft.review.exchange.files import TOOLS, interface_file, read_file, write_rows, write_tool
from textgraft.review.exchange.table import Wanted
from textgraft.review.items import Item
from textgraft.review.store import ReviewStore
from textgraft.review.training_rows import merged_rows, training_rows

ANSWERS = {
    "classification": ("yes", "no"),
    "multi-label": (["a", "b"], []),
    "token-classification": (
        [{"start": 0, "end": 3, "label": "PER"}],
        [{"start": 8, "end": 11, "label": "PER"}],
    ),
}
LABELS = {"classification": ["no", "yes"], "multi-label": ["a", "b"], "token-classification": ["PER"]}


def _item(task):
    return Item(
        task=task,
        columns={"text": "Ann met Bob 🙂"},
        prediction=ANSWERS[task][0],
        score=0.25,
        row="7",
        model="m",
    )


def _write(path, records):
    if path.suffix == ".json":
        path.write_text(json.dumps(records))
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize("task", ANSWERS)
@pytest.mark.parametrize("form", TOOLS)
def test_items_come_back_as_they_went(tmp_path, form, task):
    path = tmp_path / f"items{TOOLS[form].ending}"
    assert write_tool(path, form, [(_item(task), None)], LABELS and {task: LABELS[task]}) == 1
    found = read_file(path, form, Wanted(task=task, by="ann"))
    assert [item.id for item in found.items] == [_item(task).id]
    if form != "doccano":  # its files do not tell suggestions from answers
        assert found.items[0].prediction == ANSWERS[task][0]
        assert found.answers == []


@pytest.mark.parametrize("task", ANSWERS)
@pytest.mark.parametrize("form", ["label-studio", "doccano", "prodigy"])
def test_decisions_come_back_as_they_went(tmp_path, form, task):
    with ReviewStore(tmp_path / "a.review") as store:
        store.add([_item(task)])
        decision = store.decide(_item(task).id, "ann", ANSWERS[task][1], new_label=True)
        path = tmp_path / f"items{TOOLS[form].ending}"
        write_tool(path, form, [(_item(task), decision)], {task: LABELS[task]})
        found = read_file(path, None if task == "classification" else form, Wanted(task=task, by="ann"))
        assert [(item, answer.reviewer) for item, answer in found.answers] == [(_item(task).id, "ann")]
        assert store.take(found.answers).known == 1, "the same decision"
        assert store.take(found.answers).conflicts == []


def test_label_studio_is_told_how_to_ask(tmp_path):
    path = tmp_path / "tasks.json"
    write_tool(
        path, "label-studio", [(_item("token-classification"), None)], {"token-classification": ["P<R"]}
    )
    view = ET.fromstring(interface_file(path).read_text())
    (task,) = json.loads(path.read_text())
    (result,) = task["predictions"][0]["result"]
    control = view.find("Labels")
    assert (control.get("name"), control.get("toName")) == (result["from_name"], result["to_name"])
    assert view.find("Text").get("value") == f"${result['to_name']}"
    assert control.find("Label").get("value") == "P<R"


# Exports as the tools write them, apart from what this package writes.
LABEL_STUDIO = [
    {
        "id": 1,
        "data": {"text": "fine"},
        "annotations": [
            {
                "id": 4,
                "completed_by": {"id": 1, "email": "ann@example.org"},
                "was_cancelled": False,
                "updated_at": "2026-01-02T03:04:05Z",
                "result": [
                    {"from_name": "s", "to_name": "text", "type": "choices", "value": {"choices": ["good"]}}
                ],
            },
            {"id": 5, "completed_by": 2, "was_cancelled": True, "result": []},
        ],
        "predictions": [],
    },
    {"id": 2, "data": {"text": "unseen"}, "annotations": [], "predictions": []},
]
ARGILLA = [
    {
        "id": "x",
        "fields": {"text": "fine"},
        "metadata": {},
        "suggestions": {"sentiment": {"value": "bad", "score": 0.4, "agent": "m"}},
        "responses": {"sentiment": [{"value": "good", "user_id": "2c9f"}]},
        "vectors": {},
        "_server_id": None,
    }
]
DOCCANO = [{"id": 3, "text": "Ann met Bob", "label": [[0, 3, "PER"]], "Comments": []}]
PRODIGY = [
    {
        "text": "fine",
        "label": "good",
        "_input_hash": 1,
        "_task_hash": 2,
        "answer": "accept",
        "_timestamp": 1700000000,
    },
    {"text": "poor", "label": "good", "_input_hash": 2, "_task_hash": 3, "answer": "reject"},
    {"text": "so so", "label": "good", "_input_hash": 3, "_task_hash": 4, "answer": "ignore"},
]


def test_exports_of_the_tools_are_recognised_and_read(tmp_path):
    def read(name, records):
        return read_file(_write(tmp_path / name, records), None, Wanted(by="me"))

    found = read("a.json", LABEL_STUDIO)
    assert [answer.reviewer for _, answer in found.answers] == ["ann@example.org", "Label Studio user 2"]
    assert [answer.answer for _, answer in found.answers] == ["good", None]
    assert "2026-01-02" in found.answers[0][1].note
    assert len(found.items) == 2
    found = read("b.json", ARGILLA)
    assert (found.items[0].prediction, found.items[0].score, found.items[0].model) == ("bad", 0.4, "m")
    assert [(answer.reviewer, answer.answer) for _, answer in found.answers] == [("2c9f", "good")]
    found = read("c.jsonl", DOCCANO)
    assert (found.title, found.items[0].task) == ("doccano", "token-classification")
    assert [(answer.reviewer, answer.answer) for _, answer in found.answers] == [("me", [[0, 3, "PER"]])]
    found = read("d.jsonl", PRODIGY)
    assert [answer.answer for _, answer in found.answers] == ["good"]
    assert [item.text for item in found.items] == ["fine", "so so"]
    assert "nobody said what it is" in found.rejected[0].reason


def test_answers_need_somebody_who_gave_them(tmp_path):
    with pytest.raises(DataError, match="who answered"):
        read_file(_write(tmp_path / "c.jsonl", DOCCANO), None, Wanted())


@pytest.fixture
def predictions(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("name,text\nx,fine\ny,poor\nz,so so\n")
    answers = tmp_path / "rows.predictions.csv"
    answers.write_text(
        "name,label,score,score:bad,score:good\nx,good,0.9,0.1,0.9\ny,bad,0.8,0.8,0.2\nz,good,0.51,0.49,0.51\n"
    )
    return rows, answers


def test_predictions_are_joined_with_their_rows(predictions):
    rows, answers = predictions
    found = read_file(answers, None, Wanted(rows=rows, id_column="name", below=0.85))
    assert [(item.row, item.text, item.prediction) for item in found.items] == [
        ("y", "poor", "bad"),
        ("z", "so so", "good"),
    ]
    assert found.items[1].scores == {"bad": 0.49, "good": 0.51}
    assert found.items[0].reason == "score 0.80, below 0.85"
    with pytest.raises(DataError, match="without the texts"):
        read_file(answers, None, Wanted())
    with pytest.raises(DataError, match="no row 'x'"):
        read_file(answers, None, Wanted(rows=rows))
    with pytest.raises(OptionError, match="no column 'score'"):
        read_file(rows, None, Wanted(below=0.5))


def test_rows_marked_for_review_are_taken_and_no_others(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("text,label,score,needs_review\na,yes,0.9,True\nb,no,0.8,false\nc,no,0.2,1\nd,no,0.1,\n")
    assert [item.text for item in read_file(path, None, Wanted()).items] == ["a", "c"]


def test_predicted_entities_are_spans(tmp_path):
    path = tmp_path / "p.jsonl"
    entity = {"type": "PER", "start": 0, "end": 3, "text": "Ann", "score": 0.9}
    _write(path, [{"id": "1", "text": "Ann met Bob", "tags": [], "entities": [entity], "score": 0.9}])
    (item,) = read_file(path, None, Wanted()).items
    assert (item.task, item.prediction) == ("token-classification", [{"start": 0, "end": 3, "label": "PER"}])


def test_decisions_mend_and_extend_labelled_rows(tmp_path):
    train = tmp_path / "train.csv"
    train.write_text("review,label,stars\nfine,bad,1\npoor,bad,2\nodd,good,3\nother,good,4\n")
    decided = {"fine": "good", "poor": "bad", "odd": None, "new": "good"}
    with ReviewStore(tmp_path / "a.review") as store:
        made = [Item(task="classification", columns={"review": text}) for text in [*decided, "undecided"]]
        store.add(made)
        for item in made[:-1]:
            store.decide(item.id, "ann", decided[item.text], new_label=True)
        rows = list(training_rows(store.decided()))
        merged, counts = merged_rows(train, store.decided(), Wanted())
    assert [(row["review"], row["label"]) for row in rows] == [
        ("fine", "good"),
        ("poor", "bad"),
        ("new", "good"),
    ]
    assert counts == {"corrected": 1, "confirmed": 1, "dropped": 1, "appended": 1}
    write_rows(tmp_path / "out.csv", merged)
    with (tmp_path / "out.csv").open() as handle:
        assert list(csv.reader(handle)) == [
            ["review", "label", "stars"], ["fine", "good", "1"], ["poor", "bad", "2"], ["other", "good", "4"],
            ["new", "good", ""],
        ]  # fmt: skip
