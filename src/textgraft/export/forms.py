"""What a model is outside of torch: a graph with its inputs, or arrays; and what the runtime must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from textgraft.data.words import WORD
from textgraft.errors import OptionError
from textgraft.export import encoder_graph, recurrent_graph, static_graph
from textgraft.export.as_bert import in_berts_terms
from textgraft.export.drawing import numbers
from textgraft.inference.predictor import Predictor
from textgraft.inference.row_predictor import RowPredictor
from textgraft.models.baselines.majority import MajorityForSequenceClassification
from textgraft.models.baselines.static import StaticForSequenceClassification
from textgraft.models.baselines.tfidf import TfidfForSequenceClassification
from textgraft.models.graft.base import Graft
from textgraft.models.graft.heads import GraftForSequenceClassification
from textgraft.models.graft.pairs import PairGraftForSequenceClassification
from textgraft.models.recurrent.choice import RecurrentForMultipleChoice
from textgraft.models.recurrent.encoder import (
    RecurrentConfig,
    RecurrentForSequenceClassification,
    RecurrentModel,
)
from textgraft.models.recurrent.reader import RecurrentForQuestionAnswering
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification
from textgraft.models.windows import Cutting
from textgraft.tokenization.encode import PairFrame, TextFrame, takes_token_types
from textgraft.tokenization.word_shapes import WORD_SHAPES
from textgraft.tokenization.word_tokenizer import SPECIAL_TOKENS

FORMAT = 1
"""Of runtime.json."""
TASKS = (
    "classification", "multi-label", "multiple-choice", "pairs", "question-answering", "regression",
    "similarity", "token-classification",
)  # fmt: skip
"""Those whose answers the runtime can make."""
_RECURRENT = (
    RecurrentForSequenceClassification,
    RecurrentForTokenClassification,
    RecurrentForMultipleChoice,
    RecurrentForQuestionAnswering,
)
_IDS = ("input_ids", "attention_mask")


@dataclass(frozen=True)
class Form:
    """What is written of a model."""

    kind: Literal["graph", "tfidf", "majority"]
    inputs: tuple[str, ...] = ()
    """Of the graph."""
    draw: Callable[[Path], None] | None = None
    """Writes the graph to a file."""
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What stands beside it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the runtime must know of it besides."""
    apart: bool = False
    """Whether the two texts of a pair are sequences of their own."""


def form_of(predictor: RowPredictor) -> Form:
    """Return the form of a model.

    Raises:
        OptionError: There is none: the model writes texts, asks an endpoint, or is of an unknown kind.
    """
    task = predictor.task
    if task.name not in TASKS:
        raise OptionError(
            f"a model of {task.name} is not exported: the runtime cannot search for the best text",
            where="model",
            fix=f"What can be exported are models of {', '.join(TASKS)}.",
        )
    if not isinstance(predictor, Predictor):
        raise OptionError(
            "this is not one model with weights: it asks an endpoint, or is a cascade of several",
            where="model",
            fix="Export one that was trained; of a cascade, a folder in its parts.",
        )
    model: Any = predictor.model
    if isinstance(model, TfidfForSequenceClassification):
        return _tfidf(model)
    if isinstance(model, MajorityForSequenceClassification):
        return Form("majority", arrays={"logits": numbers(model.logits)})
    if isinstance(model, StaticForSequenceClassification):
        return Form("graph", _IDS, lambda path: static_graph.draw(model, path), apart=model.config.pairs)
    if isinstance(model, _RECURRENT):
        return _recurrent(model)
    has_types = _reads_types(model) and takes_token_types(predictor.tokenizer)
    if isinstance(model, Graft):
        return _graft(model, has_types=has_types)
    base = getattr(model, "base_model", None)
    if base is None or base is model or _unknown(base):
        raise _no_form(model)
    inputs = (*_IDS, "token_type_ids") if has_types else _IDS
    head = task.auto_class
    cutting = Cutting.of(model.config) if task.takes_windows else None
    return Form(
        "graph",
        inputs if cutting is None else (*inputs, "averaging"),
        lambda path: encoder_graph.draw_fine_tuned(
            model, path, has_types=has_types, head=head, in_windows=cutting is not None
        ),
        facts={} if cutting is None else {"window": cutting.size, "window_frame": list(cutting.frame)},
    )


def _tfidf(model: TfidfForSequenceClassification) -> Form:
    config = model.config
    return Form(
        "tfidf",
        arrays={
            "keys": model.keys.numpy(),
            **{name: numbers(getattr(model, name)) for name in ("idf", "weight", "bias")},
        },
        facts={
            "ngrams": list(config.ngrams),
            "sublinear": config.sublinear,
            "vocab_size": config.vocab_size,
            "special_tokens": len(SPECIAL_TOKENS),
        },
    )


def _recurrent(model: Any) -> Form:
    inputs: tuple[str, ...] = _IDS
    arrays: dict[str, NDArray[Any]] = {}
    facts: dict[str, Any] = {}
    if model.config.reads_characters:
        inputs = (*_IDS, "character_ids")
    if isinstance(model, RecurrentForTokenClassification) and model.crf is not None:
        arrays = {
            "transitions": numbers(model.crf.transitions),
            "allowed": model.crf.allowed.cpu().numpy().astype(np.bool_),
        }
        facts = {"marginal_temperature": model.config.marginal_temperature}
    compares = isinstance(model, RecurrentForMultipleChoice | RecurrentForQuestionAnswering)
    apart = compares or (model.config.pairs and isinstance(model, RecurrentForSequenceClassification))
    return Form("graph", inputs, lambda path: recurrent_graph.draw(model, path), arrays, facts, apart)


def _graft(graft: Graft, *, has_types: bool) -> Form:
    if _unknown(graft.encoder):
        raise _no_form(graft.encoder)
    apart = isinstance(graft, PairGraftForSequenceClassification)
    has_types = has_types and not apart
    inputs: tuple[str, ...] = (*_IDS, "token_type_ids") if has_types else _IDS
    facts: dict[str, Any] = {}
    if graft.config.word_shapes:
        inputs = (*inputs, WORD_SHAPES)
    if isinstance(graft, GraftForSequenceClassification) and graft.config.window:
        inputs = (*inputs, "averaging")
        facts = {"window": graft.config.window, "window_frame": list(graft.config.window_frame)}
    return Form(
        "graph",
        inputs,
        lambda path: encoder_graph.draw_graft(graft, path, has_types=has_types),
        facts=facts,
        apart=apart,
    )


def _reads_types(model: Any) -> bool:
    encoder = model.encoder if isinstance(model, Graft) else model.base_model
    return (getattr(encoder.config, "type_vocab_size", None) or 0) >= 2


def _unknown(encoder: Any) -> bool:
    if isinstance(encoder.config, RecurrentConfig):
        return not isinstance(encoder, RecurrentModel) or encoder.config.reads_characters
    return in_berts_terms(encoder.config.to_dict()) is None


def _no_form(model: Any) -> OptionError:
    return OptionError(
        f"a {type(model).__name__} is not exported",
        where="model",
        fix="What can be exported are TF-IDF, static vectors, recurrent networks, and encoders of the kinds "
        "of BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT and MPNet, fine-tuned or under a graft.",
    )


def facts_of(predictor: Predictor, form: Form) -> dict[str, Any]:
    """Return what runtime.json says of a model, the precision apart."""
    tokenizer, task = predictor.tokenizer, predictor.task
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    pair = PairFrame.of(backend, "a")
    text = TextFrame.of(backend, " a")
    pad = tokenizer.pad_token_id or 0
    unknown = tokenizer.unk_token_id
    empty = backend.encode("").ids
    return {
        "format": FORMAT,
        "kind": form.kind,
        "inputs": list(form.inputs),
        "apart": form.apart,
        "window": 0,
        "pad": pad,
        "unknown": pad if unknown is None else unknown,
        "encode_special_tokens": backend.encode_special_tokens,
        "nothing": empty or [min(backend.get_added_tokens_decoder(), default=0)],
        "frame": [text.before, text.after],
        "pair_frame": {"ids": pair.ids, "types": pair.types, "text_types": pair.text_types},
        "word_mask": "word_mask" in tokenizer.model_input_names or not _has_field(predictor),
        "words": WORD,
        "answer_fields": list(task.answer_fields),
        **form.facts,
    }


def _has_field(predictor: Predictor) -> bool:
    return getattr(predictor.model, "crf", None) is not None
