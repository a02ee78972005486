"""Reading texts whose words have tags: every format, every scheme, every mistake."""

from __future__ import annotations

import json

import pytest

from tests.conftest import shared_data
from textgraft.data.readers.tagged import read_tagged
from textgraft.errors import DataError, OptionError


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_lines(path, *rows):
    return write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def words(dataset, row=0):
    text = dataset.columns["text"][row]
    return [text[start:end] for start, end in dataset.columns["words"][row]]


BIO = ["B-PER", "I-PER", "B-PER", "O", "B-LOC"]
SCHEMES = {
    "IOB1": ["I-PER", "I-PER", "B-PER", "O", "I-LOC"],
    "BIO": BIO,
    "IOBES": ["B-PER", "E-PER", "S-PER", "O", "S-LOC"],
    "BILOU": ["B-PER", "L-PER", "U-PER", "O", "U-LOC"],
}
NAMES = ["Ann", "Lee", "Bob", "left", "Rome"]


@pytest.mark.parametrize("separator", ["\t", " ", "   "], ids=["tab", "space", "spaces"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ending", [".conll", ".iob", ".bio", ".txt"])
def test_every_scheme_becomes_bio(tmp_path, scheme, separator, ending):
    lines = [separator.join(pair) for pair in zip(NAMES, SCHEMES[scheme], strict=True)]
    dataset = read_tagged(write(tmp_path / f"a{ending}", "\n".join(lines)))
    assert dataset.labels == [BIO]
    assert dataset.columns["text"] == [" ".join(NAMES)]
    assert words(dataset) == NAMES
    assert dataset.notes.scheme == ("IOBES" if scheme == "BILOU" else scheme)
    assert dataset.notes.broken_rows == 0
    assert dataset.rejected == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_json_lines_of_tokens_and_tags(tmp_path, scheme):
    rows = [
        {"tokens": NAMES, "tags": SCHEMES[scheme], "id": "a"},
        {"tokens": ["x"], "tags": ["O"], "id": "b"},
    ]
    dataset = read_tagged(write_lines(tmp_path / "a.jsonl", *rows), id_column="id")
    assert dataset.labels == [BIO, ["O"]]
    assert dataset.ids == ["a", "b"]
    assert words(dataset) == NAMES


def test_conll_2003_columns_documents_and_comments(tmp_path):
    content = (
        "-DOCSTART- -X- O O\n\n# sent_id = 1\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n# NN I-NP O\n\n\n"
        "-DOCSTART- -X- O O\n\nPeter NNP I-NP I-PER\n"
    )
    dataset = read_tagged(write(tmp_path / "a.conll", content.replace("\n", "\r\n")))
    assert [words(dataset, row) for row in range(2)] == [["EU", "rejects", "#"], ["Peter"]]
    assert dataset.labels == [["B-ORG", "O", "O"], ["B-PER"]]
    assert dataset.lines == [3, 11]


def test_a_hash_with_a_tag_is_a_word_in_every_scheme(tmp_path):
    dataset = read_tagged(write(tmp_path / "a.conll", "# one\n# U-TAG\nAnn U-PER\n#x O\n"))
    assert words(dataset) == ["#", "Ann", "#x"]


def test_conllu_has_numbers_and_words_that_stand_for_several(tmp_path):
    content = "# text = x\n1-2\tvom\t_\n1\tvon\tO\n2\tdem\tO\n2.1\t_\tO\n3\tRhein\tB-LOC\n\n"
    dataset = read_tagged(write(tmp_path / "a.conllu", content))
    assert words(dataset) == ["von", "dem", "Rhein"]
    assert dataset.labels == [["O", "O", "B-LOC"]]


def test_tags_that_break_the_scheme_are_mended_and_told(tmp_path):
    content = "Ann B-PER\nLee I-PER\n\nin O\nRome I-LOC\n\nBob B-PER\nParis I-LOC\n"
    dataset = read_tagged(write(tmp_path / "a.conll", content))
    assert dataset.labels == [["B-PER", "I-PER"], ["O", "B-LOC"], ["B-PER", "B-LOC"]]
    assert (dataset.notes.scheme, dataset.notes.broken_rows, dataset.notes.first_broken_line) == ("BIO", 2, 4)
    assert any("first on line 4" in warning for warning in dataset.notes.warnings())


EMOJI = "👩\u200d🚀 Zoe\u0308 Lee\r\nflew to New York, twice."


def span(text, part, label):
    start = text.index(part)
    return {"start": start, "end": start + len(part), "label": label, "text": part}


@pytest.mark.parametrize("key", ["spans", "entities"])
def test_spans_are_exact_in_any_script(tmp_path, key):
    spans = [span(EMOJI, "New York", "LOC"), span(EMOJI, "Zoe\u0308 Lee", "PER")]
    dataset = read_tagged(
        write_lines(tmp_path / "a.jsonl", {"text": EMOJI, key: spans}, {"text": "no", key: []})
    )
    assert dataset.columns["text"][0] == EMOJI
    assert dict(zip(words(dataset), dataset.labels[0], strict=True)) == {
        "👩\u200d🚀": "O",
        "Zoe\u0308": "B-PER",
        "Lee": "I-PER",
        "flew": "O",
        "to": "O",
        "New": "B-LOC",
        "York": "I-LOC",
        ",": "O",
        "twice": "O",
        ".": "O",
    }
    assert dataset.labels[1] == ["O"]
    assert dataset.notes.widened_rows == 0


def test_spans_with_spaces_around_and_within_words(tmp_path):
    rows = [
        {"text": "go to Rome now", "spans": [{"start": 5, "end": 11, "label": "LOC"}]},
        {"text": "the Romecity", "spans": [{"start": 4, "end": 8, "label": "LOC"}]},
        {"text": "in (Rome)", "spans": [{"start": 4, "end": 8, "label": "LOC"}]},
    ]
    dataset = read_tagged(write_lines(tmp_path / "a.jsonl", *rows))
    assert dataset.labels == [["O", "O", "B-LOC", "O"], ["O", "B-LOC"], ["O", "O", "B-LOC", "O"]]
    assert (dataset.notes.widened_rows, dataset.notes.first_widened_line) == (1, 2)
    assert any("first on line 2" in warning for warning in dataset.notes.warnings())


BAD_ROWS = {
    "unequal numbers": {"tokens": ["a", "b"], "tags": ["O"]},
    "unknown tag": {"tokens": ["a"], "tags": ["NOUN"]},
    "unknown tag: 'B-'": {"tokens": ["a"], "tags": ["B-"]},
    "unknown tag: 3": {"tokens": ["a"], "tags": [3]},
    "no words": {"tokens": ["a", 1], "tags": ["O", "O"]},
    "no words: ''": {"tokens": ["", "a"], "tags": ["O", "O"]},
    "empty text": {"tokens": [], "tags": []},
    "no tags": {"tokens": ["a"], "tags": "O"},
    "no tags: None": {"tokens": ["a"]},
    "no text": {"tokens": 5, "tags": ["O"]},
    "no text: None": {"tags": ["O"]},
}
BAD_SPANS = {
    "overlapping spans: 0 to 7 and 4 to 11": [(0, 7, "A"), (4, 11, "B")],
    "overlapping spans: 0 to 3 and 0 to 3": [(0, 3, "A"), (0, 3, "B")],
    "two spans in one word": [(0, 2, "A"), (2, 3, "B")],
    "span outside the text: 8 to 99 of 15 characters": [(8, 99, "A")],
    "span outside the text: -1": [(-1, 2, "A")],
    "empty span: nothing stands at 4 to 4": [(4, 4, "A")],
    "empty span: nothing stands at 3 to 4": [(3, 4, "A")],
    "empty span: nothing stands at 7 to 4": [(7, 4, "A")],
    "malformed span: start 0.5": [(0.5, 2, "A")],
    "malformed span: start True": [(True, 2, "A")],
    "malformed span: the label None": [(0, 3, None)],
    "malformed span: the label ' '": [(0, 3, " ")],
}


def rejected(tmp_path, bad, good):
    dataset = read_tagged(write_lines(tmp_path / "a.jsonl", good, bad))
    assert len(dataset) == 1
    (row,) = dataset.rejected
    assert row.line == 2
    return row.reason


@pytest.mark.parametrize("reason", BAD_ROWS)
def test_rows_that_cannot_be_used_are_listed(tmp_path, reason):
    assert rejected(tmp_path, BAD_ROWS[reason], {"tokens": ["a"], "tags": ["O"]}).startswith(reason)


@pytest.mark.parametrize("reason", BAD_SPANS)
def test_spans_that_cannot_be_used_are_listed(tmp_path, reason):
    spans = [{"start": start, "end": end, "label": label} for start, end, label in BAD_SPANS[reason]]
    assert reason in rejected(
        tmp_path, {"text": "Ann met Bob Lee", "spans": spans}, {"text": "a", "spans": []}
    )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"text": "Ann", "spans": {"start": 0}}, "no tags"),
        ({"text": "Ann", "spans": [[0, 3]]}, "malformed span"),
        ({"text": "Ann", "spans": [{"start": 0, "end": 3}]}, "malformed span"),
        (
            {"text": "😀 Ann", "spans": [{"start": 3, "end": 6, "label": "A", "text": "Ann"}]},
            "offsets in UTF-16",
        ),
        ({"text": "😀 Ann", "spans": [{"start": 5, "end": 9, "label": "A"}]}, "span outside"),
        (
            {"text": "Ann saw it", "spans": [{"start": 4, "end": 7, "label": "A", "text": "Ann"}]},
            "span not at its offset",
        ),
        ({"text": " \n", "spans": []}, "empty text"),
        ({"text": "x" * 1_000_001, "spans": []}, "too long"),
    ],
)
def test_texts_that_cannot_be_used_are_listed(tmp_path, bad, reason):
    assert rejected(tmp_path, bad, {"text": "a", "spans": []}).startswith(reason)


def test_sentences_that_cannot_be_used_are_listed(tmp_path):
    sentences = [
        b"good\tO\n",
        b"a\tO\nb\tNN\tO\n",
        b"a\tO\n\tB-PER\n",
        b"a\t\n",
        b"a\tPER\n",
        b"a\x00\tO\n",
        b"\xff\xfe\tO\n",
        b"fine\tB-PER\n",
        "schön\tO\n".encode(),
        "größer\tO\n".encode(),
    ]
    dataset = read_tagged(write(tmp_path / "a.conll", b"\n".join(sentences)))
    assert [words(dataset, row) for row in range(len(dataset))] == [["good"], ["fine"], ["schön"], ["größer"]]
    assert [(row.line, row.reason) for row in dataset.rejected] == [
        (3, "mixed columns: 3 where the file has 2 (line 4)"),
        (6, "empty word: the column of words holds nothing (line 7)"),
        (9, "no tag: the column of tags holds nothing (line 9)"),
        (11, "unknown tag: 'PER' is neither O nor of the form B-TYPE or I-TYPE"),
        (13, "NUL byte: the line holds binary data (line 13)"),
        (15, "broken UTF-8: byte 0xff at character 1 (line 15)"),
    ]
    assert dataset.notes.total_rows == 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.conll", "", "the file is empty"),
        ("a.conll", "\n\n  \n", "the file is empty"),
        (
            "a.conll",
            "-DOCSTART- O\n\n# just a comment here\n\n",
            "there is no column of tags|there are no words",
        ),
        ("a.conll", "Ann\nLee\n", "there is no column of tags"),
        ("a.conll", "Ann\tNNP\nLee\tNNP\n", "the only row cannot be used: .*unknown tag: 'NNP'"),
        ("a.conll", b"PK\x03\x04rest", "not a text file but a ZIP archive"),
        ("a.jsonl", "[1]\n", "no line of this file is a JSON object"),
        ("a.jsonl", '{"tokens": ["a"]}\n', "no columns look like words and tags"),
        ("a.jsonl", '{"words": ["a"], "spans": []}\n', "no columns look like words and tags"),
        ("a.jsonl", '{"tokens": ["a"], "tags": []}\n', "the only row cannot be used: .*unequal numbers"),
        ("a.csv", "text,label\na,b\n", "the only row cannot be used: .*no tags: 'b'"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_tagged(write(tmp_path / name, content))
    assert str(tmp_path) in caught.value.where
    assert caught.value.fix


def test_sources_that_are_no_file(tmp_path):
    write(tmp_path / "train.conll", "a O\n")
    with pytest.raises(DataError, match=r"no such file[^$]*train\.conll"):
        read_tagged(tmp_path / "trian.conll")
    with pytest.raises(DataError, match="no such folder"):
        read_tagged("nowhere/train.conll")
    with pytest.raises(DataError, match="this is a folder"):
        read_tagged(tmp_path)


def test_keys_are_named_or_refused(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", {"sent": ["a"], "ner": ["B-X"], "doc": 7})
    for name in ("sent", ["sent"]):
        dataset = read_tagged(path, text=name, label="ner", group="doc")
        assert (dataset.labels, dataset.groups) == ([["B-X"]], ["7"])
    with pytest.raises(OptionError, match="one column, not in 2: 'sent', 'ner'"):
        read_tagged(path, text=["sent", "ner"])
    with pytest.raises(OptionError, match="Did you mean 'ner'"):
        read_tagged(path, text="sent", label="nre")
    with pytest.raises(OptionError, match="no named columns"):
        read_tagged(write(tmp_path / "a.conll", "a O\n"), label="ner")


def test_repeated_ids_are_listed(tmp_path):
    row = {"tokens": ["a"], "tags": ["O"], "id": 1}
    dataset = read_tagged(write_lines(tmp_path / "a.jsonl", row, row), id_column="id")
    assert [row.reason for row in dataset.rejected] == ["repeated id: '1' stands on line 1 already"]


def test_rows_to_be_tagged(tmp_path):
    for name, content in (
        ("a.conll", "Ann\nLee\n\nx\n"),
        ("b.conll", "Ann whatever\nLee this\n\nx is\n"),
        ("a.jsonl", '{"tokens": ["Ann", "Lee"]}\n{"tokens": ["x"], "tags": 5}\n'),
        ("b.jsonl", '{"text": "Ann Lee"}\n{"text": "x"}\n'),
        ("a.csv", "text\nAnn Lee\nx\n"),
        ("a.txt", "Ann Lee\nx\n"),
    ):
        dataset = read_tagged(write(tmp_path / name, content), labelled=False)
        assert dataset.labels is None
        assert dataset.columns["text"] == ["Ann Lee", "x"], name
        assert dataset.columns["words"] == [((0, 3), (4, 7)), ((0, 1),)], name


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("wnut17", {"train": 3394, "dev": 1009, "test": 1287}),
        ("germeval2014_de", {"dev": 2200, "test": 5100}),
    ],
)
def test_published_sets_are_read_whole(name, counts):
    for split, count in counts.items():
        dataset = read_tagged(shared_data(name) / f"{split}.conll")
        assert (len(dataset), dataset.rejected, dataset.notes.broken_rows) == (count, [], 0)
