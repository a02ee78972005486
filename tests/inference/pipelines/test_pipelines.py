"""A pipeline gives what that of Transformers gives for the same model, where Transformers still has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

import textgraft
from tests.data.test_inputs import Frame
from tests.inference.tiny_heads import FAMILIES, save_tiny_head
from textgraft.errors import OptionError

TEXTS = ["John works at Google in California.", "the moon", "Zürich, who?", "x"]
TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "LOC"]


@pytest.fixture(autouse=True)
def _fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare in the arithmetic that Transformers uses."""
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)


def equal(ours: Any, theirs: Any) -> bool:
    """Tell whether two results have the same form, keys, texts, and numbers within 1e-4."""
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(equal(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(equal, ours, theirs))
    if isinstance(theirs, str | int | None):
        return type(ours) is type(theirs) and ours == theirs
    return isinstance(ours, float) and abs(ours - float(theirs)) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["bad", "good", "so so"], None),
        (["bad", "good", "so so"], "single_label_classification"),
        (["a", "b", "c"], "multi_label_classification"),
        (["number"], "regression"),
        (["one"], None),
    ],
)
def test_text_classification(tmp_path: Path, family: str, labels: list[str], problem: str | None) -> None:
    auto = "AutoModelForSequenceClassification"
    folder = str(save_tiny_head(tmp_path / "model", auto, labels, family, problem_type=problem))
    ours = textgraft.pipeline("text-classification", folder)
    theirs = transformers.pipeline("text-classification", folder)
    assert equal(ours(TEXTS[0]), theirs(TEXTS[0]))
    assert equal(ours(TEXTS), theirs(TEXTS))
    assert equal(ours(TEXTS[:1]), theirs(TEXTS[:1]))
    for top_k in (1, 2, 10, None):
        assert equal(ours(TEXTS[0], top_k=top_k), theirs(TEXTS[0], top_k=top_k))
        assert equal(ours(TEXTS, top_k=top_k), theirs(TEXTS, top_k=top_k))
    for function in ("softmax", "sigmoid", "none"):
        assert equal(ours(TEXTS, function_to_apply=function), theirs(TEXTS, function_to_apply=function))
    built = textgraft.pipeline("sentiment-analysis", folder, top_k=None)
    assert equal(built(TEXTS[0]), transformers.pipeline("sentiment-analysis", folder, top_k=None)(TEXTS[0]))
    assert built.task == "text-classification"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_token_classification(tmp_path: Path, family: str, strategy: str) -> None:
    folder = str(save_tiny_head(tmp_path / "model", "AutoModelForTokenClassification", TAGS, family))
    ours = textgraft.pipeline("ner", folder, aggregation_strategy=strategy)
    theirs = transformers.pipeline("ner", folder, aggregation_strategy=strategy)
    assert any(theirs(TEXTS))
    assert equal(ours(TEXTS[0]), theirs(TEXTS[0]))
    assert equal(ours(TEXTS), theirs(TEXTS))
    assert equal(ours(TEXTS[:1]), theirs(TEXTS[:1]))
    ignored = ["PER", "B-PER", "LOC"]
    assert equal(ours(TEXTS, ignore_labels=ignored), theirs(TEXTS, ignore_labels=ignored))


@pytest.mark.parametrize("family", FAMILIES)
def test_fill_mask(tmp_path: Path, family: str) -> None:
    folder = str(save_tiny_head(tmp_path / "model", "AutoModelForMaskedLM", family=family))
    ours, theirs = textgraft.pipeline("fill-mask", folder), transformers.pipeline("fill-mask", folder)
    texts = ["the [MASK] works", "who [MASK] at [MASK]", "[MASK]"]
    for text in texts:
        assert equal(ours(text), theirs(text))
    assert equal(ours(texts), theirs(texts))
    assert equal(ours(texts[:1], top_k=2), theirs(texts[:1], top_k=2))
    targets = ["J", "w"] if family == "roberta" else ["google", "moon"]
    assert equal(ours(texts, targets=targets), theirs(texts, targets=targets))
    assert equal(ours(texts[0], targets=targets[0]), theirs(texts[0], targets=targets[0]))


@pytest.mark.parametrize("family", FAMILIES)
def test_feature_extraction(tmp_path: Path, family: str) -> None:
    folder = str(save_tiny_head(tmp_path / "model", "AutoModel", family=family))
    ours = textgraft.pipeline("feature-extraction", folder)
    theirs = transformers.pipeline("feature-extraction", folder)
    assert equal(ours(TEXTS[0]), theirs(TEXTS[0]))
    assert equal(ours(TEXTS), theirs(TEXTS))
    tensor = ours(TEXTS[0], return_tensors=True)
    assert tensor.tolist() == ours(TEXTS[0])
    assert tensor.shape == theirs(TEXTS[0], return_tensors=True).shape


def test_tables_and_arrays_are_lists_of_inputs(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path / "model", "AutoModelForSequenceClassification", ["bad", "good"])
    classify = textgraft.pipeline("text-classification", folder)
    expected = classify(TEXTS)
    assert equal(classify(np.array(TEXTS)), expected)
    assert equal(list(classify(text for text in TEXTS)), expected)
    table = Frame(number=list(range(len(TEXTS))), review=TEXTS)
    assert equal(classify(table, text="review"), expected)
    assert equal(list(classify(({"review": text} for text in TEXTS), text="review")), expected)
    with pytest.raises(OptionError, match="'number', 'review'"):
        classify(table)
    with pytest.raises(OptionError, match="text 1 is a pair of texts") as error:
        classify(["one", ("two", "three")])
    assert "Join the two" in str(error.value)


def test_a_generator_is_read_as_results_are_asked_for(tmp_path: Path) -> None:
    from textgraft.inference.pipelines.base import STREAMED

    folder = save_tiny_head(tmp_path / "model", "AutoModelForSequenceClassification", ["bad", "good"])
    classify = textgraft.pipeline("text-classification", folder)
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield TEXTS[taken % 4]

    results = classify(texts())
    assert taken == 0
    first = next(results)
    assert taken == STREAMED
    assert equal(first, classify(TEXTS[1])[0])
    assert [next(results) for _ in range(2 * STREAMED)][-1] is not None
    assert taken == 3 * STREAMED
