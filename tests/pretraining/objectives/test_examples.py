"""The sequences that BERT and RoBERTa are trained on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from textgraft.errors import DataError, OptionError
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.next_sentence import IS_NEXT, IS_RANDOM, SentencePairs, shortened

FRAME = Frame(first=2, separator=3, padding=0)


def make_tokens(documents):
    """Documents as lists of sentence lengths; every token is its place in the text, from 10 on."""
    lengths = [length for document in documents for length in document]
    return Tokens(
        ids=np.arange(10, 10 + sum(lengths), dtype=np.uint32),
        piece_starts=np.cumsum([0, *lengths]),
        document_starts=np.cumsum([0, *map(len, documents)]),
        identity=str(documents),
    )


def random_tokens(documents=200, seed=0):
    generator = np.random.default_rng(seed)
    return make_tokens(
        [generator.integers(3, 30, size=generator.integers(1, 25)).tolist() for _ in range(documents)]
    )


def document_of(tokens, ids):
    places = np.asarray(ids, dtype=np.int64) - 10
    starts = tokens.piece_starts[tokens.document_starts]
    found = set(np.searchsorted(starts, places, side="right").tolist())
    assert len(found) == 1
    return found.pop()


def test_half_of_the_pairs_go_on_and_the_others_come_from_other_documents():
    tokens = random_tokens()
    pairs = SentencePairs(tokens, FRAME, length=64)
    generator = np.random.default_rng(1)
    labels = []
    for number in [*range(len(pairs))] * 12:
        first, second, label = pairs.pair(number, generator)
        assert len(first) >= 1
        assert len(second) >= 1
        assert len(first) + len(second) <= 61
        same = document_of(tokens, first) == document_of(tokens, second)
        assert same == (label == IS_NEXT)
        if label == IS_NEXT:
            assert second[0] > first[-1]
            whole = len(first) + len(second) == pairs.lengths[number] - 3
            cut_before = second[0] != first[-1] + 1
            assert whole
            assert not cut_before or pairs.lengths[number] == 64
        labels.append(label)
    low, high = binom.interval(1 - 1e-6, len(labels), 0.5)
    assert low <= labels.count(IS_NEXT) <= high
    assert {IS_NEXT, IS_RANDOM} == {0, 1} == set(labels)


def test_chunks_hold_every_sentence_of_documents_with_two():
    tokens = random_tokens()
    pairs = SentencePairs(tokens, FRAME, length=64)
    covered = np.zeros(len(tokens.piece_starts) - 1, dtype=int)
    for document, begin, end in pairs.chunks:
        assert end - begin >= 2
        assert tokens.document_starts[document] <= begin
        assert end <= tokens.document_starts[document + 1]
        covered[begin:end] += 1
    sizes = np.diff(tokens.document_starts)
    assert np.array_equal(covered, np.repeat(sizes >= 2, sizes))


def test_one_sequence_in_ten_is_meant_to_be_short():
    tokens = make_tokens([[2] * 4000, [2] * 4000, [2] * 4000])
    none, tenth, every = (
        SentencePairs(tokens, FRAME, length=103, short_fraction=share) for share in (0.0, 0.1, 1.0)
    )
    assert (none.lengths < 103).sum() <= 3  # the rests of the documents
    low, high = binom.interval(1 - 1e-6, len(tenth), 0.1)
    assert low - 3 <= (tenth.lengths < 103).sum() <= high + 3
    # Evenly drawn from 2 to 100, and a chunk has two sentences: a mean of about 51.
    assert 47 < (every.lengths - 3).mean() < 56


@settings(deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(2, 70), st.integers(0, 1000))
def test_the_longer_part_loses_tokens_one_by_one(first, second, room, seed):
    a, b = np.arange(first), np.arange(100, 100 + second)
    kept = shortened(a, b, room, np.random.default_rng(seed))
    expected = [first, second]
    while sum(expected) > room:  # as the authors' code does it
        expected[0 if expected[0] > expected[1] else 1] -= 1
    assert [len(part) for part in kept] == expected
    for part, whole in zip(kept, (a, b), strict=True):
        assert np.array_equal(part, np.arange(part[0], part[0] + len(part)))
        assert part[0] >= whole[0]
        assert part[-1] <= whole[-1]


def test_tokens_are_lost_at_either_end_as_a_coin_says():
    generator = np.random.default_rng(0)
    front = sum(int(shortened(np.arange(60), np.arange(10), 50, generator)[0][0]) for _ in range(1000))
    low, high = binom.interval(1 - 1e-6, 20 * 1000, 0.5)
    assert low <= front <= high


def test_a_batch_of_pairs_is_what_bert_takes():
    tokens = random_tokens()
    pairs = SentencePairs(tokens, FRAME, length=40)
    numbers = [0, 5, 9]
    batch = pairs.batch(numbers, np.random.default_rng(0))
    generator = np.random.default_rng(0)
    for row, number in enumerate(numbers):
        first, second, label = pairs.pair(number, generator)
        expected = [2, *first, 3, *second, 3]
        size = len(expected)
        assert batch["input_ids"][row].tolist() == expected + [0] * (batch["input_ids"].shape[1] - size)
        assert batch["attention_mask"][row].sum() == size
        types = batch["token_type_ids"][row]
        assert types[:size].tolist() == [0] * (len(first) + 2) + [1] * (len(second) + 1)
        assert not types[size:].any()
        assert batch["next_sentence_label"][row] == label


def test_pairs_need_documents_with_sentences():
    with pytest.raises(DataError, match="two documents"):
        SentencePairs(make_tokens([[3, 4]]), FRAME, length=20)
    with pytest.raises(DataError, match="two sentences"):
        SentencePairs(make_tokens([[3], [4]]), FRAME, length=20)
    with pytest.raises(OptionError, match="no room"):
        SentencePairs(make_tokens([[3, 4], [3]]), FRAME, length=4)


def test_full_sentences_fill_sequences_across_documents():
    tokens = random_tokens()
    examples = FullSentences(tokens, FRAME, length=64)
    borders = set((tokens.piece_starts[tokens.document_starts[1:-1]] + 10).tolist())
    ends = set((tokens.piece_starts + 10).tolist())
    read = []
    for number in range(len(examples)):
        ids = examples.sequence(number)
        assert (ids[0], ids[-1]) == (2, 3)
        assert len(ids) == examples.lengths[number] <= 64
        text = ids[1:-1]
        assert text[-1] + 1 in ends
        # A separator stands before every document that begins within the sequence, and nowhere else.
        for place in np.flatnonzero(text == 3):
            assert text[place + 1] in borders
        starts = [token for token in text[1:].tolist() if token in borders]
        assert len(starts) == (text == 3).sum()
        read.extend(token for token in text.tolist() if token >= 10)
    assert read == tokens.ids.tolist()
    # The next sentence of at most 29 tokens, and a separator, would not have had room.
    assert examples.lengths[:-1].min() > 64 - 30


def test_sentences_longer_than_a_sequence_are_cut():
    tokens = make_tokens([[5, 40, 5], [3]])
    examples = FullSentences(tokens, FRAME, length=14)
    assert [examples.sequence(number)[1:-1].tolist() for number in range(len(examples))] == [
        list(range(10, 15)),
        list(range(15, 27)),
        list(range(27, 39)),
        list(range(39, 51)),
        list(range(51, 60)),  # the last of it with the next sentence
        [60, 61, 62],
    ]


def test_full_sentences_make_batches():
    examples = FullSentences(make_tokens([[5, 6], [3]]), FRAME, length=10)
    batch = examples.batch(range(len(examples)), np.random.default_rng(0))
    assert batch["input_ids"].tolist() == [
        [2, 10, 11, 12, 13, 14, 3, 0],
        [2, 15, 16, 17, 18, 19, 20, 3],
        [2, 21, 22, 23, 3, 0, 0, 0],
    ]
    assert batch["attention_mask"].sum(axis=1).tolist() == [7, 8, 5]
    with pytest.raises(OptionError, match="no room"):
        FullSentences(make_tokens([[5]]), FRAME, length=2)
