"""Python of a page, run statement by statement: what stands below a call as its result must be like it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from tests.docs.pages import readable

TOLERANCE = 0.02
"""By which a score may differ from the one that a page shows: processors round otherwise."""


class ShownError(Exception):
    """A result is not like the one that is shown."""


def run(
    text: str, known: dict[str, Any], names: Mapping[str, Callable[[], Any]], *, is_form: bool = False
) -> None:
    """Run statements.

    Args:
        text: The code.
        known: Names that earlier blocks of the section have left; what the code assigns is added.
        names: Makers of what pages presume, by name.
        is_form: Whether the results that are shown tell their form alone.

    Raises:
        ShownError: A result differs from the one that is shown below the call.
    """
    code = readable(text)
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known and node.id in names:
            known[node.id] = names[node.id]()
    result: Any = None
    unlikes = []
    for statement in tree.body:
        source = ast.get_source_segment(code, statement) or ""
        if isinstance(statement, ast.Expr) and _is_shown(statement.value):
            shown = eval(source, {"__builtins__": {}})
            if problem := unlike(result, shown, is_form=is_form):
                unlikes.append(f"{problem}\nshown: {shown}\nfound: {result}")
        elif isinstance(statement, ast.Expr):
            result = eval(compile(ast.Expression(statement.value), "<typed>", "eval"), known)
        else:
            exec(compile(ast.Module([statement], []), "<typed>", "exec"), known)
    if unlikes:
        raise ShownError("\n".join(unlikes))


def _is_shown(value: ast.expr) -> bool:
    """Tell whether an expression is a result: a list or a dict of plain values."""
    return isinstance(value, ast.Dict | ast.List) and not any(
        isinstance(node, ast.Call | ast.Name) for node in ast.walk(value)
    )


def unlike(found: Any, shown: Any, where: str = "it", *, is_form: bool = False) -> str | None:
    """Say in what a result differs from one that is shown, in which an ellipsis stands for anything."""
    if shown is ...:
        return None
    if isinstance(shown, str) and "..." in shown:
        beginning = shown.partition("...")[0]
        is_alike = isinstance(found, str) and (is_form or found.startswith(beginning))
        return None if is_alike else f"{where} is {found!r}"
    if isinstance(shown, dict):
        if not isinstance(found, dict) or set(found) != set(shown):
            return f"{where} has other keys"
        problems = (unlike(found[name], shown[name], f"{where}[{name!r}]", is_form=is_form) for name in shown)
    elif isinstance(shown, list):
        is_open = bool(shown) and shown[-1] is ...
        if not isinstance(found, list) or (len(found) != len(shown) and not is_open):
            return f"{where} has another length"
        problems = (
            unlike(one, other, f"{where}[{at}]", is_form=is_form)
            for at, (one, other) in enumerate(zip(found, shown, strict=False))
        )
    elif is_form:
        return None if type(found) is type(shown) else f"{where} is {found!r}, not like {shown!r}"
    elif isinstance(shown, float):
        is_near = isinstance(found, float) and abs(found - shown) <= TOLERANCE
        return None if is_near else f"{where} is {found!r}, not {shown!r}"
    else:
        return None if found == shown else f"{where} is {found!r}, not {shown!r}"
    return next(filter(None, problems), None)
