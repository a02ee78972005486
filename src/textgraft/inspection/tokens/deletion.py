"""Do the words that are said to carry an answer carry it? Leave them out, and as many others at random.

The probability of the model's own answer falls when words are left out. If an attribution is right, it falls
further for the words that it ranks first than for as many random ones: the comprehensiveness of DeYoung et
al. 2020 ("ERASER", section 4.2), with chance beside it. For occlusion the first word is the best one by
construction; from the second word on it is not, since words were left out one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from textgraft.errors import DataError
from textgraft.evaluation.intervals import LEVEL, Estimate
from textgraft.inspection.figures import lines
from textgraft.inspection.page import Page, Result, Section, Table
from textgraft.inspection.tokens.attribution import Explainer, without, words_of
from textgraft.wording import score, signed

if TYPE_CHECKING:
    from textgraft.data.dataset import Dataset
    from textgraft.inference.row_predictor import RowPredictor

FRACTIONS = (0.1, 0.2, 0.3, 0.5)
"""Of the words of a text that are left out, at least one."""
ORDERS = 5
"""Random orders that chance is the mean of, a text."""
ROWS = 50
FEWEST_ROWS, FEWEST_WORDS, MOST_WORDS = 10, 4, 128


class Drop(msgspec.Struct, frozen=True):
    """How far the probability falls when a fraction of the words is left out."""

    method: str
    fraction: float | None
    """None: the mean over all fractions."""
    ranked: Estimate
    """When the words are those that the method ranks first."""
    random: Estimate
    difference: Estimate
    """Of the two, paired text by text."""


class DeletionTest(Result, frozen=True, kw_only=True):
    """Attributions against chance, over many texts."""

    model: str
    source: str
    rows: int
    skipped: int
    """Texts of fewer than four words or more than 128."""
    drops: list[Drop]
    notes: list[str] = msgspec.field(default_factory=list)

    def page(self) -> Page:
        """Draw the fall of the probability."""
        methods = list(dict.fromkeys(drop.method for drop in self.drops))
        by = {(drop.method, drop.fraction): drop for drop in self.drops}
        percent = [100 * fraction for fraction in FRACTIONS]
        series = {
            f"{method.replace('-', ' ')}, first words": (
                percent,
                [by[method, fraction].ranked.value for fraction in FRACTIONS],
            )
            for method in methods
        }
        series["as many at random"] = (percent, [by[methods[0], one].random.value for one in FRACTIONS])
        rows = [
            [
                drop.method.replace("-", " "),
                "mean" if drop.fraction is None else f"{drop.fraction:.0%}",
                _told(drop.ranked),
                _told(drop.random),
                _signed(drop.difference),
            ]
            for drop in self.drops
        ]
        columns = ["method", "words left out", "fall, ranked first", "fall, at random", "difference"]
        means = [by[method, None] for method in methods]
        findings = [*self.notes, *map(_sentence, means)]
        shown = [drop for drop in means if drop.difference.low > 0]
        headline = (
            f"{len(shown)} of {len(means)} ways to attribute find words that carry answers better than chance"
            if means
            else ""
        )
        section = Section(
            "Leaving words out",
            "How far the probability of the model's own answer falls, mean over texts, with 95% intervals.",
            plot="drops",
            table=Table(columns, rows, 2),
        )
        figure = lines(
            series, "% of the words left out", "fall of the probability", dashes={"as many at random": "dot"}
        )
        meta = f"{self.model} · {self.rows:,} texts" + (f", {self.skipped:,} skipped" if self.skipped else "")
        return Page("tokens", self.source, meta, headline, findings, [section], {"drops": figure})


def _told(estimate: Estimate) -> str:
    return f"{score(estimate.value)} ({score(estimate.low)} to {score(estimate.high)})"


def _signed(estimate: Estimate) -> str:
    return f"{signed(estimate.value)} ({signed(estimate.low)} to {signed(estimate.high)})"


def _sentence(drop: Drop) -> str:
    name = drop.method.replace("-", " ")
    verdict = "they carry it" if drop.difference.low > 0 else "no more than chance"
    return (
        f"The words that {name} ranks first: without them the probability falls by "
        f"{score(drop.ranked.value)}, without as many others by {score(drop.random.value)}; difference "
        f"{_signed(drop.difference)}: {verdict}."
    )


def mean_interval(values: NDArray[np.float64]) -> Estimate:
    """Return the mean of values with its 95% interval by Student's t, [values]."""
    mean = float(values.mean())
    reach = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return Estimate(mean, mean - reach, mean + reach)


def deletion_test(
    model: str | Path | RowPredictor,
    source: str | Path | Dataset,
    *,
    text: list[str] | None = None,
    rows: int = ROWS,
    method: str | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> DeletionTest:
    """Leave out the words that carry the answers, and as many at random, and compare.

    Args:
        model: A model directory, the name of a graft that comes with textgraft, or a loaded model.
        source: A file of texts, or a data set; its labels are not looked at.
        text: Text columns; those the model was trained with if left out.
        rows: How many of the texts are taken, at random.
        method: As for :func:`~textgraft.inspection.tokens.attribution.token_attributions`.
        seed: Fixes which texts are taken, and the random words.
        on_progress: Called with how many of how many texts are attributed.

    Raises:
        DataError: Fewer than ten texts have 4 to 128 words.
        OptionError: The model is no classifier, or the method cannot look into it.
        MissingExtraError: captum is not installed.
    """
    explainer = Explainer(model, method)
    methods = explainer.methods
    texts, name = _texts(explainer, source, text)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(texts))
    long = [texts[at] for at in order if FEWEST_WORDS <= len(words_of(texts[at])) <= MOST_WORDS]
    chosen = long[:rows]
    if len(chosen) < FEWEST_ROWS:
        raise DataError(
            f"{len(chosen)} texts of {FEWEST_WORDS} to {MOST_WORDS} words are too few to be told from chance",
            where=name,
            fix=f"Give {FEWEST_ROWS} or more.",
        )
    whole = explainer.probabilities(chosen)
    labels = whole.argmax(axis=1)
    falls: dict[str, NDArray[np.float64]] = {}
    rankings: dict[str, list[NDArray[np.int64]]] = {each: [] for each in methods}
    for at, (one, label) in enumerate(zip(chosen, labels, strict=True)):
        for each in methods:
            scores = np.array(explainer.attribute(one, int(label), each).scores)
            rankings[each].append(np.argsort(-scores, kind="stable"))
        if on_progress is not None:
            on_progress(at + 1, len(chosen))
    before = whole[np.arange(len(chosen)), labels]
    for each in methods:
        falls[each] = _falls(explainer, chosen, labels, before, rankings[each])
    by_chance = np.mean(
        [
            _falls(
                explainer,
                chosen,
                labels,
                before,
                [generator.permutation(len(words_of(one))) for one in chosen],
            )
            for _ in range(ORDERS)
        ],
        axis=0,
    )
    places: list[tuple[slice, float | None]] = [
        *((slice(at, at + 1), fraction) for at, fraction in enumerate(FRACTIONS)),
        (slice(None), None),
    ]
    drops = []
    for each in methods:
        for place, fraction in places:
            ranked, random = (values[:, place].mean(axis=1) for values in (falls[each], by_chance))
            drops.append(Drop(each, fraction, *map(mean_interval, (ranked, random, ranked - random))))
    return DeletionTest(
        model=explainer.name,
        source=name,
        rows=len(chosen),
        skipped=len(texts) - len(long),
        drops=drops,
        notes=explainer.notes,
    )


def _texts(
    explainer: Explainer, source: str | Path | Dataset, text: list[str] | None
) -> tuple[list[str], str]:
    from textgraft.data.dataset import Dataset

    if isinstance(source, Dataset):
        return list(source.texts), source.source
    manifest = explainer.predictor.manifest
    tabular = manifest is not None and manifest.label_column is not None
    named = text or (manifest.text_columns if manifest and tabular else None)
    rows = explainer.predictor.task.read(source, text=named, labelled=False)
    return list(rows.texts), str(source)


def _falls(
    explainer: Explainer,
    texts: Sequence[str],
    labels: NDArray[np.int64],
    before: NDArray[np.float64],
    rankings: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Return how far the probability of each text's label falls, [texts, fractions].

    Args:
        explainer: Asks the model.
        texts: The texts.
        labels: Place of the label of each.
        before: Its probability as the text stands.
        rankings: The places of each text's words, those that are left out first before the others.
    """
    shortened = []
    for text, ranking in zip(texts, rankings, strict=True):
        words = words_of(text)
        for fraction in FRACTIONS:
            removed = np.zeros(len(words), dtype=bool)
            removed[ranking[: max(1, round(fraction * len(words)))]] = True
            shortened.append(without(text, words, removed.tolist()))
    found = explainer.probabilities(shortened).reshape(len(texts), len(FRACTIONS), -1)
    after = found[np.arange(len(texts)), :, labels]
    fall: NDArray[np.float64] = before[:, None] - after
    return fall
