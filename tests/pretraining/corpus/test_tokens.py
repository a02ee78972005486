from __future__ import annotations

import numpy as np
import pytest

from tests.damages import damages, put
from tests.pretraining.small_corpus import write_corpus
from textgraft.errors import DataError
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.corpus import tokens as tokens_module
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.corpus.tokens import tokenize_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return read_corpus(write_corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture(scope="module")
def bert(corpus):
    return train_tokenizer("bert", corpus.texts, vocabulary_size=120)


def texts_of(tokens, tokenizer):
    return [tokenizer.decode(tokens.document(number)) for number in range(len(tokens))]


def test_every_document_is_there_once_sentence_by_sentence(corpus, bert, tmp_path):
    train, dev = tokenize_corpus(corpus, bert, unit="sentences", dev_fraction=0.2, folder=tmp_path)
    assert len(train) + len(dev) == 60
    assert 4 <= len(dev) <= 24
    expected = {
        bert.decode(bert(document.text, add_special_tokens=False)["input_ids"]) for document in corpus
    }
    assert {*texts_of(train, bert), *texts_of(dev, bert)} == expected
    assert not set(texts_of(train, bert)) & set(texts_of(dev, bert))
    sentences = {tuple(document.sentences) for document in corpus}
    for number in range(len(train)):
        pieces = train.pieces(number)
        assert np.array_equal(np.concatenate(pieces), train.document(number))
        lines = tuple(" ".join(bert.convert_ids_to_tokens(piece)) for piece in pieces)
        assert len(lines) in {len(known) for known in sentences}
        assert all(line.startswith("the man") for line in lines)
    assert train.ids.dtype == np.uint16


def test_the_second_time_nothing_is_read(corpus, bert, tmp_path, monkeypatch):
    counts = []
    first = tokenize_corpus(corpus, bert, unit="text", folder=tmp_path, on_documents=counts.append)
    assert counts == [60]
    monkeypatch.setattr(tokens_module, "_write", None)
    second = tokenize_corpus(corpus, bert, unit="text", folder=tmp_path)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.ids, other.ids)
        assert one.identity == other.identity


def test_the_key_is_all_that_matters(corpus, bert, tmp_path):
    other = train_tokenizer("bert", ["a b c a b c"], vocabulary_size=50)
    dev = read_corpus(write_corpus(tmp_path / "dev", documents=3))
    made = [
        tokenize_corpus(corpus, tokenizer, folder=tmp_path, **options)[0].identity
        for tokenizer, options in [
            (bert, {"unit": "text"}),
            (other, {"unit": "text"}),
            (bert, {"unit": "sentences"}),
            (bert, {"unit": "text", "end_id": 3}),
            (bert, {"unit": "text", "dev_fraction": 0.3}),
            (bert, {"unit": "text", "dev": dev}),
        ]
    ]
    assert len(set(made)) == len(made)


def test_documents_of_the_dev_corpus_are_left_out_of_training(corpus, bert, tmp_path):
    dev = read_corpus(write_corpus(tmp_path / "dev", documents=7))
    train, held_out = tokenize_corpus(corpus, bert, unit="text", dev=dev, folder=tmp_path)
    assert (len(train), len(held_out)) == (53, 7)
    assert not set(texts_of(train, bert)) & set(texts_of(held_out, bert))


def test_one_document_is_held_out_at_least(corpus, bert, tmp_path):
    train, dev = tokenize_corpus(corpus, bert, unit="text", dev_fraction=0.0, folder=tmp_path)
    assert (len(train), len(dev)) == (59, 1)
    (tmp_path / "single.txt").write_text("The only one.\nOf two lines.")
    with pytest.raises(DataError, match="too few documents: there is none to train on"):
        tokenize_corpus(read_corpus(tmp_path / "single.txt"), bert, unit="text", folder=tmp_path)


def test_text_keeps_its_lines_and_long_ones_are_cut_without_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(tokens_module, "_STRETCH", 50)
    text = "First line of it.\nSecond.\n\n" + "word " * 30 + "x" * 120 + "\nlast [UNK]"
    for name in ("train", "dev"):
        (tmp_path / f"{name}.txt").write_text(f"{name} {text}")
    train, dev = (read_corpus(tmp_path / f"{name}.txt", documents="files") for name in ("train", "dev"))
    tokenizer = train_tokenizer("gpt", [text], characters=True)
    tokens, _ = tokenize_corpus(
        train, tokenizer, unit="text", dev=dev, end_id=tokenizer.eos_token_id, folder=tmp_path
    )
    ids = tokens.document(0)
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in ids[:-1]
    known = set(tokenizer.get_vocab())
    expected = "".join(c if c in known else "[UNK]" for c in f"train {text}")
    assert tokenizer.decode(ids[:-1]) == expected
    assert max(map(len, tokens.pieces(0))) <= 51


def test_words_within_a_document_begin_with_a_space_where_that_counts(corpus, tmp_path):
    tokenizer = train_tokenizer("roberta", corpus.texts, vocabulary_size=300)
    train, _ = tokenize_corpus(corpus, tokenizer, unit="sentences", folder=tmp_path)
    first, second, *_ = train.pieces(0)
    assert tokenizer.decode(first).startswith("The man")
    assert tokenizer.decode(second).startswith(" The man")


def test_what_a_killed_process_left_is_cleared(corpus, bert, tmp_path):
    train, _ = tokenize_corpus(corpus, bert, unit="text", folder=tmp_path)
    name = train.identity.split("/")[0]
    (tmp_path / name / "tokens.json").unlink()
    (tmp_path / f".{name}.left").mkdir()
    again, _ = tokenize_corpus(corpus, bert, unit="text", folder=tmp_path)
    assert np.array_equal(train.ids, again.ids)
    assert not (tmp_path / f".{name}.left").exists()


def test_damaged_files_are_made_again(corpus, bert, tmp_path, caplog):
    def tokens():
        return [
            (part.ids.tobytes(), part.piece_starts.tobytes(), part.document_starts.tobytes())
            for part in tokenize_corpus(corpus, bert, unit="text", folder=tmp_path)
        ]

    expected = tokens()
    paths = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
    assert len(paths) == 8  # three of each set, the header and the seal
    for path in paths:
        content = path.read_bytes()
        for what, damaged in list(damages(content))[:: 3 if path.name == "ids.bin" else 9]:
            put(path, damaged)
            assert tokens() == expected, (path, what)
            path.write_bytes(content)
    assert "it is computed again" in caplog.text
