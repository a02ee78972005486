"""Long texts are read whole, window by window, and alike by every way of running the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedConfig, pipeline

from tests.tiny import FILLER, TOPICS, save_tiny_bert
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.running.trials import TrialSpec, run_trial, save_model
from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.inference.encode import Encoder
from textgraft.inference.grafted import GraftedEncoder
from textgraft.inference.predictor import load
from textgraft.models.encoders import EncoderSource, load_encoder_tokenizer, resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
from textgraft.models.windows import Cutting, cut, longest, windows_of
from textgraft.tasks.text.classification import SingleLabelClassification

FRAMES = [(1, 1), (1, 0), (0, 0), (0, 2)]
LABELS = ("food", "space", "sport")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    return resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("encoder")))


def late(count: int, seed: int = 0) -> Dataset:
    """Make texts of 130 to 220 words whose topic is told by their last sixty words alone."""
    generator = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = str(generator.choice(LABELS))
        words = [*generator.choice(FILLER, generator.integers(70, 160)), *generator.choice(TOPICS[label], 60)]
        texts.append(" ".join(map(str, words)))
        labels.append(label)
    numbers = list(range(count))
    return Dataset({"text": texts}, labels, list(map(str, numbers)), numbers, "late")


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(10, 99), min_size=2, max_size=70), min_size=1, max_size=6),
    st.integers(4, 20), st.sampled_from(FRAMES), st.booleans(),
)  # fmt: skip
def test_a_batch_is_cut_as_each_of_its_texts(texts, size, frame, on_the_left):
    before, after = frame
    rows = [[*range(1, before + 1), *text, *range(5, 5 + after)] for text in texts]
    time = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), time, dtype=torch.long), torch.zeros(len(rows), time, dtype=torch.long)
    for place, row in enumerate(rows):
        part = slice(time - len(row), time) if on_the_left else slice(0, len(row))
        ids[place, part], mask[place, part] = torch.tensor(row), 1
    windows = windows_of(ids, mask, size, frame, pad=0)
    found = [row[: int(own.sum())].tolist() for row, own in zip(windows.ids, windows.mask, strict=True)]
    expected = [cut(row, size, frame) for row in rows]
    assert found == [window for own in expected for window in own]
    assert windows.is_used.sum(dim=1).tolist() == list(map(len, expected))
    for row, own in zip(rows, expected, strict=True):
        content = [token for window in own for token in window[before : len(window) - after]]
        assert content == row[before : len(row) - after], "nothing is lost, and nothing is read twice"
        assert max(map(len, own)) <= size
        assert len(set(map(len, own[:-1]))) <= 1, "only the last one may be shorter"
        assert (
            longest(size, len(own) - 1, before + after) < len(row) <= longest(size, len(own), before + after)
        )


@pytest.mark.parametrize("normalize", [True, False])
def test_encoder_and_model_read_a_long_text_alike(source, normalize):
    texts = [*late(5).columns["text"], "goal", ""]
    options = {"engine": "torch", "precision": "fp32", "normalize": normalize, "max_length": 20}
    encoder = Encoder(source, **options, windows=30)
    encodings = encoder.encode(texts)
    config = GraftConfig.on(
        source, normalize=normalize, window=20, window_frame=list(encoder.frame), num_labels=2
    )
    weight = np.random.default_rng(0).normal(size=(2, 32)).astype("f4")
    model = GraftForSequenceClassification.from_layers(config, [(weight, np.zeros(2, "f4"))])
    task = SingleLabelClassification(("a", "b"))
    rows, tokenizer = Dataset.unlabelled({"text": texts}), load_encoder_tokenizer(source)
    with torch.no_grad():
        logits = model(**task.collate(task.features(rows, tokenizer, encoder.longest), 0)).logits.numpy()
    np.testing.assert_allclose(logits, encodings @ weight.T, atol=1e-4)
    alone = Encoder(source, **options).encode(texts)
    np.testing.assert_allclose(encodings[-2:], alone[-2:], atol=1e-6)
    assert np.abs(encodings[:5] - alone[:5]).max() > 1e-3
    assert encoder.truncated_fraction == 0


def test_company_moves_no_bit_of_a_long_text_either(source):
    texts = late(12).columns["text"]
    options = {"max_length": 24, "windows": 9, "fixed_shapes": True}
    together = Encoder(source, **options).encode([*texts, *(text[:200] for text in texts)])
    for place in (0, 5, 11):
        np.testing.assert_array_equal(Encoder(source, **options).encode([texts[place]])[0], together[place])


def test_what_lies_beyond_all_windows_is_cut_and_said(source):
    (text,) = late(1).columns["text"]
    encoder = Encoder(source, max_length=20, windows=5)
    encoder.encode([text])
    words = len(text.split())
    assert encoder.longest == 92
    assert encoder.truncated_fraction == pytest.approx((words + 2 - 92) / (words + 2))


def test_the_end_of_a_text_is_read_in_training_and_by_the_saved_model(source, tmp_path: Path):
    rows = late(150)
    task = SingleLabelClassification(LABELS)
    contender = contenders_for("classification")["bert-frozen"]
    job = Job(rows.select(range(80)), rows.select(range(80, 110)), task, 0, source)
    test = rows.select(range(110, 150))
    spec = TrialSpec(contender, job, test, contender.grid[:1], "")
    trial, attempt = run_trial(spec)
    assert trial.metrics["accuracy"] > 0.9
    assert trial.truncated_fraction == 0
    save_model(tmp_path / "model", spec, trial, attempt)
    served = load(tmp_path / "model").predict(test.columns["text"])
    assert [prediction.answer for prediction in served] == trial.predicted
    many = GraftedEncoder(source.path)
    many.add("late", tmp_path / "model")
    many.add("again", load(tmp_path / "model"))
    both = many.predict([*test.columns["text"], "the goal"])
    assert [prediction.answer for prediction in both["late"]][:-1] == trial.predicted
    assert [prediction.answer for prediction in both["again"]] == [
        prediction.answer for prediction in both["late"]
    ]
    short, _ = run_trial(TrialSpec(contender, job, test, (contender.grid[0].but(windows=1),), ""))
    assert short.metrics["accuracy"] < 0.7
    assert short.truncated_fraction > 0.4


@pytest.mark.parametrize(
    ("name", "freeze_layers"),
    [("bert-adapter", 0), ("bert-adapter", 1), ("bert-finetuned", 0), ("bert-finetuned", 1)],
)
def test_training_reads_all_windows_of_a_text(source, tmp_path: Path, name, freeze_layers):
    rows = late(50)
    task = SingleLabelClassification(LABELS)
    contender = contenders_for("classification")[name]
    settings = contender.configured({"epochs": 1, "freeze_layers": freeze_layers, "windows": 8})
    job = Job(rows.select(range(16)), rows.select(range(16, 36)), task, 0, source)
    test = rows.select(range(36, 50))
    spec = TrialSpec(contender, job, test, (settings,), "")
    trial, attempt = run_trial(spec)
    assert trial.truncated_fraction == 0
    save_model(tmp_path / "model", spec, trial, attempt, remembers=True)
    served = load(tmp_path / "model")
    assert served.known is not None
    assert [prediction.answer for prediction in served.predict(test.columns["text"])] == trial.predicted
    (text,) = late(1).columns["text"]
    other = " ".join([*text.split()[:-30], *["goal"] * 30])

    def reads_the_end(model) -> bool:
        first, second = (model.predict([given])[0].numbers() for given in (text, other))
        return bool(np.abs(np.subtract(first, second)).max() > 1e-6)

    assert reads_the_end(served)
    short, of_one = run_trial(replace(spec, configurations=(settings.but(windows=1),)))
    assert short.truncated_fraction > 0.3
    assert not reads_the_end(of_one.predictor)


@pytest.fixture(scope="module")
def finetuned(source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fine-tune a model on the windows of texts, and save it."""
    rows = late(16)
    contender = contenders_for("classification")["bert-finetuned"]
    settings = contender.configured({"epochs": 1, "windows": 8})
    job = Job(rows.select(range(8)), rows.select(range(8, 12)), SingleLabelClassification(LABELS), 0, source)
    spec = TrialSpec(contender, job, rows.select(range(12, 16)), (settings,), "")
    path = tmp_path_factory.mktemp("finetuned") / "model"
    save_model(path, spec, *run_trial(spec))
    return path


def test_a_finetuned_model_averages_the_logits_of_windows_that_transformers_reads_one_by_one(finetuned):
    served = load(finetuned, engine="torch")
    model = AutoModelForSequenceClassification.from_pretrained(finetuned).eval()
    tokenizer = AutoTokenizer.from_pretrained(finetuned)
    texts = [*late(2, seed=7).columns["text"], "goal"]
    windows = [
        cut(tokenizer(text, truncation=False)["input_ids"], model.config.window, (1, 1)) for text in texts
    ]
    assert len(windows[0]) > 2
    features = served.windows(Dataset.unlabelled({"text": texts}))
    with torch.no_grad():
        model.classifier.weight.mul_(1000)  # what an untrained encoder makes of texts is much alike
        alone = [torch.cat([model(torch.tensor([ids])).logits for ids in own]) for own in windows]
        logits = served.task.outputs(model, served.task.collate(features, 0)).logits
    np.testing.assert_allclose(logits, torch.stack([own.mean(dim=0) for own in alone]), atol=1e-4)
    assert (logits[0] - alone[0][0]).abs().max() > 1e-2
    labelled = [{**feature, "labels": 1} for feature in features]
    loss = served.task.outputs(model, served.task.collate(labelled, 0)).loss
    assert loss.item() == pytest.approx(
        torch.nn.functional.cross_entropy(logits, torch.tensor([1] * 3)).item()
    )
    # By itself the model is as any of its kind: it reads what its tokenizer lets through.
    assert tokenizer.model_max_length == model.config.window
    (found,) = pipeline("text-classification", model=str(finetuned))(texts[0], truncation=True, top_k=1)
    assert found["label"] in LABELS


def test_what_is_remembered_of_a_text_in_windows_is_what_its_logits_are_made_of(finetuned):
    served = load(finetuned, engine="torch")
    features = served.windows(Dataset.unlabelled({"text": [*late(2, seed=7).columns["text"], "goal"]}))
    assert served.keep_encodings()
    with torch.no_grad():
        logits = served.task.outputs(served.model, served.task.collate(features, 0)).logits
        kept = torch.from_numpy(served.taken())
        np.testing.assert_allclose(served.model.classifier(kept), logits, atol=1e-6)
    assert len(kept) == 3
    assert [one.encoding.shape for one in served.run(features)] == [kept[0].shape] * 3


def test_what_goes_on_from_a_model_in_windows_reads_as_its_own_settings_say(finetuned):
    encoder = resolve_encoder(finetuned)
    contender = contenders_for("classification")["bert-finetuned"]
    rows, task = late(12), SingleLabelClassification(LABELS)
    job = Job(rows.select(range(8)), rows.select(range(8, 12)), task, 0, encoder)
    for most, has_windows in ((1, False), (2, True)):
        fitted = contender.fit(job, contender.configured({"epochs": 1, "windows": most}))
        assert (fitted.model.config.window > 0) is has_windows


def test_a_window_without_room_is_refused():
    with pytest.raises(OptionError, match="a window of 2 tokens has no room"):
        GraftConfig(window=2)
    with pytest.raises(OptionError, match="cannot be cut into windows of 'two' tokens"):
        Cutting.of(PreTrainedConfig(window="two"))
