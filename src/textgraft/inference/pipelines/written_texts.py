"""Texts to texts: the pipelines "translation", "summarization" and "text2text-generation"."""

from __future__ import annotations

import copy
import functools
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Unpack

import torch
from pydantic import Field
from torch import Tensor

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.errors import ModelError, OptionError
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import Count, Fraction, Options
from textgraft.inference.pipelines.sources import Source, is_encoder
from textgraft.models.generation.decoding import Decoded
from textgraft.tasks.generation.base import GenerationTask, SourceFeatures, write
from textgraft.tasks.generation.summarization import Summarization
from textgraft.tasks.generation.text2text import TextToText
from textgraft.tasks.generation.translation import Translation
from textgraft.tokenization.sentences import split_sentences


class WritingOptions(Options):
    """Options of pipelines that write. What is left out is as the model's ``generation_config`` has it."""

    max_new_tokens: Count | None = None
    """Most tokens of a result."""
    max_length: Count | None = None
    """The same, as Transformers 4 called it; ``max_new_tokens`` prevails."""
    min_length: Count | None = None
    """Fewest tokens of a result."""
    num_beams: Count | None = None
    """Results followed at once; 1 takes the likeliest word at every step."""
    length_penalty: float | None = None
    """With beams: above 0 favours long results, below 0 short ones."""
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] | None = None
    """No sequence of so many tokens stands twice in a result."""
    early_stopping: bool | None = None
    """With beams: whether to stop as soon as as many results have ended."""
    do_sample: bool = False
    """Whether words are drawn by chance, by their probabilities, rather than searched for."""
    temperature: Annotated[float, Field(gt=0)] | None = None
    """When drawing: below 1 likely words become likelier, above 1 the others."""
    top_k: Count | None = None
    """When drawing: from so many words, the likeliest."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """When drawing: from the likeliest words that together have this probability."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """When drawing: the same seed draws the same results."""
    num_return_sequences: Count = 1
    """How many results for each input; with several, each input has a list of its own."""
    return_tensors: bool = False
    """Whether to give the tokens' ids in place of the text."""
    prefix: str = ""
    """Put before every input, as "summarize: " for models that were trained so."""
    warn_below: Fraction | None = None
    """A warning tells of results whose tokens are less probable than this, on geometric average: what the
    model writes where it knows nothing like the input. Those that ``generate`` finds are not looked at."""


_SEARCHED = ("max_new_tokens", "num_beams", "length_penalty", "no_repeat_ngram_size", "early_stopping")
"""Options that the search of :mod:`textgraft.models.generation.decoding` knows."""
_DRAWN = (*_SEARCHED, "min_length", "temperature", "top_k", "top_p", "do_sample", "num_return_sequences")
"""Options that ``generate`` of Transformers is told where only it can do what is wanted, as drawing words."""


class WritingPipeline(Pipeline[WritingOptions]):
    """What the three have in common.

    Example::

        >>> translate = pipeline("translation", "my-model")
        >>> translate("Ein Hund schläft.")
        [{'translation_text': 'A dog is sleeping.'}]
        >>> translate(["Ein Hund schläft.", "Er träumt."], num_beams=1)
        [{'translation_text': 'A dog is sleeping.'}, {'translation_text': 'He is dreaming.'}]

    As in Transformers 4, a single text gives a list of one. Inputs are sorted by length and run in batches; a
    result that is finished leaves its batch. Inputs longer than the model reads are cut, with a warning.
    """

    auto_class = "AutoModelForSeq2SeqLM"
    options_class: ClassVar[type[WritingOptions]] = WritingOptions
    key: str
    """What the key of a result begins with, before "_text" or "_token_ids"."""

    def __init__(self, source: Source, options: WritingOptions) -> None:
        # A checkpoint of several tasks says by name how each is asked for, as "summarize: ".
        named = (getattr(source.model.config, "task_specific_params", None) or {}).get(self.task, {})
        kind = self.options_class
        known = {name: value for name, value in named.items() if name in kind.model_fields}
        super().__init__(source, kind(**{**known, **options.model_dump(exclude_unset=True)}))
        given = source.predictor.task if source.predictor else self.own_task(source)
        assert isinstance(given, GenerationTask)
        self.given = given

    @abstractmethod
    def own_task(self, source: Source) -> GenerationTask:
        """Return the task of a model that others trained."""

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts."""
        return self.given.rows(inputs)

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read sources from a table or a file of lines."""
        return self.given.read(path, labelled=False, **columns)

    def results(self, dataset: Dataset, options: WritingOptions) -> list[Any]:
        """Return what is written for each row: a dict, or a list of them if several are wanted."""
        task = copy.copy(self.given)
        task.search = _search(options)
        if options.prefix:
            dataset = Dataset.unlabelled({"source": [options.prefix + text for text in dataset.texts]})
        features, decoded = self.source.predictor_for(task).outputs(dataset)
        self.warn_of_cuts(features)
        several = [found if isinstance(found, list) else [found] for found in decoded]
        if options.warn_below is not None:
            _warn_of_doubt([found for row in several for found in row], options.warn_below)
        results = [
            [self._result(task, feature, found.tokens, as_ids=options.return_tensors) for found in row]
            for feature, row in zip(features, several, strict=True)
        ]
        return results if options.num_return_sequences > 1 else [row[0] for row in results]

    def _result(
        self, task: GenerationTask, feature: SourceFeatures, tokens: list[int], *, as_ids: bool
    ) -> dict[str, Any]:
        if as_ids:
            return {f"{self.key}_token_ids": tokens}
        return {f"{self.key}_text": task.written([feature], [tokens])[0]}

    def alone(self, result: Any, single: Any, given: Mapping[str, Any]) -> Any:
        """Put the result of a single text into a list."""
        del single, given
        return result if isinstance(result, list) else [result]


def _warn_of_doubt(written: Sequence[Decoded], least: float) -> None:
    """Warn if texts were written whose tokens have a lower probability than ``least`` on average."""
    unsure = sum(found.token_probability < least for found in written)
    if unsure:
        warnings.warn(
            f"of {unsure} of {len(written)} texts the model is unsure what to write (a token's probability "
            f"is below {least:g} on average): they may be in another language, or longer or of another kind "
            "than those it learned from",
            stacklevel=2,
        )


def _search(options: WritingOptions) -> Any:
    """Return what finds targets: our search where it can, else ``generate``.

    Raises:
        OptionError: More results are wanted than beams are followed.
    """
    given = options.model_dump(exclude_none=True)
    given.setdefault("max_new_tokens", given.pop("max_length", None))
    given = {name: value for name, value in given.items() if value is not None}
    if not options.do_sample and options.num_return_sequences == 1 and options.min_length is None:
        return functools.partial(write, **{name: given[name] for name in _SEARCHED if name in given})
    wanted = {name: given[name] for name in _DRAWN if name in given}
    if not options.do_sample and options.num_return_sequences > (options.num_beams or 1):
        raise OptionError(
            f"{options.num_return_sequences} results cannot come from {options.num_beams or 1} beams",
            where="pipeline option 'num_return_sequences'",
            fix="Give at least as many num_beams, or do_sample=True.",
        )
    return functools.partial(_generated, wanted=wanted, seed=options.seed)


@torch.inference_mode()
def _generated(
    model: Any, batch: Mapping[str, Tensor], wanted: dict[str, Any], seed: int | None
) -> list[list[Decoded]]:
    """Write targets with Transformers' ``generate``; for each source as many as are wanted."""
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        sequences = model.generate(**batch, **wanted).tolist()
    several = wanted.get("num_return_sequences", 1)
    ends = torch.tensor(model.generation_config.eos_token_id).flatten().tolist()
    found = [_until_end(sequence[1:], ends) for sequence in sequences]
    return [found[start : start + several] for start in range(0, len(found), several)]


def _until_end(tokens: list[int], ends: list[int]) -> Decoded:
    length = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    return Decoded(tokens[:length], 0.0, length)


class TranslationOptions(WritingOptions):
    """Options of :class:`TranslationPipeline`."""

    by_sentence: bool = False
    """Whether the sentences of an input are translated one by one, those in capitals alone as if they were
    not. The models that come with the package ask for it, which have learned from single sentences in plain
    spelling. Inputs of which several results are wanted, or ids, are translated whole."""


class TranslationPipeline(WritingPipeline):
    """Translate; also "translation_de_to_en", which refuses models of other languages.

    What has no letter stays as it is: an empty input, a number, an emoji.
    """

    task = "translation"
    heads = ("translation", "text2text-generation")
    key = "translation"
    options_class = TranslationOptions

    def results(self, dataset: Dataset, options: WritingOptions) -> list[Any]:
        """Return the translation of each row, by sentences if so wanted."""
        if options.return_tensors or options.num_return_sequences > 1:
            return super().results(dataset, options)
        by_sentence = isinstance(options, TranslationOptions) and options.by_sentence
        parts = [split_sentences(text) if by_sentence else [text.strip()] for text in dataset.texts]
        wanted = list(dict.fromkeys(part for own in parts for part in own if _has_letter(part)))
        shouted = {part for part in wanted if by_sentence and part.isupper() and " " in part}
        given = [part.capitalize() if part in shouted else part for part in wanted]
        written = super().results(Dataset.unlabelled({"source": given}), options) if wanted else []
        translated = {
            part: result["translation_text"].upper() if part in shouted else result["translation_text"]
            for part, result in zip(wanted, written, strict=True)
        }
        return [{"translation_text": " ".join(translated.get(part, part) for part in own)} for own in parts]

    def own_task(self, source: Source) -> Translation:
        """Return the task, its languages unknown."""
        del source
        return Translation()

    def expect(self, source: str, target: str) -> None:
        """Check that the model translates between two languages, where it knows its own.

        Raises:
            ModelError: It translates between others.
        """
        own = (getattr(self.given, "source", None), getattr(self.given, "target", None))
        if any(known not in (None, wanted) for known, wanted in zip(own, (source, target), strict=True)):
            raise ModelError(
                f"this model translates from {own[0]} to {own[1]}",
                where=f"translation_{source}_to_{target}",
                fix=f"Ask for translation_{own[0]}_to_{own[1]}, or name another model.",
            )


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


class SummarizationPipeline(WritingPipeline):
    """Summarize documents, with results as ``{'summary_text': …}``."""

    task = "summarization"
    heads = ("summarization", "text2text-generation")
    key = "summary"

    @classmethod
    def for_model(cls, model: Any, revision: str | None) -> type[Pipeline[Any]]:
        """Return what chooses sentences, for an encoder, which writes none."""
        from textgraft.inference.pipelines.extractive_summarization import ExtractiveSummarizationPipeline

        return ExtractiveSummarizationPipeline if is_encoder(model, revision) else cls

    def own_task(self, source: Source) -> Summarization:
        """Return the task."""
        del source
        return Summarization()


class TextToTextPipeline(WritingPipeline):
    """Write texts of any kind from texts, with results as ``{'generated_text': …}``."""

    task = "text2text-generation"
    heads = ("text2text-generation", "translation", "summarization")
    key = "generated"

    def own_task(self, source: Source) -> TextToText:
        """Return the task."""
        del source
        return TextToText()
