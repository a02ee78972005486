"""textgraft train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS, Reads
from textgraft.cli.surface import give
from textgraft.processes import is_main_process
from textgraft.terminal import open_console


def train(
    source: Annotated[
        str | None,
        typer.Argument(help="A file of labelled rows, of any task; - for standard input."),
        LABELLED_ROWS,
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the trained model.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file of options and settings; what is given as an option takes precedence."),
        Reads("yaml"),
    ] = None,
    task: options.TaskName = None,
    text: options.Text = None,
    label: options.Label = None,
    id_column: options.IdColumn = None,
    group: options.Group = None,
    merge_labels: options.MergeLabels = False,
    offsets: options.Offsets = "characters",
    test: Annotated[Path | None, typer.Option(help="Your own test file."), LABELLED_ROWS] = None,
    dev: Annotated[Path | None, typer.Option(help="Your own dev file."), LABELLED_ROWS] = None,
    contender: Annotated[
        str | None,
        typer.Option(
            "--contender",
            "-c",
            help="Which contender to train, as lstm; fine-tuned BERT if left out, where the task allows.",
        ),
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(help="lora: train a small adapter and leave the encoder unchanged.")
    ] = None,
    freeze_layers: Annotated[
        str | None, typer.Option(help="Number of lower encoder layers to leave unchanged, or 'all'.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help=options.ENCODER_HELP)] = None,
    revision: options.Revision = None,
    prompt: options.Prompt = None,
    max_length: options.MaxLength = None,
    vectors: options.Vectors = None,
    language_model: options.LanguageModel = None,
    describe: options.Describe = None,
    llm: options.Llm = None,
    llm_model: options.LlmModel = None,
    llm_examples: options.LlmExamples = None,
    llm_concurrency: options.LlmConcurrency = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a hyperparameter, as learning_rate=1e-4; may be repeated."),
    ] = None,
    precision: options.Precision = None,
    error_cost: options.ErrorCost = None,
    review_cost: options.ReviewCost = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of weights, dropout and order.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time for training, as 10m or 2h.")] = None,
    resume: Annotated[bool, typer.Option(help="Resume an unfinished training.")] = False,
    overwrite: options.Overwrite = False,
    plan: Annotated[
        bool, typer.Option(help="Show what memory and time the training would take, and write nothing.")
    ] = False,
    print_config: Annotated[
        bool,
        typer.Option(help="Print all options and settings with their defaults as YAML, and train nothing."),
    ] = False,
) -> None:
    """Train one model on your labelled rows and write it as a model directory, tested and calibrated.

    If it is stopped, run the same command again with --resume: it continues from its last checkpoint.
    """
    import yaml

    from textgraft.comparison.contenders.registry import meant_contender
    from textgraft.comparison.settings import TrainConfig
    from textgraft.comparison.train import full_config, plan_training, read_config, run_training
    from textgraft.errors import OptionError
    from textgraft.wording import duration, epochs

    given: dict[str, Any] = {
        "task": task,
        "text": text,
        "label": label,
        "id_column": id_column,
        "group": group,
        "merge_labels": merge_labels or None,
        "offsets": None if offsets == "characters" else offsets,
        "test": test,
        "dev": dev,
        "contender": meant_contender(contender, adapter, freeze_layers),
        "freeze_layers": None if freeze_layers == "all" else freeze_layers,
        "encoder": encoder,
        "revision": revision,
        "prompt": prompt,
        "max_length": max_length,
        "vectors": vectors,
        "language_model": language_model,
        "describe": describe,
        "llm": llm,
        "llm_model": llm_model,
        "llm_examples": llm_examples,
        "llm_concurrency": llm_concurrency,
        "precision": precision,
        "error_cost": error_cost,
        "review_cost": review_cost,
        "seed": seed,
        "budget": budget,
    }
    values = read_config(config) if config else {}
    values |= {name: value for name, value in given.items() if value is not None}
    values["settings"] = {**(values.get("settings") or {}), **options.settings(setting or [])}
    wanted = TrainConfig.model_validate(values)
    if print_config:
        written = full_config(wanted)
        give(yaml.safe_load(written), written.rstrip("\n"))
        return
    if source is None or (output is None and not plan):
        raise OptionError(
            "nothing to train on" if source is None else "no folder for the model is named",
            where="textgraft train",
            fix="Write textgraft train rows.csv --output model.",
        )
    console = open_console(stderr=True, quiet=not is_main_process())

    def note(line: str) -> None:
        console.print(f"· {line}", style="dim")

    if plan:
        planned = plan_training(source, wanted, note=note)
        if is_main_process():
            give(planned, options.table([(f"plan of {planned.contender}", ""), *planned.lines()]))
        return
    assert output is not None, "refused above"
    with options.training_bar(console) as on_step:
        trained = run_training(
            source, output, wanted, resume=resume, overwrite=overwrite, on_step=on_step, note=note
        )
    trial = trained.trial
    scores = ", ".join(f"{name} {value:.4f}" for name, value in trial.metrics.items())
    console.print(f"test: {scores}")
    console.print(
        f"trained in {duration(trial.cost.training_seconds)} "
        f"({epochs(trial.epochs, trial.stopped_by)}) → {trained.folder}",
        soft_wrap=True,
    )
    if is_main_process():
        give({"folder": trained.folder, "trial": trial})
