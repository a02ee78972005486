"""Tables with a row for each word: which sentence it is of, the word, its tag.

As CoNLL columns with a header, and with the sentence in a column of its own, whose number may stand on each
row or on a sentence's first row alone. Without such a column, lines with nothing on them end sentences.
"""

from __future__ import annotations

from collections.abc import Iterator

from textgraft.data.dataset import Rejected
from textgraft.data.formats.conll import Sentence
from textgraft.data.formats.tables import Table
from textgraft.data.sample import is_missing
from textgraft.data.values import UnusableError, as_name


def sentences(
    table: Table, word: str, tag: str | None, sentence: str | None
) -> Iterator[Sentence | Rejected]:
    """Gather the words of each sentence.

    Args:
        table: Where the rows come from.
        word: The column of words.
        tag: That of tags, if they are to be read.
        sentence: That of sentences, if there is one.

    Yields:
        Each sentence; one with a row that cannot be used is rejected.
    """
    names = [name for name in (word, tag, sentence) if name is not None]
    current: object = None
    last_line = 0
    line = 0
    words: list[str] = []
    tags: list[str] = []
    problem: Rejected | None = None
    for row in table.rows(names):
        values = None if isinstance(row, Rejected) else list(row.values)
        key = current
        if sentence is not None and values is not None and not is_missing(values[-1]):
            key = values[-1]
        begins = key != current if sentence is not None else row.line > last_line + 1
        current, last_line = key, row.line
        if begins and (words or problem):
            yield problem or Sentence(line, words, tags)
            line, words, tags, problem = 0, [], [], None
        line = line or row.line
        if isinstance(row, Rejected):
            problem = problem or Rejected(line, f"{row.reason} (line {row.line})", row.excerpt)
            continue
        try:
            assert values is not None
            words.append("".join(as_name(values[0], "word").split()))
            if tag is not None:
                tags.append(as_name(values[1], "tag"))
        except UnusableError as error:
            problem = problem or Rejected(line, f"{error} (line {row.line})", " ".join(words)[:200])
    if words or problem:
        yield problem or Sentence(line, words, tags)
