"""The conditional random field against the enumeration of all sequences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from textgraft.data.tag_schemes import allowed_transitions
from textgraft.models.recurrent.crf import ConditionalRandomField

FREE = ["NOUN", "VERB", "DET"]
BIO = ["O", "B-A", "I-A"]
IOBES = ["O", "B-A", "I-A", "E-A", "S-A"]
LENGTHS = (4, 1, 3, 2, 0)


def make(tags: list[str], seed: int = 0) -> tuple[ConditionalRandomField, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    crf = ConditionalRandomField(allowed_transitions(tags)).double()
    with torch.no_grad():
        crf.transitions.copy_(torch.randn(crf.transitions.shape, generator=generator, dtype=torch.float64))
    emissions = 2 * torch.randn(
        len(LENGTHS), max(LENGTHS), len(tags), generator=generator, dtype=torch.float64
    )
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS).unsqueeze(1)
    return crf, emissions, mask


def all_paths(crf: ConditionalRandomField, emissions: torch.Tensor) -> dict[tuple[int, ...], float]:
    """Score every sequence that is allowed, one by one."""
    transitions, allowed = crf.transitions.detach().numpy(), crf.allowed.numpy()
    found = {}
    for path in itertools.product(range(emissions.shape[1]), repeat=emissions.shape[0]):
        steps = list(itertools.pairwise([0, *(tag + 1 for tag in path), 0]))
        if all(allowed[step] for step in steps):
            score = sum(transitions[step] for step in steps)
            found[path] = score + sum(float(emissions[place, tag]) for place, tag in enumerate(path))
    return found


@pytest.mark.parametrize("tags", [FREE, BIO, IOBES], ids=["free", "BIO", "IOBES"])
@pytest.mark.parametrize("seed", range(3))
def test_everything_equals_the_enumeration_of_all_sequences(tags, seed):
    crf, emissions, mask = make(tags, seed)
    marginals, best = crf.log_marginals(emissions, mask).exp(), crf.best_tags(emissions, mask)
    for row, length in enumerate(LENGTHS[:-1]):
        paths = all_paths(crf, emissions[row, :length])
        scores = np.array(list(paths.values()))
        partition = np.logaddexp.reduce(scores)
        assert tuple(best[row, :length].tolist()) == max(paths, key=paths.__getitem__)
        assert (best[row, length:] == 0).all()
        for path, score in list(paths.items())[:: max(1, len(paths) // 40)]:
            gold = best.where(mask, -100)
            gold[row, :length] = torch.tensor(path)
            found = crf.log_likelihood(emissions, mask, gold)[row]
            assert float(found.detach()) == pytest.approx(score - partition, abs=1e-9)
        expected = np.zeros((length, len(tags)))
        for path, score in paths.items():
            expected[np.arange(length), path] += np.exp(score - partition)
        np.testing.assert_allclose(marginals[row, :length].detach(), expected, atol=1e-9)


@pytest.mark.parametrize("tags", [FREE, BIO, IOBES], ids=["free", "BIO", "IOBES"])
def test_gradients(tags):
    crf, emissions, mask = make(tags)
    gold = crf.best_tags(emissions, mask)

    def log_likelihood(emissions: torch.Tensor, transitions: torch.nn.Parameter) -> torch.Tensor:
        crf.transitions = transitions
        return crf.log_likelihood(emissions, mask, gold)

    assert torch.autograd.gradcheck(log_likelihood, (emissions.requires_grad_(), crf.transitions))


def test_the_gradient_of_emissions_is_what_the_marginals_say():
    crf, emissions, mask = make(BIO)
    gold = crf.best_tags(emissions, mask)
    emissions.requires_grad_()
    crf.log_likelihood(emissions, mask, gold).sum().backward()
    truth = torch.nn.functional.one_hot(gold, len(BIO)) * mask.unsqueeze(2)
    expected = (truth - crf.log_marginals(emissions, mask).exp()) * mask.unsqueeze(2)
    torch.testing.assert_close(emissions.grad, expected.detach())


def test_padding_changes_nothing():
    crf, emissions, mask = make(IOBES)
    gold = crf.best_tags(emissions, mask)
    noise = torch.where(mask.unsqueeze(2), emissions, 1e3 * torch.rand_like(emissions))
    for method, extra in ((crf.log_likelihood, (gold,)), (crf.log_marginals, ()), (crf.best_tags, ())):
        assert torch.equal(method(emissions, mask, *extra), method(noise, mask, *extra))
    for row, length in enumerate(LENGTHS[:-1]):
        alone = crf.log_marginals(emissions[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], crf.log_marginals(emissions, mask)[row, :length])


def test_a_forbidden_tag_is_never_best_and_has_no_probability():
    crf = ConditionalRandomField(allowed_transitions(BIO))
    emissions = torch.tensor([[[0.0, 0.0, 50.0], [0.0, 0.0, 50.0]]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert crf.best_tags(emissions, mask).tolist() == [[1, 2]]
    assert crf.log_marginals(emissions, mask)[0, 0, 2].exp() == 0


def test_long_texts_stay_finite_in_single_precision():
    crf = ConditionalRandomField(allowed_transitions(IOBES))
    emissions = 30 * torch.randn(2, 600, 5, generator=torch.Generator().manual_seed(0))
    emissions.requires_grad_()
    mask = torch.ones(2, 600, dtype=torch.bool)
    loss = -crf.log_likelihood(emissions, mask, crf.best_tags(emissions, mask)).sum()
    loss.backward()
    assert 0 <= loss < 1e4
    assert torch.isfinite(emissions.grad).all()
    marginals = crf.log_marginals(emissions, mask).exp()
    torch.testing.assert_close(marginals.sum(2), torch.ones(2, 600))
