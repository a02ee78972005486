"""What every command has: --json, --quiet and --verbose, and standard input in place of a file."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import logging
import math
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from textgraft._version import __version__
from textgraft.cli.standard_input import FORMATS, STANDARD_INPUT, Reads, Writes, piped_file
from textgraft.cli.stopping import stoppable
from textgraft.errors import OptionError, TextgraftError
from textgraft.terminal import Manner, VisibleFormatter, open_console, speaking

if TYPE_CHECKING:
    from rich.console import RenderableType

Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, and everything else to standard error.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result and errors.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Print more: engines, versions, time, memory, and where an error comes from."
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help=f"Format of standard input: {', '.join(FORMATS)}. Recognised by its content if left out.",
    ),
]

_logger = logging.getLogger("textgraft")
_UNSAFE = re.compile(r"[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON may hold as it is and a terminal must not get."""


class _Answer:
    """Whether a command's result is wanted as JSON, and was given."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self.is_given = False


_answer: ContextVar[_Answer | None] = ContextVar("answer", default=None)


def give(result: object, *shown: RenderableType) -> None:
    """Print a command's result.

    Args:
        result: What --json prints: records, mappings and lists of numbers and texts.
        shown: What people see in its place, one below the other.
    """
    answer = _answer.get()
    if answer is None or not answer.is_json:
        from rich.table import Table

        console = open_console()
        for part in shown:
            # A table fits the terminal; of texts every paragraph is one line.
            console.print(part, soft_wrap=not isinstance(part, Table))
        return
    answer.is_given = True
    # As bytes: a pipe may have an encoding that lacks some characters.
    typer.echo(as_json(result).encode("utf-8"))


def wants_json() -> bool:
    """Tell whether the result is to be printed as JSON."""
    answer = _answer.get()
    return answer is not None and answer.is_json


def as_json(value: object) -> str:
    """Write a result as JSON: records as objects, paths as texts, what is no number as null."""
    text = json.dumps(_plain(value), ensure_ascii=False, indent=1, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Path):
        return str(value)
    names = _fields(value)
    if names is not None:
        return {name: _plain(getattr(value, name)) for name in names}
    if hasattr(value, "tolist"):  # of numpy
        return _plain(value.tolist())
    return [_plain(inner) for inner in value]


def _fields(value: Any) -> list[str] | None:
    """Return the names of a record's values; None of what is none."""
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    for attribute in ("__struct_fields__", "_fields"):  # of msgspec, and of named tuples
        if (names := getattr(value, attribute, None)) is not None:
            return list(names)
    return list(type(value).model_fields) if hasattr(type(value), "model_fields") else None  # of pydantic


def complete(command: Callable[..., None], kept: str | Callable[..., str]) -> Callable[..., None]:
    """Give a command what all commands have.

    Args:
        command: A function of typer's, which ends with :func:`give`. What it reads is marked by
            :class:`~textgraft.cli.standard_input.Reads`.
        kept: What is kept when it is stopped, as for :func:`~textgraft.cli.stopping.stoppable`.
    """
    run = stoppable(command, kept)
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters.values()
    marks = {name: get_args(hint) for name, hint in hints.items()}
    reads = {name: mark for name, hint in hints.items() for mark in get_args(hint) if isinstance(mark, Reads)}
    added: dict[str, Any] = {"as_json": Json, "quiet": Quiet, "verbose": Verbose}
    if reads and "form" not in hints:
        added = {"input_format": Format, **added}

    @functools.wraps(command)
    def completed(
        *, as_json: bool, quiet: bool, verbose: bool, input_format: str | None = None, **arguments: Any
    ) -> None:
        if quiet and verbose:
            raise OptionError("it contradicts --quiet", where="--verbose", fix="Give one of them.")
        for name, value in arguments.items():
            is_piped = any(isinstance(mark, Reads | Writes) for mark in marks[name])
            if value == Path(STANDARD_INPUT) and not is_piped:
                raise _no_path(name, marks[name])
        answer = _Answer(is_json=as_json)
        former = _answer.set(answer)
        try:
            with (
                speaking(Manner(json=as_json, quiet=quiet)),
                _logging(quiet=quiet, verbose=verbose),
                _with_standard_input(arguments, reads, input_format) as given,
            ):
                run(**given)
        finally:
            _answer.reset(former)
        assert answer.is_given or not as_json, "a command ends with its result"

    parameters = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
    parameters += [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if name == "input_format" else False,
            annotation=hint,
        )
        for name, hint in added.items()
    ]
    completed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    completed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return completed


def _no_path(name: str, marks: tuple[Any, ...]) -> OptionError:
    is_option = any(isinstance(mark, typer.models.OptionInfo) for mark in marks)
    return OptionError(
        f"{STANDARD_INPUT} is standard input or output, and no file or folder",
        where=f"--{name.replace('_', '-')}" if is_option else name.upper(),
        fix="Name one; --json prints the result on standard output.",
    )


@contextlib.contextmanager
def _with_standard_input(
    arguments: dict[str, Any], reads: Mapping[str, Reads], form: str | None
) -> Iterator[dict[str, Any]]:
    """Put what comes by standard input in the place of "-", once."""
    named = [name for name in reads if _is_standard_input(arguments.get(name))]
    if not named:
        if form is not None:
            raise OptionError(
                "files have their format in their names",
                where="--format",
                fix="Leave it out.",
            )
        yield arguments
        return
    if len(named) > 1:
        raise OptionError(
            f"it can be read once, and - stands for {' and '.join(named)}",
            where="standard input",
            fix="Name files for the others.",
        )
    (name,) = named
    with piped_file(form, reads[name].plain) as path:
        former = arguments[name]
        yield {**arguments, name: [str(path)] if isinstance(former, list) else type(former)(path)}


def _is_standard_input(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) == 1 and _is_standard_input(value[0])
    return isinstance(value, str | Path) and str(value) == STANDARD_INPUT


@contextlib.contextmanager
def _logging(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Set how much is logged, and say afterwards what the command took."""
    former = _logger.level, _logger.propagate
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(asctime)s %(name)s: %(message)s"))
    if quiet:
        _logger.setLevel(logging.ERROR)
    if verbose:
        _logger.setLevel(logging.INFO)
        _logger.addHandler(handler)
        _logger.propagate = False
    started = time.perf_counter()
    _logger.info("textgraft %s, Python %s, %s", __version__, platform.python_version(), platform.platform())
    try:
        yield
    except TextgraftError:
        _logger.info("the error arose here", exc_info=True)
        raise
    finally:
        seconds, memory = time.perf_counter() - started, _most_memory()
        told = f", {memory:,.0f} MB of memory at most" if memory else ""
        _logger.info("took %.1f s, %.1f s of processor time%s", seconds, time.process_time(), told)
        _logger.removeHandler(handler)
        _logger.setLevel(former[0])
        _logger.propagate = former[1]


def _most_memory() -> float | None:
    """Return the most memory that this process has held, in units of 10^6 bytes; None where none can tell."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
