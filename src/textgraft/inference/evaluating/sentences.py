"""What an evaluation found, in sentences: the same in the terminal and in the report."""

from __future__ import annotations

from textgraft import wording
from textgraft.data.perturbations import PERTURBATIONS
from textgraft.evaluation.confusions import NOTHING
from textgraft.evaluation.intervals import Score
from textgraft.inference.evaluating.record import AtThreshold, Calibration, Details, Evaluation, SeenRows
from textgraft.inference.evaluating.robustness import Robustness


def findings(evaluation: Evaluation) -> list[str]:
    """Return what a reader should know, the gravest first."""
    found = []
    if evaluation.seen is not None and (evaluation.seen.train or evaluation.seen.dev):
        found.append(_seen(evaluation.seen, evaluation))
    if evaluation.oracle is not None:
        found.append(_oracle(evaluation.oracle, evaluation))
    if evaluation.details is not None:
        found += _of_details(evaluation.details)
    if evaluation.robustness is not None:
        found.append(robustness_sentence(evaluation.robustness))
    return found


def _seen(seen: SeenRows, evaluation: Evaluation) -> str:
    rows = wording.count(evaluation.rows)
    if seen.train:
        told = f"{wording.count(seen.train)} of {rows} rows were in the model's training rows"
        if seen.dev:
            told += f", and {wording.count(seen.dev)} in the dev rows that it was chosen on"
    else:
        told = f"{wording.count(seen.dev)} of {rows} rows were in the dev rows that the model was chosen on"
    told += ": their score is not a test."
    if (others := seen.others) is not None:
        title = evaluation.titles.get(evaluation.metric, evaluation.metric)
        told += f" On the other rows {title} is {wording.score(others.value)} ({wording.interval(others)})."
    return told


def _oracle(oracle: Score, evaluation: Evaluation) -> str:
    title = evaluation.titles.get(evaluation.metric, evaluation.metric)
    reached = evaluation.metrics[evaluation.metric].value
    share = f": the model reaches {reached / oracle.value:.0%} of it" if oracle.value else ""
    return (
        "An oracle that knows the targets and takes the sentences that fit them best has "
        f"{title} {wording.score(oracle.value)} ({wording.interval(oracle)}){share}."
    )


def robustness_sentence(robustness: Robustness, name: str = "") -> str:
    """Say what perturbed texts do worst to a model, which may be named."""
    whose = f" of {name}" if name else ""
    worst = robustness.worst
    if worst is None:
        return f"None of the perturbations lowers {robustness.metric}{whose} by more than chance."
    fault = PERTURBATIONS[worst.perturbation].title
    low, high = (wording.signed(end or 0) for end in (worst.change.low, worst.change.high))
    return (
        f"What lowers {robustness.metric}{whose} most is {fault} ({worst.level}): to "
        f"{wording.score(worst.score)} from {wording.score(robustness.clean)} "
        f"({low} to {high} taken by itself)."
    )


def _of_details(details: Details) -> list[str]:
    found = []
    worst = details.worst
    if worst is not None:
        found.append(
            f"The worst slice: {worst.dimension}, {worst.name} ({wording.count(worst.rows)} rows). "
            f"There {details.quality} is {wording.score(worst.quality.value)}, "
            f"{wording.score(-worst.difference.value)} below the other rows "
            f"({wording.signed(worst.difference.low or 0)} to {wording.signed(worst.difference.high or 0)})."
        )
    elif details.slices:
        found.append(
            f"None of {wording.count(len(details.slices))} slices is worse than the other rows by more than "
            "chance."
        )
    if details.calibration is not None:
        found.append(_calibration(details.calibration))
    if details.threshold is not None:
        found.append(_threshold(details.threshold))
    if (curve := details.risk_coverage) is not None and curve.random > 0:
        place = next(at for at, covered in enumerate(curve.coverage) if covered >= 0.8 or covered == 1)
        found.append(
            f"On the surest {curve.coverage[place]:.0%} of the rows {details.quality} is "
            f"{wording.score(1 - curve.risk[place])}, on all {wording.score(1 - curve.random)}."
        )
    if details.confusions:
        found.append(_confusion(details))
    if details.truncated_fraction >= 0.0005:
        found.append(f"{details.truncated_fraction:.1%} of the text lies beyond what the model reads.")
    return found


def _threshold(found: AtThreshold) -> str:
    threshold = found.promised
    promised = f"the promise is {threshold.precision:.1%}, with {threshold.confidence:.0%} confidence"
    if threshold.least is None:
        return f"The model's threshold gives no answer: {promised}."
    if not found.given:
        return f"No answer reaches the model's threshold of {threshold.least:.4f}: {promised}."
    right = f"{found.precision.value:.1%} of these are right ({_percent(found.precision)})"
    return (
        f"The model's threshold of {threshold.least:.4f} lets {found.coverage.value:.0%} of the answers "
        f"through, and {right}: {promised}."
    )


def _percent(estimate: Score) -> str:
    if estimate.low is None or estimate.high is None:
        return "too few for an interval"
    return f"{estimate.low:.1%} to {estimate.high:.1%}"


def _confusion(details: Details) -> str:
    """Say what is confused most; what is missed, or given where nothing is, is no confusion of two labels."""
    first = details.confusions[0]
    times = f"{wording.count(first.rows)} time{'s' if first.rows > 1 else ''}"
    has_nothing = NOTHING not in {one.label for one in details.labels}
    if has_nothing and first.gold == NOTHING:
        return f"Most often {first.predicted!r} is given where nothing is: {times}."
    if has_nothing and first.predicted == NOTHING:
        return f"Most often {first.gold!r} is missed: {times}, {first.share:.0%} of all {first.gold!r}."
    return (
        f"Most often {first.gold!r} is taken for {first.predicted!r}: {times}, "
        f"{first.share:.0%} of all {first.gold!r}."
    )


def _calibration(calibration: Calibration) -> str:
    after = calibration.after
    before = ""
    if calibration.before is not None:
        without = wording.score(calibration.before.error)
        before = f"; without the temperature of {calibration.temperature:.2f} it is {without}"
    verdict = "more than chance" if after.is_off else "no more than chance"
    return (
        f"The calibration error is {wording.score(after.error)}, {verdict} "
        f"(a calibrated model would show {wording.score(after.by_chance)}, "
        f"rarely over {wording.score(after.chance_at_most)}){before}."
    )
