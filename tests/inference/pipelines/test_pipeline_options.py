"""The keywords that editors and type checkers are told of are those that the pipelines check."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import get_args, get_type_hints

import pytest

from textgraft.inference.pipelines.extractive_summarization import ExtractiveSummarizationOptions
from textgraft.inference.pipelines.factory import PIPELINES
from textgraft.inference.pipelines.options import Options, PipelineOptions


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
