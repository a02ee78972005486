"""The data check in short: one line a finding, the same in the terminal and in the report."""

from __future__ import annotations

from typing import Any

from textgraft.data.languages import Languages
from textgraft.wording import count

Fact = tuple[str, str]


def check_facts(check: dict[str, Any]) -> list[Fact]:
    """Return what the data check found, as pairs of a name and a value.

    Args:
        check: ``DataCheck.to_dict()``.
    """
    labels, rejected = check["labels"], check["rejected"]
    facts = [("usable rows", count(check["rows"]))]
    if check["sides"]:
        facts.append(("split", ", ".join(f"{count(rows)} {side}" for side, rows in check["sides"].items())))
    if reading := check["reading"]:
        facts.append(("read as", " ".join(part for part in (reading["format"], reading["encoding"]) if part)))
    facts += [
        ("set aside", _of_kinds(rejected["rows"], rejected["kinds"])),
        *([("labels", _labels(labels))] if labels["count"] else []),
        ("repeated texts", count(check["repeated"]["rows"])),
        ("near duplicates", count(check["near_duplicates"]["rows"])),
        ("texts under several labels", count(check["contradictions"]["texts"])),
        *((overlap_title(found), count(found["rows"])) for found in check.get("overlaps", ())),
    ]
    if languages := check.get("languages"):
        facts.append(("languages", Languages(**languages).named or "not told"))
    if check["words"]:
        middle, most, longest = (f"{check['words'][name]:,.0f}" for name in ("median", "p95", "max"))
        facts.append(("words a text", f"typically {middle}, 95 of 100 up to {most}, the longest {longest}"))
    facts += [
        (
            f"cut at {count(lost['limit'])} tokens",
            f"{lost['lost_tokens']:.1%} of tokens, {lost['cut_texts']:.1%} of texts, for {model}",
        )
        for model, lost in check["truncation"].items()
    ]
    return facts


def overlap_title(found: dict[str, Any]) -> str:
    """Name the rows that two sides share, of ``Overlap.to_dict()``: "test rows also in training"."""
    return f"{found['side']} rows also in {'training' if found['other'] == 'train' else found['other']}"


def _of_kinds(rows: int, kinds: dict[str, int]) -> str:
    return (
        f"{count(rows)} ({', '.join(f'{count(n)} {kind}' for kind, n in kinds.items())})" if kinds else "none"
    )


def _labels(labels: dict[str, Any]) -> str:
    parts = [count(labels["count"])]
    if labels["rare"]:
        parts.append(f"{len(labels['rare'])} rare")
    if labels["untested"]:
        parts.append(f"{len(labels['untested'])} without test rows")
    return ", ".join(parts)
