"""Every public name of Python with its parameters, as docs/python.md has them.

python tools/python_names.py > docs/python.md
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from docstrings import entries, meanings, plain, sections

import textgraft
import textgraft.errors
import textgraft.inspection.inspect
import textgraft.sklearn

RESULTS = (
    "comparison.result:Comparison",
    "comparison.records.verdict:Verdict",
    "comparison.train:Trained",
    "inference.evaluating.record:Evaluation",
    "inference.predict:Predicted",
    "inference.predictor:Predictor",
    "inference.pipelines.base:Pipeline",
    "inference.cascading.record:Cascade",
    "evaluation.promises:Threshold",
    "data.check:DataCheck",
    "benchmarking.results:BenchmarkResult",
    "benchmarking.claims_page:ClaimsResult",
    "inspection.page:Result",
    "pretraining.pretrain:Pretrained",
    "pretraining.distill:Distilled",
)
"""Classes of what functions return."""
EXPANDED = {"Unpack[PretrainOptions]": "pretraining.config:PretrainConfig"}
"""What the keywords of a function are the fields of."""
HEAD = """\
# Every name of Python

Made by `python tools/python_names.py > docs/python.md` from signatures and docstrings. What rows may be given
as, and what results have in common, stands in [the reference](reference.md#python).
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_page()])


def _page() -> Iterator[str]:
    public = {name: getattr(textgraft, name) for name in textgraft.__all__ if name != "__version__"}
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    yield "## Functions"
    for name, function in functions.items():
        yield from _function(f"textgraft.{name}", function)
    yield "## Classes"
    for name, kind in public.items():
        if inspect.isclass(kind):
            yield from _class(f"textgraft.{name}", kind)
    for name in textgraft.sklearn.__all__:
        yield from _class(f"textgraft.sklearn.{name}", getattr(textgraft.sklearn, name))
    yield "## What functions return"
    for home in RESULTS:
        kind = _found(home)
        yield from _class(f"{kind.__module__}.{kind.__name__}", kind)
    yield "## textgraft.inspect"
    for name in textgraft.inspection.inspect.__all__:
        yield from _function(f"textgraft.inspect.{name}", getattr(textgraft.inspection.inspect, name))
    yield "## Errors"
    yield "All are a `textgraft.errors.TextgraftError`, with `what`, `where` and `fix`.\n"
    yield "| error | is raised when |\n|---|---|"
    for name, kind in vars(textgraft.errors).items():
        if inspect.isclass(kind) and issubclass(kind, Exception):
            yield f"| `textgraft.errors.{name}` | {plain(sections(kind)[''])} |"


def _function(name: str, function: Any) -> Iterator[str]:
    told = sections(function)
    yield f"### {name}"
    yield from _text(told)
    yield from _parameters(function, entries(told.get("Args", "")))
    if "Returns" in told:
        yield f"Returns {_lower(plain(told['Returns']))}\n"
    if raised := entries(told.get("Raises", "")):
        yield "Raises " + "; ".join(f"`{kind}`: {why.rstrip('.')}" for kind, why in raised.items()) + ".\n"


def _class(name: str, kind: Any) -> Iterator[str]:
    told = sections(kind)
    yield f"### {name}"
    yield from _text(told)
    arguments = entries(told.get("Args", "")) or entries(sections(kind.__init__).get("Args", ""))
    if arguments:
        yield from _parameters(kind, arguments)
    members = _members(kind)
    if members:
        yield "| has | which is |\n|---|---|"
        yield from (f"| `{member}` | {meaning} |" for member, meaning in members.items())
        yield ""


def _text(told: dict[str, str]) -> Iterator[str]:
    for paragraph in told[""].split("\n\n"):
        if paragraph.strip():
            yield plain(paragraph) + "\n"


def _parameters(function: Any, meant: dict[str, str]) -> Iterator[str]:
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self" and not name.startswith("_")
    }
    if not parameters:
        return
    yield "| parameter | default | meaning |\n|---|---|---|"
    for name, parameter in parameters.items():
        if record := EXPANDED.get(str(parameter.annotation)):
            yield from _keywords(_found(record))
        else:
            yield f"| `{name}` | {_default(parameter)} | {meant.get(name) or _typed(parameter.annotation)} |"
    yield ""


def _keywords(record: Any) -> Iterator[str]:
    meant, values = meanings(record), record()
    for name, field in record.model_fields.items():
        meaning = meant.get(name) or _typed(field.annotation)
        yield f"| `{name}` | `{getattr(values, name)!r}` | {meaning} |"


def _typed(annotation: Any) -> str:
    """Say what kind of a thing something is of which nothing else is said."""
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return f"`{name}`".replace("|", r"\|")


def _found(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(importlib.import_module(f"textgraft.{module}"), name)


def _default(parameter: inspect.Parameter) -> str:
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return "none"
    if callable(parameter.default) and parameter.default is not parameter.empty:
        return "none"
    return "needed" if parameter.default is parameter.empty else f"`{parameter.default!r}`"


def _members(kind: Any) -> dict[str, str]:
    """Return the public fields, properties and methods of a class, each with the first line said of it."""
    owners = [owner for owner in reversed(kind.__mro__) if owner.__module__.startswith("textgraft")]
    fields = {name: kept for owner in owners for name, kept in vars(owner).get("__annotations__", {}).items()}
    meant = meanings(kind)
    found = {
        name: meant.get(name) or _typed(annotation)
        for name, annotation in fields.items()
        if not name.startswith("_") and "ClassVar" not in str(annotation)
    }
    for owner in owners:
        for name, given in vars(owner).items():
            value = getattr(given, "__func__", given)  # of class and static methods
            is_method = inspect.isfunction(value)
            if name.startswith("_") or not (is_method or isinstance(value, property) or _is_cached(value)):
                continue
            told = plain(sections(value)[""].split("\n\n")[0])
            key = f"{name}()" if is_method else name
            found[key] = told or found.get(key) or "as its parent's"
    return found


def _is_cached(value: Any) -> bool:
    return hasattr(value, "attrname")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


if __name__ == "__main__":
    print(page(), end="")
