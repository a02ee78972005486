"""Argilla: records as JSON, as its ``dataset.records.from_json`` and ``to_json`` read and write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgraft.data.values import UnusableError
from textgraft.review.exchange.base import QUESTION, Exchanged, Tool, made_item, number_or_none, texts_of
from textgraft.review.items import Answered, Decision, Item


def _recognises(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("fields"), dict)


def _write(item: Item, decision: Decision | None, labels: Sequence[str]) -> dict[str, Any]:
    del labels
    suggestion: dict[str, Any] | None = None
    if decision is not None and decision.answer is not None:
        # Argilla takes responses of its own users alone, named by its own numbers.
        suggestion = {"value": decision.answer, "score": None, "agent": decision.reviewer}
    elif item.prediction is not None:
        score = item.score if isinstance(item.prediction, str) else None
        suggestion = {"value": item.prediction, "score": score, "agent": item.model or "textgraft"}
    return {
        "id": item.id,
        "fields": dict(item.columns),
        "metadata": {},
        "suggestions": {QUESTION: suggestion} if suggestion else {},
        "responses": {},
        "vectors": {},
    }


def _read(record: Mapping[str, Any], task: str | None) -> Exchanged:
    fields, suggestions, responses = (
        record.get(name) or {} for name in ("fields", "suggestions", "responses")
    )
    if not all(isinstance(part, dict) for part in (fields, suggestions, responses)):
        raise UnusableError("malformed record: fields, suggestions and responses must be objects")
    question = next(iter([*responses, *suggestions]), QUESTION)
    suggested = suggestions.get(question)
    suggestion = suggested if isinstance(suggested, dict) else {}
    given = [entry for entry in _listed(responses.get(question)) if entry.get("status") != "draft"]
    values = [entry.get("value") for entry in given] + [suggestion.get("value")]
    kind = task or _task([value for value in values if value is not None])
    item = made_item(
        kind,
        texts_of(fields),
        suggestion.get("value"),
        score=number_or_none(suggestion.get("score")),
        model=str(suggestion.get("agent") or ""),
    )
    answers = [
        Answered(
            str(entry.get("user_id") or ""),
            None if entry.get("status") == "discarded" else entry.get("value"),
            "in Argilla",
        )
        for entry in given
    ]
    return Exchanged(item, answers)


def _listed(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in (value if isinstance(value, list) else []) if isinstance(entry, dict)]


def _task(values: Sequence[Any]) -> str:
    if not any(isinstance(value, list) for value in values):
        return "classification"
    are_names = any(isinstance(entry, str) for value in values if isinstance(value, list) for entry in value)
    return "multi-label" if are_names else "token-classification"


ARGILLA = Tool("Argilla", ".json", _recognises, _read, _write)
