"""A text that comes line by line, answered after every line: what ``textgraft stream`` does."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from textgraft.errors import OptionError
from textgraft.inference.pipelines.sources import open_source
from textgraft.inference.pipelines.text_generation import TextGenerationOptions, TextGenerationPipeline
from textgraft.inference.predictor import load
from textgraft.inference.streaming.streams import Stream
from textgraft.models.manifest import MANIFEST
from textgraft.models.shipped import model_folder


def open_stream(model: Path, *, until: float | None = None, answer_early: bool = False) -> Stream[Any]:
    """Open a text that goes on, with a model of any task or a language model.

    Args:
        model: A model directory, a folder that ``textgraft pretrain`` wrote, or the name of a model that
            comes with textgraft.
        until: From which score on the answer is final; None: it never is.
        answer_early: Whether it is final from the score on that is kept in the model directory.

    Raises:
        ModelError: There is no model, or it is damaged.
        OptionError: The model cannot read a text as it comes, ``until`` is not for it, or no score is kept.
    """
    model = model_folder(model, of_task=False)
    if (model / MANIFEST).is_file() or not (model / "config.json").is_file():
        return load(model, engine="torch").stream(until=until, answer_early=answer_early)
    source = open_source(model, auto_class=TextGenerationPipeline.auto_class)
    if until is not None or answer_early:
        raise OptionError(
            "a language model gives no answer that could be final",
            where="until, answer_early",
            fix="Leave it out.",
        )
    return TextGenerationPipeline(source, TextGenerationOptions()).stream()


def answer_lines(
    stream: Stream[Any], lines: Iterable[str], *, state: Path | None = None
) -> Generator[dict[str, Any], None, None]:
    """Read lines as one text and answer after each, until they end or the answer is final.

    Args:
        stream: As :func:`open_stream` opens it.
        lines: With their ends.
        state: A file to write at the end, also where this is stopped; one that stands there is replaced.

    Yields:
        The answer as a dict, with how many tokens were ``read``; of a final one ``final`` is true.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        for line in lines:
            if not stream.decided:
                yield _told(stream, stream.feed(line))
            if stream.decided:
                return
        before = stream.read
        answer = stream.end()
        if stream.read > before:
            yield _told(stream, answer)
    finally:
        if state is not None:
            stream.save(state, overwrite=True)


def _told(stream: Stream[Any], answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"read": stream.read}
    if isinstance(answer, list):
        found["words"] = [word.to_dict() for word in answer]
    else:
        found |= answer.to_dict()
    return {**found, "final": True} if stream.decided else found
