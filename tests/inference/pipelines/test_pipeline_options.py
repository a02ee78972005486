"""The keywords that editors and type checkers are told of are those that the pipelines check."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import get_args, get_type_hints

import pytest
from transformers.pipelines.text_classification import ClassificationFunction
from transformers.pipelines.token_classification import AggregationStrategy

from textgraft.errors import OptionError
from textgraft.inference.pipelines.extractive_summarization import ExtractiveSummarizationOptions
from textgraft.inference.pipelines.factory import PIPELINES
from textgraft.inference.pipelines.fill_mask import FillMaskOptions
from textgraft.inference.pipelines.options import Options, PipelineOptions
from textgraft.inference.pipelines.text_classification import TextClassificationOptions
from textgraft.inference.pipelines.token_classification import TokenClassificationOptions


def _options(name: str) -> type[Options]:
    module, _, attribute = PIPELINES[name].partition(":")
    return getattr(
        importlib.import_module(f"textgraft.inference.pipelines.{module}"), attribute
    ).options_class


def _parts(hint: object) -> set[object]:
    """Return the types that a union is of, or the type alone; a list is a sequence."""
    is_union = "|" in str(hint) or str(hint).startswith(("typing.Optional", "typing.Union"))
    parts = set(get_args(hint)) if is_union else {hint}
    return parts | ({list[str]} if Sequence[str] in parts else set())


@pytest.mark.parametrize("name", PIPELINES)
def test_every_option_of_a_pipeline_is_a_keyword_of_its_type(name: str) -> None:
    told = get_type_hints(PipelineOptions)
    kind = _options(name)
    checked = get_type_hints(kind)
    for option in kind.model_fields:
        assert _parts(checked[option]) <= _parts(told[option]), option


def test_every_keyword_is_an_option_of_a_pipeline() -> None:
    # On an encoder, documents are summarized by a class of its own.
    kinds = [*map(_options, PIPELINES), ExtractiveSummarizationOptions]
    assert set(get_type_hints(PipelineOptions)) == {option for kind in kinds for option in kind.model_fields}


@pytest.mark.parametrize("name", PIPELINES)
def test_what_transformers_has_and_this_has_not_says_what_to_do(name: str) -> None:
    kind = _options(name)
    for option, fix in kind.elsewhere.items():
        if option not in kind.model_fields:
            with pytest.raises(OptionError, match=f"no pipeline option '{option}' here") as refused:
                kind(**{option: True})
            assert refused.value.fix == fix


def test_values_may_be_written_as_transformers_takes_them() -> None:
    assert TokenClassificationOptions(aggregation_strategy="SIMPLE").aggregation_strategy == "simple"
    for member in (AggregationStrategy.FIRST, AggregationStrategy.NONE):
        assert TokenClassificationOptions(aggregation_strategy=member).aggregation_strategy == member.value
    for function in ("Sigmoid", ClassificationFunction.SIGMOID):
        assert TextClassificationOptions(function_to_apply=function).function_to_apply == "sigmoid"
    assert FillMaskOptions(targets=("sky", "sea")).targets == ["sky", "sea"]
    assert TokenClassificationOptions(ignore_labels=("O", "B-PER")).ignore_labels == ["O", "B-PER"]
    with pytest.raises(OptionError, match="cannot be 'neither'"):
        TokenClassificationOptions(aggregation_strategy="neither")
