"""Students: what they take over, what they are taught, and that they serve as encoders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig, BertForMaskedLM
from typer.testing import CliRunner

import textgraft
from tests.tiny import save_tiny_bert, topic_rows
from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.cli import app
from textgraft.errors import OptionError
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft.encoder_layers import encoder_layers
from textgraft.models.pooling import PooledEncoder
from textgraft.models.students import layer_student, recurrent_student
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.corpus.tokens import tokenize_corpus
from textgraft.pretraining.distill import distill
from textgraft.pretraining.objectives import distilled_encodings as encodings
from textgraft.pretraining.objectives.distilled_encodings import Pieces, teacher_encodings
from textgraft.pretraining.objectives.distilled_masked import DistilledText
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masking import Masking
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings

QUICK = {"epochs": 2, "learning_rate": 3e-3, "evaluations_per_epoch": 1, "batch_size": 16}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    texts = [f"{text.capitalize()}." for text, _ in topic_rows(300)]
    path.write_text("\n\n".join("\n".join(texts[start : start + 3]) for start in range(0, 300, 3)))
    return path


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Save a random encoder of four layers without a head."""
    folder = save_tiny_bert(tmp_path_factory.mktemp("teacher") / "bert")
    torch.manual_seed(0)
    config = AutoModel.from_pretrained(folder).config
    config.num_hidden_layers = 4
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def masked(tmp_path_factory, encoder):
    """Save a masked language model of two layers that has learned a little."""
    folder = tmp_path_factory.mktemp("teacher") / "masked"
    tokenizer = load_encoder(resolve_encoder(encoder))[1]
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(encoder, num_hidden_layers=2)
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_student_of_layers_computes_what_its_layers_do(tmp_path, family):
    teacher, _ = load_encoder(resolve_encoder(save_tiny_encoder(tmp_path, family)))
    ids = torch.tensor([[2, 8, 9, 10, 3]])
    with torch.no_grad():
        whole = layer_student(teacher, 2).eval()
        assert torch.equal(whole(ids).last_hidden_state, teacher(ids).last_hidden_state)
        half = layer_student(teacher).eval()
        assert len(encoder_layers(half)) == 1
        assert half.config.num_hidden_layers == 1
        first = teacher(ids, output_hidden_states=True).hidden_states[1]
        if family != "modernbert":  # which normalises above its highest layer
            assert torch.allclose(half(ids).last_hidden_state, first, atol=1e-6)


def test_twelve_layers_give_the_published_six():
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_attention_heads=1, intermediate_size=8, num_hidden_layers=12
    )
    teacher = BertForMaskedLM(config)
    for number, layer in enumerate(encoder_layers(teacher.base_model)):
        layer.output.dense.bias.data.fill_(number)
    student = layer_student(teacher)
    taken = [int(layer.output.dense.bias[0]) for layer in encoder_layers(student.base_model)]
    assert taken == [0, 2, 4, 7, 9, 11]
    assert torch.equal(
        student.cls.predictions.transform.dense.weight, teacher.cls.predictions.transform.dense.weight
    )
    with pytest.raises(OptionError, match="13 layers"):
        layer_student(teacher, 13)


def test_a_recurrent_student_begins_with_the_teachers_words(encoder):
    teacher, _ = load_encoder(resolve_encoder(encoder))
    student = recurrent_student(teacher, 32, embedding_size=32)
    given, taken = (model.get_input_embeddings().weight.detach() for model in (teacher, student))
    # All directions are kept, so that distances are those of the teacher but for one measure.
    ratio = (
        torch.cdist(taken[5:], taken[5:]).flatten()[1:5] / torch.cdist(given[5:], given[5:]).flatten()[1:5]
    )
    assert torch.allclose(ratio, ratio[0].expand(4), rtol=1e-3)
    assert not taken[0].any()
    assert student.config.state_size == 32
    with pytest.raises(OptionError, match="width of 33"):
        recurrent_student(teacher, 33)


def tokenized(corpus, folder):
    _, tokenizer = load_encoder(resolve_encoder(folder))
    return tokenizer, tokenize_corpus(read_corpus(corpus), tokenizer, unit="sentences")


def test_the_teachers_encodings_are_those_of_encode(corpus, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "_CHUNK", 64)
    tokenizer, (train, _) = tokenized(corpus, encoder)
    texts = Pieces(train, Frame.of(tokenizer), length=32)
    teacher = PooledEncoder(load_encoder(resolve_encoder(encoder))[0])
    done = []
    path = tmp_path / "targets"
    targets = teacher_encodings(teacher, texts, path, size=32, on_texts=done.append)
    assert done[-1] == len(texts) == len(targets)
    ids = [texts.batch([row])["input_ids"][0] for row in (0, 70)]
    # The tokenizer does not know the full stop at the end of each.
    words = [f"{tokenizer.decode(row, skip_special_tokens=True)}." for row in ids]
    expected = textgraft.encode(words, encoder, engine="torch", precision="fp32")
    assert (np.asarray(targets[[0, 70]], np.float32) * expected).sum(axis=1) == pytest.approx(1, abs=2e-3)
    whole = path.read_bytes()
    # Killed in the middle of a chunk: the rest is computed again, to the same bits.
    path.write_bytes(whole[: 2 * 32 * 100])
    done.clear()
    again = teacher_encodings(teacher, texts, path, size=32, on_texts=done.append)
    assert done[0] == 128
    assert again.tobytes() == whole
    done.clear()
    teacher_encodings(teacher, texts, path, size=32, on_texts=done.append)
    assert not done


def test_texts_are_drawn_and_cut(corpus, encoder):
    tokenizer, (train, _) = tokenized(corpus, encoder)
    frame = Frame.of(tokenizer)
    every, some = Pieces(train, frame, length=32), Pieces(train, frame, length=8, count=40)
    assert (len(every), len(some)) == (len(train.piece_starts) - 1, 40)
    assert some.lengths.max() == 8
    batch = some.batch(range(40))
    assert (batch["attention_mask"].sum(axis=1) == some.lengths).all()
    assert (batch["input_ids"][:, 0] == frame.first).all()
    ends = batch["input_ids"][np.arange(40), some.lengths - 1]
    assert (ends == frame.separator).all()
    assert some.identity != every.identity


@pytest.mark.parametrize("student", ["layers", "lstm"])
def test_encodings_are_learned_and_served(corpus, encoder, tmp_path, student):
    notes, steps = [], []
    distilled = distill(
        encoder,
        corpus,
        tmp_path / "student",
        student=student,
        embedding_size=16,
        on_step=steps.append,
        note=notes.append,
        settings={**QUICK, "epochs": 2 if student == "layers" else 6},
    )
    first, last = distilled.result.history[0], distilled.result.history[-1]
    assert last["dev_score"] > first["dev_score"]
    assert distilled.metrics["cosine"] > 0.9
    assert len(steps) == distilled.result.steps
    assert not (tmp_path / "student.training").exists()
    texts = [text for text, _ in topic_rows(20, seed=5)]
    own, taught = (
        textgraft.encode(texts, folder, engine="torch") for folder in (tmp_path / "student", encoder)
    )
    assert own.shape == taught.shape
    assert (own * taught).sum(axis=1).mean() > 0.9
    assert str(tmp_path) not in (tmp_path / "student" / "README.md").read_text()


def test_a_masked_teachers_student_guesses_words(corpus, masked, tmp_path):
    distilled = distill(masked, corpus, tmp_path / "student", settings=QUICK)
    history = [entry["dev_loss"] for entry in distilled.result.history]
    assert history[-1] < history[0]
    assert "masked_accuracy" in distilled.metrics
    student = AutoModelForMaskedLM.from_pretrained(tmp_path / "student")
    assert student.config.num_hidden_layers == 1
    encoding = textgraft.encode(["the goal"], tmp_path / "student", engine="torch")
    assert encoding.shape == (1, 32)


def test_the_loss_is_the_published_sum(corpus, masked):
    tokenizer, (train, dev) = tokenized(corpus, masked)
    teacher = AutoModelForMaskedLM.from_pretrained(masked).eval()
    examples = [FullSentences(part, Frame.of(tokenizer), length=24) for part in (train, dev)]
    objective = DistilledText(*examples, Masking.of(tokenizer, share=0.3), teacher, "teacher")
    student = layer_student(teacher).eval()
    batch = objective.batch([0, 1, 2, 5], np.random.default_rng(0))
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        said, taught = (model(**inputs, output_hidden_states=True) for model in (student, teacher))
        loss = sum(objective.losses(student, batch))
        same = sum(objective.losses(teacher, batch))
    at = batch["positions"]
    words, soft = (outputs.logits.flatten(0, 1)[at] for outputs in (said, taught))
    target = (soft / 2).softmax(-1)
    kl = (target * (target.log() - (words / 2).log_softmax(-1))).sum(-1).mean()
    masked_loss = torch.nn.functional.cross_entropy(words, batch["labels"])
    is_token = inputs["attention_mask"].bool()
    cosine = torch.cosine_similarity(
        said.hidden_states[-1][is_token], taught.hidden_states[-1][is_token], dim=-1
    )
    assert loss == pytest.approx(float(5 * 4 * kl + 2 * masked_loss + 1 - cosine.mean()), rel=1e-4)
    # Who says what the teacher says has nothing but the true words to learn.
    words = taught.logits.flatten(0, 1)[at]
    assert same == pytest.approx(
        float(2 * torch.nn.functional.cross_entropy(words, batch["labels"])), rel=1e-4
    )
    other = DistilledText(*examples, Masking.of(tokenizer, share=0.3), teacher, "another")
    assert other.identity() != objective.identity()
    assert not any(parameter.grad is not None for parameter in teacher.parameters())


class Stop(Exception):
    """Stands for the end of a process."""


def test_a_stopped_run_goes_on_to_the_same_student(corpus, encoder, tmp_path):
    settings = {**QUICK, "checkpoint_seconds": None}
    options = {"settings": settings, "student": "gru", "embedding_size": 8}
    whole = distill(encoder, corpus, tmp_path / "whole", **options)

    def stop(progress):
        if progress.step == whole.result.steps // 2 + 3:
            raise Stop

    with pytest.raises(Stop):
        distill(encoder, corpus, tmp_path / "a", on_step=stop, **options)
    resumed = []
    distill(encoder, corpus, tmp_path / "a", on_step=resumed.append, **options)
    assert resumed[0].step > 1
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "a")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"student": "lstn"}, "lstm"),
        ({"unit": "sentence"}, "sentences"),
        ({"pooling": "men"}, "mean"),
        ({"layers": 9}, "9 layers"),
        ({"settings": {"learning_rat": 1}}, "learning_rate"),
        ({"budget": "soon"}, "no duration"),
        ({"budget": -1}, "greater than 0"),
        ({"texts": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(corpus, encoder, tmp_path, config, message):
    with pytest.raises(OptionError, match=message):
        distill(encoder, corpus, tmp_path / "student", **config)
    assert not (tmp_path / "student").exists()


def test_the_command(corpus, encoder, tmp_path):
    command = ["distill", str(encoder), str(corpus), "-o", str(tmp_path / "student"), "--student", "rnn"]
    result = CliRunner().invoke(
        app, [*command, "--texts", "64", "--embedding-size", "8", "--set", "epochs=1"]
    )
    assert result.exit_code == 0, result.output
    assert "cosine" in result.output
    assert AutoModel.from_pretrained(tmp_path / "student").config.cell == "rnn"


def test_a_student_of_the_teacher_itself_has_nothing_to_learn(corpus, encoder, tmp_path):
    settings = TrainingSettings(epochs=1, precision="fp32", learning_rate=1e-9)
    tokenizer, (train, dev) = tokenized(corpus, encoder)
    teacher = load_encoder(resolve_encoder(encoder))[0]
    texts = [Pieces(part, Frame.of(tokenizer), length=32) for part in (train, dev)]
    targets = [
        teacher_encodings(PooledEncoder(teacher).eval(), part, tmp_path / str(number), size=32)
        for number, part in enumerate(texts)
    ]
    objective = encodings.DistilledEncodings(texts[0], targets[0], texts[1], targets[1])
    result = fit(layer_student(teacher, 4), objective, settings)
    assert result.dev_metrics["cosine"] == pytest.approx(1, abs=1e-3)
