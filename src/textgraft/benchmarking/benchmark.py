"""Run a benchmark: every set that a folder holds, one comparison each, then the table or the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from textgraft.bars import open_bar
from textgraft.benchmarking.claims import CLAIMED_ROWS, SIZES, ClaimsOfSet, judge_claims
from textgraft.benchmarking.claims_page import ClaimsResult, claims_page
from textgraft.benchmarking.finding import FoundSet, find_set
from textgraft.benchmarking.results import BenchmarkResult, SetResult
from textgraft.benchmarking.running import Plan, able, run_set, table_plan
from textgraft.benchmarking.scoring import score_set
from textgraft.benchmarking.sets import Suite
from textgraft.benchmarking.settings import BenchmarkSettings
from textgraft.benchmarking.submission import hidden_rows, predicted_file, write_zip
from textgraft.benchmarking.suites.glue import GLUE
from textgraft.benchmarking.suites.registry import CLAIMS, chosen_sets, suite_named
from textgraft.benchmarking.table_page import table_page
from textgraft.comparison.records.trials import load_test_set
from textgraft.comparison.running.measuring import machine
from textgraft.comparison.running.progress import Reporter, SilentReporter
from textgraft.comparison.running.watching import Told, as_reporter
from textgraft.errors import DataError, OptionError
from textgraft.files import as_path, check_output, output_errors, write_atomic
from textgraft.integrity import write_record
from textgraft.processes import refuse_several_processes
from textgraft.training.training_time import timed_by_processor

Result = BenchmarkResult | ClaimsResult
_CLAIM_SEEDS = 2


def benchmark(
    suite: str,
    data: str | Path,
    *,
    output: str | Path | None = None,
    sets: str | Sequence[str] | None = None,
    contenders: str | Sequence[str] | None = None,
    encoder: str | Path | Sequence[str | Path] = "bundled",
    vectors: str | Path | None = None,
    rows: int | None = None,
    seeds: int | None = None,
    tuning: int = 1,
    budget: float | str | None = None,
    max_length: int | None = None,
    label_seconds: float = 10.0,
    submission: str | Path | None = None,
    overwrite: bool = False,
    reporter: Told | None = None,
    progress: bool | None = None,
) -> Result:
    """Train and score contenders on public sets, and set the figures beside published ones.

    The same call resumes where an earlier one was stopped: finished trials are never run again.

    Args:
        suite: "glue", "squad", "swag", "conll" or "seed-claims".
        data: Folder with a folder for each set, in its published files or as tables; what it lacks is said.
        output: Folder of the comparisons, the page and the figures; ``runs/benchmark-<suite>`` if left out.
        sets: Only these, as "CoLA,RTE".
        contenders: Their names; those of the suite if left out.
        encoder: "bundled", a local directory or a Hub id; or several.
        vectors: File of word vectors that the recurrent contenders begin with.
        rows: Training rows at most; all if left out, and 1,000 for the claims.
        seeds: Repeats, each with its own training rows and random weights; 1 if left out, 2 for the claims.
        tuning: Hyperparameter configurations that each contender may fit.
        budget: Time for each set, in seconds or as "10m".
        max_length: Tokens a text is cut to.
        label_seconds: What it takes a person to label a text, of which the claim on development speaks.
        submission: The .zip file to write for GLUE's server, with the best contender's answers to the rows
            whose labels it alone knows.
        overwrite: Whether a file that stands there may be replaced.
        reporter: A function that is told lines of what goes on, as ``print``, or a reporter.
        progress: Whether a bar is shown; if left out, in notebooks and terminals, unless there is a
            ``reporter``.

    Returns:
        The figures, with ``table()``. Below ``output`` they stand in ``results.json``, and in ``page.md``.

    Raises:
        DataError: The folder holds none of the sets, or a file cannot be read.
        OptionError: An option is unknown or out of range.
        ModelError: The encoder is missing or damaged.
        OutputError: The output folder or the submission cannot be written.
    """
    refuse_several_processes("benchmark")
    settings = BenchmarkSettings.model_validate(
        {
            "data": as_path(data, "data"),
            "output": output,
            "sets": sets,
            "contenders": contenders,
            "encoder": encoder,
            "vectors": vectors,
            "rows": rows,
            "seeds": seeds,
            "tuning": tuning,
            "budget": budget,
            "max_length": max_length,
            "label_seconds": label_seconds,
            "submission": submission,
            "overwrite": overwrite,
        }
    )
    with open_bar(progress if reporter is None else False) as bar:
        return run_benchmark(suite, settings, as_reporter(reporter, bar))


def run_benchmark(suite: str, settings: BenchmarkSettings, reporter: Reporter | None = None) -> Result:
    """Run a benchmark as :func:`benchmark` does, with all choices in one record."""
    wanted, told = suite_named(suite), reporter or SilentReporter()
    _check_submission(wanted, settings)
    found, lacking = _find(wanted, settings, told)
    output = Path(settings.output or Path("runs") / f"benchmark-{wanted.name}")
    with output_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    job = _Job(wanted, settings, output, told, lacking)
    return job.claims(found) if wanted is CLAIMS else job.table(found)


def _check_submission(suite: Suite, settings: BenchmarkSettings) -> None:
    if settings.submission is None:
        return
    if suite is not GLUE:
        raise OptionError(
            f"{suite.title} has no server that takes submissions",
            where="--submission",
            fix=f"Leave it out, or run textgraft benchmark {GLUE.name}.",
        )
    check_output(Path(settings.submission), (".zip",), overwrite=settings.overwrite)


def _find(suite: Suite, settings: BenchmarkSettings, told: Reporter) -> tuple[list[FoundSet], dict[str, str]]:
    """Return the sets that are there, and what is lacking of the others."""
    data = Path(settings.data)
    if not data.is_dir():
        raise DataError("there is no such folder", where=str(data), fix="Give the folder of the sets.")
    names = settings.contenders or suite.contenders.split(",")
    found: list[FoundSet] = []
    lacking: dict[str, str] = {}
    for one in chosen_sets(suite, settings.sets):
        place = find_set(data, one)
        if not able(names, one.task):
            place = f"no contender for the task {one.task} among {', '.join(names)}"
        if isinstance(place, str):
            lacking[one.name] = place
            told.note(f"{one.name}: there is {place}")
        else:
            found.append(place)
    if not found:
        raise DataError(
            f"it holds none of the sets of {suite.title}",
            where=str(data),
            fix=f"Each set has a folder of its own there, as {suite.sets[0].folders[0]}.",
        )
    return found, lacking


@dataclass(frozen=True)
class _Job:
    """A benchmark under way."""

    suite: Suite
    settings: BenchmarkSettings
    output: Path
    told: Reporter
    lacking: Mapping[str, str]

    def table(self, found: Sequence[FoundSet]) -> BenchmarkResult:
        """Fill the table of a suite, and write the submission where one is asked for."""
        plan = table_plan(self.settings, self.suite.contenders)
        results: list[SetResult] = []
        files: dict[str, str] = {}
        result = None
        for one in found:
            self.told.note(f"{one.of.name}: {one.train.name}, scored on {one.test.name}")
            comparison = run_set(one, self.settings, self.output, plan, self.told)
            results += score_set(one, comparison)
            result = self._keep_table(results)
            if self.settings.submission is not None:
                hidden = hidden_rows(one, Path(self.settings.data))
                files |= {name: predicted_file(one, path, comparison.best) for name, path in hidden.items()}
        assert result is not None, "at least one set was found"
        if self.settings.submission is not None:
            self._submit(Path(self.settings.submission), files)
        return result

    def _keep_table(self, results: Sequence[SetResult]) -> BenchmarkResult:
        published = {name for one in results for name in one.published}
        result = BenchmarkResult(
            suite=self.suite.name,
            title=self.suite.title,
            sets=list(results),
            lacking=dict(self.lacking),
            sources={name: where for name, where in self.suite.sources.items() if name in published},
            machine=machine(),
        )
        self._keep(result, table_page(result))
        return result

    def _submit(self, path: Path, files: Mapping[str, str]) -> None:
        wanted = [hidden.file for one in self.suite.sets for hidden in one.hidden]
        missing = [name for name in wanted if name not in files]
        if not files:
            raise DataError(
                "there are no rows without labels to answer",
                where=self.settings.data,
                fix="Put GLUE's test files beside the training files.",
            )
        write_zip(path, files)
        self.told.note(f"submission: {path}, with {', '.join(files)}")
        if missing:
            self.told.note(f"GLUE's server also asks for {', '.join(missing)}, whose test rows are not there")

    def claims(self, found: Sequence[FoundSet]) -> ClaimsResult:
        """Hold the claims on every set."""
        most = self.settings.rows or CLAIMED_ROWS
        sizes = [*(size for size in (*SIZES, CLAIMED_ROWS) if size < most), most]
        names = self.settings.contenders or self.suite.contenders.split(",")
        plan = Plan(names, sizes, self.settings.seeds or _CLAIM_SEEDS)
        results: list[ClaimsOfSet] = []
        result = None
        for one in found:
            self.told.note(f"{one.of.name}: {one.train.name}, scored on {one.test.name}")
            # A dozen sets take an hour: what other programs do in it must not tell contenders apart.
            with timed_by_processor():
                comparison = run_set(one, self.settings, self.output, plan, self.told)
            test_set = load_test_set(comparison.folder)
            results.append(
                judge_claims(one.of.name, comparison.trials, test_set, self.settings.label_seconds)
            )
            result = self._keep_claims(results, plan)
        assert result is not None, "at least one set was found"
        return result

    def _keep_claims(self, results: Sequence[ClaimsOfSet], plan: Plan) -> ClaimsResult:
        result = ClaimsResult(
            sets=list(results),
            lacking=dict(self.lacking),
            encoders=[Path(name).name for name in self.settings.encoder],
            vectors=Path(self.settings.vectors).name if self.settings.vectors else None,
            seeds=plan.seeds,
            tuning=self.settings.tuning,
            label_seconds=self.settings.label_seconds,
            machine=machine(),
        )
        self._keep(result, claims_page(result))
        return result

    def _keep(self, result: msgspec.Struct, page: str) -> None:
        """Write what is known so far: a benchmark that is stopped has it."""
        write_record(self.output / "results.json", result)
        write_atomic(self.output / "page.md", page)
