"""A linear-chain conditional random field: the best sequence of tags, and not the best tag at each word.

A sequence scores the sum of its emissions (how well each tag suits its word) and transitions (how well each
tag follows the one before); its probability is the softmax of that over all sequences (Lafferty, McCallum and
Pereira 2001, "Conditional random fields"; over a BiLSTM: Huang, Xu and Yu 2015, "Bidirectional LSTM-CRF
models for sequence tagging"). All sums over sequences run in log space, forwards and backwards (Rabiner 1989,
"A tutorial on hidden Markov models").
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

FORBIDDEN = -1e4
"""Score of a transition that may not happen: its probability is zero, and no difference of two is NaN."""


class ConditionalRandomField(nn.Module):
    """Scores of transitions, and what follows from them.

    Every method takes right-padded batches: ``emissions`` [batch, time, tags] and ``mask`` [batch, time],
    true at words. What stands at padding changes nothing.

    Args:
        allowed: Which tag may follow which, [1 + tags, 1 + tags], with the borders of a text at index 0, as
            :func:`textgraft.data.tag_schemes.allowed_transitions` gives it.
    """

    allowed: Tensor

    def __init__(self, allowed: NDArray[np.bool_]) -> None:
        super().__init__()
        self.register_buffer("allowed", torch.from_numpy(allowed))
        self.transitions = nn.Parameter(torch.zeros(allowed.shape))

    def _scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores of the first tag [tags], of each transition [from, to], of the last tag [tags]."""
        scores = self.transitions.masked_fill(~self.allowed, FORBIDDEN)
        return scores[0, 1:], scores[1:, 1:], scores[1:, 0]

    def log_likelihood(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Return the log probability of ``tags`` [batch, time], of shape [batch]; 0 for rows of no words."""
        first, transitions, last = self._scores()
        tags = tags.masked_fill(~mask, 0)
        steps = transitions[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]
        words = emissions.gather(2, tags.unsqueeze(2)).squeeze(2) * mask
        ends = tags.gather(1, (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)).squeeze(1)
        path = first[tags[:, 0]] + words.sum(dim=1) + steps.sum(dim=1) + last[ends]
        partition = torch.logsumexp(self._forwards(emissions, mask)[:, -1] + last, dim=1)
        return (path - partition).where(mask[:, 0], 0.0)

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Return the log probability of every tag at every word, over all sequences, [batch, time, tags].

        At padding they are those of a word that all tags suit equally well.
        """
        forwards, backwards = self._forwards(emissions, mask), self._backwards(emissions, mask)
        marginals = torch.log_softmax(forwards + backwards, dim=2)
        return marginals.where(mask.unsqueeze(2), -np.log(marginals.shape[2]))

    def best_tags(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Return the most probable sequence of each row (Viterbi 1967), int64 [batch, time]; 0 at padding."""
        first, transitions, last = self._scores()
        score = first + emissions[:, 0]
        arrivals = []
        for emission, is_word in zip(emissions.unbind(1)[1:], mask.unbind(1)[1:], strict=True):
            best, origin = (score.unsqueeze(2) + transitions).max(dim=1)
            arrivals.append(origin)
            score = (best + emission).where(is_word.unsqueeze(1), score)
        tag = (score + last).argmax(dim=1)
        path = [tag]
        for origin, is_word in zip(reversed(arrivals), reversed(mask.unbind(1)[1:]), strict=True):
            tag = origin.gather(1, tag.unsqueeze(1)).squeeze(1).where(is_word, tag)
            path.append(tag)
        return torch.stack(path[::-1], dim=1).masked_fill(~mask, 0)

    def _forwards(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Sum over the beginnings of sequences: up to each word, by its tag, [batch, time, tags]."""
        first, transitions, _ = self._scores()
        score = first + emissions[:, 0]
        scores = [score]
        for emission, is_word in zip(emissions.unbind(1)[1:], mask.unbind(1)[1:], strict=True):
            onward = torch.logsumexp(score.unsqueeze(2) + transitions, dim=1) + emission
            score = onward.where(is_word.unsqueeze(1), score)
            scores.append(score)
        return torch.stack(scores, dim=1)

    def _backwards(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Sum over the ends of sequences: after each word, by its tag, [batch, time, tags]."""
        _, transitions, last = self._scores()
        score = last.expand_as(emissions[:, 0])
        scores = [score]
        for emission, is_word in zip(
            reversed(emissions.unbind(1)[1:]), reversed(mask.unbind(1)[1:]), strict=True
        ):
            onward = torch.logsumexp(transitions + (emission + score).unsqueeze(1), dim=2)
            score = onward.where(is_word.unsqueeze(1), score)
            scores.append(score)
        return torch.stack(scores[::-1], dim=1)
