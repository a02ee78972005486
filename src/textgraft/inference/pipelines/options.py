"""The options of a pipeline: checked when they are given, at the start or with a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textgraft.errors import OptionError, unknown

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    """What can be chosen of a pipeline; every pipeline has its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return the options with some of them given anew.

        Raises:
            OptionError: An option does not exist (the nearest name is suggested) or cannot have this value.
        """
        known = type(self).model_fields
        for name in changes:
            if name not in known:
                raise (
                    unknown("pipeline option", name, known)
                    if known
                    else OptionError(f"unknown pipeline option {name!r}", fix="This pipeline has no options.")
                )
        try:
            return type(self)(**{**self.model_dump(exclude_unset=True), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            raise OptionError(
                f"{first['loc'][0]} cannot be {first['input']!r}: {first['msg'].lower()}",
                where=f"pipeline option {first['loc'][0]!r}",
            ) from error
