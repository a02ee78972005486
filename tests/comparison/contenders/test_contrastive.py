"""Contrastive fine-tuning as a contender: what it trains, what it hands over, and when the clock ends it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import TOPICS, save_tiny_bert
from textgraft.comparison.contenders.base import Contender, Job
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.inference.predictor import Predictor
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft.base import run_encoder
from textgraft.models.graft.heads import GraftForSequenceClassification
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification


def entry(task: str = "classification", **settings: object) -> Contender:
    (contender,) = choose_contenders(["bert-contrastive"], task)
    return contender.with_grid(
        lambda given: given.but(epochs=3, batch_size=8, learning_rate=2e-2, **settings)
    )


def dataset(count: int, seed: int, several: bool = False) -> Dataset:
    """Make texts of nothing but words that tell the topic, so that little training shows."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(["food", "space", "sport"], count).tolist()
    texts = [" ".join(generator.choice(TOPICS[label], 3)) for label in labels]
    numbers = range(count)
    return Dataset(
        {"text": texts},
        [(label,) for label in labels] if several else labels,
        list(map(str, numbers)),
        numbers,
        "rows",
    )


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    task = SingleLabelClassification(("food", "space", "sport"))
    source = resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("encoder")))
    return Job(dataset(24, 0), dataset(20, 1), task, 0, source)


def score(fitted, job: Job) -> float:
    rows = dataset(60, 2, several=not isinstance(job.train.labels[0], str))
    answers = [row.answer for row in fitted.predictor(job.task).predict_rows(rows)]
    return job.task.metrics(job.task.targets(rows), answers)[job.task.main_metric]


def margin(encode, rows: Dataset) -> float:
    """Return by how much texts of one label are nearer to each other than those of two, as cosines."""
    vectors = encode(rows)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    same = np.equal.outer(rows.labels, rows.labels)
    return float((vectors @ vectors.T)[same].mean() - (vectors @ vectors.T)[~same].mean())


def test_it_moves_encodings_and_puts_a_head_on_them(job):
    contender = entry()
    fitted = contender.fit(job, contender.grid[0])
    model = fitted.model
    assert isinstance(model, GraftForSequenceClassification)

    def encode(rows: Dataset) -> np.ndarray:
        batch = job.task.collate(job.task.features(rows, fitted.tokenizer, 64), 0)
        states, _ = run_encoder(model.encoder, batch["input_ids"], batch["attention_mask"], None, None)
        return model.pooled(states, batch["attention_mask"]).detach().numpy()

    rows = dataset(30, 3)
    trained = margin(encode, rows)
    assert score(fitted, job) > 0.9
    assert (fitted.stopped_by, fitted.cut, fitted.begun_from) == ("epochs", False, job.encoder)
    assert model.config.lora_layers == [1], "the lower half stays as it is"
    for name, parameter in model.adapter.named_parameters():
        if "lora_B" in name:
            parameter.data.zero_()  # the encoder as it was
    assert trained > margin(encode, rows) + 0.2


def test_what_is_handed_over_is_what_was_trained(job, tmp_path):
    contender = entry()
    fitted = contender.fit(job, contender.grid[0])
    predictor = fitted.predictor(job.task)
    rows = dataset(12, 3)
    assert isinstance(predictor, Predictor)
    before = [row.numbers() for row in predictor.predict_rows(rows)]
    fitted.model.save_pretrained(tmp_path)
    again = GraftForSequenceClassification.from_pretrained(tmp_path)
    after = Predictor(again, fitted.tokenizer, job.task, fitted.max_length).predict_rows(rows)
    np.testing.assert_allclose([row.numbers() for row in after], before, atol=1e-6)


def test_any_number_of_labels_can_be_told(job):
    task = MultiLabelClassification(("food", "space", "sport"))
    several = replace(job, train=dataset(24, 0, True), dev=dataset(20, 1, True), task=task)
    contender = entry("multi-label")
    fitted = contender.fit(several, contender.grid[0])
    assert score(fitted, several) > 0.6


def test_the_clock_ends_it_also_where_all_layers_are_trained(job):
    contender = entry(freeze_layers=0)
    fitted = contender.fit(replace(job, max_seconds=1e-3), contender.grid[0])
    assert fitted.cut
    assert fitted.epochs < 3
    assert fitted.model.frozen_layers == 0


def test_other_tasks_are_refused():
    with pytest.raises(OptionError, match="'bert-contrastive' cannot do the task regression"):
        choose_contenders(["bert-contrastive"], "regression")
