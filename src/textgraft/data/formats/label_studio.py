"""Label Studio's export of tasks: what was annotated lies some levels below the text.

A task becomes a record of its data and of one value for each control of the labelling interface: the names
that were chosen, the spans that were marked, the number or text that was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgraft.data.annotations import KIND
from textgraft.data.dataset import Rejected

_SPANS = ("labels", "hypertextlabels", "paragraphlabels")
_ANNOTATIONS = ("annotations", "completions")
"""Where annotations stand; older versions called them completions."""


def are_tasks(records: Sequence[Any]) -> bool:
    """Tell whether records are Label Studio's tasks."""
    return bool(records) and all(isinstance(record, dict) and _is_task(record) for record in records[:20])


def _is_task(record: dict[str, Any]) -> bool:
    return isinstance(record.get("data"), dict) and any(
        isinstance(record.get(name), list) for name in _ANNOTATIONS
    )


def flatten(tasks: Sequence[Any]) -> tuple[list[dict[str, Any] | Rejected | None], list[str]]:
    """Make a record of every task; one that its annotators skipped is rejected.

    Returns:
        The records in order, and what was assumed of them.
    """
    records: list[dict[str, Any] | Rejected | None] = []
    spans: set[str] = set()
    several = 0
    for number, task in enumerate(tasks, start=1):
        if not isinstance(task, dict) or not _is_task(task):
            records.append(None)
            continue
        made = [entry for name in _ANNOTATIONS for entry in task.get(name) or () if isinstance(entry, dict)]
        valid = [entry for entry in made if not entry.get("was_cancelled") and not entry.get("skipped")]
        if made and not valid:
            text = str(next(iter(task["data"].values()), ""))
            records.append(Rejected(number, f"{KIND}: it was skipped by whoever annotated it", text[:200]))
            continue
        several += len(valid) > 1
        valid.sort(key=lambda entry: not entry.get("ground_truth"))
        record: dict[str, Any] = {**task["data"], _ANNOTATED: bool(valid)}
        for result in valid[0].get("result") or () if valid else ():
            if isinstance(result, dict):
                _add(record, result, task["data"], spans)
        records.append(record)
    for made_of in records:
        if isinstance(made_of, dict) and made_of.pop(_ANNOTATED):
            for name in spans:
                made_of.setdefault(name, [])  # annotated, with nothing marked
    remarks = [f"{several:,} tasks have several annotations: of each, one was read."] if several else []
    return records, remarks


_ANNOTATED = "\0annotated"


def _add(record: dict[str, Any], result: dict[str, Any], data: dict[str, Any], spans: set[str]) -> None:
    """Put one result of an annotation under the name of its control."""
    kind, value, name = result.get("type"), result.get("value"), result.get("from_name")
    if not isinstance(value, dict) or not isinstance(name, str) or not isinstance(kind, str):
        return
    if name in data:
        name = f"{name} (annotated)"
    given = value.get(kind)
    if kind in _SPANS:
        spans.add(name)
        record.setdefault(name, []).append(value)
    elif kind == "choices":
        record[name] = [*record.get(name, ()), *(given if isinstance(given, list) else [given])]
    elif kind == "taxonomy" and isinstance(given, list):
        record[name] = ["/".join(map(str, path)) if isinstance(path, list) else path for path in given]
    elif isinstance(given, list) and len(given) == 1:
        record[name] = given[0]
    elif given is not None:
        record[name] = given
