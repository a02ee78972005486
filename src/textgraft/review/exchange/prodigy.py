"""Prodigy: JSON Lines for its interfaces "choice" and "ner_manual", and what ``prodigy db-out`` writes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from textgraft.data.values import UnusableError
from textgraft.review.exchange.base import Exchanged, Tool, made_item, number_or_none, texts_of
from textgraft.review.items import Answered, Decision, Item

_VERDICTS = ("accept", "reject", "ignore")


def _recognises(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("text"), str) and (
        record.get("answer") in _VERDICTS
        or isinstance(record.get("options"), list)
        or "_task_hash" in record
        or isinstance(record.get("spans"), list)
    )


def _write(item: Item, decision: Decision | None, labels: Sequence[str]) -> dict[str, Any]:
    facts = {"item": item.id, "row": item.row, "reason": item.reason, "model": item.model}
    meta: dict[str, Any] = {name: value for name, value in facts.items() if value}
    if item.score is not None:
        meta["score"] = item.score
    answer = item.prediction if decision is None else decision.answer
    record: dict[str, Any] = {"text": item.text}
    if item.task == "token-classification":
        record["spans"] = [dict(span) for span in answer or ()]
    else:
        record["options"] = [{"id": label, "text": label} for label in labels]
        record["accept"] = [answer] if isinstance(answer, str) else list(answer or ())
        record["config"] = {"choice_style": "multiple" if item.task == "multi-label" else "single"}
    record["meta"] = meta
    if decision is not None:
        record["answer"] = "reject" if decision.answer is None else "accept"
        record["_annotator_id"] = decision.reviewer
        record["_timestamp"] = int(decision.time)
    return record


def _read(record: Mapping[str, Any], task: str | None) -> Exchanged:
    found = record.get("meta")
    meta = found if isinstance(found, dict) else {}
    if isinstance(record.get("spans"), list):
        kind, value = task or "token-classification", record["spans"]
    elif isinstance(record.get("options"), list) or isinstance(record.get("accept"), list):
        accepted = record.get("accept") or []
        style = record.get("config") or {}
        several = isinstance(style, dict) and style.get("choice_style") == "multiple"
        kind = task or ("multi-label" if several or len(accepted) > 1 else "classification")
        value = accepted if kind == "multi-label" else (accepted[0] if accepted else None)
    else:
        kind, value = task or "classification", record.get("label")
    verdict = record.get("answer")
    if verdict == "reject" and "label" in record and kind == "classification":
        raise UnusableError(f"rejected annotation: it is not {record['label']!r}, and nobody said what it is")
    answers = []
    # What was ignored is undecided: somebody else may know.
    if verdict == "reject" or (verdict == "accept" and value is not None):
        who = str(record.get("_annotator_id") or record.get("_session_id") or "")
        answers.append(Answered(who, value if verdict == "accept" else None, _when(record)))
    item = made_item(
        kind,
        texts_of({"text": record.get("text")}),
        value if verdict is None else None,
        score=number_or_none(meta.get("score")),
        model=str(meta.get("model") or ""),
        row=str(meta.get("row") or ""),
        reason=str(meta.get("reason") or ""),
    )
    return Exchanged(item, answers)


def _when(record: Mapping[str, Any]) -> str:
    stamp = record.get("_timestamp")
    if not isinstance(stamp, int) or not 0 < stamp < 1 << 33:
        return "in Prodigy"
    return f"in Prodigy, {datetime.datetime.fromtimestamp(stamp, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


PRODIGY = Tool("Prodigy", ".jsonl", _recognises, _read, _write)
