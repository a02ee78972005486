"""Answers before the end: from which score on the rest of a text need not be read, and what that costs.

Each beginning of a text is taken for a model of its own that answers where it is sure enough, and the whole
text for the last one of such a chain; so the threshold is chosen, and its promise held, as that of a cascade
(:mod:`textgraft.evaluation.cascades`): with 95% confidence at most a given share of texts fewer are answered
rightly than after the whole text. One half of the rows chooses, the other measures. The score is kept in
textgraft.json, for streams that are to answer early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft import wording
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Rows, as_source
from textgraft.errors import OptionError
from textgraft.evaluation.cascades import METHOD, fewest_rows, find_least
from textgraft.evaluation.promises import CONFIDENCE, EarlyAnswer, Share
from textgraft.inference.card_section import keep_decision
from textgraft.inference.cascading.making import FEWEST, TASK, halves
from textgraft.inference.model_rows import read_for_model
from textgraft.inference.predictor import Predictor, load
from textgraft.inference.streaming.streams import check_streams
from textgraft.inference.unseen import unseen_rows
from textgraft.models.fingerprint import load_fingerprint
from textgraft.models.recurrent.onward import OnwardReader
from textgraft.models.shipped import own_folder
from textgraft.tables import Table, bullets, page, paragraph
from textgraft.terminal import visible

if TYPE_CHECKING:
    import pandas

TOLERANCE = 0.02
SHOWN = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Scores whose quality and share read are told beside the chosen one."""
BEGINNINGS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of a text after which quality is told."""
BATCH = 64
"""Texts read side by side."""
_TITLE = "## Answers before the end"
_NEVER = -1.0
"""Below every score: a beginning that there is not answers nothing."""


class EarlyPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What answering from one score on came to."""

    least: float | None
    """From which score on a text is answered; None: after the whole text."""
    score: float
    """The task's main metric."""
    right: Share
    """Share of the texts that were answered rightly."""
    read: Share
    """Share of a text that was read, on average over texts."""
    early: Share
    """Share of the texts that were answered before their end."""


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What answering every text after the same share of it came to."""

    read: Share
    """Of a text's tokens, rounded up to whole ones."""
    score: float
    """The task's main metric."""
    right: Share
    """Share of the texts that were answered rightly."""


class EarlyDecisions(msgspec.Struct, frozen=True, kw_only=True):
    """From which score on a text need not be read to its end, and what that costs."""

    metric: str
    title: str
    """How people call the metric."""
    least: Share | None
    """The score, for :meth:`~textgraft.inference.row_predictor.RowPredictor.stream`; None: no score keeps the
    tolerance, and texts are to be read to their end."""
    tolerance: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """Share of all texts by which fewer may be answered rightly than after the whole text."""
    confidence: float = CONFIDENCE
    """With which that is promised."""
    method: str = METHOD
    chosen_on: int
    """Rows that decided the score."""
    measured_on: int
    """Other rows, on which all points were measured."""
    points: list[EarlyPoint]
    """The chosen score first, if there is one; then others, and the whole text last."""
    beginnings: list[Beginning]
    """How quality depends on the share that is read, where it is the same of all texts; measured likewise."""

    def __repr__(self) -> str:
        told = "none" if self.least is None else f"{self.least:.4f}, {self.points[0].read:.0%} of a text read"
        return visible(f"<EarlyDecisions from a score of {told}>")

    def _repr_html_(self) -> str:
        return page(
            paragraph(self.sentence, "lead"),
            self.table().to_html(),
            self.beginnings_table().to_html(),
            bullets([self.finding]),
        )

    def table(self) -> Table:
        """Return a row for each point: what answering from that score on came to."""
        return Table.of(
            [
                {
                    "until": point.least,
                    self.metric: point.score,
                    "right": point.right,
                    "read": point.read,
                    "early": point.early,
                }
                for point in self.points
            ]
        )

    def beginnings_table(self) -> Table:
        """Return a row for each of the beginnings."""
        return Table.of(
            [{"read": each.read, self.metric: each.score, "right": each.right} for each in self.beginnings]
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self.table().to_pandas()

    @property
    def sentence(self) -> str:
        """What was chosen, in words."""
        loss = (
            f"at most {100 * self.tolerance:g} of 100 texts fewer are answered rightly than after all of it"
        )
        if self.least is None:
            few = ""
            if self.chosen_on < (needed := fewest_rows(self.tolerance)):
                few = f"; that takes {needed:,} rows at least, of rows that are then halved"
            return (
                f"no score lets texts be answered before their end, with {self.confidence:.0%} confidence "
                f"that {loss}, on {self.chosen_on:,} rows{few}"
            )
        return (
            f"a text is answered from a score of {self.least:.4f} on; with {self.confidence:.0%} confidence "
            f"{loss} (chosen on {self.chosen_on:,} rows)"
        )

    @property
    def finding(self) -> str:
        """What was measured, in words."""
        whole = self.points[-1]
        told = f"{self.title} {wording.score(whole.score)} after the whole text"
        if self.least is not None:
            chosen = self.points[0]
            told = (
                f"{self.title} {wording.score(chosen.score)} after {chosen.read:.0%} of a text, {told}; "
                f"{chosen.early:.0%} of the texts are answered before their end"
            )
        return f"on {self.measured_on:,} other rows: {told}"


@dataclass(frozen=True)
class Trace:
    """What a model says after every token of some texts."""

    scores: NDArray[np.float64]
    """Of the likeliest label, [tokens, texts]; below 0 where a text has no such token."""
    answers: NDArray[np.int64]
    """The likeliest label, likewise."""
    lengths: NDArray[np.int64]
    """Tokens of each text."""

    @property
    def whole(self) -> NDArray[np.int64]:
        """The answer after the whole text, [texts]."""
        return self.answers[self.lengths - 1, np.arange(len(self.lengths))]

    def at(self, least: float | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the answers where texts are answered from a score on, and how many tokens were read then."""
        if least is None:
            return self.whole, self.lengths
        sure = self.scores >= least
        first = np.where(sure.any(axis=0), sure.argmax(axis=0), self.lengths - 1)
        return self.answers[first, np.arange(len(first))], first + 1

    def after(self, share: float) -> NDArray[np.int64]:
        """Return the answers after the same share of every text, of its tokens rounded up, [texts]."""
        last = np.ceil(np.round(share * self.lengths, 9)).astype(np.int64) - 1
        return self.answers[last, np.arange(len(last))]


def early_decisions(
    model: str | Path | Predictor,
    source: Rows,
    *,
    labels: Iterable[Any] | None = None,
    tolerance: float = TOLERANCE,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> EarlyDecisions:
    """Find from which score on a stream may answer before a text's end, and keep it in the model directory.

    ``model.stream(answer_early=True)`` and ``textgraft stream MODEL --answer-early`` heed what is kept. Where
    no score keeps the tolerance, none is kept, and one that was is taken away.

    Args:
        model: A model directory of a recurrent classifier that reads to the right alone; or a loaded one, of
            which nothing is kept.
        source: Labelled rows like those to come, as :func:`textgraft.threshold` takes them. Those that the
            model learned from are left out.
        labels: The label of each row, where no column holds it.
        tolerance: Share of all texts by which fewer may be answered rightly, as 0.02.
        text: Text columns; those the model was trained with if left out.
        label: Label column; likewise.
        note: Told what the user should know of the rows.

    Returns:
        The score, and quality against the share read at this and other scores.

    Raises:
        DataError: The rows cannot be read, hold a label that the model does not know, or are too few.
        ModelError: The model directory is missing or damaged.
        OptionError: The model cannot read so, or does not give a text one label; the tolerance is no share.
        OutputError: The score cannot be written.
    """
    if not 0 < tolerance < 1:
        raise OptionError(
            f"{tolerance:g} is no share of texts to give up",
            where="tolerance",
            fix="Give a number between 0 and 1, as 0.02.",
        )
    path = None if isinstance(model, Predictor) else own_folder(model)
    predictor = model if isinstance(model, Predictor) else load(model, engine="torch")
    if not isinstance(predictor, Predictor) or predictor.task.name != TASK:
        raise OptionError(
            f"early answers are for models that give a text one label, and this one's task is "
            f"{predictor.task.name}",
            where="model",
            fix="Train one with --task classification.",
        )
    check_streams(predictor.model)
    rows = read_for_model(
        type(predictor.task),
        predictor.manifest,
        as_source(source, labels, labelled=True),
        text=text,
        label=label,
    )
    seen = load_fingerprint(predictor.folder) if predictor.folder else None
    rows = unseen_rows(rows, [("the model", seen)], note, fewest=FEWEST)
    choosing, measuring = halves(rows)
    chosen = trace(predictor, choosing)
    task = predictor.task
    # The whole text is the last model of the chain; no beginning that it is stands beside it.
    scores, right = chosen.scores[:-1].copy(), chosen.answers == np.array(task.targets(choosing))
    for row, length in enumerate(chosen.lengths):
        scores[length - 1 :, row] = _NEVER
    right = np.concatenate([right[:-1], [chosen.whole == np.array(task.targets(choosing))]])
    least = find_least(scores, right, tolerance) if len(scores) else None
    measured, gold = trace(predictor, measuring), task.targets(measuring)
    wanted = [] if least is None else [least]
    found = EarlyDecisions(
        metric=task.main_metric,
        title=task.title(task.main_metric),
        least=least,
        tolerance=tolerance,
        chosen_on=len(choosing),
        measured_on=len(measuring),
        points=[_point(task, measured, gold, each) for each in (*wanted, *SHOWN, None)],
        beginnings=[_beginning(task, measured, gold, share) for share in BEGINNINGS],
    )
    if path is not None:
        keep_early(path, found)
    return found


def keep_early(path: Path, found: EarlyDecisions | None) -> None:
    """Write into a model directory, into its card too, from which score on its streams may answer early.

    Args:
        path: The model directory.
        found: As it was decided; None, or one without a score, takes away the one that is there.

    Raises:
        ModelError: It is no model directory, or damaged.
        OutputError: It cannot be written.
    """
    kept = None
    if found is not None and found.least is not None:
        kept = EarlyAnswer(
            least=found.least,
            tolerance=found.tolerance,
            confidence=found.confidence,
            method=found.method,
            rows=found.chosen_on,
        )
    text = None if kept is None or found is None else _section(found)
    keep_decision(path, "early", kept, title=_TITLE, text=text)


def _section(found: EarlyDecisions) -> str:
    told = [f"{line[0].upper()}{line[1:]}." for line in (found.sentence, found.finding)]
    return "\n".join([*told, f"The method is {found.method}; it holds for texts like those rows."])


def _beginning(task: Any, found: Trace, gold: Sequence[int], share: float) -> Beginning:
    answers = found.after(share)
    return Beginning(
        read=share,
        score=float(task.metrics(gold, answers.tolist())[task.main_metric]),
        right=float((answers == np.array(gold)).mean()),
    )


def _point(task: Any, found: Trace, gold: Sequence[int], least: float | None) -> EarlyPoint:
    answers, read = found.at(least)
    return EarlyPoint(
        least=least,
        score=float(task.metrics(gold, answers.tolist())[task.main_metric]),
        right=float((answers == np.array(gold)).mean()),
        read=float((read / found.lengths).mean()),
        early=float((read < found.lengths).mean()),
    )


def trace(predictor: Predictor, rows: Dataset) -> Trace:
    """Return what a classifier that reads to the right alone says after every token of some rows.

    What lies beyond the model's length is not read. Of a text without a token the special one counts.

    Args:
        predictor: The classifier.
        rows: Of its task.
    """
    reader = OnwardReader(predictor.model)
    texts = [window["input_ids"] for window in predictor.windows(rows)]
    frame = len(predictor.tokenizer.backend_tokenizer.encode("").ids)
    lengths = np.array([max(1, len(ids) - frame) for ids in texts])
    scores = np.full((int(lengths.max()), len(texts)), _NEVER)
    answers = np.zeros(scores.shape, dtype=np.int64)
    order = np.argsort([-len(ids) for ids in texts], kind="stable")
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        carried = reader.start(len(places))
        active = len(places)
        for token in range(max(len(texts[place]) for place in places)):
            while len(texts[places[active - 1]]) <= token:  # the longest stand first
                active -= 1
            carried = carried.rows(torch.arange(active))
            ids = torch.tensor([[texts[place][token]] for place in places[:active]])
            _, carried = reader.read(carried, ids, [1] * active)
            step = token - frame
            # Before a text has begun there is nothing to answer, but in one without any token.
            now = [place for place in places[:active] if step >= 0 or len(texts[place]) == token + 1]
            if now:
                logits = reader.label_logits(reader.pooled(carried)).float().numpy()[active - len(now) :]
                probabilities = softmax(logits / predictor.temperature, axis=1)
                scores[max(step, 0), now] = probabilities.max(axis=1)
                answers[max(step, 0), now] = probabilities.argmax(axis=1)
    return Trace(scores, answers, lengths)
