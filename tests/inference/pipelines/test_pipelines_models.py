"""What may be named as a model, what may be put in, and what is said of mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers.pipelines.pt_utils import KeyDataset

import textgraft
from tests.data.test_inputs import Frame
from tests.inference.tiny_heads import save_tiny_head
from tests.tiny import TOPICS, save_tiny_bert
from textgraft.errors import DataError, ModelError, OptionError
from textgraft.inference.predictor import Predictor
from textgraft.models.directory import save_model_directory
from textgraft.models.manifest import Manifest
from textgraft.tasks.base import Task

TEXTS = ["we saw the rocket and the moon", "soup with cheese", "", "the team had a match"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    return save_tiny_head(folder, "AutoModelForSequenceClassification", ["bad", "good", "so so"])


def save_trained(folder: Path, model: Any, tokenizer: Any, task: Task, **changes: Any) -> Path:
    """Save a model as textgraft does after training it for a task."""
    manifest = {
        "task": task.name,
        "task_settings": task.settings(),
        "contender": "bert",
        "text_columns": ["text"],
        "label_column": None,
        "max_length": 64,
        "temperature": 1.0,
        "data_source": "made here",
        "data_hash": "0" * 16,
        "training": {},
        "metrics": {},
        "dev_score": 0.0,
        "golden": [],
    }
    save_model_directory(folder, model, tokenizer, Manifest(**{**manifest, **changes}), "# card\n")
    return folder


def test_a_trained_model_is_calibrated(topic_model: Path) -> None:
    predictor = textgraft.load(topic_model)
    expected = predictor.predict(TEXTS)
    for model in (topic_model, str(topic_model), predictor):
        found = textgraft.pipeline("text-classification", model)(TEXTS)
        for given, prediction in zip(found, expected, strict=True):
            assert given == {"label": prediction.label, "score": pytest.approx(prediction.score, abs=1e-5)}


def test_a_pair_of_model_and_tokenizer(checkpoint: Path) -> None:
    pair = (
        AutoModelForSequenceClassification.from_pretrained(checkpoint),
        AutoTokenizer.from_pretrained(checkpoint),
    )
    assert textgraft.pipeline("text-classification", pair)("who") == textgraft.pipeline(
        "text-classification", checkpoint
    )("who")


def test_a_pair_of_texts(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)
    ours = textgraft.pipeline("text-classification", checkpoint)
    theirs = transformers.pipeline("text-classification", str(checkpoint))
    pair = {"text": "john works", "text_pair": "who works at google"}
    for inputs in (pair, [pair, pair]):
        found, expected = ours(inputs), theirs(inputs)
        assert type(found) is type(expected)
        for a, b in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
            assert a == {"label": b["label"], "score": pytest.approx(b["score"], abs=1e-4)}
    with pytest.raises(OptionError, match="input 1 is no pair"):
        ours([pair, "a text"])
    with pytest.raises(OptionError, match="keys 'text', 'textpair'"):
        ours({"text": "a", "textpair": "b"})


def test_numbers_come_in_the_units_of_the_targets(tmp_path: Path) -> None:
    from textgraft.tasks.text.regression import Regression

    task = Regression(mean=100.0, deviation=20.0)
    folder = save_tiny_head(
        tmp_path / "raw", "AutoModelForSequenceClassification", ["value"], problem_type="regression"
    )
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    trained = save_trained(tmp_path / "trained", model, AutoTokenizer.from_pretrained(folder), task)
    found = textgraft.pipeline("text-classification", trained)(["who", "the moon"])
    expected = textgraft.load(trained).predict(["who", "the moon"])
    assert [given["label"] for given in found] == ["value", "value"]
    assert [given["score"] for given in found] == pytest.approx([number.answer for number in expected])


def test_a_trained_tagger_labels_words(tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    from textgraft.tasks.spans.token_classification import TokenClassification

    task = TokenClassification(["O", "B-LOC", "I-LOC", "B-PER", "I-PER"])
    folder = save_tiny_head(tmp_path / "raw", "AutoModelForTokenClassification", list(task.labels))
    model = AutoModelForTokenClassification.from_pretrained(folder)
    trained = save_trained(tmp_path / "trained", model, AutoTokenizer.from_pretrained(folder), task)
    text = "John worked, near Zürich 👩‍🚀 and Cal\u0301ifornia."
    ner = textgraft.pipeline("ner", trained)
    prediction = textgraft.load(trained).predict([text])[0]
    words = ner(text, ignore_labels=[])
    assert [word["word"] for word in words] == [text[start:end] for start, end in prediction.words]
    assert [word["entity"] for word in words] == prediction.answer
    assert [word["index"] for word in words] == list(range(1, len(words) + 1))
    assert all(text[word["start"] : word["end"]] == word["word"] for word in words)
    groups = [
        {
            "entity_group": entity.type,
            "score": pytest.approx(entity.score),
            "word": entity.text,
            "start": entity.start,
            "end": entity.end,
        }
        for entity in prediction.entities
    ]
    assert groups
    for strategy in ("simple", "first", "average", "max"):
        assert ner(text, aggregation_strategy=strategy) == groups
    surest = max(words, key=lambda word: word["score"])
    assert ner(text, ignore_labels=[], threshold=surest["score"]) == [surest]


def test_no_token_of_a_long_text_is_lost(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path / "model", "AutoModelForTokenClassification", ["O", "B-X"])
    text = " ".join(["john works at google in california ."] * 40)
    tokens = textgraft.pipeline("ner", folder)(text, ignore_labels=[])
    assert [token["index"] for token in tokens] == list(range(1, 1 + 7 * 40))
    assert all(text[token["start"] : token["end"]] == token["word"] for token in tokens)


def test_labels_below_the_threshold_are_not_given(checkpoint: Path) -> None:
    classify = textgraft.pipeline("text-classification", checkpoint)
    every = classify("who works", top_k=None)
    best, second = every[0]["score"], every[1]["score"]
    between = (best + second) / 2
    assert classify("who works", threshold=between)[0]["label"] == every[0]["label"]
    assert classify("who works", threshold=1.0) == [{"label": None, "score": pytest.approx(best)}]
    assert classify("who works", top_k=None, threshold=between) == every[:1]
    assert classify("who works", top_k=None, threshold=1.0) == []


def test_tokens_below_the_threshold_do_not_fill_a_mask(tmp_path: Path) -> None:
    fill = textgraft.pipeline("fill-mask", save_tiny_head(tmp_path / "model", "AutoModelForMaskedLM"))
    every = fill("the [MASK] works", top_k=10)
    assert fill("the [MASK] works", top_k=10, threshold=every[3]["score"]) == every[:4]
    with pytest.raises(OptionError, match=r"no \[MASK\]"):
        fill("the moon works")
    with pytest.raises(OptionError, match="more than the 64 tokens"):
        fill("moon " * 70 + "[MASK]")
    with pytest.warns(UserWarning, match="of their tokens are lost"):
        assert fill("[MASK]" + " moon" * 70)
    with pytest.warns(UserWarning, match="'##o' is scored|'m' is scored|is no token"):
        fill("the [MASK] works", targets=["mx"])
    with pytest.raises(OptionError, match="there are no targets"):
        fill("the [MASK] works", targets=[])


def test_cut_texts_are_told(checkpoint: Path) -> None:
    classify = textgraft.pipeline("text-classification", checkpoint)
    with pytest.warns(UserWarning, match=r"1 of 2 inputs are longer than the 64 tokens .*: 50% of"):
        classify(["who", "moon " * 126])
    assert classify("moon " * 62)


def test_files_are_read_as_the_task_reads_them(topic_model: Path, tmp_path: Path) -> None:
    classify = textgraft.pipeline("text-classification", topic_model)
    texts = [TEXTS[0], TEXTS[1], TEXTS[3]]
    expected = classify(texts)
    (tmp_path / "a.txt").write_text("\n".join(texts))
    (tmp_path / "a.csv").write_text("key,text\n" + "\n".join(f"k{i},{t}" for i, t in enumerate(texts)))
    (tmp_path / "a.jsonl").write_text("\n".join([*(json.dumps({"text": text}) for text in texts), "{broken"]))
    assert list(classify.file(tmp_path / "a.txt")) == expected
    table = classify.file(tmp_path / "a.csv", text="text", id_column="key", top_k=1)
    assert (len(table), table.ids) == (3, ["k0", "k1", "k2"])
    assert list(table) == [[entry] for entry in expected]
    lines = classify.file(tmp_path / "a.jsonl")
    assert list(lines) == expected
    assert [row.line for row in lines.rejected] == [4]
    with pytest.raises(DataError, match="no such file"):
        classify.file(tmp_path / "b.csv")
    with pytest.raises(OptionError, match="topk"):
        classify.file(tmp_path / "a.txt", topk=2)


def test_inputs_come_as_transformers_takes_them(topic_model: Path) -> None:
    classify = textgraft.pipeline(task="text-classification", model=topic_model)
    expected = classify(TEXTS)
    assert classify([{"text": text} for text in TEXTS]) == expected
    assert classify([{"text": TEXTS[0]}, *TEXTS[1:]]) == expected
    assert list(classify({"text": text} for text in TEXTS)) == expected
    assert classify({"text": TEXTS[0]}) == expected[0]
    rows = [{"review": text, "n": 1} for text in TEXTS]
    assert classify(KeyDataset(rows, "review")) == expected
    # A table whose column is called as the input is needs no name; of others it must be said.
    assert classify(Frame(n=[1, 2, 3, 4], text=TEXTS)) == expected
    with pytest.raises(OptionError, match="Name the column"):
        classify(Frame(n=[1, 2, 3, 4], review=TEXTS))


@pytest.mark.parametrize(
    ("given", "said"), [(None, r"missing \(None\)"), (3, "is int"), (0.5, "is float"), (b"text", "is bytes")]
)
def test_what_is_no_input_says_what_is_one(topic_model: Path, given: Any, said: str) -> None:
    classify = textgraft.pipeline("text-classification", topic_model)
    with pytest.raises(OptionError, match=said) as refused:
        classify(given)
    assert "Give a text, or a list of such." in str(refused.value)
    with pytest.raises(OptionError, match="path"):
        classify.file(given)


def test_the_shipped_graft_is_the_default(
    topic_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textgraft.models.shipped.FOLDER", tmp_path)
    with pytest.raises(ModelError, match=r"not in this installation[\s\S]*name a model"):
        textgraft.pipeline("sentiment-analysis")
    shutil.copytree(topic_model, tmp_path / "sentiment")
    shutil.copytree(topic_model, tmp_path / "banking-intents")
    expected = textgraft.pipeline("text-classification", topic_model)(TEXTS)
    assert textgraft.pipeline("sentiment-analysis")(TEXTS) == expected
    assert textgraft.pipeline("text-classification", "banking-intents")(TEXTS) == expected


def test_the_bundled_encoder_gives_features() -> None:
    features = textgraft.pipeline("feature-extraction")("This is a simple test.")
    assert np.array(features).shape == (1, 8, 384)
    with pytest.raises(OptionError, match=r"has no default model[\s\S]*pipeline\('multiple-choice', model="):
        textgraft.pipeline("multiple-choice")
    with pytest.raises(OptionError, match="'translation_fr_to_de' has no default model"):
        textgraft.pipeline("translation_fr_to_de")


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("text-clasification", {}, "Did you mean 'text-classification'"),
        ("NER", {}, "Did you mean 'ner'"),
        ("summarisation", {}, "unknown pipeline"),
        ("ner", {"agregation_strategy": "simple"}, "Did you mean 'aggregation_strategy'"),
        ("ner", {"aggregation_strategy": "mean"}, "aggregation_strategy cannot be 'mean'"),
        ("text-classification", {"top_k": 0}, "top_k cannot be 0"),
        ("text-classification", {"top_k": "all"}, "top_k cannot be 'all'"),
        ("feature-extraction", {"return_tensor": True}, "Did you mean 'return_tensors'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        textgraft.pipeline(name, "any model", **options)


def test_what_is_no_model_is_refused(checkpoint: Path, topic_model: Path, tmp_path: Path) -> None:
    bare = save_tiny_bert(tmp_path / "bare")
    with pytest.raises(ModelError, match=r"has not the head .*classifier"):
        textgraft.pipeline("text-classification", bare)
    with pytest.raises(ModelError, match="has not the head"):
        textgraft.pipeline("question-answering", checkpoint)
    with pytest.raises(ModelError, match="trained for classification"):
        textgraft.pipeline("ner", topic_model)
    with pytest.raises(ModelError, match="trained for classification"):
        textgraft.pipeline("ner", textgraft.load(topic_model))
    with pytest.raises(ModelError, match=r"Did you mean .*best"):
        textgraft.pipeline("text-classification", topic_model.parent)
    with pytest.raises(ModelError, match="there is no encoder"):
        textgraft.pipeline("text-classification", "no-such-model")
    pair = (AutoModel.from_pretrained(bare), AutoTokenizer.from_pretrained(bare))
    with pytest.raises(ModelError, match="BertModel has not the head"):
        textgraft.pipeline("question-answering", pair)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.pad_token = None
    padless = (AutoModelForSequenceClassification.from_pretrained(checkpoint), tokenizer)
    with pytest.raises(ModelError, match="no padding token"):
        textgraft.pipeline("text-classification", padless)
    with pytest.raises(OptionError, match="the pair is"):
        textgraft.pipeline("question-answering", ("model", "tokenizer"))
    with pytest.raises(OptionError, match="the model is int"):
        textgraft.pipeline("question-answering", 3)


def test_inputs_of_the_wrong_form_are_refused(checkpoint: Path) -> None:
    classify = textgraft.pipeline("text-classification", checkpoint)
    with pytest.raises(OptionError, match="the input is int"):
        classify(3)
    with pytest.raises(OptionError, match="text 1 is missing"):
        classify(["who", None])
    with pytest.raises(OptionError, match="counted from input 64 of the stream"):
        list(classify(text for text in ["who"] * 70 + [None]))


def test_topics_are_ordered_by_label(topic_model: Path) -> None:
    found = textgraft.pipeline("text-classification", topic_model)("soup with cheese", top_k=None)
    assert sorted(entry["label"] for entry in found) == sorted(TOPICS)
    assert found[0]["label"] == "food"
    assert isinstance(textgraft.load(topic_model), Predictor)


def test_a_graft_is_run_on_the_encoder_it_names(tmp_path: Path) -> None:
    from textgraft.models.encoders import load_encoder, resolve_encoder
    from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
    from textgraft.tasks.text.classification import SingleLabelClassification

    encoder = resolve_encoder(save_tiny_bert(tmp_path / "encoder"))
    task = SingleLabelClassification(["no", "yes"])
    config = GraftConfig.on(encoder)
    task.configure(config)
    graft = GraftForSequenceClassification(config).eval()
    folder = save_trained(tmp_path / "graft", graft, load_encoder(encoder)[1], task)
    expected = textgraft.load(folder).predict(TEXTS)
    assert textgraft.pipeline("text-classification", folder)(TEXTS) == [
        {"label": prediction.label, "score": pytest.approx(prediction.score, abs=1e-5)}
        for prediction in expected
    ]


def test_only_a_hub_id_is_fetched(
    checkpoint: Path, topic_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories = {"owner/checkpoint": checkpoint, "owner/trained": topic_model}
    asked = []

    def fetch(name: str, **options: Any) -> str:
        asked.append((name, options["revision"]))
        return str(repositories[name])

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    for name, folder in repositories.items():
        local = textgraft.pipeline("text-classification", folder)(TEXTS)
        assert asked == []
        assert textgraft.pipeline("text-classification", name, revision="v2")(TEXTS) == local
        assert asked.pop() == (name, "v2")
