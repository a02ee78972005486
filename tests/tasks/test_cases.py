"""The shared files as people bring them: what each is taken for, and what of it is read."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.conftest import shared_case
from textgraft.cli import app
from textgraft.errors import DataError
from textgraft.tasks.named import RowSettings
from textgraft.tasks.reading import named_task, read_splits

CASES = {
    # file: task, usable rows, rejected rows, what is said
    "one_hot_labels.csv": ("multi-label", 300, 0, "'toxic', 'severe_toxic' and 'insult' a label each"),
    "list_labels.csv": ("multi-label", 300, 0, "'labels' holds lists"),
    "label_studio_choices.csv": ("multi-label", 160, 80, "'sentiment' holds lists"),
    "word_per_row.csv": ("token-classification", 400, 0, "'Word' and 'Tag'"),
    "doccano_spans.jsonl": ("token-classification", 60, 0, "'label' holds parts of 'text'"),
    "label_studio_ner.json": ("token-classification", 60, 0, "'label' holds parts of 'text'"),
    "entities_in_misc.conllu": ("token-classification", 60, 0, "words with tags"),
    "fasttext_labels.train": ("multi-label", 200, 0, "lists"),
    "rows.json": ("classification", 150, 0, "'label' the label"),
    "questions.csv": ("question-answering", 40, 0, "'question' and 'context'"),
    "excel_sep_line.csv": ("classification", 200, 0, "'label' the label"),
    "decimal_comma.csv": ("regression", 200, 0, "'1,3' is read as 1.3"),
    "utf16_offsets.jsonl": ("token-classification", 40, 40, "'spans' holds parts"),
    "pairs_without_header.tsv": ("text2text", 160, 0, "The first row is data"),
    "tags_one_odd_line.txt": ("token-classification", 30, 10, "words with tags"),
    "rare_tags.conll": ("token-classification", 150, 0, "words with tags"),
    "nan_in_other_key.jsonl": ("classification", 240, 0, "'label' the label"),
    "label_spellings.csv": ("classification", 480, 0, "'label' the label"),
    "thai.csv": ("classification", 240, 0, "'label' the label"),
}


def read(path, **named):
    said: list[str] = []
    settings = RowSettings(**named)
    task = named_task(path, settings, said.append)
    splits, whole = read_splits(task, path, settings, said.append)
    return task.fitted_to(splits.train), whole, "\n".join(said)


@pytest.mark.parametrize("name", CASES)
def test_a_file_as_people_bring_it(name):
    expected, usable, rejected, part = CASES[name]
    task, whole, said = read(shared_case(name))
    assert (task.name, len(whole), len(whole.rejected)) == (expected, usable, rejected)
    assert part in said
    assert "To change it: --task, --text, --label" in said


def test_every_row_of_offsets_in_utf16_is_read_when_told():
    path = shared_case("utf16_offsets.jsonl")
    _, whole, _ = read(path)
    assert {row.kind for row in whole.rejected} == {"offsets in UTF-16 units"}
    assert "--offsets utf-16" in "\n".join(whole.notes.warnings())
    _, whole, _ = read(path, offsets="utf-16")
    assert (len(whole), whole.rejected) == (80, [])
    for text, words, tags in zip(*whole.columns.values(), whole.labels, strict=True):
        tagged = [text[a:b] for (a, b), tag in zip(words, tags, strict=True) if tag != "O"]
        assert len(tagged) == 2
        assert all(word[0].isupper() for word in tagged)


def test_rejected_annotations_are_counted_and_never_read():
    path = shared_case("prodigy_answers.jsonl")
    with pytest.raises(DataError, match=r"annotators rejected(?s:.*)--label answer"):
        read(path)
    checked = CliRunner().invoke(app, ["check", str(path)])
    assert checked.exit_code == 0
    assert "rejected annotation" in checked.output
    task, whole, _ = read(path, label="answer")
    assert set(task.labels) == {"accept", "reject"} or set(task.labels) == {"accept", "ignore", "reject"}
    assert not whole.rejected
