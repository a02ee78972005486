"""What every request passes first: host, key, size and time of its body; JSON is read behind it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from textgraft.serving.refusals import (
    BusyError,
    HostError,
    MediaTypeError,
    RefusalError,
    SlowBodyError,
    TooLargeError,
    UnavailableError,
)
from textgraft.serving.service import GoneError, Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ALWAYS = ("/livez", "/readyz", "/health", "/metrics")
"""Answered also while the service stops."""
OPEN = ("/", "/livez", "/readyz", "/page.css", "/page.js")
"""Answered without a key: the page asks for one itself."""
REPORTS = "/reports/"
"""Begins the addresses of reports, which bring their own proof."""
LOCAL = ("127.0.0.1", "localhost", "::1")
GONE = 499
"""In metrics alone: whoever asked has gone, and nobody is there to read it."""
MOST_DROPPED = 65_536
"""Bytes of the body of a refused request that are waited for."""
DROPPING_SECONDS = 1.0
_BODIES = ("POST", "PUT", "PATCH")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Gate:
    """An ASGI application around another one.

    Args:
        app: The other one.
        service: Its limits, keys and metrics.
    """

    def __init__(self, app: App, service: Service) -> None:
        self.app = app
        self.service = service
        self._buffered = 0
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection's event as ASGI says."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        arrived = time.monotonic()
        scope = _usual(scope)
        scope["textgraft"] = {"arrived": arrived}
        status = 0

        async def telling(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        metrics = self.service.metrics
        self._under_way += 1
        metrics.under_way.inc()
        held = 0
        is_read = False
        try:
            if self._under_way > self.service.limits.max_connections:
                raise BusyError("too many requests are under way", retry_after=1)
            self._admit(scope)
            is_read = True
            body, held = await self._body(scope, receive)
            await self.app(scope, _replayed(body, receive), telling)
        except RefusalError as error:
            if not status:
                # To read the body of who waits for leave to send it would give that leave.
                if scope["method"] in _BODIES and (is_read or not _waits(scope)):
                    await _dropped(receive)
                await send_refusal(error, scope["path"], telling, close=True)
        except GoneError:
            status = GONE
        except Exception:
            if not status:
                raise
            # It was answered with 500 and told of already, without the error's own words.
        finally:
            self._buffered -= held
            self._under_way -= 1
            metrics.under_way.dec()
            route = getattr(scope.get("route"), "path", "other")
            metrics.requests.labels(route, status or GONE).inc()
            metrics.seconds.labels(route).observe(time.monotonic() - arrived)

    def _admit(self, scope: Scope) -> None:
        """Refuse what may not ask at all.

        Raises:
            RefusalError: For whatever reason.
        """
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        is_old = scope["http_version"] == "1.0" and b"host" not in headers
        if not len(self.service.keys) and not is_old and _host(headers.get(b"host", "")) not in LOCAL:
            # Without keys only this machine may ask. A page elsewhere can name any host, but not make the
            # browser send another Host header than that of the name, or none, as HTTP/1.0 allows.
            raise HostError("without keys this service answers to the name localhost alone")
        if self.service.draining and path not in ALWAYS:
            raise UnavailableError("the service is about to stop", retry_after=1)
        if path not in OPEN and not path.startswith(REPORTS):
            scope["textgraft"]["key"] = self.service.keys.check(headers.get(b"authorization", ""))
        if scope["method"] in _BODIES:
            kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                # A page elsewhere can make a browser send forms and plain text without asking, JSON not.
                raise MediaTypeError('send JSON, with the header "Content-Type: application/json"')
            if headers.get(b"content-encoding", "").strip().lower() not in ("", "identity"):
                raise MediaTypeError("send the body as it is, not compressed")
            length = headers.get(b"content-length", "0")
            if length.isdigit() and int(length) > self.service.limits.max_body:
                raise self._too_large()

    async def _body(self, scope: Scope, receive: Receive) -> tuple[bytes, int]:
        """Read the body of a request, within its limits of size and time.

        Returns:
            The body, and how many bytes of the common room it holds.

        Raises:
            RefusalError: It is too large or too slow, or too many are held already.
            GoneError: Whoever sends it has gone.
        """
        if scope["method"] not in _BODIES:
            return b"", 0
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.service.limits.body_deadline):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise GoneError
                    part = message.get("body", b"")
                    size += len(part)
                    self._buffered += len(part)
                    parts.append(part)
                    if size > self.service.limits.max_body:
                        raise self._too_large()
                    if self._buffered > self.service.limits.max_buffered and self._buffered > size:
                        raise BusyError("too much is being sent at once", retry_after=1)
                    if not message.get("more_body", False):
                        return b"".join(parts), size
        except BaseException as error:
            self._buffered -= size
            if isinstance(error, TimeoutError):
                seconds = self.service.limits.body_deadline
                raise SlowBodyError(f"the body did not arrive within {seconds:g} s") from error
            raise

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"a body has {self.service.limits.max_body:,} bytes at most")


def _usual(scope: Scope) -> Scope:
    """Return a request as the routes know it: with GET for HEAD, and without a slash at the end.

    The server, which has the request as it came, leaves out the body of an answer to HEAD.
    """
    path, method = scope["path"], scope["method"]
    path = path[:-1] if len(path) > 1 and path.endswith("/") else path
    return {**scope, "path": path, "method": "GET" if method == "HEAD" else method}


async def _dropped(receive: Receive) -> None:
    """Take what is left of a short body, so that the refusal can be read.

    A connection that is closed with something unread is reset, and the answer is lost with it.
    """
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DROPPING_SECONDS):
            while size <= MOST_DROPPED:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives the whole body first, and then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _waits(scope: Scope) -> bool:
    """Return whether a request's body is sent only when leave is given."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])


def _host(header: str) -> str:
    """Return the name in a Host header, without a port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def refusal_body(error: RefusalError, path: str) -> dict[str, Any]:
    """Write a refusal as the callers of a path expect it: OpenAI's clients below /v1, others elsewhere."""
    if path.startswith("/v1/"):
        return {"error": {"message": error.message, "type": error.kind, "param": None, "code": error.kind}}
    return {"error": error.message, "error_type": error.kind}


async def send_refusal(error: RefusalError, path: str, send: Send, *, close: bool = False) -> None:
    """Send a refusal.

    Args:
        error: It.
        path: That was asked for.
        send: As ASGI has it.
        close: Whether the connection is closed, as something of the request may still be unread.
    """
    body = orjson.dumps(refusal_body(error, path))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
