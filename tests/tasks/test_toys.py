"""Every task on whole texts, pairs and choices is learned by every family of models."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tasks.toys import FAMILIES, dataset, learn, sentence, word_of
from tests.tiny import TOPICS
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.tasks.text.multiple_choice import MultipleChoice
from textgraft.tasks.text.pairs import PairClassification, PairSimilarity
from textgraft.tasks.text.regression import Regression

NAMES = sorted(TOPICS)
EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES)


def label_sets(rows, seed):
    generator = np.random.default_rng(seed)
    sets = [tuple(name for name in NAMES if generator.random() < 0.5) for _ in range(rows)]
    texts = [sentence(generator, *(word_of(generator, name) for name in names)) for names in sets]
    return dataset({"text": texts}, sets)


def numbers(rows, seed):
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 5, rows)
    texts = [sentence(generator, *["goal"] * count) for count in counts]
    return dataset({"text": texts}, [100.0 + 25.5 * float(count) for count in counts])


def told_pairs(rows, seed):
    """Make pairs of texts; return them with how much oftener "goal" stands in the second, -2 to 2, not 0."""
    generator = np.random.default_rng(seed)
    counts = [pair for pair in generator.integers(0, 3, (rows, 2)).tolist() if pair[0] != pair[1]]
    columns = {
        name: [sentence(generator, *["goal"] * count[place]) for count in counts]
        for place, name in enumerate(("sentence1", "sentence2"))
    }
    return columns, [second - first for first, second in counts]


def topic_pairs(rows, seed):
    """Make pairs of texts that speak of the same topic or not."""
    generator = np.random.default_rng(seed)
    columns = {"premise": [], "hypothesis": []}
    labels = []
    for _ in range(rows):
        first, second = map(str, generator.choice(NAMES, 2, replace=False))
        same = bool(generator.random() < 0.5)
        columns["premise"].append(sentence(generator, word_of(generator, first), filler=2))
        columns["hypothesis"].append(sentence(generator, word_of(generator, first if same else second)))
        labels.append("same" if same else "other")
    return dataset(columns, labels)


def choices(rows, seed, topics=NAMES):
    """Make prompts that speak of one of some topics, and three choices of which one speaks of it."""
    generator = np.random.default_rng(seed)
    columns = {name: [] for name in ("prompt", "choices[0]", "choices[1]", "choices[2]")}
    labels = []
    for _ in range(rows):
        order = list(map(str, generator.permutation(NAMES)))
        topic = str(generator.choice(topics))
        columns["prompt"].append(sentence(generator, word_of(generator, topic), filler=2))
        for place, other in enumerate(order):
            columns[f"choices[{place}]"].append(sentence(generator, word_of(generator, other), filler=2))
        labels.append(order.index(topic))
    return dataset(columns, labels)


@EACH_FAMILY
def test_label_sets_are_learned(family):
    train, dev = label_sets(300, 0), label_sets(100, 1)
    _, _, result = learn(family, MultiLabelClassification.fitted_to(train), train, dev, epochs=10)
    assert result.dev_metrics["micro_f1"] > 0.9
    assert result.dev_metrics["subset_accuracy"] > 0.8


@EACH_FAMILY
def test_numbers_are_learned(family):
    train, dev = numbers(200, 0), numbers(60, 1)
    _, _, result = learn(family, Regression.fitted_to(train), train, dev, epochs=8)
    assert result.dev_metrics["spearman"] > 0.9
    assert result.dev_metrics["negative_rmse"] > -15


@EACH_FAMILY
def test_similarities_are_learned(family):
    (train, scores), (dev, others) = told_pairs(450, 0), told_pairs(120, 1)
    train, dev = dataset(train, [float(s) for s in scores]), dataset(dev, [float(s) for s in others])
    _, _, result = learn(family, PairSimilarity.fitted_to(train), train, dev, epochs=10)
    assert result.dev_metrics["spearman"] > 0.85
    assert result.dev_metrics["r2"] > 0.7


@EACH_FAMILY
def test_relations_are_learned(family):
    (train, scores), (dev, others) = told_pairs(450, 0), told_pairs(120, 1)
    names = ["more" if score > 0 else "less" for score in scores]
    train, dev = dataset(train, names), dataset(dev, ["more" if s > 0 else "less" for s in others])
    _, _, result = learn(family, PairClassification.fitted_to(train), train, dev, epochs=10)
    assert result.dev_metrics["accuracy"] > 0.85


@EACH_FAMILY
def test_choices_are_learned(family):
    train, dev = choices(150, 0, topics=NAMES[:1]), choices(60, 1, topics=NAMES[:1])
    _, _, result = learn(family, MultipleChoice.fitted_to(train), train, dev, epochs=4)
    assert result.dev_metrics["accuracy"] > 0.9


def test_a_siamese_network_compares_topics():
    train, dev = topic_pairs(600, 0), topic_pairs(100, 1)
    _, _, result = learn("bilstm", PairClassification.fitted_to(train), train, dev, epochs=10)
    assert result.dev_metrics["accuracy"] > 0.9


def test_a_siamese_network_fits_choices_to_their_prompt():
    train, dev = choices(300, 0), choices(80, 1)
    _, _, result = learn("bilstm", MultipleChoice.fitted_to(train), train, dev, epochs=10)
    assert result.dev_metrics["accuracy"] > 0.9
