"""The OpenAPI description: what each route takes and gives, with the bounds that hold, and every status."""

from __future__ import annotations

from typing import Any

from textgraft.serving import refusals
from textgraft.serving.limits import Limits
from textgraft.serving.refusals import RefusalError
from textgraft.serving.registry import Registry
from textgraft.serving.viewing import MOST_NEAR, MOST_TOKENS

Schema = dict[str, Any]
_BOOLEAN: Schema = {"type": ["boolean", "null"]}
_NUMBER: Schema = {"type": "number"}
_LEVEL: Schema = {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_PROMISED: dict[str, Schema] = {
    "sets": {
        **_LEVEL,
        "description": "Adds the labels that a text may have: in this share of texts the true one is among "
        "them.",
    },
    "reject": {
        **_LEVEL,
        "description": "Tells texts that fit no label; this share of the others is not told so.",
    },
}
_ANY: Schema = {}
_MODEL_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_BOTH = (
    refusals.UnauthorizedError,
    refusals.HostError,
    refusals.BusyError,
    refusals.UnavailableError,
)
_REVIEWED = (refusals.NotFoundError, refusals.ConflictRefusalError, refusals.StorageError)
_POSTED = (
    *_BOTH,
    refusals.NotFoundError,
    refusals.SlowBodyError,
    refusals.TooLargeError,
    refusals.MediaTypeError,
    refusals.InputError,
    refusals.ModelFailureError,
    refusals.LateError,
)
_LOADING = (refusals.StorageError,)
NAME = r"^[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f\u3000\ufeff][^\u0000]*$"
"""Of a reviewer: it begins with something that can be seen."""
LONGEST_NAME = 100
MOST_ITEMS = 100
"""Handed out to a reviewer at a time."""
TASKS = (
    "text-classification", "sentiment-analysis", "token-classification", "ner", "question-answering",
    "multiple-choice", "fill-mask", "next-sentence", "text-generation", "translation", "summarization",
    "text2text-generation", "image-to-text", "feature-extraction", "zero-shot-classification",
    "sentence-similarity",
)  # fmt: skip


class Described:
    """Writes the description of routes.

    Args:
        limits: Bounds of what is taken.
        registry: The models at the start.
    """

    def __init__(self, limits: Limits, registry: Registry) -> None:
        self.limits = limits
        encoders = [model.encoder for model in registry if model.encoder is not None]
        first = encoders[0] if encoders else None
        self._dimension = first.dimension if first else 1
        self._vocabulary = first.vocabulary if first else 1

    def post(self, body: str, answer: str, *, tag: str, loads: bool = False) -> dict[str, Any]:
        """Return FastAPI's arguments for a route that takes JSON.

        Args:
            body: Names the schema of what it takes.
            answer: Names that of what it gives.
            tag: Groups routes.
            loads: Whether something may be loaded, and kept on disk, when it is first asked for.
        """
        content = {"application/json": {"schema": self._bodies()[body]}}
        return {
            "tags": [tag],
            "responses": {200: _answer(_ANSWERS[answer]), **_refused((*_POSTED, *_LOADING * loads))},
            "openapi_extra": {"requestBody": {"required": True, "content": content}},
        }

    def review(self, body: str | None) -> dict[str, Any]:
        """Return FastAPI's arguments for a route of the review queue.

        Args:
            body: Names the schema of what it takes; None where it takes nothing.
        """
        found = self.post(body, "Object", tag="Review") if body else self.get("Object", tag="Review")
        return {**found, "responses": {**found["responses"], **_refused(_REVIEWED)}}

    def get(self, answer: str, *, tag: str) -> dict[str, Any]:
        """Return FastAPI's arguments for a route that takes nothing."""
        return {"tags": [tag], "responses": {200: _answer(_ANSWERS[answer]), **_refused(_BOTH)}}

    def named(self, answer: str, *, tag: str) -> dict[str, Any]:
        """Return FastAPI's arguments for a route that takes nothing but the name of a model."""
        found = self.get(answer, tag=tag)
        return {
            **found,
            "responses": {**found["responses"], **_refused((refusals.NotFoundError,))},
            "openapi_extra": {"parameters": [_MODEL_NAME]},
        }

    def text(self, *, tag: str) -> dict[str, Any]:
        """Return FastAPI's arguments for a route that gives plain text."""
        told = {"description": "Plain text", "content": {"text/plain": {"schema": {"type": "string"}}}}
        return {"tags": [tag], "responses": {200: told, **_refused(_BOTH)}}

    def pipeline(self) -> dict[str, Any]:
        """Return FastAPI's arguments for the route of all pipelines."""
        found = self.post("PipelineBody", "Anything", tag="Inference", loads=True)
        task = {
            "name": "task",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "enum": list(TASKS)},
        }
        found["openapi_extra"]["parameters"] = [task]
        return found

    def model(self) -> dict[str, Any]:
        """Return FastAPI's arguments for the route of single models."""
        found = self.post("AnyBody", "Anything", tag="Inference", loads=True)
        found["openapi_extra"]["parameters"] = [_MODEL_NAME]
        return found

    def _bodies(self) -> dict[str, Schema]:
        text: Schema = {
            "type": "string",
            "minLength": 1,
            "maxLength": self.limits.max_characters,
            "pattern": r"^[^\u0000]+$",
        }
        texts: Schema = {"type": "array", "items": text, "minItems": 1, "maxItems": self.limits.max_texts}
        identifier: Schema = {"type": "integer", "minimum": 0, "maximum": self._vocabulary - 1}
        ids: Schema = {
            "type": "array",
            "items": identifier,
            "minItems": 1,
            "maxItems": self.limits.max_characters,
        }
        rows: Schema = {"type": "array", "items": ids, "minItems": 1, "maxItems": self.limits.max_texts}
        encodable: Schema = {"anyOf": [text, texts, ids, rows]}
        named: Schema = {
            "type": ["string", "null"],
            "description": "Which of the served models; the first that can do it where none is named.",
        }
        truncating = {"model": named, "truncate": _BOOLEAN}
        dimensions: Schema = {"type": ["integer", "null"], "minimum": 1, "maximum": self._dimension}
        encoding = {
            **truncating,
            "normalize": _BOOLEAN,
            "dimensions": dimensions,
            "truncation_direction": {"enum": ["right", "Right", None]},
            "encoding_format": {"enum": ["float", None]},
        }
        anything: Schema = {
            "anyOf": [text, texts, {"type": "object"}, {"type": "array", "minItems": 1}],
            "description": "What the task takes: a text, an object, or a list of them.",
        }
        options: Schema = {
            "type": ["object", "null"],
            "description": "Of the pipeline; of text-classification sets and reject, too, as of /predict.",
        }
        sentences = _object(
            {"source_sentence": text, "sentences": {**texts, "maxItems": self.limits.max_texts - 1}},
            ("source_sentence", "sentences"),
        )
        name: Schema = {**text, "maxLength": LONGEST_NAME, "pattern": NAME}
        note: Schema = {"type": "string", "maxLength": self.limits.max_characters, "pattern": r"^[^\u0000]*$"}
        return {
            "EmbeddingsBody": _object(
                {
                    **truncating,
                    "input": encodable,
                    "encoding_format": {"enum": ["float", "base64", None]},
                    "dimensions": dimensions,
                    "user": {"type": ["string", "null"]},
                },
                ("input",),
            ),
            "EmbedBody": _object({**encoding, "inputs": encodable}, ("inputs",)),
            "PredictBody": _object(
                {**truncating, "inputs": anything, "details": _BOOLEAN, **_PROMISED}, ("inputs",)
            ),
            "SimilarityBody": _object(
                {
                    "model": named,
                    "inputs": sentences,
                    "parameters": {"anyOf": [_object({"truncate": _BOOLEAN}, ()), {"type": "null"}]},
                },
                ("inputs",),
            ),
            "TokenizeBody": _object(
                {"model": named, "inputs": {"anyOf": [text, texts]}, "add_special_tokens": _BOOLEAN},
                ("inputs",),
            ),
            "PipelineBody": _object({**truncating, "inputs": anything, "parameters": options}, ("inputs",)),
            "AttentionBody": _object({"model": named, "inputs": text}, ("inputs",)),
            "NearestBody": _object(
                {
                    "model": named,
                    "inputs": text,
                    "word": {"type": "integer", "minimum": 0, "maximum": MOST_TOKENS},
                    "count": {"type": "integer", "minimum": 1, "maximum": MOST_NEAR},
                },
                ("inputs", "word"),
            ),
            "NextBody": _object(
                {
                    "reviewer": name,
                    "count": {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS},
                    "disputed": {"type": "boolean"},
                },
                ("reviewer",),
            ),
            "DecideBody": _object(
                {
                    "item": text,
                    "reviewer": name,
                    "answer": _ANY,
                    "note": note,
                    "correct": {"type": "boolean"},
                },
                ("item", "reviewer", "answer"),
            ),
            "ReleaseBody": _object(
                {"item": text, "reviewer": name, "passed": {"type": "boolean"}}, ("item", "reviewer")
            ),
            "AnyBody": _object({**encoding, "inputs": anything, "parameters": options}, ("inputs",)),
        }


def _object(properties: dict[str, Schema], required: tuple[str, ...]) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_STRING: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_NEIGHBOUR = _object({"text": _STRING, "score": _NUMBER}, ("text", "score"))
_ANSWERS: dict[str, Schema] = {
    "Anything": _ANY,
    "Vectors": _list(_list(_NUMBER)),
    "Numbers": _list(_NUMBER),
    "Predictions": {"anyOf": [{"type": "object"}, {"type": "array"}]},
    "Tokens": _list(
        _list(
            _object(
                {
                    "id": _INTEGER,
                    "text": _STRING,
                    "special": {"type": "boolean"},
                    "start": {"type": ["integer", "null"]},
                    "stop": {"type": ["integer", "null"]},
                },
                ("id", "text", "special", "start", "stop"),
            )
        )
    ),
    "Embeddings": _object(
        {
            "object": {"const": "list"},
            "model": _STRING,
            "data": _list(
                _object(
                    {
                        "object": {"const": "embedding"},
                        "index": _INTEGER,
                        "embedding": {"anyOf": [_list(_NUMBER), _STRING]},
                        "n_tokens": _INTEGER,
                        "n_lost": _INTEGER,
                        "truncated": {"type": "boolean"},
                    },
                    ("object", "index", "embedding", "n_tokens", "n_lost", "truncated"),
                )
            ),
            "usage": _object(
                {"prompt_tokens": _INTEGER, "total_tokens": _INTEGER}, ("prompt_tokens", "total_tokens")
            ),
        },
        ("object", "model", "data", "usage"),
    ),
    "Attention": _object(
        {
            "words": _list(
                _object(
                    {
                        "text": _STRING,
                        "start": _INTEGER,
                        "end": _INTEGER,
                        "special": {"type": "boolean"},
                    },
                    ("text", "start", "end", "special"),
                )
            ),
            "weights": _list(_list(_list(_NUMBER))),
        },
        ("words", "weights"),
    ),
    "Neighbours": _object(
        {"word": _STRING, "alone": _list(_NEIGHBOUR), "here": _list(_NEIGHBOUR)}, ("word", "alone", "here")
    ),
    "Models": _object({"object": {"const": "list"}, "data": _list({"type": "object"})}, ("object", "data")),
    "Info": {"type": "object"},
    "Object": {"type": "object"},
    "State": _object({"status": _STRING}, ("status",)),
}
_ERROR: Schema = {
    "anyOf": [
        _object({"error": _STRING, "error_type": _STRING}, ("error", "error_type")),
        _object(
            {
                "error": _object(
                    {
                        "message": _STRING,
                        "type": _STRING,
                        "param": {"type": ["string", "null"]},
                        "code": {"type": ["string", "null"]},
                    },
                    ("message", "type"),
                )
            },
            ("error",),
        ),
    ]
}


def _answer(schema: Schema) -> dict[str, Any]:
    return {"description": "The answer", "content": {"application/json": {"schema": schema}}}


def _refused(kinds: tuple[type[RefusalError], ...]) -> dict[int | str, Any]:
    return {
        kind.status: {
            "description": (kind.__doc__ or "").strip(),
            "content": {"application/json": {"schema": _ERROR}},
        }
        for kind in kinds
    }
