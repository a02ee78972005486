"""Summaries of long documents by sentences: taken as they are, against written word by word.

    python benchmarks/extraction.py --data DATA [--model FOLDER] [--documents 100] [--rounds 3]
        [--engine auto]

Three ways to run the same model (by default one whose layers between the sentences are random) on the same
e-mails of AESLC of more than 3,000 characters:

    word by word    sentences encoded in batches of 4,096 padded tokens, then what was chosen written by
                    greedy search, with a score for every entry of the vocabulary at every step
    batches         the same search, sentences encoded in batches as they are now
    taken           what ``predict`` does: small batches, and nothing searched for

Beside them stands what ``textgraft.encode`` takes for the sentences alone. The ways take turns, and medians
of the processor's seconds are compared, which a busy machine disturbs least. All must give the same
summaries.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from machine import describe

import textgraft
from textgraft.comparison.contenders.extraction import _reading_sentences
from textgraft.inference.predictor import Predictor, load
from textgraft.models.encoders import resolve_encoder
from textgraft.models.generation.decoding import Decoded, DecodingSettings, _Decoder, _greedy
from textgraft.models.graft import extraction
from textgraft.tasks.generation.summarization import Summarization
from textgraft.tokenization.sentences import split_sentences

LONG = 3_000
"""Characters of a long document."""
LENGTH = 2_048
"""Tokens that are read of one."""
LARGE = 4_096


def random_model(engine: str) -> Predictor:
    """Make a model whose layers between the sentences are random."""
    source = resolve_encoder("bundled")
    tokenizer = _reading_sentences(source)
    config = extraction.ExtractionConfig.on(source, pooling="mean", normalize=True, window=256)
    config.sentences = 3
    torch.manual_seed(0)
    model = extraction.GraftForExtraction(config).eval()
    model.generation_config.update(max_new_tokens=LENGTH)
    predictor = Predictor(model, tokenizer, Summarization(), LENGTH)
    predictor.choose_engine(engine)
    return predictor


@torch.inference_mode()
def word_by_word(model: Any, batch: Mapping[str, torch.Tensor]) -> list[Decoded]:
    """Search greedily for what is known, as for any other model."""
    order = batch["attention_mask"].sum(dim=1).argsort(descending=True, stable=True)
    sources = {name: tensor[order] for name, tensor in batch.items()}
    config = model.generation_config
    words = torch.full((len(order), 1), config.decoder_start_token_id)
    ends = torch.tensor([config.eos_token_id])
    found = _greedy(_Decoder(model, sources), words, ends, DecodingSettings(config.max_new_tokens))
    return [target for _, target in sorted(zip(order.tolist(), found, strict=True), key=lambda one: one[0])]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a model directory of bert-extractive")
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("textgraft", "torch", "transformers"), flush=True)
    mails = (json.loads(line)["text"] for line in (options.data / "aeslc" / "train.jsonl").open())
    texts = [text for text in mails if len(text) > LONG][: options.documents]
    predictor: Any = (
        load(options.model, engine=options.engine) if options.model else random_model(options.engine)
    )
    own, usual = predictor.task.search, extraction.MOST_TOKENS

    def answers(most: int, search: Callable[..., Any]) -> Callable[[], list[str]]:
        def run() -> list[str]:
            extraction.MOST_TOKENS, predictor.task.search = most, search
            return [one.answer for one in predictor.predict(texts)]

        return run

    sentences = [sentence for text in texts for sentence in split_sentences(text)]
    ways: dict[str, Callable[[], Any]] = {
        "word by word": answers(LARGE, word_by_word),
        "batches": answers(usual, word_by_word),
        "taken": answers(usual, own),
        "sentences encoded, no more": lambda: textgraft.encode(sentences, engine=options.engine),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    given: dict[str, Any] = {}
    predictor.predict(texts[:2])
    for _ in range(options.rounds):
        for name, way in ways.items():
            begun = time.process_time()
            given[name] = way()
            taken[name].append(time.process_time() - begun)
    print(f"{len(texts)} documents, {len(sentences):,} sentences, {predictor.runner.note}")
    medians = {name: statistics.median(own) for name, own in taken.items()}
    for name, median in medians.items():
        same = ""
        if name not in ("taken", "sentences encoded, no more"):
            equal = sum(one == other for one, other in zip(given[name], given["taken"], strict=True))
            same = f", {equal} of {len(texts)} summaries the same as taken"
        print(f"{name}: {median:.2f} s, {median / medians['taken']:.2f} times taken{same}")


if __name__ == "__main__":
    main()
