"""What pre-training costs: parameters, operations, hours and money, spread over the tasks it serves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedModel

_MASKED_SHARE = 0.15
HOUR = 3600.0


@dataclass(frozen=True)
class Machine:
    """A machine that can be rented."""

    description: str
    price: float
    """US dollars an hour, on demand."""


MACHINES = {
    "m7g.large": Machine("AWS m7g.large, 2 cores", 0.0816),
    "c5.2xlarge": Machine("AWS c5.2xlarge, 8 threads", 0.34),
    "g5.xlarge": Machine("AWS g5.xlarge, one A10G GPU", 1.006),
}
"""On-demand prices in us-east-1 under Linux, as listed in June 2026 (https://aws.amazon.com/ec2/pricing)."""


@dataclass(frozen=True)
class Published:
    """What others report of their pre-training."""

    name: str
    how: str
    money: tuple[float, float]
    """US dollars, from and to: rented with and without notice."""
    source: str


PUBLISHED = (
    Published(
        "BERT-base",
        "4 days on 16 TPU chips",
        (2074.0, 6912.0),
        "Strubell, Ganesh and McCallum 2019, table 3; hardware: Devlin et al. 2019, A.2",
    ),
    Published(
        "BERT-large",
        "4 days on 64 TPU chips",
        (4 * 2074.0, 4 * 6912.0),
        "hardware: Devlin et al. 2019, A.2; money: four times that of BERT-base, for as many chips",
    ),
)
TASKS = (1, 10, 100, 1000)


@dataclass(frozen=True)
class Costs:
    """What a run is to cost, or has cost."""

    parameters: int
    flops_per_token: float
    """Of training: forward, and backward at twice that."""
    tokens: int
    """A token counts as often as it is read."""
    tokens_per_second: float
    seconds: float
    machine: str
    price: float
    """US dollars an hour."""

    @property
    def flops(self) -> float:
        """Operations of the whole training."""
        return self.flops_per_token * self.tokens

    @property
    def money(self) -> float:
        """US dollars."""
        return self.seconds / HOUR * self.price

    def to_dict(self) -> dict[str, Any]:
        """Return all figures."""
        return {**asdict(self), "flops": self.flops, "money": self.money}

    def lines(self) -> list[tuple[str, str]]:
        """Return each figure with its name, for people to read."""
        return [
            ("parameters", f"{self.parameters / 1e6:.2f} M"),
            ("operations a token", f"{self.flops_per_token / 1e6:.1f} MFLOP"),
            ("tokens", f"{self.tokens:,}"),
            ("tokens a second", f"{self.tokens_per_second:,.0f}"),
            (
                "operations",
                f"{self.flops:.2e} FLOP, {self.flops_per_token * self.tokens_per_second:.2e} a second",
            ),
            ("hours", f"{self.seconds / HOUR:.3g}"),
            ("money", f"{_dollars(self.money)} at ${self.price:g} an hour ({self.machine})"),
        ]


def amortization(costs: Costs) -> list[tuple[str, ...]]:
    """Return the table of pre-training once against many tasks: a header, then what it costs a task."""
    header = ("tasks", "this model", *(entry.name for entry in PUBLISHED))
    rows = [
        (
            f"{count:,}",
            _dollars(costs.money / count),
            *("–".join(_dollars(money / count) for money in entry.money) for entry in PUBLISHED),
        )
        for count in TASKS
    ]
    return [header, *rows]


def _dollars(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.4f}" if amount < 0.01 else f"${amount:,.2f}"


def priced(machine: str | None, price: float | None, device: torch.device) -> tuple[str, float]:
    """Return the name and the hourly price of a machine; of one like this where none is named."""
    if price is not None:
        return machine or "this machine", price
    if machine is None:
        cores = torch.get_num_threads()
        machine = "g5.xlarge" if device.type == "cuda" else "m7g.large" if cores <= 2 else "c5.2xlarge"
    return MACHINES[machine].description, MACHINES[machine].price


def training_flops(
    model: PreTrainedModel, objective: Literal["masked", "causal", "recurrent"], length: int
) -> float:
    """Return the operations of training on one token: two a weight forward, four backward, and attention.

    Embeddings are looked up and cost nothing; the head runs at the tokens that are predicted. Counted as in
    Kaplan et al. 2020, section 2.1, with the head.

    Args:
        model: A language model of :func:`~textgraft.pretraining.architectures.build_model`.
        objective: "masked": the head runs at 15% of the tokens.
        length: Tokens of a sequence, each of which attends to all.
    """
    tables = {
        id(weight)
        for module in model.modules()
        if isinstance(module, nn.Embedding)
        for weight in module.parameters()
    }
    body = head = 0
    for name, weight in model.named_parameters():
        if weight.ndim < 2 or id(weight) in tables or "pooler" in name or "seq_relationship" in name:
            continue
        if name.startswith(f"{model.base_model_prefix}."):
            body += weight.numel()
        else:
            head += weight.numel()
    words = model.get_output_embeddings().weight
    # A pair of language models predicts every token twice, and each half of it counts.
    body //= 2 if getattr(model.config, "independent_directions", False) else 1
    head += words.numel() if id(words) in tables else 0
    share = _MASKED_SHARE if objective == "masked" else 1.0
    config = model.config
    attention = 0 if objective == "recurrent" else 4 * length * config.hidden_size * config.num_hidden_layers
    return 3.0 * (2 * (body + share * head) + attention)
