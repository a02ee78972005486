"""From model directories and labelled rows to a chain that is a model directory itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, as_source
from textgraft.errors import OptionError
from textgraft.evaluation.cascades import find_least
from textgraft.evaluation.conformal import Nonconformity
from textgraft.evaluation.promises import Target
from textgraft.evaluation.selective import find_threshold
from textgraft.files import as_path, refuse_to_replace
from textgraft.inference.cascading.card import cascade_card
from textgraft.inference.cascading.cascaded import CascadePredictor, Part
from textgraft.inference.cascading.making import (
    FEWEST,
    TASK,
    Given,
    given_parts,
    halves,
    joint_fingerprint,
)
from textgraft.inference.cascading.measuring import Timed, scores_beside, timed
from textgraft.inference.cascading.record import Cascade, PartFigures
from textgraft.inference.cascading.steps import CONTENDER
from textgraft.inference.engines.open import check_engine
from textgraft.inference.model_rows import read_for_model
from textgraft.inference.unseen import unseen_rows
from textgraft.models.fingerprint import load_fingerprint
from textgraft.models.manifest import MANIFEST, Manifest
from textgraft.settings import flag, real_number
from textgraft.tasks.registry import task_class
from textgraft.wording import counted

TOLERANCE = 0.02
Progress = Callable[[int, int], None]
"""Told of the rows that are done, and of all that are to do."""


def cascade(
    models: Sequence[str | Path],
    source: Rows,
    output: str | Path,
    *,
    labels: Iterable[Any] | None = None,
    tolerance: float = TOLERANCE,
    precision: float | None = None,
    error_cost: float | None = None,
    review_cost: float | None = None,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    engine: str = "auto",
    overwrite: bool = False,
    note: Callable[[str], None] = lambda line: None,
    on_progress: Progress = lambda done, total: None,
) -> Cascade:
    """Make a chain of models: each answers where it is sure enough, the last one the rest.

    How sure that is, one half of the rows decides, so that with 95% confidence the chain answers at most
    ``tolerance`` of all texts fewer rightly than its last model alone. On the other half all figures are
    measured.

    Args:
        models: Model directories that give a text one of the same labels; the cheapest first.
        source: Labelled rows like those to come, as :func:`textgraft.threshold` takes them. Those that a part
            learned from are left out; its dev rows may be among them.
        output: The model directory to write. It holds copies of the parts.
        labels: The label of each row, where no column holds it.
        tolerance: Share of all texts, as 0.02.
        precision: How many of the chain's answers are to be right at least, as 0.97; less sure ones are for a
            person, as with :func:`textgraft.threshold`. The rows that measure decide it.
        error_cost: In place of it, what a wrong answer costs, and
        review_cost: what a person's answer costs.
        text: Text columns; those the models were trained with if left out.
        label: Label column; likewise.
        id_column: Column that names rows.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        overwrite: Whether a model that stands at ``output`` may be replaced.
        note: Told what the user should know of the rows.
        on_progress: Told how far it has come.

    Returns:
        What each part and the chain score and cost. Where no threshold keeps the tolerance, the chain is its
        last model alone, and says so.

    Raises:
        DataError: The rows cannot be read, hold a label that the models do not know, or are too few.
        ModelError: A model directory is missing or damaged.
        OptionError: The models do not fit together, or an option is wrong.
        OutputError: Something stands at ``output``, or it cannot be written.
    """
    flag(overwrite, "overwrite")
    tolerance = real_number(tolerance, "--tolerance")
    if not 0 < tolerance < 1:
        raise OptionError(
            f"{tolerance:g} is no share of texts to give up",
            where="--tolerance",
            fix="Give a number between 0 and 1, as 0.02.",
        )
    check_engine(engine, "--engine")
    target = Target.of(precision, error_cost, review_cost)
    given = given_parts(models)
    output = as_path(output, "output")
    _check_output(output, given, overwrite=overwrite)
    rows = read_for_model(
        task_class(TASK),
        given[-1].manifest,
        as_source(source, labels, labelled=True),
        text=text,
        label=label,
        id_column=id_column,
    )
    if rows.rejected:
        note(f"{counted(len(rows.rejected), 'row')} cannot be used; the first: {rows.rejected[0].reason}")
    fingerprints = [load_fingerprint(part.path) for part in given]
    named = list(zip([part.name for part in given], fingerprints, strict=True))
    rows = unseen_rows(rows, named, note, fewest=FEWEST)
    choosing, measuring = halves(rows)

    # torch takes seconds to load: only once the rows are known to be usable.
    from textgraft.inference.predictor import load
    from textgraft.inference.thresholds import with_threshold

    parts = [Part(part.name, load(part.path, engine=engine), None) for part in given]
    task = parts[-1].predictor.task
    chosen_gold, gold = task.targets(choosing), task.targets(measuring)
    advance = _counted(on_progress, len(parts) * len(rows) + len(measuring))
    found = [task.graded(chosen_gold, part.predictor.predict_rows(choosing, advance)) for part in parts]
    confidences = np.stack([scores[:, 0] for scores, _ in found[:-1]])
    least = find_least(confidences, np.stack([right[:, 0] for _, right in found]), tolerance)
    alone = [timed(part.predictor, measuring, advance) for part in parts]
    if least is None:
        chain = CascadePredictor(parts[-1:])
    else:
        chain = CascadePredictor([*(Part(p.name, p.predictor, least) for p in parts[:-1]), parts[-1]])
    together = timed(chain, measuring, advance)
    threshold = None if target is None else find_threshold(*task.graded(gold, together.predictions), target)
    answered = [one.part for one in together.predictions]
    figures = _figures(task, gold, [*alone, together], given, answered)
    result = Cascade(
        folder=str(output),
        task=task.name,
        metric=task.main_metric,
        title=task.title(task.main_metric),
        parts=figures[:-1],
        chain=figures[-1],
        least=least,
        tolerance=tolerance,
        chosen_on=len(choosing),
        measured_on=len(measuring),
        threshold=threshold,
    )
    manifest = _manifest(result, chain, (together, gold), rows, given)
    kept = fingerprints[-len(chain.parts) :]
    card = with_threshold(cascade_card(manifest, result), threshold)
    chain.save(output, manifest, card, joint_fingerprint(kept, rows))
    return result


def _check_output(output: Path, given: Sequence[Given], *, overwrite: bool) -> None:
    """Refuse to write where something stands, or over a part, before any work is done."""
    for part in given:
        own, place = part.path.resolve(), output.resolve()
        if own == place or own.is_relative_to(place) or place.is_relative_to(own):
            raise OptionError(
                f"the part {part.path} stands there",
                where=f"--output {output}",
                fix="Write the cascade to a folder beside its parts.",
            )
    refuse_to_replace(output, overwrite=overwrite, mark=MANIFEST)


def _counted(on_progress: Progress, total: int) -> Callable[[int], None]:
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        on_progress(done, total)

    return advance


def _figures(
    task: Any, gold: Sequence[int], models: Sequence[Timed], given: Sequence[Given], answered: Sequence[str]
) -> list[PartFigures]:
    """Put together what each part and, at the end, the chain scored and took.

    Args:
        task: Theirs.
        gold: Of the rows that measure.
        models: What each predicted of these.
        given: The parts.
        answered: Name of the part that answered each row in the chain.
    """
    answers = [[one.answer for one in model.predictions] for model in models]
    scores = scores_beside(task, gold, answers, reference=len(given) - 1)
    named = [(part.name, str(part.path), answered.count(part.name) / len(gold)) for part in given]
    return [
        PartFigures(
            name=name,
            source=source,
            score=score,
            difference=difference,
            milliseconds=model.milliseconds,
            processor_milliseconds=model.processor_milliseconds,
            answered=share,
        )
        for (name, source, share), model, (score, difference) in zip(
            [*named, (CONTENDER, "", 1.0)], models, scores, strict=True
        )
    ]


def _manifest(
    found: Cascade,
    chain: CascadePredictor,
    measured: tuple[Timed, Sequence[int]],
    rows: Dataset,
    given: Sequence[Given],
) -> Manifest:
    """Write down what textgraft.json holds of a chain.

    Args:
        found: How it was chosen, and what it was measured to be.
        chain: The chain.
        measured: Its predictions on the rows that measure, and their targets.
        rows: All that it was made on.
        given: The parts.
    """
    from textgraft.models.directory import library_versions

    timings, gold = measured
    task, last = chain.task, given[-1].manifest
    answers = [one.answer for one in timings.predictions]
    probabilities = [one.probabilities for one in timings.predictions]
    return Manifest(
        task=task.name,
        task_settings=task.settings(),
        contender=CONTENDER,
        text_columns=last.text_columns,
        label_column=last.label_column,
        max_length=chain.max_length,
        temperature=1.0,
        data_source=Path(rows.source).name,
        data_hash=rows.hash,
        training={
            "rows": found.chosen_on,
            "settings": {"tolerance": found.tolerance},
            "parts": {part.name: part.manifest.identity for part in given[-len(chain.parts) :]},
        },
        metrics=task.metrics(gold, answers),
        dev_score=found.chain.score.value,
        golden=[],  # the parts have theirs; of the chain a text near the threshold may change hands
        threshold=found.threshold,
        nonconformity=Nonconformity.of(probabilities, gold),
        doubt=Nonconformity.of(probabilities, answers),
        versions=library_versions(),
    )
