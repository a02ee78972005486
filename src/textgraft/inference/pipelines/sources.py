"""What a user may name as the model of a pipeline, and how it is loaded."""

from __future__ import annotations

import copy
import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from textgraft.errors import ModelError, OptionError
from textgraft.inference.cascading.cascaded import CascadePredictor
from textgraft.inference.predictor import Predictor, load
from textgraft.inference.promised import Promised
from textgraft.inference.runner import Runner
from textgraft.models.checkpoint import load_checkpoint
from textgraft.models.encoders import (
    LONGEST_INPUT,
    EncoderSource,
    encoder_config,
    encoder_max_length,
    load_encoder,
    resolve_encoder,
)
from textgraft.models.manifest import MANIFEST, read_manifest
from textgraft.models.shipped import folder_of, refuse_misspelt, shipped_model
from textgraft.tasks.registry import TASKS, task_class

if TYPE_CHECKING:
    from textgraft.tasks.base import Task

_ANY_HEAD = "AutoModel"
_CAUSAL = "AutoModelForCausalLM"
_SEQ2SEQ = "AutoModelForSeq2SeqLM"


@dataclass(frozen=True)
class Source:
    """A model that a pipeline can run."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_length: int
    """Tokens that the model reads at once, special tokens included."""
    predictor: Predictor | CascadePredictor | None = None
    """For a model that textgraft trained: with the task it was trained for, and its calibration. Of a chain
    of models, ``model`` and ``tokenizer`` are those of the last one."""
    wanted: str = "auto"
    """The engine that is asked for; a predictor has its own."""

    def __post_init__(self) -> None:
        if self.tokenizer.pad_token_id is None:
            raise ModelError(
                "the tokenizer has no padding token, so no batches can be made",
                fix="Give the pair (model, tokenizer) with tokenizer.pad_token set.",
            )

    @functools.cached_property
    def runner(self) -> Runner:
        """What runs the model, for every predictor of it."""
        return (
            self.predictor.runner
            if isinstance(self.predictor, Predictor)
            else Runner(self.model, self.wanted)
        )

    @property
    def engine(self) -> str:
        """Which engine runs the model, in which precision, and why not another one, if so."""
        return self.predictor.engine if self.predictor else self.runner.note

    @property
    def labels(self) -> list[str]:
        """Names of the head's outputs, in order."""
        names: dict[Any, str] = self.model.config.id2label or {}
        return [names[index] for index in range(len(names))]

    def decided(
        self,
        features: Sequence[Any],
        decoded: Sequence[Any],
        task: Task | None = None,
        promised: Promised | None = None,
    ) -> list[Any] | None:
        """Return for each row what is decided on its answer; None where the model decides nothing.

        It is decided by the model's threshold, if it has one, and comes with what is asked for.

        Args:
            features: Windows of the rows.
            decoded: What is kept of the model's outputs for each.
            task: How answers are made of them; the one that the model was trained for if left out.
            promised: What is to come with answers; what the predictor was told to give if left out.

        Raises:
            OptionError: The model cannot promise that.
        """
        if self.predictor is None:
            (promised or Promised()).check(None)
            return None
        promised = promised or self.predictor.promised
        if self.predictor.threshold is None and not promised:
            return None
        made = (task or self.predictor.task).predictions(features, decoded, self.predictor.temperature)
        return self.predictor.decide(made, promised)

    def predictor_for(self, task: Task, max_length: int | None = None) -> Predictor | CascadePredictor:
        """Return a predictor for ``task``, calibrated as the model is; a chain is one for its own task alone.

        Args:
            task: One whose head the model has.
            max_length: Tokens of a window, if fewer than the model reads.
        """
        if isinstance(self.predictor, CascadePredictor):
            return self.predictor
        if self.predictor and task is self.predictor.task and max_length in (None, self.max_length):
            return self.predictor
        temperature = self.predictor.temperature if self.predictor else 1.0
        return Predictor(
            self.model,
            self.tokenizer,
            task,
            max_length or self.max_length,
            temperature,
            runner=self.runner,
        )


def open_source(
    given: Any,
    *,
    auto_class: str,
    heads: tuple[str, ...] = (),
    revision: str | None = None,
    engine: str = "auto",
) -> Source:
    """Find and load a model.

    Args:
        given: A model directory or graft that textgraft wrote, the name of a shipped graft, a Transformers
            checkpoint (a folder, or a Hub id, which alone reaches for the network), a (model, tokenizer)
            pair, or a :class:`~textgraft.inference.predictor.Predictor`.
        auto_class: Name of the Auto class whose models have the head that is needed.
        heads: Pipelines that its task may name as its own; none for pipelines that need no head.
        revision: Of a Hub id.
        engine: "auto", "torch", "openvino" or "ctranslate2"; a predictor keeps its own.

    Raises:
        ModelError: There is no such model, it is damaged, or it was made for something else.
        OptionError: ``given`` is nothing of the kind.
    """
    if isinstance(given, Predictor | CascadePredictor) and heads:
        return _of_predictor(given, heads, "the given predictor")
    if isinstance(given, tuple) and len(given) == 2:
        return replace(_of_pair(*given, auto_class), wanted=engine)
    if isinstance(given, str | Path):
        return _of_name(given, auto_class, heads, revision, engine)
    raise OptionError(
        f"the model is {type(given).__name__}",
        where="model",
        fix="Give a folder, a Hub id, or the pair (model, tokenizer).",
    )


def is_encoder(given: Any, revision: str | None) -> bool:
    """Tell whether what a user names as a model is a checkpoint that has no head: it encodes, and no more.

    Raises:
        ModelError: There is no such model.
    """
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], PreTrainedModel):
        names, is_pair = [type(given[0]).__name__], given[0].config.is_encoder_decoder
    elif isinstance(given, str | Path):
        path = Path(given).expanduser()
        if (path / MANIFEST).is_file() or (not path.is_dir() and shipped_model(str(given)) is not None):
            return False
        if path.is_dir() and not (path / "config.json").is_file():
            return False  # opening it tells what is missing
        config = encoder_config(resolve_encoder(given, revision))
        names, is_pair = config.get("architectures") or [""], bool(config.get("is_encoder_decoder"))
    else:
        return False
    return str(names[0]).endswith("Model") and not is_pair


def _of_name(
    name: str | Path, auto_class: str, heads: tuple[str, ...], revision: str | None, engine: str
) -> Source:
    path = folder_of(name, of_task=False)
    if not path.is_dir() or not (path / MANIFEST).is_file() or not heads:
        if path.is_dir() and not (path / "config.json").is_file():
            read_manifest(path)  # raises, and says where a model may be
        if not path.is_dir():
            refuse_misspelt(name)
        source = resolve_encoder(path if path.is_dir() else name, revision)
        path = source.path
        if not heads or not (path / MANIFEST).is_file():
            return replace(_of_checkpoint(source, auto_class), wanted=engine)
    _check_task(read_manifest(path).task, heads, str(path))
    predictor = load(path, engine=engine)
    if not isinstance(predictor, Predictor | CascadePredictor):
        raise ModelError(
            "this folder holds a prompt for a language model elsewhere, and no weights",
            where=str(path),
            fix="Use textgraft.load(folder).predict(texts), or textgraft predict.",
        )
    return _of_predictor(predictor, heads, str(path))


def _of_predictor(predictor: Predictor | CascadePredictor, heads: tuple[str, ...], where: str) -> Source:
    _check_task(predictor.task.name, heads, where)
    reader = predictor.last if isinstance(predictor, CascadePredictor) else predictor
    assert isinstance(reader, Predictor), "what asks an endpoint is no part of a chain"
    return Source(reader.model, reader.tokenizer, reader.max_length, predictor)


def _check_task(name: str, heads: tuple[str, ...], where: str) -> None:
    if task_class(name).pipeline not in heads:
        raise ModelError(
            f"this model was trained for {name}",
            where=where,
            fix=f"This pipeline needs one that was trained for {' or '.join(_tasks_of(heads))}.",
        )


def _tasks_of(heads: Collection[str]) -> list[str]:
    return [name for name in TASKS if task_class(name).pipeline in heads]


def _of_pair(model: Any, tokenizer: Any, auto_class: str) -> Source:
    if not isinstance(model, PreTrainedModel) or not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise OptionError(
            f"the pair is ({type(model).__name__}, {type(tokenizer).__name__})",
            where="model",
            fix="Give a Transformers model and its fast tokenizer.",
        )
    heads = [auto_class.removeprefix(_ANY_HEAD)] + ["LMHeadModel"] * (auto_class == _CAUSAL)
    writes = auto_class == _SEQ2SEQ and model.config.is_encoder_decoder and model.can_generate()
    if not writes and not any(head in type(model).__name__ for head in heads):
        raise ModelError(
            f"{type(model).__name__} has not the head that this pipeline needs",
            fix=f"Load the model with {auto_class}.",
        )
    reader = getattr(model.config, "encoder", None) or model.config
    positions = getattr(reader, "max_position_embeddings", None) or LONGEST_INPUT
    if tokenizer.model_max_length > positions:
        # RoBERTa's relatives number positions from pad_token_id + 1; that much is left unused in any case.
        positions -= (model.config.pad_token_id or 0) + 1
    length = min(positions, tokenizer.model_max_length, LONGEST_INPUT)
    return Source(model.eval(), _padding(tokenizer, auto_class), length)


def _of_checkpoint(source: EncoderSource, auto_class: str) -> Source:
    """Open a checkpoint that others trained."""
    if auto_class == _ANY_HEAD:
        return Source(*load_encoder(source), encoder_max_length(source))
    model, tokenizer = load_checkpoint(source, auto_class)
    return Source(model, _padding(tokenizer, auto_class), encoder_max_length(source))


def _padding(tokenizer: PreTrainedTokenizerFast, auto_class: str) -> PreTrainedTokenizerFast:
    """Let a causal model's tokenizer without a padding token pad with the end of texts, as is usual."""
    if auto_class == _CAUSAL and tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
