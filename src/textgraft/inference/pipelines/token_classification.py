"""Texts to entities: the pipeline "token-classification", also "ner"."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.inference.pipelines.aggregation import Join, Piece, Token, group, label_pieces
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import ANY_CASE, AS_LIST, Fraction, Options
from textgraft.tasks.base import Features
from textgraft.tasks.spans.token_classification import TagPrediction, TokenClassification
from textgraft.tasks.spans.word_windows import word_windows

if TYPE_CHECKING:
    from textgraft.inference.pipelines.sources import Source


class _Pieces(Features, total=False):
    """A window of a text's tokens."""

    read: slice
    """Of ``input_ids``: those whose labels are read from this window."""


class TokenClassificationOptions(Options):
    """Options of :class:`TokenClassificationPipeline`."""

    aggregation_strategy: Annotated[Literal["none", "simple", "first", "average", "max"], ANY_CASE] = "none"
    """How tokens become entities, see :mod:`textgraft.inference.pipelines.aggregation`."""
    ignore_labels: Annotated[list[str], AS_LIST] = Field(default=["O"])
    """Labels, or with aggregation types, that are left out."""
    threshold: Fraction = 0.0
    """Tokens, or with aggregation entities, of a lower score are left out."""


class TokenClassificationPipeline(Pipeline[TokenClassificationOptions]):
    """Find names, places, and whatever else the model labels.

    Example::

        >>> ner = pipeline("ner")
        >>> ner("John works at Google")
        [{'entity': 'B-PER', 'score': 0.99, 'index': 1, 'word': 'John', 'start': 0, 'end': 4},
         {'entity': 'B-ORG', 'score': 0.97, 'index': 4, 'word': 'Google', 'start': 14, 'end': 20}]
        >>> ner("John works at Google", aggregation_strategy="simple")
        [{'entity_group': 'PER', 'score': 0.99, 'word': 'John', 'start': 0, 'end': 4},
         {'entity_group': 'ORG', 'score': 0.97, 'word': 'Google', 'start': 14, 'end': 20}]

    Models that textgraft trained label words, not tokens: ``word`` is then the word as it stands in the text,
    ``index`` counts words from 1, and all strategies but "none" give the same. Of other checkpoints tokens
    are labelled, and ``word`` is written with the tokenizer's vocabulary, as in Transformers 4.

    Texts longer than the model reads are cut into windows that overlap, and nothing is lost.
    """

    task = "token-classification"
    auto_class = "AutoModelForTokenClassification"
    heads = ("token-classification",)
    options_class = TokenClassificationOptions

    def __init__(self, source: Source, options: TokenClassificationOptions) -> None:
        super().__init__(source, options)
        self._rows = TokenClassification(source.labels)

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts, or lists of words."""
        return self._rows.rows(inputs)

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read texts from a table or a .txt file, or words from CoNLL columns or JSON Lines."""
        return self._rows.read(path, labelled=False, **columns)

    def results(self, dataset: Dataset, options: TokenClassificationOptions) -> list[Any]:
        """Return the labelled tokens, or the entities, of each text."""
        strategy = options.aggregation_strategy
        texts, labels = dataset.columns["text"], self.source.labels
        # A join makes one string of the words of an entity: by its place in the text, or from its tokens.
        joins: list[Join]
        if self.source.predictor:
            labelled = _labelled_words(self.source.predictor.predict_rows(dataset))
            joins = [functools.partial(_slice, text) for text in texts]
        else:
            joins = [self._decode] * len(texts)
            labelled = [
                label_pieces(pieces, labels, strategy, self._decode) for pieces in self._pieces(dataset)
            ]
        key = "entity"
        if strategy != "none":
            labelled = [group(tokens, join) for tokens, join in zip(labelled, joins, strict=True)]
            key = "entity_group"
        return [
            [
                entity
                for entity in entities
                if entity[key] not in options.ignore_labels and entity["score"] >= options.threshold
            ]
            for entities in labelled
        ]

    def _decode(self, members: Sequence[Token]) -> str:
        return self.source.tokenizer.convert_tokens_to_string([token["word"] for token in members])

    def _pieces(self, dataset: Dataset) -> list[list[Piece]]:
        """Run the model over the tokens of each text."""
        # Here, as a model that was trained on words may run without torch.
        from textgraft.inference.pipelines.tokens import run_tokens
        from textgraft.inference.predictor import MAX_TOKENS

        tokenizer = self.source.tokenizer
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        texts = dataset.columns["text"]
        encodings = backend.encode_batch(texts)
        windows: list[_Pieces] = []
        for row, encoding in enumerate(encodings):
            body = _body(encoding)
            before, after = encoding.ids[: body.start], encoding.ids[body.stop :]
            room = self.source.max_length - len(before) - len(after)
            for window in word_windows([1] * len(body), room):
                ids = encoding.ids[body.start + window.start : body.start + window.stop]
                shift = len(before) - window.start
                read = slice(window.first + shift, window.last + shift)
                windows.append({"row": row, "input_ids": before + ids + after, "read": read})
        kept = run_tokens(self.source, windows, _probabilities, max_tokens=MAX_TOKENS)
        found = []
        for row, parts in groupby(zip(windows, kept, strict=True), key=lambda part: part[0]["row"]):
            probabilities = np.concatenate([values for _, values in parts])
            found.append(self._text_pieces(texts[row], encodings[row], probabilities))
        return found

    def _text_pieces(self, text: str, encoding: Any, probabilities: NDArray[np.float32]) -> list[Piece]:
        tokenizer = self.source.tokenizer
        knows_words = bool(getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None))
        pieces = []
        for index, scores in zip(_body(encoding), probabilities, strict=True):
            word, (start, end) = encoding.tokens[index], encoding.offsets[index]
            is_unknown = encoding.ids[index] == tokenizer.unk_token_id
            if knows_words:
                is_subword = len(word) != end - start
            else:
                # Of a tokenizer that marks no subwords, only a space tells where a word begins.
                is_subword = start > 0 and " " not in text[start - 1 : start + 1]
            pieces.append(
                Piece(
                    index=index,
                    word=text[start:end] if is_unknown else word,
                    start=start,
                    end=end,
                    is_subword=is_subword and not is_unknown,
                    probabilities=scores,
                )
            )
        return pieces


def _body(encoding: Any) -> range:
    """Return the places of a text's own tokens, between the special ones."""
    own = [place for place, is_special in enumerate(encoding.special_tokens_mask) if not is_special]
    return range(own[0], own[-1] + 1) if own else range(0)


def _labelled_words(predictions: Sequence[TagPrediction]) -> list[list[Token]]:
    """Return the words of each text with their tags, in the form of tokens."""
    return [
        [
            {
                "entity": tag,
                "score": float(score),
                "index": index,
                "word": prediction.text[start:end],
                "start": start,
                "end": end,
            }
            for index, (tag, score, (start, end)) in enumerate(
                zip(prediction.answer, prediction.word_scores, prediction.words, strict=True), start=1
            )
        ]
        for prediction in predictions
    ]


def _slice(text: str, members: Sequence[Token]) -> str:
    return text[members[0]["start"] : members[-1]["end"]]


def _probabilities(outputs: Any, row: int, window: _Pieces) -> NDArray[np.float32]:
    return outputs.logits[row, window["read"]].float().softmax(dim=-1).cpu().numpy()
