"""What a report's terms mean, shown where a reader points at them."""

from __future__ import annotations

import html

from markupsafe import Markup

_MEANINGS = {
    "macro F1": "F1 of each label, averaged with the same weight for rare and frequent ones. F1 is high only "
    "where a label is found (recall) and what is called so is so (precision).",
    "micro F1": "F1 over all labels of all rows together: frequent labels count more.",
    "F1": "High only where what is sought is found (recall) and what is found is right (precision).",
    "accuracy": "The share of rows that are answered rightly.",
    "exact match": "The share of rows whose answer is the same as the right one, word for word.",
    "calibration error": "How far, on average, the confidence of answers lies from the share of them that is "
    "right: 0 where 80 of 100 answers given with a confidence of 80% are right, and so on.",
    "p": "How often a difference as large as this one would come about by chance if there were none.",
    "p (corrected)": "The same, made stricter as several pairs are compared: below 0.05 it is more than "
    "chance.",
    "95% interval": "Where the true value probably lies: such intervals hold it in 95 of 100 cases.",
    "memory": "The most that a process holds that loads the model and answers, with Python and libraries.",
    "cost": "Training time, time for a text and size in one (their geometric mean), as a multiple of the "
    "cheapest.",
    "on the curve now": "Where the curve through all sizes stands at the largest one that was measured. It "
    "smooths what a single size shows by chance, so the measured score may lie beside it; with the gain it "
    "makes what is predicted.",
    "dev rows": "Rows by which settings are chosen; they are neither trained on nor judged by.",
    "row": "Its line in the file, the header counted, as in every message; of what has no lines, as a "
    "sheet or Parquet, the number of the row; or its id, where a column of ids was named.",
    "seeds": "Trainings that differ in what is drawn at random: weights, order, and which rows.",
}


def term(name: str) -> Markup:
    """Write a term so that its meaning appears on hover; one that is not known stays as it is."""
    meaning = _MEANINGS.get(name)
    if meaning is None:
        return Markup(html.escape(name))
    return Markup(f'<abbr title="{html.escape(meaning)}">{html.escape(name)}</abbr>')
