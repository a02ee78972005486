"""Values inside objects: what an interface or a database wrote as ``{"data": {"text": …}}``.

They are called by their path, as "data.text". A column that has such a name of its own comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

_DEEPEST = 4
"""Objects in objects that are looked into."""
_MOST = 200
"""Paths that are told, of wide and deep objects."""


def nested_names(records: Iterable[Mapping[Any, Any]], columns: Collection[str]) -> list[str]:
    """Return the paths to values inside the objects of some records, in the order in which they are met.

    A column counts where most of its values are objects; elsewhere one is a broken row.

    Args:
        records: Some rows by column.
        columns: The names of the columns, which no path takes.
    """
    filled: Counter[str] = Counter()
    objects: dict[str, list[Mapping[Any, Any]]] = {}
    for record in records:
        for name, value in record.items():
            filled[str(name)] += value is not None
            if isinstance(value, Mapping):
                objects.setdefault(str(name), []).append(value)
    found: dict[str, None] = {}
    for name, values in objects.items():
        if 2 * len(values) > filled[name]:
            for value in values:
                _gather(name, value, found, 1)
    return [name for name in found if name not in columns][:_MOST]


def _gather(path: str, value: Mapping[Any, Any], found: dict[str, None], depth: int) -> None:
    for name, inner in value.items():
        if not isinstance(name, str) or "." in name:
            continue
        if isinstance(inner, Mapping) and depth < _DEEPEST:
            _gather(f"{path}.{name}", inner, found, depth + 1)
        else:
            found[f"{path}.{name}"] = None


def reach(
    names: Sequence[str], columns: Collection[str]
) -> tuple[list[str], Callable[[Sequence[Any]], Sequence[Any]]]:
    """Return which columns hold the values of some names, and what takes these out of a row of those.

    Args:
        names: Of columns and paths.
        columns: The names of all columns.

    Returns:
        The columns, each once, and a function from their values to those of the names, in order; None where a
        path ends before its value.
    """
    found = [name if name in columns else _root(name, columns) for name in names]
    if found == list(names) and len(set(names)) == len(names):
        return found, lambda values: values
    roots = list(dict.fromkeys(found))
    steps = [
        (roots.index(root), () if name == root else tuple(name[len(root) + 1 :].split(".")))
        for name, root in zip(names, found, strict=True)
    ]
    return roots, lambda values: [_inside(values[place], path) for place, path in steps]


def _root(name: str, columns: Collection[str]) -> str:
    parts = name.split(".")
    starts = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
    return next((start for start in starts if start in columns), name)


def _inside(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
