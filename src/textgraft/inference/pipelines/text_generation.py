"""Texts that go on: the pipeline "text-generation"."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Unpack

import torch
from pydantic import Field
from transformers import GenerationConfig

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.errors import ModelError, OptionError
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import Count, Options
from textgraft.inference.pipelines.sources import Source
from textgraft.inference.streaming.answers import Heard, NextStreams
from textgraft.inference.streaming.streams import Stream
from textgraft.pretraining.objectives.streams import boundary_ids
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tokenization.encode import CHARACTERS_PER_TOKEN
from textgraft.training.batching import token_budget_batches

MAX_TOKENS = 16_384
"""Tokens of all texts that are written side by side, prompts included: what bounds the memory."""
MAX_SEQUENCES = 64
LONGEST_PROMPT = 4096
"""Tokens of a prompt that a model without a limit of its own reads."""


class TextGenerationOptions(Options):
    """Options of :class:`TextGenerationPipeline`."""

    return_full_text: bool = True
    """Whether a result begins with the prompt."""
    max_new_tokens: Count = 50
    """Tokens that are written at most; an end of text ends it sooner."""
    num_return_sequences: Count = 1
    """Texts for each prompt."""
    do_sample: bool | None = None
    """Whether tokens are drawn by chance, rather than the most probable ones taken. None: where temperature,
    top_k or top_p is given, or several texts are wanted and there is but one beam."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Divides the logits: below 1 the probable becomes more so, above 1 less."""
    top_k: Annotated[int, Field(ge=0)] = 50
    """Only so many tokens, the most probable, are drawn from; 0: all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Only the most probable tokens that together have this probability are drawn from."""
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] | None = None
    """No sequence of so many tokens stands twice in a text, its prompt included; 0: any may. None: as the
    model's ``generation_config`` has it, else 0."""
    num_beams: Count = 1
    """Texts that are followed at a time, of which the most probable are returned."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Determines what is drawn, for the same inputs together; None: anew with every call."""
    elsewhere: ClassVar[Mapping[str, str]] = {
        **Options.elsewhere,
        "max_length": "Give max_new_tokens, which does not count the prompt.",
    }

    @property
    def draws(self) -> bool:
        """Whether chance has a part."""
        if self.do_sample is not None:
            return self.do_sample
        is_given = not self.model_fields_set.isdisjoint({"temperature", "top_k", "top_p"})
        return is_given or (self.num_return_sequences > 1 and self.num_beams == 1)


class TextGenerationPipeline(Pipeline[TextGenerationOptions]):
    """Write on, with a causal language model: a GPT, or a recurrent one.

    Example::

        >>> write = pipeline("text-generation", "my-gpt")
        >>> write("The cat", max_new_tokens=4)
        [{'generated_text': 'The cat sat on the mat'}]
        >>> write("The cat", num_return_sequences=2, temperature=0.8, seed=1, return_full_text=False)
        [{'generated_text': ' was asleep'}, {'generated_text': ' had gone'}]

    Of a prompt that is too long, the end is read.
    """

    task = "text-generation"
    auto_class = "AutoModelForCausalLM"
    options_class = TextGenerationOptions
    _texts = SingleLabelClassification(())
    """Reads texts."""

    def __init__(self, source: Source, options: TextGenerationOptions) -> None:
        super().__init__(source, options)
        architectures = source.model.config.architectures
        if architectures and type(source.model).__name__ not in architectures:
            raise ModelError(
                f"the checkpoint is a {', '.join(architectures)}, which does not write texts",
                fix="Give one that was trained as a causal language model.",
            )
        self.start, self.end = boundary_ids(source.tokenizer)

    def streams(self, count: int) -> NextStreams:
        """Open several texts that go on, of which a recurrent model says what comes next.

        Args:
            count: How many.

        Raises:
            OptionError: The model is not recurrent, or there are too many.
        """
        return NextStreams(self.source.model, self.source.tokenizer, count)

    def stream(self) -> Stream[Heard]:
        """Open a text that goes on, to be read token by token in constant memory.

        Raises:
            OptionError: The model is not recurrent.
        """
        return Stream(self.streams(1))

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts; a chat is none."""
        if any(
            _is_message(part) for given in inputs for part in (given if isinstance(given, list) else [given])
        ):
            raise OptionError(
                "a chat is given, and this pipeline writes on from a text",
                fix="Make one text of its messages, in the form that the model was trained on.",
            )
        return self._texts.rows(inputs)

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read texts from a table or a .txt file."""
        return self._texts.read(path, labelled=False, **columns)

    def results(self, dataset: Dataset, options: TextGenerationOptions) -> list[Any]:
        """Return for each prompt the texts that go on from it, as dicts.

        Raises:
            OptionError: The options contradict each other, or leave no room for a prompt.
        """
        if options.num_return_sequences > options.num_beams and (options.num_beams > 1 or not options.draws):
            raise OptionError(
                f"{options.num_beams} followed at a time cannot give {options.num_return_sequences} texts",
                where="pipeline option 'num_return_sequences'",
                fix="Give as many num_beams, or leave num_beams out to draw by chance.",
            )
        prompts = self._prompts(dataset.texts, options.max_new_tokens)
        config = self._config(options)
        side_by_side = max(options.num_beams, options.num_return_sequences)
        batches = token_budget_batches(
            [(len(prompt) + options.max_new_tokens) * side_by_side for prompt in prompts],
            max_tokens=MAX_TOKENS,
            max_sequences=MAX_SEQUENCES,
            generator=None,
        )
        written: list[list[list[int]]] = [[] for _ in prompts]
        with torch.random.fork_rng(enabled=options.seed is not None):
            if options.seed is not None:
                torch.manual_seed(options.seed)
            for places in batches:
                ids = self._write([prompts[place] for place in places], config)
                for row, place in enumerate(places):
                    begin = row * options.num_return_sequences
                    written[place] = ids[begin : begin + options.num_return_sequences]
        return [
            [{"generated_text": text * options.return_full_text + self._after(prompt, new)} for new in texts]
            for text, prompt, texts in zip(dataset.texts, prompts, written, strict=True)
        ]

    def _prompts(self, texts: Sequence[str], new: int) -> list[list[int]]:
        """Tokenize prompts; of those that leave no room for ``new`` tokens, keep the end."""
        positions = getattr(self.source.model.config, "max_position_embeddings", None)
        limit = LONGEST_PROMPT if positions is None else positions - new
        if positions is not None and limit < 1:
            raise OptionError(
                f"the model reads {positions} tokens, which leaves none for a prompt beside {new} new ones",
                where="pipeline option 'max_new_tokens'",
                fix=f"Give at most {positions - 1}.",
            )
        backend = self.source.tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        opening = [self.start] if backend.encode("").ids[:1] == [self.start] else []
        shortened = [text[-CHARACTERS_PER_TOKEN * limit :] for text in texts]
        rows = [encoding.ids for encoding in backend.encode_batch(shortened, add_special_tokens=False)]
        prompts = [[*opening, *row[max(0, len(row) + len(opening) - limit) :]] for row in rows]
        cut = sum(
            len(prompt) - len(opening) < len(row) or len(short) < len(text)
            for prompt, row, short, text in zip(prompts, rows, shortened, texts, strict=True)
        )
        if cut:
            warnings.warn(
                f"{cut} of {len(texts)} prompts are longer than the {limit} tokens that are read of them: "
                "their beginnings are lost",
                stacklevel=2,
            )
        # Of an empty prompt, what a text begins with is left.
        return [prompt or [self.start] for prompt in prompts]

    def _config(self, options: TextGenerationOptions) -> GenerationConfig:
        tokenizer = self.source.tokenizer
        # What stands for nothing that can be read is never written.
        nameless = {tokenizer.unk_token_id, tokenizer.pad_token_id, self.start} - {None, self.end}
        repeated = options.no_repeat_ngram_size
        if repeated is None:
            repeated = getattr(self.source.model.generation_config, "no_repeat_ngram_size", None)
        drawing = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
        return GenerationConfig(
            max_new_tokens=options.max_new_tokens,
            num_return_sequences=options.num_return_sequences,
            num_beams=options.num_beams,
            no_repeat_ngram_size=repeated or 0,
            do_sample=options.draws,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=self.end,
            suppress_tokens=sorted(nameless) or None,
            **drawing if options.draws else {},
        )

    @torch.inference_mode()
    def _write(self, prompts: Sequence[list[int]], config: GenerationConfig) -> list[list[int]]:
        """Return what goes on from each prompt, num_return_sequences rows for each."""
        model: Any = self.source.model
        pad = self.source.tokenizer.pad_token_id
        time = max(map(len, prompts))
        # Padded on the left: what is written begins in the same place for all.
        ids = torch.tensor([[pad] * (time - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (time - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        # In fp32: with one token at a time, to cast the weights would cost more than bf16 gains.
        written = model.generate(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
        )
        return written[:, time:].tolist()

    def _after(self, prompt: list[int], new: list[int]) -> str:
        """Return what was written, as it follows the prompt."""
        backend = self.source.tokenizer.backend_tokenizer
        # Decoded together, so that a space between the two is kept, as words have it.
        begun, whole = backend.decode(prompt), backend.decode([*prompt, *new])
        return whole[len(begun) :] if whole.startswith(begun) else backend.decode(new)


def _is_message(given: Any) -> bool:
    return isinstance(given, Mapping) and {"role", "content"} <= set(given)
