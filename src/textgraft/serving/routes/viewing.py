"""A look into an encoder: /view/attention and /view/nearest."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI, Request, Response

from textgraft.serving.asking import ask, built_late, reply
from textgraft.serving.bodies import AttentionBody, NearestBody, check_texts, read_body, whole
from textgraft.serving.description import Described
from textgraft.serving.refusals import InputError
from textgraft.serving.service import Service
from textgraft.serving.viewing import MOST_NEAR


def add_viewing(app: FastAPI, service: Service, described: Described) -> None:
    """Add the routes to an application."""

    @app.post("/view/attention", **described.post("AttentionBody", "Attention", tag="Inside", loads=True))
    async def attention(request: Request) -> Response:
        """Tell how the words of a text attend to each other: [layers, words, words], means over the heads."""
        body = read_body(await request.body(), AttentionBody)
        characters = check_texts([body.inputs], service.limits)
        view = await built_late(request, service.registry.view(body.model))
        found, prepared = await ask(request, service, lambda: view.attention(body.inputs), characters)
        return reply({"words": msgspec.to_builtins(found["words"]), "weights": found["weights"]}, prepared)

    @app.post("/view/nearest", **described.post("NearestBody", "Neighbours", tag="Inside", loads=True))
    async def nearest(request: Request) -> Response:
        """Tell which words are near a word: by its own vector, and in its text."""
        body = read_body(await request.body(), NearestBody)
        characters = check_texts([body.inputs], service.limits)
        word, count = whole(body.word, "word"), whole(body.count, "count")
        if not 1 <= count <= MOST_NEAR:
            raise InputError(f"count is {count}, and 1 to {MOST_NEAR} words are told")
        view = await built_late(request, service.registry.view(body.model))
        found, prepared = await ask(
            request, service, lambda: view.nearest(body.inputs, word, count), characters
        )
        return reply(msgspec.to_builtins(found), prepared)
