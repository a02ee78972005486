"""Compare contenders on one data set: plan, run what is missing, judge, report, save the winning model."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from textgraft.bars import open_bar
from textgraft.comparison.contenders.base import Contender
from textgraft.comparison.contenders.registry import ON
from textgraft.comparison.folder import claim, exclusive, usual_folder
from textgraft.comparison.judging.judge import check_test_targets
from textgraft.comparison.preparing import Entrants, Material
from textgraft.comparison.records.plan import Request
from textgraft.comparison.records.trials import TestSet, save_test_set
from textgraft.comparison.result import Comparison
from textgraft.comparison.running.progress import Reporter, SilentReporter
from textgraft.comparison.running.run import Run
from textgraft.comparison.running.spread import check_spread, run_spread, set_up_of
from textgraft.comparison.running.watching import Told, as_reporter
from textgraft.comparison.set_up import choose_entrants, read_material
from textgraft.comparison.settings import ALL, LEAST_BUDGET, CompareSettings
from textgraft.data.check import DataCheck, check_dataset
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, Source, as_source
from textgraft.errors import OptionError
from textgraft.executors.base import Executor
from textgraft.executors.open import open_executor
from textgraft.files import content_hash, write_atomic
from textgraft.interrupts import INTERRUPTED, exit_code
from textgraft.models.encoder_languages import encoder_warning
from textgraft.models.encoders import EncoderSource, encoder_max_length, load_tokenizer
from textgraft.processes import refuse_several_processes
from textgraft.wording import counted

EXCERPT = 600


def compare(
    source: Rows,
    labels: Iterable[Any] | None = None,
    *,
    task: str | None = None,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    test: Rows | None = None,
    dev: Rows | None = None,
    id_column: str | None = None,
    group: str | None = None,
    merge_labels: bool = False,
    offsets: str = "characters",
    contenders: str | Sequence[str] | None = None,
    sizes: str | int | Sequence[int | str] | None = None,
    shots: str | int | Sequence[int] | None = None,
    seeds: int = 3,
    tuning: int = 3,
    encoder: str | Path | Sequence[str | Path] = "bundled",
    revision: str | None = None,
    prompt: str | Sequence[str] | None = None,
    max_length: int | None = None,
    freeze_layers: int | None = None,
    vectors: str | Path | None = None,
    language_model: str | Path | None = None,
    describe: str | Path | None = None,
    llm: str | None = None,
    llm_model: str | None = None,
    llm_examples: int = 8,
    llm_concurrency: int = 4,
    budget: float | str | None = None,
    thorough: bool = False,
    robustness: bool = False,
    output: str | Path | None = None,
    add: bool = False,
    max_latency_ms: float | None = None,
    max_size_mb: float | None = None,
    prefer: str = "score",
    precision: float | None = None,
    error_cost: float | None = None,
    review_cost: float | None = None,
    price: float | None = None,
    llm_price_in: float | None = None,
    llm_price_out: float | None = None,
    jobs: int | None = None,
    ray: str | None = None,
    reporter: Told | None = None,
    progress: bool | None = None,
) -> Comparison:
    """Measure on the user's own labelled text which generation of NLP it needs.

    The same call resumes where an earlier one was stopped: finished trials are never run again.

    Args:
        source: A CSV, TSV, JSON Lines or Parquet file, or another that the task's ``read`` takes; the Hub
            name of a data set; a DataFrame of pandas or Polars, an Arrow table, a ``datasets.Dataset``, a
            list of dicts, or a list of texts with ``labels``.
        labels: The label of each row, where no column holds it.
        task: Name of the task; guessed from the file where it is left out.
        text: Name of the text column, or of several; guessed from common names if left out.
        label: Name of the label column, or of several, one for each label that a row may have; likewise.
        test: The user's own test rows, as ``source`` or as ``(texts, labels)``; otherwise a fifth of the rows
            is set aside, fixed by hash.
        dev: The user's own dev rows, likewise; otherwise a tenth.
        id_column: Column that names rows.
        group: Column whose equal values never straddle splits, as an author or a document.
        merge_labels: Whether labels that differ in spelling alone, as Food and food, are one label.
        offsets: What the offsets of spans and answers count: "characters", "utf-16" or "utf-8".
        contenders: Their names; the task's usual ones if left out.
        sizes: Training sizes, as numbers or as "100,300,all"; 100, 300, 1000, … and all rows if left out, of
            few rows smaller ones too.
        shots: Training rows of every label, as (4, 8, 16), in place of ``sizes``: the four of a label are
            among its eight, and a label with fewer gives all it has. For tasks of one label a row; with it,
            ``bert-contrastive`` is one of the usual contenders, as it is wherever a label has 32 training
            rows or fewer in the middle.
        seeds: Repeats at each size, each with its own training rows and random weights.
        tuning: Hyperparameter configurations that each contender may fit, the same number for all.
        encoder: "bundled", a local directory or a Hub id; or several, of which the first has the usual names
            and each further one makes contenders of its own, as "bert-frozen@mpnet".
        revision: Of a Hub id.
        prompt: What the encoder reads before every text, as "query: ", or the name of one of its own prompts;
            "" for none, None for its default. Of one of several encoders as "mpnet=query: "; one without a
            name is for all others.
        max_length: Tokens a text is cut to; each contender's own limit if left out.
        freeze_layers: Lower layers of the encoder that every configuration leaves as they are; what they
            compute is then computed once. If left out, it is a part of the configurations: of fine-tuning,
            the first trains the upper half, and others all layers.
        vectors: File of word vectors that the recurrent contenders begin with.
        language_model: Folder of a recurrent language model, for contenders that begin with one.
        describe: Table with the columns ``label`` and ``description``: a sentence for labels, for contenders
            that know them by nothing else.
        llm: URL of an OpenAI-compatible server, as ``http://localhost:8000/v1``, for a contender that asks a
            language model: every text is sent there. The key is read from the environment.
        llm_model: As that server calls it.
        llm_examples: Training rows that it is shown, beside being asked without any.
        llm_concurrency: Questions under way at a time.
        budget: Time that this call may take, in seconds or as "10m"; what earlier calls took does not count.
        thorough: Whether contenders that can no longer win get all their seeds all the same, and all test
            rows are answered whatever the budget.
        robustness: Whether the model that is kept of each contender answers the test rows once more, with
            typos and other faults in them.
        output: Folder of the comparison; ``runs/<name>-<hash of the data and the request>`` if left out. A
            folder with a finished comparison of other choices is refused.
        add: Whether to run there all the same: its trials are used where they fit, and verdict, report and
            best model are replaced. Without ``output``, the folder with a comparison of the same rows.
        max_latency_ms: Pick only a model that answers 95% of single texts within this. This and the
            following change the pick and what it answers, not the figures.
        max_size_mb: Pick only a model up to this size, in 10^6 bytes on disk.
        prefer: "score", "cost", or a contender to pick whatever it scores.
        precision: The model that is kept answers only where this share of its answers is right, as 0.97, with
            95% confidence; other rows come back as ``needs_review``.
        error_cost: In place of a precision: what a wrong answer costs, and
        review_cost: what a person's answer costs.
        price: Price of an hour of this machine, in any currency: what training and 1,000 texts cost is then
            said with the verdict.
        llm_price_in: Price of a million tokens that the language model reads, in the same currency.
        llm_price_out: Price of a million tokens that it writes.
        jobs: Trials that run at a time, each in a process on its share of the cores; for rows in a file.
        ray: Address of a Ray cluster that they run on, as "auto" or "host:6379"; its nodes need the same
            files under the same paths.
        reporter: A function that is told lines of what goes on, as ``print``, or a reporter.
        progress: Whether a bar is shown; if left out, in notebooks and terminals, unless there is a
            ``reporter``.

    Returns:
        The verdict, the trials and the winner.

    Raises:
        DataError: The rows cannot be read or learned from.
        OptionError: An option is unknown or out of range, or the output folder is another comparison's.
        ModelError: The encoder is missing or damaged.
        MissingExtraError: A contender is named that needs the bundled encoder, which is not installed.
        OutputError: The output folder cannot be written.
    """
    refuse_several_processes("compare")
    settings = CompareSettings.model_validate(
        {
            "task": task,
            "text": text,
            "label": label,
            "test": test,
            "dev": dev,
            "id_column": id_column,
            "group": group,
            "merge_labels": merge_labels,
            "offsets": offsets,
            "contenders": contenders,
            "sizes": sizes,
            "shots": shots,
            "seeds": seeds,
            "tuning": tuning,
            "encoder": encoder,
            "revision": revision,
            "prompt": prompt,
            "max_length": max_length,
            "freeze_layers": freeze_layers,
            "vectors": vectors,
            "language_model": language_model,
            "describe": describe,
            "llm": llm,
            "llm_model": llm_model,
            "llm_examples": llm_examples,
            "llm_concurrency": llm_concurrency,
            "budget": budget,
            "thorough": thorough,
            "robustness": robustness,
            "output": output,
            "add": add,
            "max_latency_ms": max_latency_ms,
            "max_size_mb": max_size_mb,
            "prefer": prefer,
            "precision": precision,
            "error_cost": error_cost,
            "review_cost": review_cost,
            "price": price,
            "llm_price_in": llm_price_in,
            "llm_price_out": llm_price_out,
            "jobs": jobs,
            "ray": ray,
        }
    )
    rows = as_source(source, labels, labelled=True)
    with open_bar(progress if reporter is None else False) as bar:
        return run_comparison(rows, settings, as_reporter(reporter, bar))


def run_comparison(
    source: Source | Dataset,
    settings: CompareSettings,
    reporter: Reporter | None = None,
    started: float | None = None,
) -> Comparison:
    """Compare as :func:`compare` does, with all choices in one record.

    Args:
        source: The rows.
        settings: All choices.
        reporter: Told what goes on.
        started: When the call began, by time.perf_counter: its budget counts from there; None: now.
    """
    started = time.perf_counter() if started is None else started
    reporter = reporter or SilentReporter()
    if settings.budget is not None and settings.budget < LEAST_BUDGET:
        raise OptionError(
            f"a budget of {settings.budget:g} s is too small: to load the libraries takes as long",
            where="--budget",
            fix="Give at least 30s, better some minutes.",
        )
    is_spread = settings.ray is not None or (settings.jobs or 1) > 1
    if is_spread:
        check_spread(source, settings)
    with open_executor(settings.jobs, settings.ray) as executor:
        entrants = choose_entrants(source, settings, reporter.note)
        settings.preferences.check(entrants.names)
        material = read_material(source, entrants, settings, reporter.note)
        spread = functools.partial(_spread, executor, source, settings) if is_spread else None
        return _compared(material, settings, reporter, started, spread)


Spread = Callable[[Run], Callable[[], None]]
"""Readies a comparison for trials side by side; returns what runs them."""


def _spread(
    executor: Executor, source: Source | Dataset, settings: CompareSettings, run: Run
) -> Callable[[], None]:
    run.slots, run.threads = executor.slots, executor.threads

    def trials() -> None:
        run_spread(run, executor, set_up_of(run, str(source), settings))
        executor.close()  # what waits for more holds memory

    return trials


def _compared(
    material: Material, settings: CompareSettings, reporter: Reporter, started: float, spread: Spread | None
) -> Comparison:
    """Compare the contenders on rows that were read."""
    check_test_targets(material.task, material.task.targets(material.test))
    shots = _shots(settings.shots, material, reporter.note)
    sizes = [*shots] if shots else _sizes(settings.sizes, material, reporter)
    entrants = material.entrants
    _note_few(entrants.contenders, len(material.splits.train), reporter.note)
    request = _request(entrants, settings)
    data_hash = material.data_hash
    folder = (
        Path(settings.output)
        if settings.output
        else usual_folder(material.whole.source, request, data_hash, add=settings.add)
    )
    with exclusive(folder):
        held = claim(folder, request, data_hash, add=settings.add)
        check = check_dataset(
            material.whole,
            material.splits,
            _token_counters(entrants, settings.max_length),
            functools.partial(_encoder_warnings, entrants.encoders) if entrants.encoders else None,
        )
        reporter.data(check, folder)
        with contextlib.closing(
            Run(folder, request, material, reporter, settings.preferences, started)
        ) as run:
            run.measures_robustness = settings.robustness
            trials = spread(run) if spread else run.trials
            run.open(sizes, held, functools.partial(_test_set, check=check), shots)
            # Nothing before the plan: it tells whose the folder is.
            save_test_set(folder, run.test_set)
            splits = material.splits
            _save_rejected(folder / "rejected.jsonl", [material.whole, splits.dev, splits.test])
            try:
                run.plan()
                trials()
            except KeyboardInterrupt as stop:
                if exit_code(stop) == INTERRUPTED and run.has_results:
                    reporter.note(
                        "stopped: this is the verdict on what is known; run the same command again to resume"
                    )
                    run.conclude(in_haste=True)
                raise
            return run.conclude()


def _request(entrants: Entrants, settings: CompareSettings) -> Request:
    """Return what is asked for: choices in the order and the form in which equal ones are the same."""
    return Request(
        task=entrants.task.name,
        contenders=entrants.names,
        sizes=tuple(settings.sizes) if settings.sizes else None,
        shots=tuple(settings.shots) if settings.shots else None,
        seeds=settings.seeds,
        tuning=settings.tuning,
        encoders=tuple(source.identity for source in entrants.encoders),
        vectors=entrants.vectors.name if entrants.vectors else None,
        language_model=entrants.language_model.identity if entrants.language_model else None,
        descriptions=content_hash(entrants.descriptions) if entrants.descriptions else None,
        llm=content_hash([settings.llm, settings.llm_model, settings.llm_examples]) if settings.llm else None,
        max_length=settings.max_length,
        freeze_layers=settings.freeze_layers,
        budget=settings.budget,
        thorough=settings.thorough,
    )


def _sizes(wanted: Sequence[int] | None, material: Material, reporter: Reporter) -> list[int]:
    """Return the training sizes to plan for, ascending, none above the rows there are."""
    from textgraft.comparison.running.sizes import default_sizes

    rows = len(material.splits.train)
    if wanted is None:
        return default_sizes(rows, len(material.task.labels))
    if rows < min(wanted) < ALL:
        raise OptionError(
            f"the smallest size is {min(wanted):,}, but only {counted(rows, 'row')} can be trained on",
            where="--sizes",
            fix=f"Give sizes up to {rows:,}: dev and test rows are set aside first.",
        )
    if any(rows < size < ALL for size in wanted):
        reporter.note(f"sizes above the {rows:,} training rows are taken as {rows:,}")
    return sorted({min(size, rows) for size in wanted})


def _note_few(contenders: Sequence[Contender], rows: int, note: Callable[[str], None]) -> None:
    """Say which contenders would be shown more rows than there are."""
    for contender in contenders:
        if contender.fixed_sizes is not None and max(contender.fixed_sizes) > rows:
            note(
                f"{contender.name} is shown {rows:,} training rows and not {max(contender.fixed_sizes):,}: "
                "there are no more"
            )


def _shots(wanted: Sequence[int] | None, material: Material, note: Callable[[str], None]) -> dict[int, int]:
    """Return how many rows of every label each training size has, by the size; nothing if none are wanted.

    Raises:
        OptionError: The rows are not labelled with one name each.
    """
    if wanted is None:
        return {}
    train = material.splits.train
    if not train.has_names:
        raise OptionError(
            f"rows of the task {material.task.name} do not have one label each, so there are none of a label",
            where="--shots",
            fix="Give the number of rows, as --sizes 100,300.",
        )
    counts = Counter(train.strata)
    scarce = sorted((count, label) for label, count in counts.items() if count < max(wanted))
    if scarce:
        count, label = scarce[0]
        note(
            f"{len(scarce)} of {len(counts)} labels have fewer than {max(wanted)} training rows and give all "
            f"they have; {label!r} has {count}"
        )
    sizes: dict[int, int] = {}
    for each in sorted(wanted):
        sizes.setdefault(sum(min(each, count) for count in counts.values()), each)
    return sizes


def _encoder_warnings(sources: Sequence[EncoderSource], dataset: Dataset) -> str | None:
    """Say which encoders do not read the texts; None where nothing speaks against any."""
    warnings = [warning for source in sources if (warning := encoder_warning(source, dataset))]
    return " ".join(dict.fromkeys(warnings)) or None


def _token_counters(entrants: Entrants, max_length: int | None) -> dict[str, Any]:
    """Count tokens as the contenders will, for the share that a length limit cuts off."""
    from textgraft.models.windows import longest
    from textgraft.tokenization.encode import TextFrame, token_ids

    counters: dict[str, Any] = {}
    for contender in entrants.contenders:
        source = entrants.encoder_of(contender) if contender.needs_encoder else None
        if source is None or not (source.path / "tokenizer.json").is_file():
            continue
        tokenizer = load_tokenizer(source)
        windows = 1 if max_length else contender.windows
        special = TextFrame.of(tokenizer, "a").size
        limit = longest(max_length or encoder_max_length(source), windows, special)
        name = f"{contender.name.partition(ON)[0] if windows > 1 else 'BERT'} ({source.name})"
        counters.setdefault(name, (_lengths(functools.partial(token_ids, tokenizer), limit), limit))
    return counters


def _lengths(count: Callable[..., Any], limit: int) -> Callable[[Sequence[str]], Any]:
    return lambda texts: count(texts, limit).lengths


def _test_set(material: Material, check: DataCheck) -> TestSet:
    task, splits, test = material.task, material.splits, material.test
    leaked = set(check.leaked)
    answered = range(len(test)) if material.answered is None else material.answered
    return TestSet(
        task=task.name,
        task_settings=task.settings(),
        labels=list(task.labels),
        gold=task.targets(test),
        test_texts=[text[:EXCERPT] for text in task.shown(test)],
        test_ids=list(test.ids),
        set_aside=len(splits.test),
        leaked=[at for at, position in enumerate(answered) if position in leaked],
        train_rows=len(splits.train),
        dev_rows=len(splits.dev),
        check=check.to_dict(),
    )


def _save_rejected(path: Path, datasets: Sequence[Dataset]) -> None:
    """Write the rows that cannot be used, of all files, with their lines and reasons."""
    lines = (
        msgspec.json.encode(
            {"source": dataset.source, "line": row.line, "reason": row.reason, "excerpt": row.excerpt}
        )
        for dataset in datasets
        for row in dataset.rejected
    )
    write_atomic(path, b"".join(line + b"\n" for line in lines))
