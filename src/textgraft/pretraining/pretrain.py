"""Pre-train a language model on raw text: from a corpus to an encoder that every other command accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Unpack

from accelerate.utils import broadcast_object_list

from textgraft.errors import OptionError
from textgraft.files import as_path, output_errors, refuse_to_replace, remove_folder
from textgraft.integrity import read_record, write_record
from textgraft.pretraining.card import save_pretrained_encoder
from textgraft.pretraining.config import PretrainConfig, PretrainOptions
from textgraft.pretraining.cost import Costs, priced, training_flops
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.prepare import Prepared, prepare
from textgraft.pretraining.sizes import SIZES
from textgraft.settings import flag
from textgraft.training.footprint import Footprint, rehearse
from textgraft.training.loop import fit
from textgraft.training.objective import Objective
from textgraft.training.processes import join_processes
from textgraft.training.progress import Progress, TrainingResult
from textgraft.training.settings import TrainingSettings

EVALUATIONS = 20
"""On held-out text in the course of a run, about."""
TRIAL_SECONDS = 5.0
"""How long the speed is measured before training."""
_RUN = "run.json"
_USUAL: dict[str, dict[str, Any]] = {
    "masked": {"batch_size": 128, "max_tokens": 4096},
    "causal": {"batch_size": 64, "max_tokens": 4096},
    # Streams, and behind it streams times the tokens that gradients reach back.
    "recurrent": {"batch_size": 32, "max_tokens": 32 * 64},
}
SHORT_SHARE = 0.9
"""Of a run's tokens, where short sequences are wanted at first (Devlin et al. 2019, A.2)."""
_RECURRENT_RATE = 2.0
"""Learning rate of a recurrent network in proportion to that of a Transformer of its size."""


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    costs: Costs
    settings: TrainingSettings
    documents: int
    held_out_documents: int
    corpus_tokens: int
    vocabulary: int
    short_tokens: int = 0
    """Of the tokens, those learned in short sequences first."""
    footprint: Footprint | None = None
    """Memory, and the time of an epoch; None where the plan is that of an unfinished run."""


@dataclass(frozen=True)
class Pretrained:
    """A pre-trained model, and how far it came."""

    folder: Path
    metrics: dict[str, float]
    """On held-out text, of the weights that were kept."""
    result: TrainingResult
    costs: Costs
    """As they turned out."""


def plan_pretraining(
    corpus: str | Path,
    *,
    on_documents: Callable[[int], None] | None = None,
    **config: Unpack[PretrainOptions],
) -> Plan:
    """Tell what :func:`pretrain` with the same arguments would do and cost, and train nothing.

    The corpus is read, its tokenizer learned, and a copy of the model trained for some seconds to see how
    fast it is and how much memory it takes. Under ``torchrun`` the processes do so together.

    Raises:
        DataError: The corpus cannot be read or is too small.
        OptionError: An option is unknown or out of range.
    """
    wanted = _checked(config)
    with join_processes().main_process_first():
        prepared = prepare(corpus, wanted, on_documents)
    return _plan(prepared, wanted)


def pretrain(
    corpus: str | Path,
    output: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_documents: Callable[[int], None] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    on_step: Callable[[Progress], None] | None = None,
    **config: Unpack[PretrainOptions],
) -> Pretrained:
    """Train a language model from random weights on raw text and write it as an encoder.

    Stopped at any moment, it goes on from its last checkpoint with ``resume=True`` as if it had never
    stopped, bit by bit. Under ``torchrun`` the processes share every step.

    Args:
        corpus: A file or folder of text, see :func:`~textgraft.pretraining.corpus.corpus.read_corpus`.
        output: Folder of the encoder; while training runs, ``<output>.training`` holds checkpoints.
        resume: Whether to go on with an unfinished run.
        overwrite: Whether a folder that exists may be replaced.
        on_documents: Called while the corpus is read, with the number of documents so far.
        on_plan: Called before training with what is going to be done.
        on_step: Called after every training step.
        config: The keys of :class:`~textgraft.pretraining.config.PretrainConfig`.

    Returns:
        The folder and figures.

    Raises:
        DataError: The corpus cannot be read or is too small.
        DivergenceError: The loss ran away; the checkpoints from before are kept.
        OptionError: An option is unknown or out of range, or an unfinished run is in the way.
        OutputError: The folder exists, or cannot be written.
    """
    wanted = _checked(config)
    flag(overwrite, "overwrite")
    flag(resume, "resume")
    corpus, output = as_path(corpus, "corpus"), as_path(output, "output")
    refuse_to_replace(output, overwrite=overwrite, mark="config.json")
    checkpoints = output.with_name(output.name + ".training")
    processes = join_processes()
    if processes.is_main_process and not resume:
        _refuse_leftovers(checkpoints)
    with processes.main_process_first():
        prepared = prepare(corpus, wanted, on_documents)
    plan = _settled(prepared, wanted, checkpoints)
    if isinstance(prepared.objective, MaskedText):
        prepared.objective.short_tokens = plan.short_tokens
    if on_plan is not None:
        on_plan(plan)
    result = fit(prepared.model, prepared.objective, plan.settings, folder=checkpoints, on_step=on_step)
    spent = replace(
        plan.costs,
        tokens=result.tokens,
        seconds=result.seconds,
        tokens_per_second=result.tokens / result.seconds,
    )
    if processes.is_main_process:
        save_pretrained_encoder(output, prepared, wanted, plan.settings, result, plan.costs, spent)
        remove_folder(checkpoints)
    processes.wait_for_everyone()
    return Pretrained(output, result.dev_metrics, result, spent)


def _checked(config: PretrainOptions) -> PretrainConfig:
    wanted = PretrainConfig.model_validate(config)
    if wanted.budget is None and wanted.tokens is None and "epochs" not in wanted.settings:
        raise OptionError(
            "nothing says when training is to end",
            where="--budget, --tokens",
            fix="Give a time, as --budget 2h, or an amount of text, as --tokens 100M.",
        )
    return wanted


def _refuse_leftovers(checkpoints: Path) -> None:
    if checkpoints.is_dir() and any(checkpoints.iterdir()):
        raise OptionError(
            "an unfinished training is in the way",
            where=str(checkpoints),
            fix="Go on with it by --resume, or delete the folder to begin anew.",
        )


def _plan(prepared: Prepared, config: PretrainConfig) -> Plan:
    """Settle how to train, so that about :data:`EVALUATIONS` evaluations lie on the way."""
    processes = join_processes()
    usual = {
        **_USUAL[config.objective],
        "learning_rate": SIZES[config.size].learning_rate
        * (_RECURRENT_RATE if config.objective == "recurrent" else 1.0),
        "patience": None,
        "max_seconds": config.budget,
        "seed": config.seed,
        "keep": config.keep,
    }
    settings = TrainingSettings(**{**usual, **config.settings})
    objective = prepared.objective
    footprint = rehearse(prepared.model, objective, settings, TRIAL_SECONDS)
    rate = footprint.tokens_per_second
    steps = objective.steps(0, settings)
    epoch = sum(objective.tokens(rows) for step in steps for rows in step)
    ends = [config.tokens, config.budget and rate * config.budget]
    if epochs := config.settings.get("epochs"):
        ends.append(epoch * epochs)
    tokens = min(end for end in ends if end is not None)
    changes: dict[str, Any] = {
        "epochs": None,
        "evaluations_per_epoch": max(1, round(EVALUATIONS * epoch / tokens)),
    }
    short = 0
    if isinstance(objective, MaskedText) and objective.short is not None:
        objective.short_tokens = short = round(SHORT_SHARE * tokens)
    if config.tokens is not None:
        changes["max_steps"] = _steps_until(config.tokens, objective, settings)
    settings = TrainingSettings(**{**settings.model_dump(), **changes, **config.settings})
    machine, price = priced(config.machine, config.price, processes.device)
    return Plan(
        costs=Costs(
            parameters=sum(weight.numel() for weight in prepared.model.parameters()),
            flops_per_token=training_flops(prepared.model, config.objective, config.max_length),
            tokens=round(tokens),
            tokens_per_second=rate,
            seconds=tokens / rate,
            machine=machine,
            price=price,
        ),
        settings=settings,
        documents=len(prepared.train),
        held_out_documents=len(prepared.dev),
        corpus_tokens=len(prepared.train.ids),
        vocabulary=len(prepared.tokenizer),
        short_tokens=short,
        footprint=footprint,
    )


def _steps_until(tokens: int, objective: Objective, settings: TrainingSettings) -> int:
    """Return how many steps it takes to see so many tokens."""
    seen = 0
    steps = (step for epoch in count() for step in objective.steps(epoch, settings))
    for number, step in enumerate(steps, start=1):
        seen += sum(map(objective.tokens, step))
        if seen >= tokens:
            return number
    raise AssertionError("there is always another epoch")


def _settled(prepared: Prepared, config: PretrainConfig, checkpoints: Path) -> Plan:
    """Return the plan of the run that is to go on; where there is none, make one and write it down.

    Settings come from a measurement: made once, they hold for every process and for a resumed run.

    Raises:
        OptionError: That run has other options.
    """
    processes = join_processes()
    found = [_unfinished(config, checkpoints) if processes.is_main_process else None]
    plan: Plan | None = broadcast_object_list(found)[0]
    if plan is not None:
        return plan
    # All measure together how fast they are, and the first one's figures count.
    plan = broadcast_object_list([_plan(prepared, config)])[0]
    assert plan is not None, "the first process has made one"
    if processes.is_main_process:
        with output_errors(checkpoints):
            checkpoints.mkdir(parents=True, exist_ok=True)
        kept = {**asdict(replace(plan, footprint=None)), "settings": plan.settings.model_dump()}
        write_record(checkpoints / _RUN, {"options": _options(config), "plan": kept})
    return plan


def _options(config: PretrainConfig) -> dict[str, Any]:
    """Return the options that a run keeps from its beginning to its end."""
    options = config.model_dump(mode="json", exclude={"keep", "machine", "price"})
    options["settings"] = {
        name: value for name, value in options["settings"].items() if name != "shard_weights"
    }
    return options


def _unfinished(config: PretrainConfig, checkpoints: Path) -> Plan | None:
    """Return the plan of the run that is to go on, if there is one.

    Raises:
        OptionError: It has other options.
    """
    file = checkpoints / _RUN
    if not file.is_file():
        return None
    record = read_record(file, dict[str, Any], fix="Delete the folder to begin anew.")
    for name, value in _options(config).items():
        if value != record["options"][name]:
            raise OptionError(
                f"the unfinished training has {name}={record['options'][name]!r}, not {value!r}",
                where=str(checkpoints),
                fix="Go on with its options, or delete the folder to begin anew.",
            )
    shard_weights = config.settings.get("shard_weights", False)
    settings = TrainingSettings(
        **{**record["plan"]["settings"], "keep": config.keep, "shard_weights": shard_weights}
    )
    return Plan(**{**record["plan"], "settings": settings, "costs": Costs(**record["plan"]["costs"])})
