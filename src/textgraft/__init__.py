"""textgraft: which generation of NLP does your text need? Measured, and saved ready to serve.

The names below are loaded when they are first used, so that ``import textgraft`` costs nothing.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from textgraft._version import __version__

if TYPE_CHECKING:
    from textgraft import sklearn
    from textgraft.benchmarking.benchmark import benchmark
    from textgraft.client.asynchronous import AsyncClient
    from textgraft.client.client import Client
    from textgraft.comparison.compare import compare
    from textgraft.comparison.train import train
    from textgraft.embeddings.word_vectors import WordVectors
    from textgraft.inference.cascading.cascade import cascade
    from textgraft.inference.encode import encode
    from textgraft.inference.evaluate import evaluate
    from textgraft.inference.grafted import GraftedEncoder
    from textgraft.inference.pipelines.factory import pipeline
    from textgraft.inference.predict import predict
    from textgraft.inference.predictor import load
    from textgraft.inference.streaming.early import early_decisions
    from textgraft.inference.thresholds import threshold
    from textgraft.inspection import inspect
    from textgraft.pretraining.distill import distill
    from textgraft.pretraining.pretrain import pretrain
    from textgraft.pretraining.vectors.word_vectors import word_vectors
    from textgraft.tasks.checking import check

__all__ = [
    "AsyncClient",
    "Client",
    "GraftedEncoder",
    "WordVectors",
    "__version__",
    "benchmark",
    "cascade",
    "check",
    "compare",
    "distill",
    "early_decisions",
    "encode",
    "evaluate",
    "inspect",
    "load",
    "pipeline",
    "predict",
    "pretrain",
    "sklearn",
    "threshold",
    "train",
    "word_vectors",
]

# In a notebook without ipywidgets tqdm complains as soon as Transformers imports it; bars here are our own.
warnings.filterwarnings("ignore", message="IProgress not found")

_HOMES = {
    "AsyncClient": "textgraft.client.asynchronous",
    "Client": "textgraft.client.client",
    "GraftedEncoder": "textgraft.inference.grafted",
    "WordVectors": "textgraft.embeddings.word_vectors",
    "benchmark": "textgraft.benchmarking.benchmark",
    "check": "textgraft.tasks.checking",
    "cascade": "textgraft.inference.cascading.cascade",
    "compare": "textgraft.comparison.compare",
    "distill": "textgraft.pretraining.distill",
    "early_decisions": "textgraft.inference.streaming.early",
    "encode": "textgraft.inference.encode",
    "evaluate": "textgraft.inference.evaluate",
    "inspect": "textgraft.inspection",
    "load": "textgraft.inference.predictor",
    "predict": "textgraft.inference.predict",
    "threshold": "textgraft.inference.thresholds",
    "pretrain": "textgraft.pretraining.pretrain",
    "train": "textgraft.comparison.train",
    "pipeline": "textgraft.inference.pipelines.factory",
    "word_vectors": "textgraft.pretraining.vectors.word_vectors",
}


def __getattr__(name: str) -> Any:
    if name == "sklearn":
        return importlib.import_module("textgraft.sklearn")
    if name not in _HOMES:
        raise AttributeError(f"module 'textgraft' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
