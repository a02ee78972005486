"""From what a user names to models that take requests."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError, OptionError
from textgraft.inference.cascading.cascaded import CascadePredictor
from textgraft.inference.cascading.steps import is_cascade
from textgraft.inference.prompting.prompt import FILE as PROMPT
from textgraft.models.encoders import BUNDLED, encoder_config, resolve_encoder
from textgraft.models.manifest import MANIFEST, Manifest, read_manifest
from textgraft.models.shipped import folder_of, refuse_misspelt
from textgraft.serving.answering import Answering, ServedPredictor, prepare_dataset
from textgraft.serving.cascades import ServedCascade
from textgraft.serving.encoding import ServedEncoder, open_encoder
from textgraft.serving.light.model import LightModel
from textgraft.serving.light.opening import base_encoder, frozen_encoder, open_light
from textgraft.serving.light.tokens import LightTokens
from textgraft.serving.piping import ServedPipeline
from textgraft.serving.prepared import Prepared
from textgraft.serving.registry import Lazy, ServedModel
from textgraft.serving.viewing import ServedView
from textgraft.tasks.registry import make_task, task_class

if TYPE_CHECKING:
    from textgraft.inference.pipelines.base import Pipeline
    from textgraft.tasks.base import Task

logger = logging.getLogger(__name__)

ON_ENCODER = ("zero-shot-classification", "feature-extraction", "summarization")
"""Pipelines of an encoder; they are built when they are first asked for, as that loads torch. Similarities
need no torch."""
HEADS = {
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "ForNextSentencePrediction": "next-sentence",
    "ForMultipleChoice": "multiple-choice",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
}
"""The pipeline of a checkpoint by the end of its architecture's name; any other is an encoder."""
_BEST = "best"
_PROBLEMS = {
    "regression": "regression",
    "similarity": "regression",
    "multi-label": "multi_label_classification",
}
"""What Transformers calls the problems whose scores are no softmax."""


@dataclass(frozen=True)
class Named:
    """A model as the user named it: ``PATH``, or ``NAME=PATH``."""

    name: str
    source: str

    @classmethod
    def of(cls, given: str) -> Named:
        """Read it; without a name a folder is called by its own, or by the run that it is the best of.

        Raises:
            OptionError: There is nothing after the name.
        """
        name, equals, source = given.partition("=")
        if equals and name and "/" not in name:
            if not source:
                raise OptionError(f"{given!r} names no model", fix="Write NAME=PATH.")
            return cls(name, source)
        path = Path(given).expanduser()
        if not path.is_dir():
            return cls(given, given)
        path = path.resolve()
        return cls(path.parent.name if path.name == _BEST else path.name, given)

    @property
    def place(self) -> str:
        """What to open: the folder of what comes with the package, or what the user named."""
        found = folder_of(self.source, of_task=False)
        if not found.is_dir():
            refuse_misspelt(self.source)
        return self.source if found == Path(self.source).expanduser() else str(found)

    @property
    def path(self) -> Path | None:
        """The folder of a model that textgraft trained; None for encoders and checkpoints of others."""
        path = folder_of(self.source)
        if (path / MANIFEST).is_file():
            return path
        if path.is_dir() and not (path / "config.json").is_file():
            read_manifest(path)  # raises, and says where a model may be
        return None


def load_models(
    given: Sequence[Named],
    *,
    engine: str = "auto",
    precision: str = "auto",
    calibration: Sequence[str] = (),
) -> list[ServedModel]:
    """Load all models of a service.

    Encoders come first: a graft that leaves its encoder as it is shares that one, named or not. Where no
    model encodes texts, the encoder of the first graft is served beside them.

    Args:
        given: At least one.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        precision: Of encoders: "auto", "fp32", "bf16" or "int8".
        calibration: Texts like those to come, for int8.

    Raises:
        OptionError: Two have one name, or an option is wrong.
        ModelError: A model cannot be found, is damaged, or cannot be served.
    """
    names = [named.name for named in given]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OptionError(f"two models are called {twice!r}", fix="Name them: NAME=PATH.")
    trained = {named.name: path for named in given if (path := named.path) is not None}
    single = {name for name, path in trained.items() if not is_cascade(read_manifest(path))}
    encoders: dict[Any, ServedEncoder] = {}

    def encoder_of(source: Any, pooling: str) -> ServedEncoder:
        key = (source.identity, pooling)
        if key not in encoders:
            encoders[key] = open_encoder(
                source, pooling=pooling, engine=engine, precision=precision, calibration=calibration or None
            )
        return encoders[key]

    models = {}
    for named in given:
        if named.name not in trained:
            models[named.name] = _of_others(named, encoder_of, engine)
    for name, path in trained.items():
        found = frozen_encoder(path) if name in single else None
        if found is not None and engine != "torch":
            served = encoder_of(*found)
            if found[0].name == BUNDLED and not found[0].prompt and BUNDLED not in names:
                models.setdefault(BUNDLED, _encoder(BUNDLED, served, found[0].name))
        models[name] = _trained(name, path, encoders, engine)
    if not any(model.encoder for model in models.values()):
        # What only adapters would use is served as well, for whoever asks for encodings.
        base = next(
            (one for name in trained if name in single and (one := base_encoder(trained[name]))), None
        )
        if base is not None and (called := Path(base.name).name) not in models:
            models[called] = _encoder(called, encoder_of(base, "mean"), base.name)
    order = [*names, *(name for name in models if name not in names)]
    return [models[name] for name in order]


def identity(named: Named) -> str:
    """Return a hash of everything that a model's answers depend on, without loading it.

    Raises:
        ModelError: It cannot be found, or is damaged.
    """
    path = named.path
    return read_manifest(path).identity if path is not None else resolve_encoder(named.place).identity


def _of_others(named: Named, encoder_of: Callable[[Any, str], ServedEncoder], engine: str) -> ServedModel:
    """Load an encoder, or a checkpoint with a head."""
    place = named.place
    source = resolve_encoder(place)
    architecture = str((encoder_config(source).get("architectures") or [""])[0])
    task = next((task for ending, task in HEADS.items() if architecture.endswith(ending)), None)
    if task is None:
        return _encoder(named.name, encoder_of(source, "mean"), place)
    _check_torch(place)
    from textgraft.inference.pipelines.factory import pipeline

    built = pipeline(task, place, engine=engine)
    served = ServedPipeline(
        built, source.identity, built.source.tokenizer.backend_tokenizer, built.source.max_length
    )
    labels = tuple(built.source.labels) if "classification" in task else ()
    return ServedModel(
        named.name, source.identity, built.engine, labels=labels, pipelines={task: lambda: served}
    )


def _encoder(name: str, served: ServedEncoder, source: str) -> ServedModel:
    encoder = served.encoder

    def build(task: str) -> Callable[[], ServedPipeline]:
        def built() -> ServedPipeline:
            from textgraft.inference.pipelines.factory import pipeline

            logger.info("building the pipeline %s, which loads torch", task)
            made = pipeline(task, source)
            # To ask for its engine opens it, which the model thread must not wait for.
            logger.info("%s runs on %s", task, made.engine)
            return ServedPipeline(
                made, f"{task} {encoder.source.identity}", encoder.tokenizer, encoder.max_length
            )

        return Lazy(built)

    def view() -> ServedView:
        from textgraft.inspection.word_view import WordView

        logger.info("loading torch to look into %s", name)
        return ServedView(WordView(encoder.source), encoder.source.identity)

    return ServedModel(
        name,
        encoder.source.identity,
        encoder.open().note,
        encoder=served,
        pipelines={task: build(task) for task in ON_ENCODER if _has_torch()},
        view=Lazy(view) if _has_torch() else None,
        probe=lambda: served.prepare(["ok"], truncate=True),
        is_light=encoder.open().name == "openvino",
    )


def _trained(name: str, path: Path, encoders: dict[Any, ServedEncoder], engine: str) -> ServedModel:
    """Load a model that textgraft trained, without torch if it can be."""
    manifest = read_manifest(path)
    if (path / PROMPT).is_file():
        raise ModelError(
            "this folder holds a prompt for a language model elsewhere, and no weights",
            where=str(path),
            fix="Ask its endpoint, or use textgraft predict.",
        )
    task = make_task(manifest.task, manifest.task_settings, where=str(path / MANIFEST))
    if engine != "torch" and not is_cascade(manifest):
        light = open_light(path, manifest, task, encoders, engine)
        if light is not None:
            return _light(name, light, manifest, task)
    _check_torch(str(path))
    from textgraft.inference.pipelines.factory import pipeline
    from textgraft.inference.predictor import Predictor, load

    predictor = load(path, engine=engine)
    reader = predictor.last if isinstance(predictor, CascadePredictor) else predictor
    assert isinstance(reader, Predictor), "a prompt was refused before"
    assert reader.manifest is not None, "it was loaded from a model directory"
    kind = task_class(manifest.task).pipeline
    made = pipeline(kind, predictor if isinstance(predictor, CascadePredictor) else reader)
    served = ServedPipeline(made, manifest.identity, reader.tokenizer.backend_tokenizer, reader.max_length)
    answering: Answering = (
        ServedCascade(predictor, reader, manifest.identity)
        if isinstance(predictor, CascadePredictor)
        else ServedPredictor(reader, manifest.identity)
    )
    return ServedModel(
        name,
        manifest.identity,
        predictor.engine,
        manifest.task,
        tuple(task.labels),
        answering=answering,
        pipelines={kind: lambda: served},
        probe=_probe(answering, reader.manifest),
    )


def _light(name: str, light: LightModel, manifest: Manifest, task: Task[Any]) -> ServedModel:
    kind = task_class(manifest.task).pipeline
    source: Any = SimpleNamespace(
        labels=list(task.labels),
        predictor=light,
        predictor_for=light.for_task if isinstance(light, LightTokens) else lambda *_: light,
        decided=lambda windows, found, promised=None: (
            light.predictions(windows, found, promised) if light.threshold or promised else None
        ),
        max_length=light.max_length,
        model=SimpleNamespace(config=SimpleNamespace(problem_type=_PROBLEMS.get(manifest.task))),
        engine=light.engine,
    )
    served = ServedPipeline(
        _light_pipeline(kind, source), manifest.identity, light.tokenizer.backend_tokenizer, light.max_length
    )
    return ServedModel(
        name,
        manifest.identity,
        light.engine,
        manifest.task,
        tuple(task.labels),
        answering=light,
        pipelines={kind: lambda: served},
        probe=_probe(light, manifest),
        is_light=True,
    )


def _light_pipeline(kind: str, source: Any) -> Pipeline[Any]:
    """Build a pipeline that needs no torch, as far as it goes by a model that textgraft trained."""
    if kind == "token-classification":
        from textgraft.inference.pipelines.token_classification import (
            TokenClassificationOptions,
            TokenClassificationPipeline,
        )

        return TokenClassificationPipeline(source, TokenClassificationOptions())
    if kind == "question-answering":
        from textgraft.inference.pipelines.question_answering import (
            QuestionAnsweringOptions,
            QuestionAnsweringPipeline,
        )

        return QuestionAnsweringPipeline(source, QuestionAnsweringOptions())
    from textgraft.inference.pipelines.text_classification import (
        TextClassificationOptions,
        TextClassificationPipeline,
    )

    return TextClassificationPipeline(source, TextClassificationOptions())


def _probe(answering: Answering, manifest: Manifest) -> Callable[[], Prepared] | None:
    """Return what asks a model for one of its golden rows."""
    if not manifest.golden:
        return None
    row = Dataset.unlabelled({name: [value] for name, value in manifest.golden[0].columns.items()})
    return lambda: prepare_dataset(answering, row, truncate=True)


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _check_torch(where: str) -> None:
    """Refuse what only torch can run where it is not installed, as in a light image.

    Raises:
        ModelError: It is not.
    """
    if not _has_torch():
        raise ModelError(
            "this model needs torch, which is not installed here",
            where=where,
            fix="Install all of textgraft, or serve encoders and heads on texts alone.",
        )
