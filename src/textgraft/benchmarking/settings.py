"""What the user can choose of a benchmark: the command's options, checked at once."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from textgraft.comparison.settings import Count, Encoders, Names
from textgraft.settings import Checked, Seconds
from textgraft.tasks.named import FilePath


def _set_names(value: Any) -> Any:
    """Take "CoLA,RTE" as a list of names."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class BenchmarkSettings(Checked):
    """All choices of a benchmark.

    Raises:
        OptionError: A key does not exist (the nearest is suggested), or a value cannot be used.
    """

    kind: ClassVar[str] = "option"

    data: FilePath
    """Folder with a folder for each set."""
    output: FilePath | None = None
    """``runs/benchmark-<suite>`` if left out."""
    sets: Annotated[list[str] | None, BeforeValidator(_set_names)] = None
    """All that the folder holds if left out."""
    contenders: Names | None = None
    """Those of the suite if left out."""
    encoder: Encoders = Field(default_factory=lambda: ["bundled"])
    vectors: FilePath | None = None
    rows: Annotated[int, Field(ge=10)] | None = None
    """Training rows at most; all if left out, 1,000 for the claims."""
    seeds: Count | None = None
    """1 if left out, 2 for the claims."""
    tuning: Count = 1
    budget: Seconds | None = None
    """Seconds for each set."""
    max_length: Annotated[int, Field(ge=4)] | None = None
    label_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    """What it takes a person to label a text."""
    submission: FilePath | None = None
    """The .zip file to write for GLUE's server."""
    overwrite: bool = False
    """Whether a file that stands there may be replaced."""

    @classmethod
    def place(cls, name: str) -> str:
        """Name the option of the command line."""
        return "--" + name.replace("_", "-")
