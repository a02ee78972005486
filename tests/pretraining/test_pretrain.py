"""From a corpus to an encoder, through the command line and from Python."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForPreTraining,
)
from typer.testing import CliRunner

import textgraft
from textgraft.cli import app
from textgraft.errors import TextgraftError
from textgraft.models.encoder_languages import card_languages
from textgraft.models.encoders import resolve_encoder
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.pretrain import pretrain

SETTINGS = {"max_tokens": 256, "batch_size": 8, "precision": "fp32"}
SMALL = {"tokens": 4000, "max_length": 32, "vocabulary_size": 300, "settings": SETTINGS}
SHORT = [
    "--tokens",
    "4k",
    "--max-length",
    "32",
    "--vocabulary-size",
    "300",
    "--set",
    "max_tokens=256",
    "--set",
    "batch_size=8",
]
TEXTS = ["The man has two apples.", "One cat."]


pytestmark = pytest.mark.usefixtures("quick_trials")


def run(*arguments):
    return CliRunner().invoke(app, ["pretrain", *map(str, arguments)], catch_exceptions=True)


@pytest.mark.parametrize("arch", ["bert", "roberta", "gpt", "lstm", "gru", "rnn"])
def test_each_architecture_becomes_an_encoder(arch, corpus, tmp_path):
    folder = tmp_path / arch
    result = run(corpus, "--arch", arch, "--output", folder, *SHORT)
    assert result.exit_code == 0, result.output
    assert "held out: log_likelihood" in result.output
    assert not (tmp_path / f"{arch}.training").exists()
    vectors = textgraft.encode(TEXTS, encoder=str(folder), engine="torch", precision="fp32")
    encoder, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])[0]
    mask = batch["attention_mask"][..., None]
    means = (states * mask).sum(1) / mask.sum(1)
    np.testing.assert_allclose(vectors, torch.nn.functional.normalize(means).numpy(), atol=1e-5)
    if arch in ("bert", "roberta"):
        model = AutoModelForMaskedLM.from_pretrained(folder)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder)
    expected = json.loads((folder / "pretraining.json").read_text())
    assert expected["metrics"]["perplexity"] < 0.5 * len(tokenizer), "it has learned something"
    assert sum(weight.numel() for weight in model.parameters()) <= expected["spent"]["parameters"]
    assert expected["history"][-1]["dev_loss"] < expected["history"][0]["dev_loss"]
    if arch == "bert":
        with_both_heads = BertForPreTraining.from_pretrained(folder)
        for name, weight in model.named_parameters():
            assert torch.equal(weight, with_both_heads.get_parameter(name)), name
        assert expected["metrics"].keys() >= {"masked_accuracy", "next_sentence_accuracy"}


def test_it_is_one_of_sentence_transformers(corpus, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    for arch in ("bert", "lstm"):
        pretrain(corpus, tmp_path / arch, arch=arch, **SMALL)
        theirs = library.SentenceTransformer(str(tmp_path / arch), device="cpu").encode(TEXTS)
        ours = textgraft.encode(
            TEXTS, encoder=str(tmp_path / arch), engine="torch", precision="fp32", normalize=False
        )
        np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_the_card_tells_cost_curve_and_use(corpus, tmp_path):
    trained = pretrain(corpus, tmp_path / "bert", **SMALL, price=2.0)
    card = (tmp_path / "bert" / "README.md").read_text()
    assert "masked words and next sentences" in card
    assert "BertForPreTraining" not in card
    assert "$2 an hour (this machine)" in card
    assert "Strubell" in card
    assert card_languages(resolve_encoder(tmp_path / "bert")) == ("en",)
    curve = (tmp_path / "bert" / "curves.svg").read_text()
    assert curve.count("<polyline") == 2
    assert len(re.findall(r"\| [\d,]+ \| [\d,]+ \| [\d.]+ \|", card)) == len(trained.result.history)
    assert trained.costs.money == pytest.approx(trained.result.seconds / 3600 * 2)
    assert trained.costs.tokens == trained.result.tokens


def test_tokens_make_a_run_that_repeats_itself(corpus, tmp_path):
    first, again, other = (
        pretrain(corpus, tmp_path / name, **SMALL, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    losses = [[entry["train_loss"] for entry in run.result.history] for run in (first, again, other)]
    assert losses[0] == losses[1] != losses[2]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]
    assert first.result.stopped_by == "steps"
    assert first.result.tokens == pytest.approx(SMALL["tokens"], rel=0.1)


@pytest.mark.parametrize("arch", ["bert", "roberta"])
def test_nine_tenths_of_the_tokens_are_learned_in_short_sequences(arch, corpus, tmp_path, monkeypatch):
    batches = []

    def batch(objective, rows, generator):
        made = whole(objective, rows, generator)
        batches.append((made["input_ids"].shape[1], objective.tokens(rows)))
        return made

    whole = MaskedText.batch
    monkeypatch.setattr(MaskedText, "batch", batch)
    trained = pretrain(
        corpus,
        tmp_path / arch,
        arch=arch,
        **SMALL | {"tokens": 12_000},
        short_length=16,
        on_plan=lambda _: batches.clear(),  # those by which the speed was measured
    )
    is_short = [length <= 16 for length, _ in batches]
    turn = is_short.index(False)
    assert not any(length <= 16 for length, tokens in batches[turn:] if tokens > 200), "once long, long"
    short = sum(tokens for _, tokens in batches[:turn])
    assert short == pytest.approx(0.9 * 12_000, rel=0.05)
    assert trained.result.tokens == pytest.approx(12_000, rel=0.1)
    assert trained.result.epochs > 1, "more than one pass over the short sequences"


def test_a_time_ends_the_run_and_its_learning_rate(corpus, tmp_path):
    options = {**SMALL, "tokens": None, "budget": 2.0}
    trained = pretrain(corpus, tmp_path / "gpt", arch="gpt", **options)
    assert trained.result.stopped_by == "budget"
    assert trained.result.history[-1]["learning_rate"] < 0.3 * 1e-3


def test_a_plan_trains_nothing_and_leaves_nothing(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("textgraft.pretraining.pretrain.fit", None)
    result = run(corpus, "--plan", "--output", "bert", *SHORT)
    assert result.exit_code == 0, result.output
    for figure in ("parameters", "tokens a second", "hours", "money", "BERT-large", "$2,074–$6,912"):
        assert figure in result.output
    assert "short sequences" not in result.output
    in_two_parts = run(corpus, "--plan", "--short-length", "16", *SHORT)
    assert "the first 3,600 tokens are learned in short sequences" in in_two_parts.output
    assert not list(tmp_path.iterdir())


def test_options_that_contradict_each_other_are_refused(corpus, tmp_path):
    cases = {
        ("--arch", "brt"): "Did you mean 'bert'",
        ("--size", "huge"): "unknown size",
        ("--arch", "lstm", "--whole-word-masking"): "lstm has no whole word masking",
        ("--bidirectional",): "bert has no bidirectional",
        ("--characters",): "bert has no characters",
        ("--arch", "gpt", "--short-length", "16"): "gpt has no short length",
        ("--short-length", "32"): "not shorter than 32",
        ("--machine", "laptop"): "unknown machine",
        ("--set", "lerning_rate=1"): "Did you mean 'learning_rate'",
        ("--set", "max_steps=3"): "max_steps is no setting here",
        ("--dropout", "1.5"): "dropout",
        ("--tokens", "many"): "'many' is no number",
        ("--documents", "pages"): "documents",
    }
    for options, message in cases.items():
        result = run(corpus, "--output", tmp_path / "x", *SHORT, *options)
        assert isinstance(result.exception, TextgraftError), (options, result.output)
        assert message in str(result.exception)
    for missing, message in (([*SHORT[2:], "-o", "x"], "when training is to end"), (SHORT, "no folder")):
        assert message in str(run(corpus, *missing).exception)
    assert not (tmp_path / "x.training").exists()


def bad_corpora(folder: Path):
    (folder / "empty").mkdir()
    (folder / "blank.txt").write_text("\n \n\n")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 40)
    (folder / "notes.docx").write_text("text")
    (folder / "one.txt").write_text("A single document of one sentence.")
    (folder / "words.txt").write_text("\n\n".join(f"word{number}" for number in range(40)))
    (folder / "damaged.jsonl.gz").write_bytes(b"\x1f\x8b\x08broken")
    return {
        "missing": "no such file",
        "empty": "no file that can be read",
        "blank.txt": "no text|empty",
        "binary.txt": "this is no text: .* NUL byte",
        "notes.docx": "not read as a corpus",
        "one.txt": "too few documents|no word occurs twice",
        "words.txt": "no document has two sentences|no word occurs twice",
        "damaged.jsonl.gz": "damaged or breaks off",
    }


def test_bad_corpora_give_one_clear_error(tmp_path):
    for name, message in bad_corpora(tmp_path).items():
        result = run(tmp_path / name, "--output", tmp_path / "x", *SHORT)
        assert isinstance(result.exception, TextgraftError), (name, result.output, result.exception)
        assert re.search(message, str(result.exception)), (name, str(result.exception))


def test_a_corpus_smaller_than_a_sequence_is_refused(tmp_path):
    (tmp_path / "few.txt").write_text("a b a b\n\nb a\n\nb a a\n\na a b\n")
    for arch, message in (("gpt", "do not fill a sequence"), ("lstm", "too few for")):
        result = run(
            tmp_path / "few.txt", "--arch", arch, "--characters", "--output", tmp_path / "x", *SHORT,
            "--max-length", "64", "--set", "batch_size=64",
        )  # fmt: skip
        assert isinstance(result.exception, TextgraftError), (arch, result.exception)
        assert message in str(result.exception)
