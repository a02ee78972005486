"""Language models of one size, each trained for the same time: what character_lm.py and word_lm.py share.

    LSTM, GRU, RNN    one recurrent layer over vectors of 128, its states mapped to 128; the state carried on,
                      gradients reaching back 64 tokens
    GPT               GPT-2's architecture as nanoGPT's README has it for a laptop: 4 layers, 4 heads, 128
                      wide, contexts of 64, no dropout; weights begin as `textgraft pretrain` has them

The layers above the embedding matrix have about as many parameters in all four. All are trained by one
loop, in bf16 where the processor has it, on one thread, and the learning rate falls to zero at the end of the
time. The time is that of everything: training steps and looks at held-out text.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from line_plot import write_plot
from machine import describe
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from textgraft.files import write_json
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.causal import CausalText
from textgraft.pretraining.objectives.streams import Streams
from textgraft.pretraining.sizes import initial_deviation
from textgraft.training.loop import fit
from textgraft.training.objective import Objective
from textgraft.training.precision import resolve_precision
from textgraft.training.settings import TrainingSettings

DATA = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WIDTH, CONTEXT = 128, 64
HIDDEN = {"LSTM": 384, "GRU": 448, "RNN": 800}
"""States so wide that the parameters are as many as those of the GPT's layers, about 0.8 million."""
NAMES = (*HIDDEN, "GPT")


@dataclass(frozen=True)
class Text:
    """The tokens of a race."""

    train: Tokens
    dev: Tokens
    """What the curves are drawn on."""
    test: Tokens
    vocabulary: int
    start: int
    end: int

    def objective(self, name: str, held_out: Tokens) -> Objective:
        """Return what a model is trained on."""
        if name == "GPT":
            return CausalText(self.train, held_out, length=CONTEXT)
        return Streams(self.train, held_out, start_id=self.start)

    def model(self, name: str, dropout: float) -> PreTrainedModel:
        """Build a model with random weights."""
        torch.manual_seed(0)
        if name == "GPT":
            return GPT2LMHeadModel(
                GPT2Config(
                    vocab_size=self.vocabulary,
                    n_positions=CONTEXT,
                    n_embd=WIDTH,
                    n_layer=4,
                    n_head=4,
                    resid_pdrop=dropout,
                    embd_pdrop=dropout,
                    attn_pdrop=dropout,
                    initializer_range=initial_deviation(WIDTH),
                    bos_token_id=self.end,
                    eos_token_id=self.end,
                )
            )
        return RecurrentForCausalLM(
            RecurrentConfig(
                vocab_size=self.vocabulary,
                cell=name.lower(),
                embedding_size=WIDTH,
                hidden_size=HIDDEN[name],
                bidirectional=False,
                pooling="last",
                dropout=dropout,
                embedding_dropout=dropout,
            )
        )


def race(text: Text, settings: Mapping[str, dict[str, Any]], names: Sequence[str], seconds: float) -> dict:
    """Train each model for ``seconds``; return figures and curves by name."""
    found = {}
    for name in names:
        own = dict(settings[name])
        model = text.model(name, own.pop("dropout", 0.0))
        own["max_tokens"] = own["batch_size"] * CONTEXT
        wanted = TrainingSettings(epochs=10_000, max_seconds=seconds, patience=None, **own)
        result = fit(model, text.objective(name, text.dev), wanted)
        precision = resolve_precision("auto", model.device)
        metrics, loss = text.objective(name, text.test).evaluate(model, wanted, precision)
        embeddings = text.vocabulary * (WIDTH + (name != "GPT"))
        found[name] = {
            "parameters": model.num_parameters(),
            "parameters_of_layers": model.num_parameters() - embeddings,
            "settings": settings[name],
            "precision": precision,
            "seconds": result.seconds,
            "tokens_per_second": result.tokens / result.seconds,
            "passes": result.epochs,
            "curve": [
                {key: entry[key] for key in ("seconds", "tokens", "train_loss", "dev_loss")}
                for entry in result.history
            ],
            "best_dev_loss": min(entry["dev_loss"] for entry in result.history),
            "test_loss": loss,
            "test_perplexity": metrics["perplexity"],
        }
        print(_line(name, found[name]), flush=True)
    return found


def reached(curve: Sequence[Mapping[str, float]], loss: float) -> float | None:
    """Return the seconds at the first look at which the loss was ``loss`` or less; None if at none."""
    return next((entry["seconds"] for entry in curve if entry["dev_loss"] <= loss), None)


def _line(name: str, figures: Mapping[str, Any]) -> str:
    return (
        f"{name:5} {figures['parameters']:>10,} parameters, {figures['tokens_per_second']:>8,.0f} tokens/s, "
        f"{figures['passes']:.1f} passes, dev loss {figures['best_dev_loss']:.3f}, test loss "
        f"{figures['test_loss']:.3f}, perplexity {figures['test_perplexity']:.1f}"
    )


def arguments(description: str, minutes: float) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=minutes, help="Of training, for each model.")
    parser.add_argument("--models", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--output", type=Path, help="A JSON file for the figures and curves.")
    parser.add_argument("--plot", type=Path, help="An SVG file for the curves.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("textgraft", "torch", "transformers"), flush=True)
    return given


def save(
    given: argparse.Namespace, title: str, figures: dict, about: dict[str, Any], perplexity: bool = False
) -> None:
    """Write figures and plot, where they are wanted."""
    if given.output:
        write_json(given.output, {"machine": describe("torch", "transformers"), **about, "models": figures})
    if given.plot:
        lines = {
            f"{name} ({found['parameters'] / 1e6:.2f} M)": [
                (
                    entry["seconds"],
                    math.exp(entry["dev_loss"]) if perplexity else entry["dev_loss"],
                )
                for entry in found["curve"]
            ]
            for name, found in figures.items()
        }
        label = "perplexity" if perplexity else "loss (nats a character)"
        write_plot(given.plot, title, lines, x_label="seconds", y_label=f"held-out {label}", log_x=True)
