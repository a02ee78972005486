"""What the tasks share whose answer is a text that a model writes word by word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.inputs import given_texts
from textgraft.errors import DataError
from textgraft.evaluation.chrf import weighted_chrf
from textgraft.evaluation.exact_match import is_exact
from textgraft.tasks.base import Task, padded_inputs, token_counts
from textgraft.tasks.scoring import Features, Scoring
from textgraft.tokenization.encode import token_ids
from textgraft.tokenization.marked_sentences import SENTENCES, marked_documents, split_at

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.models.generation.decoding import Decoded

CHUNK = 10_000
"""Rows tokenized at once."""


class SourceFeatures(Features, total=False):
    """A source, which has ``input_ids`` or is a vector; ``labels`` are the tokens of its target."""

    vector: list[float]
    """The source itself, where it is no text."""
    writer: PreTrainedTokenizerFast
    """Turns tokens of a target into text."""
    sentences: list[str]
    """Of a source that is read sentence by sentence: the text of each, in the order of its ids."""


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """The text that was written for one row."""

    answer: str
    score: float
    """Geometric mean of its tokens' probabilities, 0 to 1: how sure the model was, not how often right."""
    tokens: int
    """How many were generated for it, the end token included."""
    lost: int
    """Tokens of the source that the model did not read, because it was longer than the model reads."""

    def to_dict(self) -> dict[str, Any]:
        """Return the text, its score, and how much of the source was lost."""
        return {"text": self.answer, "score": round(self.score, 6), "source_tokens_lost": self.lost}

    def numbers(self) -> list[float]:
        """Return the score: other tokens would have another one."""
        return [self.score]


class GenerationTask(Task[SourceFeatures]):
    """A source is read and a target written.

    While a model is trained, its dev rows are scored without writing
    (:class:`textgraft.tasks.generation.teacher_forcing.TeacherForcing`). How it searches for the best target,
    as with how many beams, stands in the model's own ``generation_config``.
    """

    auto_class = "AutoModelForSeq2SeqLM"
    writes = True
    has_probabilities = False
    divides_logits = False
    quality_title = "chrF"
    labels = ()
    search: Callable[[PreTrainedModel, Mapping[str, torch.Tensor]], list[Any]]
    """Finds a target for each source of a batch; by default :func:`write`."""

    def __init__(self) -> None:
        self.search = write

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Make the task; the training rows tell nothing more."""
        known_targets(train)
        return cls()

    def settings(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def configure(self, config: PreTrainedConfig) -> None:
        """Set nothing: the head's outputs are tokens."""

    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Take strings."""
        return Dataset.unlabelled({"source": given_texts(inputs)})

    def targets(self, dataset: Dataset) -> list[list[str]]:
        """Return the right texts of each row."""
        return list(known_targets(dataset))

    def while_training(self) -> Scoring[SourceFeatures]:
        """Return the score of true words, each predicted from the true ones before it."""
        from textgraft.tasks.generation.teacher_forcing import TeacherForcing

        return TeacherForcing(self)

    # From rows to batches and back.

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[SourceFeatures]:
        """Tokenize sources and, where there are targets, the first one of each row; longer ones are cut."""
        from textgraft.tokenization.subword_tokenizer import target_tokenizer

        writer = target_tokenizer(tokenizer)
        features: list[SourceFeatures] = []
        in_sentences = SENTENCES in tokenizer.model_input_names
        for rows in _chunks(dataset):
            if in_sentences:
                features += _in_sentences(rows.texts, tokenizer, max_length)
                continue
            found = token_ids(tokenizer.backend_tokenizer, rows.texts, max_length)
            features += [
                {"input_ids": ids, "lost": length - len(ids), "writer": writer}
                for ids, length in zip(found.ids, found.lengths, strict=True)
            ]
        return self._with_targets(features, dataset, writer, max_length)

    def _with_targets(
        self,
        features: list[SourceFeatures],
        dataset: Dataset,
        writer: PreTrainedTokenizerFast,
        max_length: int,
    ) -> list[SourceFeatures]:
        """Number the windows, and put the targets of rows into them."""
        for row, feature in enumerate(features):
            feature["row"] = row
        if dataset.labels is None:
            return features
        from textgraft.tokenization.subword_tokenizer import target_ids

        start = 0
        for rows in _chunks(dataset):
            gold = self.targets(rows)
            ids = target_ids(writer, [texts[0] for texts in gold], max_length).ids
            for feature, labels, texts in zip(features[start : start + CHUNK], ids, gold, strict=True):
                feature |= {"labels": labels, "gold": texts}
            start += len(rows)
        return features

    def truncated_fraction(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> float:
        """Return the share of the tokens of both sides beyond ``max_length``."""
        from textgraft.tokenization.subword_tokenizer import target_ids, target_tokenizer

        if SENTENCES in tokenizer.model_input_names:  # its targets are not read
            kept, lost = token_counts(self.features(replace(dataset, labels=None), tokenizer, max_length))
            return lost / (kept + lost) if lost else 0.0
        found = [token_ids(tokenizer.backend_tokenizer, dataset.texts, max_length)]
        if dataset.labels is not None:
            firsts = [texts[0] for texts in self.targets(dataset)]
            found.append(target_ids(target_tokenizer(tokenizer), firsts, max_length))
        total = sum(sum(side.lengths) for side in found)
        return 1 - sum(len(ids) for side in found for ids in side.ids) / total if total else 0.0

    def sides(self, feature: SourceFeatures) -> tuple[int, ...]:
        """Return the tokens of the source and, where it is known, of the target."""
        return (len(feature["input_ids"]), len(feature.get("labels", ())))

    def length(self, feature: SourceFeatures) -> int:
        """Return the tokens of both sides."""
        return sum(self.sides(feature))

    def loss_count(self, batch: Mapping[str, torch.Tensor]) -> float:
        """Return the number of tokens that are to be predicted."""
        from textgraft.models.recurrent.teacher_forcing import NOT_PREDICTED

        return float((batch["labels"] != NOT_PREDICTED).sum())

    def collate(self, features: Sequence[SourceFeatures], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a batch of sources and, where they are known, of targets."""
        from textgraft.tasks.generation.teacher_forcing import padded_targets

        return padded_inputs(features, pad_token_id) | padded_targets(features)

    def outputs(self, model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> list[Any]:
        """Write a target for each source, by :attr:`search`."""
        return self.search(model, batch)

    def decode(self, outputs: Any, features: Sequence[SourceFeatures]) -> list[Decoded]:
        """Return what was written for each row."""
        del features
        return list(outputs)

    def predictions(
        self, features: Sequence[SourceFeatures], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[GeneratedText]:
        """Turn tokens into text."""
        del temperature
        if not features:
            return []
        texts = self.written(features, [target.tokens for target in decoded])
        return [
            GeneratedText(
                text,
                target.token_probability,
                target.length,
                feature["lost"],
            )
            for text, target, feature in zip(texts, decoded, features, strict=True)
        ]

    def written(self, features: Sequence[SourceFeatures], tokens: Sequence[list[int]]) -> list[str]:
        """Return what tokens say; a sentence that was taken out of its source as it stands there.

        Args:
            features: Of the rows.
            tokens: What was written for each.
        """
        texts = features[0]["writer"].batch_decode(list(tokens), skip_special_tokens=True) if features else []
        return [
            _as_they_stood(feature, own, text.strip())
            for feature, own, text in zip(features, tokens, texts, strict=True)
        ]

    # Scores.

    def is_right(self, gold: Sequence[str], answer: str) -> bool:
        """Return whether an answer is word for word one of the targets."""
        return is_exact(gold, answer)

    def qualities(self, gold: Sequence[Sequence[str]], answers: Sequence[str]) -> NDArray[np.float64]:
        """Return chrF of each text by itself: of a single one BLEU says nothing, and ROUGE little."""
        one = np.ones((1, 1), dtype=np.float32)
        return np.array(
            [weighted_chrf([texts], [answer], one)[0] for texts, answer in zip(gold, answers, strict=True)]
        )

    def show(self, answer: Any) -> str:
        """Write an answer, or the targets of a row, for people to read."""
        return answer if isinstance(answer, str) else " | ".join(answer)


def known_targets(dataset: Dataset) -> Sequence[list[str]]:
    """Return the targets of a data set.

    Raises:
        DataError: It has none.
    """
    if dataset.labels is None:
        raise DataError(
            "these rows have no targets", where=dataset.source, fix="Name the column of targets with --label."
        )
    return dataset.labels


def write(model: PreTrainedModel, batch: Mapping[str, torch.Tensor], **options: Any) -> list[Decoded]:
    """Write a target for each source of a batch.

    Args:
        model: An encoder–decoder.
        batch: What its encoder takes.
        options: Fields of :class:`~textgraft.models.generation.decoding.DecodingSettings`, in place of those
            of the model's ``generation_config``.
    """
    from textgraft.models.generation.decoding import DecodingSettings, decode_batch

    own = vars(model.generation_config)
    given = {name: own[name] for name in DecodingSettings.__dataclass_fields__ if own.get(name) is not None}
    return decode_batch(model, batch, DecodingSettings(**{**given, **options}))


def reference_count(gold: Sequence[Sequence[str]]) -> int:
    """Return how many targets every row has; 0 where their number varies."""
    counts = {len(texts) for texts in gold}
    return counts.pop() if len(counts) == 1 else 0


def _in_sentences(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> list[SourceFeatures]:
    """Tokenize sources sentence by sentence; none is longer than the tokenizer's model reads at once."""
    return [
        {
            "input_ids": [token for ids in document.ids for token in ids],
            "sentences": document.sentences,
            "lost": document.lost,
            "writer": tokenizer,
        }
        for document in marked_documents(
            tokenizer.backend_tokenizer, texts, max_length, tokenizer.model_max_length
        )
    ]


def _as_they_stood(feature: SourceFeatures, tokens: Sequence[int], text: str) -> str:
    """Return the sentences of a source that tokens are of, as they stand in it; else ``text``."""
    sentences = feature.get("sentences")
    if sentences is None:
        return text
    from textgraft.tokenization.subword_tokenizer import start_and_end

    start, end = start_and_end(feature["writer"])
    named: dict[tuple[int, ...], str] = {}
    for ids, sentence in zip(split_at(feature["input_ids"], start), sentences, strict=False):
        named.setdefault(tuple(token for token in ids if token not in (start, end)), sentence)
    parts = [tuple(token for token in ids if token != start) for ids in split_at(tokens, start)]
    # More may be told of a sentence than its tokens say: its capitals, its spaces.
    return " ".join(named[part] for part in parts) if all(part in named for part in parts) else text


def _chunks(dataset: Dataset) -> Iterable[Dataset]:
    for start in range(0, len(dataset), CHUNK):
        yield dataset.select(range(start, min(start + CHUNK, len(dataset))))
