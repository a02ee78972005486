"""The application: the gate, and behind it all routes."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from textgraft._version import __version__
from textgraft.review.store import ReviewStore
from textgraft.serving.asking import reply
from textgraft.serving.description import Described
from textgraft.serving.gate import GONE, App, Gate, Receive, Scope, Send, refusal_body
from textgraft.serving.refusals import ModelFailureError, RefusalError
from textgraft.serving.routes.inference import add_inference
from textgraft.serving.routes.openai import add_openai
from textgraft.serving.routes.pages import add_pages
from textgraft.serving.routes.pipelines import add_pipelines
from textgraft.serving.routes.review import add_review
from textgraft.serving.routes.status import add_status
from textgraft.serving.routes.viewing import add_viewing
from textgraft.serving.service import GoneError, Service

logger = logging.getLogger(__name__)

NOT_FOUND = 404
_NO_ADDRESS = "there is no such address: /openapi.json has all; OpenAI's clients take one that ends with /v1"


def create_app(service: Service, review: ReviewStore | None = None, reports: Sequence[Path] = ()) -> App:
    """Build the ASGI application of a service.

    Args:
        service: Started by whoever runs the application, and stopped by them.
        review: What /review works on.
        reports: Files of reports that the page shows.
    """
    app = FastAPI(
        title="textgraft",
        version=__version__,
        summary="Encodings and answers of text models.",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # the gate has taken them off
    )
    described = Described(service.limits, service.registry)
    add_openai(app, service, described)
    add_inference(app, service, described)
    add_pipelines(app, service, described)
    add_viewing(app, service, described)
    add_review(app, service, described, review)
    add_status(app, service, described)
    add_pages(app, described, reports)
    handlers: dict[Any, Any] = {
        RefusalError: _refuse,
        HTTPException: _not_there,
        GoneError: _gone,
        Exception: _failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return Gate(Shortcut(app), service)


class Shortcut:
    """Calls routes whose address is fixed by themselves.

    To look for a route, and for what it takes, costs FastAPI a good part of the time that a request takes
    beside the model. Routes of one fixed address that take the request as it is need neither.

    Args:
        app: Has the routes, and answers all other requests.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._routes = {
            (method, route.path): route
            for route in app.routes
            if isinstance(route, APIRoute) and _takes_request_alone(route)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection's event as ASGI says."""
        route = self._routes.get((scope.get("method", ""), scope.get("path", "")))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        endpoint: Callable[[Request], Awaitable[Response]] = route.endpoint
        try:
            response = await endpoint(request)
        except RefusalError as error:
            response = await _refuse(request, error)
        except GoneError as error:
            response = await _gone(request, error)
        except Exception as error:
            response = await _failed(request, error)
        await response(scope, receive, send)


def _takes_request_alone(route: APIRoute) -> bool:
    return "{" not in route.path and list(inspect.signature(route.endpoint).parameters) == ["request"]


async def _refuse(request: Request, error: RefusalError) -> Response:
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    found = reply(refusal_body(error, request.url.path), headers=headers)
    found.status_code = error.status
    return found


async def _not_there(request: Request, error: HTTPException) -> Response:
    told = _NO_ADDRESS if error.status_code == NOT_FOUND else error.detail
    found = reply(_told(told, "http", request.url.path), headers=dict(error.headers or {}))
    found.status_code = error.status_code
    return found


def _told(message: str, kind: str, path: str) -> dict[str, Any]:
    told = ModelFailureError(message)
    body = refusal_body(told, path)
    if isinstance(body["error"], dict):
        body["error"] |= {"type": kind, "code": kind}
    else:
        body["error_type"] = kind
    return body


async def _gone(request: Request, error: GoneError) -> Response:
    del request, error
    return Response(status_code=GONE)


async def _failed(request: Request, error: Exception) -> Response:
    # Without the error's own words, which may quote a text.
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    logger.error("%s at %s:\n%s", type(error).__name__, request.url.path, where)
    found = reply(_told("the service failed on this request", "internal", request.url.path))
    found.status_code = 500
    return found
