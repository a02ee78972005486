"""What the routes take, give and refuse."""

import base64
import concurrent.futures
import contextlib
import gzip
import http.client
import json
import socket
import time
from dataclasses import replace

import httpx2
import numpy as np
import pytest

import textgraft
from tests.serving.running import Slow, running
from textgraft.models.shipped import shipped_graft
from textgraft.serving.limits import Limits

TEXTS = ["Where is my card?", "hello", "The goalkeeper saved it, and the crowd went wild."]


def test_encodings_are_those_of_the_package(served):
    expected = textgraft.encode(TEXTS, precision="fp32")
    found = np.array(served.post("/embed", {"inputs": TEXTS}).json())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    answer = served.post(
        "/v1/embeddings", {"input": TEXTS, "model": "bundled", "encoding_format": "base64"}
    ).json()
    decoded = [np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in answer["data"]]
    np.testing.assert_allclose(decoded, expected, atol=1e-5)
    assert answer["usage"]["prompt_tokens"] == sum(entry["n_tokens"] for entry in answer["data"]) > 0
    ids = [[token["id"] for token in own] for own in served.post("/tokenize", {"inputs": TEXTS}).json()]
    np.testing.assert_allclose(served.post("/embed", {"inputs": ids}).json(), expected, atol=1e-5)
    one = served.post("/embed", {"inputs": ids[0]}).json()
    np.testing.assert_allclose(one, expected[:1], atol=1e-5)


def test_a_text_has_the_encoding_that_it_has_alone_whoever_asks_beside_it(served):
    """Sixty requests at once share batches; each gets its own, to 1e-5."""
    texts = [f"{'word ' * (n % 37)}number {n}" for n in range(60)]
    expected = textgraft.encode(texts, precision="fp32")
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda text: served.post("/embed", {"inputs": text}).json()[0], texts))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_vectors_can_be_shortened_and_left_unscaled(served):
    whole = np.array(served.post("/embed", {"inputs": "a cat"}).json()[0])
    short = np.array(served.post("/embed", {"inputs": "a cat", "dimensions": 64}).json()[0])
    np.testing.assert_allclose(short, whole[:64] / np.linalg.norm(whole[:64]), atol=1e-5)
    raw = np.array(served.post("/embed", {"inputs": "a cat", "normalize": False}).json()[0])
    part = served.post("/embed", {"inputs": ["a cat", "hello"], "normalize": False, "dimensions": 64}).json()
    np.testing.assert_allclose(part[0], raw[:64], atol=1e-5)
    assert abs(np.linalg.norm(raw) - 1) > 0.01
    np.testing.assert_allclose(raw / np.linalg.norm(raw), whole, atol=1e-5)


def test_predictions_are_those_of_the_model(served):
    texts = ["My card was stolen!", "What is the exchange rate?"]
    expected = textgraft.load(shipped_graft("banking-intents"), engine="torch").predict(texts)
    answers = served.post("/predict", {"inputs": texts, "details": True}).json()
    for answer, prediction in zip(answers, expected, strict=True):
        assert answer["label"] == prediction.label
        assert answer["score"] == pytest.approx(prediction.score, abs=0.02)
        assert answer["n_tokens"] > 3
        assert answer["truncated"] is False
    plain = served.post("/predict", {"inputs": [[text] for text in texts]}).json()
    assert [entries[0]["label"] for entries in plain] == [prediction.label for prediction in expected]
    assert len(plain[0]) == 77
    assert served.post("/predict", {"inputs": texts[0]}).json() == plain[0]
    piped = served.post(
        "/pipelines/text-classification", {"inputs": texts[0], "parameters": {"top_k": 2}}
    ).json()
    assert piped[0] == pytest.approx(plain[0][0] | {"score": piped[0]["score"]})
    assert len(piped) == 2


def test_similarities_are_cosines(served):
    found = served.post(
        "/similarity", {"inputs": {"source_sentence": "a cat", "sentences": ["a cat", "a kitten", "tax law"]}}
    ).json()
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[0] > found[1] > found[2]


def test_a_long_text_is_refused_or_read_in_part_as_asked(served):
    long = "word " * 400
    refused = served.post("/embed", {"inputs": long})
    assert refused.status_code == 422
    assert "402 tokens" in refused.json()["error"]
    cut = served.post("/embed", {"inputs": [long, "short"], "truncate": True})
    assert cut.status_code == 200
    assert (cut.headers["x-truncated"], cut.headers["x-n-tokens"]) == ("1", str(256 + 3))
    ids = [[101, *[2773] * 400, 102], [101, 102]]
    assert served.post("/embed", {"inputs": ids}).status_code == 422
    assert served.post("/embed", {"inputs": ids, "truncate": True}).headers["x-n-lost"] == "146"
    openai = served.post("/v1/embeddings", {"input": [long, "short"], "truncate": True}).json()
    assert [entry["truncated"] for entry in openai["data"]] == [True, False]
    assert served.post("/predict", {"inputs": long}).status_code == 422
    answer = served.post("/predict", {"inputs": long, "truncate": True, "details": True}).json()
    assert answer["truncated"] is True


BAD = {
    "no JSON": b"{",
    "NaN": b'{"inputs": NaN}',
    "infinity": b'{"inputs": [1e999]}',
    "nothing": b"",
    "no inputs": b"{}",
    "an empty text": b'{"inputs": ""}',
    "no text": b'{"inputs": []}',
    "a number": b'{"inputs": 3}',
    "half a character": b'{"inputs": "\\ud800"}',
    "a NUL": b'{"inputs": "a\\u0000b"}',
    "broken UTF-8": b'{"inputs": "\xff\xfe"}',
    "UTF-16": '{"inputs": "x"}'.encode("utf-16"),
    "a misspelt key": b'{"inputs": "x", "normalise": true}',
    "texts and ids": b'{"inputs": ["x", 1]}',
    "an id beyond the vocabulary": b'{"inputs": [1, 40000]}',
    "a negative id": b'{"inputs": [1, -1]}',
    "a huge id": b'{"inputs": [1, 99999999999999999999999]}',
    "no dimension": b'{"inputs": "x", "dimensions": 0}',
    "too many dimensions": b'{"inputs": "x", "dimensions": 385}',
    "100,000 lists": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 open lists": b'{"inputs": ' + b"[" * 100_000,
    "100,000 dicts": b'{"inputs": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
}


@pytest.mark.parametrize(
    "path", ["/embed", "/predict", "/v1/embeddings", "/pipelines/text-classification", "/"]
)
@pytest.mark.parametrize("case", list(BAD))
def test_what_is_no_request_gets_422(served, path, case):
    raw = BAD[case].replace(b"inputs", b"input") if path.startswith("/v1") else BAD[case]
    answer = served.http.post(path, content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text[:200]
    assert answer.json()["error"]


def test_other_mistakes_have_their_own_status(served):
    assert served.post("/embed", {"inputs": "x", "model": "bundle"}).status_code == 404
    assert "'bundled'" in served.post("/embed", {"inputs": "x", "model": "bundle"}).json()["error"]
    assert served.post("/pipelines/fill-mask", {"inputs": "x"}).status_code == 404
    assert (
        served.post("/pipelines/text-classification", {"inputs": "x", "parameters": {"topk": 1}}).status_code
        == 422
    )
    assert served.post("/nothing", {}).status_code == 404
    assert served.http.put("/embed", json={}).status_code == 405
    form = served.http.post("/embed", content=b'{"inputs": "x"}', headers={"content-type": "text/plain"})
    assert form.status_code == 415
    elsewhere = served.http.get("/v1/models", headers={"host": "evil.example"})
    assert elsewhere.status_code == 421
    assert served.post("/v1/embeddings", {"input": ""}).json()["error"]["type"] == "validation"


def test_what_clients_send_oddly_is_taken_or_told(served):
    def sent(content, **headers):
        return served.http.post(
            "/embed", content=content, headers={"content-type": "application/json", **headers}
        )

    body = b'{"inputs": "hello"}'
    plain = sent(body).json()
    assert sent(b"\xef\xbb\xbf" + body).json() == plain
    assert served.http.post("/embed/", json={"inputs": "hello"}).json() == plain
    assert sent(body, **{"content-encoding": "identity"}).status_code == 200
    packed = sent(gzip.compress(body), **{"content-encoding": "gzip"})
    assert packed.status_code == 415
    assert "compressed" in packed.json()["error"]
    for path in ("/", "/livez", "/v1/models/"):
        asked = served.http.head(path)
        assert (asked.status_code, asked.content) == (200, b"")
        assert int(asked.headers["content-length"]) == len(served.http.get(path).content)
    assert served.http.head("/embed").status_code == 405
    assert served.post("/embed", {"inputs": "x", "truncation_direction": "Right"}).status_code == 200
    assert served.post("/embed", {"inputs": "x", "truncation_direction": "Left"}).status_code == 422


def test_sizes_are_bounded(models):
    limits = Limits(max_body=2000, max_texts=3, max_characters=500)
    with running(models, limits=limits) as served:
        assert served.post("/embed", {"inputs": "x" * 3000}).status_code == 413
        assert served.post("/embed", {"inputs": "x" * 600}).status_code == 422
        assert served.post("/embed", {"inputs": ["x"] * 4}).status_code == 422
        assert served.post("/embed", {"inputs": [1] * 600, "truncate": True}).status_code == 422
        assert served.post("/embed", {"inputs": ["x"] * 3}).status_code == 200

        def endless():
            while True:
                yield b"x" * 500

        # The connection may be closed before all was sent.
        with contextlib.suppress(httpx2.WriteError, httpx2.RemoteProtocolError):
            answer = served.http.post(
                "/embed", content=endless(), headers={"content-type": "application/json"}
            )
            assert answer.status_code == 413
        assert served.service.ready
        assert served.app._buffered == 0


def test_a_body_that_does_not_come_is_not_waited_for(models):
    with running(models, limits=Limits(body_deadline=0.2)) as served:
        with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as slow:
            slow.sendall(
                b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b'Content-Length: 100\r\n\r\n{"inputs"'
            )
            slow.settimeout(10)
            assert b" 408 " in slow.recv(1000)
        assert served.app._buffered == 0


def slow_models(models, seconds):
    encoder = models[0]
    lane = encoder.encoder.lane
    slowed = replace(encoder)
    served = type(encoder.encoder)(encoder.encoder.encoder)
    served.lane = Slow(lane, seconds)
    return [replace(slowed, encoder=served, probe=lambda: served.prepare(["ok"], truncate=True))]


def test_an_answer_that_comes_too_late_is_504_and_health_turns_red(models):
    with running(slow_models(models, 1.0), limits=Limits(deadline=0.3)) as served:
        assert served.post("/embed", {"inputs": "x"}).status_code == 504
        assert served.http.get("/health").status_code == 503
        assert served.http.get("/readyz").status_code == 200


def test_too_much_at_once_is_429_with_a_time_to_ask_again(models):
    limits = Limits(max_queued_tokens=20, batch_tokens=8, deadline=20)
    with running(slow_models(models, 0.05), limits=limits) as served:
        with concurrent.futures.ThreadPoolExecutor(24) as threads:
            answers = list(threads.map(lambda n: served.post("/embed", {"inputs": f"word {n}"}), range(48)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert served.service.batcher.queued_tokens == 0
        assert served.post("/embed", {"inputs": "word"}).status_code == 200


def test_who_goes_away_leaves_the_queue(models):
    with running(slow_models(models, 0.3), limits=Limits(batch_tokens=8)) as served:
        port = int(served.url.rpartition(":")[2])
        gone = []
        for number in range(6):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            body = json.dumps({"inputs": f"word {number} and some more of them"})
            connection.request("POST", "/embed", body, {"content-type": "application/json"})
            gone.append(connection)
        deadline = time.monotonic() + 10
        while served.service.batcher.queued_tokens < 40 and time.monotonic() < deadline:
            time.sleep(0.01)
        for connection in gone:
            connection.close()
        while served.service.batcher.queued_tokens and time.monotonic() < deadline:
            time.sleep(0.01)
        assert served.service.batcher.queued_tokens == 0
        computed = served.service.metrics.batches._value.get()
        assert computed < 6, "what nobody waits for is not computed"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_model_thread_turns_readiness_red(models):
    class Deadly:
        key, background = "deadly", False

        def run(self, batches):
            next(batches)
            raise SystemExit

    (slow,) = slow_models(models, 0)
    slow.encoder.lane = Deadly()
    with running([slow]) as served:
        assert served.http.get("/readyz").status_code == 200
        assert served.post("/embed", {"inputs": "x"}).status_code == 503
        assert served.http.get("/readyz").status_code == 503
        assert served.http.get("/health").status_code == 503
        assert served.http.get("/livez").status_code == 200
        assert served.post("/embed", {"inputs": "x"}).status_code == 503


def test_a_defect_is_a_plain_500_whose_words_are_not_logged(models, caplog):
    class Broken:
        key, background = "broken", False

        def run(self, batches):
            for batch in batches:
                raise ValueError(f"a secret text: {batch}")
            yield

    (slow,) = slow_models(models, 0)
    slow.encoder.lane = Broken()
    with running([slow]) as served:
        answer = served.post("/embed", {"inputs": "this is private"})
        assert answer.status_code == 500
        assert "secret" not in answer.text
    assert "secret" not in caplog.text
    assert "private" not in caplog.text


def test_metrics_tell_what_was_done_and_nothing_of_what_was_said(served):
    served.post("/embed", {"inputs": "a text that nobody else shall read"})
    text = served.http.get("/metrics").text
    assert 'textgraft_requests_total{route="/embed",status="200"}' in text
    assert "textgraft_ready 1.0" in text
    assert "nobody else" not in text


def test_the_description_names_every_status_that_routes_have(served):
    described = served.http.get("/openapi.json").json()
    assert set(described["paths"]) >= {
        "/v1/embeddings", "/v1/models", "/embed", "/predict", "/similarity", "/tokenize", "/info", "/livez",
        "/readyz", "/health", "/metrics", "/pipelines/{task}",
    }  # fmt: skip
    statuses = set(described["paths"]["/embed"]["post"]["responses"])
    assert statuses == {"200", "401", "404", "408", "413", "415", "421", "422", "429", "500", "503", "504"}
