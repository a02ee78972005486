"""A look into an encoder shows what it computes."""

import numpy as np
import pytest
import torch

from tests.tiny_encoders import save_tiny_encoder
from textgraft.errors import ModelError, OptionError
from textgraft.inspection.word_view import ReadText, Word, WordView
from textgraft.models.encoders import load_encoder, resolve_encoder

TEXT = "the goal of the team, xyzzy"


@pytest.fixture(scope="module", params=["bert", "modernbert"])
def view(request, tmp_path_factory):
    return WordView(resolve_encoder(save_tiny_encoder(tmp_path_factory.mktemp("view"), request.param)))


def test_words_are_those_of_the_text(view):
    read = view.read(TEXT)
    assert [word.text for word in read.words] == [
        "[CLS]", "the", "goal", "of", "the", "team", ",", "xyzzy", "[SEP]",
    ]  # fmt: skip
    assert all(word.special or TEXT[word.start : word.end] == word.text for word in read.words)
    assert [word.special for word in read.words].count(True) == 2
    assert [place for span in read.spans for place in span] == list(range(len(read.ids)))


def test_attention_between_words_is_that_between_their_tokens(view):
    read = view.read("the goal of the team")
    model = load_encoder(view.source)[0]
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        ids = torch.tensor([read.ids])
        layers = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True).attentions
    tokens = np.stack([layer[0].mean(dim=0).numpy() for layer in layers])
    np.testing.assert_allclose(view.attention(read), tokens, atol=1e-6)
    # As if "goal of" were one word of two tokens.
    words = [*read.words[:2], Word("goal of", 4, 11, False), *read.words[4:]]
    joined = ReadText(read.ids, words, [*read.spans[:2], range(2, 4), *read.spans[4:]])
    found = view.attention(joined)
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(found[:, 2, 2], tokens[:, 2:4, 2:4].sum(axis=2).mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found[:, 1, 2], tokens[:, 1, 2:4].sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(found[:, 2, 1], tokens[:, 2:4, 1].mean(axis=1), atol=1e-6)


def test_nearest_are_words_with_like_vectors(tmp_path):
    view = WordView(resolve_encoder(save_tiny_encoder(tmp_path, "bert")))
    goal, match, moon = (view.read(word).ids[1] for word in ("goal", "match", "moon"))
    with torch.no_grad():
        table = view._model.get_input_embeddings().weight
        table[match] = table[goal]
        table[moon] = -table[goal]
    found = view.nearest(view.read("the goal of the team"), 2, count=20)
    assert found.word == "goal"
    for near in (found.alone, found.here):
        assert near[0].text == "match"
        assert near[0].score == pytest.approx(1, abs=1e-5)
        assert "goal" not in [one.text for one in near]
        assert [one.score for one in near] == sorted((one.score for one in near), reverse=True)
    assert all(one.text.isalpha() for one in found.alone), "no special token"
    other = view.nearest(view.read("goal soup"), 1, count=20)
    assert other.alone == found.alone
    assert other.here != found.here, "another text"
    for place in (0, 6, 99, -1):
        with pytest.raises(OptionError, match="no word"):
            view.nearest(view.read("the goal of the team"), place)


def test_what_has_no_attention_is_told(tmp_path, monkeypatch):
    view = WordView(resolve_encoder(save_tiny_encoder(tmp_path, "bert")))
    monkeypatch.setattr(view._model, "forward", lambda **_: {"attentions": None})
    with pytest.raises(ModelError, match="no attention"):
        view.attention(view.read("goal"))
