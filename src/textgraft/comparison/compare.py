"""Compare contenders on one data set: plan, run what is missing, judge, report, hand over the winner."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from filelock import FileLock, Timeout

from textgraft.comparison.contenders import DEFAULT_CONTENDERS, Contender, Job, choose_contenders
from textgraft.comparison.measuring import machine
from textgraft.comparison.preferences import Preferences
from textgraft.comparison.progress import Reporter, SilentReporter
from textgraft.comparison.results import Examination, Trial, load_trials, save_struct
from textgraft.data.check import DataCheck, check_dataset
from textgraft.data.dataset import Dataset
from textgraft.data.reading import read_dataset
from textgraft.data.splits import Splits, make_splits, nested_subsets
from textgraft.errors import DataError, OptionError
from textgraft.files import atomic_folder, content_hash, output_errors, write_atomic, write_json
from textgraft.models.encoders import EncoderSource, encoder_max_length, resolve_encoder

if TYPE_CHECKING:
    from textgraft.comparison.planning import Plan, Rate, Slot
    from textgraft.comparison.trials import Setup
    from textgraft.comparison.verdict import Verdict
    from textgraft.inference.predict import Predictor
    from textgraft.tasks.classification import SingleLabelClassification

EXCERPT = 600
DEV_FRACTION = 4
DEV_ROWS_AT_LEAST = 20


@dataclass(frozen=True)
class Comparison:
    """A finished comparison: the verdict, the trials behind it, and the winner."""

    folder: Path
    verdict: Verdict
    trials: list[Trial]

    @property
    def report(self) -> Path:
        """The report, one self-contained HTML file."""
        return self.folder / "report.html"

    @property
    def best(self) -> Predictor:
        """The winner, loaded from ``best/``."""
        from textgraft.inference.predict import load

        return load(self.folder / "best")


@dataclass(frozen=True)
class Request:
    """What the user asked for, apart from the data: two runs with equal requests share one plan."""

    contenders: tuple[str, ...]
    sizes: tuple[int, ...] | None
    seeds: int
    tuning: int
    encoder: str
    max_length: int | None
    freeze_layers: int
    budget: float | None

    def check(self) -> None:
        """Refuse values that cannot be meant.

        Raises:
            OptionError: A number is out of its range.
        """
        for name, value, low in (("--seeds", self.seeds, 1), ("--tuning", self.tuning, 1)):
            if value < low:
                raise OptionError(f"{value} is too few", where=name, fix=f"Give {low} or more.")
        if not self.contenders:
            raise OptionError("no contender is named", where="--contenders", fix="Name at least one.")
        if self.max_length is not None and self.max_length < 4:
            raise OptionError(f"{self.max_length} is too short", where="--max-length", fix="Give 4 or more.")
        if self.freeze_layers < 0:
            raise OptionError(f"{self.freeze_layers} layers cannot be frozen", where="--freeze-layers")
        for size in self.sizes or ():
            if size < 2:
                raise OptionError(f"a size of {size} cannot be learned from", where="--sizes")


def compare(
    source: str | Path | Dataset,
    *,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    test: str | Path | None = None,
    dev: str | Path | None = None,
    id_column: str | None = None,
    group: str | None = None,
    contenders: Sequence[str] = DEFAULT_CONTENDERS,
    sizes: Sequence[int] | None = None,
    seeds: int = 3,
    tuning: int = 3,
    encoder: str = "bundled",
    revision: str | None = None,
    max_length: int | None = None,
    freeze_layers: int = 0,
    budget: float | None = None,
    output: str | Path | None = None,
    preferences: Preferences | None = None,
    reporter: Reporter | None = None,
) -> Comparison:
    """Measure on the user's own labelled text which generation of NLP it needs.

    The same call goes on where an earlier one was stopped: finished trials are never run again.

    Args:
        source: A CSV, TSV, JSON Lines or Parquet file, the Hub name of a data set, or a Dataset.
        text: Name of the text column, or of several; guessed from common names if left out.
        label: Name of the label column; likewise.
        test: A file of the user's own test rows; otherwise a fifth of the rows is set aside, fixed by hash.
        dev: A file of the user's own dev rows.
        id_column: Column that names rows.
        group: Column whose equal values never straddle splits, as an author or a document.
        contenders: Names from CONTENDERS.
        sizes: Training sizes; 100, 300, 1000, … and all rows if left out.
        seeds: Runs a size, each with its own training rows and random weights.
        tuning: Settings each contender may try on the dev rows, the same number for all.
        encoder: "bundled", a local directory or a Hub id.
        revision: Of a Hub id.
        max_length: Tokens a text is cut to; each contender's own limit if left out.
        freeze_layers: Lower layers of the encoder that fine-tuning leaves as they are; what they compute is
            then computed once. None of them: every layer is trained.
        budget: Seconds that everything may take.
        output: Folder of the comparison; ``runs/<name>-<hash of the data>`` if left out.
        preferences: Limits on latency and size, and what to prefer. They change the pick, not the figures.
        reporter: Told what goes on; silent if left out.

    Returns:
        The verdict, the trials and the winner.

    Raises:
        DataError: The rows cannot be read or learned from.
        OptionError: An option is unknown or out of range, or the output folder holds other data.
        ModelError: The encoder is missing or damaged.
        OutputError: The output folder cannot be written.
    """
    started = time.perf_counter()
    reporter = reporter or SilentReporter()
    request = Request(
        tuple(dict.fromkeys(contenders)),
        tuple(sorted(set(sizes))) if sizes else None,
        seeds,
        tuning,
        encoder,
        max_length,
        freeze_layers,
        budget,
    )
    request.check()
    chosen = choose_contenders(request.contenders)
    preferences = preferences or Preferences()
    preferences.check(request.contenders)
    splits, whole = _read(source, text, label, test, dev, id_column, group)
    needs_encoder = any(contender.needs_encoder for contender in chosen)
    encoder_source = resolve_encoder(encoder, revision) if needs_encoder else None
    check = check_dataset(whole, splits, _token_counters(encoder_source, max_length))
    wanted = _sizes(request.sizes, splits, reporter)
    data_hash = content_hash([splits.train.hash, splits.dev.hash, splits.test.hash])
    folder = Path(output) if output else Path("runs") / f"{_stem(whole.source)}-{data_hash[:6]}"
    reporter.data(check, folder)
    with _exclusive(folder):
        _own(folder, data_hash, splits)
        examination = _examination(splits, check)
        save_struct(folder / "data.json", examination)
        _save_rejected(folder / "rejected.jsonl", [whole, splits.dev, splits.test])
        run = _Run(folder, request, chosen, splits, encoder_source, data_hash, reporter, started)
        plan = run.plan(wanted)
        run.trials(plan)
        return run.conclude(examination, preferences)


def _command() -> str:
    """Return the command line where there was one: what to type to get the same again."""
    name, *arguments = sys.argv
    return shlex.join(["textgraft", *arguments]) if Path(name).name == "textgraft" else "textgraft.compare(…)"


def _stem(source: str) -> str:
    return Path(source).stem.split(":")[-1] or "comparison"


def _read(
    source: str | Path | Dataset,
    text: str | Sequence[str] | None,
    label: str | None,
    test: str | Path | None,
    dev: str | Path | None,
    id_column: str | None,
    group: str | None,
) -> tuple[Splits, Dataset]:
    """Read the user's files; return their splits and the whole of the first one."""
    columns = [text] if isinstance(text, str) else text
    if isinstance(source, Dataset):
        whole = source
    else:
        whole = read_dataset(source, text=columns, label=label, id_column=id_column, group=group)
    names = list(whole.columns)
    others = [
        read_dataset(path, text=names, label=whole.label_column, id_column=id_column, group=group)
        if path
        else None
        for path in (test, dev)
    ]
    return make_splits(whole, test=others[0], dev=others[1]), whole


def _sizes(wanted: tuple[int, ...] | None, splits: Splits, reporter: Reporter) -> list[int]:
    from textgraft.comparison.planning import default_sizes

    rows = len(splits.train)
    if wanted is None:
        return default_sizes(rows)
    if min(wanted) > rows:
        raise OptionError(
            f"the smallest size is {min(wanted):,}, but only {rows:,} rows are left to train on",
            where="--sizes",
            fix=f"Give sizes up to {rows:,}: dev and test rows are set aside first.",
        )
    if max(wanted) > rows:
        reporter.note(f"sizes above the {rows:,} training rows are taken as {rows:,}")
    return sorted({min(size, rows) for size in wanted})


def _token_counters(source: EncoderSource | None, max_length: int | None) -> dict[str, Any]:
    """Count tokens as the contenders will, for the share that a length limit cuts off."""
    if source is None:
        return {}
    from tokenizers import Tokenizer

    from textgraft.models.tokenizing import token_ids

    file = source.path / "tokenizer.json"
    if not file.is_file():
        return {}
    tokenizer = Tokenizer.from_file(str(file))
    limit = max_length or encoder_max_length(source)
    return {f"BERT ({source.name})": (lambda texts: token_ids(tokenizer, texts, limit).lengths, limit)}


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Make the folder, and keep a second run out of it."""
    with output_errors(folder):
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise OptionError(
                "another comparison is running in this folder",
                where=str(folder),
                fix="Wait for it, or choose another --output.",
            ) from error
    try:
        yield
    finally:
        lock.release()


def _own(folder: Path, data_hash: str, splits: Splits) -> None:
    """Refuse a folder that holds a comparison of other data."""
    plan = folder / "plan.json"
    if plan.is_file():
        held = json.loads(plan.read_text()).get("data_hash")
        if held != data_hash:
            raise OptionError(
                "this folder holds a comparison of other rows: the file, its columns or its splits changed",
                where=str(folder),
                fix="Choose another --output (finished trials of the old rows stay valid for the old rows).",
            )


def _examination(splits: Splits, check: DataCheck) -> Examination:
    assert splits.train.labels is not None
    assert splits.test.labels is not None
    labels = sorted(set(splits.train.labels))
    index = {label: position for position, label in enumerate(labels)}
    return Examination(
        labels=labels,
        gold=[index[label] for label in splits.test.labels],
        test_texts=[text[:EXCERPT] for text in splits.test.texts],
        test_ids=splits.test.ids,
        leaked=check.leaked,
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


class _Run:
    """The trials of one comparison, in one folder."""

    def __init__(
        self,
        folder: Path,
        request: Request,
        contenders: list[Contender],
        splits: Splits,
        encoder: EncoderSource | None,
        data_hash: str,
        reporter: Reporter,
        started: float,
    ) -> None:
        from textgraft.tasks.classification import SingleLabelClassification

        assert splits.train.labels is not None
        self.folder = folder
        self.request = request
        self.contenders = {contender.name: contender for contender in contenders}
        self.splits = splits
        self.encoder = encoder
        self.data_hash = data_hash
        self.reporter = reporter
        self.started = started
        self.task: SingleLabelClassification = SingleLabelClassification(sorted(set(splits.train.labels)))
        self.rates: dict[str, Rate] = {}

    def plan(self, sizes: list[int]) -> Plan:
        """Take up the plan of an earlier run with the same request, or measure and make one."""
        from textgraft.comparison.planning import Plan, Rate, Slot, make_plan, probe

        path = self.folder / "plan.json"
        asked = json.loads(json.dumps(vars(self.request)))
        held = json.loads(path.read_text()) if path.is_file() else {}
        if held.get("request") == asked:
            self.rates = {name: Rate(**rate) for name, rate in held["rates"].items()}
            plan = Plan(
                slots=[Slot(**slot) for slot in held["slots"]],
                sizes=held["sizes"],
                seeds=held["seeds"],
                tuning=held["tuning"],
                seconds=held["estimate_seconds"],
                notes=held["notes"],
            )
            self.reporter.note("going on where an earlier run stopped")
        else:
            if held:
                self.reporter.note("other settings than before: finished trials that still fit are kept")
            self.reporter.note("measuring what each contender costs on a few rows")
            sample = self.splits.train.select(range(min(100, len(self.splits.train))))
            job = self._job(sample, self.splits.dev, 0)
            self.rates = {
                name: probe(contender, job, len(self.splits.test))
                for name, contender in self.contenders.items()
            }
            plan = make_plan(self.rates, sizes, self.request.seeds, self.request.tuning, self.request.budget)
            write_json(
                path,
                {
                    "request": asked,
                    "title": Path(self.splits.train.source).name,
                    "source": self.splits.train.source,
                    "command": _command(),
                    "machine": machine(),
                    "data_hash": self.data_hash,
                    "contenders": {
                        name: {
                            "title": contender.title,
                            "grid": [dict(entry) for entry in contender.grid[: plan.tuning]],
                        }
                        for name, contender in self.contenders.items()
                    },
                    "sizes": plan.sizes,
                    "seeds": plan.seeds,
                    "tuning": plan.tuning,
                    "dev_rule": f"a quarter of the training size, at least {DEV_ROWS_AT_LEAST} rows",
                    "estimate_seconds": plan.seconds,
                    "notes": plan.notes,
                    "rates": {name: vars(rate) for name, rate in self.rates.items()},
                    "slots": [vars(slot) for slot in plan.slots],
                },
            )
        self.reporter.plan(plan, self.rates)
        return plan

    def _job(self, train: Dataset, dev: Dataset, seed: int) -> Job:
        request = self.request
        return Job(train, dev, self.task, seed, self.encoder, request.max_length, request.freeze_layers)

    def _rows(self, size: int, seed: int, sizes: list[int]) -> tuple[Dataset, Dataset]:
        """Return the training rows of a size and seed, and the dev rows that such a user would have."""
        train, dev = self.splits.train, self.splits.dev
        assert train.labels is not None
        assert dev.labels is not None
        rows = nested_subsets(train.labels, sizes, seed, train.groups)[size]
        dev_rows = min(len(dev), max(DEV_ROWS_AT_LEAST, size // DEV_FRACTION))
        return train.select(rows), dev.select(nested_subsets(dev.labels, [dev_rows], seed, None)[dev_rows])

    def _setup(self, slot: Slot, plan: Plan, chosen: dict[tuple[str, int], Any]) -> Setup:
        from textgraft.comparison.trials import Setup

        contender = self.contenders[slot.contender]
        settings = chosen.get((slot.contender, slot.size))
        return Setup(
            contender=contender,
            job=self._job(*self._rows(slot.size, slot.seed, plan.sizes), slot.seed),
            test=self.splits.test,
            size=slot.size,
            settings=(settings,) if settings is not None else contender.grid[: plan.tuning],
            data_hash=self.data_hash,
        )

    def trials(self, plan: Plan) -> None:
        """Run every planned trial that has no result yet."""
        from textgraft.comparison.trials import run_trial, save_if_best

        chosen: dict[tuple[str, int], Any] = {}
        done: dict[str, str] = {}
        finished = {trial.id: trial for trial in load_trials(self.folder)}
        spent = sum(trial.cost.training_seconds + trial.cost.tuning_seconds for trial in finished.values())
        deadline = None if self.request.budget is None else self.started + self.request.budget - spent
        for position, slot in enumerate(plan.slots):
            setup = self._setup(slot, plan, chosen)
            trial = finished.get(setup.id)
            remaining = self._remaining(plan, position)
            if trial is None:
                seconds = self._allowance(plan, position, deadline)
                if seconds is not None and seconds <= 0:
                    self.reporter.note(f"out of time: {len(plan.slots) - position} trials are left out")
                    break
                self.reporter.trial_started(slot, position, len(plan.slots), remaining)
                setup = replace(
                    setup, job=replace(setup.job, max_seconds=seconds, on_step=self.reporter.step)
                )
                start = time.perf_counter()
                trial, attempt = run_trial(setup, self.reporter.setting)
                if slot.size == plan.sizes[-1]:
                    save_if_best(self.folder / "models" / slot.contender, setup, trial, attempt)
                save_struct(self.folder / "trials" / f"{trial.id}.json", trial)
                self.rates[slot.contender].observe(
                    plan.estimate(slot, self.rates), time.perf_counter() - start
                )
                self.reporter.trial_finished(trial)
            chosen.setdefault((slot.contender, slot.size), trial.settings)
            done[f"{slot.contender}/{slot.size}/{slot.seed}"] = trial.id
        # The report is drawn from these trials alone, whatever an earlier plan left in the folder.
        path = self.folder / "plan.json"
        write_json(path, {**json.loads(path.read_text()), "trials": done})

    def _remaining(self, plan: Plan, position: int) -> float:
        return sum(plan.estimate(slot, self.rates) for slot in plan.slots[position:])

    def _allowance(self, plan: Plan, position: int, deadline: float | None) -> float | None:
        """Return the seconds that this trial may take.

        While there is time to spare, that is its estimate and all the spare time: an estimate that was too
        low must not cut a contender short. When time is scarce, it is the trial's share of the work left.
        """
        if deadline is None:
            return None
        left = deadline - time.perf_counter()
        own = plan.estimate(plan.slots[position], self.rates)
        work = self._remaining(plan, position)
        return own + left - work if left > work else left * own / work

    def conclude(self, examination: Examination, preferences: Preferences) -> Comparison:
        """Judge the trials of the plan, draw the report and put the winner into ``best/``."""
        from textgraft.comparison.report import write_report
        from textgraft.comparison.verdict import judge

        planned = set(json.loads((self.folder / "plan.json").read_text())["trials"].values())
        trials = [trial for trial in load_trials(self.folder) if trial.id in planned]
        if not trials:
            raise DataError("no trial was finished", where=str(self.folder), fix="Give a larger --budget.")
        verdict = judge(trials, examination, preferences=preferences)
        save_struct(self.folder / "comparison.json", verdict)
        write_report(self.folder)
        self._hand_over(verdict.pick)
        comparison = Comparison(self.folder, verdict, trials)
        self.reporter.finished(comparison, time.perf_counter() - self.started)
        return comparison

    def _hand_over(self, pick: str | None) -> None:
        """Put the picked contender's model into ``best/``; where limits leave no pick, leave none there."""
        best = self.folder / "best"
        if pick is None:
            shutil.rmtree(best, ignore_errors=True)
            return
        with atomic_folder(best) as folder:
            shutil.copytree(self.folder / "models" / pick, folder, dirs_exist_ok=True)
