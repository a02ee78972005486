"""A stand-in server is asked: good answers, bad ones, failures, and what is kept of them."""

from __future__ import annotations

import email.utils
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.inference.prompting.stand_in import completion, labelled, stand_in, topic_of
from tests.tiny import TOPICS, topic_rows
from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.inference.prompting import chat
from textgraft.inference.prompting.endpoint import endpoint_url
from textgraft.inference.prompting.prompt import Prompt
from textgraft.inference.prompting.prompted import PromptedPredictor
from textgraft.tasks.text.classification import NO_ANSWER, SingleLabelClassification

LABELS = sorted(TOPICS)
TEXTS = list(dict.fromkeys(text for text, _ in topic_rows(12)))
TOO_MANY = 429, {}, {"error": {"message": "slow down"}}


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TEXTGRAFT_LLM_KEY", "secret-key")
    monkeypatch.setattr(chat, "FIRST_WAIT", 0.01)


@pytest.fixture
def server():
    with stand_in() as running:
        yield running


def predictor(server, **changes):
    prompt = Prompt(endpoint=endpoint_url(server.url), model="tiny", labels=LABELS, **changes)
    return PromptedPredictor(prompt, SingleLabelClassification(LABELS))


def rows(texts=TEXTS):
    return Dataset.unlabelled({"text": list(texts)})


def test_answers_are_labels_and_equal_texts_are_asked_once(server):
    given = predictor(server)
    found = given.predict([*TEXTS, TEXTS[0]])
    assert [prediction.label for prediction in found] == [*map(topic_of, TEXTS), topic_of(TEXTS[0])]
    assert found[0].to_dict() == {"label": found[0].label}
    assert sorted(server.texts) == sorted(TEXTS)
    assert set(server.paths) == {"/v1/chat/completions"}
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer secret-key"}
    assert server.most_at_a_time <= 4
    asked = given.asked(rows())
    assert len(server.requests) == len(TEXTS), "nothing is asked twice"
    assert (asked.input_tokens, asked.output_tokens, asked.unanswered) == (100, 4, 0)
    assert len(asked.seconds) == len(TEXTS)
    assert min(asked.seconds) >= 0.005
    assert predictor(server, concurrency=1).predict(TEXTS)[0].label == found[0].label
    assert len(server.requests) == len(TEXTS), "no answer depends on how many are asked at a time"
    predictor(server, max_tokens=7).predict(TEXTS[:1])
    assert len(server.requests) == len(TEXTS) + 1, "another question has another answer"


def test_only_so_many_are_under_way(server):
    predictor(server, concurrency=2).predict(TEXTS)
    assert server.most_at_a_time == 2


def test_what_is_no_label_is_no_answer(server):
    server.once(completion("I cannot say."), completion(None, tokens=None))
    given = predictor(server, concurrency=1)
    found = given.predict(TEXTS)
    assert [prediction.answer for prediction in found[:2]] == [NO_ANSWER, NO_ANSWER]
    assert (found[0].label, found[0].score, found[0].numbers()) == (None, 0.0, [0.0, 0.0, 0.0])
    asked = given.asked(rows())
    assert (asked.unanswered, asked.input_tokens) == (2, None)
    gold = [LABELS.index(topic_of(text)) for text in TEXTS]
    answers = [prediction.answer for prediction in found]
    metrics = given.task.metrics(gold, answers)
    assert metrics["accuracy"] == pytest.approx(1 - 2 / len(TEXTS))


@pytest.mark.parametrize(
    "failure",
    [
        TOO_MANY,
        (503, {}, b"<html>"),
        (200, {}, b"not JSON"),
        (200, {}, {"choices": []}),
        (200, {}, b"[" * 100_000),
        (200, {}, b" " * (chat.LARGEST_REPLY + 1)),
        (429, {"Retry-After": "0.05"}, {}),
        (429, {"Retry-After": email.utils.formatdate(time.time() - 5, usegmt=True)}, {}),
        (429, {"Retry-After": "soon"}, {}),
    ],
)
def test_a_failure_that_may_pass_is_tried_again(server, failure):
    server.once(failure, failure)
    found = predictor(server, concurrency=1).predict(TEXTS[:2])
    assert [prediction.label for prediction in found] == list(map(topic_of, TEXTS[:2]))
    assert len(server.requests) == 4


def test_a_wait_that_is_asked_for_is_kept(server):
    server.once((429, {"Retry-After": "0.3"}, {}))
    start = time.monotonic()
    predictor(server).predict(TEXTS[:1])
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize(
    ("failure", "message", "requests"),
    [
        (TOO_MANY, "no answer after 6 tries: HTTP 429.*slow down", 6),
        ((429, {"Retry-After": "7200"}, {}), "asks to wait 7200 s", 1),
        ((429, {}, {"error": {"code": "insufficient_quota"}}), "refuses the question", 1),
        ((401, {}, {"error": "secret-key is wrong"}), r"refuses the key in TEXTGRAFT_LLM_KEY.*… is wrong", 1),
        ((404, {}, {"error": "no such model"}), "refuses the question.*no such model", 1),
        ((307, {"Location": "http://127.0.0.1:9/"}, b""), "HTTP 307", 1),
    ],
)
def test_a_failure_that_stays_is_one_error(server, failure, message, requests):
    server.answer = lambda body: failure
    with pytest.raises(ModelError, match=message) as raised:
        predictor(server, concurrency=1).predict(TEXTS)
    assert "secret-key" not in str(raised.value)
    assert len(server.requests) == requests, "nothing further is asked"


def test_nobody_answers(server, monkeypatch):
    monkeypatch.setattr(chat, "TRIES", 2)
    given = PromptedPredictor(
        Prompt(endpoint="http://127.0.0.1:9/v1/chat/completions", model="m", labels=LABELS),
        SingleLabelClassification(LABELS),
    )
    with pytest.raises(ModelError, match="cannot be reached"):
        given.predict(TEXTS[:1])


def test_slow_answers_time_out(server):
    slow = [True]

    def answer(body):
        if slow:
            slow.pop()
            time.sleep(1.0)
        return labelled(body)

    server.answer = answer
    client = chat.ChatClient(endpoint_url(server.url), timeout=0.2)
    prompt = predictor(server).prompt
    reply = client.ask(prompt.body(TEXTS[0]))
    client.close()
    assert prompt.label_of(reply.content) == LABELS.index(topic_of(TEXTS[0]))
    assert len(server.requests) == 2


def test_who_stops_does_not_wait_for_further_tries(server, monkeypatch):
    monkeypatch.setattr(chat, "FIRST_WAIT", 60.0)
    server.answer = lambda body: TOO_MANY
    client = chat.ChatClient(endpoint_url(server.url))
    stopping = threading.Timer(0.2, client.stop)
    stopping.start()
    start = time.monotonic()
    with pytest.raises(ModelError, match="HTTP 429"):
        client.ask(predictor(server).prompt.body(TEXTS[0]))
    assert time.monotonic() - start < 30
    assert len(server.requests) == 1
    client.close()


def test_what_a_server_does_not_take_is_left_out(server):
    def answer(body):
        for name in ("response_format", "max_tokens"):
            if name in body:
                return 400, {}, {"error": {"message": f"unsupported parameter: {name}"}}
        return labelled(body)

    server.answer = answer
    found = predictor(server, concurrency=1).predict(TEXTS)
    assert [prediction.label for prediction in found] == list(map(topic_of, TEXTS))
    assert len(server.requests) == len(TEXTS) + 2, "each is refused once"


def test_what_was_answered_before_a_failure_is_kept(server):
    server.once(*[labelled({"messages": [{"content": text}]}) for text in TEXTS[:5]], (401, {}, {}))
    given = predictor(server, concurrency=1)
    with pytest.raises(ModelError, match="run the same command again for the rest"):
        given.predict(TEXTS)
    given.predict(TEXTS)
    assert server.texts == [*TEXTS[:6], *TEXTS[5:]]


def test_a_killed_process_has_lost_nothing(server, tmp_path):
    """Each answer is on disk before the next is waited for."""
    server.answer = lambda body: (
        labelled(body) if len(server.requests) < 6 else time.sleep(30) or labelled(body)
    )
    code = f"""if True:
        from tests.inference.prompting.test_prompted import *
        from tests.inference.prompting.stand_in import StandIn
        predictor(StandIn(url={server.url!r}), concurrency=1).predict(TEXTS)
    """
    root = str(Path(__file__).parents[3])
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
    )
    deadline = time.monotonic() + 120
    while len(server.requests) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert server.texts == TEXTS[:6]
    server.answer = labelled
    found = predictor(server, concurrency=1).predict(TEXTS)
    assert server.texts == [*TEXTS[:6], *TEXTS[5:]]
    assert [prediction.label for prediction in found] == list(map(topic_of, TEXTS))
