"""OpenAI's forms: /v1/embeddings and /v1/models."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response

from textgraft.serving.asking import ask, encoding_request, reply
from textgraft.serving.bodies import EmbeddingsBody, read_body
from textgraft.serving.description import Described
from textgraft.serving.registry import ServedModel
from textgraft.serving.service import Service


def add_openai(app: FastAPI, service: Service, described: Described) -> None:
    """Add the routes to an application."""

    @app.post("/v1/embeddings", **described.post("EmbeddingsBody", "Embeddings", tag="OpenAI"))
    async def embeddings(request: Request) -> Response:
        """Encode a text, several, or token ids, in OpenAI's form."""
        body = read_body(await request.body(), EmbeddingsBody)
        model, encoder = service.registry.encoder(body.model)
        prepare, characters, _ = encoding_request(
            body.input, encoder, service, truncate=bool(body.truncate), dimensions=body.dimensions
        )
        vectors, prepared = await ask(request, service, prepare, characters, only_tokenizes=True)
        as_text = body.encoding_format == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _base64(vector) if as_text else vector,
                "n_tokens": tokens,
                "n_lost": lost,
                "truncated": lost > 0,
            }
            for index, (vector, tokens, lost) in enumerate(
                zip(vectors, prepared.n_tokens, prepared.n_lost, strict=True)
            )
        ]
        tokens = sum(prepared.n_tokens)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return reply({"object": "list", "data": data, "model": model.name, "usage": usage}, prepared)

    @app.get("/v1/models", **described.get("Models", tag="OpenAI"))
    async def models() -> Response:
        """List the models that are served."""
        return reply({"object": "list", "data": [_model(model, service) for model in service.registry]})

    @app.get("/v1/models/{name}", **described.named("Object", tag="OpenAI"))
    async def model(request: Request) -> Response:
        """Describe a model that is served."""
        return reply(_model(service.registry.named(request.path_params["name"]), service))


def _model(model: ServedModel, service: Service) -> dict[str, Any]:
    return {
        **model.described(),
        "object": "model",
        "created": int(service.started),
        "owned_by": "textgraft",
    }


def _base64(vector: np.ndarray) -> str:
    """Write a vector as the bytes of its numbers, little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(vector, dtype="<f4").tobytes()).decode("ascii")
