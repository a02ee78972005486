"""Two texts read apart and then compared: the siamese way (Bromley et al. 1993).

One encoder reads both texts, each on its own, and a head compares the two vectors. A recurrent network and a
frozen BERT do so; a fine-tuned BERT reads the two texts together and needs nothing of this file.

In a batch the two texts stand one after the other, told apart by their token types.
:func:`siamese_tokenizer` writes each text in full, as if it stood alone; :func:`split_pairs` takes them
apart.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from textgraft.errors import OptionError
from textgraft.models.padding import ascending, ordered, true_tokens
from textgraft.tokenization.encode import TextFrame


def pair_features(first: Tensor, second: Tensor) -> Tensor:
    """Return what a head compares two encodings by: [u, v, |u - v|, u * v].

    These are the features of InferSent (Conneau et al. 2017, "Supervised learning of universal sentence
    representations from natural language inference data", figure 1).

    Args:
        first: Encodings u of the first texts, [batch, size].
        second: Encodings v of the second texts, [batch, size].

    Returns:
        [batch, 4 * size].
    """
    return torch.cat([first, second, (first - second).abs(), first * second], dim=-1)


def pair_head(size: int, hidden_size: int, outputs: int, dropout: float) -> nn.Sequential:
    """Build the network that compares two encodings by their :func:`pair_features`.

    Args:
        size: Width of one encoding.
        hidden_size: Width of the hidden layer.
        outputs: Labels, or 1 for a score.
        dropout: Fraction of hidden units set to zero in training.
    """
    return nn.Sequential(
        nn.Linear(4 * size, hidden_size),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden_size, outputs),
    )


class PairDropout(nn.Module):
    """Dropout that zeroes the same features of every token in both texts of a pair.

    A word that stands in both texts must have the same vector in both, or words in common are drowned by the
    masks: with a mask of its own for every token, Spearman's correlation on STS-B fell from 0.60 to 0.40.
    One mask for all steps of a sequence is that of Gal and Ghahramani 2016, "A theoretically grounded
    application of dropout in recurrent neural networks".

    Args:
        share: Of the features set to zero in training.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, vectors: Tensor) -> Tensor:
        """Drop features of a batch of all first texts, then all second texts, [2 * batch, time, size]."""
        if not self.training:
            return vectors
        pairs, size = len(vectors) // 2, vectors.shape[-1]
        mask = functional.dropout(vectors.new_ones(pairs, 1, size), self.share)
        return vectors * mask.repeat(2, 1, 1)


def siamese_tokenizer(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Return a tokenizer that writes a pair as both texts in full, with token types 0 and 1.

    "[CLS] a [SEP] b [SEP]" becomes "[CLS] a [SEP] [CLS] b [SEP]": each half is what the text gives alone, so
    that an encoder of single texts can read it. Single texts stay as they are.

    Args:
        tokenizer: Any fast tokenizer; it stays as it is.
    """
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    added = backend.get_added_tokens_decoder()
    frame = TextFrame.of(backend, tokenizer.unk_token or "a")
    # A prompt may hold what means something in a template.
    names = {
        token: name if (name := str(backend.id_to_token(token))).isalnum() or token in added else f"[{token}]"
        for token in (*frame.before, *frame.after)
    }
    opening, closing = ([names[token] for token in ids] for ids in (frame.before, frame.after))
    alone = [*opening, "$A", *closing]
    second = [*(f"{token}:1" for token in opening), "$B:1", *(f"{token}:1" for token in closing)]
    backend.post_processor = processors.TemplateProcessing(
        single=alone,
        pair=alone + second,
        special_tokens=[(name, token) for token, name in names.items()],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        padding_side="right",
        truncation_side="right",
        model_max_length=tokenizer.model_max_length,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        split_special_tokens=tokenizer.split_special_tokens,
        **tokenizer.special_tokens_map,
    )


def pair_keys(mask: Tensor, token_type_ids: Tensor | None) -> Tensor:
    """Return what each token belongs to: 0 the first text, 1 the second, 2 padding, [batch, time].

    Args:
        mask: True at true tokens, [batch, time].
        token_type_ids: 0 at the tokens of the first text and 1 at those of the second, [batch, time].

    Raises:
        OptionError: The token types are missing.
    """
    if token_type_ids is None:
        raise OptionError(
            "token_type_ids are missing: they tell the two texts of a pair apart",
            fix="Tokenize pairs with the tokenizer that was saved with the model: tokenizer(first, second).",
        )
    return token_type_ids.masked_fill(~mask, 2)


def split_pairs(
    inputs: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None, pad_token_id: int
) -> tuple[Tensor, Tensor]:
    """Take the two texts of each row apart.

    Args:
        inputs: Token ids of pairs, padded on any side, [batch, time]; or vectors, [batch, time, size].
        attention_mask: 1 at true tokens, [batch, time]; without it every pad_token_id is padding.
        token_type_ids: 0 at the tokens of the first text and 1 at those of the second, [batch, time].
        pad_token_id: Fills the texts up.

    Returns:
        Token ids, or vectors, and mask of a right-padded batch of all first texts, then all second texts,
        [2 * batch, longest text, …].

    Raises:
        OptionError: The token types are missing.
    """
    true = true_tokens(attention_mask, inputs, pad_token_id)
    keys = pair_keys(true, token_type_ids)
    inputs = ordered(inputs, ascending(keys))
    of_first, of_second = (keys.eq(text).sum(dim=1) for text in (0, 1))
    lengths = torch.cat([of_first, of_second]).unsqueeze(1)
    starts = torch.cat([torch.zeros_like(of_first), of_first]).unsqueeze(1)
    position = torch.arange(inputs.shape[1], device=inputs.device)[: lengths.max()]
    mask = position < lengths
    source = (starts + position).clamp(max=inputs.shape[1] - 1)
    texts = ordered(inputs.repeat(2, *[1] * (inputs.dim() - 1)), source)
    empty = ~mask.view(*mask.shape, *[1] * (inputs.dim() - 2))
    filled = texts.masked_fill(empty, pad_token_id if inputs.dim() == 2 else 0)
    return filled, mask.long() if attention_mask is None else mask.to(attention_mask.dtype)
