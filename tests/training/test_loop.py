from __future__ import annotations

import copy
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from tests.training.helpers import LABELS, TASK, make_bert, make_rows
from textgraft.errors import DataError, OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.training.batching import token_budget_batches
from textgraft.training.evaluate import evaluate
from textgraft.training.loop import fit
from textgraft.training.losses import balanced_class_weights
from textgraft.training.progress import DivergenceError
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

TRAIN, DEV = make_rows(120), make_rows(40, seed=1)


def settings(**changes):
    values = {"learning_rate": 1e-2, "epochs": 8, "batch_size": 8, "precision": "fp32", "patience": None}
    return TrainingSettings(**{**values, **changes})


def run(model, chosen, train=TRAIN, dev=DEV, **others):
    steps = []
    result = fit(model, TaskRows(TASK, train, dev, pad_token_id=0), chosen, on_step=steps.append, **others)
    return result, steps


def dev_score(model, dev=DEV):
    return evaluate(model, TASK, dev, pad_token_id=0, max_tokens=512, precision="fp32")


def test_learns_and_leaves_the_best_weights_in_the_model():
    model = make_bert()
    result, steps = run(model, settings())
    assert result.dev_metrics["macro_f1"] > 0.9
    metrics, loss = dev_score(model)
    assert metrics == result.dev_metrics
    best = max(result.history, key=lambda entry: (entry["dev_score"], -entry["dev_loss"]))
    assert loss == pytest.approx(best["dev_loss"], abs=1e-6)
    assert not model.training
    assert (result.stopped_by, result.epochs, result.steps) == ("epochs", 8.0, len(steps))
    assert steps[-1].planned_steps == steps[-1].step == len(steps)
    assert steps[-1].remaining_seconds == 0
    assert steps[0].loss > steps[-1].loss


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_loop_trains_a_recurrent_network(precision):
    config = RecurrentConfig(vocab_size=40, embedding_size=16, hidden_size=16, num_labels=3)
    torch.manual_seed(0)
    result, _ = run(RecurrentForSequenceClassification(config), settings(precision=precision))
    assert result.dev_metrics["macro_f1"] > 0.9


def test_another_precision_settled_by_accelerate_is_no_obstacle():
    AcceleratorState._reset_state(reset_partial_state=True)  # whatever a test before it settled
    Accelerator(mixed_precision="bf16", cpu=True)
    assert run(make_bert(), settings(epochs=1))[0].precision == "fp32"


def test_the_same_seed_gives_the_same_losses_and_another_does_not():
    losses = [
        [step.loss for step in run(make_bert(), settings(epochs=1, seed=seed))[1]] for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(make_bert_without_seeding(), settings(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def make_bert_without_seeding():
    with torch.random.fork_rng():
        return make_bert()


def epoch_batches(lengths, seed):
    """Return the first epoch's batches of at most five rows; the first of them is of random size."""
    generator = np.random.default_rng([seed, 0])
    return token_budget_batches(lengths, max_tokens=4096, max_sequences=5, generator=generator)


def test_accumulated_small_batches_equal_one_large_batch():
    # Batches of unlike size: five rows go as 2 + 2 + 1, and each row must count the same.
    rows = make_rows(5)
    for row in rows:
        row["input_ids"] = row["input_ids"][:5]
    lengths = [len(row["input_ids"]) for row in rows]
    seed = next(seed for seed in range(99) if len(epoch_batches(lengths, seed)) == 1)
    losses, models = [], [make_bert(dropout=0.0), make_bert(dropout=0.0)]
    for model, options in zip(models, ({"batch_size": 5}, {"batch_size": 2, "accumulation": 5}), strict=True):
        _, steps = run(model, settings(epochs=1, warmup_fraction=0, seed=seed, **options), train=rows)
        losses.append([step.loss for step in steps])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert len(losses[0]) == 1
    for name, tensor in models[0].state_dict().items():
        torch.testing.assert_close(models[1].state_dict()[name], tensor, atol=1e-4, rtol=1e-3)


def scripted(monkeypatch, outcomes, **changes):
    """Run with given dev results; return the result, the weights left and those at each evaluation."""
    model, seen = make_bert(), []

    def fake(model, *_, **__):
        seen.append(model.classifier.bias.detach().clone())
        score, loss = outcomes[len(seen) - 1]
        return {"macro_f1": score}, loss

    monkeypatch.setattr("textgraft.training.task_rows.evaluate", fake)
    result, _ = run(model, settings(epochs=len(outcomes), **changes))
    return result, model.classifier.bias, seen


def test_ties_of_the_score_are_broken_by_the_loss(monkeypatch):
    result, left, seen = scripted(monkeypatch, [(0.5, 0.1), (0.8, 0.4), (0.8, 0.3), (0.8, 0.35)])
    assert torch.equal(left, seen[2])
    assert not torch.equal(left, seen[3])
    assert result.dev_metrics == {"macro_f1": 0.8}


def test_patience_counts_evaluations_without_a_better_score(monkeypatch):
    outcomes = [(0.5, 0.5), (0.6, 0.5), (0.6, 0.6), (0.7, 0.9), (0.7, 0.95), (0.1, 0.1), (0.9, 0.1)]
    result, left, seen = scripted(monkeypatch, outcomes, patience=2)
    assert (result.stopped_by, result.epochs, len(seen)) == ("patience", 6.0, 6)
    assert torch.equal(left, seen[3])


def test_evaluations_per_epoch():
    result, _ = run(make_bert(), settings(epochs=2, evaluations_per_epoch=3))
    assert len(result.history) == 6
    assert [entry["epoch"] for entry in result.history][2::3] == [1.0, 2.0]


def test_balanced_weights_raise_the_recall_of_a_rare_label():
    generator = np.random.default_rng(0)
    noise = [
        # One row in ten is of label 1, and nothing tells it from the rest.
        {
            "input_ids": [2, *generator.integers(15, 40, 6).tolist(), 3],
            "row": row,
            "labels": label,
            "gold": label,
        }
        for row, label in enumerate([1] * 20 + [0] * 180)
    ]
    weights = balanced_class_weights(noise)
    assert weights.tolist() == pytest.approx([200 / (2 * 180), 200 / (2 * 20)])
    shares = {}
    for kind in ("none", "balanced"):
        model = make_bert(dropout=0.0)
        run(model, settings(epochs=4, learning_rate=2e-3, class_weights=kind), train=noise, dev=noise)
        batch = TASK.collate(noise, 0)
        shares[kind] = model(**batch).logits.softmax(-1)[:, 1].mean().item()
    assert shares["none"] < 0.2
    assert 0.35 < shares["balanced"] < 0.65


def test_balanced_weights_need_one_label_a_row():
    with pytest.raises(OptionError, match="one label a row"):
        balanced_class_weights([{"input_ids": [1], "labels": [0, 1]}])


def test_frozen_parameters_do_not_move():
    model = make_bert()
    model.bert.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    run(model, settings(epochs=1))
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"classifier.weight", "classifier.bias"}


def test_the_head_may_learn_faster():
    model = make_bert()
    before = copy.deepcopy(model.state_dict())
    run(model, settings(epochs=1, learning_rate=1e-12, head_learning_rate=1e-2, weight_decay=0.0))
    change = {name: float((tensor - before[name]).abs().max()) for name, tensor in model.state_dict().items()}
    assert change["classifier.weight"] > 1e-3
    assert all(value < 1e-6 for name, value in change.items() if name.startswith("bert."))


def test_the_budget_ends_the_run_and_the_learning_rate_with_it():
    result, steps = run(make_bert(), settings(epochs=100_000, max_seconds=2.0))
    assert result.stopped_by == "budget"
    assert result.seconds < 4
    assert len(result.history) >= 1
    assert result.history[-1]["step"] == result.steps
    assert result.history[-1]["learning_rate"] < 0.2 * 1e-2
    assert steps[-1].planned_steps < 2 * len(steps)


def test_steps_end_the_run_and_the_learning_rate_with_it():
    result, steps = run(make_bert(), settings(epochs=None, max_steps=21, warmup_fraction=0))
    assert (result.stopped_by, result.steps, len(steps)) == ("steps", 21, 21)
    assert steps[0].planned_steps == steps[-1].planned_steps == 21
    assert result.history[-1]["step"] == 21
    assert result.history[-1]["learning_rate"] == pytest.approx(1e-2 * 0.5 / 21)
    tokens = sum(len(row["input_ids"]) for row in TRAIN)
    assert result.tokens == steps[-1].tokens == pytest.approx(result.epochs * tokens, rel=0.1)


def test_a_small_first_batch_does_not_bring_the_evaluation_forward(monkeypatch):
    ticks = itertools.count(step=0.1)
    clock = SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr("textgraft.training.loop.time", clock)
    lengths = [len(row["input_ids"]) for row in TRAIN]
    seed = next(seed for seed in range(999) if len(epoch_batches(lengths, seed)[0]) == 1)
    dev = [{"input_ids": [2, *[20] * 60, 3], "row": row, "labels": 0, "gold": 0} for row in range(100)]
    result, _ = run(make_bert(), settings(epochs=99, batch_size=5, max_seconds=20, seed=seed), dev=dev)
    assert result.stopped_by == "budget"
    assert result.history[0]["epoch"] == 1.0


def test_a_budget_that_does_not_bind_changes_nothing():
    free = [step.loss for step in run(make_bert(), settings(epochs=1))[1]]
    bound = [step.loss for step in run(make_bert(), settings(epochs=1, max_seconds=3600))[1]]
    assert free == bound


def test_divergence_is_an_error_with_the_step():
    model = make_bert()
    with torch.no_grad():
        model.classifier.weight[0, 0] = math.nan
    with pytest.raises(DivergenceError, match="diverged at step 1"):
        run(model, settings())
    with pytest.raises(DivergenceError, match="third of the learning rate"):
        run(make_bert(), settings(learning_rate=1e6, warmup_fraction=0))


def test_no_rows_is_an_error():
    with pytest.raises(DataError, match="no dev rows"):
        run(make_bert(), settings(), dev=[])
    with pytest.raises(DataError, match="no training rows"):
        run(make_bert(), settings(), train=[])


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    run(make_bert(), settings(epochs=1, checkpoint_seconds=None))
    assert not list(tmp_path.rglob("*"))


def test_metrics_are_written_as_lines(tmp_path):
    result, _ = run(make_bert(), settings(epochs=2), folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == result.history
    assert lines[0].keys() >= {"epoch", "step", "train_loss", "dev_loss", "dev_score", "seconds"}


def test_precision_is_chosen_and_told(monkeypatch):
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: True)
    assert run(make_bert(), settings(epochs=1, precision="auto"))[0].precision == "bf16"
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)
    assert run(make_bert(), settings(epochs=1, precision="auto"))[0].precision == "fp32"


def test_bf16_that_would_be_emulated_is_fp32_and_said(monkeypatch, caplog):
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)
    assert run(make_bert(), settings(epochs=1, precision="bf16"))[0].precision == "fp32"
    assert "no native bf16" in caplog.text


def test_dev_labels_unseen_in_training_do_not_break_balanced_weights():
    train = [row for row in TRAIN if row["labels"] < 2]
    result, _ = run(make_bert(), settings(epochs=1, class_weights="balanced"), train=train)
    assert math.isfinite(result.history[0]["dev_loss"])
    assert len(LABELS) == 3
