"""Masked and causal language models, trained by the loop."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import PartialState
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForPreTraining,
)

from tests.pretraining.small_models import LENGTH, make_model, make_objective
from textgraft.errors import DataError, ModelError
from textgraft.pretraining.objectives.causal import CausalText
from textgraft.pretraining.objectives.masked import MaskedText, masked_logits
from textgraft.pretraining.objectives.masking import Masking
from textgraft.training.gradient import accumulate
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Tokenizer and objective of each architecture."""
    folder = tmp_path_factory.mktemp("made")
    return {name: make_objective(folder / name, name) for name in ("bert", "roberta", "gpt")}


def dense_loss(model, batch):
    """The loss of Transformers' own head, at every token."""
    labels = torch.full_like(batch["input_ids"], -100)
    labels.view(-1)[batch["positions"]] = batch["labels"]
    inputs = {name: batch[name] for name in batch if name not in ("positions", "labels")}
    return model(**inputs, labels=labels).loss


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_the_head_at_the_masked_positions_gives_the_loss_and_gradients_of_the_dense_one(made, architecture):
    tokenizer, objective = made[architecture]
    model = make_model(architecture, tokenizer).eval()
    batch = objective.batch([0, 3, 5], np.random.default_rng(0))
    gradients = []
    for loss in (sum(objective.losses(model, batch)), dense_loss(model, batch)):
        model.zero_grad()
        loss.backward()
        gradients.append((loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    (ours, our_gradients), (theirs, their_gradients) = gradients
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert len(our_gradients) == len(their_gradients)
    for one, other in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert objective.counts(batch)[0] == len(batch["labels"])
    words, _ = masked_logits(model, batch)
    assert words.shape == (len(batch["positions"]), len(tokenizer))


def test_a_sequence_without_masked_positions_has_no_loss(made):
    tokenizer, objective = made["roberta"]
    model = make_model("roberta", tokenizer)
    batch = objective.batch([0], np.random.default_rng(0))
    empty = {**batch, "positions": batch["positions"][:0], "labels": batch["labels"][:0]}
    (loss,) = objective.losses(model, empty)
    assert loss.item() == 0
    assert objective.counts(empty) == (0,)


def test_a_model_whose_head_is_elsewhere_is_refused(made):
    tokenizer, _ = made["gpt"]
    batch = made["roberta"][1].batch([0], np.random.default_rng(0))
    with pytest.raises(ModelError, match="'gpt2' is not known"):
        masked_logits(make_model("gpt", tokenizer), batch)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt"])
def test_models_learn_and_load_in_plain_transformers(made, tmp_path, architecture):
    tokenizer, objective = made[architecture]
    model = make_model(architecture, tokenizer)
    before, _ = objective.evaluate(model, TrainingSettings(), "fp32")
    settings = TrainingSettings(epochs=4, learning_rate=5e-3, patience=None, precision="fp32", batch_size=8)
    result = fit(model, objective, settings)
    after = result.dev_metrics
    assert before["perplexity"] > 100
    assert after["perplexity"] < 0.35 * before["perplexity"]
    assert after["perplexity"] == pytest.approx(math.exp(-after["log_likelihood"]))
    assert ("next_sentence_accuracy" in after) == (architecture == "bert")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    kinds = {
        "bert": (BertForPreTraining, AutoModelForMaskedLM, AutoModel),
        "roberta": (AutoModelForMaskedLM, AutoModel),
        "gpt": (AutoModelForCausalLM, AutoModel),
    }[architecture]
    for kind in kinds:
        loaded, notes = kind.from_pretrained(tmp_path, output_loading_info=True)
        # The pooler of a RoBERTa is not pre-trained.
        assert all("pooler" in key for key in notes["missing_keys"])
    words = AutoTokenizer.from_pretrained(tmp_path)("two apples", return_tensors="pt")
    expected = model.base_model(**words).last_hidden_state
    torch.testing.assert_close(loaded.eval()(**words).last_hidden_state, expected)


def test_masked_positions_are_drawn_anew_and_held_out_ones_are_not(made):
    tokenizer, objective = made["bert"]
    first, again, other = (objective.batch([1, 2], np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["positions"], other["positions"])
    model = make_model("bert", tokenizer)
    scores = [objective.evaluate(model, TrainingSettings(), "fp32") for _ in range(2)]
    assert scores[0] == scores[1]


def test_a_causal_batch_predicts_what_follows(made):
    _, objective = made["gpt"]
    ids = torch.from_numpy(np.asarray(objective.train.ids, dtype=np.int64))
    steps = objective.steps(0, TrainingSettings())
    rows = [row for step in steps for batch in step for row in batch]
    assert sorted(rows) == list(range((len(ids) - 1) // LENGTH))
    generator = np.random.default_rng(0)
    starts = []
    for _ in range(20):
        batch = objective.batch(rows[:8], generator)
        assert torch.equal(batch["input_ids"][:, 1:], batch["labels"][:, :-1])
        for row, number in enumerate(rows[:8]):
            window = torch.cat([batch["input_ids"][row], batch["labels"][row, -1:]])
            found = [
                start
                for start in range(number * LENGTH, min((number + 1) * LENGTH, len(ids) - LENGTH))
                if torch.equal(ids[start : start + LENGTH + 1], window)
            ]
            assert found or number >= len(ids) // LENGTH - 2
            starts.extend(found[:1])
    assert len({start % LENGTH for start in starts}) > 20


def test_every_held_out_token_but_the_first_is_predicted_once(made):
    tokenizer, objective = made["gpt"]
    model = make_model("gpt", tokenizer).eval()
    metrics, loss = objective.evaluate(model, TrainingSettings(max_tokens=100), "fp32")
    ids = torch.from_numpy(np.asarray(objective.dev.ids, dtype=np.int64))
    losses = []
    for start in range(0, len(ids) - 1, LENGTH):
        window = ids[start : start + LENGTH + 1]
        with torch.no_grad():
            logits = model(window[None, :-1]).logits[0]
        losses.append(functional.cross_entropy(logits, window[1:], reduction="none"))
    together = torch.cat(losses)
    assert len(together) == len(ids) - 1 == objective.held_out_tokens()
    assert loss == pytest.approx(together.mean().item(), rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(math.exp(loss))


def test_too_little_text_is_refused(made):
    _, objective = made["gpt"]
    with pytest.raises(DataError, match="do not fill a sequence"):
        CausalText(objective.train, objective.dev, length=len(objective.train.ids))


@pytest.mark.parametrize("architecture", ["bert", "gpt"])
def test_a_stopped_run_goes_on_bit_by_bit(made, tmp_path, architecture):
    tokenizer, objective = made[architecture]
    settings = TrainingSettings(
        max_steps=11,
        learning_rate=1e-3,
        patience=None,
        precision="fp32",
        batch_size=4,
        checkpoint_seconds=1e-9,
    )

    class Stop(Exception):
        pass

    def run(folder, stop_after=None):
        losses = {}

        def note(progress):
            losses[progress.step] = progress.loss
            if progress.step == stop_after:
                raise Stop

        with contextlib.suppress(Stop):
            fit(make_model(architecture, tokenizer), objective, settings, folder=folder, on_step=note)
        return losses

    whole = run(tmp_path / "whole")
    part = run(tmp_path / "part", stop_after=7)
    rest = run(tmp_path / "part")
    assert len(part) == 7
    assert min(rest) in (7, 8)
    assert {**part, **rest} == whole


def test_the_identity_tells_text_and_objective_apart(made):
    _, objective = made["bert"]
    tokenizer = made["bert"][0]
    others = [
        MaskedText(objective.train, objective.dev, masking)
        for masking in (Masking.of(tokenizer, share=0.2), Masking.of(tokenizer, whole_words=True))
    ]
    others.append(MaskedText(objective.dev, objective.dev, objective.masking))
    names = {objective.identity(), *(other.identity() for other in others)}
    assert len(names) == 4
    assert objective.identity() == MaskedText(objective.train, objective.dev, objective.masking).identity()


SCRIPT = """
import sys
from pathlib import Path
from tests.pretraining.small_models import make_objective, make_model
from textgraft.training.gradient import accumulate
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
architecture, folder = sys.argv[1:]
settings = TrainingSettings(
    learning_rate=1e-3, epochs=2, batch_size=8, precision="fp32", accumulation=3,
)
tokenizer, objective = make_objective(Path(folder).parent, architecture)
fit(make_model(architecture, tokenizer, dropout=0.0), objective, settings, folder=Path(folder))
"""


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_two_processes_train_as_one(tmp_path, architecture):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launches = {
        "one": [sys.executable, str(script)],
        "two": [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)
        ],
    }  # fmt: skip
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    history = {}
    for name, command in launches.items():
        arguments = [architecture, str(tmp_path / name)]
        subprocess.run([*command, *arguments], cwd=root, env=environment, check=True)
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        history[name] = [json.loads(line) for line in lines]
    for one, two in zip(history["one"], history["two"], strict=True):
        assert two["step"] == one["step"]
        for key in ("train_loss", "dev_loss", "learning_rate"):
            assert two[key] == pytest.approx(one[key], rel=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt"])
def test_every_term_weighs_what_it_is_a_mean_over(made, architecture):
    tokenizer, objective = made[architecture]
    model = make_model(architecture, tokenizer).eval()
    group = [[0, 1], [2], [3, 4, 5, 6]]
    alone = PartialState(cpu=True)
    value = accumulate(model, objective, group, entropy=(0, 0), processes=alone, precision="fp32")
    found = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    batches = [
        objective.batch(rows, np.random.default_rng([0, 0, place, 1])) for place, rows in enumerate(group)
    ]
    losses, counts = ([part(batch) for batch in batches] for part in (
        lambda batch: objective.losses(model, batch), objective.counts,
    ))  # fmt: skip
    terms = zip(zip(*losses, strict=True), zip(*counts, strict=True), strict=True)
    whole = sum(sum(loss * count for loss, count in zip(*term, strict=True)) / sum(term[1]) for term in terms)
    assert len(counts[0]) == (2 if architecture == "bert" else 1)
    whole.backward()
    assert value == pytest.approx(float(whole.detach()), rel=1e-5)
    expected = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
