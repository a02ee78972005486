"""A prompt before every text, as "query: ", put where the tokenizer's template puts its special tokens.

So whoever has the tokenizer has the prompt: texts keep their offsets, windows and cut texts keep the prompt,
and it counts as the special tokens do. The ids are those that the prompt has before a text.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Tokenizer

from textgraft.errors import OptionError

_PLACE = "[prompt] "
"""What the template calls the prompt begins so; the prompt follows."""
_SAMPLES = ("a", "Why?", "the end", "42 days", "Über", "'quoted'", "#tag", "你好", "e")
"""Texts that must have the same ids after the prompt as when it is written before them."""


def with_prompt(tokenizer: Tokenizer, prompt: str) -> Tokenizer:
    """Return a tokenizer whose texts begin with a prompt.

    Args:
        tokenizer: Of the ``tokenizers`` library; it stays as it is.
        prompt: As it would be written before a text, the space between them included.

    Raises:
        OptionError: The prompt has no token of its own, or joins with the words that follow it.
    """
    if not prompt:
        return tokenizer
    ids = tokenizer.encode(prompt.rstrip(), add_special_tokens=False).ids
    if not ids:
        raise OptionError(f"the prompt {prompt!r} has no token", where="--prompt", fix="Write some words.")
    wanted = [tokenizer.encode(prompt + text).ids for text in _SAMPLES]
    named = {"id": _PLACE + prompt, "ids": ids, "tokens": [tokenizer.id_to_token(token) for token in ids]}
    state = json.loads(tokenizer.to_str())
    state["post_processor"] = _templates(state.get("post_processor"), named)
    steps = state.get("pre_tokenizer")
    # Where a space is a part of the word after it, texts are read as if one stood before them.
    for step in (steps, _after_a_space(steps)) if prompt[-1].isspace() else (steps,):
        made = Tokenizer.from_str(json.dumps({**state, "pre_tokenizer": step}))
        if [made.encode(text).ids for text in _SAMPLES] == wanted:
            return made
    raise OptionError(
        f"the end of the prompt {prompt!r} joins with the words that follow it",
        where="--prompt",
        fix="End it with a space, as 'query: '.",
    )


def _after_a_space(step: dict[str, Any] | None) -> dict[str, Any] | None:
    if step is None:
        return None
    if step["type"] == "Sequence":
        return {**step, "pretokenizers": [_after_a_space(part) for part in step["pretokenizers"]]}
    return {**step, "add_prefix_space": True} if step["type"] == "ByteLevel" else step


def prompt_of(tokenizer: Tokenizer) -> str:
    """Return the prompt that a tokenizer puts before its texts; an empty one if it does not."""
    processor = json.loads(tokenizer.to_str()).get("post_processor") or {}
    for part in (processor, *processor.get("processors", ())):
        for name in part.get("special_tokens", ()) if part.get("type") == "TemplateProcessing" else ():
            if name.startswith(_PLACE):
                return str(name.removeprefix(_PLACE))
    return ""


def _templates(processor: dict[str, Any] | None, prompt: dict[str, Any]) -> dict[str, Any]:
    """Return a post-processor, as tokenizer.json writes it, with the prompt before the first text.

    Args:
        processor: The one there is; None for none.
        prompt: Its name, ids and tokens, as an entry of a template's special tokens.
    """
    if processor is None:
        processor = _template(["A"], ["A", "B"], {})
    kind = processor["type"]
    if kind == "Sequence":
        parts = processor["processors"]
        known = [
            part["type"] in ("TemplateProcessing", "BertProcessing", "RobertaProcessing") for part in parts
        ]
        if not any(known):
            parts = [*parts, _template(["A"], ["A", "B"], {})]
            known.append(True)
        return {
            **processor,
            "processors": [
                _templates(part, prompt) if found else _after_a_space(part)
                for part, found in zip(parts, known, strict=True)
            ],
        }
    if kind in ("BertProcessing", "RobertaProcessing"):
        (first, first_id), (last, last_id) = processor["cls"], processor["sep"]
        special = {first: first_id, last: last_id}
        is_bert = kind == "BertProcessing"
        between = [last] if is_bert else [last, last]
        template = _template(
            [first, "A", last], [first, "A", *between, "B", last], special, second=int(is_bert)
        )
        made = _templates(template, prompt)
        if is_bert:
            return made
        trims = {
            "type": "ByteLevel",
            "add_prefix_space": True,  # the space that is read before a text has no place in it
            "trim_offsets": processor["trim_offsets"],
            "use_regex": True,
        }
        return {"type": "Sequence", "processors": [trims, made]}
    if kind != "TemplateProcessing":
        parts = [processor, _template(["A"], ["A", "B"], {})]
        return _templates({"type": "Sequence", "processors": parts}, prompt)
    return {
        **processor,
        "single": _prompted(processor["single"], prompt["id"]),
        "pair": _prompted(processor["pair"], prompt["id"]),
        "special_tokens": {**processor["special_tokens"], prompt["id"]: prompt},
    }


def _template(single: list[str], pair: list[str], special: dict[str, int], second: int = 1) -> dict[str, Any]:
    """Return a template; what is called A or B stands for the texts.

    Args:
        single: What stands around one text.
        pair: What stands around two.
        special: The ids of the special tokens.
        second: The token type of the second text and what follows it.
    """

    def pieces(names: list[str]) -> list[dict[str, Any]]:
        found, kind = [], 0
        for name in names:
            if name == "B":
                kind = second
            piece = {"Sequence": {"id": name, "type_id": kind}} if name in "AB" else None
            found.append(piece or {"SpecialToken": {"id": name, "type_id": kind}})
        return found

    tokens = {name: {"id": name, "ids": [token], "tokens": [name]} for name, token in special.items()}
    return {
        "type": "TemplateProcessing",
        "single": pieces(single),
        "pair": pieces(pair),
        "special_tokens": tokens,
    }


def _prompted(template: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Put the prompt before the first text of a template."""
    at = next(place for place, piece in enumerate(template) if "Sequence" in piece)
    kind = template[at]["Sequence"]["type_id"]
    return [*template[:at], {"SpecialToken": {"id": name, "type_id": kind}}, *template[at:]]
