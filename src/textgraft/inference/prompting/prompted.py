"""Rows answered by a language model: several at a time, each answer kept the moment it is there."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from textgraft.cached import DATABASE
from textgraft.data.dataset import Dataset
from textgraft.files import atomic_folder, cache_folder
from textgraft.inference.prompting.chat import ChatClient, Reply
from textgraft.inference.prompting.endpoint import check_consent, find_key
from textgraft.inference.prompting.prompt import CHARACTERS_A_TOKEN, Prompt, save_prompt
from textgraft.inference.row_predictor import Asked, RowPredictor
from textgraft.inference.row_store import RowStore
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.manifest import Manifest, stamp
from textgraft.tasks.base import Task
from textgraft.tasks.text.classification import NO_ANSWER

STORE = "answers"
"""Name of the store of answers in the cache folder. Answers cost money: only the user deletes them."""
_FORM = 0x21
AT_A_TIME = 1000
"""Rows whose answers are waited for together."""


@dataclass(frozen=True, slots=True)
class NamedLabel:
    """The label that an answer names. There is no probability: the model gives none."""

    labels: tuple[str, ...]
    answer: int
    """Position of the label, or :data:`~textgraft.tasks.text.classification.NO_ANSWER`."""

    @property
    def label(self) -> str | None:
        """The label; None where the answer names none."""
        return None if self.answer == NO_ANSWER else self.labels[self.answer]

    @property
    def score(self) -> float:
        """1 for a label and 0 for none: how sure the model is, it does not say."""
        return 0.0 if self.answer == NO_ANSWER else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the label alone."""
        return {"label": self.label}

    def numbers(self) -> list[float]:
        """Return 1 for the label and 0 for the others."""
        return [float(place == self.answer) for place in range(len(self.labels))]


class PromptedPredictor(RowPredictor):
    """Asks a language model for the label of each row.

    Args:
        prompt: Whom to ask, and what.
        task: Whose labels are those of the prompt.
        manifest: Where it came from, when it was loaded from a model directory.
        where: The folder that it was loaded from. Then it asks no other machine unless the user has named it
            in the environment; None where the user named the endpoint himself.
    """

    def __init__(
        self, prompt: Prompt, task: Task, manifest: Manifest | None = None, where: Path | None = None
    ) -> None:
        super().__init__(task, max(1, prompt.characters // CHARACTERS_A_TOKEN), 1.0, manifest)
        self.prompt = prompt
        self._where = where

    @property
    def engine(self) -> str:
        """Say that another machine computes."""
        return "an endpoint"

    @functools.cached_property
    def _store(self) -> RowStore:
        return RowStore(cache_folder() / f"{STORE}{DATABASE}", _FORM)

    def outputs(
        self,
        dataset: Dataset,
        on_progress: Callable[[int], None] | None = None,
        choose: Callable[[list[Any]], list[Any]] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Ask for every row that has no answer yet; the windows are the rows, the outputs the replies.

        Raises:
            ModelError: The endpoint refuses the key or a question, or does not answer. What it has answered
                is kept.
            OptionError: Only a folder names the endpoint's host.
        """
        lost = [max(0, len(text) - self.prompt.characters) // CHARACTERS_A_TOKEN for text in dataset.texts]
        features: list[Any] = [{"row": row, "lost": tokens} for row, tokens in enumerate(lost)]
        if choose is not None:
            features = choose(features)
        texts = [dataset.texts[feature["row"]] for feature in features]
        replies = self._replies(texts, on_progress)
        return features, [replies[text] for text in texts]

    def predictions(self, features: Sequence[Any], decoded: Sequence[Reply]) -> list[NamedLabel]:
        """Read the label out of each reply."""
        del features
        places = [self.prompt.label_of(reply.content) for reply in decoded]
        return [NamedLabel(self.task.labels, NO_ANSWER if place is None else place) for place in places]

    def asked(self, dataset: Dataset) -> Asked:
        """Return what the questions cost, those of an earlier run as well."""
        features, replies = self.outputs(dataset)
        predictions = self.predictions(features, replies)
        return Asked(
            seconds=[reply.seconds for reply in replies],
            concurrency=self.prompt.concurrency,
            input_tokens=_mean([reply.input_tokens for reply in replies]),
            output_tokens=_mean([reply.output_tokens for reply in replies]),
            unanswered=sum(prediction.answer == NO_ANSWER for prediction in predictions),
        )

    def _replies(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None
    ) -> Mapping[str, Reply]:
        """Return the reply to each text; equal ones are asked once."""
        copies: dict[str, int] = {}
        for text in texts:
            copies[text] = copies.get(text, 0) + 1
        keys = {text: self.prompt.key(text).encode() for text in copies}
        held = self._store.get(list(keys.values()))
        replies = {
            text: msgspec.json.decode(held[key], type=Reply) for text, key in keys.items() if key in held
        }
        if on_progress and replies:
            on_progress(sum(copies[text] for text in replies))
        for text, reply in self._ask({text: key for text, key in keys.items() if text not in replies}):
            replies[text] = reply
            if on_progress:
                on_progress(copies[text])
        return replies

    def _ask(self, keys: Mapping[str, bytes]) -> Iterator[tuple[str, Reply]]:
        """Ask for the labels of texts, several at a time; yield each answer when it is kept.

        Args:
            keys: What names the answer to each text.
        """
        texts = list(keys)
        if not texts:
            return
        if self._where is not None:
            check_consent(self.prompt.endpoint, str(self._where))
        client = ChatClient(self.prompt.endpoint, find_key(), concurrency=self.prompt.concurrency)
        pool = ThreadPoolExecutor(self.prompt.concurrency, thread_name_prefix="textgraft-llm")
        has_failed = threading.Event()

        def ask(text: str) -> Reply | None:
            if has_failed.is_set():
                return None
            try:
                reply = client.ask(self.prompt.body(text))
                # Here and not by who reads the answers: then no further question is asked before it is kept.
                self._store.put({keys[text]: msgspec.json.encode(reply)})
                return reply
            except Exception:
                has_failed.set()
                raise

        try:
            for start in range(0, len(texts), AT_A_TIME):
                waiting = {pool.submit(ask, text): text for text in texts[start : start + AT_A_TIME]}
                failures: list[Future[Reply | None]] = []
                for future in as_completed(waiting):
                    # After a failure nothing new is asked; what is under way may be answered, and is kept.
                    if future.exception() is not None:
                        failures.append(future)
                    elif (reply := future.result()) is not None:
                        yield waiting[future], reply
                for future in failures:
                    future.result()
        finally:
            has_failed.set()
            client.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            client.close()

    def size(self) -> int:
        """Count the prompt: the model is elsewhere."""
        return len(msgspec.json.encode(self.prompt))

    def truncated_fraction(self, dataset: Dataset) -> float:
        """Count characters."""
        lengths = [len(text) for text in dataset.texts]
        lost = sum(max(0, length - self.prompt.characters) for length in lengths)
        return lost / sum(lengths) if lost else 0.0

    def save(self, path: Path, manifest: Manifest, card: str, fingerprint: Fingerprint | None = None) -> None:
        """Write prompt.json in place of weights; no golden outputs, as loading would ask for them."""
        with atomic_folder(path) as folder:
            save_prompt(folder, self.prompt)
            if fingerprint is not None:
                fingerprint.save(folder)
            (folder / "README.md").write_text(card)
            stamp(folder, msgspec.structs.replace(manifest, golden=[]))


def _mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known and len(known) == len(counts) else None
