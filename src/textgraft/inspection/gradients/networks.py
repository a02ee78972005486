"""Small networks for the synthetic tasks, and what they learn from.

Models and training loop are those that learn from texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import BertConfig, BertForTokenClassification, PreTrainedModel

from textgraft.files import content_hash
from textgraft.inspection.gradients.synthetic import VOCABULARY, Drawn, SyntheticTask
from textgraft.inspection.unrolled import UnrolledLayer, unrolled
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification
from textgraft.training.objective import Objective, Steps

if TYPE_CHECKING:
    from textgraft.training.settings import TrainingSettings

TRANSFORMER = "transformer"
WIDTH = 64
HELD_OUT = 128
"""Sequences that decide whether a distance is mastered."""


def make_network(name: str, task: SyntheticTask, longest: int, seed: int) -> PreTrainedModel:
    """Make a network of random weights that answers at every step.

    Args:
        name: "rnn", "lstm", "gru" or "transformer".
        task: Says how many outputs there are.
        longest: Steps that a sequence has at most.
        seed: Of the weights.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        if name == TRANSFORMER:
            config = BertConfig(
                vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=2 * WIDTH, max_position_embeddings=longest,
                hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            )  # fmt: skip
            config.num_labels = task.outputs
            return BertForTokenClassification(config)
        recurrent = RecurrentConfig(
            vocab_size=VOCABULARY, cell=name, embedding_size=WIDTH, hidden_size=WIDTH, bidirectional=False,
            dropout=0.0, embedding_dropout=0.0,
        )  # fmt: skip
        recurrent.num_labels = task.outputs
        return RecurrentForTokenClassification(recurrent)


def as_batch(drawn: Drawn) -> dict[str, Tensor]:
    """Return what a network reads and is to answer; numbers stand first in vectors of zeros."""
    targets = torch.from_numpy(np.ascontiguousarray(drawn.targets))
    if drawn.inputs.ndim == 2:
        return {"input_ids": torch.from_numpy(drawn.inputs), "targets": targets}
    vectors = torch.zeros(*drawn.inputs.shape[:2], WIDTH)
    vectors[..., : drawn.inputs.shape[2]] = torch.from_numpy(drawn.inputs)
    return {"inputs_embeds": vectors, "targets": targets}


def answers(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Tensor:
    """Return the outputs at the last steps, [rows, answers, outputs]."""
    given = {name: value for name, value in batch.items() if name != "targets"}
    inputs = next(iter(given.values()))
    given["attention_mask"] = torch.ones(inputs.shape[:2], dtype=torch.long)
    outputs: Tensor = model(**given).logits[:, -batch["targets"].shape[1] :]
    return outputs


class SyntheticObjective(Objective):
    """Fresh sequences at every step.

    Args:
        task: Draws them.
        steps: Distance.
        seed: Of the held-out sequences.
    """

    main_metric = "accuracy"

    def __init__(self, task: SyntheticTask, steps: int, seed: int) -> None:
        self.task = task
        self.distance = steps
        self.seed = seed
        self.held_out = as_batch(task.draw(HELD_OUT, steps, np.random.default_rng([seed, steps, 2])))

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return as many steps as there are at most: sequences are drawn anew at each."""
        del epoch
        return [[range(settings.batch_size)]] * (settings.max_steps or 1)

    def tokens(self, rows: Sequence[int]) -> int:
        """Count steps."""
        return len(rows) * (self.distance + 1)

    def held_out_tokens(self) -> int:
        """Count steps likewise."""
        return HELD_OUT * (self.distance + 1)

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Draw new sequences."""
        return as_batch(self.task.draw(len(rows), self.distance, generator))

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Return the loss of the last steps."""
        return (self.task.loss(answers(model, batch), batch["targets"]),)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float, ...]:
        """Count sequences."""
        return (float(len(batch["targets"])),)

    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Score the held-out sequences."""
        del precision
        outputs = run(model, self.held_out, settings.batch_size)
        loss = float(self.task.loss(outputs, self.held_out["targets"]))
        return {"accuracy": float(self.task.right(outputs, self.held_out["targets"]).mean())}, loss

    def identity(self) -> str:
        """Hash task, distance and seed."""
        return content_hash([self.task.name, self.distance, self.seed])


def run(model: PreTrainedModel, batch: Mapping[str, Tensor], rows: int) -> Tensor:
    """Return the answers of a network for many sequences, some at a time; leaves it evaluating."""
    model.eval()
    count = len(batch["targets"])
    with torch.inference_mode():
        parts = [
            answers(model, {name: value[at : at + rows] for name, value in batch.items()})
            for at in range(0, count, rows)
        ]
    return torch.cat(parts)


def gradient_norms(model: PreTrainedModel, task: SyntheticTask, drawn: Drawn) -> dict[str, list[float]]:
    """Return how strongly the loss at the end depends on every step, mean over sequences.

    Args:
        model: A network of :func:`make_network`.
        task: Whose loss it is.
        drawn: Some sequences.

    Returns:
        Norms [time] of the gradient with respect to what is read at each step ("input"), and of a recurrent
        network with respect to its hidden state ("hidden") and, of an LSTM, its cell state ("cell"), with all
        that comes back through later steps.
    """
    batch: dict[str, Any] = as_batch(drawn)
    layers: dict[tuple[int, str], UnrolledLayer] = {}
    if isinstance(model, BertForTokenClassification):
        network: Any = model.eval()
    else:
        network, layers = unrolled(model)
    vectors = batch.pop("inputs_embeds", None)
    if vectors is None:
        vectors = network.get_input_embeddings()(batch.pop("input_ids"))
    vectors = vectors.to(network.dtype).detach().requires_grad_()
    targets = batch["targets"].to(network.dtype) if batch["targets"].is_floating_point() else batch["targets"]
    outputs = answers(network, {"inputs_embeds": vectors, "targets": targets})
    # Summed, so that each sequence's gradient is that of its own loss.
    loss = task.loss(outputs, targets) * len(outputs)
    steps = [step for layer in layers.values() for step in layer.steps]
    hidden, cells = [step.h for step in steps], [step.c for step in steps if step.c is not None]
    found = torch.autograd.grad(loss, [vectors, *hidden, *cells], allow_unused=True)
    norms = {"input": found[0].norm(dim=-1).mean(dim=0).tolist()}
    for name, part in (("hidden", found[1 : 1 + len(hidden)]), ("cell", found[1 + len(hidden) :])):
        if part:
            norms[name] = [0.0 if one is None else float(one.norm(dim=-1).mean()) for one in part]
    return norms
