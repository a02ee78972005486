"""Streams: each token is read once, in its place and with its past; a stopped run goes on exactly."""

import json
import math
import os
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from textgraft.errors import DataError, OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.streams import Streams
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings

START, END, VOCABULARY = 2, 3, 20


def documents(lengths, seed=0, identity="made") -> Tokens:
    """Make documents whose words follow each other by rule, each with END behind it."""
    generator = np.random.default_rng(seed)
    ids: list[int] = []
    for length in lengths:
        word = int(generator.integers(4, VOCABULARY))
        for _ in range(length):
            ids.append(word)
            word = 4 + (word * 3 + int(generator.integers(0, 2))) % (VOCABULARY - 4)
        ids.append(END)
    ends = np.cumsum([length + 1 for length in lengths])
    return Tokens(
        np.array(ids, dtype=np.uint16),
        np.array([0, *ends], dtype=np.int64),
        np.arange(len(lengths) + 1),
        f"{identity}-{seed}",
    )


def language_model(bidirectional=False, dropout=0.1, cell="lstm") -> RecurrentForCausalLM:
    torch.manual_seed(0)
    return RecurrentForCausalLM(
        RecurrentConfig(
            vocab_size=VOCABULARY, cell=cell, embedding_size=8, hidden_size=16, num_layers=2, dropout=dropout,
            embedding_dropout=dropout, bidirectional=bidirectional, independent_directions=bidirectional,
        )
    )  # fmt: skip


class Remembering:
    """A generator of numbers that no stream forgets at."""

    def random(self, count):
        return np.full(count, 0.5)


def chosen(**changes) -> TrainingSettings:
    usual = {"learning_rate": 1e-2, "batch_size": 3, "max_tokens": 15, "precision": "fp32", "patience": None}
    return TrainingSettings(**{**usual, **changes})


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    streams=st.integers(1, 4),
    segment=st.integers(1, 6),
    accumulation=st.integers(1, 2),
    epoch=st.integers(0, 3),
    direction=st.sampled_from(["rightward", "leftward"]),
)
def test_an_epoch_reads_each_stream_in_order(lengths, streams, segment, accumulation, epoch, direction):
    tokens = documents(lengths)
    objective = Streams(tokens, tokens, start_id=START, bidirectional=True)
    wanted = chosen(batch_size=streams, max_tokens=streams * segment, accumulation=accumulation)
    total = streams * accumulation
    if len(tokens.ids) < total:
        with pytest.raises(DataError, match="too few for"):
            objective.steps(epoch, wanted)
        return
    steps = objective.steps(epoch, wanted)
    read = [[] for _ in range(total)]
    predicted = [[] for _ in range(total)]
    counted = 0
    for number, step in enumerate(steps):
        assert len(step) == accumulation
        for turn, rows in enumerate(step):
            batch = objective.batch(rows, Remembering())
            assert int(batch["turn"]) == turn
            counted += objective.tokens(rows)
            assert objective.counts(batch) == (objective.tokens(rows),)
            half = slice(None, streams) if direction == "rightward" else slice(streams, None)
            ids, labels, starts = (
                batch[name][half].numpy() for name in ("input_ids", "shift_labels", "starts")
            )
            assert ids.shape[1] <= segment
            assert (starts[:, 1:] == (ids[:, 1:] == START)).all()
            assert (starts[:, 0] == (True if number == 0 else ids[:, 0] == START)).all()
            for row in range(streams):
                read[turn * streams + row] += ids[row].tolist()
                predicted[turn * streams + row] += labels[row].tolist()
    length = len(tokens.ids) // total
    assert counted == 2 * length * total
    ring = tokens.ids.tolist()[:: 1 if direction == "rightward" else -1]
    twice = ring + ring
    begin = next(
        place
        for place in range(len(ring))
        if twice[place + 1 : place + 1 + length * total] == list(chain(*predicted))
    )
    for stream in range(total):
        expected = twice[begin + stream * length :][:length]
        assert read[stream] == [START if word == END else word for word in expected]


def one_by_one(model, tokens, direction) -> float:
    """Return the mean loss of all tokens, each document read by itself."""
    total = 0.0
    for number in range(len(tokens)):
        words = tokens.document(number)[:-1].astype(np.int64)
        words = words if direction == "rightward" else words[::-1]
        ids = torch.tensor([[START, *words.tolist()]])
        labels = torch.tensor([[*words.tolist(), END]])
        outputs = model(ids, shift_labels=labels, direction=direction)
        total += float(outputs.loss.detach()) * labels.numel()
    return total / len(tokens.ids)


@pytest.mark.parametrize("segment", [1, 4, 100])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_perplexity_is_that_of_each_document_by_itself(segment, bidirectional):
    tokens = documents([7, 1, 12, 5])
    model = language_model(bidirectional).eval()
    objective = Streams(tokens, tokens, start_id=START, bidirectional=bidirectional)
    directions = ("rightward", "leftward")[: 1 + bidirectional]
    expected = np.mean([one_by_one(model, tokens, direction) for direction in directions])
    metrics, loss = objective.evaluate(model, chosen(batch_size=1, max_tokens=segment), "fp32")
    assert abs(loss - expected) < 1e-5
    assert metrics == {"log_likelihood": -loss, "perplexity": math.exp(loss)}
    # Cut into more streams, each token is still predicted once.
    _, cut = objective.evaluate(model, chosen(batch_size=5, max_tokens=5 * segment), "fp32")
    assert abs(cut - expected) < 0.3


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_steps_carry_the_state_and_not_the_gradient(cell):
    tokens = documents([60])
    model = language_model(dropout=0.0, cell=cell).eval()
    objective = Streams(tokens, tokens, start_id=START)
    wanted = chosen(batch_size=2, max_tokens=10)
    objective.begin(wanted)
    batches = [objective.batch(step[0], Remembering()) for step in objective.steps(0, wanted)]
    losses = [objective.losses(model, batch)[0] for batch in batches]
    joined = {
        name: torch.cat([batch[name] for batch in batches], dim=1)
        for name in ("input_ids", "shift_labels", "starts")
    }
    whole = model(**joined).loss
    weights = torch.tensor([float(objective.counts(batch)[0]) for batch in batches])
    assert abs(float((torch.stack(losses) @ weights / weights.sum() - whole).detach())) < 1e-5
    assert not any(tensor.requires_grad for tensor in objective.carried().values())
    with_memory = float(losses[1].detach())
    objective.begin(wanted)
    assert abs(float(objective.losses(model, batches[1])[0].detach()) - with_memory) > 1e-4


def train(folder: Path | None, on_step=None, bidirectional=False, **changes):
    """Train, and return the model, the result and the loss of each step by number."""
    losses: dict[int, float] = {}

    def remember(progress):
        losses[progress.step] = progress.loss
        if on_step:
            on_step(progress)

    objective = Streams(documents([9, 30, 14, 40, 5] * 3), documents([20, 9], seed=1), start_id=START,
                       bidirectional=bidirectional)  # fmt: skip
    model = language_model(bidirectional)
    wanted = chosen(epochs=3, accumulation=2, evaluations_per_epoch=2, checkpoint_seconds=None, **changes)
    return model, fit(model, objective, wanted, folder=folder, on_step=remember), losses


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.pretraining.objectives.test_streams import train
def die(progress):
    print(progress.step, progress.loss.hex(), flush=True)
    if progress.step == 19:
        signal.raise_signal(signal.SIGKILL)
train(Path(sys.argv[1]), die, bidirectional=True)
"""


def test_losses_after_sigkill_are_equal_to_the_last_bit(tmp_path):
    unbroken, result, expected = train(None, bidirectional=True)
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    before = {int(step): float.fromhex(loss) for step, loss in map(str.split, process.stdout.splitlines())}
    model, resumed, after = train(tmp_path, bidirectional=True)
    assert 1 < min(after) <= 19
    # The first step after a checkpoint is in the middle of the streams: it needs the states.
    assert min(after) % (len(expected) // 3) != 1
    for part in (before, after):
        assert part == {step: expected[step] for step in part}
    assert resumed.dev_metrics == result.dev_metrics
    for name, tensor in unbroken.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name


TORCHRUN = """
import sys
from pathlib import Path
from tests.pretraining.objectives.test_streams import START, chosen, documents, language_model
from textgraft.pretraining.objectives.streams import Streams
from textgraft.training.loop import fit
tokens = documents([40, 25, 60, 33] * 2)
objective = Streams(tokens, tokens, start_id=START, bidirectional=True)
wanted = chosen(epochs=2, evaluations_per_epoch=2, accumulation=3, checkpoint_seconds=None)
fit(language_model(bidirectional=True, dropout=0.0), objective, wanted, folder=Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_two_processes_train_as_one_and_carry_the_same(tmp_path):
    (tmp_path / "script.py").write_text(TORCHRUN)
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    launches = {"one": [], "two": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]}
    found = {}
    for name, launcher in launches.items():
        command = [sys.executable, *launcher, str(tmp_path / "script.py"), str(tmp_path / name)]
        subprocess.run(command, cwd=root, env=environment, check=True)
        newest = max((tmp_path / name).glob("checkpoint-*"))
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        found[name] = [json.loads(line) for line in lines], load_file(newest / "carried.safetensors")
    for one, two in zip(found["one"][0], found["two"][0], strict=True):
        assert (two["step"], two["tokens"]) == (one["step"], one["tokens"])
        for key in ("train_loss", "dev_loss"):
            assert two[key] == pytest.approx(one[key], rel=1e-4)
    alone, shared = found["one"][1], found["two"][1]
    assert alone.keys() == shared.keys()
    for name, states in alone.items():
        assert (states - shared[name]).abs().max() < 1e-4


def test_a_batch_without_room_for_its_streams_is_refused():
    tokens = documents([30])
    objective = Streams(tokens, tokens, start_id=START)
    with pytest.raises(OptionError, match="has none for some of its 8 streams"):
        objective.steps(0, chosen(batch_size=8, max_tokens=7))


def test_there_must_be_text():
    nothing = Tokens(np.empty(0, np.uint16), np.zeros(1, np.int64), np.zeros(1, np.int64), "nothing")
    with pytest.raises(DataError, match="no text held out"):
        Streams(documents([3]), nothing, start_id=START)
