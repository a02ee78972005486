"""Pipelines by name, as Transformers 4 had them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from textgraft.errors import unknown
from textgraft.inference.engines.open import check_engine
from textgraft.settings import text_or_none

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.inference.cascading.cascaded import CascadePredictor
    from textgraft.inference.pipelines.base import Pipeline
    from textgraft.inference.pipelines.options import PipelineOptions
    from textgraft.inference.predictor import Predictor

PIPELINES = {
    "text-classification": "text_classification:TextClassificationPipeline",
    "token-classification": "token_classification:TokenClassificationPipeline",
    "question-answering": "question_answering:QuestionAnsweringPipeline",
    "multiple-choice": "multiple_choice:MultipleChoicePipeline",
    "fill-mask": "fill_mask:FillMaskPipeline",
    "next-sentence": "next_sentence:NextSentencePipeline",
    "text-generation": "text_generation:TextGenerationPipeline",
    "translation": "written_texts:TranslationPipeline",
    "summarization": "written_texts:SummarizationPipeline",
    "text2text-generation": "written_texts:TextToTextPipeline",
    "image-to-text": "vector_to_text:ImageToTextPipeline",
    "feature-extraction": "feature_extraction:FeatureExtractionPipeline",
    "sentence-similarity": "sentence_similarity:SentenceSimilarityPipeline",
    "zero-shot-classification": "zero_shot_classification:ZeroShotClassificationPipeline",
}
"""Where each pipeline lives in this folder."""
PURPOSES = {
    "text-classification": "gives texts, or pairs of texts, their labels",
    "token-classification": "finds names, places, and whatever else the model labels",
    "question-answering": "finds the span of a context that answers a question",
    "multiple-choice": "chooses how a prompt goes on, or what answers it",
    "fill-mask": "says which tokens a masked one may stand for",
    "next-sentence": "tells whether a text goes on with another",
    "text-generation": "writes on, with a causal language model",
    "translation": "translates; also as translation_de_to_en",
    "summarization": "summarizes documents: with an encoder, by sentences of theirs",
    "text2text-generation": "writes texts of any kind from texts",
    "image-to-text": "captions vectors",
    "feature-extraction": "gives the last hidden state of every token",
    "sentence-similarity": "tells how alike sentences are with one",
    "zero-shot-classification": "gives texts the labels that are named with the call",
}
"""What each does, so that it can be told without loading torch."""
_LANGUAGES = re.compile(r"translation(?:_|-)(\w+?)(?:_to_|-)(\w+)")
"""As Transformers 4 has it, translation_de_to_en, or as the default models are named, translation-de-en."""
ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}


def pipeline(
    task: str,
    model: str
    | Path
    | Predictor
    | CascadePredictor
    | tuple[PreTrainedModel, PreTrainedTokenizerFast]
    | None = None,
    *,
    revision: str | None = None,
    engine: str = "auto",
    **options: Unpack[PipelineOptions],
) -> Pipeline[Any]:
    """Build a pipeline: texts in, plain Python values out, in the shapes of Transformers 4.

    Args:
        task: "text-classification" (also "sentiment-analysis"), "token-classification" (also "ner"),
            "question-answering", "multiple-choice", "fill-mask", "next-sentence", "text-generation",
            "translation" (also as "translation_de_to_en" or "translation-de-en"), "summarization",
            "text2text-generation", "image-to-text" (on vectors), "feature-extraction", "sentence-similarity"
            or "zero-shot-classification".
        model: A model directory or graft that textgraft wrote, the name of a graft that comes with the
            package ("sentiment", "ner", "question-answering", "banking-intents"), a Transformers checkpoint
            (a folder, or a Hub id, which alone reaches for the network), a (model, tokenizer) pair, or a
            loaded predictor. None takes the pipeline's default.
        revision: Branch, tag or commit of a Hub id.
        engine: What runs the model: "auto", "torch", "openvino" or "ctranslate2"; a loaded predictor keeps
            its own. The pipeline's ``engine`` says what was picked.
        options: Of the pipeline, as its class describes them; a call may give them anew.

    Raises:
        OptionError: The pipeline or an option is unknown (the nearest name is suggested), a value is out of
            bounds, or the pipeline has no default model.
        ModelError: The model cannot be found, is damaged, or has another head.
        MissingExtraError: The engine is asked for and not installed.
    """
    if not isinstance(task, str):
        raise unknown("pipeline", task, [*PIPELINES, *ALIASES])
    text_or_none(revision, "revision")
    languages = _LANGUAGES.fullmatch(task)
    name = "translation" if languages else ALIASES.get(task, task)
    if name not in PIPELINES:
        raise unknown("pipeline", name, [*PIPELINES, *ALIASES])
    module, _, attribute = PIPELINES[name].partition(":")
    kind: type[Pipeline[Any]] = getattr(
        importlib.import_module(f"textgraft.inference.pipelines.{module}"), attribute
    )
    check_engine(engine)
    # Late, as these load torch and Transformers.
    from textgraft.inference.pipelines.shipped import default_model
    from textgraft.inference.pipelines.sources import open_source

    is_default = model is None
    given: Any = default_model(name, *languages.groups() if languages else ()) if is_default else model
    kind = kind.for_model(given, revision)
    checked = kind.options_class().but(**options)  # before a model is loaded in vain
    auto_class = kind.auto_class_of(given, revision)
    source = open_source(given, auto_class=auto_class, heads=kind.heads, revision=revision, engine=engine)
    built: Any = kind(source, checked)
    if languages:
        built.expect(*languages.groups())
    return built
