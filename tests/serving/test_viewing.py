"""A look into a served encoder."""

from dataclasses import replace

import pytest

from tests.serving.running import running
from tests.tiny_encoders import save_tiny_encoder
from textgraft.inspection.word_view import WordView
from textgraft.models.encoders import resolve_encoder
from textgraft.serving.viewing import ServedView


@pytest.fixture(scope="module")
def viewed(models, tmp_path_factory):
    source = resolve_encoder(save_tiny_encoder(tmp_path_factory.mktemp("view"), "bert"))
    view = ServedView(WordView(source), "tiny")
    with running([replace(models[0], view=lambda: view), models[1]]) as found:
        yield found


def test_attention_between_the_words_of_a_text(viewed):
    found = viewed.post("/view/attention", {"inputs": "the goal of the team"}).json()
    assert [word["text"] for word in found["words"]] == ["[CLS]", "the", "goal", "of", "the", "team", "[SEP]"]
    assert [len(layer) for layer in found["weights"]] == [7, 7]
    assert all(sum(row) == pytest.approx(1, abs=1e-3) for layer in found["weights"] for row in layer)


def test_words_near_a_word(viewed):
    ask = {"inputs": "the goal of the team", "word": 2, "count": 3}
    found = viewed.post("/view/nearest", ask).json()
    assert found["word"] == "goal"
    assert len(found["alone"]) == len(found["here"]) == 3
    assert set(found["alone"][0]) == {"text", "score"}


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("attention", {"inputs": "goal " * 200}, 422),
        ("attention", {"inputs": ""}, 422),
        ("attention", {"model": "banking-intents"}, 404),
        ("nearest", {"word": 0}, 422),
        ("nearest", {"word": 99}, 422),
        ("nearest", {"word": 1.5}, 422),
        ("nearest", {"word": 1, "count": 33}, 422),
        ("nearest", {}, 422),
    ],
)
def test_what_cannot_be_looked_at_is_told(viewed, path, more, status):
    refused = viewed.post(f"/view/{path}", {"inputs": "the goal", **more})
    assert refused.status_code == status
    assert refused.json()["error"]
    assert viewed.service.ready


def test_without_torch_nothing_can_be_looked_at(models):
    with running([replace(models[0], view=None)]) as served:
        refused = served.post("/view/attention", {"inputs": "goal"})
        assert refused.status_code == 404
        assert "torch" in refused.json()["error"]
        assert served.http.get("/v1/models").json()["data"][0]["views"] is False
