from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft.training.batching import fixed_shapes, fixed_width, token_budget_batches

LENGTHS = st.lists(st.integers(1, 300), max_size=200)


def padding_fraction(lengths: list[int], batches: list[list[int]]) -> float:
    """Return the fraction of padded tokens that are padding."""
    sides = np.array(lengths).reshape(len(lengths), -1)
    padded = sum(int(sides[list(batch)].max(axis=0).sum()) * len(batch) for batch in batches)
    return 1 - int(sides.sum()) / padded


@given(LENGTHS, st.integers(1, 600), st.integers(1, 40), st.one_of(st.none(), st.integers(0, 5)))
def test_every_position_once_and_both_caps_kept(lengths, max_tokens, max_sequences, seed):
    generator = None if seed is None else np.random.default_rng(seed)
    batches = token_budget_batches(
        lengths, max_tokens=max_tokens, max_sequences=max_sequences, generator=generator
    )
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= max_sequences
        assert len(batch) == 1 or max(lengths[position] for position in batch) * len(batch) <= max_tokens


def realistic(count: int) -> list[int]:
    """Token counts as sentences and short paragraphs have them: log-normal around 30."""
    return np.random.default_rng(7).lognormal(3.4, 0.6, count).astype(int).clip(4, 256).tolist()


@pytest.mark.parametrize("batch", [8, 16, 32])
def test_little_padding(batch):
    lengths = realistic(4000)
    for epoch in range(3):
        batches = token_budget_batches(
            lengths, max_tokens=4096, max_sequences=batch, generator=np.random.default_rng([0, epoch])
        )
        assert padding_fraction(lengths, batches) < 0.03
    evaluation = token_budget_batches(lengths, max_tokens=4096, max_sequences=4000, generator=None)
    assert padding_fraction(lengths, evaluation) < 0.05


def test_random_batches_would_pad_half():
    lengths = realistic(4000)
    rows = np.random.default_rng(0).permutation(4000).reshape(-1, 32).tolist()
    assert padding_fraction(lengths, rows) > 0.4


def test_training_order_is_drawn_from_the_generator():
    lengths = realistic(1000)

    def draw(seed: int) -> list[list[int]]:
        generator = np.random.default_rng(seed)
        return token_budget_batches(lengths, max_tokens=2048, max_sequences=16, generator=generator)

    assert draw(3) == draw(3)
    first, second = draw(3), draw(4)
    # Not only the order of the batches changes: hardly a pair of neighbours meets again.
    pairs = [
        {frozenset((batch[0], other)) for batch in run for other in batch[1:]} for run in (first, second)
    ]
    assert len(pairs[0] & pairs[1]) < 0.2 * len(pairs[0])
    longest = [max(lengths[position] for position in batch) for batch in first]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


def test_evaluation_goes_from_the_longest():
    lengths = realistic(300)
    batches = token_budget_batches(lengths, max_tokens=1024, max_sequences=64, generator=None)
    order = [lengths[position] for batch in batches for position in batch]
    assert order == sorted(lengths, reverse=True)


def test_nothing_makes_no_batches():
    assert token_budget_batches([], max_tokens=8, max_sequences=8, generator=None) == []


def test_both_sides_of_pairs_are_bucketed():
    generator = np.random.default_rng(0)
    sources = generator.integers(4, 40, 20_000)
    targets = np.maximum(2, sources * generator.uniform(0.7, 1.4, 20_000)).astype(int)
    sides = np.stack([sources, targets], axis=1).tolist()
    for order in (None, np.random.default_rng(1)):
        batches = token_budget_batches(sides, max_tokens=4096, max_sequences=512, generator=order)
        assert sorted(position for batch in batches for position in batch) == list(range(20_000))
        padded = [len(batch) * sum(np.max([sides[row] for row in batch], axis=0)) for batch in batches]
        assert max(padded) <= 4096
        assert padding_fraction(sides, batches) < 0.06
    by_source = token_budget_batches(sources, max_tokens=2048, max_sequences=512, generator=None)
    assert padding_fraction(sides, by_source) > 0.1


@given(LENGTHS, st.one_of(st.none(), st.integers(300, 520)))
def test_the_shape_of_a_batch_follows_from_the_length_of_any_of_its_sequences(lengths, most):
    batches = fixed_shapes(lengths, most)
    assert sorted(member for batch in batches for member in batch.members) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch.members) <= batch.rows
        for member in batch.members:
            assert lengths[member] <= batch.width <= (most or 512)
            (alone,) = fixed_shapes([lengths[member]], most)
            assert (alone.rows, alone.width) == (batch.rows, batch.width)


def test_fixed_shapes_cost_an_eighth_and_are_of_whole_tiles():
    lengths = realistic(4000)
    batches = fixed_shapes(lengths)
    computed = sum(batch.rows * batch.width for batch in batches)
    assert computed < 1.13 * sum(lengths)
    for length in range(1, 513):
        (batch,) = fixed_shapes([length])
        assert 192 <= batch.rows * batch.width <= 960
        assert batch.rows * batch.width % 64 == 0
    assert [fixed_width(length, 50) for length in (44, 49, 50)] == [48, 50, 50]
