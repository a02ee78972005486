"""What is inspected: a trained model, a language model or an encoder, with its tokenizer."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgraft.errors import ModelError, OptionError, unknown

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from textgraft.inference.predictor import Predictor
    from textgraft.inference.row_predictor import RowPredictor

CLASSIFIER, LANGUAGE_MODEL, MASKED, ENCODER, OTHER = (
    "classifier", "language model", "masked language model", "encoder", "model of another task",
)  # fmt: skip
_ARTICLES = {ENCODER: "an"}
LONGEST = 64
"""Tokens of a text that are shown of a map: more cannot be read."""


@dataclass(frozen=True)
class Subject:
    """A model that can be looked into, in torch and in evaluation mode."""

    name: str
    kind: str
    """One of the constants of this module."""
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_length: int
    predictor: Predictor | None = None
    """Of a model that was trained on a task."""

    @property
    def is_recurrent(self) -> bool:
        """Whether it is an RNN, LSTM or GRU."""
        return str(self.model.config.model_type).startswith("recurrent")

    @property
    def title(self) -> str:
        """What kind of network it is, as "LSTM, 2 layers"."""
        config = self.model.config
        encoder = getattr(self.model, "encoder", None) if config.model_type == "graft" else None
        if encoder is not None:
            config = encoder.config
        kind = str(getattr(config, "cell", config.model_type))
        kind = {"rnn": "Elman RNN", "lstm": "LSTM", "gru": "GRU"}.get(kind, kind)
        layers = getattr(config, "num_hidden_layers", None)
        return f"{kind}, {layers} layer{'s' if layers != 1 else ''}" if layers else kind

    def inputs(self, text: str, most: int | None = None) -> dict[str, Tensor]:
        """Return what the model reads of a text, [1, time] each.

        Args:
            text: Any text.
            most: Tokens that are read at most, where that is less than the model's own limit.

        Raises:
            OptionError: It has no token.
        """
        import torch

        longest = min(self.max_length, most or self.max_length)
        if self.predictor is not None:
            task = self.predictor.task
            (feature, *_) = task.features(task.rows([text]), self.tokenizer, longest)
            batch: dict[str, Any] = task.collate([feature], self.tokenizer.pad_token_id)
        else:
            batch = dict(self.tokenizer(text, truncation=True, max_length=longest, return_tensors="pt"))
        if "input_ids" not in batch or not batch["input_ids"].numel():
            raise OptionError(
                "there is no token in this text", where="TEXT", fix="Give a text of some words."
            )
        kept = {name: value for name, value in batch.items() if name != "labels"}
        if "attention_mask" not in kept:
            kept["attention_mask"] = torch.ones_like(kept["input_ids"])
        return read_by(self.model, kept)

    def is_cut(self, text: str, read: int) -> bool:
        """Return whether a text has more tokens than those that were read."""
        return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"]) > read

    def tokens(self, ids: Tensor) -> list[str]:
        """Return the tokens of ids [1, time] as they are read."""
        return [str(token) for token in self.tokenizer.convert_ids_to_tokens(ids[0].tolist())]

    def embeddings(self, ids: Tensor) -> Tensor:
        """Return the word vectors of ids [1, time], cut off from the weights they come from."""
        vectors: Tensor = self.model.get_input_embeddings()(ids)
        return vectors.detach()


def read_by(model: PreTrainedModel, batch: dict[str, Any]) -> dict[str, Any]:
    """Return what of a tokenizer's batch a model takes: some know no token types."""
    known = inspect.signature(model.forward).parameters
    return {name: value for name, value in batch.items() if name != "token_type_ids" or name in known}


def open_subject(model: str | Path | RowPredictor) -> Subject:
    """Load what is to be inspected.

    Args:
        model: A model directory, the name of a graft that comes with textgraft, or an encoder as
            ``resolve_encoder`` takes it, as "bundled" or a folder; or what ``textgraft.load`` returned.

    Raises:
        ModelError: There is no such model, it is damaged, or it has no weights of its own.
    """
    from textgraft.inference.predictor import load
    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.models.manifest import MANIFEST
    from textgraft.models.shipped import folder_of, refuse_misspelt

    if isinstance(model, RowPredictor):
        return _trained(str(model.folder or "a model"), model)
    folder = folder_of(model)
    if not folder.is_dir():
        refuse_misspelt(model)
    if (folder / MANIFEST).is_file():
        return _trained(str(model), load(folder, engine="torch"))
    return _pretrained(str(model))


def _trained(name: str, predictor: RowPredictor) -> Subject:
    from textgraft.inference.predictor import Predictor

    if not isinstance(predictor, Predictor):
        raise ModelError(
            "this is a prompt for a model elsewhere: there are no weights to look into",
            where=name,
            fix="Give a trained model; inspect tokens --method occlusion takes this one as well.",
        )
    kind = CLASSIFIER if predictor.task.name == "classification" else OTHER
    model = predictor.model.cpu().eval()
    return Subject(name, kind, model, predictor.tokenizer, predictor.max_length, predictor)


def _pretrained(name: str) -> Subject:
    from textgraft.models.encoders import encoder_config, encoder_max_length, load_encoder, resolve_encoder

    source = resolve_encoder(name)
    kinds = [str(one) for one in encoder_config(source).get("architectures") or []]
    auto_class, kind = "AutoModel", ENCODER
    if kinds == ["RecurrentForCausalLM"]:
        auto_class, kind = "AutoModelForCausalLM", LANGUAGE_MODEL
    elif any(one.endswith("ForMaskedLM") for one in kinds):
        auto_class, kind = "AutoModelForMaskedLM", MASKED
    model, tokenizer = load_encoder(source, auto_class)
    return Subject(name, kind, model, tokenizer, encoder_max_length(source))


def only(subject: Subject, kinds: tuple[str, ...], what: str) -> None:
    """Refuse a subject that something does not apply to.

    Args:
        subject: What was given.
        kinds: Those that it applies to.
        what: What it is, as "gradients".

    Raises:
        OptionError: It is of another kind.
    """
    if subject.kind in kinds:
        return
    task = f" ({subject.predictor.task.name})" if subject.predictor is not None else ""
    raise OptionError(
        f"{what} are looked at in a {' or a '.join(kinds)}, and this is {_ARTICLES.get(subject.kind, 'a')} "
        f"{subject.kind}{task}",
        where=subject.name,
        fix="Give such a model, as runs/<name>/best of textgraft compare or train.",
    )


def label_number(subject: Subject, label: str | None) -> int | None:
    """Return the place of a label among the model's outputs; None where none is named.

    Raises:
        OptionError: There is no such label, or the model has none.
    """
    if label is None:
        return None
    if subject.predictor is None or subject.kind != CLASSIFIER:
        raise OptionError("this model has no labels", where="--label", fix="Leave it out.")
    labels = subject.predictor.task.labels
    if label not in labels:
        raise unknown("label", label, labels, where="--label")
    return labels.index(label)
