"""All choices of a pre-training run and of a distillation, each in one checked record."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypedDict, get_args

from pydantic import Field

from textgraft.errors import OptionError, unknown
from textgraft.models.pooling import POOLINGS
from textgraft.models.recurrent.encoder import CELLS
from textgraft.pretraining.architectures import ARCHITECTURES, Architecture, ObjectiveName, those
from textgraft.pretraining.corpus.corpus import Documents
from textgraft.pretraining.corpus.tokens import Unit
from textgraft.pretraining.cost import MACHINES
from textgraft.pretraining.sizes import SIZES
from textgraft.settings import Checked, Seconds
from textgraft.training.settings import Fraction, Positive, TrainingSettings

STUDENTS = ("layers", *CELLS)
"""What learns from a teacher: some of its layers, or a recurrent network."""


class PretrainConfig(Checked):
    """All that a pre-training run depends on besides the corpus.

    Raises:
        OptionError: A key does not exist (the nearest is suggested), a value is of the wrong kind, or two of
            them contradict each other.
    """

    kind: ClassVar[str] = "option"

    arch: str = "bert"
    """"bert", "roberta", "gpt", "lstm", "gru" or "rnn"."""
    size: str = "tiny"
    """"tiny", "mini", "small", "medium", "base" or "large"."""
    budget: Seconds | None = None
    """Seconds of training; the learning rate's schedule ends with them."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens to train on. Unlike a time, it makes a run that can be repeated exactly."""
    vocabulary_size: Annotated[int, Field(ge=1)] = 16_000
    max_length: Annotated[int, Field(ge=8)] = 128
    """Tokens of a sequence, and positions of a Transformer."""
    short_length: Annotated[int, Field(ge=8)] | None = None
    """Tokens of a sequence in the first nine tenths of the training; for bert and roberta."""
    characters: bool = False
    """Whether a token is a character; for gpt and the recurrent ones."""
    lowercase: bool = True
    """Whether case is ignored; for bert and the recurrent ones."""
    whole_word_masking: bool = False
    """Whether all pieces of a word are masked together; for bert and roberta."""
    bidirectional: bool = False
    """Whether a recurrent model is a pair, one for each direction."""
    dropout: Fraction = 0.1
    dev: str | None = None
    """A corpus of its own to hold out; otherwise a share of the documents."""
    text: str | None = None
    """The column with the text, where the corpus is a table."""
    documents: Documents = "blank-lines"
    """"files" makes each .txt file one document."""
    machine: str | None = None
    """A machine of :data:`~textgraft.pretraining.cost.MACHINES` whose price is taken."""
    price: Positive | None = None
    """US dollars an hour of this machine, in place of that."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    keep: Annotated[int, Field(ge=1)] = 2
    """Checkpoints on disk."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Of :class:`~textgraft.training.settings.TrainingSettings`, in place of the usual ones."""

    def model_post_init(self, context: Any) -> None:
        """Refuse what the types cannot tell."""
        del context
        for name, known in (("arch", ARCHITECTURES), ("size", SIZES), ("machine", MACHINES)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise unknown(name, value, known, where=f"--{name}")
        meant: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("characters", those(lambda one: one.reads_characters)),
            ("whole_word_masking", those(lambda one: one.objective == "masked")),
            ("short_length", those(lambda one: one.objective == "masked")),
            ("bidirectional", those(lambda one: one.objective == "recurrent")),
        )
        for name, able in meant:
            if getattr(self, name) and self.arch not in able:
                raise OptionError(
                    f"{self.arch} has no {name.replace('_', ' ')}",
                    where=f"--{name.replace('_', '-')}",
                    fix=f"It is for {', '.join(able)}.",
                )
        if self.short_length is not None and self.short_length >= self.max_length:
            raise OptionError(
                f"{self.short_length} tokens are not shorter than {self.max_length}",
                where="--short-length",
                fix="Give less than --max-length.",
            )
        TrainingSettings(**self.settings)
        for name in ("seed", "keep", "max_seconds", "max_steps"):
            if name in self.settings:
                raise OptionError(
                    f"{name} is no setting here",
                    where="settings",
                    fix="Give --seed, --keep, --budget or --tokens.",
                )

    @property
    def architecture(self) -> Architecture:
        """All that is to be known of the architecture."""
        return ARCHITECTURES[self.arch]

    @property
    def objective(self) -> ObjectiveName:
        """What the model learns to predict, and how."""
        return self.architecture.objective


class PretrainOptions(TypedDict, total=False):
    """The keys of :class:`PretrainConfig`, which describes and checks them, as keywords of a call."""

    arch: str
    size: str
    budget: float | str | None
    tokens: int | None
    vocabulary_size: int
    max_length: int
    short_length: int | None
    characters: bool
    lowercase: bool
    whole_word_masking: bool
    bidirectional: bool
    dropout: float
    dev: str | None
    text: str | None
    documents: Documents
    machine: str | None
    price: float | None
    seed: int
    keep: int
    settings: dict[str, Any]


class DistillConfig(Checked):
    """All that a distillation depends on besides the teacher and the corpus.

    Raises:
        OptionError: A key does not exist (the nearest is suggested), or a value cannot be used.
    """

    kind: ClassVar[str] = "option"

    student: str = "layers"
    """One of :data:`STUDENTS`."""
    layers: Annotated[int, Field(ge=1)] | None = None
    """Of the student of layers; every other one of the teacher's if None."""
    embedding_size: Annotated[int, Field(ge=1)] = 128
    """Width of a recurrent student's embedding matrix."""
    pooling: str = "mean"
    """How encodings are made of hidden states: "mean", "cls" or "max"."""
    unit: str = "sentences"
    """What a text is, where encodings are learned: "sentences", or "text" for whole documents or rows."""
    texts: Annotated[int, Field(ge=1)] | None = None
    """Texts to learn the encodings of at most, drawn at random; None takes all."""
    text: str | None = None
    """The column with the text, where the corpus is a table."""
    max_length: Annotated[int, Field(ge=4)] | None = None
    """Tokens read of a text; the teacher's own limit, or 128 where words are guessed, if None."""
    revision: str | None = None
    """Of a Hub id."""
    budget: Seconds | None = None
    """Seconds of training, after the teacher has read the texts."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    settings: dict[str, Any] = Field(default_factory=dict)
    """Of :class:`~textgraft.training.settings.TrainingSettings`, in place of the usual ones."""

    def model_post_init(self, context: Any) -> None:
        """Refuse what the types cannot tell."""
        del context
        for name, known in (("student", STUDENTS), ("unit", get_args(Unit)), ("pooling", POOLINGS)):
            value = getattr(self, name)
            if value not in known:
                raise unknown(name, value, known, where=f"--{name}")
        self.training  # noqa: B018  refuses settings that do not exist

    @property
    def training(self) -> TrainingSettings:
        """How the student is trained. A recurrent one begins with nothing but its embedding matrix."""
        usual = {
            "learning_rate": 2e-4 if self.student == "layers" else 2e-3,
            "batch_size": 64,
            "max_tokens": 4096,
            "epochs": 3,
            "evaluations_per_epoch": 4,
            "patience": None,
            "seed": self.seed,
            "max_seconds": self.budget,
        }
        return TrainingSettings(**{**usual, **self.settings})
