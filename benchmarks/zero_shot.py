"""How well labels are told from their names alone, by the sentence that is made of a name.

    python benchmarks/zero_shot.py DATA [--encoder bundled]

DATA holds the folders trec, banking77, ag_news_7600, sst2 and snips, each with a test.csv. No row is learned
from: the template is the only choice, and all scores of all templates are printed. Means are over the sets
as named, or as described where names are no words. Beside macro F1 stands
the mean probability of the answer and the accuracy: were they equal, the fixed scale would be calibrated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from machine import describe
from scipy.special import softmax
from sklearn.metrics import f1_score

from textgraft.data.readers.reading import read_dataset
from textgraft.inference.encode import Encoder
from textgraft.inference.nearest_label import SCALE, hypotheses
from textgraft.tasks.text.label_names import label_words

SETS = {
    "trec": (["text"], "coarse"),
    "banking77": (["text"], "label"),
    "ag_news_7600": (["title", "description"], "label"),
    "sst2": (["text"], "label"),
    "snips": (["text"], "label"),
}
TEMPLATES = ("{}", "{}.", "This text is about {}.", "This example is {}.", "A text about {}.", "{}?")
NAMED = {
    "sst2": {"0": "negative", "1": "positive"},
    "trec": {
        "ABBR": "abbreviation",
        "DESC": "description",
        "ENTY": "entity",
        "HUM": "human",
        "LOC": "location",
        "NUM": "number",
    },
}
"""What a user might write into ``--describe`` for labels that are no words."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", default="bundled")
    arguments = parser.parse_args()
    encoder = Encoder(arguments.encoder)
    print(describe("torch", "transformers", "textgraft"))
    print(f"{'set':<14}{'labels':<11}{'template':<26}{'macro F1':>9}{'accuracy':>10}{'probability':>12}")
    totals: dict[str, list[float]] = {template: [] for template in TEMPLATES}
    for name, (text, label) in SETS.items():
        rows = read_dataset(arguments.data / name / "test.csv", text=text, label=label)
        labels = sorted(set(rows.labels))
        gold = np.array([labels.index(label) for label in rows.labels])
        texts = encoder.encode(rows.texts)
        for kind, told in (("as named", {}), ("described", NAMED.get(name, {}))):
            if kind == "described" and not told:
                continue
            words = [told.get(label, label_words(label)) for label in labels]
            for template in TEMPLATES:
                logits = SCALE * texts @ encoder.encode(hypotheses(words, template)).T
                given = logits.argmax(axis=1)
                score = f1_score(gold, given, average="macro")
                probability = softmax(logits, axis=1).max(axis=1).mean()
                if kind == "described" or name not in NAMED:
                    totals[template].append(score)
                print(
                    f"{name:<14}{kind:<11}{template:<26}{score:>9.3f}{(gold == given).mean():>10.3f}"
                    f"{probability:>12.3f}",
                    flush=True,
                )
    for template, scores in totals.items():
        print(f"MEAN {template:<26} {np.mean(scores):.3f}")


if __name__ == "__main__":
    main()
