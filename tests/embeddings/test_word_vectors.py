"""Word vectors in files of every usual form, and what is asked of them."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conftest import shared_data
from textgraft.embeddings.word_vectors import VectorSource, WordVectors
from textgraft.errors import DataError, OptionError

NAMES = ("v.txt", "v.vec", "v.bin", "v.txt.gz", "v.vec.gz", "v.bin.gz")
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=6).filter(
    lambda word: word.split() == [word]
)


@st.composite
def tables(draw):
    words = draw(st.lists(WORDS, min_size=1, max_size=5, unique=True))
    size = draw(st.integers(2, 4))  # a line "7 1" in GloVe's form would be the heading of word2vec's
    row = st.lists(FLOATS, min_size=size, max_size=size)
    return words, draw(st.lists(row, min_size=len(words), max_size=len(words)))


@pytest.mark.parametrize("name", NAMES)
@given(table=tables())
@settings(max_examples=25, deadline=None)
def test_a_written_file_gives_the_same_words_and_bits(tmp_path_factory, name, table):
    words, rows = table
    matrix = np.array(rows, dtype=np.float32)
    if name.startswith("v.bin"):
        # Numbers that spell a text, with its ends of lines and tabs.
        assume(not all(32 <= byte <= 126 or byte in b"\r\n\t" for byte in matrix[0].tobytes()))
    path = tmp_path_factory.getbasetemp() / name
    WordVectors(words, matrix).save(path)
    again = WordVectors.load(path)
    assert list(again.words) == words
    assert again.matrix.tobytes() == matrix.tobytes()


def test_equal_vectors_make_equal_files(tmp_path):
    vectors = WordVectors(["a", "b"], np.eye(2, dtype=np.float32))
    vectors.save(tmp_path / "a.bin.gz")
    vectors.save(tmp_path / "b.bin.gz")
    assert (tmp_path / "a.bin.gz").read_bytes() == (tmp_path / "b.bin.gz").read_bytes()


def test_forms_as_other_programs_write_them(tmp_path):
    """The C program ends text lines with a space; gensim puts no line end behind the numbers of a word."""
    expected = np.array([[0.5, -1.0], [2.0, 0.25]], dtype="<f4")
    forms = {
        "glove": b"the 0.5 -1\nof 2 0.25\n",
        "no_last_line_end": b"the 0.5 -1\nof 2 .25",
        "windows": b"the 0.5 -1\r\nof 2 0.25\r\n",
        "c_text": b"2 2\nthe 0.500000 -1.000000 \nof 2.000000 0.250000 \n",
        "c_binary": b"2 2\nthe " + expected[0].tobytes() + b"\nof " + expected[1].tobytes() + b"\n",
        "gensim_binary": b"2 2\nthe " + expected[0].tobytes() + b"of " + expected[1].tobytes(),
    }
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        vectors = WordVectors.load(tmp_path / name)
        assert list(vectors.words) == ["the", "of"], name
        assert (vectors.matrix == expected).all(), name


def test_gensim_and_textgraft_read_each_other(tmp_path):
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    vectors = WordVectors(["straße", "the"], np.array([[0.1, -2.5], [1e-8, 3]], dtype=np.float32))
    for name, options in {
        "a.txt": {"no_header": True},
        "a.vec": {},
        "a.bin": {"binary": True},
    }.items():
        vectors.save(tmp_path / name)
        theirs = keyed.load_word2vec_format(str(tmp_path / name), **options)
        assert theirs.index_to_key == vectors.words
        assert (theirs.vectors == vectors.matrix).all()
    theirs.save_word2vec_format(str(tmp_path / "theirs"), binary=True)
    assert (WordVectors.load(tmp_path / "theirs").matrix == vectors.matrix).all()


def test_a_word_may_hold_spaces(tmp_path):
    (tmp_path / "v").write_text("the 1 2\n. . . 3 4\nat name@domain.com 5 6\n1999 7 8\n")
    assert list(WordVectors.load(tmp_path / "v").words) == ["the", ". . .", "at name@domain.com", "1999"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1 2\nb 1\n", r"v, line 2: a word and 2 numbers are expected, and there are 2 parts"),
        (b"a 1 2\nb 1 2\nc 1 2 3\n", r"v, line 3: a word and 2 numbers"),
        (b"a 1 2\n\nb 1 2\n", r"v, line 2: a word and 2 numbers"),
        (b"a 1 2\nb nan 2\n", r"v, line 2: a number of the word 'b' is not finite"),
        (b"2 2\na 1 2\nb 1 1e60\n", r"v, line 3: a number of the word 'b' is not finite"),
        (b"a 1 2\nb 1 x\n", r"v, line 2: 'x' is no number"),
        (b"a 1 2\nb 1 2\na 3 4\n", r"v, line 3: the word 'a' is on line 1, too"),
        (b"a 1 2\n\xff 1 2\n", r"v, line 2: the word is not UTF-8"),
        (b"a 1 2\n 1 2\n", r"v, line 2: there is no word"),
        (b"3 2\na 1 2\nb 1 2\n", r"promises 3 words, and the file holds 2"),
        (b"2 1\na \x00\x00\x80?a \x00\x00\x80?", r"v, word 2: the word 'a' is on word 1, too"),
        (b"2 1\na \x00\x00\x80?b \x00\x00", r"promises 2 words, and the file holds 1"),
        (b"1 1\na \x00\x00\xc0\x7f", r"v, word 1: a number of the word 'a' is not finite"),
        (b"", "no file of word vectors"),
        (b"once upon a time\n", "no file of word vectors"),
        (gzip.compress(b"a 1 2\n" * 9, mtime=0)[:-6], "packed file is damaged"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, content, message):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(DataError, match=message):
        WordVectors.load(tmp_path / "v")


def test_a_missing_file_and_an_unwritable_word(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        WordVectors.load(tmp_path / "none")
    with pytest.raises(DataError, match="no such file"):
        VectorSource.of(tmp_path / "none")
    with pytest.raises(OptionError, match="'a b'"):
        WordVectors(["a b"], np.ones((1, 2), np.float32)).save(tmp_path / "v")
    with pytest.raises(OptionError, match="do not fit"):
        WordVectors(["a"], np.ones((2, 2), np.float32))


TOWNS = WordVectors(
    ["Paris", "France", "Rome", "Italy", "cheese", "zero"],
    # The second number is being a country.
    np.array([[1, 0, 0], [1, 1, 0], [-1, 0, 0.1], [-1, 1, 0.1], [0, 0, 5], [0, 0, 0]], dtype=np.float32),
)


def test_neighbours_and_analogies():
    assert TOWNS.nearest("Paris", 2) == [("France", pytest.approx(0.5**0.5)), ("cheese", 0.0)]
    assert TOWNS.nearest(np.array([0, 0, 2], np.float32), 1) == [("cheese", pytest.approx(1.0))]
    assert len(TOWNS.nearest("Paris", 99)) == 5
    assert TOWNS.analogy("Paris", "France", "Rome")[0][0] == "Italy"
    assert [word for word, _ in TOWNS.analogy("France", "Paris", "Italy", 1)] == ["Rome"]


def test_case_is_ignored_where_it_must_be():
    vectors = WordVectors(["the", "Turkey", "turkey"], np.eye(3, dtype=np.float32))
    assert vectors.find("turkey") == 2
    assert vectors.find("TURKEY") == 1
    assert "The" in vectors
    assert "nil" not in vectors
    assert vectors["The"].tolist() == [1, 0, 0]
    with pytest.raises(OptionError, match=r"'turkye'.*\n.*'turkey'"):
        vectors.nearest("turkye")


def test_a_source_is_named_by_its_content(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("the 1 2\n")
    first, second = (VectorSource.of(tmp_path / name) for name in ("a.txt", "b.txt"))
    assert first.sha256 == second.sha256
    assert str(tmp_path) not in first.name
    assert first.load() is first.load()


def test_published_glove_vectors():
    vectors = WordVectors.load(shared_data("glove50_small") / "glove.6B.50d.top2446.txt")
    assert vectors.matrix.shape == (2446, 50)
    assert vectors["the"][:3].tolist() == pytest.approx([0.418, 0.24968, -0.41242])
    assert vectors.analogy("man", "woman", "king")[0][0] == "queen"
