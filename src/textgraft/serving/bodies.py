"""Request bodies: JSON that is read strictly, into records that say what may stand in it."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

import msgspec

from textgraft.serving.limits import Limits
from textgraft.serving.piping import strings_in
from textgraft.serving.refusals import InputError

B = TypeVar("B")
Whole = int | float
"""A whole number: JSON does not tell 3 from 3.0."""
Encodable = str | list[str | int | float | list[Whole]]
"""A text, texts, token ids or rows of them."""
DEPTH = 32
"""Lists and dicts within each other, in what a pipeline is given."""


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What all requests may have."""

    model: str | None = None
    """Which of the served models; the first that can do it where none is named."""


class Truncating(Body, kw_only=True):
    """A request whose texts may be too long."""

    truncate: bool | None = None
    """Whether the beginning of a longer text is read; else it is refused."""


class EmbeddingsBody(Truncating, kw_only=True):
    """OpenAI's request for encodings."""

    input: Encodable
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Whole | None = None
    user: str | None = None


class Encoding(Truncating, kw_only=True):
    """How texts are to be encoded."""

    normalize: bool | None = None
    dimensions: Whole | None = None
    truncation_direction: Literal["right", "Right"] | None = None
    """What is cut off of a longer text is its end."""
    encoding_format: Literal["float"] | None = None


class EmbedBody(Encoding, kw_only=True):
    """text-embeddings-inference's request for encodings."""

    inputs: Encodable


class PredictBody(Truncating, kw_only=True):
    """text-embeddings-inference's request for predictions."""

    inputs: Any
    details: bool | None = None
    """Whether to answer with all that a prediction holds."""
    sets: float | None = None
    """Share of the texts whose true label is to be among those that come as their set."""
    reject: float | None = None
    """Share of the texts with one of the labels that is not to be told unknown."""


class Sentences(msgspec.Struct, forbid_unknown_fields=True):
    """What is compared with what."""

    source_sentence: str
    sentences: list[str]


class SimilarityOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Options of a comparison."""

    truncate: bool | None = None


class SimilarityBody(Body, kw_only=True):
    """text-embeddings-inference's request for similarities."""

    inputs: Sentences
    parameters: SimilarityOptions | None = None


class TokenizeBody(Body, kw_only=True):
    """text-embeddings-inference's request for tokens."""

    inputs: str | list[str]
    add_special_tokens: bool | None = None


class PipelineBody(Truncating, kw_only=True):
    """The Hub's request for any task."""

    inputs: Any
    parameters: dict[str, Any] | None = None


class AttentionBody(Body, kw_only=True):
    """A request for the attention between the words of a text."""

    inputs: str


class NearestBody(Body, kw_only=True):
    """A request for the words near a word of a text."""

    inputs: str
    word: Whole
    """Its place among the words that /view/attention gives."""
    count: Whole = 8


class AnyBody(Encoding, kw_only=True):
    """A request to the service as a whole, as for an endpoint of the Hub."""

    inputs: Any
    parameters: dict[str, Any] | None = None


class NextBody(msgspec.Struct, forbid_unknown_fields=True):
    """A reviewer's request for items."""

    reviewer: str
    count: Whole = 1
    disputed: bool = False


class DecideBody(msgspec.Struct, forbid_unknown_fields=True):
    """A reviewer's decision."""

    item: str
    reviewer: str
    answer: Any
    note: str = ""
    correct: bool = False


class ReleaseBody(msgspec.Struct, forbid_unknown_fields=True):
    """A reviewer's giving back of an item."""

    item: str
    reviewer: str
    passed: bool = False
    """Whether this person is not to get it again."""


def read_body(raw: bytes, kind: type[B]) -> B:
    """Read a body.

    Raises:
        InputError: It is no JSON, or not of that form.
    """
    if not raw:
        raise InputError("the body is empty")
    try:
        return msgspec.json.decode(raw.removeprefix(codecs.BOM_UTF8), type=kind)
    except RecursionError as error:
        raise InputError("the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"the body is not a request of this kind: {_plain(error)}") from error


def as_form(value: Any, kind: Any) -> Any:
    """Return what was read as JSON in a stricter form.

    Raises:
        InputError: It is not of that form.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"the inputs are not what is taken here: {_plain(error)}") from error


def whole(value: Whole, name: str) -> int:
    """Return a number that is to be a whole one.

    Raises:
        InputError: It is none.
    """
    if value != int(value):
        raise InputError(f"{name} is {value}, and no whole number")
    return int(value)


def check_texts(texts: list[str], limits: Limits) -> int:
    """Check the texts of a request.

    Returns:
        Their characters.

    Raises:
        InputError: There is none, or too many; or one is empty, too long, or no text.
    """
    if not texts:
        raise InputError("there is no text")
    if len(texts) > limits.max_texts:
        raise InputError(f"{len(texts):,} texts are too many for one request: {limits.max_texts:,} at most")
    for place, text in enumerate(texts):
        if not text:
            raise InputError(f"input {place} is empty")
        if len(text) > limits.max_characters:
            raise InputError(f"input {place} has {len(text):,} characters: {limits.max_characters:,} at most")
        if "\0" in text:
            raise InputError(f"input {place} holds a NUL character")
    return sum(map(len, texts))


def check_values(value: Any, limits: Limits) -> int:
    """Check whatever a pipeline or a task is given.

    Returns:
        The characters of all strings in it.

    Raises:
        InputError: It is nested too deeply; or there are too many texts, or one that :func:`check_texts`
            refuses.
    """
    _check_depth(value, DEPTH)
    if isinstance(value, list) and not value:
        raise InputError("there is no input")
    texts = list(strings_in(value))
    if not texts and not _has_numbers(value):
        raise InputError("there is no text")
    return check_texts(texts, limits) if texts else 1


def _check_depth(value: Any, left: int) -> None:
    if not left:
        raise InputError(f"the inputs are nested more than {DEPTH} times")
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    for one in inner:
        if isinstance(one, dict | list):
            _check_depth(one, left - 1)


def _has_numbers(value: Any) -> bool:
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(error: Exception) -> str:
    text = str(error)
    # "JSON is malformed" keeps its capitals.
    return text[:200] if text[1:2].isupper() else text[:1].lower() + text[1:200]
