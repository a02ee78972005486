"""Records of choices whose keys and values are checked, with errors in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, SupportsIndex

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from textgraft.errors import OptionError, unknown
from textgraft.wording import parse_seconds


def _seconds(value: Any) -> Any:
    return parse_seconds(value) if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_seconds)]
"""A time, in seconds or as "10m"."""


def whole_number(value: Any, where: str, *, least: int) -> int:
    """Return a number that a caller gave; text that is one counts, as on the command line.

    Raises:
        OptionError: It is none, or below ``least``.
    """
    is_number = not isinstance(value, bool) and isinstance(value, SupportsIndex)
    if not is_number and not (isinstance(value, str) and value.strip().isdecimal()):
        raise OptionError(f"{value!r} is not a whole number", where=where, fix=f"Give {least} or more.")
    if int(value) < least:
        raise OptionError(f"{int(value)} is too few", where=where, fix=f"Give {least} or more.")
    return int(value)


def real_number(value: Any, where: str) -> float:
    """Return a number that a caller gave; text that is one counts, as on the command line.

    Raises:
        OptionError: It is none, or not finite.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise OptionError(f"{value!r} is not a number", where=where, fix="Give one, as 0.95.")
    return found


def flag(value: Any, where: str) -> bool:
    """Return a yes or no that a caller gave.

    Raises:
        OptionError: It is neither.
    """
    if not isinstance(value, bool):
        raise OptionError(f"{where} is {value!r}", where=where, fix="Give True or False.")
    return value


def text_or_none(value: Any, where: str) -> str | None:
    """Return a text that a caller gave, or left out.

    Raises:
        OptionError: It is none.
    """
    if value is not None and not isinstance(value, str):
        raise OptionError(f"{where} is {type(value).__name__}", where=where, fix="Give a text, or None.")
    return value


class Checked(BaseModel):
    """An immutable record of choices.

    Raises:
        OptionError: A key does not exist (the nearest name is suggested) or its value is out of bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    """What a key is called in messages."""
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """What to do about keys that are known from elsewhere, and that there are not here."""

    @classmethod
    def place(cls, name: str) -> str:
        """Return how a message names the place where a key is given."""
        return f"{cls.kind} {name!r}"

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_plain_words(cls, values: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        if isinstance(values, dict):
            for name in values:
                if name not in cls.model_fields and name in cls.elsewhere:
                    raise OptionError(f"there is no {cls.kind} {name!r} here", fix=cls.elsewhere[name])
                if name not in cls.model_fields:
                    raise unknown(cls.kind, str(name), cls.model_fields)
        try:
            return handler(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else f"{cls.kind}s"
            raise OptionError(
                f"{name} cannot be {first['input']!r}: {first['msg'].lower()}",
                where=cls.place(name),
                fix="Give a value within those bounds, or leave it out for its default.",
            ) from error

    def given(self) -> dict[str, Any]:
        """Return the values that were given, without those that are defaults."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }

    def but(self, **changes: Any) -> Self:
        """Return the same with other values, checked as if given at first."""
        return type(self)(**{**self.given(), **changes})
