"""Every setting that --set and a config take, as docs/settings.md has them.

python tools/settings.py > docs/settings.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docstrings import meanings

from textgraft.comparison.contenders.registry import CONTENDERS
from textgraft.pretraining.vectors.glove import GloveSettings
from textgraft.pretraining.vectors.word2vec import Word2VecSettings
from textgraft.serving.limits import Limits
from textgraft.training.settings import LoopSettings

HEAD = """\
# Every setting

Made by `python tools/settings.py > docs/settings.md` from the records that are checked. A setting is given as
`--set NAME=VALUE`, in Python as `settings={"NAME": VALUE}`, or in the file of `--config`, which
`--print-config` writes; one that does not exist is refused, and the nearest is named.
"""
LOOP = """\
## Of every training in steps
For the contenders that are trained in epochs, and for `pretrain` and `distill`. What a contender begins with
in place of these defaults stands with it below. `epochs` and `patience` follow from the number of rows where
they are left out.
"""
EACH = """\
For `textgraft train --contender NAME`; the values are those of its first configuration, which `train` takes
and which `compare` tries first.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_pages()])


def _pages() -> Iterator[str]:
    yield LOOP
    yield from _table(LoopSettings, _defaults(LoopSettings), LoopSettings.model_fields)
    yield "## Of the contenders"
    yield EACH
    for names, settings in _families():
        kind = type(settings)
        of_the_loop = LoopSettings.model_fields if issubclass(kind, LoopSettings) else {}
        own = [name for name in kind.model_fields if name not in of_the_loop]
        yield f"### {names}"
        if issubclass(kind, LoopSettings):
            yield f"Trained in steps{_changes(settings)}.\n"
        if own:
            yield from _table(kind, {name: getattr(settings, name) for name in own}, own)
        else:
            yield "Of its own it has none.\n"
    yield "## Of word vectors"
    for method, kind in (("word2vec", Word2VecSettings), ("glove", GloveSettings)):
        yield f"### textgraft vectors --method {method}"
        yield from _table(kind, _defaults(kind), [field.name for field in dataclasses.fields(kind)])
    yield "## Limits of the service"
    yield "For `textgraft serve`; see [the service](service.md#limits).\n"
    yield from _table(Limits, _defaults(Limits), Limits.model_fields)


def _families() -> list[tuple[str, Any]]:
    """Return the contenders that have the same settings, with the first configuration of each such group."""
    found: dict[str, tuple[list[str], Any]] = {}
    for entry in CONTENDERS:
        first = entry.grid[0]
        names, _ = found.setdefault(repr((type(first), first)), ([], first))
        title = entry.name if _is_only(entry.name) else f"{entry.name} ({', '.join(entry.tasks)})"
        if title not in names:
            names.append(title)
    return [(", ".join(names), settings) for names, settings in found.values()]


def _is_only(name: str) -> bool:
    """Tell whether a contender's settings are the same for all its tasks."""
    return len({repr(entry.grid[0]) for entry in CONTENDERS if entry.name == name}) == 1


def _changes(settings: Any) -> str:
    """Say which settings of the loop have other values than everywhere."""
    changed = {
        name: getattr(settings, name)
        for name, value in _defaults(LoopSettings).items()
        if name not in ("epochs", "patience") and getattr(settings, name) != value
    }
    told = [f"`{name}={_written(value)}`" for name, value in changed.items()]
    return f", with {', '.join(told)}" if told else ""


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _defaults(kind: Any) -> dict[str, Any]:
    return {name: getattr(kind(), name) for name in _fields(kind)}


def _fields(kind: Any) -> list[str]:
    return list(getattr(kind, "model_fields", None) or [field.name for field in dataclasses.fields(kind)])


def _table(kind: Any, values: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    told = meanings(kind)
    yield "| setting | default | meaning |\n|---|---|---|"
    yield from (f"| `{name}` | {_shown(values[name])} | {told.get(name, '')} |" for name in names)
    yield ""


def _shown(value: Any) -> str:
    return "none" if value is None or value in ("", {}) else f"`{_written(value)}`"


if __name__ == "__main__":
    print(page(), end="")
