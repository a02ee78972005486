"""Extractive question answering: windows, exact offsets, no answer, and models that learn to answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import AutoModelForQuestionAnswering, PreTrainedTokenizerFast

from tests.tasks.toy_questions import (
    byte_tokenizer,
    family_config,
    tiny_reader,
    toy_questions,
    trained_tokenizer,
    wordpiece_tokenizer,
)
from textgraft.data.dataset import Dataset
from textgraft.errors import DataError, OptionError
from textgraft.inference.predictor import Predictor
from textgraft.models.auto import RecurrentConfig
from textgraft.tasks.base import gold_of
from textgraft.tasks.registry import task_class
from textgraft.tasks.spans.answer_spans import CANDIDATES
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.question_windows import tokenize_each, window_starts
from textgraft.tokenization.word_tokenizer import train_word_tokenizer
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

PIECES = [
    "word",
    "Łódź",
    "cafe\u0301",
    "नमस्ते",
    "東京",
    "🙂",
    "👨‍👩‍👧",
    "🇩🇪",
    "U.S.",
    "don't",
    "1,000",
    "ﬁn",
    "İ",
    "\U0001f44d\U0001f3fd",
]
GAPS = [" ", "  ", "\r\n", "\t", "\u00a0", "\n\n"]
TOKENIZERS = {
    "wordpiece": wordpiece_tokenizer(),
    "bytes": byte_tokenizer(),
    "words": train_word_tokenizer(toy_questions(50).texts, min_frequency=1),
}
SUBWORDS = {
    family: trained_tokenizer(family, [*toy_questions(50).texts, *(f" {piece}" for piece in PIECES * 5)])
    for family in ("merges", "unigram")
}
TASK = QuestionAnswering()


def question_about(context: str, answer: str | None = None, start: int | None = None, question="Where?"):
    place = context.find(answer or "") if start is None else start
    labels = [[{"text": answer, "start": place}]] if answer else [[]]
    return Dataset({"question": [question], "context": [context]}, labels, ["1"], [1], "test")


def outputs_for(features, height: float = 30.0, seed: int = 0):
    """Fabricate what decode keeps: noise, and above it the targets of the windows."""
    generator = np.random.default_rng(seed)
    decoded = []
    for feature in features:
        logits = generator.normal(size=(2, 1 + len(feature["offsets"]))).astype(np.float32)
        for row, position in zip(logits, feature["labels"], strict=True):
            row[position and position - feature["context_start"] + 1] += height
        decoded.append(logits)
    return decoded


# Windows.


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_short_pair_is_what_the_tokenizer_makes_of_it(name):
    tokenizer = TOKENIZERS[name]
    rows = toy_questions(5)
    for row, feature in enumerate(TASK.features(rows, tokenizer, 512)):
        pair = (rows.columns["question"][row], rows.columns["context"][row])
        tokenizer.backend_tokenizer.no_padding()
        expected = tokenizer.backend_tokenizer.encode(*pair)
        assert feature["input_ids"] == expected.ids
        assert feature.get("token_type_ids", expected.type_ids) == expected.type_ids
        assert ("token_type_ids" in feature) == (name != "bytes")
        first = feature["context_start"]
        assert feature["offsets"].tolist() == [
            list(offsets)
            for offsets, text in zip(expected.offsets, expected.sequence_ids, strict=True)
            if text == 1
        ]
        assert expected.sequence_ids[first - 1 : first + 1] == [None, 1]
    assert row == 4


@pytest.mark.parametrize("name", TOKENIZERS)
def test_windows_cover_a_long_context_and_overlap(name):
    context = " ".join(f"{n} of the" for n in range(200))
    features = TASK.features(question_about(context, "150 of"), TOKENIZERS[name], 64)
    assert len(features) > 5
    assert max(len(feature["input_ids"]) for feature in features) == 64
    covered = np.concatenate([feature["offsets"] for feature in features])
    whole = TASK.features(question_about(context, "150 of"), TOKENIZERS[name], 10_000)
    assert {tuple(pair) for pair in covered.tolist()} == {
        tuple(pair) for pair in whole[0]["offsets"].tolist()
    }
    for one, other in itertools.pairwise(features):
        shared = {tuple(pair) for pair in one["offsets"].tolist()} & {
            tuple(pair) for pair in other["offsets"].tolist()
        }
        assert len(shared) >= 10
    holding = [feature for feature in features if feature["labels"] != (0, 0)]
    assert 1 <= len(holding) < len(features)
    for feature in holding:
        first, last = (position - feature["context_start"] for position in feature["labels"])
        start, end = feature["offsets"][first][0], feature["offsets"][last][1]
        assert context[start:end].strip() == "150 of"


def test_a_window_is_told_of_an_answer_only_if_it_holds_all_of_it():
    words = [str(number) for number in range(10)] * 6
    context, expected = " ".join(words), set()
    for first in range(len(words) - 3):
        rows = question_about(context, " ".join(words[first : first + 4]), 2 * first)
        for number, feature in enumerate(TASK.features(rows, TOKENIZERS["wordpiece"], 32)):
            offsets = feature["offsets"]
            holds = offsets[0][0] <= 2 * first and 2 * first + 7 <= offsets[-1][1]
            assert (feature["labels"] != (0, 0)) == holds
            if holds:
                start, end = (offsets[place - feature["context_start"]] for place in feature["labels"])
                assert (start[0], end[1]) == (2 * first, 2 * first + 7)
                expected.add(number)
    assert expected == {0, 1, 2, 3}


@given(st.integers(0, 3000), st.integers(1, 600), st.integers(0, 200))
def test_every_short_span_stands_whole_in_a_window(tokens, room, wanted):
    starts = window_starts(tokens, room, wanted)
    overlap = room - starts.step
    assert overlap == min(wanted, room // 3)
    assert starts[-1] + room >= tokens
    assert len(starts) == 1 or starts[-2] + room < tokens
    for first in range(0, tokens - overlap, max(1, tokens // 50)):
        assert any(start <= first and first + overlap + 1 <= start + room for start in starts)


def test_a_huge_question_leaves_half_the_window_to_the_context():
    rows = question_about("we saw the red horse here", "red", question="of the " * 50_000)
    for max_length, words in ((40, (40 - 3) // 2), (512, 64)):
        (feature,) = TASK.features(rows, TOKENIZERS["wordpiece"], max_length)
        assert feature["context_start"] == 1 + words + 1
        assert feature["labels"] != (0, 0)


def test_a_length_without_room_is_refused():
    with pytest.raises(OptionError, match="a length of 4 tokens has no room"):
        TASK.features(question_about("red", "red"), TOKENIZERS["wordpiece"], 4)


def test_an_answer_far_into_a_huge_context_is_found():
    context = "of the " * 100_000 + "red " + "of the " * 20_000
    features = TASK.features(question_about(context, "red"), TOKENIZERS["wordpiece"], 128)
    assert len(features) > 2000
    (prediction,) = TASK.predictions(features, outputs_for(features))
    assert prediction.to_dict() == {"answer": "red", "score": 1.0, "start": 700_000, "end": 700_003}


def test_the_best_window_wins():
    context = "we saw the red horse " + "of the " * 60 + "and the white mouse"
    features = TASK.features(question_about(context, "red"), TOKENIZERS["wordpiece"], 48)
    assert len(features) > 2
    decoded = [np.zeros((2, 1 + len(feature["offsets"])), np.float32) for feature in features]
    decoded[0][:, 4] = 5
    decoded[-1][:, -1] = 9
    decoded[1][:, 0] = 99  # this window has nothing; another one may
    (prediction,) = TASK.predictions(features, decoded)
    assert prediction.text == "mouse"
    assert [answer.text for answer in prediction.top(2)] == ["mouse", "red"]


# Spans.


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(0, 2**32 - 1), st.booleans())
def test_candidates_equal_those_of_trying_every_pair(tokens, seed, has_unanswerable):
    generator = np.random.default_rng(seed)
    context = "x" * tokens
    offsets = np.stack([np.arange(tokens), np.arange(tokens) + 1], axis=1)
    logits = generator.normal(size=(2, 1 + tokens)).astype(np.float32) * 3
    found = {
        (first, last + 1): float(logits[0, 1 + first]) + float(logits[1, 1 + last])
        for first in range(tokens)
        for last in range(first, min(tokens, first + TASK.longest_answer))
    }
    if has_unanswerable:
        found[0, 0] = float(logits[:, 0].sum())
    best = sorted(found, key=found.get, reverse=True)[:CANDIDATES]
    total = sum(np.exp(found[span] / 2) for span in best)
    feature = {"row": 0, "context": context, "offsets": offsets}
    (prediction,) = QuestionAnswering(has_unanswerable).predictions([feature], [logits], temperature=2.0)
    top = prediction.top(CANDIDATES)
    assert [(answer.start, answer.end) for answer in top] == best
    assert [answer.score for answer in top] == pytest.approx(
        [np.exp(found[span] / 2) / total for span in best]
    )
    assert prediction.numbers() == [top[0].score]


def test_answers_are_no_longer_than_allowed():
    features = TASK.features(question_about("we saw the red horse", "the red horse"), TOKENIZERS["words"], 64)
    decoded = outputs_for(features)
    assert TASK.predictions(features, decoded)[0].text == "the red horse"
    (prediction,) = QuestionAnswering(longest_answer=2).predictions(features, decoded)
    assert {len(answer.text.split()) for answer in prediction.top(CANDIDATES)} == {1, 2}


@pytest.mark.parametrize("name", [*TOKENIZERS, *SUBWORDS])
@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(GAPS)), min_size=1, max_size=40),
    place=st.integers(0, 39),
    length=st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_answers_come_back_with_exact_offsets(name, pieces, place, length, seed):
    place %= len(pieces)
    context = "".join(word + gap for word, gap in pieces)
    start = sum(len(word) + len(gap) for word, gap in pieces[:place])
    answer = "".join(word + gap for word, gap in pieces[place : place + length]).rstrip()
    features = TASK.features(question_about(context, answer, start), (TOKENIZERS | SUBWORDS)[name], 120)
    (prediction,) = TASK.predictions(features, outputs_for(features, seed=seed))
    assert context[prediction.start : prediction.end] == prediction.text
    if any(feature["labels"] != (0, 0) for feature in features):
        first, last = next(feature["labels"] for feature in features if feature["labels"] != (0, 0))
        if last - first < TASK.longest_answer:
            assert (prediction.start, prediction.end) == (start, start + len(answer))
    for candidate in prediction.top(CANDIDATES):
        assert candidate.text == context[candidate.start : candidate.end] != ""


@pytest.mark.parametrize("behavior", ["merged_with_previous", "merged_with_next", "isolated"])
def test_white_space_is_no_part_of_an_answer(behavior):
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s"), behavior)
    context = " red  horse\nhere "
    tokens = tokenize_each(PreTrainedTokenizerFast(tokenizer_object=tokenizer), [context])[context]
    assert [context[start:end] for start, end in tokens.offsets if start < end] == ["red", "horse", "here"]


def test_letters_keep_their_marks():
    # The tokenizer drops the accent: the token of "cafe" ends before it.
    context = "the cafe\u0301 was new"
    features = TASK.features(question_about(context, "cafe"), TOKENIZERS["wordpiece"], 64)
    (prediction,) = TASK.predictions(features, outputs_for(features))
    assert prediction.text == "cafe\u0301"


def test_a_context_without_any_token_has_no_answer():
    features = TASK.features(question_about("\u200b\u200b"), TOKENIZERS["wordpiece"], 64)
    assert len(features) == 1
    (prediction,) = TASK.predictions(features, [np.zeros((2, 1), np.float32)])
    assert prediction.to_dict() == {"answer": "", "score": 0.0, "start": 0, "end": 0}
    assert TASK.temperature([[]], features, [np.zeros((2, 1), np.float32)]) == 1.0


# No answer.


def test_no_answer_is_predicted_only_where_training_had_such_questions():
    rows = question_about("of the " * 80 + "red")
    features = TASK.features(rows, TOKENIZERS["wordpiece"], 64)
    assert {feature["labels"] for feature in features} == {(0, 0)}
    decoded = outputs_for(features)
    assert TASK.predictions(features, decoded)[0].answer != ""
    task = QuestionAnswering(has_unanswerable=True)
    (prediction,) = task.predictions(features, decoded)
    assert prediction.to_dict() == {"answer": "", "score": 1.0, "start": 0, "end": 0}
    # One window that is sure of an answer suffices.
    decoded[1][:, 0] -= 60
    decoded[1][:, 5] += 20
    assert task.predictions(features, decoded)[0].answer != ""


def test_fitted_to_training_rows():
    assert QuestionAnswering.fitted_to(toy_questions(20)).settings() == TASK.settings()
    task = QuestionAnswering.fitted_to(toy_questions(40, unanswerable=0.5))
    assert task.settings() == {**TASK.settings(), "has_unanswerable": True}
    assert task_class("question-answering")(**task.settings()).settings() == task.settings()
    with pytest.raises(DataError, match="no training question has an answer"):
        QuestionAnswering.fitted_to(question_about("red"))
    with pytest.raises(DataError, match="these questions have no answers"):
        QuestionAnswering.fitted_to(TASK.rows([("Who?", "Ann.")]))


# Inputs.


def test_rows_from_values():
    rows = TASK.rows([{"question": "Who?", "context": "Ann."}, ("Where?", "Rome.")])
    assert rows.columns == {"question": ["Who?", "Where?"], "context": ["Ann.", "Rome."]}
    assert rows.labels is None


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("Who?", "one string"),
        ({"question": "Who?", "context": "Ann."}, "a dict with the keys 'question'"),
        (["Who?"], "input 0 is str, not a question with its context"),
        ([("Who?", "Ann."), ("Who?",)], "input 1 is tuple"),
        ([{"question": "Who?"}], "input 0 has no 'context'"),
        ([{"question": 5, "context": "Ann."}], "the question of input 0 is int, not a string"),
        ([("Who?", " ")], "the context of input 0 is empty"),
        ([("Who\ud800?", "Ann.")], "the question of input 0 holds half a surrogate pair"),
    ],
)
def test_other_inputs_are_refused(inputs, message):
    with pytest.raises(OptionError) as caught:
        TASK.rows(inputs)
    assert message in str(caught.value)


def test_columns_are_refused(tmp_path):
    (tmp_path / "f.json").write_text('{"data": []}')
    with pytest.raises(OptionError, match="SQuAD JSON has no columns: 'x'"):
        QuestionAnswering.read(tmp_path / "f.json", labelled=True, text=None, label="x")


# Models.


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "recurrent"])
def test_every_family_takes_the_batches(family):
    names = {"bert": "wordpiece", "roberta": "bytes", "recurrent": "words"}
    tokenizer = wordpiece_tokenizer(has_types=False) if family == "distilbert" else TOKENIZERS[names[family]]
    config = (
        RecurrentConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8)
        if family == "recurrent"
        else family_config(family, len(tokenizer))
    )
    TASK.configure(config)
    assert config.num_labels == 2
    model = AutoModelForQuestionAnswering.from_config(config).eval()
    features = TASK.features(toy_questions(6, words=(8, 30)), tokenizer, 60)
    batch = TASK.collate(features, tokenizer.pad_token_id)
    with torch.no_grad():
        outputs = model(**batch)
        alone = [model(**TASK.collate([feature], tokenizer.pad_token_id)) for feature in features]
    assert torch.isfinite(outputs.loss)
    decoded = TASK.decode(outputs, features)
    for feature, logits, one in zip(features, decoded, alone, strict=True):
        assert logits.shape == (2, 1 + len(feature["offsets"]))
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, TASK.decode(one, [feature])[0], atol=1e-4)
    assert len(TASK.predictions(features, decoded)) == 6


@pytest.mark.parametrize("kind", ["bert", "recurrent"])
def test_a_tiny_model_learns_to_answer(kind, tmp_path):
    train, dev = toy_questions(300), toy_questions(80, seed=1)
    task = QuestionAnswering.fitted_to(train)
    torch.manual_seed(0)
    if kind == "bert":
        tokenizer = wordpiece_tokenizer()
        model = tiny_reader(len(tokenizer), initializer_range=0.2)
        rate = 5e-3
    else:
        tokenizer = train_word_tokenizer(train.texts, min_frequency=1)
        shape = {"embedding_size": 16, "hidden_size": 16, "dropout": 0.1, "embedding_dropout": 0.0}
        model = AutoModelForQuestionAnswering.from_config(RecurrentConfig(vocab_size=len(tokenizer), **shape))
        rate = 1e-2
    chosen = TrainingSettings(learning_rate=rate, epochs=8, batch_size=16, precision="fp32", patience=None)
    objective = TaskRows(task, *(task.features(rows, tokenizer, 48) for rows in (train, dev)), pad_token_id=0)
    result = fit(model, objective, chosen, folder=tmp_path / "run")
    assert result.dev_metrics["exact_match"] > 0.95
    model.save_pretrained(tmp_path / "model")
    loaded = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "model")
    # Of a context many times as long as those it was trained on, the windows find the answer.
    long = toy_questions(8, seed=5, words=(150, 151))
    inputs = list(zip(long.columns["question"], long.columns["context"], strict=True))
    answers = Predictor(loaded, tokenizer, task, max_length=48).predict(inputs)
    found = [answer.text == truth[0]["text"] for answer, truth in zip(answers, long.labels, strict=True)]
    assert sum(found) >= 6, "another processor rounds otherwise, and learns a little more or less"
    for answer, (_, context) in zip(answers, inputs, strict=True):
        assert context[answer.start : answer.end] == answer.text


def test_unanswerable_questions_are_learnt():
    train, dev = (toy_questions(count, seed, unanswerable=0.3) for count, seed in ((300, 0), (80, 1)))
    task, tokenizer = QuestionAnswering.fitted_to(train), wordpiece_tokenizer()
    model = tiny_reader(len(tokenizer), initializer_range=0.1)
    chosen = TrainingSettings(learning_rate=5e-3, epochs=10, batch_size=16, precision="fp32", patience=None)
    objective = TaskRows(task, *(task.features(rows, tokenizer, 48) for rows in (train, dev)), pad_token_id=0)
    result = fit(model, objective, chosen)
    assert [] in gold_of(objective.dev)
    assert result.dev_metrics["exact_match"] > 0.9


def test_temperature_calms_a_model_that_is_too_sure():
    rows = toy_questions(800)  # on fewer the temperature is shrunk towards 1
    features = TASK.features(rows, TOKENIZERS["wordpiece"], 64)
    decoded = outputs_for(features)
    for wrong in range(0, 800, 4):  # a quarter of the answers is wrong, and as sure as the others
        decoded[wrong] = np.roll(decoded[wrong], 3, axis=1)
    gold = gold_of(features)
    before = TASK.predictions(features, decoded)
    temperature = TASK.temperature(gold, features, decoded)
    after = TASK.predictions(features, decoded, temperature)
    assert [prediction.answer for prediction in after] == [prediction.answer for prediction in before]
    right = np.mean([answer.answer in texts for answer, texts in zip(after, gold, strict=True)])
    assert np.mean([prediction.score for prediction in before]) > 0.99 > 0.8 > right
    assert np.mean([prediction.score for prediction in after]) == pytest.approx(right, abs=0.05)
