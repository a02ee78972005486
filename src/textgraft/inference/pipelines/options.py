"""The options of a pipeline: checked when they are given, at the start or with a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypedDict

from pydantic import ConfigDict, Field

from textgraft.settings import Checked

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(gt=0, lt=1)]
"""A share of texts that is promised."""


class Options(Checked):
    """What can be chosen of a pipeline; every pipeline has its own."""

    model_config = ConfigDict(strict=True)

    kind: ClassVar[str] = "pipeline option"


class KeywordOptions(TypedDict, total=False):
    """The options of all pipelines that are given by name alone, for editors and type checkers.

    Each pipeline takes those of its own options class, which describes and checks them; any other is an
    :class:`~textgraft.errors.OptionError` that suggests the nearest.
    """

    aggregation_strategy: Literal["none", "simple", "first", "average", "max"]
    align_to_words: bool
    by_sentence: bool
    do_sample: bool | None
    doc_stride: int
    early_stopping: bool | None
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None
    handle_impossible_answer: bool
    hypothesis_template: str | None
    ignore_labels: list[str]
    length_penalty: float | None
    max_answer_len: int
    max_length: int | None
    max_new_tokens: int | None
    max_question_len: int
    max_seq_len: int
    max_windows: int | None
    min_length: int | None
    multi_label: bool
    no_repeat_ngram_size: int | None
    num_beams: int | None
    num_return_sequences: int
    num_sentences: int
    prefix: str
    reject: float | None
    return_full_text: bool
    return_tensors: bool
    seed: int | None
    sets: float | None
    targets: str | list[str] | None
    temperature: float | None
    threshold: float | None
    top_k: int | None
    top_p: float | None
    warn_below: float | None


class PipelineOptions(KeywordOptions, total=False):
    """All options of all pipelines."""

    candidate_labels: str | Sequence[str] | None
    """It may stand behind the inputs of a call, too."""


class CallOptions(PipelineOptions, total=False):
    """What a call of a pipeline takes beside its inputs."""

    text: str | Sequence[str] | None
    """The columns of a table, or of a list of dicts, to read; two for a pair of texts."""
