"""How the service is: /livez, /readyz, /health and /metrics."""

from __future__ import annotations

from fastapi import FastAPI, Response

from textgraft.serving.asking import reply
from textgraft.serving.description import Described
from textgraft.serving.refusals import UnavailableError
from textgraft.serving.service import Service


def add_status(app: FastAPI, service: Service, described: Described) -> None:
    """Add the routes to an application."""

    @app.get("/livez", **described.get("State", tag="Status"))
    async def livez() -> Response:
        """Say that the process is there: start it again if not."""
        return reply({"status": "alive"})

    @app.get("/readyz", **described.get("State", tag="Status"))
    async def readyz() -> Response:
        """Say whether requests are answered: send none if not."""
        if not service.ready:
            raise UnavailableError("the service stops" if service.draining else "the model thread is dead")
        return reply({"status": "ready"})

    @app.get("/health", **described.get("State", tag="Status"))
    async def health() -> Response:
        """Compute something, and say whether that was done in time."""
        if not await service.is_healthy():
            raise UnavailableError("nothing could be computed in time")
        return reply({"status": "healthy"})

    @app.get("/metrics", **described.text(tag="Status"))
    async def metrics() -> Response:
        """Return the metrics in Prometheus' form."""
        return Response(service.metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8")
