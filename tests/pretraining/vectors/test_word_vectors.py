"""From a corpus to word vectors: counts, both trainers, what is said of them, and the command."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import textgraft
from textgraft.cli import app
from textgraft.embeddings.word_vectors import WordVectors
from textgraft.errors import DataError, OptionError
from textgraft.pretraining.vectors import glove
from textgraft.pretraining.vectors.glove import GloveSettings, count_cooccurrences, train_glove
from textgraft.pretraining.vectors.word_vectors import score_word_vectors, word_vectors

DOCUMENTS = st.lists(st.lists(st.integers(0, 5), max_size=12), min_size=1, max_size=4)


def arrays(documents):
    return [np.array(document, dtype=np.int32) for document in documents]


@given(documents=DOCUMENTS, window=st.integers(1, 5), chunk=st.sampled_from([1, 7, 1000]))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_the_definition(documents, window, chunk):
    expected = np.zeros((6, 6))
    for document in documents:
        for center, word in enumerate(document):
            for other in range(max(0, center - window), center):
                expected[word, document[other]] += 1 / (center - other)
                expected[document[other], word] += 1 / (center - other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glove, "_CHUNK", chunk)
        counts = count_cooccurrences(arrays(documents), 6, window)
    assert np.allclose(counts.toarray(), expected)


def topics(words=20, documents=300, seed=0):
    """Make texts of two topics with words of their own, which meet in no text, and one word of both."""
    generator = np.random.default_rng(seed)
    texts = []
    for number in range(documents):
        prefix = "ab"[number % 2]
        chosen = generator.integers(0, words, 30)
        texts.append(" ".join("and" if at % 5 == 0 else f"{prefix}word{w}" for at, w in enumerate(chosen)))
    return texts


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n\n".join(topics()))
    return path


def test_glove_predicts_the_logarithms_of_the_counts(monkeypatch):
    """With room for every cell, products and biases come to the logarithms."""
    monkeypatch.setattr(glove, "_TILE", 5)  # so that there are tiles, the last of them smaller
    monkeypatch.setattr(glove, "_BATCH", 4)
    generator = np.random.default_rng(0)
    counts = count_cooccurrences(arrays(generator.integers(0, 12, (20, 15))), 12, 3)
    run = glove._Training(counts, GloveSettings(size=12, learning_rate=0.3, x_max=5), None)
    losses = [run.next_epoch() for _ in range(200)]
    assert losses[-1] < 1e-4 < losses[0]
    predicted = run.words @ run.contexts.T
    cells = counts[run.order][:, run.order].tocoo()
    heavy = cells.data > 3
    assert np.allclose(predicted[cells.row, cells.col][heavy], np.log(cells.data[heavy]), atol=0.05)


def test_the_gradient_is_that_of_the_loss():
    generator = np.random.default_rng(1)
    counts = count_cooccurrences(arrays(generator.integers(0, 6, (4, 10))), 6, 2)
    (batch,) = glove._batches(counts, 2.0, generator)
    words, contexts = generator.normal(size=(2, 6, 5)).astype(np.float32)
    of_words, of_contexts, _ = batch.gradients(words, contexts)
    for values, gradients in ((words, of_words), (contexts, of_contexts)):
        for place in ((0, 0), (3, 4), (5, 2)):
            before, sides = values[place], []
            for shift in (1e-2, -1e-2):
                values[place] = before + shift
                sides.append(batch.gradients(words, contexts)[2])
            values[place] = before
            assert (sides[0] - sides[1]) / 2e-2 == pytest.approx(2 * gradients[place], rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("method", ["word2vec", "glove"])
def test_words_of_a_topic_are_neighbours(corpus, tmp_path, method):
    if method == "word2vec":
        pytest.importorskip("gensim")
    done = []
    vectors = word_vectors(
        corpus,
        method=method,
        output=tmp_path / "v.txt",
        size=16,
        window=4,
        epochs=15,
        on_epoch=lambda epoch, total: done.append((epoch, total)),
    )
    assert done == [(epoch, 15) for epoch in range(1, 16)]
    assert vectors.words[0] == "and"
    assert len(vectors) == 41
    for word in ("aword3", "bword3"):
        assert all(near.startswith(word[:5]) for near, _ in vectors.nearest(word, 12) if near != "and")
    again = WordVectors.load(tmp_path / "v.txt")
    assert (again.matrix == vectors.matrix).all()
    assert {path.name for path in tmp_path.iterdir()} == {"v.txt", "v.txt.sha256"}
    same = word_vectors(corpus, method=method, size=16, window=4, epochs=15)
    assert same.matrix.tobytes() == vectors.matrix.tobytes()
    other = word_vectors(corpus, method=method, size=16, window=4, epochs=15, seed=1)
    assert (other.matrix != vectors.matrix).any()


class Stop(Exception):
    """Stands for the end of a process."""


def test_a_stopped_glove_goes_on_as_if_it_had_not_been(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(glove, "_CHECKPOINT_SECONDS", 0.0)
    whole = word_vectors(corpus, method="glove", size=8, epochs=6)

    def stop(epoch, total):
        if epoch == 4:
            raise Stop

    with pytest.raises(Stop):
        word_vectors(corpus, method="glove", size=8, epochs=6, output=tmp_path / "v.txt", on_epoch=stop)
    assert (tmp_path / "v.txt.training" / "checkpoint-00000003").is_dir()
    epochs = []
    resumed = word_vectors(
        corpus,
        method="glove",
        size=8,
        epochs=6,
        output=tmp_path / "v.txt",
        on_epoch=lambda epoch, total: epochs.append(epoch),
    )
    assert epochs == [4, 5, 6]
    assert resumed.matrix.tobytes() == whole.matrix.tobytes()


def test_checkpoints_of_another_training_are_refused(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(glove, "_CHECKPOINT_SECONDS", 0.0)
    counts = count_cooccurrences(arrays([[0, 1, 2, 1, 0]]), 3, 2)
    train_glove(counts, GloveSettings(size=4, epochs=2), folder=tmp_path)
    with pytest.raises(OptionError, match="another corpus"):
        train_glove(counts, GloveSettings(size=4, epochs=2, seed=1), folder=tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "glov"}, OptionError, "glove"),
        ({"method": "glove", "negative": 3}, OptionError, "negative"),
        ({"method": "glove", "size": 0}, OptionError, "size is 0"),
        ({"method": "word2vec", "epoch": 3}, OptionError, "epochs"),
        ({"method": "glove", "min_count": 10_000}, DataError, "fewer than two words"),
    ],
)
def test_what_cannot_be_meant_is_refused(corpus, options, error, message):
    with pytest.raises(error, match=message):
        word_vectors(corpus, **options)


def test_words_that_never_meet_make_no_vectors():
    with pytest.raises(DataError, match="no two words"):
        train_glove(count_cooccurrences(arrays([[0], [1]]), 2, 5), GloveSettings())


def test_sets_are_named_by_file_or_folder(tmp_path):
    vectors = WordVectors(["a", "b", "c", "d"], np.array([[1, 0], [1, 1], [-1, 0], [-1, 1]], np.float32))
    sets = tmp_path / "sets"
    sets.mkdir()
    (sets / "pairs.tsv").write_text("a b 3\na d 2\na c 1\n")
    (sets / "README.md").write_text("no set")
    (tmp_path / "q.txt").write_text(": s\na b c d\n")
    scores = score_word_vectors(vectors, [sets, tmp_path / "q.txt"])
    assert list(scores) == ["pairs", "q: s", "q: semantic", "q: syntactic", "q: all"]
    assert scores["pairs"].value == pytest.approx(1.0)
    assert scores["q: s"].value == 1.0
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="no word set"):
        score_word_vectors(vectors, [tmp_path / "empty"])


def test_the_command_trains_and_looks(corpus, tmp_path):
    output, pairs = tmp_path / "v.bin", tmp_path / "pairs.tsv"
    pairs.write_text("aword1\taword2\t9\naword1\tbword2\t1\naword1\tnone\t5\n")
    command = ["vectors", str(corpus), "-o", str(output), "--method", "glove", "--size", "8"]
    result = CliRunner().invoke(app, [*command, "--set", "epochs=4"])
    assert result.exit_code == 0, result.output
    assert "41 words × 8" in result.output
    result = CliRunner().invoke(app, ["vectors", str(output), "-n", "aword1", "-e", str(pairs)])
    assert result.exit_code == 0, result.output
    assert "aword1: " in result.output
    assert "66.7%" in result.output
    assert isinstance(CliRunner().invoke(app, ["vectors", str(output)]).exception, OptionError)
    assert textgraft.WordVectors.load(output).size == 8
