"""The lines of a model's card run as they stand, for every family and task, and give our own scores."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import pytest
import torch
import transformers
from peft import PeftModel

from tests.models.every_model import recurrent_config
from tests.tiny import TOPICS, save_tiny_bert, topic_rows
from textgraft.comparison.running.usage import ENCODER, FOLDER, usage
from textgraft.inference.predictor import Predictor, load
from textgraft.models.baselines.majority import MajorityConfig, MajorityForSequenceClassification
from textgraft.models.baselines.tfidf import fit_tfidf
from textgraft.models.directory import save_model_directory
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft.heads import GraftConfig
from textgraft.models.graft.pairs import PairGraftConfig
from textgraft.models.manifest import Manifest
from textgraft.models.pairs import siamese_tokenizer
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.token_classification import TokenClassification
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.tasks.text.multiple_choice import MultipleChoice
from textgraft.tasks.text.pairs import PairClassification
from textgraft.tasks.text.regression import Regression
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

LABELS = sorted(TOPICS)
TEXTS = [text for text, _ in topic_rows(30)]
TASKS = {
    "classification": SingleLabelClassification(LABELS),
    "multi-label": MultiLabelClassification(LABELS),
    "regression": Regression(5.0, 2.0),
    "pairs": PairClassification(LABELS),
    "tags": TokenClassification(["O", "B-X", "I-X"]),
    "questions": QuestionAnswering(),
    "choices": MultipleChoice(3),
}
PAIRED = ("pairs", "questions", "choices")
FAMILIES = [
    *(("recurrent", name) for name in TASKS),
    ("characters", "tags"),
    *(("tfidf", name) for name in ("classification", "multi-label", "regression")),
    ("majority", "classification"),
    *((family, name) for family in ("frozen", "adapter", "finetuned") for name in TASKS),
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("encoder") / "bert"))


def build(family, name, source):
    task = TASKS[name]
    torch.manual_seed(0)
    if family == "majority":
        config = MajorityConfig(label_counts=[5, 2, 3])
        task.configure(config)
        return MajorityForSequenceClassification(config), train_word_tokenizer(TEXTS, min_frequency=1)
    if family == "tfidf":
        targets = {"classification": np.arange(30) % 3, "regression": np.arange(30) / 10}
        given = targets.get(name, np.eye(3)[np.arange(30) % 3])
        problem = {"multi-label": "multi_label_classification", "regression": "regression"}.get(name)
        model, tokenizer = fit_tfidf(TEXTS, given, len(task.labels), problem_type=problem)
        task.configure(model.config)
        return model, tokenizer
    if family in ("recurrent", "characters"):
        tokenizer = train_word_tokenizer(
            TEXTS,
            min_frequency=1,
            whole_words=name == "tags",
            in_pairs=name in PAIRED,
        )
        reads = {"characters": "cnn", "crf": True} if family == "characters" else {}
        config = recurrent_config(vocab_size=len(tokenizer), **reads)
    else:
        _, tokenizer = load_encoder(source)
        if family == "finetuned":
            config = transformers.AutoConfig.from_pretrained(source.path)
        elif name == "pairs" and family == "frozen":
            config, tokenizer = PairGraftConfig.on(source), siamese_tokenizer(tokenizer)
        else:
            config = GraftConfig.on(source, lora_rank=2 if family == "adapter" else 0)
    task.configure(config)
    model = getattr(transformers, task.auto_class).from_config(config)
    with torch.no_grad():
        for part in model.parameters():
            part.mul_(3)  # so that answers differ
    return model, tokenizer


def saved(folder, family, name, source, temperature=0.6):
    """Save a model whose calibration is a part of it, as a trial does."""
    task = TASKS[name]
    model, tokenizer = build(family, name, source)
    predictor = Predictor(model, tokenizer, task, 60)
    given = eval(re.search(r"predict\(\[(.*)\]\)", usage(task, model))[1])
    calibration = predictor.calibrate(temperature, task.rows([given]))
    manifest = Manifest(
        task=task.name, task_settings=task.settings(), contender=family, text_columns=["text"],
        label_column="label", max_length=60, temperature=predictor.temperature, calibration=calibration,
        data_source="x.csv", data_hash="0", training={}, metrics={}, dev_score=0.0, golden=[],
    )  # fmt: skip
    save_model_directory(folder, model, tokenizer, manifest, "# card\n")
    return model, task, given, calibration


@pytest.mark.parametrize(("family", "name"), FAMILIES)
def test_every_line_of_the_card_runs_and_scores_are_ours(family, name, tmp_path, bert):
    folder = tmp_path / "model"
    model, task, given, calibration = saved(folder, family, name, bert)
    assert calibration == (1.0 if name == "regression" else 0.6)
    assert (folder / "tokenizer.json").is_file()
    text = usage(task, model)
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == (1 if family == "characters" else 2) + (family == "adapter")
    spaces = []
    for block in blocks:
        space = {}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(block.replace(FOLDER, str(folder)).replace(ENCODER, str(bert.path)), space)
        spaces.append((space, printed.getvalue()))
    (prediction,) = load(folder).predict([given])
    classify = next((space["classify"] for space, _ in spaces if "classify" in space), None)
    if classify is not None:
        pair = {"text": given[0], "text_pair": given[1]} if name == "pairs" else given
        options = {"function_to_apply": "none"} if name == "regression" else {}
        found = {entry["label"]: entry["score"] for entry in classify(pair, top_k=None, **options)}
        scores = [found[label] for label in task.labels]
        np.testing.assert_allclose(scores, prediction.numbers(), atol=5e-3)
    if name == "choices":
        scores = spaces[1][0]["logits"].softmax(-1)[0].numpy()
        np.testing.assert_allclose(scores, prediction.numbers(), atol=5e-3)
    if family == "adapter":
        assert isinstance(spaces[-1][0]["adapted"], PeftModel)
