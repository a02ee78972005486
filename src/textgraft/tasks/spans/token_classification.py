"""A tag for each word: names, places, slots, and whatever else begins and ends within a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.inputs import as_given_text, given_inputs
from textgraft.data.read_options import ReadOptions, read_options
from textgraft.data.readers.tagged import read_tagged
from textgraft.data.readers.tagging import find_tagging
from textgraft.data.tag_schemes import OUTSIDE, allowed_transitions, best_tags, entities, repaired
from textgraft.data.words import Words, cut_words, joined
from textgraft.errors import DataError, OptionError, nearest
from textgraft.evaluation.calibration import fit_temperature
from textgraft.evaluation.confusions import NOTHING, entity_confusions
from textgraft.evaluation.label_scores import LabelCounts, set_f1
from textgraft.evaluation.spans import METRICS, weighted_span_metrics
from textgraft.tasks.base import Features, Task, padded, padded_inputs
from textgraft.tasks.sketch import Evidence, Guess, Sketch
from textgraft.tasks.spans.word_windows import word_windows
from textgraft.tokenization.word_shapes import WORD_SHAPES, shapes_in_context
from textgraft.tokenization.words import NO_LABEL, Subwords
from textgraft.wording import counted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Entity:
    """A part of a text, and what it is."""

    type: str
    start: int
    """First character, counted from 0."""
    end: int
    """One past the last character."""
    text: str
    score: float
    """Mean probability of the tags of its words, 0 to 1."""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "type": self.type,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "score": round(self.score, 6),
        }


@dataclass(frozen=True, slots=True)
class TagPrediction:
    """The tags of the words of one text."""

    text: str
    words: Words
    """Start and end of each word in the text, in characters."""
    answer: list[str]
    """A BIO tag for each word."""
    word_scores: NDArray[np.float32]
    """Probability of each word's tag as the model gave it, [words]."""
    probabilities: NDArray[np.float32]
    """Probability of every tag for each word, [words, tags], in the task's order."""

    @property
    def score(self) -> float:
        """Probability of the least sure tag: the answer is right only if all of them are."""
        return float(self.word_scores.min(initial=1.0))

    @property
    def entities(self) -> list[Entity]:
        """What the tags name, with exact places in the text."""
        found = []
        for kind, first, last in entities(self.answer):
            start, end = self.words[first][0], self.words[last - 1][1]
            score = float(self.word_scores[first:last].mean())
            found.append(Entity(kind, start, end, self.text[start:end], score))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the tags, the words they belong to, the entities and the score."""
        return {
            "tags": self.answer,
            "words": [self.text[start:end] for start, end in self.words],
            "entities": [entity.to_dict() for entity in self.entities],
            "score": round(self.score, 6),
        }

    def numbers(self) -> list[float]:
        """Return the probability of every tag for each word, word by word."""
        return [float(value) for value in self.probabilities.ravel()]


class WordFeatures(Features, total=False):
    """A window of whole words."""

    text: str
    """All of it."""
    words: Words
    """Start and end in it of each of its words, in characters."""
    read_at: list[int]
    """Places in ``input_ids`` where the words begin whose tags are read from this window."""
    word_mask: list[int]
    """1 at the first token of a word, else 0; for models that ask for it."""
    character_ids: list[list[int]]
    """Of the word that begins at each token, [0] where none does; likewise."""
    word_shapes: list[int]
    """How that word and its neighbours are written, 0 where none begins; likewise."""


class TagScores(NamedTuple):
    """What is kept of a model's outputs for the words that a window answers for."""

    logits: NDArray[np.float32]
    """[words, tags]."""
    tags: NDArray[np.int64] | None
    """The model's own best sequence [words], from models that know of one."""


class TokenClassification(Task[WordFeatures]):
    """Every word has one of a fixed list of BIO tags.

    Models read the tag of a word at its first token. Texts longer than a model reads are cut into windows
    that overlap, and each word is answered for by the window that has most context for it.

    Args:
        labels: All tags, in the order of the model's outputs: O, and B- and I- of each type.
    """

    name = "token-classification"
    main_metric = "f1"
    metric_names = METRICS
    metric_titles: ClassVar[Mapping[str, str]] = {"f1": "F1"}
    auto_class = "AutoModelForTokenClassification"
    pipeline = "token-classification"
    quality_title = "F1 of a row"
    has_offsets = True

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: index for index, label in enumerate(self.labels)}
        self._allowed = allowed_transitions(self.labels)

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read CoNLL columns, or JSON Lines of words and tags or of texts and spans; see ``read_tagged``."""
        return read_tagged(source, **read_options(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take CoNLL columns, and tables of words and tags or of texts and spans."""
        if sketch.is_conll:
            return Guess(cls.name, "its lines are words with tags", Evidence.FORM)
        found = find_tagging(sketch.sample, sketch.wanted) if sketch.columns else None
        if found is None or found.label is None or not sketch.allows([found.text], [found.label]):
            return None
        if found.form == "spans":
            return Guess(cls.name, f"{found.label!r} holds parts of {found.text!r}", Evidence.NAMES)
        return Guess(cls.name, f"{found.text!r} and {found.label!r} hold words and their tags", Evidence.FITS)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Take the types of the training rows, in alphabetical order, with a B- and an I- for each."""
        types = sorted({kind for tags in train.labels or () for kind, _, _ in entities(tags)})
        if not types:
            raise DataError(
                "no word of the training rows has a tag other than O",
                where=train.source,
                fix="Give rows in which something is tagged.",
            )
        return cls([OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in "BI")])

    def settings(self) -> dict[str, Any]:
        """Return the tags."""
        return {"labels": list(self.labels)}

    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Take texts, which are cut at white space and punctuation, or lists of words."""
        texts, words = [], []
        for position, given in enumerate(given_inputs(inputs)):
            if isinstance(given, str):
                text, places = given, None
            elif isinstance(given, list | tuple) and all(isinstance(word, str) and word for word in given):
                text, places = joined(given)
            else:
                raise OptionError(
                    f"input {position} is neither a text nor a list of words: {str(given)[:80]!r}",
                    fix="Give strings, or lists of strings that are not empty.",
                )
            texts.append(as_given_text(position, text, "input"))
            words.append(cut_words(text) if places is None else places)
        return Dataset.unlabelled({"text": texts, "words": words})

    def targets(self, dataset: Dataset) -> list[list[str]]:
        """Return the tags of each row's words."""
        if dataset.labels is None:
            raise DataError(
                "the words of these rows have no tags", where=dataset.source, fix="Give a file with tags."
            )
        known = set(self.labels)
        for row, (tags, words, line) in enumerate(
            zip(dataset.labels, dataset.columns["words"], dataset.lines, strict=True)
        ):
            where = dataset.place(line)
            if len(tags) != len(words):
                raise DataError(
                    f"{counted(len(words), 'word')} and {counted(len(tags), 'tag')}",
                    where=where,
                    fix="Give every word one tag.",
                )
            for tag, (start, end) in zip(tags, words, strict=True):
                if tag not in known:
                    guess = nearest(tag, self.labels)
                    word = dataset.columns["text"][row][start:end]
                    raise DataError(
                        f"tag {tag!r} of {word!r} does not occur in the training rows",
                        where=where,
                        fix=(f"Did you mean {guess!r}? " if guess else "")
                        + "Correct the tag, remove the row, or add training rows with it.",
                    )
        return [list(tags) for tags in dataset.labels]

    def sole_target(self, gold: Sequence[Sequence[str]]) -> str | None:
        """Return the tag that all words of all rows have; None where they differ."""
        tags = {tag for row in gold for tag in row}
        return tags.pop() if len(tags) == 1 else None

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[WordFeatures]:
        """Cut the rows into windows of whole words.

        ``word_mask``, ``character_ids`` and ``word_shapes`` come along where the tokenizer's
        ``model_input_names`` ask for them.
        """
        targets = None if dataset.labels is None else self.targets(dataset)
        cut = [
            [text[start:end] for start, end in places]
            for text, places in zip(dataset.columns["text"], dataset.columns["words"], strict=True)
        ]
        subwords = Subwords(tokenizer, max_length, chain.from_iterable(cut))
        wanted = set(tokenizer.model_input_names)
        features: list[WordFeatures] = []
        for row, (text, places) in enumerate(
            zip(dataset.columns["text"], dataset.columns["words"], strict=True)
        ):
            words = cut[row]
            for window in word_windows([len(subwords[word]) for word in words], subwords.room):
                ids, starts = list(subwords.before), []
                for word in words[window.start : window.stop]:
                    starts.append(len(ids))
                    ids += subwords[word]
                ids += subwords.after
                read = slice(window.first - window.start, window.last - window.start)
                feature: WordFeatures = {
                    "input_ids": ids,
                    "row": row,
                    "text": text,
                    "words": places,
                    "read_at": starts[read],
                }
                if "word_mask" in wanted:
                    feature["word_mask"] = _spread([1] * len(starts), starts, len(ids), 0)
                if "character_ids" in wanted:
                    from textgraft.models.recurrent.characters import character_ids

                    characters = [character_ids(word) for word in words[window.start : window.stop]]
                    feature["character_ids"] = _spread(characters, starts, len(ids), [0])
                if WORD_SHAPES in wanted:
                    shapes = shapes_in_context(words[window.start : window.stop])
                    feature["word_shapes"] = _spread(shapes, starts, len(ids), 0)
                if targets is not None:
                    # Where a window begins within an entity, it begins there as far as the model can see.
                    tags = repaired(targets[row][window.start : window.stop])
                    indices = [self._index[tag] for tag in tags]
                    feature["labels"] = _spread(indices, starts, len(ids), NO_LABEL)
                    feature["gold"] = targets[row]
                features.append(feature)
        return features

    def collate(self, features: Sequence[WordFeatures], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a right-padded batch: the inputs, and labels [batch, time] if known."""
        batch = padded_inputs(features, pad_token_id)
        if "word_mask" in features[0]:
            batch["word_mask"] = padded([feature["word_mask"] for feature in features], 0)
        if WORD_SHAPES in features[0]:
            batch[WORD_SHAPES] = padded([feature["word_shapes"] for feature in features], 0)
        if "labels" in features[0]:
            batch["labels"] = padded([feature["labels"] for feature in features], NO_LABEL)
        if "character_ids" in features[0]:
            time = batch["input_ids"].shape[1]
            tokens = [
                token
                for feature in features
                for token in feature["character_ids"] + [[0]] * (time - len(feature["input_ids"]))
            ]
            batch["character_ids"] = padded(tokens, 0).unflatten(0, (len(features), time))
        return batch

    def loss_count(self, batch: Mapping[str, torch.Tensor]) -> float:
        """Return the number of words that have a tag."""
        return float((batch["labels"] != NO_LABEL).sum())

    def decode(self, outputs: Any, features: Sequence[WordFeatures]) -> list[TagScores]:
        """Return logits, and ``tags`` where the model gives them, of the words each window answers for."""
        found = [
            self.of_tokens(row, feature)
            for row, feature in zip(outputs["logits"].float().cpu().numpy(), features, strict=True)
        ]
        if "tags" not in outputs:
            return found
        tags = outputs["tags"].cpu().numpy()
        return [
            scores._replace(tags=row[feature["read_at"]])
            for scores, row, feature in zip(found, tags, features, strict=True)
        ]

    def of_tokens(self, logits: NDArray[np.float32], feature: WordFeatures) -> TagScores:
        """Keep of a window's logits [time, tags] those of the words that it answers for."""
        return TagScores(logits[feature["read_at"]], None)

    def predictions(
        self, features: Sequence[WordFeatures], decoded: Sequence[TagScores], temperature: float = 1.0
    ) -> list[TagPrediction]:
        """Take the model's best sequence, or for each word the most probable tag that may stand there.

        What breaks where windows of a best sequence meet is mended as conlleval reads it.
        """
        found = []
        windows = zip(features, decoded, strict=True)
        for _, group in groupby(windows, key=lambda window: window[0]["row"]):
            parts, scores = zip(*group, strict=True)
            logits = np.concatenate([score.logits for score in scores])
            probabilities = softmax(logits / temperature, axis=1).astype(np.float32)
            if scores[0].tags is None:
                best = best_tags(logits, self._allowed)
            else:
                best = np.concatenate([score.tags for score in scores])
            found.append(
                TagPrediction(
                    parts[0]["text"],
                    parts[0]["words"],
                    repaired([self.labels[index] for index in best]),
                    probabilities[np.arange(len(best)), best],
                    probabilities,
                )
            )
        return found

    def weighted_metrics(
        self, gold: Sequence[Any], answers: Sequence[Any], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score as conlleval and seqeval do: precision, recall and F1 of entities, accuracy of tags."""
        return weighted_span_metrics(gold, answers, weights)

    def evidence(self, gold: Sequence[Any]) -> Mapping[str, float]:
        """Count the entities that precision, recall and F1 rest on."""
        found = sum(len(entities(tags)) for tags in gold)
        return dict.fromkeys(("f1", "precision", "recall"), float(found) if found > 1 else 0.0)

    def qualities(self, gold: Sequence[Any], answers: Sequence[Any]) -> NDArray[np.float64]:
        """Return the F1 of each row's entities; 1 where it has none and was given none."""
        return set_f1([entities(tags) for tags in gold], [entities(tags) for tags in answers])

    @property
    def types(self) -> tuple[str, ...]:
        """What entities can be, in the order of the tags."""
        return tuple(dict.fromkeys(kind for label in self.labels for kind, _, _ in entities([label])))

    def confusion(
        self, gold: Sequence[Any], answers: Sequence[Any]
    ) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Count entities by their type and that of the same words in the answer."""
        return (*self.types, NOTHING), entity_confusions(gold, answers, self.types)

    def label_counts(self, gold: Sequence[Any], answers: Sequence[Any]) -> LabelCounts:
        """Return the types of the entities that each row has, was given, and has exactly right."""
        place = {kind: number for number, kind in enumerate(self.types)}
        there, found = ([set(entities(tags)) for tags in side] for side in (gold, answers))
        both = [true & given for true, given in zip(there, found, strict=True)]
        return LabelCounts(
            self.types,
            *([[place[kind] for kind, _, _ in sorted(row)] for row in side] for side in (there, found, both)),
        )

    def temperature(
        self, gold: Sequence[Any], features: Sequence[WordFeatures], decoded: Sequence[TagScores]
    ) -> float:
        """Fit temperature scaling on the tags of all words; those of a sentence are one row of evidence."""
        del features  # the windows' words, in order, are those of the rows
        logits = np.concatenate([score.logits for score in decoded])
        index = np.array([self._index[tag] for tags in gold for tag in tags])
        return fit_temperature(logits, index, rows=len(gold))


def _spread(values: Sequence[Any], places: Sequence[int], length: int, filling: Any) -> list[Any]:
    """Return ``length`` times ``filling``, but for the values at their places."""
    spread = [filling] * length
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return spread
