"""Requests share batches: one model thread, and a batch whenever it is free, never on a timer.

What waits meanwhile is the next batch: with a single request under way it is computed at once, under load
batches fill up by themselves. A batch holds texts of like length out of a window of those that wait longest,
and always the oldest, so that none starves. Nothing here knows of HTTP or of models.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from textgraft.serving.queueing import Item, Lane, Ticket, Waiting, choose_batch
from textgraft.serving.refusals import (
    BusyError,
    LateError,
    ModelFailureError,
    RefusalError,
    UnavailableError,
)

logger = logging.getLogger(__name__)

_SMOOTHING = 0.1
"""Weight of the newest batch in the running mean of their time."""
_LONGEST_WAIT = 60


@dataclass(frozen=True)
class Batched:
    """A batch that was computed."""

    texts: int
    tokens: int
    """True ones."""
    padded: int
    """With what fills the shorter sequences up."""
    seconds: float


class Batcher:
    """Computes what is submitted, in batches, on a thread of its own.

    Args:
        batch_tokens: Most padded tokens of a batch.
        batch_texts: Most sequences of a batch.
        window: How many that wait longest a batch is chosen from.
        max_queued_tokens: Most tokens that wait.
        clock: Seconds, steadily rising.
        on_batch: Told of each batch, on the model thread.
    """

    def __init__(
        self,
        *,
        batch_tokens: int,
        batch_texts: int,
        window: int,
        max_queued_tokens: int,
        clock: Callable[[], float] = time.monotonic,
        on_batch: Callable[[Batched], None] | None = None,
    ) -> None:
        self._batch_tokens = batch_tokens
        self._batch_texts = batch_texts
        self._window = window
        self._max_queued_tokens = max_queued_tokens
        self._clock = clock
        self._on_batch = on_batch
        self._changed = threading.Condition()
        self._waiting = Waiting()
        self._chores: deque[Iterator[None]] = deque()
        self._running: deque[list[Item]] = deque()
        self._closed = False
        self._death: BaseException | None = None
        self._seconds = 0.0
        self._thread = threading.Thread(target=self._serve, name="textgraft-model", daemon=True)

    def start(self) -> None:
        """Start the model thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the model thread can still answer."""
        return self._death is None and self._thread.is_alive()

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait, those being computed left out."""
        return self._waiting.tokens

    def submit(self, lane: Lane, payloads: Sequence[Any], tokens: Sequence[int], deadline: float) -> Ticket:
        """Put the sequences of a request into the queue.

        Args:
            lane: What is to be computed of them.
            payloads: One a sequence, at least one.
            tokens: Of each.
            deadline: When an answer is no longer wanted, by the batcher's clock.

        Raises:
            BusyError: Too much waits, or they could not be done in time.
            UnavailableError: The service stops, or the model thread is dead.
        """
        ticket = Ticket(lane, len(payloads), deadline)
        ticket.items = [
            Item(ticket, place, payload, length)
            for place, (payload, length) in enumerate(zip(payloads, tokens, strict=True))
        ]
        with self._changed:
            self._refuse_if_closed()
            if not lane.background:
                self._refuse_if_full(sum(tokens), deadline - self._clock())
            self._waiting.add(ticket.items)
            self._changed.notify()
        ticket.future.add_done_callback(lambda _: self._leave(ticket))
        return ticket

    def when_idle(self, chore: Iterator[None]) -> None:
        """Have something done on the model thread, step by step, for as long as nothing waits.

        Args:
            chore: Does a step each time it is asked for the next. What is left of it at the end is dropped.
        """
        with self._changed:
            self._chores.append(chore)
            self._changed.notify()

    def close(self) -> None:
        """Take nothing more; what waits is still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def drain(self, seconds: float) -> bool:
        """Close, wait until all is answered, and end the thread; what is not answered in time fails.

        Returns:
            Whether all was answered.
        """
        self.close()
        if self._thread.ident is None:
            return True
        self._thread.join(seconds)
        if not self._thread.is_alive():
            return True
        self._fail_all(UnavailableError("the service stopped before it came to this request"))
        return False

    def _refuse_if_closed(self) -> None:
        if self._death is not None:
            raise UnavailableError("the model thread is dead: the service must be started again")
        if self._closed:
            raise UnavailableError("the service is about to stop", retry_after=1)

    def _refuse_if_full(self, tokens: int, seconds: float) -> None:
        queued = self._waiting.tokens
        # Small batches are done sooner than full ones: while only such were met, more is taken than need be.
        wait = self._seconds * queued / self._batch_tokens
        if queued and (queued + tokens > self._max_queued_tokens or wait > seconds):
            raise BusyError(
                "too much is waiting already",
                retry_after=max(1, min(_LONGEST_WAIT, round(wait / 2))),
            )

    def _leave(self, ticket: Ticket) -> None:
        """Take what still waits of a resolved or cancelled request out of the queue."""
        with self._changed:
            self._waiting.remove(ticket.items)

    # The model thread.

    def _serve(self) -> None:
        try:
            while (lane := self._next_lane()) is not None:
                self._run(lane)
        except BaseException as error:  # whatever it is, nobody may wait for an answer that never comes
            logger.critical("the model thread is dead: %s", type(error).__name__, exc_info=True)
            with self._changed:
                self._death = error
            self._fail_all(UnavailableError("the model thread died"))

    def _next_lane(self) -> Lane | None:
        """Wait for work, and do chores meanwhile; None when there will be none."""
        while True:
            with self._changed:
                if (lane := self._waiting.next_lane()) is not None:
                    return lane
                if self._closed:
                    return None
                if not self._chores:
                    self._changed.wait()
                    continue
            self._do_chore(self._chores[0])

    def _do_chore(self, chore: Iterator[None]) -> None:
        try:
            next(chore)
            return
        except StopIteration:
            pass
        except Exception as error:  # nobody asked for it
            logger.warning("what was to be done meanwhile failed: %s", type(error).__name__)
        with self._changed:
            self._chores.popleft()

    def _run(self, lane: Lane) -> None:
        """Run a lane for as long as it is its turn."""
        started = self._clock()
        try:
            for results in lane.run(self._batches(lane)):
                batch = self._running[0]
                self._finish(batch, results)
                self._done()
                now = self._clock()
                self._note(batch, now - started)
                started = now
        except Exception as error:
            if not self._running:
                raise
            logger.warning("a batch failed and is tried in halves: %s", type(error).__name__)
        while self._running:
            self._in_halves(lane, self._running[0])
            self._done()

    def _done(self) -> None:
        with self._changed:
            self._running.popleft()

    def _batches(self, lane: Lane) -> Iterator[list[Any]]:
        while batch := self._take(lane):
            yield [item.payload for item in batch]

    def _take(self, lane: Lane) -> list[Item]:
        """Take the next batch out of the queue; none if it is another lane's turn."""
        late: list[Item] = []
        try:
            with self._changed:
                while True:
                    turn = self._waiting.next_lane()
                    if turn is None or turn.key != lane.key:
                        return []
                    window = self._waiting.window(lane, self._window)
                    now = self._clock()
                    expired = [item for item in window if item.ticket.deadline <= now]
                    if not expired:
                        batch = choose_batch(window, self._batch_tokens, self._batch_texts)
                        self._waiting.remove(batch)
                        self._running.append(batch)
                        return batch
                    late += expired
                    self._waiting.remove(expired)
        finally:
            # Outside of the lock: who is told may ask for something else at once.
            for ticket in {id(item.ticket): item.ticket for item in late}.values():
                ticket.fail(LateError("the deadline passed while the request waited"))

    def _finish(self, batch: Sequence[Item], results: Sequence[Any]) -> None:
        if len(results) != len(batch):
            raise RuntimeError(f"{len(results)} results for {len(batch)} sequences")
        for item, result in zip(batch, results, strict=True):
            item.ticket.put(item.place, result)

    def _in_halves(self, lane: Lane, batch: Sequence[Item]) -> None:
        """Try a batch by itself; if it fails, its halves, so that what cannot be computed fails alone."""
        wanted = [item for item in batch if not item.ticket.future.done()]
        if not wanted:
            return
        try:
            done = list(lane.run(iter([[item.payload for item in wanted]])))
            self._finish(wanted, done[0])
        except Exception as error:
            if len(wanted) == 1:
                wanted[0].ticket.fail(_failure(error))
                return
            middle = len(wanted) // 2
            self._in_halves(lane, wanted[:middle])
            self._in_halves(lane, wanted[middle:])

    def _note(self, batch: Sequence[Item], seconds: float) -> None:
        tokens = sum(item.tokens for item in batch)
        padded = len(batch) * max(item.tokens for item in batch)
        self._seconds = (1 - _SMOOTHING) * self._seconds + _SMOOTHING * seconds if self._seconds else seconds
        if self._on_batch:
            self._on_batch(Batched(len(batch), tokens, padded, seconds))

    def _fail_all(self, error: RefusalError) -> None:
        with self._changed:
            items = [*self._waiting, *(item for batch in self._running for item in batch)]
            self._waiting.remove(items)
        for ticket in {id(item.ticket): item.ticket for item in items}.values():
            ticket.fail(error)


def _failure(error: Exception) -> RefusalError:
    if isinstance(error, RefusalError):
        return error
    logger.error("the model failed on a text: %s", type(error).__name__)
    return ModelFailureError(f"the model failed on this input ({type(error).__name__})")
