"""The one door through which Transformers loads anything: no code of a folder is ever run.

Every ``from_pretrained`` of textgraft stands here. Without ``trust_remote_code=False`` Transformers asks on
standard input whether to run what a folder brings; with it, such a folder is an error. Weights are
safetensors, nothing is fetched, and the folder is vetted first.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textgraft.errors import ModelError, TextgraftError
from textgraft.models.quiet import quiet_transformers
from textgraft.models.vetting import INT8_WEIGHTS, vet, weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

NEW_PARTS = ("pooler",)
"""Parts of an encoder that its weights may lack: a pooler is new in every checkpoint of a masked-LM model."""
ONE_AT_A_TIME = threading.RLock()
"""Held while a model is loaded. Transformers takes the tying of weights out of its base class meanwhile, and
puts back what it found: of two loads that overlap, one puts back the other's, and no model of the process has
tied weights from then on. It also sets torch's default type, and we what it says."""
_LONGEST_REASON = 300
_DIGITS = re.compile(r"\.\d+\.")


def load_config(folder: Path) -> PreTrainedConfig:
    """Load the configuration of a model.

    Raises:
        ModelError: The folder is refused, or Transformers does not know such a model.
    """
    from transformers import AutoConfig

    vet(folder)
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise _refused("the configuration", folder, error) from error


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load the fast tokenizer of a model.

    Raises:
        ModelError: The folder is refused, or holds no fast tokenizer.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    vet(folder)
    try:
        with ONE_AT_A_TIME, quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # tokenizers raises bare Exception
        raise _refused("the tokenizer", folder, error) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(
            f"{type(tokenizer).__name__} is no fast tokenizer",
            where=str(folder),
            fix="Save one with a tokenizer.json beside the model.",
        )
    return tokenizer


def load_model(
    kind: str | type[PreTrainedModel], folder: Path, *, new: tuple[str, ...] = NEW_PARTS, **options: Any
) -> Any:
    """Load a model whose base is all there; a head, or a part named in ``new``, may begin at random.

    Args:
        kind: Name of an Auto class, or the class of a model.
        folder: With config.json and safetensors.
        new: Parts of names of the base's tensors that may be missing.
        options: Of that class's ``from_pretrained``, as ``config`` and ``dtype``.

    Raises:
        ModelError: The folder is refused, or it does not make such a model.
    """
    model, report = load_with_report(kind, folder, **options)
    _refuse_gaps(model, report.missing, folder, new)
    return model


def load_under_head(kind: str, folder: Path, **options: Any) -> tuple[Any, bool]:
    """Load a pre-trained base under a head, which begins at random where that of the folder does not fit.

    Returns:
        The model, and whether the folder has a head of other shapes.

    Raises:
        ModelError: The folder is refused, or the base is not all there.
    """
    model, report = load_with_report(kind, folder, ignore_mismatched_sizes=True, **options)
    _refuse_gaps(model, report.missing + report.mismatched, folder, NEW_PARTS)
    return model, bool(report.mismatched)


def _refuse_gaps(model: PreTrainedModel, absent: list[str], folder: Path, new: tuple[str, ...]) -> None:
    base = "" if model.base_model is model else f"{model.base_model_prefix}."
    lost = [name for name in absent if name.startswith(base) and not any(part in name for part in new)]
    if lost:
        raise ModelError(
            f"config.json and the weights do not belong together: {lost[0]} is missing or of another shape",
            where=str(folder),
            fix="Fetch or copy the folder again from where it came.",
        )


@dataclass(frozen=True)
class Report:
    """Names of the tensors of a model that a folder could not give it."""

    missing: list[str]
    mismatched: list[str]


def load_with_report(
    kind: str | type[PreTrainedModel], folder: Path, **options: Any
) -> tuple[PreTrainedModel, Report]:
    """Load a model, and report the tensors that the folder does not hold.

    Raises:
        ModelError: The folder is refused, or it does not make such a model.
    """
    import transformers

    from textgraft.models.registration import ENCODERS, register

    register(ENCODERS)
    vet(folder)
    chosen: Any = getattr(transformers, kind) if isinstance(kind, str) else kind
    if weight_files(folder)[0].name == INT8_WEIGHTS:
        return _load_int8(chosen, folder, options.get("config"))
    try:
        with ONE_AT_A_TIME, quiet_transformers():
            model, report = chosen.from_pretrained(
                folder,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **options,
            )
    except TextgraftError:
        raise
    except Exception as error:  # safetensors and Transformers raise many kinds for a damaged file
        raise _refused("the model", folder, error) from error
    _refuse_more_layers(model, report["unexpected_keys"], folder)
    mismatched = [key if isinstance(key, str) else key[0] for key in report["mismatched_keys"]]
    return cast("PreTrainedModel", model), Report(sorted(report["missing_keys"]), sorted(mismatched))


def _load_int8(kind: Any, folder: Path, config: Any) -> tuple[PreTrainedModel, Report]:
    """Load a model from weights in int8, which Transformers knows nothing of; it computes in fp32."""
    from textgraft.models.int8 import blank, fill

    try:
        with ONE_AT_A_TIME, quiet_transformers():
            model = blank(kind, config or load_config(folder))
            missing, unexpected = fill(model, folder)
    except TextgraftError:
        raise
    except Exception as error:  # as above
        raise _refused("the model", folder, error) from error
    _refuse_more_layers(model, unexpected, folder)
    return model.eval(), Report(sorted(missing), [])


def _refuse_more_layers(model: PreTrainedModel, unexpected: Iterable[str], folder: Path) -> None:
    held = {_DIGITS.sub(".#.", name) for name in model.state_dict()}
    for name in sorted(unexpected):
        if _DIGITS.search(name) and _DIGITS.sub(".#.", name) in held:
            raise ModelError(
                f"config.json states fewer layers than the weights hold: {name} would be left out",
                where=str(folder),
                fix="Fetch or copy the folder again from where it came.",
            )


def _refused(what: str, folder: Path, error: Exception) -> Exception:
    """Return one clear error for whatever Transformers raised."""
    if isinstance(error, TextgraftError):
        return error
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0]
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        reason = "it needs code of its own to be run, and textgraft runs no code of a folder"
    elif "ignore_mismatched_sizes" in reason:
        reason = "its weights have other shapes than config.json states"
    return ModelError(
        f"{what} cannot be loaded: {reason[:_LONGEST_REASON]}",
        where=str(folder),
        fix="The files are damaged, do not belong together, or are of an architecture that Transformers does "
        "not know.",
    )
