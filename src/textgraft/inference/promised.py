"""What answers come with where it is asked for: prediction sets, and whether a text fits any label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import ModelError, OptionError
from textgraft.evaluation.conformal import Nonconformity, label_set
from textgraft.models.known import KNOWN, KnownTexts
from textgraft.models.manifest import Manifest
from textgraft.tasks.decided import Told, WithSet

SETS, REJECT = "--sets", "--reject"


@dataclass(frozen=True)
class Promised:
    """What answers are to come with, beside label and score."""

    sets: float | None = None
    """Share of the texts whose true label is to be in their prediction set, as 0.95; None: no sets."""
    reject: float | None = None
    """Share of the texts with one of the labels that is not to be told unknown, as 0.95; None: nothing is
    told."""

    def __bool__(self) -> bool:
        return self.sets is not None or self.reject is not None

    def check(self, manifest: Manifest | None) -> None:
        """Refuse what a model cannot promise.

        Args:
            manifest: Of the model; None where it was not read from a model directory.

        Raises:
            OptionError: A level is no share, the model has no probabilities of labels that were measured on
                dev rows, or these are too few for such a level.
        """
        for option, level in ((SETS, self.sets), (REJECT, self.reject)):
            if level is None:
                continue
            if not 0 < level < 1:
                raise OptionError(
                    f"{level:g} is no share of texts to promise",
                    where=option,
                    fix="Give a number between 0 and 1, as 0.95.",
                )
            found = _measured(manifest, option)
            if level > found.highest_level:
                raise OptionError(
                    f"{found.rows:,} dev rows cannot promise {level:g}",
                    where=option,
                    fix=f"Ask for at most {int(1000 * found.highest_level) / 1000}, or train with more dev "
                    "rows.",
                )

    def beside(
        self,
        answers: Sequence[Any],
        predictions: Sequence[Any],
        manifest: Manifest | None,
        known: KnownTexts | None,
    ) -> list[Any]:
        """Return answers with it.

        Args:
            answers: As they are given, one a row.
            predictions: What the model made of the rows, whatever was decided on them.
            manifest: Of the model.
            known: Where its training texts lie, if that was kept.

        Raises:
            OptionError: As for :meth:`check`.
            ModelError: What was kept is not of this model.
        """
        given = list(answers)
        self.check(manifest)
        if self.reject is not None:
            most = _measured(manifest, REJECT).quantile(self.reject)
            strange = _strangeness(predictions, manifest, known) > most
            given = [Told(answer, bool(told)) for answer, told in zip(given, strange, strict=True)]
        if self.sets is not None:
            quantile = _measured(manifest, SETS).quantile(self.sets)
            given = [
                WithSet(answer, tuple(one.labels[at] for at in label_set(one.probabilities, quantile)))
                for answer, one in zip(given, predictions, strict=True)
            ]
        return given


def _measured(manifest: Manifest | None, option: str) -> Nonconformity:
    """Return what was measured on dev rows for an option.

    Raises:
        OptionError: Nothing was.
    """
    found = None
    if manifest is not None:
        found = manifest.nonconformity if option == SETS else manifest.doubt
        if option == REJECT and manifest.strangeness is not None:
            return manifest.strangeness.measured
    if found is None:
        raise OptionError(
            "this model has no probabilities of labels that were measured on dev rows",
            where=option,
            fix="It takes a classifier that was trained by this version: train again.",
        )
    return found


def _strangeness(
    predictions: Sequence[Any], manifest: Manifest | None, known: KnownTexts | None
) -> NDArray[np.float64]:
    """Return how unlike others texts are, in what the dev rows were measured in, [rows].

    Raises:
        ModelError: The encodings that are kept are not of this model.
    """
    if not predictions:
        return np.zeros(0)
    probabilities = np.stack([one.probabilities for one in predictions])
    if manifest is None or manifest.strangeness is None:
        return 1 - probabilities.max(axis=1).astype(np.float64)
    encodings = [one.encoding for one in predictions]
    if known is None or any(own is None or len(own) != known.encodings.shape[1] for own in encodings):
        raise ModelError(
            "the encodings of training texts that are kept are not of this model",
            where=KNOWN,
            fix="Copy the whole folder again, or train again.",
        )
    return manifest.strangeness.values(probabilities, known.nearness(np.stack(encodings)))
