"""Label Studio: JSON tasks with predictions; its JSON export of them with annotations.

The labelling interface needs a control named "label" for the text column that comes first, as
:func:`interface` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from textgraft.data.values import UnusableError
from textgraft.review.exchange.base import QUESTION, Exchanged, Tool, made_item, number_or_none, texts_of
from textgraft.review.items import Answered, Decision, Item

_REVIEWER = "reviewer"
_OWN = ("item", "row", "reason", _REVIEWER)
"""What is written beside the texts; no text is of such a name."""


def _recognises(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("data"), dict)


def _write(item: Item, decision: Decision | None, labels: Sequence[str]) -> dict[str, Any]:
    del labels
    facts = {"item": item.id, "row": item.row, "reason": item.reason}
    if decision is not None:
        # Label Studio takes annotators that it knows, and refuses the file for another.
        facts[_REVIEWER] = decision.reviewer
    task: dict[str, Any] = {
        "data": {**item.columns, **{name: value for name, value in facts.items() if value}},
        "predictions": [],
        "annotations": [],
    }
    if item.prediction is not None:
        made = {"model_version": item.model or "textgraft", "result": list(_results(item, item.prediction))}
        task["predictions"] = [made if item.score is None else {**made, "score": item.score}]
    if decision is not None:
        was_cancelled = decision.answer is None
        result = [] if was_cancelled else list(_results(item, decision.answer))
        task["annotations"] = [{"result": result, "was_cancelled": was_cancelled}]
    return task


def _results(item: Item, answer: Any) -> Iterator[dict[str, Any]]:
    to = next(iter(item.columns))
    if item.task == "token-classification":
        for place, span in enumerate(answer):
            start, end = span["start"], span["end"]
            value = {"start": start, "end": end, "text": item.text[start:end], "labels": [span["label"]]}
            yield _result(f"{item.id[:8]}-{place}", to, "labels", value)
    elif answer:
        choices = [answer] if isinstance(answer, str) else list(answer)
        yield _result(item.id[:8], to, "choices", {"choices": choices})


def _result(name: str, to: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "from_name": QUESTION, "to_name": to, "type": kind, "value": value}


def _read(record: Mapping[str, Any], task: str | None) -> Exchanged:
    data = record["data"]
    if not isinstance(data, dict):
        raise UnusableError("malformed task: its data is no object")
    columns = texts_of({name: value for name, value in data.items() if name not in _OWN})
    annotations = list(_listed(record.get("annotations")))
    predictions = list(_listed(record.get("predictions")))
    kind = task or _task([*annotations, *predictions])
    answers = []
    for entry in annotations:
        reviewer = _reviewer(entry.get("completed_by"), data.get(_REVIEWER))
        if entry.get("was_cancelled"):
            answers.append(Answered(reviewer, None, "skipped in Label Studio"))
        else:
            answers.append(Answered(reviewer, _answer(entry, kind), _when(entry)))
    prediction = _answer(predictions[-1], kind) if predictions else None
    item = made_item(
        kind,
        columns,
        prediction if prediction or kind != "classification" else None,
        score=number_or_none(predictions[-1].get("score")) if predictions else None,
        model=str(predictions[-1].get("model_version") or "") if predictions else "",
        row=str(data.get("row") or ""),
        reason=str(data.get("reason") or ""),
    )
    return Exchanged(item, answers)


def _listed(value: Any) -> Iterator[dict[str, Any]]:
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("result"), list):
            yield entry


def _task(entries: Sequence[Mapping[str, Any]]) -> str:
    kinds = {
        result.get("type") for entry in entries for result in entry["result"] if isinstance(result, dict)
    }
    return "token-classification" if "labels" in kinds else "classification"


def _answer(entry: Mapping[str, Any], task: str) -> Any:
    values = [
        (result.get("type"), result["value"])
        for result in entry["result"]
        if isinstance(result, dict) and isinstance(result.get("value"), dict)
    ]
    if task == "token-classification":
        return [value for kind, value in values if kind == "labels"]
    chosen = [
        name
        for kind, value in values
        if kind == "choices"
        for name in (value["choices"] if isinstance(value.get("choices"), list) else ())
    ]
    if task != "multi-label" and len(chosen) > 1:
        raise UnusableError(
            f"several labels: {', '.join(map(str, chosen))}; for such give --task multi-label"
        )
    return chosen if task == "multi-label" else (chosen[0] if chosen else None)


def _reviewer(by: Any, ours: Any) -> str:
    if isinstance(by, dict):
        return str(by.get("email") or by.get("id") or "")
    if isinstance(by, int):
        return f"Label Studio user {by}"
    return str(ours or "")


def _when(entry: Mapping[str, Any]) -> str:
    made = entry.get("updated_at") or entry.get("created_at")
    return f"in Label Studio, {made}" if isinstance(made, str) else "in Label Studio"


def interface(item: Item, labels: Sequence[str]) -> str:
    """Return the labelling interface for items like this one, as Label Studio's settings take it."""
    to = next(iter(item.columns))
    texts = [f"  <Text name={quoteattr(name)} value={quoteattr('$' + name)}/>" for name in item.columns]
    if item.task == "token-classification":
        tag, entry, more = "Labels", "Label", ""
    else:
        choice = "multiple" if item.task == "multi-label" else "single-radio"
        tag, entry, more = "Choices", "Choice", f' choice="{choice}" showInLine="true"'
    listed = [f"    <{entry} value={quoteattr(label)}/>" for label in labels]
    control = [f"  <{tag} name={quoteattr(QUESTION)} toName={quoteattr(to)}{more}>", *listed, f"  </{tag}>"]
    return "\n".join(["<View>", *texts, *control, "</View>", ""])


LABEL_STUDIO = Tool("Label Studio", ".json", _recognises, _read, _write)
