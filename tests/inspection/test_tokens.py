"""Attributions add up, name the words that matter, and the deletion test tells them from chance."""

import numpy as np
import pytest

from tests.tiny import TOPICS, write_topics
from textgraft.errors import DataError, MissingExtraError, OptionError
from textgraft.inspection import inspect
from textgraft.inspection.tokens.deletion import mean_interval

captum = pytest.importorskip("captum", reason="captum is not installed")
TEXT = "we saw the big orbit with the old rocket"


def test_occlusion_is_what_the_probability_loses_without_the_word(topic_model):
    import textgraft

    found = inspect.tokens(topic_model, TEXT)
    assert [one.method for one in found.attributions] == ["occlusion"]
    assert "tfidf" in found.notes[0]
    assert found.label == "space"
    scores = dict(zip(found.words, found.attributions[0].scores, strict=True))
    assert max(scores, key=scores.get) in {"orbit", "rocket"}
    model = textgraft.load(topic_model)
    whole, left = model.predict([TEXT, TEXT.replace("orbit ", "")])
    at = sorted(TOPICS).index("space")
    assert scores["orbit"] == pytest.approx(whole.probabilities[at] - left.probabilities[at], abs=1e-5)


@pytest.mark.parametrize("kind", ["bert", "lstm"])
def test_integrated_gradients_add_up_to_the_difference_they_explain(kind, bert_classifier, recurrent):
    model = bert_classifier if kind == "bert" else recurrent("lstm")
    found = inspect.tokens(model, TEXT, label="space")
    assert [one.method for one in found.attributions] == ["occlusion", "integrated-gradients"]
    integrated = found.attributions[1]
    assert abs(integrated.missing) < 0.02
    assert len(integrated.scores) == len(found.words)
    assert np.abs(integrated.scores).sum() > 1e-4


def test_the_deletion_test_tells_words_that_matter_from_chance(topic_model, tmp_path):
    found = inspect.tokens(topic_model, source=write_topics(tmp_path / "rows.csv", 40, seed=5), rows=25)
    mean = next(drop for drop in found.drops if drop.fraction is None)
    assert mean.difference.low > 0.1
    assert mean.ranked.value > mean.random.value
    assert mean.difference.value == pytest.approx(mean.ranked.value - mean.random.value)
    assert found.rows == 25
    assert "better than chance" in found.page().headline
    assert len(found.drops) == 5


def test_an_order_by_chance_is_no_better_than_chance(topic_model, tmp_path, monkeypatch):
    """Were the attributions random, the test would not say otherwise."""
    from textgraft.inspection.tokens import attribution

    generator = np.random.default_rng(0)

    def at_random(explainer, text, label, method):
        count = len(attribution.words_of(text))
        return attribution.Attribution(method, generator.random(count).tolist())

    monkeypatch.setattr(attribution.Explainer, "attribute", at_random)
    found = inspect.tokens(topic_model, source=write_topics(tmp_path / "rows.csv", 60, seed=6))
    mean = next(drop for drop in found.drops if drop.fraction is None)
    assert mean.difference.low < 0 < mean.difference.high


def test_the_interval_of_a_mean_covers():
    """Falls are skewed: most texts lose little, some nearly everything."""
    generator = np.random.default_rng(0)
    draws = generator.beta(0.6, 1.2, (1000, 50)) - 0.1
    true = 0.6 / 1.8 - 0.1
    found = [mean_interval(values) for values in draws]
    assert 0.93 <= np.mean([one.low <= true <= one.high for one in found]) <= 0.97


def test_what_cannot_be_explained_is_refused(topic_model, bert_classifier, tmp_path, monkeypatch):
    with pytest.raises(OptionError, match="integrated-gradients"):
        inspect.tokens(topic_model, TEXT, method="integrated")
    with pytest.raises(OptionError, match="no word vectors"):
        inspect.tokens(topic_model, TEXT, method="integrated-gradients")
    with pytest.raises(OptionError, match="has 0 words"):
        inspect.tokens(topic_model, "  ")
    with pytest.raises(DataError, match="too few to be told from chance"):
        inspect.tokens(topic_model, source=write_topics(tmp_path / "few.csv", 6))
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match="captum"):
        inspect.tokens(topic_model, TEXT)
