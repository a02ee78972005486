"""Between a route and the service: the body in, the answer out."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response

from textgraft.errors import OutputError
from textgraft.serving.bodies import Whole, check_texts, whole
from textgraft.serving.encoding import ServedEncoder
from textgraft.serving.prepared import Prepared
from textgraft.serving.refusals import InputError, StorageError
from textgraft.serving.service import Service

logger = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
T = TypeVar("T")
TOKENS_HEADER = "x-n-tokens"
"""Tokens that were read of all texts together."""
LOST_HEADER = "x-n-lost"
"""Tokens beyond what is read of a text, of all texts together."""
TRUNCATED_HEADER = "x-truncated"
"""Texts of which the beginning was read."""


async def ask(
    request: Request,
    service: Service,
    prepare: Callable[[], Prepared],
    characters: int,
    *,
    only_tokenizes: bool = False,
) -> tuple[Any, Prepared]:
    """Have a request answered, for as long as somebody waits for it.

    Args:
        request: It.
        service: Answers.
        prepare: Makes it ready.
        characters: Of its texts.
        only_tokenizes: Whether that is all that ``prepare`` does.
    """

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    arrived: float = request.scope["textgraft"]["arrived"]
    return await service.answer(
        prepare, characters, arrived=arrived, disconnected=disconnected, only_tokenizes=only_tokenizes
    )


async def built_late(request: Request, build: Callable[[], T]) -> T:
    """Build what loads when it is first asked for, which takes seconds: beside the event loop.

    The request's deadline counts from when it is there: until then there is nothing that could answer.

    Raises:
        StorageError: What it keeps on disk cannot be written.
    """
    try:
        built = await asyncio.get_running_loop().run_in_executor(None, build)
    except (OutputError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _FULL:
            raise
        logger.error("%s", error)
        raise StorageError("the cache folder cannot be written now: free some disk space") from error
    request.scope["textgraft"]["arrived"] = time.monotonic()
    return built


def reply(
    content: Any, prepared: Prepared | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Write an answer as JSON; arrays of numpy are lists in it."""
    found = dict(headers or {})
    if prepared is not None:
        found[TOKENS_HEADER] = str(sum(prepared.n_tokens))
        found[LOST_HEADER] = str(sum(prepared.n_lost))
        found[TRUNCATED_HEADER] = str(sum(prepared.truncated))
    return Response(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json", headers=found
    )


def encoding_request(
    inputs: str | list[Any],
    encoder: ServedEncoder,
    service: Service,
    *,
    truncate: bool,
    normalize: bool = True,
    dimensions: Whole | None = None,
) -> tuple[Callable[[], Prepared], int, bool]:
    """Tell what is to be encoded: a text, texts, token ids, or rows of them.

    Returns:
        What makes the request ready, its characters, and whether it is a single input.

    Raises:
        InputError: It is none of these.
    """
    given: list[Any] = [inputs] if isinstance(inputs, str) else inputs
    kept = None if dimensions is None else whole(dimensions, "dimensions")
    chosen: dict[str, Any] = {"truncate": truncate, "normalize": normalize, "dimensions": kept}
    if given and all(isinstance(entry, str) for entry in given):
        texts: list[str] = given
        characters = check_texts(texts, service.limits)
        return lambda: encoder.prepare(texts, **chosen), characters, isinstance(inputs, str)
    if given and all(isinstance(entry, int | float) and entry == int(entry) for entry in given):
        given = [int(entry) for entry in given]
        rows: list[list[int]] = [given]
    elif given and all(isinstance(entry, list) for entry in given):
        rows = [[whole(number, "an id") for number in row] for row in given]
    else:
        raise InputError("give a text, a list of texts, a list of token ids, or a list of such lists")
    if len(rows) > service.limits.max_texts:
        raise InputError(
            f"{len(rows):,} inputs are too many for one request: {service.limits.max_texts:,} at most"
        )
    if any(len(row) > service.limits.max_characters for row in rows):
        raise InputError(f"an input has more than {service.limits.max_characters:,} ids")
    return lambda: encoder.prepare_ids(rows, **chosen), sum(map(len, rows)), rows[0] is given
