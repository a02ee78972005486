"""Which words of a source a model looked at while it wrote each word of its answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from textgraft.data.dataset import Dataset
    from textgraft.inference.predictor import Predictor

LONGEST = 40
"""Tokens of a side beyond which a map is too large to be read."""


class AttentionMap(msgspec.Struct, frozen=True, kw_only=True):
    """The attention of one answer."""

    source: list[str]
    """Tokens of the source."""
    target: list[str]
    """Tokens of the answer, the end token included."""
    weights: list[list[float]]
    """For each token of the answer the share of attention that each token of the source had when it was
    written, [target, source]; the mean over all heads and layers."""


def attention_maps(predictor: Predictor, rows: Dataset, most: int = 3) -> list[AttentionMap]:
    """Return the attention of the answers to the first rows that fit.

    Args:
        predictor: A model that writes.
        rows: Sources, with targets or without.
        most: How many maps to make.

    Returns:
        The maps; none where the model attends to nothing, or its sources are no texts.
    """
    # Here, so that a report can be drawn of stored maps without loading torch.
    import torch

    from textgraft.models.asked import observable
    from textgraft.models.baselines.lookup import WritesLookedUp
    from textgraft.tokenization.subword_tokenizer import start_and_end, target_tokenizer

    task, model, tokenizer = predictor.task, predictor.model, predictor.tokenizer
    sample = replace(rows.select(range(min(4 * most, len(rows)))), labels=None)
    features, decoded = predictor.outputs(sample)
    if isinstance(model, WritesLookedUp) or "input_ids" not in features[0]:
        return []
    start, end = start_and_end(target_tokenizer(tokenizer))
    maps: list[AttentionMap] = []
    for feature, found in zip(features, decoded, strict=True):
        if len(maps) == most or max(len(feature["input_ids"]), len(found.tokens) + 1) > LONGEST:
            continue
        words = torch.tensor([[start, *found.tokens]], device=model.device)
        batch = task.collate([feature], tokenizer.pad_token_id)
        batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
        with torch.inference_mode(), observable(model):
            outputs = model(**batch, decoder_input_ids=words, output_attentions=True, use_cache=False)
        layers = outputs.get("cross_attentions")
        if not layers or layers[0] is None:
            return []
        # [layers, batch, heads, target, source]
        weights = torch.stack(list(layers)).float().mean(dim=(0, 2))[0]
        maps.append(
            AttentionMap(
                source=_words(tokenizer, feature["input_ids"]),
                target=_words(feature["writer"], [*found.tokens, end]),
                weights=[[round(value, 4) for value in row] for row in weights.tolist()],
            )
        )
    return maps


def _words(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> list[str]:
    return [str(tokenizer.decode([token])).strip() or " " for token in ids]
