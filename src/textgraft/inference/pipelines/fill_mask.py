"""Words for masked positions: the pipeline "fill-mask"."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.errors import ModelError, OptionError
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import AS_LIST, CallOptions, Count, Fraction, Options
from textgraft.inference.pipelines.sources import Source
from textgraft.inference.pipelines.tokens import run_tokens
from textgraft.tasks.base import Features
from textgraft.tasks.text.classification import SingleLabelClassification

MAX_TOKENS = 512
"""Padded tokens in a batch; each has a logit for every word of the vocabulary, 60 MB in all for BERT's."""


class _MaskedText(Features, total=False):
    masks: NDArray[np.intp]
    """Places of the masks in ``input_ids``."""


class FillMaskOptions(Options):
    """Options of :class:`FillMaskPipeline`."""

    top_k: Count = 5
    """How many tokens, the most probable first."""
    targets: Annotated[str | list[str] | None, AS_LIST] = None
    """Only these are scored; of one that is no token of the vocabulary, the first token is."""
    threshold: Fraction = 0.0
    """Tokens that are less probable are left out."""


class FillMaskPipeline(Pipeline[FillMaskOptions]):
    """Say which tokens a masked one may stand for.

    Example::

        >>> fill = pipeline("fill-mask", "google-bert/bert-base-uncased")
        >>> fill("This is a simple [MASK].", top_k=2)
        [{'score': 0.042, 'token': 3291, 'token_str': 'problem', 'sequence': 'this is a simple problem.'},
         {'score': 0.031, 'token': 3160, 'token_str': 'question', 'sequence': 'this is a simple question.'}]

    A text with several masks gives such a list for each of them, every mask filled on its own. As in
    Transformers 4, a list of one text gives what the text alone does.
    """

    task = "fill-mask"
    auto_class = "AutoModelForMaskedLM"
    options_class = FillMaskOptions
    _texts = SingleLabelClassification(())
    """Reads and tokenizes texts."""

    def __init__(self, source: Source, options: FillMaskOptions) -> None:
        super().__init__(source, options)
        if source.tokenizer.mask_token_id is None:
            raise ModelError("the tokenizer has no mask token", fix="Give a model that was trained with one.")

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts with masks."""
        return self._texts.rows(inputs)

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read texts from a table or a .txt file."""
        return self._texts.read(path, labelled=False, **columns)

    def __call__(self, inputs: Any, **options: Unpack[CallOptions]) -> Any:
        """Return the tokens for each mask, as the class describes it."""
        results = super().__call__(inputs, **options)
        return results[0] if isinstance(inputs, list) and len(inputs) == 1 else results

    def results(self, dataset: Dataset, options: FillMaskOptions) -> list[Any]:
        """Return the best tokens for the mask of each text, or a list of such lists for several masks."""
        tokenizer, limit = self.source.tokenizer, self.source.max_length
        inputs: list[_MaskedText] = [{**given} for given in self._texts.features(dataset, tokenizer, limit)]
        mask = tokenizer.mask_token
        for feature, text, line in zip(inputs, dataset.texts, dataset.lines, strict=True):
            ids = np.array(feature["input_ids"])
            feature["masks"] = np.flatnonzero(ids == tokenizer.mask_token_id)
            if len(feature["masks"]) < text.count(mask) or not len(feature["masks"]):
                raise OptionError(
                    f"text {line} has more than the {limit} tokens that the model reads"
                    if mask in text
                    else f"text {line}, counted from 1, has no {mask}",
                    where=text[:80],
                    fix=f"Give a shorter part around {mask}."
                    if mask in text
                    else f"Put {mask} for the word.",
                )
        self.warn_of_cuts(inputs)
        targets = None if options.targets is None else self._targets(options.targets)
        count = min(options.top_k, len(tokenizer) if targets is None else len(targets))

        def best(outputs: Any, row: int, given: _MaskedText) -> tuple[list[Any], list[Any]]:
            chances = outputs.logits[row, given["masks"]].float().softmax(dim=-1)
            values, tokens = (chances if targets is None else chances[:, targets]).topk(count)
            return values.tolist(), (tokens if targets is None else targets[tokens.cpu()]).tolist()

        found = run_tokens(self.source, inputs, best, max_tokens=MAX_TOKENS)
        return [
            self._filled(feature, values, tokens, options.threshold)
            for feature, (values, tokens) in zip(inputs, found, strict=True)
        ]

    def _filled(
        self, feature: _MaskedText, values: list[list[float]], tokens: list[list[int]], least: float
    ) -> list[Any]:
        tokenizer = self.source.tokenizer
        is_single = len(feature["masks"]) == 1
        filled = []
        for place, scores, candidates in zip(feature["masks"], values, tokens, strict=True):
            entries = []
            for score, token in zip(scores, candidates, strict=True):
                if score < least:
                    continue
                ids = list(feature["input_ids"])
                ids[place] = token
                # With several masks the others must stay to be seen, and they are special tokens.
                sequence = tokenizer.decode(ids, skip_special_tokens=is_single)
                word = tokenizer.decode([token])
                entries.append({"score": score, "token": token, "token_str": word, "sequence": sequence})
            filled.append(entries)
        return filled[0] if is_single else filled

    def _targets(self, given: str | list[str]) -> torch.Tensor:
        tokenizer = self.source.tokenizer
        vocabulary = tokenizer.get_vocab()
        ids = []
        for target in [given] if isinstance(given, str) else given:
            token = vocabulary.get(target)
            if token is None:
                pieces = tokenizer.backend_tokenizer.encode(target, add_special_tokens=False).ids
                if not pieces:
                    raise OptionError(f"the target {target!r} has no token", where="targets")
                token = pieces[0]
                piece = tokenizer.convert_ids_to_tokens(token)
                warnings.warn(f"the target {target!r} is no token: {piece!r} is scored", stacklevel=2)
            ids.append(token)
        if not ids:
            raise OptionError("there are no targets", where="targets", fix="Name a word, or leave it out.")
        return torch.tensor(sorted(set(ids)))
