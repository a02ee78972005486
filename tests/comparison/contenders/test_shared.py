"""What trials share changes none of them, and costs each what it would cost alone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.comparison.test_every_task import MAKERS
from tests.tiny import save_tiny_bert, topic_rows, write_topics
from textgraft.comparison.contenders import shared as shared_work
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.contenders.shared import Shared, SharedEncoder
from textgraft.comparison.running.trials import TrialSpec, run_trial
from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.inference.encode import Encoder
from textgraft.inference.runner import TORCH
from textgraft.models.baselines import tfidf
from textgraft.models.encoders import EncoderSource, resolve_encoder
from textgraft.tasks.registry import task_class
from textgraft.tasks.text.classification import SingleLabelClassification

TEXTS = [text for text, _ in topic_rows(90)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    return resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(write_topics(tmp_path_factory.mktemp("rows") / "topics.csv", 120))


def test_a_text_is_encoded_once_and_always_the_same(source, monkeypatch):
    met: list[str] = []
    encode = Encoder.batch_by_batch

    def watched(self, texts):
        met.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(Encoder, "batch_by_batch", watched)
    shared, alone = SharedEncoder(source, None), SharedEncoder(source, None)
    shared.encode(TEXTS[:20])
    shared.encode([*TEXTS[10:50], TEXTS[0], TEXTS[0]])
    found = shared.encode(TEXTS[5:9])
    assert len(met) == len(set(met)) == len(set(TEXTS[:50]))
    np.testing.assert_array_equal(found, alone.encode(TEXTS[5:9]))


def test_what_a_text_takes_is_known_once_one_was_encoded(source):
    shared = Shared()
    assert shared.seconds_a_text(source) == 0
    for windows in (2, 1):
        shared.encoder(source, None, windows).encode([text for text, _ in topic_rows(10)])
    spent = [encoder.store.spent / 10 for encoder in shared._encoders.values()]
    assert shared.seconds_a_text(source) == min(spent) > 0


@pytest.mark.parametrize("name", ["bert-frozen", "bert-finetuned"])
def test_a_trial_is_the_same_alone_and_after_others(source, rows, name, monkeypatch):
    task = SingleLabelClassification(("food", "space", "sport"))
    contender = contenders_for("classification")[name]
    grid = tuple(settings.but(epochs=1) if contender.epochs else settings for settings in contender.grid[:2])
    job = Job(rows.select(range(40)), rows.select(range(80, 100)), task, 0, source)
    spec = TrialSpec(contender, job, rows.select(range(100, 120)), grid, "")
    alone, _ = run_trial(spec)
    shared, loaded = Shared(), []
    load = shared_work.load_encoder_tokenizer
    monkeypatch.setattr(
        shared_work, "load_encoder_tokenizer", lambda source: loaded.append(source) or load(source)
    )
    for count, seed in ((7, 1), (60, 2)):
        other = replace(job, train=rows.select(range(count)), seed=seed, shared=shared)
        run_trial(replace(spec, job=other, configurations=grid[:1]))
    later, _ = run_trial(replace(spec, job=replace(job, shared=shared)))
    assert len(loaded) == (name == "bert-frozen"), "the tokenizer is loaded once"
    assert (later.confidence, later.predicted) == (alone.confidence, alone.predicted)
    assert later.dev_metrics == alone.dev_metrics
    assert [entry["dev_loss"] for entry in later.history] == [entry["dev_loss"] for entry in alone.history]


def test_predictions_are_those_of_the_model_that_is_handed_over(source, rows):
    task = SingleLabelClassification(("food", "space", "sport"))
    contender = contenders_for("classification")["bert-frozen"]
    job = Job(rows.select(range(60)), rows.select(range(80, 100)), task, 0, source)
    test = rows.select(range(100, 120))
    trial, attempt = run_trial(TrialSpec(contender, job, test, contender.grid[:1], ""))
    served = attempt.predictor.predict_rows(test)
    assert trial.predicted == [prediction.answer for prediction in served]
    np.testing.assert_allclose(trial.confidence, [prediction.score for prediction in served], atol=0.02)


@pytest.mark.parametrize(
    ("task", "name", "settings"),
    [
        ("classification", "bert-finetuned", {"freeze_layers": 1}),
        ("classification", "bert-adapter", {"freeze_layers": 1}),
        ("classification", "bert-contrastive", {"freeze_layers": 1}),
        ("multi-label", "bert-finetuned", {"freeze_layers": 1}),
        ("regression", "bert-finetuned", {"freeze_layers": 1}),
        ("pairs", "bert-finetuned", {"freeze_layers": 1}),
        ("token-classification", "bert-frozen", {}),
        ("token-classification", "bert-finetuned", {"freeze_layers": 1}),
        ("question-answering", "bert-frozen", {}),
        ("question-answering", "bert-finetuned", {"freeze_layers": 1}),
        ("multiple-choice", "bert-finetuned", {"freeze_layers": 1}),
    ],
)
def test_rows_are_answered_on_states_as_by_the_whole_model(source, tmp_path, task, name, settings):
    rows = task_class(task).read(MAKERS[task](tmp_path))
    made, contender = task_class(task).fitted_to(rows), contenders_for(task)[name]
    job = Job(rows.select(range(40)), rows.select(range(40, 60)), made, 0, source)
    fitted = contender.fit(job, contender.grid[0].but(epochs=2, **settings))
    assert fitted.outputs is not None
    assert not fitted.is_head_alone
    predictor, test = fitted.predictor(made), rows.select(range(60, 90))
    predictor.choose_engine(TORCH)
    charged = job.shared.charged
    found = predictor.predictions(*fitted.outputs(test))
    assert job.shared.charged > charged, "the lower layers ran over them"
    whole = predictor.predict_rows(test)
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_allclose(one.numbers(), other.numbers(), atol=0.02)
        # In bf16 it is the processor's to say which of two equals comes first.
        is_tie = isinstance(one.answer, int) and np.ptp(sorted(other.numbers())[-2:]) < 0.04
        assert task == "regression" or is_tie or one.answer == other.answer


def test_where_there_is_no_room_it_is_said(source, tmp_path: Path):
    from textgraft.errors import OutputError

    shared = SharedEncoder(source, None)
    shared.store.max_bytes = 100
    with pytest.raises(OutputError, match="no room for the encodings of 9 texts"):
        shared.encode(TEXTS[:9])


def test_the_configurations_of_a_trial_weigh_the_ngrams_of_its_rows_once(rows, monkeypatch):
    weighed, weigh = [], tfidf.weigh_ngrams

    def slowly(texts, *given):
        weighed.append(len(texts))
        time.sleep(0.2)
        return weigh(texts, *given)

    monkeypatch.setattr(tfidf, "weigh_ngrams", slowly)
    task = SingleLabelClassification(("food", "space", "sport"))
    contender = contenders_for("classification")["tfidf"]
    job = Job(rows.select(range(60)), rows.select(range(80, 100)), task, 0, None)
    spec = TrialSpec(contender, job, rows.select(range(100, 120)), contender.grid, "")
    trial, _ = run_trial(spec)
    assert weighed == [60]
    assert all(tried.seconds >= 0.2 for tried in trial.configurations), "each is charged what it costs alone"
    for settings, tried in zip(contender.grid, trial.configurations, strict=True):
        alone, _ = run_trial(replace(spec, job=replace(job, shared=Shared()), configurations=(settings,)))
        assert alone.configurations[0].dev_score == tried.dev_score
    run_trial(replace(spec, job=replace(job, train=rows.select(range(30)))))
    assert weighed[-1] == 30
