"""What the user can choose of a comparison and of a training: the commands' options, checked at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from textgraft.comparison.records.preferences import Preferences
from textgraft.errors import OptionError
from textgraft.evaluation.promises import Target
from textgraft.settings import Seconds
from textgraft.tasks.named import FilePath, RowSettings


def _names(value: Any) -> Any:
    """Take "a,b" as a list of names."""
    names = _parts(value) if isinstance(value, str) else value
    if isinstance(names, list | tuple) and not names:
        raise OptionError("no contender is named", where="--contenders", fix="Name at least one.")
    return names


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


ALL = 10**9
"""As a size: all rows."""


def _numbers(value: Any, option: str, example: str) -> Any:
    """Take "100,300" as a list of numbers, ascending and each once; a size may be "all"."""
    if value is None:
        return None
    if isinstance(value, str):
        value = _parts(value)
    elif not isinstance(value, Iterable):
        value = [value]
    found = set()
    for part in value:
        text = str(part).replace("_", "")
        if not text.isdecimal() and (option, text) != ("--sizes", "all"):
            raise OptionError(
                f"{part!r} is not a whole number", where=option, fix=f"Write {option} {example}."
            )
        found.add(ALL if text == "all" else int(text))
    return sorted(found) or None


def _sizes(value: Any) -> Any:
    return _numbers(value, "--sizes", "100,300,1000")


def _shots(value: Any) -> Any:
    return _numbers(value, "--shots", "4,8,16")


def _several(value: Any) -> Any:
    """Take one encoder as a list of one."""
    return [value] if isinstance(value, str | Path) else list(value) if isinstance(value, tuple) else value


Encoders = Annotated[list[FilePath], BeforeValidator(_several), Field(min_length=1)]
Names = Annotated[list[str], BeforeValidator(_names)]
Sizes = Annotated[list[Annotated[int, Field(ge=2)]] | None, BeforeValidator(_sizes)]
Prompts = Annotated[list[str] | None, BeforeValidator(_several)]
Count = Annotated[int, Field(ge=1)]
Shots = Annotated[list[Count] | None, BeforeValidator(_shots)]


class SetupSettings(RowSettings):
    """What a comparison and a single training have in common: the rows, and what models begin with.

    Raises:
        OptionError: A key does not exist (the nearest is suggested), or a value cannot be used.
    """

    revision: str | None = None
    prompt: Prompts = None
    """What encoders read before every text; of one of several as "mpnet=query: "."""
    max_length: Annotated[int, Field(ge=4)] | None = None
    """Tokens a text is cut to; each contender's own limit if left out."""
    freeze_layers: Annotated[int, Field(ge=0)] | None = None
    """Lower layers of the encoder that every configuration leaves as they are; as each has it if left out."""
    vectors: FilePath | None = None
    """File of word vectors that a recurrent contender begins with."""
    language_model: FilePath | None = None
    """Folder of a recurrent language model, for contenders that begin with one."""
    describe: FilePath | None = None
    """Table of what labels mean, for contenders that know them by nothing else."""
    llm: str | None = None
    """URL of an OpenAI-compatible server, for a contender that asks a language model."""
    llm_model: str | None = None
    """As that server calls it."""
    llm_examples: Annotated[int, Field(ge=0, le=100)] = 8
    """Training rows that it is shown, beside being asked without any."""
    llm_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Questions under way at a time."""
    budget: Seconds | None = None
    """Seconds that the call may take."""
    precision: float | None = None
    """Promised of the answers that the model gives; it leaves other rows to a person."""
    error_cost: float | None = None
    """In place of it: what a wrong answer costs."""
    review_cost: float | None = None
    """What a person's answer costs."""

    @property
    def target(self) -> Target | None:
        """What is asked of the answers that no person looks at; None where all are given.

        Raises:
            OptionError: It makes no sense.
        """
        return Target.of(self.precision, self.error_cost, self.review_cost)

    @property
    def encoders(self) -> list[str]:
        """The encoders that are named, at least one."""
        raise NotImplementedError


LEAST_BUDGET = 5.0
"""Seconds: to load the libraries and to split the rows takes as long."""


class CompareSettings(SetupSettings):
    """All choices of a comparison."""

    encoder: Encoders = Field(default_factory=lambda: ["bundled"])
    """One or several; on each further one the contenders that need an encoder compete once more."""

    contenders: Names | None = None
    """The task's usual ones if left out."""
    sizes: Sizes = None
    """Training sizes; the usual ones for the rows there are if left out."""
    shots: Shots = None
    """Training rows of every label, in place of sizes."""
    seeds: Count = 3
    tuning: Count = 3
    """Configurations that each contender may fit."""
    thorough: bool = False
    """Whether contenders that can no longer win are measured like the others, and all test rows answered."""
    robustness: bool = False
    """Whether the models that are kept answer test rows with typos and other faults, too."""
    jobs: Count | None = None
    """Trials that run at a time; one, or as many as a cluster has room for, if left out."""
    ray: str | None = None
    """Address of a Ray cluster that they run on."""
    output: FilePath | None = None
    """Folder of the comparison; named after the data and the request if left out."""
    add: bool = False
    """Whether to run in a folder that holds another finished comparison of the same rows."""
    max_latency_ms: float | None = None
    max_size_mb: float | None = None
    prefer: str = "score"
    price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Of an hour of this machine, in any currency."""
    llm_price_in: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Price of a million tokens that a language model reads, in the same."""
    llm_price_out: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Of a million that it writes."""

    @model_validator(mode="after")
    def _has_one_kind_of_size(self) -> Self:
        if self.sizes and self.shots:
            raise OptionError(
                "--sizes counts all rows and --shots those of every label: they cannot be given together",
                where="--shots",
                fix="Give one of them.",
            )
        return self

    @property
    def encoders(self) -> list[str]:
        """The encoders that are named, at least one."""
        return self.encoder

    @property
    def preferences(self) -> Preferences:
        """What the pick depends on besides the figures."""
        return Preferences(
            max_latency_ms=self.max_latency_ms,
            max_size_mb=self.max_size_mb,
            prefer=self.prefer,
            precision=self.precision,
            error_cost=self.error_cost,
            review_cost=self.review_cost,
            price=self.price,
            llm_price_in=self.llm_price_in,
            llm_price_out=self.llm_price_out,
        )


class TrainConfig(SetupSettings):
    """All choices of a training; a config file holds the same keys."""

    kind: ClassVar[str] = "key"

    encoder: FilePath = "bundled"
    contender: str | None = None
    """The usual one of the task if left out."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    settings: dict[str, Any] = Field(default_factory=dict)
    """Of the contender's model and of the training loop, in place of the usual ones."""

    @property
    def encoders(self) -> list[str]:
        """The one encoder that is named."""
        return [self.encoder]
