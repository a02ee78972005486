"""The options of a pipeline: checked when they are given, at the start or with a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, TypedDict

from pydantic import BeforeValidator, ConfigDict, Field

from textgraft.settings import Checked

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(gt=0, lt=1)]
"""A share of texts that is promised."""


def _word(value: Any) -> Any:
    value = value.value if isinstance(value, Enum) else value
    return value.lower() if isinstance(value, str) else value


ANY_CASE = BeforeValidator(_word)
"""Takes "SIMPLE" and the member of an enumeration for "simple", as Transformers does."""
AS_LIST = BeforeValidator(lambda value: list(value) if isinstance(value, tuple) else value)
"""Takes a tuple for a list."""
_BATCHED = "Leave it out: inputs are sorted by length and run in batches, whatever their number."
_CUT = "Leave it out: what is too long is read in windows, or cut with a warning."
_WRITTEN = "Leave it out: results are texts, as the model writes them."
_LOADED = "Leave it out: the model is loaded as its files say; engine=… chooses what runs it."
_TRANSFORMERS = {
    "return_all_scores": "Give top_k=None for the scores of all labels.",
    "grouped_entities": 'Give aggregation_strategy="simple".',
    "ignore_subwords": 'Give aggregation_strategy="first".',
    "multi_class": "It is called multi_label.",
    "is_split_into_words": "Leave it out, and give each text as a list of words.",
    "src_lang": 'Name the languages with the pipeline: pipeline("translation_de_to_en").',
    "tgt_lang": 'Name the languages with the pipeline: pipeline("translation_de_to_en").',
    "tokenizer": "Give both in one: pipeline(…, model=(model, tokenizer)).",
    "generate_kwargs": "Give what it holds as options of their own.",
    **dict.fromkeys(("batch_size", "num_workers"), _BATCHED),
    **dict.fromkeys(
        (
            "truncation", "padding", "max_length", "stride", "tokenizer_kwargs", "tokenize_kwargs",
            "handle_long_generation",
        ),
        _CUT,
    ),
    **dict.fromkeys(("return_text", "clean_up_tokenization_spaces", "skip_special_tokens"), _WRITTEN),
    **dict.fromkeys(
        (
            "device", "device_map", "dtype", "torch_dtype", "framework", "use_fast", "model_kwargs", "config",
            "feature_extractor", "trust_remote_code",
        ),
        _LOADED,
    ),
}  # fmt: skip
"""What Transformers has or had, and is to be said otherwise here, or not at all."""


class Options(Checked):
    """What can be chosen of a pipeline; every pipeline has its own."""

    model_config = ConfigDict(strict=True)

    kind: ClassVar[str] = "pipeline option"
    elsewhere: ClassVar[Mapping[str, str]] = _TRANSFORMERS


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
