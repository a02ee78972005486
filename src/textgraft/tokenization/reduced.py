"""A tokenizer with a part of its vocabulary: what is left out is written in the tokens that are left."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from tokenizers import Tokenizer, processors


def reduced(tokenizer: Tokenizer, kept: Collection[int]) -> tuple[Tokenizer, list[int]]:
    """Return a tokenizer that knows some of the tokens of another, and puts none around a text.

    A word whose token is left out is written in shorter ones, as the tokenizer's own algorithm does with any
    word that it does not know whole. Of a pair the two texts have the token types 0 and 1.

    Args:
        tokenizer: WordPiece, Unigram, BPE or whole words; it stays as it is.
        kept: Ids of the tokens to keep. Special tokens, and the one for what is unknown, are always kept.

    Returns:
        The tokenizer, and for each of its ids the id that the token had.
    """
    content = json.loads(tokenizer.to_str())
    model = content["model"]
    always = {token["content"] for token in content["added_tokens"]} | {model.get("unk_token")}
    if model["type"] == "Unigram":
        chosen = set(kept) | {model["unk_id"]}
        places = [
            place for place, (piece, _) in enumerate(model["vocab"]) if place in chosen or piece in always
        ]
        model["unk_id"] = None if model["unk_id"] is None else places.index(model["unk_id"])
        model["vocab"] = [model["vocab"][place] for place in places]
    else:
        chosen = set(kept)
        left = [
            piece
            for piece, place in sorted(model["vocab"].items(), key=lambda entry: entry[1])
            if place in chosen or piece in always
        ]
        model["vocab"] = {piece: place for place, piece in enumerate(left)}
        if "merges" in model:
            model["merges"] = [merge for merge in model["merges"] if _is_possible(merge, model["vocab"])]
    known = model["vocab"] if isinstance(model["vocab"], dict) else dict(map(tuple, model["vocab"]))
    places_of = {piece: place for place, piece in enumerate(known)}
    beyond = iter(range(len(known), len(known) + len(content["added_tokens"])))
    for token in content["added_tokens"]:
        place = places_of.get(token["content"])
        token["id"] = next(beyond) if place is None else place
    content["post_processor"] = None
    smaller = Tokenizer.from_str(json.dumps(content))
    smaller.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
    smaller.no_truncation()
    smaller.no_padding()
    before = tokenizer.get_vocab()
    by_place = sorted(smaller.get_vocab().items(), key=lambda entry: entry[1])
    return smaller, [before[token] for token, _ in by_place]


def _is_possible(merge: Any, vocabulary: Collection[str]) -> bool:
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first in vocabulary and second in vocabulary and first + second in vocabulary
