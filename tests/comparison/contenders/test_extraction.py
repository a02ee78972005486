"""Sentences chosen by BERT: it learns which, says them as they stand, and is served as all that write."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM

from tests.tiny import FILLER, TOPICS, save_tiny_bert
from textgraft.comparison.contenders.base import Fitted, Job
from textgraft.comparison.contenders.registry import choose_contenders
from textgraft.comparison.train import train
from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.inference.evaluate import evaluate
from textgraft.inference.pipelines.factory import pipeline
from textgraft.inference.predictor import load
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft.extraction import GraftForExtraction, choose
from textgraft.tasks.generation.summarization import Summarization

SETTINGS = {"epochs": 12, "batch_size": 8, "learning_rate": 1e-2, "between_size": 32, "between_dropout": 0.0}


def document(generator: np.random.Generator) -> tuple[str, str]:
    """Make three sentences without a topic and, among them, one of which the summary is made."""
    told = " ".join(generator.choice(TOPICS["space"], 3, replace=False))
    others = [" ".join(generator.choice(FILLER, 6)).capitalize() + "." for _ in range(3)]
    others.insert(int(generator.integers(4)), f"Orbit   {told.upper()}!")
    return "  ".join(others), f"orbit {told}"


def dataset(count: int, seed: int) -> Dataset:
    generator = np.random.default_rng(seed)
    texts, summaries = zip(*(document(generator) for _ in range(count)), strict=True)
    numbers = range(count)
    targets = [[summary] for summary in summaries]
    return Dataset({"text": list(texts)}, targets, list(map(str, numbers)), numbers, "rows")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    source = resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("encoder")))
    return Job(dataset(40, 0), dataset(20, 1), Summarization(), 0, source)


@pytest.fixture(scope="module")
def fitted(job: Job) -> Fitted:
    (contender,) = choose_contenders(["bert-extractive"], "summarization")
    contender = contender.with_grid(lambda given: given.but(**SETTINGS))
    found = contender.fit(job, contender.grid[0])
    assert isinstance(found, Fitted)
    return found


def test_it_learns_which_sentence_the_summary_is_made_of(job: Job, fitted: Fitted):
    rows = dataset(30, 2)
    assert isinstance(fitted.model, GraftForExtraction)
    assert fitted.model.config.sentences == 1, "more sentences make worse summaries here"
    answers = [one.answer for one in fitted.predictor(job.task).predict_rows(rows)]
    assert job.task.metrics(job.task.targets(rows), answers)["rouge_l"] > 0.85
    first = [text.partition(".")[0] for text in rows.texts]
    assert job.task.metrics(job.task.targets(rows), first)["rouge_l"] < 0.5


def test_what_it_says_stands_in_the_text(job: Job, fitted: Fitted):
    """Its tokens are in small letters; the text's capitals and punctuation come back."""
    rows = dataset(8, 3)
    for text, one in zip(rows.texts, fitted.predictor(job.task).predict_rows(rows), strict=True):
        assert one.answer in " ".join(text.split())
        assert 0 < one.score < 1, "it is as sure as its sentence is probable"
    surest = [one.score for one in fitted.predictor(job.task).predict_rows(rows)]
    assert len(set(surest)) > 1


def test_the_search_the_library_and_the_model_itself_choose_alike(job: Job, fitted: Fitted):
    model = fitted.model
    features = job.task.features(dataset(6, 4), fitted.tokenizer, fitted.max_length)
    batch = job.task.collate(features, 0)
    batch.pop("labels")
    with torch.inference_mode():
        found = [one.tokens for one in job.task.outputs(model, batch)]
        written = model.generate(**batch, max_new_tokens=40).tolist()
        alone = [job.task.outputs(model, job.task.collate([one], 0))[0].tokens for one in features]
    assert found == alone, "who else is in a batch makes no difference"
    ends = [row[1:].index(model.config.eos_token_id) for row in written]
    assert [row[1 : 1 + end] for row, end in zip(written, ends, strict=True)] == found


def test_trained_saved_loaded_and_served_by_the_pipeline(job: Job, tmp_path):
    rows = dataset(40, 5)
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps({"text": text, "summary": own[0]}) + "\n"
            for text, own in zip(rows.texts, rows.labels or (), strict=True)
        )
    )
    trained = train(
        path,
        tmp_path / "model",
        task="summarization",
        contender="bert-extractive",
        encoder=str(job.needed_encoder().path),
        settings={**SETTINGS, "sentences": 2, "epochs": 2},
    )
    assert trained.trial.writing is not None
    assert trained.trial.writing.oracle is not None
    assert trained.trial.writing.oracle > 0.8
    scored = evaluate(tmp_path / "model", path)
    assert scored.oracle is not None
    assert scored.metrics["rouge_l"].value < scored.oracle.value > 0.8
    assert any("oracle" in sentence for sentence in scored.sentences)
    loaded = load(tmp_path / "model")
    texts = [*rows.texts[:3], "", "We saw [CLS] the goal. " * 40]
    answers = [one.answer for one in loaded.predict(texts)]
    assert all(answer.count("!") + answer.count(".") == 2 for answer in answers[:3])
    assert answers[3] == ""
    results = pipeline("summarization", tmp_path / "model")(texts)
    assert [result["summary_text"] for result in results] == answers
    ids = pipeline("summarization", tmp_path / "model")(texts, return_tensors=True)
    assert all(isinstance(token, int) for token in ids[0]["summary_token_ids"])
    assert isinstance(AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model"), GraftForExtraction)
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert {name.partition(".")[0] for name in stored} == {"scorer"}, "the encoder is not stored"


def test_no_sentence_is_taken_that_repeats_another():
    ids = [[2, 5, 6, 7, 3], [2, 5, 6, 7, 8, 3], [2, 9, 3]]
    assert choose(ids, [0.5, 0.6, 0.1], 2) == [(1, 0.6), (2, 0.1)]
    assert choose(ids, [0.5, 0.6, 0.1], 1) == [(1, 0.6)]


def test_time_that_the_encodings_took_is_not_there_for_training(job: Job):
    (contender,) = choose_contenders(["bert-extractive"], "summarization")
    contender = contender.with_grid(
        lambda given: given.but(**{**SETTINGS, "epochs": 10_000, "patience": 10_000})
    )
    found = contender.fit(replace(job, max_seconds=1.0), contender.grid[0])
    assert (found.stopped_by, found.cut) == ("budget", True)


def test_a_width_that_heads_cannot_share_is_told():
    (contender,) = choose_contenders(["bert-extractive"], "summarization")
    with pytest.raises(OptionError, match="between_siz"):
        contender.configured({"between_sizes": 3})
