"""A request's way: admitted, made ready in the pool, computed by the batcher, answered in time or refused."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from textgraft.serving.batcher import Batcher
from textgraft.serving.keys import Keys
from textgraft.serving.limits import Limits
from textgraft.serving.metrics import Metrics
from textgraft.serving.pool import Pool
from textgraft.serving.prepared import Prepared
from textgraft.serving.refusals import LateError, RefusalError, UnavailableError
from textgraft.serving.registry import Registry
from textgraft.serving.shadows import Shadows
from textgraft.serving.shapes import all_shapes

T = TypeVar("T")
Disconnected = Callable[[], Awaitable[Any]]
"""Returns when whoever asked has gone."""
AT_ONCE = 500
"""Characters that are made ready at once: to hand them to the pool and back would take longer."""
_LATE = "the deadline passed before there was an answer"


class GoneError(Exception):
    """Whoever asked has gone: there is nobody to answer."""


class Service:
    """All that the routes share.

    Args:
        registry: The models.
        limits: What is taken, and held at once.
        keys: Who may ask.
        shadows: Challengers that answer beside the models.
    """

    def __init__(
        self,
        registry: Registry,
        limits: Limits | None = None,
        keys: Keys | None = None,
        shadows: Shadows | None = None,
    ) -> None:
        self.registry = registry
        self.limits = limits or Limits()
        self.keys = keys or Keys(())
        self.metrics = Metrics()
        self.batcher = Batcher(
            batch_tokens=self.limits.batch_tokens,
            batch_texts=self.limits.batch_texts,
            window=self.limits.window,
            max_queued_tokens=self.limits.max_queued_tokens,
            on_batch=self.metrics.note_batch,
        )
        self.pool = Pool(self.limits.max_buffered)
        self.shadows = shadows or Shadows({})
        self.draining = False
        self.started = time.time()
        self.metrics.watch(queued=lambda: self.batcher.queued_tokens, ready=lambda: float(self.ready))

    @property
    def ready(self) -> bool:
        """Whether requests are answered."""
        return self.batcher.alive and not self.draining

    async def answer(
        self,
        prepare: Callable[[], Prepared],
        characters: int,
        *,
        arrived: float,
        disconnected: Disconnected | None = None,
        only_tokenizes: bool = False,
    ) -> tuple[Any, Prepared]:
        """Make a request ready, have it computed, and wait for that.

        Args:
            prepare: Called in the pool.
            characters: Of the request's texts.
            arrived: When the request did, by the monotonic clock; the deadline counts from there.
            disconnected: Given, the request is given up as soon as this returns.
            only_tokenizes: Whether that is all that ``prepare`` does: then few characters do not go to the
                pool.

        Raises:
            RefusalError: There is no answer, for whatever reason.
            GoneError: Whoever asked has gone.
        """
        deadline = arrived + self.limits.deadline
        gone = None if disconnected is None else asyncio.ensure_future(disconnected())
        try:
            if only_tokenizes and characters <= AT_ONCE:
                prepared = prepare()
            else:
                prepared = await self.wait(self.pool.submit(prepare, characters), deadline, gone)
            self.metrics.texts.inc(len(prepared.n_tokens))
            if any(prepared.truncated):
                self.metrics.truncated.inc(sum(prepared.truncated))
            ticket = self.batcher.submit(prepared.lane, prepared.payloads, prepared.tokens, deadline)
            results = await self.wait(ticket.future, deadline, gone)
        finally:
            if gone is not None:
                gone.cancel()
        return prepared.finish(results), prepared

    async def wait(self, work: Future[T], deadline: float, gone: asyncio.Future[Any] | None = None) -> T:
        """Wait for work until the deadline; work that nobody waits for is cancelled.

        Args:
            work: What is computed elsewhere.
            deadline: By the monotonic clock.
            gone: Done as soon as whoever asked has gone.

        Raises:
            LateError: The deadline passed.
            GoneError: Whoever asked has gone.
            UnavailableError: The service stopped first.
        """
        # By hand: asyncio.wait and wrap_future take three times as long.
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake(*_: object) -> None:
            if not woken.done():
                woken.set_result(None)

        def wake_from_elsewhere(_: Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(wake)

        work.add_done_callback(wake_from_elsewhere)
        timer = loop.call_later(max(0.0, deadline - time.monotonic()), wake)
        if gone is not None:
            gone.add_done_callback(wake)
        try:
            await woken
            if work.cancelled():
                raise UnavailableError("the service stopped before it came to this request")
            if work.done():
                return work.result()
            if gone is not None and gone.done():
                raise GoneError
            raise LateError(_LATE)
        finally:
            timer.cancel()
            if gone is not None:
                gone.remove_done_callback(wake)
            work.cancel()

    async def is_healthy(self) -> bool:
        """Compute a few tokens of the first model, within half of the deadline."""
        if not self.ready:
            return False
        try:
            await asyncio.wait_for(self._probe(), self.limits.deadline / 2)
        except (RefusalError, TimeoutError):
            return False
        return True

    async def _probe(self) -> None:
        arrived = time.monotonic()
        probe = next((model.probe for model in self.registry if model.probe is not None), None)
        if probe is not None:
            await self.answer(probe, 1, arrived=arrived)

    def start(self) -> None:
        """Start the model thread."""
        self.batcher.start()

    def warm_up(self) -> None:
        """Have encoders prepare themselves for the shapes of batches while nobody asks."""
        for model in self.registry:
            if model.encoder is not None:
                shapes = all_shapes(
                    self.limits.batch_tokens, self.limits.batch_texts, model.encoder.max_length
                )
                self.batcher.when_idle(model.encoder.lane.warming(shapes))

    def stop_taking(self) -> None:
        """Refuse what comes from now on; what is under way is finished."""
        self.draining = True

    def stop(self, seconds: float) -> bool:
        """Finish what is under way, for as long as it is given, and end the threads.

        Returns:
            Whether all was finished.
        """
        self.draining = True
        finished = self.batcher.drain(seconds)
        self.pool.close()
        return finished
