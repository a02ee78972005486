"""TF-IDF with logistic or ridge regression, as a Transformers model: every number of it is a tensor.

Words and runs of words (n-grams) are looked up by a key computed from their token ids, weighted by
(1 + log tf) * idf, scaled to unit length and fed to a linear layer. It gives the probabilities that
scikit-learn would; nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

from textgraft.errors import DataError, OptionError
from textgraft.models.asked import has_only_logits
from textgraft.models.baselines.linear import fit_linear
from textgraft.models.baselines.wordless import WithoutWordVectors
from textgraft.models.losses import ProblemType, sequence_loss
from textgraft.tokenization.encode import token_ids
from textgraft.tokenization.scripts import is_unspaced
from textgraft.tokenization.word_tokenizer import SPECIAL_TOKENS, train_word_tokenizer

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    from textgraft.models.baselines.softmax_regression import Clock

MAX_LENGTH = 10_000
"""Tokens read of a text. A bag of words needs no limit; this one guards against absurd inputs."""
MAX_WORDS = 1_000_000
MAX_WEIGHTS = 20_000_000
"""Weights at most: 80 MB, and five times as much while they are fitted."""
LONGEST_NGRAM = 3
"""Keys of three words out of MAX_WORDS still fit 64 bits."""


class TfidfConfig(PreTrainedConfig):
    """Describes a TF-IDF classifier.

    Args:
        vocab_size: Entries of the word-level tokenizer; the first three are special tokens.
        num_features: N-grams known.
        ngrams: Lengths of the shortest and the longest n-gram.
        sublinear: Whether an n-gram found tf times counts 1 + log(tf) instead of tf.
        pad_token_id: Of the tokenizer, as Transformers' trainer notes it; the model needs none.
        bos_token_id: Likewise.
        eos_token_id: Likewise.
    """

    model_type = "tfidf"

    vocab_size: int = len(SPECIAL_TOKENS)
    num_features: int = 0
    ngrams: list[int] = field(default_factory=lambda: [1, 2])
    sublinear: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None


def ngram_keys(ids: Tensor, length: int, vocab_size: int) -> Tensor:
    """Return a number for every run of ``length`` tokens that names its tokens and their order.

    Keys of different lengths never collide, as no word has id 0. A run that holds a special token, an unknown
    word or padding has the key -1; as every text starts with a special token, texts may stand one after the
    other in ``ids``.

    Args:
        ids: Token ids, int64 [..., time].
        length: Tokens in a run.
        vocab_size: Number of token ids.

    Returns:
        int64 [..., time - length + 1].
    """
    if ids.shape[-1] < length:
        return ids[..., :0]
    runs = ids.unfold(-1, length, 1)
    keys = runs[..., 0]
    for position in range(1, length):
        keys = keys * vocab_size + runs[..., position]
    return torch.where((runs >= len(SPECIAL_TOKENS)).all(dim=-1), keys, -1)


class TfidfForSequenceClassification(WithoutWordVectors, PreTrainedModel):
    """A linear layer over TF-IDF weights.

    Args:
        config: Its description. :func:`fit_tfidf` fills the tensors.
    """

    config_class = TfidfConfig
    keys: Tensor
    """Keys of the known n-grams, ascending, int64 [features]."""
    idf: Tensor
    """Inverse document frequency of each, [features]."""

    def __init__(self, config: TfidfConfig) -> None:
        super().__init__(config)
        assert config.num_labels is not None, "without id2label Transformers counts two labels"
        self.register_buffer("keys", torch.arange(config.num_features))
        self.register_buffer("idf", torch.ones(config.num_features))
        self.weight = nn.Parameter(torch.zeros(config.num_features, config.num_labels))
        self.bias = nn.Parameter(torch.zeros(config.num_labels))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if module is self:
            init.zeros_(self.weight)
            init.zeros_(self.bias)
            init.copy_(self.keys, torch.arange(len(self.keys)))
            init.ones_(self.idf)

    def output_parameters(self) -> list[nn.Parameter]:
        """Return what logits are linear in."""
        return [self.weight, self.bias]

    def features(self, input_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Count and weigh the known n-grams of every text.

        Args:
            input_ids: [batch, time]; padding is told by its id.

        Returns:
            Rows, features and weights, [found] each: sorted by row, one entry for each n-gram of a text, the
            squared weights of a text summing to 1.
        """
        shortest, longest = self.config.ngrams
        keys = torch.cat(
            [ngram_keys(input_ids, n, self.config.vocab_size) for n in range(shortest, longest + 1)], dim=1
        )
        place = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        rows, columns = (self.keys[place] == keys).nonzero(as_tuple=True)
        cells, counts = torch.unique(rows * len(self.keys) + place[rows, columns], return_counts=True)
        rows, found = cells // len(self.keys), cells % len(self.keys)
        weights = (1 + counts.log() if self.config.sublinear else counts) * self.idf[found]
        squares = weights.new_zeros(len(input_ids)).index_add(0, rows, weights.square())
        return rows, found, weights / squares.sqrt()[rows]

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: [batch, time]; padding is told by its id.
            attention_mask: Not used.
            labels: As in :func:`sequence_loss`.
            output_attentions: Refused if true: there are none.
            output_hidden_states: Likewise.

        Returns:
            logits [batch, num_labels], and the mean loss if labels were given.

        Raises:
            OptionError: Something is asked for that there is not.
        """
        has_only_logits(self, output_attentions=output_attentions, output_hidden_states=output_hidden_states)
        rows, found, weights = self.features(input_ids)
        starts = torch.searchsorted(rows, torch.arange(len(input_ids), device=rows.device))
        sums = nn.functional.embedding_bag(
            found, self.weight, starts, mode="sum", per_sample_weights=weights.to(self.weight.dtype)
        )
        logits = sums + self.bias
        loss = None if labels is None else sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def _count(
    ids: Sequence[Sequence[int]], ngrams: tuple[int, int], vocab_size: int
) -> tuple[np.ndarray, csr_array]:
    """Return the keys of all n-grams, ascending, and how often each text has each: [texts, keys]."""
    import numpy as np
    from scipy.sparse import coo_array

    flat = torch.tensor([token for row in ids for token in row])
    text = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    rows, keys = [], []
    for length in range(ngrams[0], ngrams[1] + 1):
        every = ngram_keys(flat, length, vocab_size).numpy()
        rows.append(text[: len(every)][every >= 0])
        keys.append(every[every >= 0])
    known, columns = np.unique(np.concatenate(keys), return_inverse=True)
    row = np.concatenate(rows)
    return known, coo_array((np.ones(len(row)), (row, columns)), shape=(len(ids), len(known))).tocsr()


def _association(counts: csr_array, labels: Sequence[Any], num_labels: int) -> np.ndarray:
    """Return how far the labels of the texts with each n-gram are from those of all texts: chi², [n-grams].

    Args:
        counts: [texts, n-grams].
        labels: Index of the label of each text, or 1 for each label that a text has, [texts, labels].
        num_labels: Labels there are.
    """
    import numpy as np
    from scipy.sparse import coo_array, csr_array

    given = np.asarray(labels)
    rows, columns = (np.arange(len(given)), given) if given.ndim == 1 else np.nonzero(given)
    owners = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(given), num_labels)).tocsr()
    present = csr_array((np.ones_like(counts.data), counts.indices, counts.indptr), shape=counts.shape)
    observed = (present.T @ owners).tocoo()
    texts_with = present.sum(axis=0)
    expected = texts_with[observed.row] * (owners.sum(axis=0) / len(given))[observed.col]
    return np.bincount(observed.row, observed.data**2 / expected, minlength=len(texts_with)) - texts_with


@dataclass(frozen=True)
class WeightedNgrams:
    """Training texts as a linear model reads them, whatever the strength of its penalty."""

    tokenizer: PreTrainedTokenizerFast
    keys: np.ndarray
    """Of the n-grams that are kept, ascending."""
    idf: np.ndarray
    """Of each."""
    weights: csr_array
    """[texts, n-grams]."""
    ngrams: tuple[int, int]
    """Lengths of the shortest and the longest."""
    sublinear: bool
    """Whether an n-gram found tf times counts 1 + log(tf)."""


def weigh_ngrams(
    texts: Sequence[str],
    labels: Sequence[Any],
    num_labels: int,
    *,
    ngrams: tuple[int, int] | None = None,
    min_frequency: int = 1,
    max_features: int = 20_000,
    sublinear: bool = True,
) -> WeightedNgrams:
    """Choose n-grams and weigh them by TF-IDF: what takes the time where texts are long.

    Args and errors: see :func:`fit_tfidf`.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfTransformer

    if ngrams is None:
        ngrams = (1, 3) if is_unspaced(texts) else (1, 2)
    if not 1 <= ngrams[0] <= ngrams[1] <= LONGEST_NGRAM:
        raise OptionError(
            f"ngrams {tuple(ngrams)} is no range of lengths",
            fix=f"Give the shortest and the longest, both between 1 and {LONGEST_NGRAM}.",
        )
    tokenizer = train_word_tokenizer(
        texts, vocabulary_size=MAX_WORDS, min_frequency=min_frequency, max_length=MAX_LENGTH
    )
    ids = token_ids(tokenizer.backend_tokenizer, texts, MAX_LENGTH).ids
    keys, counts = _count(ids, ngrams, len(tokenizer))
    texts_with = np.bincount(counts.indices, minlength=len(keys))
    often = np.flatnonzero(texts_with >= min_frequency)
    by_frequency = often[np.argsort(-counts.sum(axis=0)[often], kind="stable")]
    kept = by_frequency[:max_features]
    most = max(1, MAX_WEIGHTS // num_labels)
    if len(kept) > most:
        kept = kept[np.argsort(-_association(counts[:, kept], labels, num_labels), kind="stable")[:most]]
    kept = np.sort(kept)
    if not len(kept):
        raise DataError(
            f"no word occurs in {min_frequency} texts: nothing to learn from",
            fix="Lower min_frequency, or check that the text column is the right one.",
        )
    transformer = TfidfTransformer(sublinear_tf=sublinear)
    weights = transformer.fit_transform(counts[:, kept])
    return WeightedNgrams(tokenizer, keys[kept], transformer.idf_, weights, ngrams, sublinear)


def fit_weights(
    given: WeightedNgrams,
    labels: Sequence[Any],
    num_labels: int,
    *,
    problem_type: ProblemType | None = None,
    c: float = 10.0,
    clock: Clock | None = None,
) -> tuple[TfidfForSequenceClassification, PreTrainedTokenizerFast]:
    """Fit the linear model of :func:`fit_tfidf` on weighted n-grams."""
    weight, bias = fit_linear(given.weights, labels, num_labels, c, problem_type, clock)
    config = TfidfConfig(
        vocab_size=len(given.tokenizer),
        num_features=len(given.keys),
        ngrams=list(given.ngrams),
        sublinear=given.sublinear,
    )
    config.num_labels = num_labels
    config.problem_type = problem_type
    model = TfidfForSequenceClassification(config)
    model.load_state_dict(
        {
            "keys": torch.from_numpy(given.keys),
            "idf": torch.from_numpy(given.idf),
            "weight": torch.from_numpy(weight.T),
            "bias": torch.from_numpy(bias),
        }
    )
    return model.eval(), given.tokenizer


def fit_tfidf(
    texts: Sequence[str],
    labels: Sequence[Any],
    num_labels: int,
    *,
    problem_type: ProblemType | None = None,
    c: float = 10.0,
    ngrams: tuple[int, int] | None = None,
    min_frequency: int = 1,
    max_features: int = 20_000,
    sublinear: bool = True,
    clock: Clock | None = None,
) -> tuple[TfidfForSequenceClassification, PreTrainedTokenizerFast]:
    """Fit a linear model on TF-IDF weights.

    Args:
        texts: Training texts.
        labels: Label index of each, or what else the loss of the problem type takes.
        num_labels: Labels there are; some may have no training row.
        problem_type: Which model it is, see :func:`~textgraft.models.baselines.linear.fit_linear`.
        c: Inverse strength of the L2 penalty, as in scikit-learn.
        ngrams: Lengths of the shortest and the longest n-gram; None for words and pairs of words or, where
            texts are written without spaces and a token is a character, for up to three of them.
        min_frequency: Texts that an n-gram must occur in.
        max_features: N-grams kept, the most frequent ones. Where many labels would make more weights of them
            than MAX_WEIGHTS, those of them are kept that depend most on the labels.
        sublinear: Whether an n-gram found tf times counts 1 + log(tf) instead of tf.
        clock: Where it runs out, the model is that of the last step.

    Returns:
        The model and its tokenizer.

    Raises:
        OptionError: The n-gram lengths are out of range.
        DataError: No n-gram is left to learn from.
    """
    given = weigh_ngrams(
        texts,
        labels,
        num_labels,
        ngrams=ngrams,
        min_frequency=min_frequency,
        max_features=max_features,
        sublinear=sublinear,
    )
    return fit_weights(given, labels, num_labels, problem_type=problem_type, c=c, clock=clock)
