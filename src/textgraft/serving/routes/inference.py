"""text-embeddings-inference's forms: /embed, /predict, /similarity, /tokenize and /info."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response

from textgraft._version import __version__
from textgraft.inference.promised import Promised
from textgraft.serving.answering import Answering, prepare_rows
from textgraft.serving.asking import ask, encoding_request, reply
from textgraft.serving.bodies import (
    EmbedBody,
    PredictBody,
    SimilarityBody,
    TokenizeBody,
    check_texts,
    check_values,
    read_body,
)
from textgraft.serving.description import Described
from textgraft.serving.encoding import scaled
from textgraft.serving.piping import plain_values
from textgraft.serving.prepared import Prepared
from textgraft.serving.registry import ServedModel
from textgraft.serving.service import Service
from textgraft.tasks.text.pairs import PairTexts
from textgraft.tasks.text.texts import LabelProbabilities


def add_inference(app: FastAPI, service: Service, described: Described) -> None:
    """Add the routes to an application."""

    @app.post("/embed", **described.post("EmbedBody", "Vectors", tag="Inference"))
    async def embed(request: Request) -> Response:
        """Encode a text, several, or token ids: a list of numbers each."""
        return await embedded(request, service, read_body(await request.body(), EmbedBody))

    @app.post("/predict", **described.post("PredictBody", "Predictions", tag="Inference"))
    async def predict(request: Request) -> Response:
        """Predict the target of an input, or of several, whatever the model's task takes.

        Labels come with the probability of each, the likeliest first. With "details" every prediction is all
        that the task says of it, with the tokens that were read. With "sets" it has the labels that the text
        may have, the true one among them in this share of texts; with "reject" it says whether the text fits
        any label, and of those that do this share is not told that they do not.
        """
        return await predicted(request, service, read_body(await request.body(), PredictBody))

    @app.post("/similarity", **described.post("SimilarityBody", "Numbers", tag="Inference"))
    async def similarity(request: Request) -> Response:
        """Return the cosine between the encoding of a sentence and those of others."""
        body = read_body(await request.body(), SimilarityBody)
        truncate = bool(body.parameters and body.parameters.truncate)
        return await compared(
            request, service, body.model, [body.inputs.source_sentence, *body.inputs.sentences], truncate
        )

    @app.post("/tokenize", **described.post("TokenizeBody", "Tokens", tag="Inference"))
    async def tokenize(request: Request) -> Response:
        """Return the tokens of a text, or of several, as the encoder reads them."""
        body = read_body(await request.body(), TokenizeBody)
        texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
        characters = check_texts(texts, service.limits)
        _, encoder = service.registry.encoder(body.model)
        with_special = body.add_special_tokens is not False

        def tokens() -> list[list[dict[str, Any]]]:
            encodings = encoder.encoder.tokenizer.encode_batch(texts, add_special_tokens=with_special)
            return [_tokens(encoding, text) for encoding, text in zip(encodings, texts, strict=True)]

        deadline = request.scope["textgraft"]["arrived"] + service.limits.deadline
        return reply(await service.wait(service.pool.submit(tokens, characters), deadline))

    @app.get("/info", **described.get("Info", tag="Inference"))
    async def info() -> Response:
        """Describe the service: its models and its limits."""
        return reply(_info(service))


async def embedded(request: Request, service: Service, body: EmbedBody) -> Response:
    """Answer a request for encodings."""
    _, encoder = service.registry.encoder(body.model)
    prepare, characters, _ = encoding_request(
        body.inputs,
        encoder,
        service,
        truncate=bool(body.truncate),
        normalize=body.normalize is not False,
        dimensions=body.dimensions,
    )
    vectors, prepared = await ask(request, service, prepare, characters, only_tokenizes=True)
    return reply(vectors, prepared)


async def predicted(request: Request, service: Service, body: PredictBody) -> Response:
    """Answer a request for predictions."""
    model, answering = service.registry.answering(body.model)
    characters = check_values(body.inputs, service.limits)
    inputs, is_single = _rows(body.inputs, answering)
    promised = Promised(sets=body.sets, reject=body.reject)
    predictions, prepared = await ask(
        request,
        service,
        lambda: prepare_rows(answering, inputs, truncate=bool(body.truncate), promised=promised or None),
        characters,
        only_tokenizes=model.is_light,
    )
    service.shadows.compare(model, inputs, predictions, service.batcher, service.pool, service.metrics)
    if body.details:
        found = [_detailed(*each) for each in _with_tokens(predictions, prepared)]
    else:
        found = [_plain(prediction) for prediction in predictions]
    return reply(plain_values(found[0] if is_single else found), prepared)


async def compared(
    request: Request, service: Service, name: str | None, texts: list[str], truncate: bool
) -> Response:
    """Answer with the cosine between the first text and each of the others."""
    _, encoder = service.registry.encoder(name)
    characters = check_texts(texts, service.limits)
    if len(texts) < 2:
        check_texts([], service.limits)
    vectors, prepared = await ask(
        request,
        service,
        lambda: encoder.prepare(texts, truncate=truncate),
        characters,
        only_tokenizes=True,
    )
    vectors = scaled(vectors)
    return reply(vectors[1:] @ vectors[0], prepared)


def _rows(inputs: Any, answering: Answering) -> tuple[list[Any], bool]:
    """Return the inputs of a task as a list, and whether it was one.

    Two texts in a list are a pair where the model reads pairs, and else two inputs; a list of a list of one
    text, as text-embeddings-inference has it, is a list of that text.
    """
    if not isinstance(inputs, list):
        return [inputs], True
    if isinstance(answering.task, PairTexts):
        is_pair = len(inputs) == 2 and all(isinstance(text, str) for text in inputs)
        return ([inputs], True) if is_pair else (inputs, False)
    if all(isinstance(entry, list) and len(entry) == 1 and isinstance(entry[0], str) for entry in inputs):
        return [entry[0] for entry in inputs], False
    return inputs, False


def _plain(prediction: Any) -> Any:
    if not isinstance(prediction, LabelProbabilities):
        return prediction.to_dict()
    scores = prediction.scores()
    return [{"label": label, "score": scores[label]} for label in sorted(scores, key=lambda x: -scores[x])]


def _with_tokens(predictions: list[Any], prepared: Prepared) -> Any:
    return zip(predictions, prepared.n_tokens, prepared.truncated, strict=True)


def _detailed(prediction: Any, n_tokens: int, truncated: bool) -> dict[str, Any]:
    return {**prediction.to_dict(), "n_tokens": n_tokens, "truncated": truncated}


def _tokens(encoding: Any, text: str) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "text": token if special else text[start:stop],
            "special": bool(special),
            "start": None if special else start,
            "stop": None if special else stop,
        }
        for number, token, special, (start, stop) in zip(
            encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True
        )
    ]


def _info(service: Service) -> dict[str, Any]:
    models = list(service.registry)
    first: ServedModel = next((model for model in models if model.encoder), models[0])
    limits = service.limits
    return {
        "model_id": first.name,
        "model_sha": first.identity,
        "model_dtype": first.engine,
        "model_type": _model_type(first),
        "max_concurrent_requests": limits.max_connections,
        "max_input_length": first.encoder.max_length if first.encoder else None,
        "max_batch_tokens": limits.batch_tokens,
        "max_batch_requests": limits.batch_texts,
        "max_client_batch_size": limits.max_texts,
        "auto_truncate": False,
        "version": __version__,
        "models": [model.described() for model in models],
        "limits": limits.model_dump(),
    }


def _model_type(model: ServedModel) -> dict[str, Any]:
    if model.encoder is not None:
        return {"embedding": {"pooling": model.encoder.encoder.pooling}}
    labels = {str(place): label for place, label in enumerate(model.labels)}
    return {"classifier": {"id2label": labels, "label2id": {name: place for place, name in labels.items()}}}
