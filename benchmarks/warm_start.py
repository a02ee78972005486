"""What a step of training costs an encoder–decoder whose sides begin as a pre-trained encoder.

    python benchmarks/warm_start.py --data DATA [--encoders bundled …] [--pairs 32] [--steps 3]

For each encoder: the parameters of bert-to-bert-copy on it, the median of the processor's seconds that a step
on pairs of Tatoeba takes (in bf16 where the processor has it), and the memory of the process at its peak. Of
an MPNet, whose bias of attention by distance a decoder has not, also how near the states are that the
encoder has with and without it (mean cosine over the tokens of the same sources).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from pathlib import Path

import torch
from machine import describe

from textgraft.models.encoders import resolve_encoder
from textgraft.models.generation.encoder_decoder import bert_to_bert
from textgraft.models.recurrent.teacher_forcing import teacher_forced
from textgraft.training.precision import resolve_precision


def main() -> None:
    """Print a line for each encoder; memory is told right of the first alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoders", nargs="+", default=["bundled"])
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("textgraft", "torch", "transformers"), flush=True)
    lines = (options.data / "tatoeba_deu_eng" / "train.tsv").read_text().splitlines()[1 : 1 + options.pairs]
    english, german = zip(*(line.split("\t")[:2] for line in lines), strict=True)
    precision = resolve_precision("auto", torch.device("cpu"))
    for name in options.encoders:
        model, tokenizer = bert_to_bert(resolve_encoder(name), copies=True)
        sources, targets = (
            tokenizer(list(side), padding=True, return_tensors="pt") for side in (german, english)
        )
        batch = {part: sources[part] for part in ("input_ids", "attention_mask")}
        near = ""
        if model.encoder.config.model_type == "mpnet":
            near = f", states without the bias by distance {likeness(model.encoder, batch):.2f}"
        labels = targets["input_ids"][:, 1:].masked_fill(targets["attention_mask"][:, 1:] == 0, -100)
        optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-5)
        seconds = []
        for _ in range(1 + options.steps):  # the first makes the optimizer's memory
            begun = time.process_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = teacher_forced(model, {**batch, "labels": labels}).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(time.process_time() - begun)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        step = statistics.median(seconds[1:])
        print(
            f"{name}: {model.num_parameters() / 1e6:.0f} M parameters, {step:.2f} s a step of "
            f"{options.pairs} pairs, {peak:.1f} GB at the peak{near}",
            flush=True,
        )


@torch.inference_mode()
def likeness(encoder: torch.nn.Module, batch: dict[str, torch.Tensor]) -> float:
    """Return the mean cosine of an MPNet's last states with those it has once its bias is gone."""
    bias = encoder.get_submodule("encoder.relative_attention_bias")
    kept = bias.weight.clone()  # type: ignore[operator]
    whole = encoder(**batch).last_hidden_state
    bias.weight.zero_()  # type: ignore[operator]
    without = encoder(**batch).last_hidden_state
    bias.weight.copy_(kept)  # type: ignore[operator]
    return float(torch.cosine_similarity(whole, without, dim=-1)[batch["attention_mask"].bool()].mean())


if __name__ == "__main__":
    main()
