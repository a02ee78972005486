"""Question answering and multiple choice, which Transformers has no pipelines for."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import textgraft
from tests.data.test_inputs import Frame
from tests.inference.tiny_heads import FAMILIES, save_tiny_head
from textgraft.data.words import cut_words
from textgraft.errors import OptionError
from textgraft.tasks.spans.answer_spans import CANDIDATES

CONTEXT = "John works at Google in California. The moon is at the zoo, Zürich!"
QUESTION = "where works John"


@pytest.fixture(autouse=True)
def _fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)


@pytest.fixture(scope="module", params=FAMILIES)
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return save_tiny_head(folder, "AutoModelForQuestionAnswering", family=request.param)


def every_span(folder: Path, question: str, context: str, longest: int) -> tuple[dict[Any, float], float]:
    """Score every span of a short context: the best ones, by characters, and the score of no answer."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    encoded = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        outputs = model(**encoded)
    starts, ends = outputs.start_logits[0].tolist(), outputs.end_logits[0].tolist()
    inside = [place for place, text in enumerate(encoded.sequence_ids(0)) if text == 1]
    pairs = [(a, b) for a, b in itertools.product(inside, inside) if a <= b < a + longest]
    best = sorted(pairs, key=lambda pair: starts[pair[0]] + ends[pair[1]])[-CANDIDATES:]
    # Byte-level tokens may stand for no character: several pairs of tokens are one span, and some are none.
    scores = {
        (offsets[a][0], offsets[b][1]): starts[a] + ends[b] for a, b in best if offsets[a][0] < offsets[b][1]
    }
    return scores, starts[0] + ends[0]


@pytest.mark.parametrize("longest", [1, 3, 15])
@pytest.mark.parametrize("impossible", [False, True])
def test_answers_are_the_best_of_all_spans(reader: Path, longest: int, impossible: bool) -> None:
    spans, no_answer = every_span(reader, QUESTION, CONTEXT, longest)
    if impossible:
        spans[0, 0] = no_answer
    best = sorted(spans, key=lambda span: -spans[span])[:CANDIDATES]
    weights = np.exp([spans[span] - spans[best[0]] for span in best])
    expected = [
        {"score": weight / weights.sum(), "start": start, "end": end, "answer": CONTEXT[start:end]}
        for weight, (start, end) in zip(weights, best, strict=True)
    ]
    answer = textgraft.pipeline("question-answering", reader, align_to_words=False, max_answer_len=longest)
    found = answer(
        question=QUESTION, context=CONTEXT, top_k=5, handle_impossible_answer=impossible, doc_stride=5
    )
    assert len(found) == 5
    for given, wanted in zip(found, expected, strict=False):
        assert list(given) == ["score", "start", "end", "answer"]
        assert {**given, "score": 0} == {**wanted, "score": 0}
        assert given["score"] == pytest.approx(wanted["score"], abs=1e-4)


def test_answers_are_whole_words(reader: Path) -> None:
    answer = textgraft.pipeline("question-answering", reader, top_k=CANDIDATES)
    words = cut_words(CONTEXT)
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    found = answer(question=QUESTION, context=CONTEXT)
    assert all(given["start"] in starts and given["end"] in ends for given in found)
    assert [given["score"] for given in found] == sorted((given["score"] for given in found), reverse=True)
    pieces = answer(question=QUESTION, context=CONTEXT, align_to_words=False)
    assert any(given["end"] not in ends for given in pieces)
    scores: dict[tuple[int, int], float] = {}
    for piece in pieces:
        touched = [word for word in words if word[0] < piece["end"] and piece["start"] < word[1]]
        span = (touched[0][0], touched[-1][1])
        scores[span] = scores.get(span, 0) + piece["score"]
    assert {(given["start"], given["end"]): given["score"] for given in found} == pytest.approx(scores)


def test_shapes_are_those_of_transformers_4(reader: Path) -> None:
    answer = textgraft.pipeline("question-answering", reader)
    one = answer(question=QUESTION, context=CONTEXT)
    assert {key: type(value) for key, value in one.items()} == {
        "score": float,
        "start": int,
        "end": int,
        "answer": str,
    }
    assert one["answer"] == CONTEXT[one["start"] : one["end"]]
    entry = {"question": QUESTION, "context": CONTEXT}
    # One question in any form is one dict.
    for same in (answer(entry), answer([entry]), answer(QUESTION, CONTEXT), answer((QUESTION, CONTEXT))):
        assert same == pytest.approx(one)
    assert answer(question=[QUESTION], context=CONTEXT) == one
    others = ["who", "where is the moon"]
    three = answer(question=[QUESTION, *others], context=CONTEXT)
    assert [type(given) for given in three] == [dict] * 3
    assert three == answer(question=[QUESTION, *others], context=[CONTEXT] * 3)
    assert three == answer([{"question": text, "context": CONTEXT} for text in (QUESTION, *others)])
    assert three[0]["answer"] == one["answer"]
    assert [given["answer"] for given in answer({**entry, "question": text} for text in others)] == [
        given["answer"] for given in three[1:]
    ]
    two = answer(entry, top_k=2)
    assert [type(given) for given in two] == [dict] * 2
    assert [len(given) for given in answer([entry, entry], top_k=2)] == [2, 2]
    assert answer([]) == []


def test_long_contexts_are_read_to_their_end(reader: Path) -> None:
    answer = textgraft.pipeline("question-answering", reader, top_k=CANDIDATES, doc_stride=10)
    long = " ".join([CONTEXT] * 6)
    found = answer(question=QUESTION, context=long)
    assert all(given["answer"] == long[given["start"] : given["end"]] for given in found)
    assert max(given["end"] for given in found) > 5 * len(CONTEXT)


def test_an_answer_below_the_threshold_is_the_empty_one(reader: Path) -> None:
    answer = textgraft.pipeline("question-answering", reader)
    best = answer(question=QUESTION, context=CONTEXT)["score"]
    assert answer(question=QUESTION, context=CONTEXT, threshold=best - 1e-6)["answer"]
    empty = answer(question=QUESTION, context=CONTEXT, threshold=min(1.0, best + 1e-6))
    assert empty == {"score": pytest.approx(best), "start": 0, "end": 0, "answer": ""}
    several = answer(question=QUESTION, context=CONTEXT, top_k=5)
    least = several[2]["score"]
    assert answer(question=QUESTION, context=CONTEXT, top_k=5, threshold=least) == several[:3]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "a question and its context"),
        ({"question": "who"}, "a question and its context"),
        (
            {"inputs": {"question": "who", "context": "x"}, "question": "who", "context": "x"},
            "a question and",
        ),
        ({"question": ["who", "where"], "context": ["x"]}, "2 questions and 1 context\n"),
        ({"question": "", "context": "x"}, "question of input 0 is empty"),
        ({"inputs": [{"question": "who", "context": "x"}, {"question": "who"}]}, "input 1 has no 'context'"),
        ({"question": "who", "context": "x", "top_k": 0}, "top_k cannot be 0"),
        ({"question": "who", "context": "x", "max_answer_length": 3}, "Did you mean 'max_answer_len'"),
        ({"question": "who", "context": "x", "max_seq_len": 4}, "no room for a question"),
    ],
)
def test_mistakes_are_told(reader: Path, given: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        textgraft.pipeline("question-answering", reader)(**given)


def test_questions_of_a_file(reader: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(
        '{"id": "a", "question": "who", "context": "John works."}\n'
        '{"id": "b", "question": "", "context": "John works."}\n'
        '{"id": "c", "question": "where", "context": "At Google."}\n'
    )
    answer = textgraft.pipeline("question-answering", reader)
    results = answer.file(file, top_k=2)
    assert results.ids == ["a", "c"]
    assert [(row.line, row.kind) for row in results.rejected] == [(2, "empty question")]
    assert list(results) == answer(question=["who", "where"], context=["John works.", "At Google."], top_k=2)


@pytest.mark.parametrize("family", FAMILIES)
def test_choices_are_scored_as_the_model_scores_them(tmp_path: Path, family: str) -> None:
    from transformers import AutoModelForMultipleChoice, AutoTokenizer

    folder = save_tiny_head(tmp_path / "model", "AutoModelForMultipleChoice", family=family)
    prompt, choices = "John works", ["at Google.", "in the moon", "who"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer([prompt] * 3, choices, return_tensors="pt", padding=True)
    with torch.inference_mode():
        logits = AutoModelForMultipleChoice.from_pretrained(folder)(
            **{name: tensor[None] for name, tensor in encoded.items()}
        ).logits
    chances = logits.softmax(dim=-1)[0].tolist()
    best = max(range(3), key=chances.__getitem__)
    choose = textgraft.pipeline("multiple-choice", folder)
    one = choose(prompt=prompt, choices=choices)
    assert one == {"score": pytest.approx(chances[best], abs=1e-4), "index": best, "answer": choices[best]}
    every = choose({"prompt": prompt, "choices": choices}, top_k=None)
    assert sorted(given["index"] for given in every) == [0, 1, 2]
    assert all(given["score"] == pytest.approx(chances[given["index"]], abs=1e-4) for given in every)
    assert every[0] == one
    # Different numbers of choices in one list, back in their order.
    mixed = choose([(prompt, choices[:2]), (prompt, choices), (prompt, choices[1:])], top_k=None)
    assert [len(given) for given in mixed] == [2, 3, 2]
    assert [given["index"] for given in mixed[1]] == [given["index"] for given in every]
    nothing = choose(prompt=prompt, choices=choices, threshold=1.0)
    assert nothing == {"score": pytest.approx(one["score"]), "index": None, "answer": None}
    for wrong in ({}, {"prompt": prompt}, {"inputs": [(prompt, ["one"])]}):
        with pytest.raises(OptionError):
            choose(**wrong)


def test_choices_of_a_file(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path / "model", "AutoModelForMultipleChoice")
    file = tmp_path / "choices.csv"
    file.write_text("prompt,ending0,ending1\nJohn works,at Google,in the moon\nwho,John,the moon\n")
    choose = textgraft.pipeline("multiple-choice", folder)
    assert list(choose.file(file)) == choose(
        [("John works", ["at Google", "in the moon"]), ("who", ["John", "the moon"])]
    )


def test_of_a_huge_context_the_most_telling_windows_are_read(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path / "reader", "AutoModelForQuestionAnswering")
    answer = textgraft.pipeline("question-answering", folder)
    filler, told = "the moon is at the zoo . " * 1200, "Google works in California with John . "
    context = filler + told + filler
    runs: list[int] = []
    answer.source.model.register_forward_hook(lambda *_: runs.append(1))
    with pytest.warns(UserWarning, match="max_windows=None reads all of it"):
        found = answer(question="where works John", context=context, max_windows=1)
    assert len(runs) == 1
    # What is read is the passage that shares the rare words, and the answer counts characters of the whole.
    place = context.index(told)
    assert abs(found["start"] - place) < 400
    assert context[found["start"] : found["end"]] == found["answer"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer(question=QUESTION, context=CONTEXT)


def test_questions_come_in_a_table_and_what_is_none_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path, "AutoModelForQuestionAnswering")
    answer = textgraft.pipeline("question-answering", folder)
    expected = answer(question=QUESTION, context=CONTEXT)
    assert answer(Frame(question=[QUESTION], n=[1], context=[CONTEXT])) == [expected]
    for given in ({"question": 3, "context": CONTEXT}, {"question": [QUESTION], "context": 3.5}):
        with pytest.raises(OptionError, match=r"is (int|float)[\s\S]*Give a text, or a list of texts"):
            answer(**given)
    with pytest.raises(OptionError, match="1 question and 2 contexts"):
        answer(question=QUESTION, context=[CONTEXT, CONTEXT])
