"""The options of a pipeline: checked when they are given, at the start or with a call."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from textgraft.settings import Checked

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Options(Checked):
    """What can be chosen of a pipeline; every pipeline has its own."""

    model_config = ConfigDict(strict=True)

    kind: ClassVar[str] = "pipeline option"
