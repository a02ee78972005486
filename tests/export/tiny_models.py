"""Tiny random models of every task and family that can be exported, saved as model directories."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedTokenizerFast

import textgraft.models.auto  # noqa: F401  registers our architectures
from tests.inference.tiny_heads import save_tiny_head
from tests.tiny import TOPICS, save_tiny_bert, topic_rows
from textgraft.data.words import spaced
from textgraft.inference.predictor import Predictor
from textgraft.inference.runner import Runner
from textgraft.models.baselines.static import StaticConfig
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft.heads import GraftConfig
from textgraft.models.graft.pairs import PairGraftConfig
from textgraft.models.loading import load_tokenizer
from textgraft.models.manifest import Golden, Manifest
from textgraft.models.pairs import siamese_tokenizer
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentModel
from textgraft.tasks.base import Task
from textgraft.tasks.registry import make_task
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

LABELS = sorted(TOPICS)
TAGS = ["O", "B-PER", "I-PER"]
WORDS = [text for text, _ in topic_rows(40)]
LONG = " ".join(WORDS[:6])
TEXTS = [*WORDS[:3], "", "Ärger über den naïve CAFÉ, 1,000.5 don't — 你好 🎉!", LONG]
PAIRS = [*pairwise(TEXTS), (LONG, LONG), (WORDS[0], LONG)]
QUESTIONS = [(WORDS[n].split()[0], text) for n, text in enumerate([*WORDS[:3], "Ein é́tude, 🎉 naïf", LONG])]
CHOICES = [(text, (WORDS[n], "the goal", LONG)) for n, text in enumerate(TEXTS)]
TAGGED = [*TEXTS[:3], TEXTS[4], LONG, ["the", "naïve,", "team"]]
INPUTS: dict[str, list[Any]] = {
    "pairs": PAIRS,
    "similarity": PAIRS,
    "question-answering": QUESTIONS,
    "multiple-choice": CHOICES,
    "token-classification": TAGGED,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "regression": {"mean": 3.0, "deviation": 2.0},
    "similarity": {"mean": 3.0, "deviation": 2.0},
    "multiple-choice": {"choices": 3},
    "token-classification": {"labels": TAGS},
    "question-answering": {"has_unanswerable": True, "longest_answer": 5, "overlap": 6},
}
MAX_LENGTH = 24


def task_of(name: str) -> Task:
    return make_task(name, SETTINGS.get(name, {"labels": LABELS}), where="test")


def save(folder: Path, task: Task, model: Any, tokenizer: PreTrainedTokenizerFast, **changes: Any) -> Path:
    """Save a model with the golden outputs that it gives."""
    runner = Runner(model, "torch")
    predictor = Predictor(model, tokenizer, task, MAX_LENGTH, changes.get("temperature", 1.0), runner=runner)
    rows = task.rows(INPUTS.get(task.name, TEXTS)[:3])
    predictions = predictor.predict_rows(rows)
    manifest = Manifest(
        **{
            "task": task.name,
            "task_settings": task.settings(),
            "contender": "tiny",
            "text_columns": list(rows.columns),
            "label_column": "label",
            "max_length": MAX_LENGTH,
            "temperature": 1.0,
            "data_source": "rows.csv",
            "data_hash": "0" * 16,
            "training": {},
            "metrics": {},
            "dev_score": 1.0,
            "golden": [
                Golden({name: values[at] for name, values in rows.columns.items()}, each.numbers())
                for at, each in enumerate(predictions)
            ],
            **changes,
        }
    )
    predictor.save(folder, manifest, "# card\n")
    return folder


def _enlarged(model: Any) -> Any:
    """Make random weights larger, so that outputs differ."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.5)
            if "embedding.weight" in name:
                parameter[0] = 0
    return model.eval()


def recurrent(folder: Path, name: str = "classification", **shape: Any) -> Path:
    """Save a recurrent network."""
    task = task_of(name)
    whole = name == "token-classification"
    texts = list(spaced(task.rows(TAGGED))) if whole else TEXTS
    in_pairs = name in ("pairs", "similarity", "question-answering", "multiple-choice")
    tokenizer = train_word_tokenizer(texts, min_frequency=1, whole_words=whole, in_pairs=in_pairs)
    config = RecurrentConfig(
        vocab_size=len(tokenizer), embedding_size=6, hidden_size=5, pad_token_id=0, **shape
    )
    task.configure(config)
    model = getattr(transformers, task.auto_class).from_config(config)
    return save(
        folder, task, _enlarged(model), tokenizer, temperature=1.5 if name == "classification" else 1.0
    )


def static(folder: Path, name: str = "classification", **shape: Any) -> Path:
    """Save static vectors with a hidden layer."""
    task = task_of(name)
    tokenizer = train_word_tokenizer(TEXTS, min_frequency=1, in_pairs=name == "pairs")
    config = StaticConfig(
        vocab_size=len(tokenizer), embedding_size=6, hidden_sizes=[4], pad_token_id=0, **shape
    )
    task.configure(config)
    model = _enlarged(transformers.AutoModelForSequenceClassification.from_config(config))
    model.fill(model.embeddings.weight.detach().numpy())
    return save(folder, task, model, tokenizer)


def tfidf(folder: Path, **changes: Any) -> Path:
    """Save a fitted TF-IDF model."""
    from textgraft.models.baselines.tfidf import fit_tfidf

    task = task_of("classification")
    rows = topic_rows(60)
    labels = [LABELS.index(label) for _, label in rows]
    model, tokenizer = fit_tfidf([text for text, _ in rows], labels, len(LABELS))
    task.configure(model.config)
    return save(folder, task, model, tokenizer, **changes)


def majority(folder: Path) -> Path:
    """Save the floor."""
    from textgraft.models.baselines.majority import MajorityConfig, MajorityForSequenceClassification

    task = task_of("classification")
    config = MajorityConfig(label_counts=[5, 2, 1])
    task.configure(config)
    tokenizer = train_word_tokenizer(TEXTS, min_frequency=1)
    return save(folder, task, MajorityForSequenceClassification(config).eval(), tokenizer)


def graft(
    folder: Path, name: str = "classification", student: bool = False, family: str = "bert", **shape: Any
) -> Path:
    """Save a graft on a tiny BERT, on another encoder with its own tokenizer, or on a recurrent student."""
    task = task_of(name)
    encoder = folder.parent / f"{folder.name}-encoder"
    if family == "bert":
        save_tiny_bert(encoder)
    else:
        save_tiny_head(encoder, "AutoModel", family=family)
    if student:
        config = RecurrentConfig(vocab_size=40, embedding_size=6, hidden_size=5, pooling="last")
        _enlarged(RecurrentModel(config)).save_pretrained(encoder)
    source = resolve_encoder(str(encoder))
    is_pair = name in ("pairs", "similarity") and shape.pop("siamese", True)
    kind = PairGraftConfig if is_pair else GraftConfig
    config = kind.on(source, **shape)
    task.configure(config)
    model = _enlarged(getattr(transformers, task.auto_class).from_config(config))
    tokenizer = load_tokenizer(encoder)
    return save(folder, task, model, siamese_tokenizer(tokenizer) if is_pair else tokenizer)


def fine_tuned(folder: Path, name: str, family: str = "bert", window: int = 0) -> Path:
    """Save a Transformers encoder with the head of a task."""
    task = task_of(name)
    made = save_tiny_head(folder.parent / f"{folder.name}-raw", task.auto_class, list(task.labels), family)
    model = getattr(transformers, task.auto_class).from_pretrained(made)
    task.configure(model.config)
    if window:
        model.config.window = window
        model = _enlarged(model)
    return save(folder, task, model.eval(), load_tokenizer(made))


MODELS: dict[str, Callable[[Path], Path]] = {
    "tfidf": tfidf,
    "majority": majority,
    "static": static,
    "static-pairs": lambda folder: static(folder, "pairs", stored_precision="float16", normalize=False),
    "lstm": recurrent,
    "gru-last": lambda folder: recurrent(folder, cell="gru", pooling="last", num_layers=2),
    "rnn-concat": lambda folder: recurrent(folder, cell="rnn", pooling="concat", bidirectional=False),
    "lstm-apart": lambda folder: recurrent(folder, num_layers=2, independent_directions=True),
    "lstm-multi-label": lambda folder: recurrent(folder, "multi-label"),
    "lstm-regression": lambda folder: recurrent(folder, "regression"),
    "lstm-pairs": lambda folder: recurrent(folder, "pairs"),
    "lstm-similarity": lambda folder: recurrent(folder, "similarity"),
    "lstm-choice": lambda folder: recurrent(folder, "multiple-choice"),
    "lstm-reader": lambda folder: recurrent(folder, "question-answering"),
    "lstm-crf-cnn": lambda folder: recurrent(folder, "token-classification", crf=True, characters="cnn"),
    "lstm-crf-lstm": lambda folder: recurrent(folder, "token-classification", crf=True, characters="lstm"),
    "lstm-tagger": lambda folder: recurrent(folder, "token-classification"),
    "graft": lambda folder: graft(folder, hidden_sizes=[8], window=10),
    "graft-lora": lambda folder: graft(folder, lora_rank=2, pooling="max", normalize=False),
    "graft-student": lambda folder: graft(folder, student=True),
    "graft-siamese": lambda folder: graft(folder, "pairs"),
    "graft-pairs": lambda folder: graft(folder, "pairs", siamese=False, lora_rank=2, pooling="cls"),
    "graft-tags": lambda folder: graft(folder, "token-classification"),
    "graft-reader": lambda folder: graft(folder, "question-answering"),
    "graft-choice": lambda folder: graft(folder, "multiple-choice"),
    "bert-pairs": lambda folder: fine_tuned(folder, "pairs"),
    "bert-choice": lambda folder: fine_tuned(folder, "multiple-choice"),
    "bert-tags": lambda folder: fine_tuned(folder, "token-classification"),
    "roberta": lambda folder: fine_tuned(folder, "classification", "roberta", window=10),
    "roberta-reader": lambda folder: fine_tuned(folder, "question-answering", "roberta"),
    "distilbert": lambda folder: fine_tuned(folder, "classification", "distilbert"),
    "mpnet": lambda folder: fine_tuned(folder, "classification", "mpnet", window=10),
    "mpnet-pairs": lambda folder: fine_tuned(folder, "pairs", "mpnet"),
    "mpnet-choice": lambda folder: fine_tuned(folder, "multiple-choice", "mpnet"),
    "mpnet-tags": lambda folder: fine_tuned(folder, "token-classification", "mpnet"),
    "mpnet-reader": lambda folder: fine_tuned(folder, "question-answering", "mpnet"),
    "mpnet-graft": lambda folder: graft(folder, family="mpnet", lora_rank=2),
}
