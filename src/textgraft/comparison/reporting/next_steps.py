"""What to do after a comparison, drawn from what it knows: label, mend, watch, hand over to people."""

from __future__ import annotations

import operator
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textgraft import wording
from textgraft.comparison.contenders.registry import ON, contender_named, has_fixed_sizes, is_floor
from textgraft.comparison.records.plan import ComparisonPlan
from textgraft.comparison.records.trials import TestSet, Trial, task_of
from textgraft.comparison.records.verdict import NOTICEABLE, Verdict
from textgraft.data.slicing import name_slices, number_slices
from textgraft.evaluation.slices import score_slices, worst_slice
from textgraft.review.answers import KINDS
from textgraft.tasks.base import Task
from textgraft.tasks.text.label_names import codes_note, label_codes

SURE = 0.8
"""Mean confidence from which on contenders that agree against a label make it suspect."""
NAMED = 5
"""Suspect rows that are named."""
TO_PEOPLE = 0.1
"""Share of the rows that people are offered: those that the model is least sure of."""
LEAST_ERRORS = 10
"""Wrong answers from which on it is told how many of them these rows hold."""
MOST_PROMISED = 0.95
"""Of the precision that a threshold is suggested for."""
WORTH_LABELLING = 0.02
"""Gain from which on people are asked for twice as many labels, certain or not: it is a lot of work."""
MORE_TIME = 4
"""Times the budget that did for one contender alone."""
_CHOSEN = ("classification", "pairs")
"""Tasks whose rows label-next chooses and a review takes."""
_UNNAMED = "rows.csv"
"""Stands for rows that were given in Python and are in no file."""
_SUFFIXES = (".tsv", ".jsonl", ".json", ".parquet", ".xlsx", ".ods", ".conll", ".txt")
"""Of the user's file, which others of its kind are called by; any other is a .csv."""
_COLUMN_OPTIONS = {"--text": "--text", "-t": "--text", "--label": "--label", "-l": "--label", "--id": "--id"}


class NextStep(NamedTuple):
    """One thing to do, and how."""

    what: str
    """In a sentence or two, with the figures that speak for it."""
    command: str
    """What to type."""


class _Known(NamedTuple):
    """What a comparison knows."""

    folder: Path
    plan: ComparisonPlan
    test_set: TestSet
    judged: Sequence[Trial]
    """Those that contenders are judged by."""
    verdict: Verdict
    task: Task

    @property
    def best(self) -> str:
        """The picked model, as it is typed."""
        return shlex.quote(str(self.folder / "best"))

    def file(self, name: str) -> str:
        """Return a file of the kind of the user's own, as it is typed."""
        suffix = Path(self.plan.source).suffix.lower()
        return name + (suffix if suffix in _SUFFIXES else ".csv")

    @property
    def pick(self) -> list[Trial]:
        """The trials of the pick."""
        return [trial for trial in self.judged if trial.contender == self.verdict.pick]


def next_steps(
    folder: Path, plan: ComparisonPlan, test_set: TestSet, trials: Sequence[Trial], verdict: Verdict
) -> list[NextStep]:
    """Return what to do next, one thing at least; nothing is said that the figures do not speak for.

    Args:
        folder: Of the comparison.
        plan: Its plan.
        test_set: What the trials were judged on.
        trials: Finished trials.
        verdict: Their verdict.
    """
    judged = [trial for trial in trials if verdict.is_judged(trial)]
    known = _Known(folder, plan, test_set, judged, verdict, task_of(test_set))
    parts = (_give_time, _label, _mend, _watch, _hand_over, _describe)
    steps = [step for part in parts for step in part(known)]
    return steps or [_go_on(known)]


def _go_on(known: _Known) -> NextStep:
    """Say what to do where no figure speaks for anything else."""
    if known.verdict.pick is None:
        return NextStep(
            "Loosen the limits, or add rows to the file: no contender keeps them. Then compare again:",
            known.plan.command,
        )
    new = known.file("new")
    return NextStep(
        "Use it: nothing speaks for mending labels, for more rows or for watching a part of them. Have "
        f"{known.verdict.pick} answer new rows, and see on rows labelled since whether it still does well:",
        f"textgraft predict {known.best} {new} && textgraft evaluate {known.best} {known.file('labelled')}",
    )


def _give_time(known: _Known) -> Iterator[NextStep]:
    """Say which budget lets others be measured where a contender was compared with no other."""
    learned = {trial.contender for trial in known.judged if not is_floor(trial.contender)}
    missing = {one.contender for one in known.plan.plan.left_out} - learned
    budget = known.plan.request.budget
    if len(learned) > 1 or not missing or budget is None:
        return
    waiting = [name for name in known.plan.programmes if name in missing]
    more = f"{max(2, round(MORE_TIME * budget / 60))}m"
    yield NextStep(
        f"Give it more time: for want of it {wording.listing(waiting)} "
        f"{'was' if len(waiting) == 1 else 'were'} not measured, so nothing was compared. What is measured "
        "is not measured again:",
        _with_budget(known.plan.command, more),
    )


def _with_budget(command: str, budget: str) -> str:
    """Return how a comparison was called, with another budget."""
    if command.endswith("(…)"):  # from Python
        return command.replace("…", f'…, budget="{budget}"')
    given, wanted = re.compile(r"--budget[ =]\S+"), f"--budget {budget}"
    return given.sub(wanted, command) if given.search(command) else f"{command} {wanted}"


def _mend(known: _Known) -> Iterator[NextStep]:
    """Name test rows that all contenders answer alike, surely, and otherwise than they are labelled."""
    if not known.task.answer_fields:
        return  # no score says how sure a whole answer is
    suspects = suspect_rows(known.judged, known.test_set.gold, known.task.is_right)
    if not suspects:
        return
    named = [known.test_set.test_ids[row] for row in suspects[:NAMED]]
    more = f" and {len(suspects) - NAMED:,} more" if len(suspects) > NAMED else ""
    where = f"{_numbering(known)} {wording.listing(named) if not more else ', '.join(named) + more}"
    rows = "test row is" if len(suspects) == 1 else "test rows are"
    how = "Look for such rows among all of them:"
    command = f"textgraft label-errors {_source(known.plan)} --review reviews.db"
    if known.task.name != "classification":
        if known.verdict.pick is None:
            return
        how = "See the surest errors in any file of labelled rows:"
        command = f"textgraft evaluate {known.best} {known.file('labelled')} --report evaluation.html"
    yield NextStep(
        f"Mend labels: {len(suspects):,} {rows} labelled otherwise than every contender answers, alike and "
        f"surely ({where}). {how}",
        command,
    )


def _numbering(known: _Known) -> str:
    """Return what the test rows are called by: the lines of a file, or names and numbers of rows."""
    reading = known.test_set.check.get("reading") or {}
    has_names = "--id" in known.plan.command.split()
    return "row" if has_names else str(reading.get("numbering", "row"))


def suspect_rows(
    trials: Sequence[Trial], gold: Sequence[Any], is_right: Callable[[Any, Any], bool] = operator.eq
) -> list[int]:
    """Return the rows whose label is suspect, the surest first.

    Args:
        trials: Of at least two contenders that read the text.
        gold: The label of each row, or what else its target is.
        is_right: Takes a target and an answer.
    """
    readers = [trial for trial in trials if not is_floor(trial.contender)]
    if len({trial.contender for trial in readers}) < 2:
        return []
    first, *others = [trial.predicted for trial in readers]
    # Each contender counts alike, however many seeds it has.
    counts = Counter(trial.contender for trial in readers)
    weights = np.array([1 / counts[trial.contender] for trial in readers])
    confidence: NDArray[np.float64] = np.average(
        [trial.confidence for trial in readers], axis=0, weights=weights
    )
    found = np.array(
        [
            row
            for row in np.flatnonzero(confidence >= SURE).tolist()
            if all(answers[row] == first[row] for answers in others) and not is_right(gold[row], first[row])
        ],
        dtype=np.int64,
    )
    return [int(row) for row in found[np.argsort(-confidence[found], kind="stable")]]


def _describe(known: _Known) -> Iterator[NextStep]:
    """Say which labels should be described, where a contender knows them by their names alone."""
    standing = [contender_named(row.contender) for row in known.verdict.standings]
    readers = [entry.name for entry in standing if entry is not None and entry.goes_by_label_names]
    codes = label_codes(known.test_set.labels)
    if readers and codes and known.plan.request.descriptions is None:
        yield NextStep(
            f"Describe labels: {codes_note(readers[0], codes)}:",
            f"textgraft compare {_source(known.plan)} --describe labels.csv",
        )


def _label(known: _Known) -> Iterator[NextStep]:
    """Say how many rows to label, and what that is expected to bring."""
    pick = known.verdict.pick
    if pick is None or has_fixed_sizes(pick):
        return
    curve = next(curve for curve in known.verdict.curves if curve.contender == pick)
    worth = [one for one in curve.forecasts if curve.has_room and one.gain.value >= NOTICEABLE]
    if not worth:
        return
    forecast, have = worth[0], curve.points[-1].size
    gain = f"{wording.signed(forecast.gain.value)} ({wording.signed(forecast.gain.low)} to "
    gain += f"{wording.signed(forecast.gain.high)})"
    rows = known.verdict.train_rows
    if have < rows:
        whole = f"textgraft train {_source(known.plan)} --contender {pick} --output model"
        yield NextStep(
            f"Have {pick} learn from all {wording.count(rows)} rows, where it had {wording.count(have)}: "
            f"{wording.count(forecast.labels)} are expected to add {gain} to its {known.verdict.metric}:",
            # An encoder of its own has a name here that no other command knows.
            known.plan.command if ON in pick else whole,
        )
        return
    if forecast.gain.value < WORTH_LABELLING and forecast.gain.low <= NOTICEABLE:
        return
    how, command = _labelling(known)
    yield NextStep(
        f"Label {wording.count(forecast.labels - have)} rows more: that is expected to add {gain} to "
        f"{pick}'s {known.verdict.metric} if they are drawn at random. {how}:",
        command,
    )


def _labelling(known: _Known) -> tuple[str, str]:
    """Return how rows of a task come by labels, in words and as it is typed."""
    rows = known.file("unlabelled")
    if known.task.name in _CHOSEN:
        how = "Begin with those it is unsure of"
        return how, f"textgraft label-next {known.best} {rows} --count 50 --review reviews.db"
    if known.task.name in KINDS:
        how = "People correct its answers sooner than they begin with none"
        return how, (
            f"textgraft predict {known.best} {rows} && textgraft review import reviews.db "
            f"unlabelled.predictions.csv --rows {rows}"
        )
    return "Add them to the file, and compare again", known.plan.command


def _watch(known: _Known) -> Iterator[NextStep]:
    """Name the label or the length of text at which the pick is worse than elsewhere by more than chance."""
    trials, gold = known.pick, known.test_set.gold
    if not trials:
        return
    quality = np.mean(
        [
            [known.task.is_right(*pair) for pair in zip(gold, trial.predicted, strict=True)]
            for trial in trials
        ],
        axis=0,
    )
    slices = number_slices("words in the text", [len(text.split()) for text in known.test_set.test_texts])
    if all(isinstance(target, int) for target in gold):
        slices += name_slices("label", [known.task.show(target) for target in gold])
    worst = worst_slice(score_slices(quality, slices))
    if worst is None:
        return
    yield NextStep(
        f"Watch {worst.dimension}: {worst.name}, {wording.count(worst.rows)} test rows of which "
        f"{known.verdict.pick} has {worst.quality.value:.0%} right, "
        f"{-100 * worst.difference.value:.0f} points fewer than of the others, which is more than "
        "chance. See which slices are worse on other labelled rows:",
        f"textgraft evaluate {known.best} {known.file('labelled')} --report evaluation.html",
    )


def _hand_over(known: _Known) -> Iterator[NextStep]:
    """Say how many of the wrong answers are among those that the pick is least sure of."""
    if not known.pick or not known.task.answer_fields:
        return
    trial = max(known.pick, key=lambda one: one.dev_score)
    confidence = np.array(trial.confidence)
    wrong = np.array(
        [not known.task.is_right(*pair) for pair in zip(known.test_set.gold, trial.predicted, strict=True)]
    )
    threshold = float(np.floor(100 * np.quantile(confidence, TO_PEOPLE, method="higher")) / 100)
    below = confidence < threshold
    if wrong.sum() < LEAST_ERRORS or not below.any() or wrong[below].mean() <= wrong.mean():
        return
    caught = (
        f"Set a threshold: of the test rows {below.mean():.0%} have a score below {threshold:g}, and "
        f"{int(wrong[below].sum()):,} of the {int(wrong.sum()):,} wrong answers are among them."
    )
    if known.task.name in _CHOSEN:
        new = known.file("new")
        yield NextStep(
            f"{caught} Let people decide such rows (textgraft threshold promises a precision in place of a "
            "score):",
            f"textgraft predict {known.best} {new} && textgraft review import reviews.db "
            f"new.predictions.csv --rows {new} --below {threshold:g}",
        )
        return
    right = 1 - wrong[~below].mean()
    promised = min(MOST_PROMISED, float(np.floor(20 * right) / 20))
    if promised > 0:
        yield NextStep(
            f"{caught} Of the others {right:.0%} are right. Have it answer only what keeps a precision:",
            f"textgraft threshold {known.best} {known.file('labelled')} --precision {promised:g}",
        )


def _source(plan: ComparisonPlan) -> str:
    """Return the user's file, with the columns that were named, as they are typed."""
    try:
        words = shlex.split(plan.command)
    except ValueError:
        words = []
    options = []
    for word, value in pairwise(words):
        if word in _COLUMN_OPTIONS:
            options += [_COLUMN_OPTIONS[word], value]
        elif (name := word.partition("=")[0]) in _COLUMN_OPTIONS and "=" in word:
            options += [_COLUMN_OPTIONS[name], word.partition("=")[2]]
    is_given = not Path(plan.source).suffix and not {"/", ":"} & set(plan.source)
    return shlex.join([_UNNAMED if is_given else plan.source, *options])
