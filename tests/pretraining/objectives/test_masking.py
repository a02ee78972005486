from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from textgraft.errors import OptionError
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.objectives.masking import Masking

PAD, CLS, SEP, MASK = 0, 2, 3, 4
VOCABULARY = 200
ORDINARY = np.arange(5, VOCABULARY)
CONTINUES = np.arange(VOCABULARY) % 3 == 0
"""A third of the tokens go on with a word."""


def likely(count, trials, probability):
    """Whether a count is within what a binomial leaves but once in a million."""
    low, high = binom.interval(1 - 1e-6, trials, probability)
    return low <= count <= high


def batch(rows=400, length=100, seed=0):
    """Random text with [CLS], [SEP] in the middle and at the end, and padding."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(5, VOCABULARY, size=(rows, length))
    ids[:, 0] = CLS
    ids[:, length // 2] = SEP
    ids[:, -10] = SEP
    ids[:, -9:] = PAD
    return ids


@pytest.mark.parametrize("continues", [None, CONTINUES], ids=["tokens", "words"])
def test_the_shares_are_berts(continues):
    ids = batch()
    masking = Masking(MASK, ORDINARY, continues)
    masked = masking(ids, np.random.default_rng(1))
    candidates = int((ids >= 5).sum())
    chosen = len(masked.positions)
    after = masked.input_ids.ravel()[masked.positions]
    # In each row the count is rounded: by half a token in the mean, or by a word of few tokens.
    assert abs(chosen - 0.15 * candidates) < 5 * np.sqrt(len(ids)) * (0.5 if continues is None else 2)
    became_mask = int((after == MASK).sum())
    stayed = int((after == masked.labels).sum())
    assert likely(became_mask, chosen, 0.8)
    assert likely(chosen - became_mask - stayed, chosen, 0.1 * (1 - 1 / len(ORDINARY)))
    assert likely(stayed, chosen, 0.1 + 0.1 / len(ORDINARY))


@pytest.mark.parametrize("continues", [None, CONTINUES], ids=["tokens", "words"])
def test_only_what_was_chosen_changes_and_special_tokens_never_are(continues):
    ids = batch()
    before = ids.copy()
    masked = Masking(MASK, ORDINARY, continues)(ids, np.random.default_rng(2))
    assert np.array_equal(ids, before)
    assert np.array_equal(masked.labels, ids.ravel()[masked.positions])
    assert masked.labels.min() >= 5
    assert np.all(np.diff(masked.positions) > 0)
    changed = np.flatnonzero(masked.input_ids.ravel() != ids.ravel())
    assert set(changed) <= set(masked.positions)
    put = masked.input_ids.ravel()[changed]
    assert set(np.unique(put[put != MASK])) <= set(ORDINARY)


def test_every_place_and_every_word_is_as_likely():
    ids = batch(rows=3000, length=40)
    masked = Masking(MASK, ORDINARY)(ids, np.random.default_rng(3))
    counts = np.bincount(masked.positions % 40, minlength=40)
    for place in np.flatnonzero(ids[0] >= 5):
        assert likely(counts[place], 3000, 0.15)
    after = masked.input_ids.ravel()[masked.positions]
    drawn = after[(after != MASK) & (after != masked.labels)]
    words = np.bincount(drawn, minlength=VOCABULARY)[5:]
    assert all(likely(count, len(drawn), 1 / len(ORDINARY)) for count in words)


def test_each_sequence_has_its_share_and_the_mean_is_exact():
    ids = np.full((20_000, 10), 7)  # 1.5 of ten
    masked = Masking(MASK, ORDINARY)(ids, np.random.default_rng(4))
    counts = np.bincount(masked.positions // 10, minlength=len(ids))
    assert set(counts) == {1, 2}
    assert likely(int((counts == 2).sum()), len(ids), 0.5)


def test_words_are_chosen_whole():
    ids = batch()
    masked = Masking(MASK, ORDINARY, CONTINUES)(ids, np.random.default_rng(5))
    is_chosen = np.zeros(ids.size, dtype=bool)
    is_chosen[masked.positions] = True
    flat = ids.ravel()
    goes_on = (flat >= 5) & CONTINUES[flat]
    goes_on[1:] &= flat[:-1] >= 5  # a separator ends every word
    goes_on[0] = False
    assert np.array_equal(is_chosen[1:][goes_on[1:]], is_chosen[:-1][goes_on[1:]])
    assert goes_on.sum() > 1000


def test_the_share_of_tokens_in_whole_words_is_exact_in_the_mean():
    ids = np.tile(np.array([5, 6, 9, 7, 5, 6, 9, 12, 10, 11]), (20_000, 1))
    masked = Masking(MASK, ORDINARY, CONTINUES)(ids, np.random.default_rng(6))
    counts = np.bincount(masked.positions // 10, minlength=len(ids))
    error = counts.mean() - 1.5
    assert abs(error) < 5 * counts.std() / np.sqrt(len(ids))


def test_the_generator_decides_all():
    masking = Masking(MASK, ORDINARY)
    first, again, other = (masking(batch(), np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first.input_ids, again.input_ids)
    assert np.array_equal(first.positions, again.positions)
    assert not np.array_equal(first.positions, other.positions)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=3, max_size=3), min_size=1, max_size=4),
    st.booleans(),
)
def test_any_batch_will_do(rows, whole_words):
    ids = np.array(rows)
    masked = Masking(MASK, ORDINARY, CONTINUES if whole_words else None)(ids, np.random.default_rng(9))
    assert masked.input_ids.shape == ids.shape
    assert np.array_equal(masked.input_ids[ids < 5], ids[ids < 5])
    assert len(masked.positions) <= (ids >= 5).sum()


TEXTS = ["The unbelievable believers believe, un-believably; beliefs."] * 4


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_a_tokenizer_tells_what_is_special_and_what_goes_on(architecture):
    tokenizer = train_tokenizer(architecture, TEXTS, vocabulary_size=300)
    masking = Masking.of(tokenizer, whole_words=True)
    assert masking.mask_id == tokenizer.mask_token_id
    assert not set(masking.ordinary) & set(tokenizer.all_special_ids)
    tokens = tokenizer.get_vocab()
    assert masking.continues is not None
    inside, outside = {
        "bert": (("##e", "##s"), ("e", ",", "the")),
        "roberta": (("e", "s", "Ã", "©"), ("Ġ", ",", ";")),
    }[architecture]
    assert all(masking.continues[tokens[token]] for token in inside)
    assert not any(masking.continues[tokens[token]] for token in outside)
    assert Masking.of(tokenizer).continues is None


def test_a_tokenizer_without_mask_is_refused():
    with pytest.raises(OptionError, match="no mask token"):
        Masking.of(train_tokenizer("gpt", TEXTS, vocabulary_size=300))
