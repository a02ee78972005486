"""What all pipelines share: single inputs, lists, streams and files, all run as batches of rows."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textgraft.data.dataset import Dataset, Rejected
from textgraft.errors import OptionError
from textgraft.inference.pipelines.options import Options

if TYPE_CHECKING:
    from textgraft.inference.pipelines.sources import Source
    from textgraft.tasks.base import Features, Task

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
        return self.dataset.ids

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
    tasks: ClassVar[tuple[str, ...]] = ()
    """Names of textgraft's tasks whose models have it; none where no head is needed."""
    options_class: ClassVar[type[Options]]

    def __init__(self, source: Source, options: ChosenOptions) -> None:
        self.source = source
        self.options = options

    @abstractmethod
    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Turn inputs into rows.

        Raises:
            OptionError: An input is not of the form that the pipeline takes; names its position.
        """

    @abstractmethod
    def read(self, path: str | Path, **columns: Any) -> Dataset:
        """Read rows without targets from a file.

        Raises:
            DataError: The file cannot be read, or no row is usable.
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

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Return the result for one input, a list of results for a list, an iterator for an iterable.

        Raises:
            OptionError: An input is not of the form that the pipeline takes, or an option is wrong.
        """
        chosen = self.options.changed(options)
        if isinstance(inputs, str | Mapping):
            return self.alone(self.results(self.rows([inputs]), chosen)[0], inputs, options)
        if isinstance(inputs, list | tuple):
            return list(self._run(self.rows(inputs), chosen)) if inputs else []
        if isinstance(inputs, Iterable):
            return self._stream(iter(inputs), chosen)
        raise OptionError(
            f"the input is {type(inputs).__name__}",
            fix="Give one input, a list of them, or a generator.",
        )

    def file(
        self,
        path: str | Path,
        *,
        text: str | Sequence[str] | None = None,
        id_column: str | None = None,
        **options: Any,
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
        chosen = self.options.changed(options)
        dataset = self.read(path, text=text, id_column=id_column)
        return FileResults(dataset, self._run(dataset, chosen))

    def warn_of_cuts(self, task: Task, dataset: Dataset, features: Sequence[Features]) -> None:
        """Warn if rows were longer than the model reads and lost their ends.

        Args:
            task: That of the rows.
            dataset: The rows.
            features: Their windows, one each.
        """
        limit = self.source.max_length
        full = [feature["row"] for feature in features if _longest(feature["input_ids"]) >= limit]
        if not full:
            return
        # Only of these few is the length without the limit worth knowing.
        lost = task.truncated_share(dataset.select(full), self.source.tokenizer, limit)
        if lost:
            warnings.warn(
                f"{len(full)} of {len(dataset)} inputs reach the {limit} tokens that the model reads: "
                f"{lost:.0%} of their tokens are lost",
                stacklevel=2,
            )

    def _run(self, dataset: Dataset, options: ChosenOptions) -> Iterator[Any]:
        for start in range(0, len(dataset), CHUNK):
            part = dataset.select(range(start, min(start + CHUNK, len(dataset))))
            yield from self.results(part, options)

    def _stream(self, inputs: Iterator[Any], options: ChosenOptions) -> Iterator[Any]:
        start = 0
        while chunk := list(islice(inputs, STREAMED)):
            try:
                dataset = self.rows(chunk)
            except OptionError as error:
                raise OptionError(
                    error.what, where=f"counted from input {start} of the stream", fix=error.fix
                ) from error
            yield from self.results(dataset, options)
            start += len(chunk)


def _longest(ids: Sequence[Any]) -> int:
    """Return the tokens of a window, or of the longest of the choices in it."""
    return max(map(len, ids)) if isinstance(ids[0], list) else len(ids)
