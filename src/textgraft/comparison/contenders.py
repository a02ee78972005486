"""Who competes. A new contender is one entry in CONTENDERS: a name, the settings tried, and its recipe.

Every contender gets the same rows, the same number of settings to try on the same dev rows, and early
stopping by the same rule, so that none is a strawman.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textgraft.data.dataset import Dataset
from textgraft.errors import unknown
from textgraft.models.encoders import EncoderSource

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.tasks.classification import SingleLabelClassification
    from textgraft.training.loop import Progress

Settings = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What a contender is fitted on."""

    train: Dataset
    dev: Dataset
    task: SingleLabelClassification
    seed: int
    encoder: EncoderSource | None
    """For the BERT contenders; None where none of them competes."""
    max_length: int | None = None
    """Tokens a text is cut to; None leaves each contender its own limit."""
    max_seconds: float | None = None
    on_step: Callable[[Progress], None] | None = None

    def targets(self, dataset: Dataset) -> list[int]:
        """Return the label indices of a labelled data set."""
        return self.task.targets(dataset)


@dataclass(frozen=True)
class Fitted:
    """A trained contender."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_length: int
    epochs: float = 1.0
    stopped_by: str = "closed form"
    history: list[dict[str, float]] = field(default_factory=list)
    cached_seconds: float = 0.0
    """Seconds of work that a cache saved and that training from raw text would have cost."""


@dataclass(frozen=True)
class Contender:
    """One entry of a comparison."""

    name: str
    title: str
    recipe: str
    """A function of comparison/recipes.py, named so that this table can be read without loading torch."""
    grid: tuple[Settings, ...]
    """The settings tried, most promising first; the tuning budget says how many of them."""
    options: Settings = field(default_factory=dict)
    """Fixed arguments of the recipe, as the recurrent cell."""
    needs_encoder: bool = False
    expected_epochs: float = 1.0
    """How long a typical run is before early stopping ends it, for the plan's estimate."""

    def fit(self, job: Job, settings: Settings) -> Fitted:
        """Train on ``job`` with one of the settings."""
        from textgraft.comparison import recipes

        recipe: Callable[..., Fitted] = getattr(recipes, self.recipe)
        return recipe(job, settings, **self.options)


_RECURRENT_BASE: Settings = {
    "embedding_size": 128,
    "hidden_size": 128,
    "num_layers": 1,
    "dropout": 0.4,
    "embedding_dropout": 0.3,
    "epochs": 20,
    "patience": 4,
    "batch_size": 32,
}
_RECURRENT_GRID: tuple[Settings, ...] = (
    {**_RECURRENT_BASE, "learning_rate": 2e-3},
    {**_RECURRENT_BASE, "learning_rate": 5e-3, "embedding_dropout": 0.5},
    {**_RECURRENT_BASE, "learning_rate": 1e-3, "dropout": 0.2, "embedding_dropout": 0.1},
)
_FINETUNING_BASE: Settings = {"epochs": 8, "patience": 2, "batch_size": 16}

CONTENDERS: Mapping[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("majority", "most frequent label", "majority", ({},)),
        Contender("tfidf", "TF-IDF + logistic regression", "tfidf", ({"c": 10.0}, {"c": 100.0}, {"c": 1.0})),
        Contender("rnn", "Elman RNN", "recurrent", _RECURRENT_GRID, {"cell": "rnn"}, expected_epochs=12),
        Contender(
            "gru", "BiGRU with attention", "recurrent", _RECURRENT_GRID, {"cell": "gru"}, expected_epochs=12
        ),
        Contender(
            "lstm",
            "BiLSTM with attention",
            "recurrent",
            _RECURRENT_GRID,
            {"cell": "lstm"},
            expected_epochs=12,
        ),
        Contender(
            "bert-frozen",
            "BERT encodings + shallow network",
            "bert_frozen",
            ({"c": 10.0}, {"c": 1.0}, {"hidden_size": 128}),
            needs_encoder=True,
        ),
        Contender(
            "bert-finetuned",
            "BERT fine-tuned",
            "bert_finetuned",
            (
                {**_FINETUNING_BASE, "learning_rate": 1e-4},
                {**_FINETUNING_BASE, "learning_rate": 3e-4},
                {**_FINETUNING_BASE, "learning_rate": 3e-5},
            ),
            needs_encoder=True,
            expected_epochs=5,
        ),
    )
}
DEFAULT_CONTENDERS = ("tfidf", "lstm", "bert-frozen", "bert-finetuned")


def choose_contenders(names: Sequence[str]) -> list[Contender]:
    """Return the contenders of these names, in order and once each.

    Raises:
        OptionError: A name is unknown.
    """
    for name in names:
        if name not in CONTENDERS:
            raise unknown("contender", name, CONTENDERS, where="--contenders")
    return [CONTENDERS[name] for name in dict.fromkeys(names)]
