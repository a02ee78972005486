"""Connections that keep nobody waiting: a request's head arrives in time, and answers are taken."""

from __future__ import annotations

import asyncio
from typing import Any

MOST_HEAD = 65_536
"""Bytes of a request's head, about."""


def timed_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol for HTTP, with an eye on those who are too slow.

    uvicorn closes a connection that is idle after an answer, but waits without end for the first request, or
    for the rest of one whose head has begun; and it holds an answer for as long as nobody reads it. Such
    connections are cut off here.

    Args:
        seconds: For a request's head to arrive, and for something of an answer to be taken.
    """
    # Here, as a light start needs no framework to be told of a wrong option.
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    base: Any = AutoHTTPProtocol

    class Timed(base):
        """A connection that is looked at now and then."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._head_since: float | None = self.loop.time()
            self._head_bytes = 0
            self._unsent = 0
            self._look()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._head_since, self._head_bytes = None, 0  # a request is under way
                return
            if self._head_since is None:
                self._head_since = self.loop.time()
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._next_look.cancel()
            super().connection_lost(exc)

        def _look(self) -> None:
            unsent = self.transport.get_write_buffer_size()
            is_unread = 0 < self._unsent <= unsent
            is_late = self._head_since is not None and self.loop.time() - self._head_since >= seconds
            if is_unread or is_late:
                self.transport.abort()
            self._unsent = unsent
            self._next_look = self.loop.call_later(seconds, self._look)

    found: type[asyncio.Protocol] = Timed
    return found
