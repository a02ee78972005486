"""What all pipelines share: single inputs, lists, streams and files, all run as batches of rows."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, Unpack

from textgraft.data.dataset import Dataset, Rejected
from textgraft.data.inputs import given_inputs, is_table, table_names
from textgraft.data.read_options import TextColumns
from textgraft.errors import OptionError
from textgraft.files import as_path
from textgraft.inference.pipelines.options import Options, PipelineOptions
from textgraft.tasks.base import token_counts

if TYPE_CHECKING:
    from textgraft.inference.pipelines.sources import Source
    from textgraft.tasks.base import Features

STREAMED = 64
"""Inputs of a generator that are read ahead and run together."""
CHUNK = 2048
"""Rows of a list or a file that are run together: enough that those of one length share batches."""

ChosenOptions = TypeVar("ChosenOptions", bound=Options)


@dataclass(frozen=True)
class FileResults:
    """The results for the rows of a file, computed while they are iterated over, in the rows' order."""

    dataset: Dataset
    """The rows that can be used."""
    results: Iterator[Any]

    @property
    def ids(self) -> list[str]:
        """The id of each row with a result, or its number where the file has no ids."""
        return list(self.dataset.ids)

    @property
    def rejected(self) -> list[Rejected]:
        """Rows that cannot be used, each with its line and the reason."""
        return self.dataset.rejected

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        return self.results


class Pipeline(ABC, Generic[ChosenOptions]):
    """A model behind the input and output forms of a Transformers 4 pipeline.

    Call it with one input for one result, with a list for a list of results, or with a generator, or anything
    else that can be iterated over, for an iterator of results that reads ahead by :data:`STREAMED` inputs.

    Args:
        source: The model.
        options: Its options; a call may give them anew.
    """

    task: ClassVar[str]
    """As Transformers 4 names it."""
    auto_class: ClassVar[str]
    """Name of the Transformers Auto class whose models have the head that is needed."""
    heads: ClassVar[tuple[str, ...]] = ()
    """Pipelines that a model's task may name as its own; none where no head is needed."""
    options_class: ClassVar[type[Options]]
    takes: ClassVar[str] = "a text"
    """What one input is, in messages."""
    keys: ClassVar[tuple[str, ...]] = ("text",)
    """What the parts of an input are called: the columns of a table that are read where none are named."""

    def __init__(self, source: Source, options: ChosenOptions) -> None:
        self.source = source
        self.options = options

    @classmethod
    def auto_class_of(cls, model: Any, revision: str | None) -> str:
        """Return the Auto class to load a model with; where several would do, as its checkpoint says."""
        del model, revision
        return cls.auto_class

    @classmethod
    def for_model(cls, model: Any, revision: str | None) -> type[Pipeline[Any]]:
        """Return the class that runs a model; another one where what it is tells how the task is done."""
        del model, revision
        return cls

    @property
    def engine(self) -> str:
        """Which engine runs the model, in which precision, and why not another one, if so."""
        return self.source.engine

    @abstractmethod
    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Turn inputs into rows.

        Raises:
            OptionError: An input is not of the form that the pipeline takes; names its position.
        """

    @abstractmethod
    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read rows without targets from a file.

        Args:
            path: As the pipeline's task reads it.
            columns: The keywords of :class:`~textgraft.data.read_options.TextColumns`.

        Raises:
            DataError: The file cannot be read, or no row is usable.
            OptionError: A column or a keyword does not exist.
        """

    @abstractmethod
    def results(self, dataset: Dataset, options: ChosenOptions) -> list[Any]:
        """Return the result for each row."""

    def alone(self, result: Any, single: Any, given: Mapping[str, Any]) -> Any:
        """Return the result of a single input as the pipeline gives it.

        Args:
            result: As it would stand in the list of results.
            single: The input.
            given: The options of the call.
        """
        del single, given
        return result

    def __call__(
        self, inputs: Any, *, text: str | Sequence[str] | None = None, **options: Unpack[PipelineOptions]
    ) -> Any:
        """Return the result for one input, a list of results for several, an iterator for an iterator.

        Args:
            inputs: A string or a dict is one input; a list, an array, a series or a table are several; of a
                generator inputs are read as results are asked for.
            text: The columns of a table, or of a list of dicts, to read; two for a pair of texts. Of a table
                those that are called as an input's parts are, as "text", need not be named.
            options: As the options class describes them.

        Raises:
            OptionError: An input is not of the form that the pipeline takes, or an option is wrong.
        """
        chosen = self.options.but(**options)
        if isinstance(inputs, str | Mapping):
            return self.alone(self.results(self._rows_of([inputs]), chosen)[0], inputs, options)
        if inputs is None or isinstance(inputs, bytes | int | float):
            raise OptionError(
                f"the input is {'missing (None)' if inputs is None else type(inputs).__name__}",
                where=f"pipeline {self.task!r}",
                fix=f"Give {self.takes}, or a list of such.",
            )
        text = self._columns(inputs) if text is None else text
        if isinstance(inputs, Iterable) and not isinstance(inputs, Sized) and not is_table(inputs):
            return self._stream(iter(inputs), chosen, text)
        several = given_inputs(inputs, text)
        return list(self._run(self._rows_of(several), chosen)) if several else []

    def _rows_of(self, inputs: Sequence[Any]) -> Dataset:
        """Turn inputs into rows; ``{"text": …}`` is the text, as Transformers has it."""
        if len(self.keys) == 1:
            inputs = [
                given[self.keys[0]] if isinstance(given, Mapping) and tuple(given) == self.keys else given
                for given in inputs
            ]
        return self.rows(inputs)

    def _columns(self, inputs: Any) -> tuple[str, ...] | None:
        """Return the columns of a table that are called as the parts of an input are; None of others."""
        names = set(map(str, table_names(inputs) or ())) if is_table(inputs) else set()
        return self.keys if self.keys and names.issuperset(self.keys) else None

    def file(
        self,
        path: str | Path,
        *,
        text: str | Sequence[str] | None = None,
        id_column: str | None = None,
        **options: Unpack[PipelineOptions],
    ) -> FileResults:
        """Run the rows of a file through the pipeline.

        Args:
            path: A file as the pipeline's task reads it, as .csv, .tsv, .jsonl, .parquet or .txt for texts.
            text: The text column or columns; guessed from common names if None.
            id_column: A column whose values are unique.
            options: As in a call.

        Raises:
            DataError: The file cannot be read, or no row is usable.
            OptionError: A column does not exist, or an option is wrong.
        """
        chosen = self.options.but(**options)
        as_path(path, "path")
        dataset = self.read(path, text=text, id_column=id_column)
        return FileResults(dataset, self._run(dataset, chosen))

    def warn_of_cuts(self, features: Sequence[Features]) -> None:
        """Warn if rows were longer than the model reads and lost their ends; ``features`` has one of each."""
        cut = [feature for feature in features if feature.get("lost")]
        if cut:
            kept, lost = token_counts(cut)
            warnings.warn(
                f"{len(cut)} of {len(features)} inputs are longer than the {self.source.max_length} tokens "
                f"that the model reads: {lost / (kept + lost):.0%} of their tokens are lost",
                stacklevel=2,
            )

    def _run(self, dataset: Dataset, options: ChosenOptions) -> Iterator[Any]:
        for start in range(0, len(dataset), CHUNK):
            part = dataset.select(range(start, min(start + CHUNK, len(dataset))))
            yield from self.results(part, options)

    def _stream(
        self, inputs: Iterator[Any], options: ChosenOptions, text: str | Sequence[str] | None
    ) -> Iterator[Any]:
        start = 0
        while chunk := list(islice(inputs, STREAMED)):
            try:
                dataset = self._rows_of(given_inputs(chunk, text))
            except OptionError as error:
                raise OptionError(
                    error.what, where=f"counted from input {start} of the stream", fix=error.fix
                ) from error
            yield from self.results(dataset, options)
            start += len(chunk)
