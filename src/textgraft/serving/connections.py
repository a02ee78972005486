"""Connections that keep nobody waiting: a request's head arrives in time, and answers are taken."""

from __future__ import annotations

import asyncio
import re
from typing import Any

MOST_HEAD = 65_536
"""Bytes of a request's head, about."""
_TOLD = b'{"error":"a request has 64 kB of headers at most","error_type":"too_large"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_TOLD), _TOLD)
)
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


def _without_upgrade(data: bytes) -> bytes:
    """Return what begins a request without the wish for another protocol, if its head is whole."""
    end = data.find(b"\r\n\r\n")
    found = _UPGRADE.search(data, 0, end) if end > 0 else None
    return data[: found.start()] + data[found.end() :] if found else data


def timed_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol for HTTP, with an eye on those who are too slow.

    uvicorn closes a connection that is idle after an answer, but waits without end for the first request, or
    for the rest of one whose head has begun; and it holds an answer for as long as nobody reads it. Such
    connections are cut off here.

    Java's client, and curl --http2, ask for HTTP/2 with their first request. HTTP/1.1 may be the answer; but
    httptools reads no body of such a request, and so the wish is taken out before it.

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
            if not self._head_bytes and (self.cycle is None or self.cycle.response_complete):
                data = _without_upgrade(data)
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._head_since, self._head_bytes = None, 0  # a request is under way
                return
            if self._head_since is None:
                self._head_since = self.loop.time()
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

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
