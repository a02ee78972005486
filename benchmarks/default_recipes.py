"""How the models are trained that pipelines run by default: translation, text generation, masked words.

Each function trains what is not trained yet and returns its folder; a run that was stopped goes on from its
last checkpoint. `benchmarks/ship_defaults.py` puts the results into the package.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from textgraft.comparison.train import train
from textgraft.files import content_hash
from textgraft.models.encoders import BUNDLED, load_encoder_tokenizer, resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForMaskedLM
from textgraft.models.manifest import MANIFEST
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.corpus.tokens import Tokens, tokenize_corpus
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.objectives.masking import Masking
from textgraft.pretraining.objectives.streams import Streams, boundary_ids
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings

PROSE = ("wikipedia_movie_plots", "wikipedia_squad_dev", "state_union", "inaugural")
"""Corpora in ordinary spelling, all of which may be shipped: what text generation learns."""
TOKENISED = ("masc", "movie_reviews", "wikitext2_valid_test")
"""Others, whose words and signs stand apart; masked words are learned from these as well."""
HELD_OUT = 25
"""One document in so many is a dev document, and another one a test document."""
RECORD = "training.json"
GENERATION = {"vocabulary": 4000, "embedding": 256, "hidden": 384, "layers": 1, "dropout": 0.1}
MASKED = {"lora_rank": 16, "lora_alpha": 32, "lora_layers": [2, 3, 4, 5]}
LENGTH = 128
SHARE = 0.25
"""Of the tokens masked in training: more to learn from a text than of the usual 0.15 (Wettig et al. 2023)."""


def translation(source: str, target: str, data: Path, runs: Path, seconds: float) -> Path:
    """Train an LSTM with attention from one language to the other, on Tatoeba's pairs."""
    folder = runs / f"translation-{source}-{target}"
    if not (folder / MANIFEST).is_file():
        rows = pairs(data / "tatoeba_deu_eng", runs)
        train(
            str(rows["train"]),
            folder,
            resume=True,
            task="translation",
            text=source,
            label=target,
            dev=str(rows["dev"]),
            test=str(rows["test"]),
            contender="lstm-attention",
            budget=seconds,
            reporter=print,
            settings={
                "epochs": None,
                "patience": None,
                "evaluations_per_epoch": 1,
                "dropout": 0.25,
                "embedding_dropout": 0.25,
                "checkpoint_seconds": 120.0,
            },
        )
    return folder


def pairs(data: Path, runs: Path) -> dict[str, Path]:
    """Write the pairs so that no sentence of a held-out row, of either side, is among the training rows."""
    files = {name: runs / f"{name}.tsv" for name in ("train", "test", "dev")}
    seen: list[tuple[str, str]] = []
    for name, file in files.items():
        with (data / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
            rows = [(row["en"], row["de"]) for row in csv.DictReader(lines, delimiter="\t")]
        known = [{row[side].casefold() for row in seen} for side in (0, 1)]
        kept = [row for row in rows if not any(row[side].casefold() in known[side] for side in (0, 1))]
        seen += kept
        with file.open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines, delimiter="\t").writerows([("en", "de"), *kept])
    return files


def corpus(data: Path, runs: Path, names: tuple[str, ...], *, joined: bool) -> dict[str, Path]:
    """Write documents to train on, to choose weights by and to score, each set as a folder of files.

    Args:
        data: Where the sets lie.
        runs: Where to write.
        names: Files of the set docs_corpus.
        joined: Whether the sentences of a document stand in one line, as prose has them.
    """
    home = runs / ("prose" if joined else "sentences")
    folders = {part: home / part for part in ("train", "dev", "test")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        lines = (data / "docs_corpus" / f"{name}.txt").read_text(encoding="utf-8").split("\n")
        documents = [
            list(group) for is_text, group in groupby(lines, key=lambda line: bool(line.strip())) if is_text
        ]
        parts: dict[str, list[str]] = {part: [] for part in folders}
        for number, sentences in enumerate(documents):
            part = {0: "dev", HELD_OUT // 2: "test"}.get(number % HELD_OUT, "train")
            parts[part].append((" " if joined else "\n").join(sentences))
        for part, texts in parts.items():
            (folders[part] / f"{name}.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return folders


def tokens_of(
    documents: Sequence[Sequence[str]], tokenizer: PreTrainedTokenizerFast, end: int | None
) -> Tokens:
    """Return the tokens of documents, given in pieces, with a token behind each if there is one."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    pieces = [
        [encoding.ids for encoding in backend.encode_batch(list(document), add_special_tokens=False)]
        for document in documents
    ]
    for document in pieces:
        document[-1] += [] if end is None else [end]
    rows = [row for document in pieces for row in document]
    return Tokens(
        np.fromiter(chain(*rows), np.uint32),
        np.cumsum([0, *map(len, rows)]),
        np.cumsum([0, *map(len, pieces)]),
        content_hash([list(map(list, documents)), end]),
    )


def scored_pairs(folder: Path, name: str) -> tuple[list[tuple[str, str]], list[float]]:
    """Read pairs of texts, and how alike people find them."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [(row["sentence1"], row["sentence2"]) for row in rows], [float(row["score"]) for row in rows]


def text_generation(data: Path, runs: Path, seconds: float) -> Path:
    """Train a recurrent language model on sub-words of prose."""
    folder = runs / "text-generation"
    if (folder / RECORD).is_file():
        return folder
    parts = corpus(data, runs, PROSE, joined=True)
    learned, held_out = read_corpus(parts["train"]), read_corpus(parts["dev"])
    tokenizer = train_tokenizer(
        "gpt", learned.texts, vocabulary_size=GENERATION["vocabulary"], max_length=512
    )
    # GPT-2's padding is its end of text, which is to be learned.
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    start, end = boundary_ids(tokenizer)
    tokens = tokenize_corpus(learned, tokenizer, unit="text", dev=held_out, end_id=end)
    torch.manual_seed(0)
    config = RecurrentConfig(
        vocab_size=len(tokenizer),
        cell="lstm",
        embedding_size=GENERATION["embedding"],
        hidden_size=GENERATION["hidden"],
        num_layers=GENERATION["layers"],
        bidirectional=False,
        pooling="concat",
        dropout=GENERATION["dropout"],
        embedding_dropout=GENERATION["dropout"],
        pad_token_id=tokenizer.pad_token_id,
    )
    config.bos_token_id, config.eos_token_id = start, end
    model = RecurrentForCausalLM(config)
    settings = TrainingSettings(
        learning_rate=4e-3,
        epochs=None,
        max_seconds=seconds,
        batch_size=32,
        max_tokens=32 * 64,
        patience=None,
        evaluations_per_epoch=3,
    )
    result = fit(model, Streams(*tokens, start_id=start), settings, folder=runs / "text-generation.training")
    return _saved(folder, model, tokenizer, settings, result, len(tokens[0].ids))


def fill_mask(data: Path, runs: Path, seconds: float) -> Path:
    """Train an adapter and a head on the bundled encoder to name masked words."""
    folder = runs / "fill-mask"
    if (folder / RECORD).is_file():
        return folder
    parts = corpus(data, runs, (*PROSE, *TOKENISED), joined=False)
    learned, held_out = read_corpus(parts["train"]), read_corpus(parts["dev"])
    tokenizer = load_encoder_tokenizer(resolve_encoder(BUNDLED))
    tokens = tokenize_corpus(learned, tokenizer, unit="sentences", dev=held_out)
    torch.manual_seed(0)
    model = GraftForMaskedLM(GraftConfig(**MASKED))
    settings = TrainingSettings(
        learning_rate=2e-3,
        head_learning_rate=2e-3,
        epochs=None,
        max_seconds=seconds,
        batch_size=32,
        max_tokens=2048,
        warmup_fraction=0.05,
        patience=None,
        evaluations_per_epoch=8,
    )
    frame = Frame.of(tokenizer)
    examples = [FullSentences(part, frame, length=LENGTH) for part in tokens]
    objective = MaskedText(examples[0], examples[1], Masking.of(tokenizer, whole_words=True, share=SHARE))
    result = fit(model, objective, settings, folder=runs / "fill-mask.training")
    return _saved(folder, model, None, settings, result, len(tokens[0].ids))


def _saved(
    folder: Path, model: Any, tokenizer: Any, settings: TrainingSettings, result: Any, tokens: int
) -> Path:
    """Save a model, its tokenizer if it has one of its own, and what is to be told of its training."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    record = {
        "seconds": result.seconds,
        "epochs": result.epochs,
        "tokens": result.tokens,
        "corpus_tokens": tokens,
        "precision": result.precision,
        "dev": result.dev_metrics,
        "settings": settings.model_dump(exclude_defaults=True),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    return folder
