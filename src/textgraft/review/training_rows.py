"""What people decided, as rows to train on: by themselves, or merged into rows that are labelled already."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from textgraft.data.columns import LABEL_NAMES, TEXT_NAMES
from textgraft.errors import DataError, unknown
from textgraft.review.exchange.table import Records, Wanted
from textgraft.review.items import Decision, Item
from textgraft.wording import counted


def training_rows(decided: Iterable[tuple[Item, Decision]]) -> Iterator[dict[str, Any]]:
    """Yield what was decided as rows to train on; rows that are of no use are left out.

    The target is called "label", "labels" or "spans", after its task.
    """
    for item, decision in decided:
        if decision.answer is None:
            continue
        target = {"multi-label": "labels", "token-classification": "spans"}.get(item.task, "label")
        moment = datetime.datetime.fromtimestamp(int(decision.time), datetime.UTC).isoformat()
        yield {**item.columns, target: decision.answer, "reviewer": decision.reviewer, "decided": moment}


def merged_rows(
    path: Path, decided: Iterable[tuple[Item, Decision]], wanted: Wanted
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return labelled rows with what was decided of their texts, and behind them the other decided rows.

    Args:
        path: A labelled table; all of its columns are kept.
        decided: Items of classification, of texts or of pairs.
        wanted: Names its columns of texts and labels, where their names do not tell them.

    Returns:
        The rows, and how many were corrected, confirmed, dropped as of no use, and appended.

    Raises:
        DataError: The table cannot be read, or something else than labels was decided.
    """
    items = list(decided)
    others = {item.task for item, _ in items} - {"classification", "pairs"}
    if others:
        raise DataError(
            f"decisions of the task {min(others)} are not merged",
            fix="Leave --merge out, and join the files.",
        )
    records = Records(path)
    text, label = list(wanted.text), wanted.label
    names = {name.lower(): name for name in reversed(records.columns)}
    for name in (*text, *([label] if label else [])):
        if name not in records.columns:
            raise unknown("column", name, records.columns, where=str(path))
    text = text or [names[name] for name in TEXT_NAMES if name in names][:1]
    label = label or next((names[name] for name in LABEL_NAMES if name in names), None)
    if not text or label is None:
        raise DataError(
            "which columns hold texts and labels is not clear",
            where=str(path),
            fix="Name them: --text, --label.",
        )
    standing = {item.text: decision.answer for item, decision in items}
    counts = dict.fromkeys(("corrected", "confirmed", "dropped", "appended"), 0)
    merged, seen = [], set()
    for _, record in records:
        key = "\n".join(str(record[name] or "") for name in text)
        seen.add(key)
        answer = standing.get(key, _UNDECIDED)
        if answer is None:
            counts["dropped"] += 1
            continue
        if answer is not _UNDECIDED:
            counts["confirmed" if answer == str(record[label] or "").strip() else "corrected"] += 1
        merged.append(record if answer is _UNDECIDED else {**record, label: answer})
    for item, decision in items:
        if item.text not in seen and decision.answer is not None:
            counts["appended"] += 1
            texts = list(item.columns.values())
            if len(texts) != len(text):
                raise DataError(
                    f"a decided row has {counted(len(texts), 'text')}, and this table {len(text)}",
                    where=str(path),
                    fix="Name its columns of texts: --text.",
                )
            row = dict.fromkeys(records.columns)
            merged.append({**row, **dict(zip(text, texts, strict=True)), label: decision.answer})
    return merged, counts


_UNDECIDED = object()
