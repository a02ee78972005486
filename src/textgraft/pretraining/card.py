"""What a pre-training run leaves: an encoder's folder, with the record of the run and a card with its curves.

Beside what Transformers and sentence-transformers expect, the folder holds::

    pretraining.json   options, settings, cost, scores and the whole curve
    curves.svg         the loss on held-out text
    README.md          the model card
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgraft.data.languages import tell_languages
from textgraft.models.directory import library_versions
from textgraft.models.encoder_directory import save_encoder
from textgraft.pretraining.cost import PUBLISHED, amortization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textgraft.pretraining.config import PretrainConfig
    from textgraft.pretraining.cost import Costs
    from textgraft.pretraining.prepare import Prepared
    from textgraft.training.progress import TrainingResult
    from textgraft.training.settings import TrainingSettings

RECORD = "pretraining.json"
_FIGURE = "curves.svg"
_PASSAGES, _PASSAGE = 300, 100
"""By how many passages of how many tokens the language of the held-out text is told."""


def save_pretrained_encoder(
    path: Path,
    prepared: Prepared,
    config: PretrainConfig,
    settings: TrainingSettings,
    result: TrainingResult,
    planned: Costs,
    spent: Costs,
) -> None:
    """Write the folder of a pre-trained model atomically; one that stood there before is replaced.

    Raises:
        OutputError: The folder cannot be written. Nothing is left behind.
    """
    model, tokenizer = prepared.model, prepared.tokenizer
    record = {
        "options": config.model_dump(mode="json"),
        "settings": settings.model_dump(),
        "corpus": {
            "identity": [prepared.train.identity, prepared.dev.identity],
            "documents": [len(prepared.train), len(prepared.dev)],
            "tokens": [len(prepared.train.ids), len(prepared.dev.ids)],
        },
        "vocabulary": len(tokenizer),
        "metrics": result.dev_metrics,
        "steps": result.steps,
        "epochs": result.epochs,
        "stopped_by": result.stopped_by,
        "precision": result.precision,
        "history": result.history,
        "planned": planned.to_dict(),
        "spent": spent.to_dict(),
        "versions": library_versions(),
    }
    # A GPT is trained without: sequences are full, and where documents end the token that stands for padding
    # is no padding.
    model.config.pad_token_id = tokenizer.pad_token_id
    save_encoder(
        path,
        model,
        tokenizer,
        max_length=config.max_length,
        card=_card(config, record, spent, _languages(prepared)),
        beside={
            RECORD: json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            _FIGURE: curve_svg(result.history),
        },
    )


def _languages(prepared: Prepared) -> list[str]:
    """Tell the languages of the documents that were held out, as ISO 639 codes; none where they tell none."""
    ids = prepared.dev.ids
    starts = range(0, len(ids), max(_PASSAGE, len(ids) // _PASSAGES))
    parts = [ids[start : start + _PASSAGE].tolist() for start in starts]
    return tell_languages(prepared.tokenizer.batch_decode(parts, skip_special_tokens=True)).main


def _card(config: PretrainConfig, record: dict[str, Any], spent: Costs, languages: list[str]) -> str:
    told = f"\nlanguage: {languages}" if languages else ""
    architecture = config.architecture
    auto = architecture.auto_class
    documents, tokens = record["corpus"]["documents"], record["corpus"]["tokens"]
    metrics = _table([("on held-out text", "value")], ((k, f"{v:.4f}") for k, v in record["metrics"].items()))
    curve = [
        (f"{entry['step']:,}", f"{entry['tokens']:,}", f"{entry['seconds'] / 60:.1f}",
         f"{entry['train_loss']:.3f}", f"{entry['dev_loss']:.3f}")
        for entry in record["history"]
    ]  # fmt: skip
    header, *shares = amortization(spent)
    sources = "\n".join(f"{entry.name}: {entry.how}; {entry.source}." for entry in PUBLISHED)
    return f"""---
library_name: sentence-transformers
tags: [textgraft, pre-training, {config.arch}]{told}
---
# {config.arch} {config.size}, pre-trained by textgraft

Trained from random weights to predict {architecture.learns}, on {documents[0]:,} documents of {tokens[0]:,}
tokens, with a vocabulary of {record["vocabulary"]:,}. {documents[1]:,} other documents were held out.

{metrics}

![Loss]({_FIGURE})

{_table([("step", "tokens", "minutes", "loss in training", "loss on held-out text")], curve)}

## Use

    import textgraft
    textgraft.encode(["a text"], "path/to/this/folder")

    textgraft compare rows.csv --encoder path/to/this/folder

    from transformers import {auto}
    {auto}.from_pretrained("path/to/this/folder"){_OURS if architecture.is_ours else ""}

## Cost

{_table([("", "")], spent.lines())}

Spread over the tasks that it serves, pre-training costs each of them:

{_table([header], shares)}

{sources}
"""


_OURS = "  # after: import textgraft.models.auto"


def _table(header: Sequence[Sequence[str]], rows: Any) -> str:
    lines = [*header, ["---"] * len(header[0]), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def curve_svg(history: Sequence[dict[str, float]]) -> str:
    """Draw the losses in training and on held-out text over the tokens trained on, as an SVG."""
    width, height, left, right, top, bottom = 640, 320, 56, 16, 16, 40
    tokens = [entry["tokens"] for entry in history]
    losses = [entry[name] for entry in history for name in ("train_loss", "dev_loss")]
    low, high = min(losses), max(losses)
    span = (high - low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (width - left - right) * x / max(tokens)
        return across, top + (height - top - bottom) * (high - y) / span

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for loss in (low, (low + high) / 2, high):
        _, y = place(0, loss)
        parts.append(f'<path d="M{left} {y:.1f}H{width - right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{loss:.2f}</text>')
    for number, (name, label, colour) in enumerate(
        (("train_loss", "loss in training", "#9aa5b1"), ("dev_loss", "loss on held-out text", "#1f5fbf"))
    ):
        points = " ".join("{:.1f},{:.1f}".format(*place(entry["tokens"], entry[name])) for entry in history)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        at = f'x="{width - right}" y="{top + 14 + 16 * number}" text-anchor="end"'
        parts.append(f'<text {at} fill="{colour}">{label}</text>')
    at = f'x="{width - right}" y="{height - 12}" text-anchor="end"'
    parts.append(f"<text {at}>{max(tokens):,.0f} tokens</text></svg>\n")
    return "\n".join(parts)
