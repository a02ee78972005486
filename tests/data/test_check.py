"""The data check finds what was planted, counts it fully and says what to do."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.conftest import shared_data
from textgraft.data.check import check_dataset
from textgraft.data.joined_labels import find_joined
from textgraft.data.overlaps import overlaps
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import make_splits

SUBJECTS = [
    "market",
    "river",
    "engine",
    "garden",
    "teacher",
    "planet",
    "bridge",
    "violin",
    "window",
    "castle",
]
VERBS = ["avoids", "crosses", "follows", "remembers", "surprises", "paints", "measures", "forgets"]


def sentences(count: int) -> list[str]:
    return [
        f"the {SUBJECTS[i % 10]} {VERBS[i // 10 % 8]} {i * 7919} {SUBJECTS[i // 80 % 10]}s"
        for i in range(count)
    ]


def csv_file(path, rows):
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path


@pytest.fixture
def clean():
    return [(text, "ab"[i % 2]) for i, text in enumerate(sentences(200))]


def test_clean_data_has_no_warnings(tmp_path, clean):
    dataset = read_dataset(csv_file(tmp_path / "f.csv", clean))
    check = check_dataset(dataset, make_splits(dataset))
    assert check.warnings == []
    assert (check.rows, check.labels, check.leaked) == (200, {"a": 100, "b": 100}, [])
    assert check.sides == {"train": 140, "dev": 20, "test": 40}
    assert check.words["median"] == 5
    assert check_dataset(dataset).sides == {}


def test_planted_faults_are_found(tmp_path, clean):
    rows = [
        *clean,
        ("The Market  avoids 0 markets", "a"),  # line 202 repeats line 2
        ("the river avoids 7919 markets", "a"),  # line 203 repeats line 3 under the other label
        ("the engine avoids 15838 markets!", "a"),  # line 204 nearly repeats line 4
        ("something of its own entirely", "rare"),
        ("", "a"),
        ("a,b", "a"),
    ]
    dataset = read_dataset(csv_file(tmp_path / "f.csv", rows))
    check = check_dataset(dataset, make_splits(dataset))
    assert (check.repeated_rows, check.contradictory_texts, check.near_duplicate_rows) == (2, 1, 2)
    assert ["f.csv:2", "f.csv:202"] in [example["rows"] for example in check.repeated_examples]
    assert check.contradictory_examples[0]["rows"] == ["f.csv:3", "f.csv:203"]
    assert check.contradictory_examples[0]["labels"] == ["b", "a"]
    assert check.near_duplicate_examples[0]["rows"] == ["f.csv:4", "f.csv:204"]
    assert check.rejected == {"empty text": 1, "ragged row": 1}
    assert (check.rare_labels, check.untested_labels) == ({"rare": 1}, ["rare"])
    said = "\n".join(check.warnings)
    for expected in (
        "2 rows cannot be used",
        "1 text with",
        "fewer than 10 rows: rare (1)",
        "only in training: rare",
    ):
        assert expected in said


def test_leaks_across_the_users_own_split(tmp_path, clean):
    train = read_dataset(csv_file(tmp_path / "train.csv", clean))
    before = make_splits(train)  # the dev rows do not depend on the test rows
    rows = [
        ("quite another text", "a"),
        (before.train.texts[0].upper(), "b"),
        (before.train.texts[1] + ".", "b"),
        (before.dev.texts[0], "b"),
        ("and one more", "b"),
    ]
    splits = make_splits(train, test=read_dataset(csv_file(tmp_path / "test.csv", rows)))
    check = check_dataset(train, splits)
    assert rows[3][0] in splits.dev.texts
    assert check.leaked == [1, 2]
    assert check.rows == 205
    assert "2 test rows (40.0%)" in check.warnings[0]
    assert check.overlaps[0].examples[0]["rows"][0].startswith("test.csv:")


def test_rows_shared_by_any_two_sides_are_counted(tmp_path, clean):
    """One row exactly and one nearly of each pair; a row that stands on all three sides counts in each."""
    own = sentences(260)
    files = {
        "train": own[:200],
        "dev": [own[0], own[1] + "!", *own[200:230]],
        "test": [own[2], own[3] + "!", own[200].upper(), own[201] + "!", own[0], *own[230:]],
    }
    train, dev, test = (
        read_dataset(csv_file(tmp_path / f"{name}.csv", [(text, "ab"[i % 2]) for i, text in enumerate(rows)]))
        for name, rows in files.items()
    )
    splits = make_splits(train, dev=dev, test=test)
    check = check_dataset(train, splits)
    found = {overlap.pair: overlap for overlap in check.overlaps}
    assert {pair: (overlap.rows, overlap.exact) for pair, overlap in found.items()} == {
        ("test", "train"): ([0, 1, 4], 2),
        ("dev", "test"): ([0, 2, 3], 2),
        ("dev", "train"): ([0, 1], 1),
    }
    assert [example["rows"] for example in found["dev", "test"].examples] == [
        ["dev.csv:2", "test.csv:6"],
        ["dev.csv:4", "test.csv:4"],
        ["dev.csv:5", "test.csv:5"],
    ]
    assert found["dev", "test"].fraction == 3 / 32
    said = "\n".join(check.warnings)
    assert (
        "3 test rows (8.6%) stand among the training rows too, 2 of them exactly, as test.csv:2 and" in said
    )
    assert "3 dev rows (9.4%) stand among the test rows too, 2 of them exactly, as dev.csv:2 and" in said
    assert "2 dev rows (6.2%) stand among the training rows too, 1 of them exactly" in said
    assert [overlap.rows for overlap in overlaps(splits)] == [[0, 4], [0, 2], [0]]


def test_trec_questions_repeat_across_the_official_split():
    folder = shared_data("trec")
    train, test = (read_dataset(folder / name, label="coarse") for name in ("train.csv", "test.csv"))
    splits = make_splits(train, test=test)
    leaked = set(check_dataset(train, splits).leaked)
    exact = {position for position, text in enumerate(test.texts) if text in set(splits.train.texts)}
    assert exact <= leaked
    assert 8 <= len(exact) <= len(leaked) <= 20


def test_our_own_split_has_no_exact_leak():
    dataset = read_dataset(shared_data("trec") / "train.csv", label="fine")
    splits = make_splits(dataset)
    check = check_dataset(dataset, splits)
    assert check.repeated_rows > 50
    leaked = {splits.test.texts[position].lower() for position in check.leaked}
    assert not leaked & {text.lower() for text in splits.train.texts}


def test_token_counters(tmp_path, clean):
    dataset = read_dataset(csv_file(tmp_path / "f.csv", clean))
    counted = []

    def words(texts):
        counted.extend(texts)
        return [len(text.split()) for text in texts]

    check = check_dataset(dataset, token_counters={"tiny": (words, 4), "large": (words, 100)})
    assert check.truncation["tiny"].lost_tokens == pytest.approx(1 / 5)
    assert check.truncation["tiny"].cut_texts == 1
    assert check.truncation["large"].lost_tokens == 0
    assert [warning for warning in check.warnings if "tiny reads 4 tokens" in warning]
    assert len(counted) == 400


def test_dictionary_is_json_and_small(tmp_path):
    rows = [(f"text number {i} {i * i} {'word ' * 300}", f"label {i % 1500}") for i in range(6000)]
    rows += [("", "x")] * 500 + [("same", "x"), ("same", "y")] * 100
    dataset = read_dataset(csv_file(tmp_path / "f.csv", rows))
    check = check_dataset(dataset, make_splits(dataset))
    assert len(json.dumps(check.to_dict(), allow_nan=False)) < 30_000
    assert any("Check that the label column" in warning for warning in check.warnings)


def test_odd_encodings_and_one_sided_labels_are_mentioned(tmp_path, clean):
    path = tmp_path / "f.csv"
    rows = [(text, "a" if i % 10 else "b") for i, (text, _) in enumerate(clean)]
    path.write_bytes(
        ("text,label\n" + "".join(f"{text} café,{label}\n" for text, label in rows)).encode("cp1252")
    )
    said = "\n".join(check_dataset(read_dataset(path)).warnings)
    assert "not UTF-8 (first on line 2) and was read as Windows-1252" in said
    assert "90% of the rows have the label 'a'" in said


def test_labels_that_stand_for_none_and_those_of_several_names_are_mentioned(tmp_path, clean):
    labels = ["cat; dog", "dog; cat", "dog; cow", "cat", "cow; cat; dog", "nan", "none"]
    rows = [(text, labels[i % len(labels)]) for i, (text, _) in enumerate(clean)]
    said = "\n".join(check_dataset(read_dataset(csv_file(tmp_path / "f.csv", rows))).warnings)
    assert re.search(r"as missing ones are written: nan \(\d+\)\. If", said)
    assert "as 'cat; dog': if a text can have several, give --task multi-label" in said


@pytest.mark.parametrize(
    ("labels", "is_joined"),
    [
        (["New York, NY", "Boston, MA", "Austin, TX", "Dallas, TX"], False),
        (["a", "b", "a, b", "b, a", "c"], False),  # two: by chance
        (["a, b", "b, c", "c, a", "a, b, c"], True),
        (["a|b", "b|c", "c|a", "a|c"], True),
    ],
)
def test_labels_of_several_names_are_told_by_their_parts(labels, is_joined):
    assert (find_joined(dict.fromkeys(labels, 5)) is not None) == is_joined


def test_rows_without_labels(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("one\ntwo\ntwo\n")
    check = check_dataset(read_dataset(path, labelled=False))
    assert (check.rows, check.labels, check.repeated_rows) == (3, {}, 1)


def test_looking_at_data_loads_no_torch(tmp_path, clean):
    """It takes seconds and a few hundred megabytes, which those who only read rows need not pay."""
    source = csv_file(tmp_path / "f.csv", clean)
    code = (
        "import sys\nfrom textgraft.cli import app\n"
        f"app(['check', {str(source)!r}], standalone_mode=False)\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
