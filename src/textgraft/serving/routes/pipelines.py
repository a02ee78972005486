"""Any task: /pipelines/{task} in Transformers' shapes; POST / and /models/{name} in the Hub's."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response

from textgraft.serving.asking import ask, built_late, reply
from textgraft.serving.bodies import (
    AnyBody,
    EmbedBody,
    Encodable,
    PipelineBody,
    Sentences,
    as_form,
    check_values,
    read_body,
)
from textgraft.serving.description import Described
from textgraft.serving.piping import plain_values
from textgraft.serving.prepared import Prepared
from textgraft.serving.registry import ServedModel
from textgraft.serving.routes.inference import compared, embedded
from textgraft.serving.service import Service

SIMILARITY = "sentence-similarity"
"""The Hub has this task; it is no pipeline of Transformers."""
ZERO_SHOT = "zero-shot-classification"
GENERATING, CLEANING = "generate_parameters", "clean_up_tokenization_spaces"
"""Options of the Hub's clients: one that holds others, and one that says what is done anyway."""
ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}


def add_pipelines(app: FastAPI, service: Service, described: Described) -> None:
    """Add the routes to an application."""

    @app.post("/pipelines/{task}", **described.pipeline())
    async def pipelines(request: Request) -> Response:
        """Run a pipeline on an input, or on several, with its options as "parameters"."""
        task = request.path_params["task"]
        body = read_body(await request.body(), PipelineBody)
        if task == SIMILARITY:
            return await _similar(request, service, body)
        return reply(*await _piped(request, service, ALIASES.get(task, task), body))

    @app.post("/models/{name}", **described.model())
    async def model(request: Request) -> Response:
        """Do what a model is for, as an endpoint of the Hub does: encode, classify, answer and so on."""
        body = read_body(await request.body(), AnyBody)
        return await _as_endpoint(request, service, body, service.registry.named(request.path_params["name"]))

    @app.post("/", **described.post("AnyBody", "Anything", tag="Inference", loads=True))
    async def anything(request: Request) -> Response:
        """Do what the first model is for, as an endpoint of the Hub does."""
        body = read_body(await request.body(), AnyBody)
        found = service.registry.named(body.model) if body.model else next(iter(service.registry))
        return await _as_endpoint(request, service, body, found)


async def _as_endpoint(request: Request, service: Service, body: AnyBody, model: ServedModel) -> Response:
    """Answer in the Hub's shapes, where the inputs and options say what is wanted of an encoder."""
    parameters = of_clients(body.parameters or {})
    given = PipelineBody(model=model.name, inputs=body.inputs, parameters=parameters, truncate=body.truncate)
    if isinstance(body.inputs, dict) and set(body.inputs) == {"source_sentence", "sentences"}:
        return await _similar(request, service, given)
    if model.encoder is not None and "candidate_labels" in parameters:
        result, prepared = await _piped(request, service, ZERO_SHOT, given)
        return reply(_of_hub(ZERO_SHOT, result, body.inputs), prepared)
    if model.encoder is not None:
        wanted = EmbedBody(
            model=model.name,
            inputs=as_form(body.inputs, Encodable),
            truncate=body.truncate,
            normalize=body.normalize,
            dimensions=body.dimensions,
        )
        return await embedded(request, service, wanted)
    task = next(iter(model.pipelines))
    result, prepared = await _piped(request, service, task, given)
    return reply(_of_hub(task, result, body.inputs), prepared)


def of_clients(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a pipeline's options from those that the Hub's clients send."""
    found = {name: value for name, value in parameters.items() if name != GENERATING}
    if found.get(CLEANING) is True:
        del found[CLEANING]  # what is written has no such spaces
    given = parameters.get(GENERATING)
    return found | (given if isinstance(given, dict) else {} if given is None else {GENERATING: given})


async def _piped(request: Request, service: Service, task: str, body: PipelineBody) -> tuple[Any, Prepared]:
    """Return what a pipeline gives."""
    _, pipeline = service.registry.pipeline(task, body.model)
    parameters = body.parameters or {}
    characters = check_values(body.inputs, service.limits)
    check_values({"inputs": "-", **parameters}, service.limits)
    built = await built_late(request, pipeline)
    result, prepared = await ask(
        request,
        service,
        lambda: built.prepare(body.inputs, parameters, truncate=bool(body.truncate)),
        characters,
    )
    return plain_values(result), prepared


def _of_hub(task: str, result: Any, inputs: Any) -> Any:
    """Return what the Hub answers to a single input where Transformers returns something else."""
    if isinstance(inputs, list):
        return result
    if task == "text-classification":
        return [result if isinstance(result, list) else [result]]
    if task == ZERO_SHOT:
        return [
            {"label": label, "score": score}
            for label, score in zip(result["labels"], result["scores"], strict=True)
        ]
    return result


async def _similar(request: Request, service: Service, body: PipelineBody) -> Response:
    given = as_form(body.inputs, Sentences)
    truncate = bool(body.truncate or (body.parameters or {}).get("truncate"))
    return await compared(request, service, body.model, [given.source_sentence, *given.sentences], truncate)
