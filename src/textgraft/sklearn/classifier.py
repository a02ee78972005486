"""Any contender of a comparison as a scikit-learn classifier."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from textgraft.data.dataset import Dataset, RowNumbers
from textgraft.data.splits import Splits, nested_subsets
from textgraft.errors import OptionError
from textgraft.settings import real_number
from textgraft.sklearn.texts import as_texts

if TYPE_CHECKING:
    from textgraft.inference.row_predictor import RowPredictor


class TextClassifier(ClassifierMixin, BaseEstimator):
    """A contender, trained on texts and their labels.

    ``fit`` sets a part of the rows aside as dev rows: they end training early, choose the best epoch and
    calibrate the probabilities. The contender learns from the others, with the first configuration of its
    grid unless ``settings`` say otherwise. To have its test scores, its costs and a model directory, use
    :func:`textgraft.train`.

    Args:
        contender: As "tfidf", "lstm", "bert-frozen" or "bert-finetuned"; a wrong name lists all.
        encoder: "bundled", a local directory or a Hub id.
        revision: Of a Hub id.
        prompt: What the encoder reads before every text; "" for none, None for its default.
        max_length: Tokens a text is cut to; the contender's own limit if None.
        freeze_layers: Lower layers of the encoder that stay as they are.
        vectors: File of word vectors that a recurrent contender begins with.
        language_model: Folder of a recurrent language model, for contenders that begin with one.
        describe: Table of what labels mean, for contenders that know them by nothing else.
        settings: Of the contender's model and of the training loop, in place of the usual ones.
        dev_fraction: Fraction of the rows of ``fit`` that are dev rows; at least one of every label that has
            three.
        budget: Time for training, in seconds or as "10m".
        random_state: Of weights, dropout, order and dev rows: a number, a generator, or None for chance.

    Attributes:
        classes_: The labels, sorted, [labels].
        predictor_: The trained model, a :class:`~textgraft.inference.row_predictor.RowPredictor`; its labels
            are those of ``classes_`` as strings.
        dev_metrics_: Its scores on the dev rows.
    """

    def __init__(
        self,
        contender: str = "tfidf",
        *,
        encoder: str | Path = "bundled",
        revision: str | None = None,
        prompt: str | None = None,
        max_length: int | None = None,
        freeze_layers: int | None = None,
        vectors: str | Path | None = None,
        language_model: str | Path | None = None,
        describe: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        dev_fraction: float = 0.1,
        budget: float | str | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.contender = contender
        self.encoder = encoder
        self.revision = revision
        self.prompt = prompt
        self.max_length = max_length
        self.freeze_layers = freeze_layers
        self.vectors = vectors
        self.language_model = language_model
        self.describe = describe
        self.settings = settings
        self.dev_fraction = dev_fraction
        self.budget = budget
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:  # noqa: N803  scikit-learn's own name
        """Train on texts and their labels.

        Args:
            X: Texts.
            y: One label for each, [texts].

        Raises:
            ValueError: There is no label for each text, or all have one label.
            OptionError: A parameter is unknown or out of range, or an entry is no text.
            ModelError: The encoder is missing or damaged.
        """
        from textgraft.comparison.contenders.registry import trained_contender
        from textgraft.comparison.preparing import Material, choose
        from textgraft.comparison.running.trials import GOLDEN_ROWS, fit_once
        from textgraft.comparison.settings import TrainConfig
        from textgraft.comparison.train import training_rows
        from textgraft.tasks.text.classification import SingleLabelClassification

        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        texts, target = as_texts(X), column_or_1d(y, warn=True)
        check_consistent_length(texts, target)
        check_classification_targets(target)
        classes, codes = np.unique(target, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"{type(self).__name__} needs two classes, and all are {str(classes[0])!r}")
        names = list(map(str, classes))
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31)
        config = TrainConfig.model_validate(
            {
                "task": SingleLabelClassification.name,
                "contender": self.contender,
                "encoder": self.encoder,
                "revision": self.revision,
                "prompt": self.prompt,
                "max_length": self.max_length,
                "freeze_layers": self.freeze_layers,
                "vectors": self.vectors,
                "language_model": self.language_model,
                "describe": self.describe,
                "budget": self.budget,
                "seed": int(seed),
                "settings": self.settings or {},
            }
        )
        rows = _rows(texts, [names[code] for code in codes])
        entrants = choose(rows, config, lambda task: [trained_contender(config.contender, task)], _silent)
        (contender,) = entrants.contenders
        settings = contender.configured({**contender.grid[0].given(), **config.settings})
        train, dev = _divided(rows, self.dev_fraction, config.seed)
        train = training_rows(contender, train, config.seed)
        task = SingleLabelClassification(names)
        material = Material(entrants, task, Splits(train, dev, dev), rows, config.max_length)
        job = material.job(contender, train, dev, config.seed, max_seconds=config.budget)
        found = fit_once(contender, job, settings)
        found.predictor.calibrate(found.temperature, dev.select(range(min(GOLDEN_ROWS, len(dev)))))
        self.predictor_: RowPredictor = found.predictor
        self.dev_metrics_: dict[str, float] = found.dev_metrics
        self.classes_: NDArray[Any] = classes
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the label of each text, [texts].

        Raises:
            NotFittedError: It was not trained.
            OptionError: An entry is no text.
        """
        check_is_fitted(self, "predictor_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the probability of every label, [texts, labels], in the order of ``classes_``.

        Raises:
            NotFittedError: It was not trained.
            OptionError: An entry is no text.
        """
        check_is_fitted(self, "predictor_")
        texts = as_texts(X)
        if not texts:
            return np.zeros((0, len(self.classes_)))
        found = self.predictor_.predict_proba(texts).astype(np.float64)
        return found / found.sum(axis=1, keepdims=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _silent(note: str) -> None:
    del note


def _rows(texts: Sequence[str], labels: Sequence[str]) -> Dataset:
    numbers = array("q", range(1, 1 + len(texts)))
    return Dataset(
        {"text": list(texts)},
        list(labels),
        RowNumbers(numbers),
        numbers,
        "the given texts",
        label_column="label",
    )


def _divided(rows: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Draw the dev rows, from labels that leave two rows to learn from; all rows where there are none.

    Raises:
        OptionError: The fraction is none.
    """
    fraction = real_number(fraction, "dev_fraction")
    if not 0 < fraction < 1:
        raise OptionError(
            f"dev_fraction is {fraction:g}", where="dev_fraction", fix="Give a number between 0 and 1."
        )
    strata = rows.strata
    counts = Counter(strata)
    spare = [row for row, label in enumerate(strata) if counts[label] > 2]
    wanted = min(max(round(fraction * len(rows)), len({strata[row] for row in spare})), len(spare) // 3)
    if wanted < 1:
        return rows, rows
    drawn = nested_subsets([strata[row] for row in spare], [wanted], seed)[wanted]
    dev = {spare[place] for place in drawn}
    return rows.select([row for row in range(len(rows)) if row not in dev]), rows.select(sorted(dev))
