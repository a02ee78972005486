"""Score a trained model on a file of labelled rows, and say what lies behind the score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from textgraft.bars import Bar, check_progress, open_bar
from textgraft.data.columns import as_tuple
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, as_source
from textgraft.data.side_columns import side_columns
from textgraft.evaluation.intervals import Scale, Score, left_out_scores, score_interval
from textgraft.files import as_path
from textgraft.inference.evaluating.details import Answered, gather_details
from textgraft.inference.evaluating.record import Evaluation, SeenRows
from textgraft.inference.evaluating.report import write_report
from textgraft.inference.evaluating.robustness import measure_robustness
from textgraft.inference.evaluating.sentences import findings
from textgraft.inference.model_rows import read_for_model
from textgraft.inference.predictor import load
from textgraft.inference.row_predictor import RowPredictor
from textgraft.models.fingerprint import Fingerprint, hashes, load_fingerprint, row_texts
from textgraft.models.shipped import columns_known
from textgraft.reporting.files import refuse_report
from textgraft.settings import flag
from textgraft.tasks.base import Task
from textgraft.tasks.scoring import Scoring
from textgraft.wording import counted


def evaluate(
    model: str | Path | RowPredictor,
    source: Rows,
    labels: Iterable[Any] | None = None,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    offsets: str = "characters",
    report: str | Path | None = None,
    slices: str | Sequence[str] | None = None,
    robustness: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
) -> Evaluation:
    """Predict labelled rows and score the answers.

    Args:
        model: A model directory or what else :func:`textgraft.load` takes, or a loaded one.
        source: A file of the model's task, a DataFrame of pandas or Polars, an Arrow table, a
            ``datasets.Dataset``, a list of dicts, or a list of texts with ``labels``.
        labels: The label of each row, where no column holds it.
        text: Text columns; those the model was trained with if left out.
        label: Label column; likewise.
        id_column: Column that names rows.
        offsets: What the offsets of spans and answers count: "characters", "utf-16" or "utf-8".
        report: A folder for report.html and report.json, or a file that ends in .html, beside which the
            record is written; without one the answers are scored and not looked at further.
        slices: Further columns of the file by which rows are told apart, as "channel,country"; all of them
            if left out.
        robustness: Whether to write the texts otherwise, with typos and nine other faults at three levels,
            and score the answers to these too.
        overwrite: Whether a report that stands there may be replaced.
        progress: Whether a bar is shown; if left out, in notebooks and terminals.

    Raises:
        DataError: The rows cannot be read, or hold a target that the model does not know.
        OptionError: A column does not exist.
        ModelError: The model directory is missing or damaged.
        OutputError: The report cannot be written, or one stands there.
    """
    flag(overwrite, "overwrite")
    flag(robustness, "robustness")
    check_progress(progress)
    named = as_tuple(slices.split(",") if isinstance(slices, str) else slices)
    if report is not None:
        report = as_path(report, "report")
        refuse_report(report, overwrite=overwrite)
    wanted = as_source(source, labels, labelled=True)
    predictor = model if isinstance(model, RowPredictor) else load(model)
    manifest = predictor.manifest
    if manifest is not None and predictor.folder is not None:
        manifest = columns_known(manifest, predictor.folder)
    rows = read_for_model(
        type(predictor.task),
        manifest,
        wanted,
        text=text,
        label=label,
        id_column=id_column,
        offsets=offsets,
    )
    side: Mapping[str, Sequence[Any]] = {}
    if report is not None and not isinstance(wanted, Dataset):
        side = side_columns(wanted, rows, None if slices is None else [name.strip() for name in named])
    task = predictor.task
    gold = task.targets(rows)
    with open_bar(progress) as bar:
        features, decoded = _outputs(predictor, rows, bar)
    answered = Answered(rows, gold, features, decoded, predictor.predictions(features, decoded))
    scores = _scores(task, gold, answered.answers)
    metrics = {name: scores[name] for name in task.metric_names}
    forced = predictor.forced(rows)
    if forced is not None:
        scoring, given = forced
        metrics |= _scores(scoring, [None] * len(rows), given)
    known = task.oracle(features, gold)
    fingerprint = load_fingerprint(predictor.folder) if predictor.folder else None
    evaluation = Evaluation(
        model=str(predictor.folder or predictor.engine),
        contender=manifest.contender if manifest else "",
        source=rows.source,
        task=task.name,
        rows=len(rows),
        skipped=len(rows.rejected),
        metric=task.main_metric,
        metrics=metrics,
        titles={name: task.title(name) for name in metrics},
        signatures=task.signatures(gold),
        oracle=None if known is None else _scores(task, gold, known)[task.main_metric],
        seen=_seen(task, answered, fingerprint) if fingerprint else None,
        details=gather_details(predictor, answered, fingerprint, side) if report is not None else None,
        robustness=measure_robustness(predictor, rows) if robustness else None,
    )
    evaluation = msgspec.structs.replace(evaluation, sentences=findings(evaluation))
    if report is not None:
        write_report(report, evaluation)
    return evaluation


def _outputs(predictor: RowPredictor, rows: Dataset, bar: Bar) -> tuple[list[Any], list[Any]]:
    """Run the model over the rows, and show how far it has come."""
    done = total = 0

    def taken(windows: list[Any]) -> list[Any]:
        nonlocal total
        total = len(windows)
        return windows

    def advance(windows: int) -> None:
        nonlocal done
        done += windows
        bar.update(done, total or None, f"answering {counted(len(rows), 'row')}")

    return predictor.outputs(rows, advance, choose=taken)


def _scores(scoring: Scoring, gold: list[Any], answers: list[Any]) -> dict[str, Score]:
    """Score answers, with intervals over the rows."""
    left_out = left_out_scores(
        lambda given, weights: scoring.weighted_metrics(gold, given, weights), [answers], len(gold)
    )
    evidence = scoring.evidence(gold)
    return {
        name: score_interval(
            [value], left_out[name], evidence.get(name, len(gold)), scoring.scales.get(name, Scale.SHARE)
        )
        for name, value in scoring.metrics(gold, answers).items()
    }


def _seen(task: Task, answered: Answered, fingerprint: Fingerprint) -> SeenRows:
    """Count the rows that the model had to do with before, and score the others."""
    found = hashes(row_texts(answered.rows))
    train = fingerprint.train.holds(found)
    dev = fingerprint.dev.holds(found) & ~train
    rest = np.flatnonzero(~(train | dev)).tolist()
    others = None
    if 1 < len(rest) < len(found):
        answers = answered.answers
        scores = _scores(task, [answered.gold[row] for row in rest], [answers[row] for row in rest])
        others = scores[task.main_metric]
    return SeenRows(train=int(train.sum()), dev=int(dev.sum()), others=others)
