"""The review queue: items that need a person, handed out and decided."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response

from textgraft.errors import ConflictError, DataError, OptionError, OutputError
from textgraft.review.items import Lease
from textgraft.review.store import ReviewStore
from textgraft.serving.asking import reply
from textgraft.serving.bodies import DecideBody, NextBody, ReleaseBody, check_texts, read_body, whole
from textgraft.serving.description import LONGEST_NAME, MOST_ITEMS, NAME, Described
from textgraft.serving.prepared import as_input_error
from textgraft.serving.refusals import ConflictRefusalError, InputError, NotFoundError, StorageError
from textgraft.serving.service import Service

logger = logging.getLogger(__name__)

T = TypeVar("T")


def add_review(app: FastAPI, service: Service, described: Described, store: ReviewStore | None) -> None:
    """Add the routes to an application; without a store they say that there is none."""

    @app.get("/review/stats", **described.review(None))
    async def stats() -> Response:
        """Say how far the review is."""
        return reply(msgspec.to_builtins(await _of(store, lambda given: given.stats())))

    @app.post("/review/next", **described.review("NextBody"))
    async def next_items(request: Request) -> Response:
        """Hand out items that nobody else gets meanwhile, the most urgent first, with the known labels."""
        body = read_body(await request.body(), NextBody)
        _check_name(body.reviewer, service)
        count = whole(body.count, "count")
        if not 1 <= count <= MOST_ITEMS:
            raise InputError(f"count is {count}, and 1 to {MOST_ITEMS} items are handed out at a time")

        def lease(given: ReviewStore) -> dict[str, Any]:
            leases = given.lease(body.reviewer, count, disputed=body.disputed)
            labels = {task: given.labels(task) for task in {lease.item.task for lease in leases}}
            return {"items": [_shown(lease) for lease in leases], "labels": labels}

        return reply(await _of(store, lease))

    @app.post("/review/decide", **described.review("DecideBody"))
    async def decide(request: Request) -> Response:
        """Decide an item, for good; null says that the row is of no use."""
        body = read_body(await request.body(), DecideBody)
        _check_name(body.reviewer, service)
        check_texts([body.item, *([body.note] if body.note else [])], service.limits)
        made = await _of(
            store,
            lambda given: given.decide(
                _known(given, body.item), body.reviewer, body.answer, correct=body.correct, note=body.note
            ),
        )
        return reply(msgspec.to_builtins(made))

    @app.post("/review/release", **described.review("ReleaseBody"))
    async def release(request: Request) -> Response:
        """Give an item back to the others."""
        body = read_body(await request.body(), ReleaseBody)
        _check_name(body.reviewer, service)
        check_texts([body.item], service.limits)
        await _of(
            store, lambda given: given.release(_known(given, body.item), body.reviewer, passed=body.passed)
        )
        return reply({"item": body.item})


async def _of(store: ReviewStore | None, ask: Callable[[ReviewStore], T]) -> T:
    """Ask the store beside the event loop: a decision is on the disk before it is acknowledged.

    Raises:
        RefusalError: There is no store, or it refuses.
    """
    if store is None:
        raise NotFoundError("no review store is served: textgraft serve --review FILE")
    try:
        return await asyncio.get_running_loop().run_in_executor(None, functools.partial(ask, store))
    except ConflictError as error:
        raise ConflictRefusalError(as_input_error(error).message) from error
    except OutputError as error:
        logger.error("%s", error)
        raise StorageError("the review store cannot be written now, and nothing was changed in it") from error
    except (OptionError, DataError) as error:
        raise as_input_error(error) from error


def _known(store: ReviewStore, item: str) -> str:
    """Return the id of an item that is there.

    Raises:
        NotFoundError: It is not.
    """
    if store.get(item) is None:
        raise NotFoundError("there is no such item")
    return item


def _check_name(name: str, service: Service) -> None:
    check_texts([name], service.limits)
    if not re.search(NAME, name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"a reviewer's name has 1 to {LONGEST_NAME} characters, none of them invisible at first"
        )


def _shown(lease: Lease) -> dict[str, Any]:
    item = lease.item
    return {**msgspec.to_builtins(item), "id": item.id, "text": item.text, "expires": lease.expires}
