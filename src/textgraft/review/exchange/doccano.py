"""doccano: JSON Lines of a text and its labels, which are names, or spans as [start, end, label].

Its files do not say who labelled a row, nor what a model answered: an export is what one person decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgraft.data.values import UnusableError
from textgraft.review.exchange.base import Exchanged, Tool, made_item, texts_of
from textgraft.review.items import Answered, Decision, Item

_LABELS = ("label", "labels", "entities")


def _recognises(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("text"), str) and any(isinstance(record.get(name), list) for name in _LABELS)


def _write(item: Item, decision: Decision | None, labels: Sequence[str]) -> dict[str, Any]:
    del labels
    answer = item.prediction if decision is None else decision.answer
    label: list[Any]
    if item.task == "token-classification":
        label = [[span["start"], span["end"], span["label"]] for span in answer or ()]
    else:
        label = [answer] if isinstance(answer, str) else list(answer or ())
    facts = {"item": item.id, "row": item.row, "reason": item.reason}
    return {"text": item.text, "label": label, **{name: value for name, value in facts.items() if value}}


def _read(record: Mapping[str, Any], task: str | None) -> Exchanged:
    labels = next((record[name] for name in _LABELS if isinstance(record.get(name), list)), None)
    if labels is None:
        raise UnusableError("no label: a list is needed")
    are_names = all(isinstance(label, str | int) for label in labels)
    kind = task or ("classification" if labels and are_names else "token-classification")
    if kind == "classification" and len(labels) > 1:
        raise UnusableError(
            f"several labels: {', '.join(map(str, labels))}; for such give --task multi-label"
        )
    answers = []
    if labels or kind != "classification":
        answers.append(Answered(str(record.get("username") or ""), labels, "in doccano"))
    item = made_item(kind, texts_of({"text": record.get("text")}), row=str(record.get("row") or ""))
    return Exchanged(item, answers)


DOCCANO = Tool("doccano", ".jsonl", _recognises, _read, _write)
