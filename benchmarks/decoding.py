"""Decoding: textgraft's loop against Transformers' plain generate() with the same model.

    python benchmarks/decoding.py [--threads 1] [--rounds 5] [--models lstm transformer] [--beams 1 4]

Two ways to translate the same sources of mixed lengths:

    batch   one batch of them, as it comes, through ``model.generate`` and through ``decode_batch``
    set     many of them: ``model.generate`` on batches in file order, ``decode_batch`` on batches by token
            budget, which hold sources of similar length

The models have random weights of a usual size, and would never end a target. So that targets are as long as
translations are, each is made to end at the length of its source, by the same few lines around the model's
forward for both sides. Lengths are log-normal. The sides take turns, and the medians of their target tokens
per second of processor time are compared, which a busy machine disturbs least. Both must give the same words.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from machine import describe
from transformers import BertConfig, BertLMHeadModel, BertModel, EncoderDecoderConfig, EncoderDecoderModel

from textgraft.models.generation.decoding import DecodingSettings, decode_batch
from textgraft.models.generation.encoder_decoder import transformer
from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig
from textgraft.tasks.base import padded
from textgraft.training.batching import token_budget_batches

VOCABULARY = 8_000
START, END = 1, 2
BATCH, SET = 128, 512
LONGEST = 100
MAX_TOKENS = 2048
"""Padded source tokens of a batch by token budget."""


def recurrent(**changes: Any) -> RecurrentForSeq2SeqLM:
    """Build an encoder–decoder of LSTM layers."""
    return RecurrentForSeq2SeqLM(RecurrentSeq2SeqConfig(vocab_size=VOCABULARY, **changes))


def bert() -> EncoderDecoderModel:
    """Build an encoder–decoder of two BERTs of four layers."""
    sizes = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
    encoder = BertModel(BertConfig(vocab_size=VOCABULARY, **sizes))
    decoder = BertLMHeadModel(
        BertConfig(vocab_size=VOCABULARY, is_decoder=True, add_cross_attention=True, **sizes)
    )
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        encoder.config, decoder.config, pad_token_id=0, eos_token_id=END, decoder_start_token_id=START
    )
    return EncoderDecoderModel(encoder=encoder, decoder=decoder, config=config)


MODELS: dict[str, Callable[[], Any]] = {
    "lstm": recurrent,
    "lstm-bahdanau": lambda: recurrent(attention="bahdanau"),
    "lstm-fixed": lambda: recurrent(attention="none"),
    "transformer": lambda: transformer(vocab_size=VOCABULARY),
    "bert": bert,
}


def end_at_source_length(model: Any) -> None:
    """Let every target end when it is as long as its source."""
    forward = model.forward

    def ending(**inputs: Any) -> Any:
        outputs = forward(**inputs)
        logits = outputs.logits[:, -1]
        # The end token stands in sources and targets alike.
        ends = inputs["attention_mask"].sum(dim=1) <= outputs.past_key_values.get_seq_length()
        logits[:, END] = torch.where(ends, 1e4, -1e4)
        return outputs

    model.forward = ending


def sources_of_mixed_lengths(median: float, spread: float) -> list[list[int]]:
    """Draw random sources with log-normal lengths."""
    generator = np.random.default_rng(0)
    lengths = np.exp(generator.normal(np.log(median), spread, SET)).clip(3, LONGEST).astype(int)
    return [[*generator.integers(3, VOCABULARY, length - 1).tolist(), END] for length in lengths]


def collate(sources: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    """Pad a batch."""
    ids = padded(sources, 0)
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def by_generate(
    model: Any, batches: list[list[int]], sources: list[list[int]], beams: int
) -> list[list[int]]:
    """Decode by Transformers' own loop."""
    found: list[list[int]] = [[] for _ in sources]
    for rows in batches:
        batch = collate([sources[row] for row in rows])
        targets = model.generate(**batch, num_beams=beams, max_new_tokens=LONGEST, do_sample=False)
        for row, target in zip(rows, targets.tolist(), strict=True):
            found[row] = target[1 : target.index(END)]
    return found


def by_textgraft(
    model: Any, batches: list[list[int]], sources: list[list[int]], beams: int
) -> list[list[int]]:
    """Decode by ours."""
    settings = DecodingSettings(max_new_tokens=LONGEST, num_beams=beams)
    found: list[list[int]] = [[] for _ in sources]
    for rows in batches:
        decoded = decode_batch(model, collate([sources[row] for row in rows]), settings)
        for row, target in zip(rows, decoded, strict=True):
            found[row] = target.tokens
    return found


def compare(model: Any, sources: list[list[int]], beams: int, rounds: int) -> tuple[float, float, float]:
    """Return the target tokens per second of both sides, and the share of equal targets."""
    in_order = [list(range(start, start + BATCH)) for start in range(0, len(sources), BATCH)]
    by_budget = token_budget_batches(
        [len(source) for source in sources],
        max_tokens=MAX_TOKENS // beams,
        max_sequences=2 * BATCH // beams,
        generator=None,
    )
    one_batch = len(sources) == BATCH
    sides = [(by_generate, in_order), (by_textgraft, in_order if one_batch else by_budget)]
    rates: list[list[float]] = [[], []]
    results: list[list[list[int]]] = [[], []]
    for turn in range(rounds + 1):
        for side, (decode, batches) in enumerate(sides):
            start = time.process_time()
            results[side] = decode(model, batches, sources, beams)
            if turn:  # the first one warms up
                tokens = sum(len(target) + 1 for target in results[side])
                rates[side].append(tokens / (time.process_time() - start))
    theirs, ours = map(statistics.median, rates)
    equal = sum(a == b for a, b in zip(*results, strict=True)) / len(sources)
    return theirs, ours, equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["lstm", "transformer"], choices=MODELS)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--median-length", type=float, default=20.0)
    parser.add_argument("--spread", type=float, default=0.7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    sources = sources_of_mixed_lengths(options.median_length, options.spread)
    lengths = [len(source) for source in sources]
    print(describe("torch", "transformers"))
    print(
        f"{SET} sources of {min(lengths)} to {max(lengths)} tokens, mean {np.mean(lengths):.0f}; "
        f"{options.threads} thread(s), fp32; target tokens per second of processor time, median of "
        f"{options.rounds}"
    )
    for name in options.models:
        model = MODELS[name]().eval()
        end_at_source_length(model)
        for beams in options.beams:
            for what, chosen in (("batch", sources[:BATCH]), ("set", sources)):
                theirs, ours, equal = compare(model, chosen, beams, options.rounds)
                print(
                    f"RATIO {name}, {beams} beam(s), {what} of {len(chosen)}: {ours / theirs:.2f} "
                    f"(target 2): {ours:,.0f} against {theirs:,.0f}; {equal:.1%} of targets equal"
                )


if __name__ == "__main__":
    main()
