"""Pipelines: the inputs of any task to what Transformers 4 returned for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from textgraft.errors import DataError, OptionError, TextgraftError
from textgraft.serving.prepared import Prepared, as_input_error, refuse_long
from textgraft.serving.refusals import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from textgraft.inference.pipelines.base import Pipeline

CUT = ("text-classification", "zero-shot-classification", "feature-extraction", "next-sentence")
"""Pipelines that read the beginning of an input alone; the others read windows, or say what is too long."""
_PER_TEXT = 2
"""Special tokens of a text, about."""


@dataclass(frozen=True)
class PipelineLane:
    """Runs the inputs of requests with the same options."""

    pipeline: Pipeline[Any]
    options: Any
    key: Any
    background: bool = False

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Run batches of inputs."""
        for batch in batches:
            try:
                yield self.pipeline.results(self.pipeline.rows(batch), self.options)
            except (OptionError, DataError) as error:
                # Some options are found wanting only when inputs are met: whoever gave them is told.
                raise as_input_error(error) from error


class ServedPipeline:
    """A pipeline that takes requests.

    Args:
        pipeline: Built, with its model.
        key: Names it among all that are served.
        tokenizer: The model's.
        max_length: Tokens that the model reads at once.
    """

    def __init__(self, pipeline: Pipeline[Any], key: str, tokenizer: Tokenizer, max_length: int) -> None:
        self.pipeline = pipeline
        self.key = key
        self.tokenizer = tokenizer
        self.max_length = max_length

    def prepare(self, inputs: Any, parameters: Mapping[str, Any], *, truncate: bool) -> Prepared:
        """Check the inputs and options of a request.

        Args:
            inputs: One, or a list of several.
            parameters: Options of the pipeline; those that are None are left out.
            truncate: Whether the beginning of a longer input is read.

        Raises:
            InputError: An input or an option is wrong, or an input is too long.
        """
        single = not isinstance(inputs, list) or _is_vector(inputs)
        several = [inputs] if single else inputs
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            options = self.pipeline.options.but(**given)
            self.pipeline.rows(several)
        except TextgraftError as error:
            raise as_input_error(error) from error
        lengths = [self._tokens(entry) for entry in several]
        if self.pipeline.task in CUT and not truncate:
            refuse_long(lengths, self.max_length)
        lane = PipelineLane(self.pipeline, options, ("pipeline", self.key, json.dumps(given, sort_keys=True)))

        def finish(results: list[Any]) -> Any:
            if not single:
                return results
            alone: Any = given
            return self.pipeline.alone(results[0], inputs, alone)

        read = [min(length, self.max_length) for length in lengths] if self.pipeline.task in CUT else lengths
        lost = [length - kept for length, kept in zip(lengths, read, strict=True)]
        return Prepared(lane, several, lengths, finish, read, lost)

    def _tokens(self, entry: Any) -> int:
        """Count the tokens of all texts of an input."""
        texts = list(strings_in(entry))
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return max(1, sum(len(encoding.ids) + _PER_TEXT for encoding in encodings))


def strings_in(value: Any) -> Iterator[str]:
    """Yield the strings in lists and dicts, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings_in(inner)


def plain_values(value: Any) -> Any:
    """Return what a pipeline gives in the form of JSON: numbers of numpy as Python's own.

    Raises:
        InputError: It cannot be written as JSON, as with tensors asked for.
    """
    try:
        return msgspec.to_builtins(value, enc_hook=_as_python)
    except (TypeError, NotImplementedError) as error:
        raise InputError("these options ask for something that JSON cannot hold") from error


def _as_python(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise NotImplementedError(type(value).__name__)


def _is_vector(inputs: list[Any]) -> bool:
    return bool(inputs) and all(isinstance(value, int | float) for value in inputs)
