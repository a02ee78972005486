"""Many tasks on one encoder in memory."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers.utils import ModelOutput

import textgraft.models.graft.heads as grafts
from textgraft.data.inputs import given_inputs
from textgraft.errors import ModelError, OptionError, unknown
from textgraft.evaluation.promises import Threshold
from textgraft.forks import computing
from textgraft.inference.encode import MAX_TOKENS as ENGINE_TOKENS
from textgraft.inference.engines.open import first_choice, open_engine
from textgraft.inference.predictor import MAX_SEQUENCES, MAX_TOKENS, Predictor
from textgraft.inference.runner import TORCH, EngineEncoder, frozen_source
from textgraft.models.encoders import BUNDLED, load_encoder, resolve_encoder
from textgraft.models.graft.adapter import merged
from textgraft.models.graft.base import Graft, run_encoder
from textgraft.models.graft.encoder_layers import STACKS, encoder_layers, only_layers
from textgraft.models.loading import load_model
from textgraft.models.manifest import MANIFEST, read_manifest
from textgraft.models.shipped import model_folder
from textgraft.side_by_side import in_order
from textgraft.tasks.base import Features, Task, padded, padded_inputs
from textgraft.tasks.registry import make_task
from textgraft.tasks.targets import decided
from textgraft.tokenization.encode import ask_for
from textgraft.tokenization.word_shapes import WORD_SHAPES
from textgraft.training.batching import token_budget_batches
from textgraft.training.precision import autocast, resolve_precision

_Turn = tuple[list[str], list[int]]
"""Names of the grafts that ask for a batch, and the places of its windows."""
_Ran = tuple[list[str], list[int], dict[str, ModelOutput]]


@dataclass(frozen=True)
class _Member:
    graft: Graft
    shared: int
    """Layers below its adapter, or all if it has none."""
    task: Task | None = None
    max_length: int = 0
    temperature: float = 1.0
    threshold: Threshold | None = None


class GraftedEncoder:
    """One encoder that answers for many grafts.

    A batch runs once through the layers that no adapter changes; from the layer on where a graft's adapter
    begins, it runs once for that graft. Grafts without an adapter cost no more than their heads; if none of
    those that predict has one, the encoder runs on the engine that is fastest here, else in torch.

    Args:
        encoder: ``bundled``, a local directory or a Hub id, as for ``resolve_encoder``.
        revision: Of a Hub id.
        device: Where all of it runs.
        prompt: What stands before every text, as for ``resolve_encoder``; the grafts must have been trained
            with it.

    Raises:
        ModelError: There is no such encoder.
    """

    def __init__(
        self,
        encoder: str | Path = BUNDLED,
        revision: str | None = None,
        device: str | torch.device = "cpu",
        prompt: str | None = None,
    ) -> None:
        self.source = resolve_encoder(encoder, revision, prompt)
        self.encoder, self.tokenizer = load_encoder(self.source)
        self.encoder.requires_grad_(False)
        self.device = torch.device(device)
        self.encoder.to(self.device)  # type: ignore[arg-type]  # a decorator hides self
        is_divisible = self.encoder.config.model_type in STACKS
        self._layers = len(encoder_layers(self.encoder)) if is_divisible else 1
        self._members: dict[str, _Member] = {}
        self._lock = threading.Lock()

    @functools.cached_property
    def _frozen(self) -> Any:
        """Runs the encoder as it is, on the engine that is fastest here."""
        architecture = self.encoder.config.model_type
        precision = resolve_precision("auto", self.device)
        if self.device.type != "cpu" or first_choice("auto", precision) == TORCH:
            return self.encoder
        source = frozen_source(self.source, self.encoder.config, lambda: self.encoder)
        engine = open_engine(source, precision=precision) if architecture in STACKS else None
        if engine is None or engine.name == TORCH:
            return self.encoder
        return EngineEncoder(engine, source.inputs, self.encoder.config)

    @property
    def names(self) -> list[str]:
        """Names of the grafts, in the order they were added."""
        return list(self._members)

    def add(self, name: str, graft: str | Path | Graft | Predictor) -> None:
        """Add a graft, or replace the one of this name.

        Args:
            name: What its outputs are called.
            graft: The name of a graft that the package ships, a folder that ``save_pretrained`` or textgraft
                wrote, a model, or a predictor. A model is copied, without its encoder: it can be used and
                trained on as before.

        Raises:
            ModelError: It is no graft, or its folder is damaged, or it was trained on another encoder.
        """
        facts: dict[str, Any] = {}
        if isinstance(graft, str | Path):
            own, facts = self._read(model_folder(graft))
        else:
            if isinstance(graft, Predictor):
                facts = _facts(graft.task, graft.max_length, graft.temperature, graft.threshold)
            own = self._copy(name, graft.model if isinstance(graft, Predictor) else graft)
        own.to(self.device).eval()  # type: ignore[arg-type]  # a decorator hides self
        first = own.config.first_adapted_layer
        with self._lock:
            if own.config.word_shapes:
                ask_for(self.tokenizer, WORD_SHAPES)
            self._members[name] = _Member(own, self._layers if first is None else first, **facts)

    def remove(self, name: str) -> None:
        """Forget a graft.

        Raises:
            OptionError: There is none of this name.
        """
        with self._lock:
            self._chosen([name])
            del self._members[name]

    def outputs(
        self, batch: Mapping[str, Tensor], names: Iterable[str] | None = None
    ) -> dict[str, ModelOutput]:
        """Run a tokenized batch.

        Args:
            batch: input_ids [..., time], and attention_mask and token_type_ids if there are any, and
                word_shapes for grafts that are told of them; other entries are not looked at.
            names: The grafts wanted; by default all.

        Returns:
            By name, what each graft would return alone.

        Raises:
            OptionError: There is no graft of a name.
        """
        return self._outputs(batch, names, self.encoder)

    def _outputs(
        self, batch: Mapping[str, Tensor], names: Iterable[str] | None, whole: Any
    ) -> dict[str, ModelOutput]:
        """Do so; ``whole`` runs the encoder where no adapter changes a layer."""
        ids, mask, types, shapes = (
            None if name not in batch else batch[name].to(self.device)
            for name in ("input_ids", "attention_mask", "token_type_ids", WORD_SHAPES)
        )
        computing(torch.get_num_threads())
        with self._lock:
            chosen = self._chosen(names)
        # Adapters are merged into the encoder's own weights; what an engine computes has its own.
        is_apart = whole is not self.encoder and not _adapted(chosen)
        with contextlib.nullcontext() if is_apart else self._lock, torch.inference_mode():
            found: dict[str, ModelOutput] = {}
            shared, at = None, 0
            by_window = {
                name: (member.graft.config.window, *member.graft.config.window_frame)
                for name, member in chosen.items()
                if isinstance(member.graft, grafts.GraftForSequenceClassification)
                and member.graft.takes_windows(ids)
            }
            for cutting in set(by_window.values()):
                self._run_windows(
                    {name: chosen[name].graft for name, own in by_window.items() if own == cutting},
                    ids,
                    mask,
                    found,
                    whole,
                )
            others = {name: member for name, member in chosen.items() if name not in by_window}
            for level in sorted({member.shared for member in others.values()}):
                if level == self._layers and at == 0:
                    shared, at = run_encoder(whole, ids, mask, types, None)[0], level
                elif level > at:
                    shared, at = self._run(ids, mask, types, shared, at, level), level
                for name, member in others.items():
                    if member.shared == level:
                        states = shared
                        if level < self._layers:
                            with merged(member.graft.adapter, self.encoder):
                                states = self._run(ids, mask, types, shared, level, self._layers)
                        assert states is not None, "some layers are run for every graft"
                        told = {WORD_SHAPES: shapes} if member.graft.config.word_shapes else {}
                        found[name] = member.graft.from_states(states, mask, **told)
            return {name: found[name] for name in chosen}

    def predict(
        self,
        inputs: Any,
        names: Iterable[str] | None = None,
        *,
        text: str | Sequence[str] | None = None,
    ) -> dict[str, list[Any]]:
        """Return every graft's prediction for each input.

        Each task cuts the inputs into windows in its own way; those that are alike are run once for all.

        Args:
            inputs: What all the tasks take: strings, for tasks on single texts; or a table, as a DataFrame.
            names: The grafts wanted; by default all.
            text: The columns of a table to read.

        Raises:
            OptionError: There is no graft of a name, it was added without its task, or its task takes other
                inputs.
        """
        chosen = self._chosen(names)
        tasks = {name: _task(name, member) for name, member in chosen.items()}
        listed = given_inputs(inputs, text)
        windows = {
            name: task.features(task.rows(listed), self.tokenizer, chosen[name].max_length)
            for name, task in tasks.items()
        }
        decoded: dict[str, list[Any]] = {name: [None] * len(own) for name, own in windows.items()}
        distinct, places = _distinct(windows)
        precision = resolve_precision("auto", self.device)
        limits = [member.graft.config.window or member.max_length for member in chosen.values()]
        fits_all = min(limits, default=0)
        whole = self._frozen
        on_engine = isinstance(whole, EngineEncoder) and not _adapted(chosen)

        def run(turn: _Turn) -> _Ran:
            asking, members = turn
            batch = padded_inputs([distinct[member] for member in members], self.tokenizer.pad_token_id)
            batch[WORD_SHAPES] = padded([_word_shapes(distinct[member]) for member in members], 0)
            with autocast(precision, self.device):
                return asking, members, self._outputs(batch, asking, whole)

        batches = list(_batches(distinct, places, fits_all, ENGINE_TOKENS if on_engine else MAX_TOKENS))
        at_once = min(whole.engine.at_once, len(batches)) if on_engine else 1
        for asking, members, outputs in in_order(run, batches, at_once):
            for name in asking:
                turns = [
                    (row, place)
                    for row, member in enumerate(members)
                    for place in places[member].get(name, ())
                ]
                rows = [row for row, _ in turns]
                own = type(outputs[name])(**{key: value[rows] for key, value in outputs[name].items()})
                kept = tasks[name].decode(own, [windows[name][place] for _, place in turns])
                for (_, place), value in zip(turns, kept, strict=True):
                    decoded[name][place] = value
        return {
            name: _answers(chosen[name], task, windows[name], decoded[name]) for name, task in tasks.items()
        }

    def _chosen(self, names: Iterable[str] | None) -> dict[str, _Member]:
        if names is None:
            return dict(self._members)
        for name in (names := list(names)):
            if name not in self._members:
                raise unknown("graft", name, self._members)
        return {name: self._members[name] for name in names}

    def _read(self, path: Path) -> tuple[Graft, dict[str, Any]]:
        """Load a graft's folder; its encoder is here, wherever it was in training, if the hash says so."""
        file = path / "config.json"
        try:
            described = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise ModelError(f"the graft cannot be read: {error}", where=str(file)) from error
        kind = (described.get("architectures") or [None])[0]
        if kind not in grafts.__all__:
            raise ModelError(f"this folder holds a {kind}, no graft", where=str(path))
        graft = load_model(getattr(grafts, kind), path, encoder=str(self.source.path))
        if not (path / MANIFEST).is_file():
            return graft, {}
        manifest = read_manifest(path)
        if manifest.prompt != self.source.prompt:
            raise OptionError(
                f"the graft was trained on texts after the prompt {manifest.prompt!r}, and this encoder "
                f"reads them after {self.source.prompt!r}",
                where=str(path),
                fix=f"Share an encoder of its own: GraftedEncoder(…, prompt={manifest.prompt!r}).",
            )
        task = make_task(manifest.task, manifest.task_settings, where=str(path / MANIFEST))
        return graft, _facts(task, manifest.max_length, manifest.temperature, manifest.threshold)

    def _copy(self, name: str, model: Any) -> Graft:
        """Copy a graft, but for its encoder."""
        if not isinstance(model, Graft):
            raise ModelError(f"{name!r} is a {type(model).__name__}, no graft")
        trained_on = model.config.encoder_sha256 or model.source.sha256
        if trained_on != self.source.sha256:
            raise ModelError(
                f"the graft {name!r} was trained on the encoder with the SHA-256 {trained_on}; this one, "
                f"{self.source.name!r}, has {self.source.sha256}",
                fix="Give it an encoder of its own, or train it on this one.",
            )
        config = copy.deepcopy(model.config)
        config.encoder = str(self.source.path)
        kind: Any = type(model)
        own = kind(config)
        own.load_state_dict(model.state_dict())
        return own

    def _run_windows(
        self,
        chosen: Mapping[str, Any],
        ids: Tensor | None,
        mask: Tensor | None,
        found: dict[str, ModelOutput],
        whole: Any,
    ) -> None:
        """Run grafts that cut long texts alike; ``whole`` runs the encoder as it is."""
        windows = next(iter(chosen.values())).windows(ids, mask)
        shared = run_encoder(whole, windows.ids, windows.mask, None, None)[0]
        for name, graft in chosen.items():
            states = shared
            if graft.config.lora_rank:
                with merged(graft.adapter, self.encoder):
                    states = self._run(windows.ids, windows.mask, None, None, 0, self._layers)
            found[name] = graft.from_windows(states, windows)

    def _run(
        self,
        ids: Tensor | None,
        mask: Tensor | None,
        types: Tensor | None,
        states: Tensor | None,
        start: int,
        stop: int,
    ) -> Tensor:
        """Run the layers from ``start`` up to ``stop``, on the ids or on the states below."""
        is_whole = (start, stop) == (0, self._layers)
        with contextlib.nullcontext() if is_whole else only_layers(self.encoder, start, stop):
            if states is None:
                return run_encoder(self.encoder, ids, mask, types, None)[0]
            return run_encoder(self.encoder, None, mask, types, states)[0]


def _adapted(chosen: Mapping[str, _Member]) -> bool:
    """Return whether any graft changes a layer of the encoder."""
    return any(member.graft.config.lora_rank for member in chosen.values())


def _batches(
    distinct: Sequence[Features],
    places: Sequence[Mapping[str, list[int]]],
    fits_all: int,
    max_tokens: int,
) -> Iterator[tuple[list[str], list[int]]]:
    """Yield batches of windows with the grafts that ask for them.

    Where one has more than ``fits_all`` tokens, the others are for the same grafts: it may be too long for
    another.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for member, own in enumerate(places):
        is_short = len(distinct[member]["input_ids"]) <= fits_all
        groups.setdefault(() if is_short else tuple(own), []).append(member)
    for members in groups.values():
        for turn in token_budget_batches(
            [len(distinct[member]["input_ids"]) for member in members],
            max_tokens=max_tokens,
            max_sequences=MAX_SEQUENCES,
            generator=None,
        ):
            batch = [members[place] for place in turn]
            yield list(dict.fromkeys(name for member in batch for name in places[member])), batch


def _facts(task: Task, max_length: int, temperature: float, threshold: Threshold | None) -> dict[str, Any]:
    return {"task": task, "max_length": max_length, "temperature": temperature, "threshold": threshold}


def _answers(member: _Member, task: Task, windows: Sequence[Any], decoded: Sequence[Any]) -> list[Any]:
    """Make one prediction a row, held back where it does not reach the threshold of a graft that has one."""
    return decided(task, task.predictions(windows, decoded, member.temperature), member.threshold)


def _task(name: str, member: _Member) -> Task:
    if member.task is None:
        raise OptionError(
            f"the graft {name!r} was added without its task",
            fix="Add a folder that holds textgraft.json, or a Predictor; or use outputs().",
        )
    return member.task


def _word_shapes(window: Features) -> list[int]:
    """Return how the words of a window are written, 0 where that is not known."""
    return cast("list[int]", window.get(WORD_SHAPES) or [0] * len(window["input_ids"]))


def _distinct(
    windows: Mapping[str, Sequence[Features]],
) -> tuple[list[Features], list[dict[str, list[int]]]]:
    """Return windows of different ids, and where each of them stands among each graft's windows.

    For grafts that are told how words are written, windows are different where that is; one of them serves
    the other grafts, too.
    """
    distinct: list[Features] = []
    found: list[dict[str, list[int]]] = []
    known: dict[tuple[int, ...], dict[str, list[int]]] = {}
    every = ((name, place, window) for name, own in windows.items() for place, window in enumerate(own))
    for name, place, window in sorted(every, key=lambda item: WORD_SHAPES not in item[2]):
        if not isinstance(window["input_ids"][0], int):
            raise OptionError(
                f"the task of the graft {name!r} reads several texts at once",
                fix="Use outputs() for it, or load it alone.",
            )
        key = read = (*window["input_ids"], -1, *window.get("token_type_ids", ()))
        if WORD_SHAPES in window:
            key = (*read, -1, *_word_shapes(window))
        if key not in known:
            known[key] = defaultdict(list)
            known.setdefault(read, known[key])
            distinct.append(window)
            found.append(known[key])
        known[key][name].append(place)
    return distinct, found
