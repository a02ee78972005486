"""One rival's training and answers, in an environment of its own: what benchmarks/rivals.py starts.

    python benchmarks/rival_scripts.py RIVAL train.csv test.csv ENCODER answers.json

Nothing of textgraft is imported. The tables have the columns text and label. Written are the answers to the
test rows and the seconds from reading the training rows to the last answer, imports included.
"""

from __future__ import annotations

import time

START = time.perf_counter()

import csv  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

Answers = list[str]


def read(path: str) -> tuple[list[str], list[str]]:
    with Path(path).open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def tfidf(train: tuple[list[str], list[str]], test: list[str], encoder: str) -> Answers:
    """TF-IDF with logistic regression, its strength chosen by cross-validation: the plain script."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000)
    )
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 10.0, 100.0]}, scoring="f1_macro", cv=3)
    return list(search.fit(*train).predict(test))


def encodings(train: tuple[list[str], list[str]], test: list[str], encoder: str) -> Answers:
    """sentence-transformers' encodings with logistic regression, its strength chosen by cross-validation."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    model = SentenceTransformer(encoder)
    search = GridSearchCV(
        LogisticRegression(max_iter=1000), {"C": [1.0, 10.0, 100.0]}, scoring="f1_macro", cv=3
    )
    search.fit(model.encode(train[0]), train[1])
    return list(search.predict(model.encode(test)))


def setfit(train: tuple[list[str], list[str]], test: list[str], encoder: str) -> Answers:
    """SetFit at its defaults, but with 20 pairs a row where all pairs would take hours."""
    import datasets
    from setfit import SetFitModel, Trainer, TrainingArguments

    few = len(train[0]) <= 128
    model = SetFitModel.from_pretrained(encoder)
    arguments: dict[str, Any] = {} if few else {"num_iterations": 20}
    trainer = Trainer(
        model=model,
        args=TrainingArguments(report_to="none", save_strategy="no", **arguments),
        train_dataset=datasets.Dataset.from_dict({"text": train[0], "label": train[1]}),
    )
    trainer.train()
    return [str(answer) for answer in model.predict(test)]


def autointent(preset: str, train: tuple[list[str], list[str]], test: list[str], encoder: str) -> Answers:
    """Run a preset of AutoIntent, on the given encoder.

    Presets that fine-tune name DeBERTa, which is replaced; a single setting is tried once, not forty times.
    """
    from autointent import Dataset, OptimizationConfig, Pipeline
    from autointent.configs import HFModelConfig, SentenceTransformerEmbeddingConfig
    from autointent.utils import load_preset

    names = sorted(set(train[1]))
    rows = [{"utterance": text, "label": names.index(label)} for text, label in zip(*train, strict=True)]
    recipe = load_preset(preset)
    for choice in (module for node in recipe["search_space"] for module in node["search_space"]):
        if "classification_model_config" in choice:
            choice["classification_model_config"] = [{"model_name": encoder}]
    if preset.endswith("-no-hpo"):
        recipe["hpo_config"] |= {"n_trials": 1, "n_startup_trials": 1}
    pipeline = Pipeline.from_optimization_config(OptimizationConfig(**recipe))
    pipeline.set_config(SentenceTransformerEmbeddingConfig(model_name=encoder))
    pipeline.set_config(HFModelConfig(model_name=encoder))
    pipeline.fit(Dataset.from_dict({"train": rows}))
    # A text that its threshold rejects has no label.
    return [names[answer] if isinstance(answer, int) else "" for answer in pipeline.predict(test)]


RIVALS = {"tfidf": tfidf, "encodings": encodings, "setfit": setfit}


def main() -> None:
    name, train, test, encoder, output = sys.argv[1:]
    rows, (texts, _) = read(train), read(test)
    if name.startswith("autointent-"):
        answers = autointent(name.removeprefix("autointent-"), rows, texts, encoder)
    else:
        answers = RIVALS[name](rows, texts, encoder)
    Path(output).write_text(json.dumps({"seconds": time.perf_counter() - START, "answers": answers}))


if __name__ == "__main__":
    main()
