"""Runs an exported model with onnxruntime, tokenizers and numpy alone.

This one file needs nothing else of textgraft: ``textgraft export`` puts a copy of it into every folder that
it writes. What it answers is what ``textgraft predict`` answers with the model that was exported.

    model = load("folder")
    model.predict(["a text", "another"])

    python textgraft_runtime.py folder < texts.txt       one text a line, one JSON object a line
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import unicodedata
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

MANIFEST, FACTS, GRAPH, ARRAYS, TOKENIZER, SEAL = (
    "textgraft.json", "runtime.json", "model.onnx", "arrays.npz", "tokenizer.json", "checksums.json",
)  # fmt: skip
FORMAT = 1
"""Of runtime.json."""
MAX_TOKENS, MAX_SEQUENCES = 2048, 256
"""Padded tokens, and sequences, in one batch."""
CHARACTERS_PER_TOKEN = 20
"""What lies beyond so many characters a token that is read, no tokenizer needs to see."""
LARGEST_JSON, LARGEST_FILE = 256 << 20, 8 << 30
"""Bytes at most."""
LONGEST_WORD = 48
"""Bytes of a word that a model of characters reads."""
CANDIDATES = 20
"""Answers to a question among which probability is shared."""
LABEL_THRESHOLD = 0.5
"""Of several labels those are given that are at least this probable."""
NUMBER_TOLERANCE = 0.5
"""Deviations of the training targets that a number may be off and still count as right."""
FORBIDDEN = -1e4
"""Score of a transition between tags that may not happen."""


class ExportError(ValueError):
    """A folder is no exported model, or damaged; or an input is not of the form that its task takes."""


class TagScores(NamedTuple):
    """What is kept for the words that a window answers for."""

    logits: Any
    """[words, tags]."""
    tags: Any
    """The best sequence [words], of a model that knows of one; else None."""


def load(folder: str | Path, *, threads: int | None = None, verify: bool = True) -> Model:
    """Load an exported model.

    Args:
        folder: As ``textgraft export`` wrote it.
        threads: That onnxruntime may use; None leaves it to onnxruntime.
        verify: Whether files are held against their SHA-256.

    Raises:
        ExportError: The folder is no exported model, or a file of it is damaged.
    """
    return Model(Path(folder), threads, verify)


class Model:
    """An exported model, ready to answer.

    Args:
        folder: As for :func:`load`.
        threads: Likewise.
        verify: Likewise.

    Raises:
        ExportError: Likewise.
    """

    def __init__(self, folder: Path, threads: int | None = None, verify: bool = True) -> None:
        from tokenizers import Tokenizer

        self.folder = folder
        self.manifest, self.facts = _json(folder / MANIFEST), _json(folder / FACTS)
        if self.facts.get("format") != FORMAT:
            raise ExportError(f"{folder / FACTS}: its format is {self.facts.get('format')!r}, not {FORMAT}")
        if verify:
            _verify(folder, self.manifest.get("files") or {})
        self.task: str = self.manifest["task"]
        self.settings: dict[str, Any] = self.manifest["task_settings"]
        self.max_length: int = self.manifest["max_length"]
        self.temperature: float = self.manifest["temperature"]
        self.threshold: dict[str, Any] | None = self.manifest.get("threshold")
        self.precision: str = self.facts["precision"]
        self.labels: list[str] = self.settings.get("labels") or []
        self._tokenizer = Tokenizer.from_str(_text(folder / TOKENIZER))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = self.facts["encode_special_tokens"]
        self._arrays = _arrays(folder / ARRAYS)
        self._session = _session(folder / GRAPH, threads) if self.facts["kind"] == "graph" else None

    def predict(self, inputs: Iterable[Any]) -> list[dict[str, Any]]:
        """Answer inputs: the dictionaries that ``textgraft predict`` writes, without the ids.

        Args:
            inputs: Texts; pairs of texts; {"prompt", "choices"}; {"question", "context"}; of a tagger texts
                or lists of words.

        Raises:
            ExportError: An input is not of the form that the task takes.
        """
        windows = self.windows([self._row(place, entry) for place, entry in enumerate(inputs)])
        return self.answers(windows, self.run(windows))

    def check(self) -> float:
        """Answer the golden inputs; returns how far the farthest number is from what was exported.

        Infinite where an answer has another form.
        """
        golden = self.manifest.get("golden") or []
        windows = self.windows([self._golden_row(row["columns"]) for row in golden])
        decoded = self.run(windows)
        found = self.numbers(windows, decoded)
        if [len(row) for row in found] != [len(row["numbers"]) for row in golden]:
            return math.inf
        drift = [
            np.abs(np.subtract(row, g["numbers"])).max(initial=0)
            for row, g in zip(found, golden, strict=True)
        ]
        return float(max(drift, default=0.0))

    # From rows to windows.

    def _row(self, place: int, entry: Any) -> Any:
        """Return an input in the form that :meth:`windows` takes."""
        if self.task == "question-answering" and isinstance(entry, Mapping):
            entry = (entry.get("question"), entry.get("context"))
        elif self.task == "multiple-choice" and isinstance(entry, Mapping):
            entry = (entry.get("prompt"), entry.get("choices"))
        is_pair = isinstance(entry, list | tuple) and len(entry) == 2
        if self.task == "token-classification":
            if isinstance(entry, str):
                return entry, self._cut(entry)
            if isinstance(entry, list | tuple) and all(isinstance(word, str) and word for word in entry):
                ends = list(accumulate(len(word) + 1 for word in entry))
                spans = zip([0, *ends], [end - 1 for end in ends], strict=False)
                return " ".join(entry), tuple(spans)
        elif self.task == "multiple-choice":
            if is_pair and isinstance(entry[0], str) and len(entry[1] or ()) == self.settings["choices"]:
                return entry[0], tuple(entry[1])
        elif self.task in ("pairs", "similarity", "question-answering"):
            if is_pair and all(isinstance(text, str) for text in entry):
                return tuple(entry)
        elif isinstance(entry, str):
            return entry
        raise ExportError(f"input {place} is not what {self.task} takes: {str(entry)[:60]!r}")

    def _golden_row(self, columns: Mapping[str, Any]) -> Any:
        if self.task == "token-classification":
            return columns["text"], tuple(map(tuple, columns["words"]))
        if self.task == "multiple-choice":
            count = self.settings["choices"]
            texts = list(columns.values())
            return " ".join(texts[: len(texts) - count]), tuple(texts[-count:])
        texts = [value for value in columns.values() if isinstance(value, str)]
        if self.task in ("pairs", "similarity"):
            return tuple(texts)
        if self.task == "question-answering":
            return columns["question"], columns["context"]
        return "\n".join(texts)

    def windows(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Cut rows into what the model reads at once.

        Args:
            rows: Texts; pairs; prompts with their choices; questions with contexts; texts with the places of
                their words.
        """
        if self.task == "token-classification":
            return list(self._word_windows(rows))
        if self.task == "question-answering":
            return list(self._question_windows(rows))
        if self.task == "multiple-choice":
            found = []
            for number, (prompt, choices) in enumerate(rows):
                pairs = [self._pair(prompt, choice) for choice in choices]
                found.append(
                    {
                        "input_ids": [ids for ids, _, _ in pairs],
                        "token_type_ids": [types for _, types, _ in pairs],
                        "lost": sum(lost for _, _, lost in pairs),
                        "choices": tuple(choices),
                        "row": number,
                    }
                )
            return found
        made = [
            self._whole(row) if isinstance(row, str) else dict(zip(_PAIR, self._pair(*row), strict=True))
            for row in rows
        ]
        return [{**window, "row": number} for number, window in enumerate(made)]

    def _whole(self, text: str) -> dict[str, Any]:
        limit = CHARACTERS_PER_TOKEN * self.max_length
        ids = self._tokenizer.encode(text[:limit]).ids or self.facts["nothing"]
        length = round(len(ids) * max(1.0, len(text) / limit))
        if len(ids) > self.max_length:
            closing = self.facts["nothing"][-1:]
            has_end = ids[-1:] == closing
            ids = ids[: self.max_length - 1] + closing if has_end else ids[: self.max_length]
        return {"input_ids": ids, "lost": length - len(ids)}

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _pair(self, first: str, second: str) -> tuple[list[int], list[int], int]:
        limit = CHARACTERS_PER_TOKEN * self.max_length
        a, b = self._ids(first[:limit]), self._ids(second[:limit])
        frame = self.facts["pair_frame"]
        special = sum(map(len, frame["ids"]))
        room = self.max_length - special
        full = special + round(
            sum(len(ids) * max(1.0, len(text) / limit) for ids, text in ((a, first), (b, second)))
        )
        if len(a) + len(b) > room:
            half = room // 2 if len(a) <= len(b) else room - room // 2
            kept = min(len(a), max(half, room - len(b)))
            a, b = a[:kept], b[: room - kept]
        ids, types = _around(frame, a, b)
        return ids, types, full - len(ids)

    def _cut(self, text: str) -> tuple[tuple[int, int], ...]:
        from tokenizers import Regex
        from tokenizers.pre_tokenizers import Split

        cutter = Split(Regex(self.facts["words"]), behavior="removed", invert=True)
        return tuple(offsets for _, offsets in cutter.pre_tokenize_str(text))

    def _word_windows(self, rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
        before, after = self.facts["frame"]
        room = self.max_length - len(before) - len(after)
        most = max(1, room // 2)
        limit = CHARACTERS_PER_TOKEN * most
        known: dict[str, list[int]] = {}
        for number, (text, places) in enumerate(rows):
            words = [text[start:end] for start, end in places]
            for word in words:
                if word not in known:
                    known[word] = self._ids(" " + word[:limit])[:most] or [self.facts["unknown"]]
            for start, stop, first, last in word_windows([len(known[word]) for word in words], room):
                ids, starts = list(before), []
                for word in words[start:stop]:
                    starts.append(len(ids))
                    ids += known[word]
                ids += after
                characters: list[list[int]] = [[0]] * len(ids)
                for place, word in zip(starts, words[start:stop], strict=True):
                    raw = word.encode("utf-8", "surrogatepass")[:LONGEST_WORD]
                    characters[place] = [byte + 1 for byte in raw]
                shapes = [0] * len(ids)
                for place, shape in zip(starts, shapes_in_context(words[start:stop]), strict=True):
                    shapes[place] = shape
                yield {
                    "input_ids": ids,
                    "row": number,
                    "text": text,
                    "words": places,
                    "word_shapes": shapes,
                    "read_at": starts[first - start : last - start],
                    "starts": starts if self.facts["word_mask"] else list(range(1, len(ids))),
                    "character_ids": characters,
                }

    def _question_windows(self, rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
        frame = self.facts["pair_frame"]
        special = sum(map(len, frame["ids"]))
        limit = min((self.max_length - special) // 2, self.settings.get("longest_question", 64))
        overlap = self.settings.get("overlap", 128)
        for number, (question, context) in enumerate(rows):
            asked = self._ids(question.strip()[: CHARACTERS_PER_TOKEN * limit])[:limit]
            encoding = self._tokenizer.encode(context, add_special_tokens=False)
            offsets = visible_offsets(context, encoding.offsets)
            room = self.max_length - special - len(asked)
            shared = min(overlap, room // 3)
            for start in range(0, max(1, len(encoding.ids) - shared), room - shared):
                ids, types = _around(frame, asked, encoding.ids[start : start + room])
                yield {
                    "input_ids": ids,
                    "token_type_ids": types,
                    "row": number,
                    "context": context,
                    "context_start": len(frame["ids"][0]) + len(asked) + len(frame["ids"][1]),
                    "offsets": offsets[start : start + room],
                }

    # From windows to outputs.

    def run(
        self, windows: Sequence[dict[str, Any]], on_progress: Callable[[int], None] | None = None
    ) -> list[Any]:
        """Run the model over windows; returns what the answers need of each.

        Where numbers are rounded to int8, each window is run by itself: the rounding depends on all that
        stands in a batch, and an answer must not depend on its neighbours.
        """
        decoded: list[Any] = [None] * len(windows)
        for batch in self._batches([self._sequences(window) for window in windows]):
            found = self._outputs([windows[place] for place in batch])
            for place, output in zip(batch, found, strict=True):
                decoded[place] = output
            if on_progress:
                on_progress(len(batch))
        return decoded

    def _batches(self, sequences: Sequence[Sequence[Any]]) -> Iterator[list[int]]:
        """Yield places of windows of like length, the longest first."""
        longest = [max(len(ids) for ids, _ in each) for each in sequences]
        batch: list[int] = []
        held = width = 0
        for place in sorted(range(len(sequences)), key=lambda place: -longest[place]):
            count = len(sequences[place])
            width = width or longest[place]
            is_full = (held + count) * width > MAX_TOKENS or held + count > MAX_SEQUENCES
            if batch and (is_full or self.precision == "int8"):
                yield batch
                batch, held, width = [], 0, longest[place]
            batch.append(place)
            held += count
        if batch:
            yield batch

    def _sequences(self, window: Mapping[str, Any]) -> list[tuple[list[int], list[int]]]:
        """Return ids and types of each sequence that a window is for the graph."""
        ids, types = window["input_ids"], window.get("token_type_ids")
        if self.task == "multiple-choice":
            return list(zip(ids, types or [[0] * len(row) for row in ids], strict=True))
        size = self.facts["window"]
        if size and len(ids) > size:
            return [(piece, [0] * len(piece)) for piece in cut(ids, size, self.facts["window_frame"])]
        return [(ids, types or [0] * len(ids))]

    def _outputs(self, windows: Sequence[dict[str, Any]]) -> list[Any]:
        if self.facts["kind"] == "tfidf":
            return [self._tfidf(window["input_ids"]) for window in windows]
        if self.facts["kind"] == "majority":
            return [self._arrays["logits"]] * len(windows)
        sequences = [self._sequences(window) for window in windows]
        flat = [sequence for each in sequences for sequence in each]
        logits = self._graph(flat, windows, [len(each) for each in sequences])
        if self.task == "multiple-choice":
            return list(logits.reshape(len(windows), -1))
        if self.task == "token-classification":
            return [self._tag_scores(row, window) for row, window in zip(logits, windows, strict=True)]
        if self.task == "question-answering":
            return [self._span_scores(row, window) for row, window in zip(logits, windows, strict=True)]
        return list(logits)

    def _graph(self, flat: Sequence[Any], windows: Sequence[Any], counts: Sequence[int]) -> Any:
        """Run the graph on sequences of (ids, types)."""
        if self.facts["apart"]:  # all first texts, then all second ones
            sides = [
                [[t for t, kind in zip(*pair, strict=True) if kind == side] for pair in flat]
                for side in (0, 1)
            ]
            flat = [(ids, [0] * len(ids)) for ids in (*sides[0], *sides[1])]
        time = max(1, *(len(ids) for ids, _ in flat))
        given = {
            "input_ids": _padded([ids for ids, _ in flat], time, self.facts["pad"]),
            "attention_mask": _padded([[1] * len(ids) for ids, _ in flat], time, 0),
            "token_type_ids": _padded([types for _, types in flat], time, 0),
        }
        if "averaging" in self.facts["inputs"]:
            owner = np.repeat(np.arange(len(counts)), counts)
            of_text = np.arange(len(counts))[:, None] == owner
            given["averaging"] = (of_text / np.array(counts)[:, None]).astype(np.float32)
        if "word_shapes" in self.facts["inputs"]:
            given["word_shapes"] = _padded([window["word_shapes"] for window in windows], time, 0)
        if "character_ids" in self.facts["inputs"]:
            words = [window["character_ids"] for window in windows]
            width = max(len(word) for row in words for word in row)
            padded = [_padded(row + [[0]] * (time - len(row)), width, 0) for row in words]
            given["character_ids"] = np.stack(padded)
        assert self._session is not None, "the kind is a graph"
        return self._session.run(["logits"], {name: given[name] for name in self.facts["inputs"]})[0]

    def _tfidf(self, ids: Sequence[int]) -> Any:
        tokens = np.array(ids, dtype=np.int64)
        shortest, longest = self.facts["ngrams"]
        keys = []
        for length in range(shortest, min(longest, len(tokens)) + 1):
            runs = sliding_window_view(tokens, length)
            key = runs[:, 0]
            for place in range(1, length):
                key = key * self.facts["vocab_size"] + runs[:, place]
            keys.append(key[(runs >= self.facts["special_tokens"]).all(axis=1)])
        known, idf = self._arrays["keys"], self._arrays["idf"]
        every = np.concatenate([np.zeros(0, dtype=np.int64), *keys])
        at = np.minimum(np.searchsorted(known, every), len(known) - 1)
        found, counts = np.unique(at[known[at] == every], return_counts=True)
        weights = (1 + np.log(counts) if self.facts["sublinear"] else counts) * idf[found]
        norm = np.sqrt(np.square(weights).sum()) or 1.0
        logits = self._arrays["bias"] + (weights / norm) @ self._arrays["weight"][found]
        return logits.astype(np.float32)

    def _tag_scores(self, logits: Any, window: Mapping[str, Any]) -> TagScores:
        at, starts = window["read_at"], np.array(window["starts"], dtype=np.int64)
        if "transitions" not in self._arrays:
            return TagScores(logits[at], None)
        if not at:
            return TagScores(logits[at], np.zeros(0, dtype=np.int64))
        marginals, best = chain(logits[starts], self._arrays["transitions"], self._arrays["allowed"])
        kept = np.searchsorted(starts, at)
        return TagScores(marginals[kept] / self.facts["marginal_temperature"], best[kept])

    def _span_scores(self, logits: Any, window: Mapping[str, Any]) -> Any:
        """Keep the logits of the first token and of the context's, [2, 1 + tokens]."""
        count = len(window["offsets"])
        if self.facts["apart"]:
            return logits[:, : 1 + count]
        first = window["context_start"]
        return np.concatenate([logits[:, :1], logits[:, first : first + count]], axis=1)

    # From outputs to answers.

    def answers(self, windows: Sequence[dict[str, Any]], decoded: Sequence[Any]) -> list[dict[str, Any]]:
        """Make the answer of each row of what :meth:`run` returned for its windows."""
        return [self._decided(*entry) for entry in self._raw(windows, decoded)]

    def numbers(self, windows: Sequence[dict[str, Any]], decoded: Sequence[Any]) -> list[list[float]]:
        """Return the probabilities behind each answer: what golden outputs are compared by."""
        return [[float(value) for value in np.ravel(found)] for _, found in self._raw(windows, decoded)]

    def _raw(self, windows: Any, decoded: Any) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield for each row its answer and the numbers behind it."""
        if self.task in ("token-classification", "question-answering"):
            one = self._tagged if self.task == "token-classification" else self._answer
            for _, group in groupby(zip(windows, decoded, strict=True), key=lambda entry: entry[0]["row"]):
                yield one(list(group))
            return
        for window, logits in zip(windows, decoded, strict=True):
            if self.task in ("regression", "similarity"):
                yield self._number(float(logits[0])), [float(logits[0])]
            elif self.task == "multi-label":
                found = 1 / (1 + np.exp(-np.float32(logits) / np.float32(self.temperature)))
                labels = [self.labels[at] for at in np.flatnonzero(found >= LABEL_THRESHOLD)]
                score = _rounded(np.maximum(found, 1 - found).prod())
                yield {"labels": labels, "score": score, "scores": self._scores(found)}, found
            else:
                found = softmax(logits / np.float32(self.temperature))
                best = int(found.argmax())
                if self.task == "multiple-choice":
                    scores = [_rounded(value) for value in found]
                    answer = {"choice": best, "text": window["choices"][best], "score": scores[best]}
                    yield {**answer, "scores": scores}, found
                    continue
                score = _rounded(found[best])
                yield {"label": self.labels[best], "score": score, "scores": self._scores(found)}, found

    def _scores(self, found: Any) -> dict[str, float]:
        return {label: _rounded(value) for label, value in zip(self.labels, found, strict=True)}

    def _number(self, value: float) -> dict[str, Any]:
        deviation = self.settings["deviation"]
        score = math.erf(NUMBER_TOLERANCE / (self.temperature * math.sqrt(2)))
        number = value * deviation + self.settings["mean"]
        return {"value": number, "error": self.temperature * deviation, "score": _rounded(score)}

    def _tagged(self, group: Sequence[Any]) -> tuple[dict[str, Any], Any]:
        window, scores = group[0][0], [score for _, score in group]
        logits = np.concatenate([score.logits for score in scores])
        found = softmax(logits / np.float32(self.temperature))
        if scores[0].tags is None:
            best = best_tags(logits, self.labels)
        else:
            best = np.concatenate([score.tags for score in scores])
        sure = found[np.arange(len(best)), best]
        text, words = window["text"], window["words"]
        spans = entities([self.labels[index] for index in best])
        tags = ["O"] * len(words)
        told = []
        for kind, first, last in spans:
            tags[first:last] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first - 1)
            start, end = words[first][0], words[last - 1][1]
            score = _rounded(sure[first:last].mean())
            told.append({"type": kind, "start": start, "end": end, "text": text[start:end], "score": score})
        answer = {"tags": tags, "words": [text[start:end] for start, end in words], "entities": told}
        return {**answer, "score": _rounded(sure.min(initial=1.0))}, found

    def _answer(self, group: Sequence[Any]) -> tuple[dict[str, Any], Any]:
        longest = self.settings.get("longest_answer", 30)
        found = [best_spans(logits[:, 1:], window["offsets"], longest) for window, logits in group]
        scores = np.concatenate([score for score, _ in found])
        spans = np.concatenate([span for _, span in found])
        if self.settings.get("has_unanswerable"):
            scores = np.append(scores, min(float(logits[:, 0].sum()) for _, logits in group))
            spans = np.append(spans, [[0, 0]], axis=0)
        order = np.argsort(-scores, kind="stable")
        _, firsts = np.unique(spans[order], axis=0, return_index=True)
        order = order[np.sort(firsts)[:CANDIDATES]]
        if not len(order):
            return {"answer": "", "score": 0.0, "start": 0, "end": 0}, [0.0]
        score = float(softmax(scores[order] / self.temperature)[0])
        start, end = spans[order[0]].tolist()
        text = group[0][0]["context"][start:end]
        return {"answer": text, "score": _rounded(score), "start": start, "end": end}, [score]

    def _decided(self, answer: dict[str, Any], found: Any) -> dict[str, Any]:
        """Hold an answer back that does not reach the threshold, if there is one."""
        if self.threshold is None:
            return answer
        least = self.threshold["least"]
        first, *others = answer
        if self.task == "multi-label":
            at = [self.labels.index(label) for label in answer["labels"]]
            unsure = [self.labels[n] for n in at if least is None or found[n] < least]
            given = [label for label in answer["labels"] if label not in unsure]
            review = {"needs_review": least is None or bool(unsure), "unsure": unsure}
            return {"labels": given, **review, **{name: answer[name] for name in others}}
        score = float(np.max(found)) if self.task != "question-answering" else found[0]
        held = least is None or score < least
        if held:
            answer = {**answer, **dict.fromkeys(self.facts["answer_fields"])}
        return {first: answer[first], "needs_review": held, **{name: answer[name] for name in others}}


class Stream:
    """A network of one direction, fed token by token: what it was fed is remembered in its state.

    Args:
        folder: As ``textgraft export --format stream`` wrote it.
        verify: As for :func:`load`.

    Raises:
        ExportError: The folder holds no such network, or a file of it is damaged.
    """

    def __init__(self, folder: str | Path, *, verify: bool = True) -> None:
        from tokenizers import Tokenizer

        folder = Path(folder)
        self.facts = _json(folder / FACTS)
        if self.facts.get("format") != FORMAT or self.facts.get("kind") != "stream":
            raise ExportError(f"{folder}: this is no export of the format stream")
        if verify:
            _verify(folder, _json(folder / SEAL)["files"])
        self.labels: list[str] = self.facts["labels"]
        self._tokenizer = Tokenizer.from_str(_text(folder / TOKENIZER))
        self._tokenizer.encode_special_tokens = self.facts["encode_special_tokens"]
        self._session = _session(folder / GRAPH, 1)
        self._states: dict[str, Any] = {}
        self._last: Any = None
        self._is_new = True
        self.reset()

    def reset(self) -> None:
        """Forget all that was read: a new text begins."""
        self._states = {
            name: np.full(state["shape"], state["start"], dtype=np.float32)
            for name, state in self.facts["states"].items()
        }
        self._is_new = True

    def step(self, token: int) -> Any:
        """Read one token; returns the logits after it, [outputs]."""
        self._is_new = False
        names = [f"next_{name}" for name in self._states]
        given = {"input_ids": np.array([[token]], dtype=np.int64), **self._states}
        logits, *states = self._session.run(["logits", *names], given)
        self._states = dict(zip(self._states, states, strict=True))
        return logits[0]

    def feed(self, text: str) -> Any:
        """Read on; returns the probabilities of the outputs after the last token, [outputs].

        Args:
            text: Whole words: what is cut within a word is read as two.

        Raises:
            ExportError: The text has no token, and nothing was read before.
        """
        begin = self.facts["begin"] if self._is_new else []
        logits = None
        for token in [*begin, *self._tokenizer.encode(text, add_special_tokens=False).ids]:
            logits = self.step(token)
            self._last = logits
        if logits is None and self._is_new:
            raise ExportError("the text has no token")
        return softmax(self._last)


_PAIR = ("input_ids", "token_type_ids", "lost")


def softmax(logits: Any) -> Any:
    """Return the softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def cut(ids: Sequence[int], size: int, frame: Sequence[int]) -> list[list[int]]:
    """Cut a text into windows of ``size`` tokens at most and of like length, each in the text's frame."""
    before, after = frame
    end = len(ids) - after
    count = -(-(end - before) // (size - before - after))
    each = -(-(end - before) // count)
    starts = range(before, end, each)
    return [[*ids[:before], *ids[start : min(start + each, end)], *ids[end:]] for start in starts]


def word_shape(word: str) -> int:
    """Return how a word is written, as ``textgraft.tokenization.word_shapes`` numbers it."""
    cased = [letter for letter in word if letter.lower() != letter.upper()]
    if not cased:
        return 2 if any(letter.isdigit() for letter in word) else 1
    capitals = [letter.isupper() or letter.istitle() for letter in cased]
    if not any(capitals):
        return 3
    if all(capitals):
        return 4 if len(cased) == 1 else 5
    return 6 if capitals[0] and not any(capitals[1:]) else 7


def shapes_in_context(words: Sequence[str]) -> list[int]:
    """Return the shape of each word with those of its neighbours, ``own + 8 · before + 64 · behind``."""
    shapes = [0, *map(word_shape, words), 0]
    return [
        own + 8 * (before + 8 * behind)
        for before, own, behind in zip(shapes, shapes[1:], shapes[2:], strict=False)
    ]


def word_windows(sizes: Sequence[int], room: int) -> list[tuple[int, int, int, int]]:
    """Cover words by windows that overlap: start and stop of each, and of the words that it answers for."""
    before = [0, *accumulate(sizes)]
    spans: list[tuple[int, int]] = []
    start = stop = 0
    while not spans or stop < len(sizes):
        stop = bisect_right(before, before[start] + room) - 1
        spans.append((start, stop))
        start = max(start + 1, bisect_left(before, before[stop] - room // 4))
    cuts = [0]
    for (_, end), (begin, _) in pairwise(spans):
        shared = range(max(begin, cuts[-1]), end)
        behind = (word for word in shared if before[word] - before[begin] > before[end] - before[word + 1])
        cuts.append(next(behind, end))
    cuts.append(len(sizes))
    return [(*span, first, last) for span, (first, last) in zip(spans, pairwise(cuts), strict=True)]


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Read type, first word and one past the last of what tags name, as conlleval does."""
    found = []
    before, type_before, start = "O", "_", 0
    for position, tag in enumerate([*tags, "O"]):
        prefix, kind = tag[:1], tag[1:].split("-", maxsplit=1)[-1] or "_"
        changes = kind != type_before
        if before in "ES" or (before in "BI" and prefix in "BSO") or (before not in "O." and changes):
            found.append((type_before, start, position))
        if prefix in "BS" or (prefix in "EI" and before in "ESO") or (prefix not in "O." and changes):
            start = position
        before, type_before = prefix, kind
    return found


def best_tags(scores: Any, labels: Sequence[str]) -> Any:
    """Choose tags word by word, [words]: the best of those that may follow the one before.

    Args:
        scores: [words, tags].
        labels: The tags, as BIO has them: I- goes on with an entity of its type.
    """
    best, before = [], "O"
    for row in scores:
        may_follow = [label[:2] != "I-" or before in ("B" + label[1:], label) for label in labels]
        best.append(int(np.where(may_follow, row, -np.inf).argmax()))
        before = labels[best[-1]]
    return np.array(best, dtype=np.int64)


def chain(emissions: Any, transitions: Any, allowed: Any) -> tuple[Any, Any]:
    """Return the log probability of each tag at each word, and the best sequence, of a random field.

    Args:
        emissions: [words, tags], at least one word.
        transitions: [1 + tags, 1 + tags] with the borders of a text at index 0.
        allowed: Which of them may happen.
    """
    scores = np.where(allowed, transitions, FORBIDDEN)
    first, inner, last = scores[0, 1:], scores[1:, 1:], scores[1:, 0]
    forwards, best, origins = [first + emissions[0]], first + emissions[0], []
    for emission in emissions[1:]:
        forwards.append(_log_sum(forwards[-1][:, None] + inner, 0) + emission)
        arrivals = best[:, None] + inner
        origins.append(arrivals.argmax(axis=0))
        best = arrivals.max(axis=0) + emission
    backwards = [last]
    for emission in emissions[:0:-1]:
        backwards.append(_log_sum(inner + (emission + backwards[-1])[None], 1))
    both = np.stack(forwards) + np.stack(backwards[::-1])
    path = [int((best + last).argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return both - _log_sum(both, 1)[:, None], np.array(path[::-1])


def best_spans(logits: Any, offsets: Any, longest: int) -> tuple[Any, Any]:
    """Return the scores [spans] of the best spans of a window, and their characters [spans, 2]."""
    starts, ends = logits.astype(np.float64)
    if not len(starts):
        return np.zeros(0), np.zeros((0, 2), dtype=np.int64)
    beyond = np.full(longest - 1, -np.inf)
    flat = (starts[:, None] + sliding_window_view(np.concatenate([ends, beyond]), longest)).ravel()
    best = np.argpartition(-flat, min(CANDIDATES, flat.size) - 1)[:CANDIDATES]
    best = best[np.isfinite(flat[best])]
    first, more = np.divmod(best, longest)
    spans = np.stack([offsets[first, 0], offsets[first + more, 1]], axis=1).astype(np.int64)
    has_text = spans[:, 0] < spans[:, 1]
    return flat[best][has_text], spans[has_text]


def visible_offsets(text: str, offsets: Sequence[tuple[int, int]]) -> Any:
    """Return the characters of each token, without white space around and with the marks on its letters."""
    starts, ends = np.array(offsets, dtype=np.int64).reshape(len(offsets), 2).T
    places = np.arange(len(text) + 1)
    marks = [n for n, letter in enumerate(text) if letter > "\x7f" and unicodedata.category(letter)[0] == "M"]
    if marks:
        is_base = np.ones(len(places), dtype=bool)
        is_base[marks] = False
        starts = np.where(starts < ends, np.maximum.accumulate(places * is_base)[starts], starts)
        ends = np.where(starts < ends, _next(is_base)[ends], ends)
    is_seen = np.ones(len(places), dtype=bool)
    is_seen[[place for place, letter in enumerate(text) if letter.isspace()]] = False
    starts = np.minimum(_next(is_seen)[starts], ends)
    behind = np.zeros(len(places), dtype=np.int64)
    behind[1:] = np.maximum.accumulate(places[1:] * is_seen[:-1])
    return np.stack([starts, np.maximum(behind[ends], starts)], axis=1)


def _next(is_wanted: Any) -> Any:
    places = np.where(is_wanted, np.arange(len(is_wanted)), len(is_wanted))
    return np.minimum.accumulate(places[::-1])[::-1]


def _log_sum(values: Any, axis: int) -> Any:
    most = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - most).sum(axis=axis)) + most.squeeze(axis)


def _around(frame: Mapping[str, Any], a: list[int], b: list[int]) -> tuple[list[int], list[int]]:
    """Return ids and types of two texts with the special tokens around them."""
    (before, between, after), kinds, (of_a, of_b) = frame["ids"], frame["types"], frame["text_types"]
    types = [*kinds[0], *([of_a] * len(a)), *kinds[1], *([of_b] * len(b)), *kinds[2]]
    return [*before, *a, *between, *b, *after], types


def _padded(rows: Sequence[Sequence[int]], width: int, value: int) -> Any:
    array = np.full((len(rows), width), value, dtype=np.int64)
    for place, row in zip(array, rows, strict=True):
        place[: len(row)] = row
    return array


def _rounded(value: Any) -> float:
    return round(float(value), 6)


def _session(path: Path, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"{path}: onnxruntime cannot read the graph: {reason[:300]}") from error


def _text(path: Path, most: int = LARGEST_JSON) -> str:
    try:
        if path.stat().st_size > most:
            raise ExportError(f"{path}: the file has more than {most:,} bytes")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: it cannot be read, so this is no exported model ({error})") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ExportError(f"{path}: the file is damaged: {error}") from error
    if not isinstance(found, dict):
        raise ExportError(f"{path}: the file holds no JSON object")
    return found


def _arrays(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_FILE:
                raise ExportError(f"{path}: the arrays have more than {LARGEST_FILE:,} bytes")
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ExportError(f"{path}: the arrays cannot be read: {error}") from error


def _verify(folder: Path, hashes: Mapping[str, str]) -> None:
    for name in {FACTS, TOKENIZER, GRAPH, ARRAYS} & set(hashes):
        try:
            with (folder / name).open("rb") as handle:
                found = hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            raise ExportError(f"{folder / name}: it cannot be read: {error.strerror}") from error
        if found != hashes[name]:
            raise ExportError(f"{folder / name}: the file has other content than was written")


def main() -> None:
    """Answer the lines of standard input: texts, or JSON where the task takes more than a text."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(f"usage: {sys.argv[0]} FOLDER < texts.txt")
    try:
        model = load(sys.argv[1])
        for line in sys.stdin:
            text = line.rstrip("\n")
            entry = json.loads(text) if text[:1] in "[{" and model.task not in _OF_TEXTS else text
            print(json.dumps(model.predict([entry])[0], ensure_ascii=False), flush=True)
    except (ExportError, json.JSONDecodeError) as error:
        sys.exit(f"error: {error}")


_OF_TEXTS = ("classification", "multi-label", "regression")

if __name__ == "__main__":
    main()
