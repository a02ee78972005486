"""What needs no torch answers as it does with it, and its encoder is served beside it."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.tiny import FILLER, TOPICS
from tests.tiny_encoders import save_tiny_encoder
from textgraft.models.directory import save_model_directory
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft import heads
from textgraft.models.manifest import Manifest
from textgraft.serving.answering import prepare_rows
from textgraft.serving.loading import Named, load_models
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.token_classification import TokenClassification
from textgraft.tasks.text.classification import SingleLabelClassification

pytest.importorskip("openvino", reason="OpenVINO is not installed")
LONG = " ".join(random.Random(0).choices([*FILLER, *TOPICS["sport"], *TOPICS["food"]], k=120))
KINDS = {
    "tags": (
        heads.GraftForTokenClassification,
        TokenClassification(["O", "B-X", "I-X"]),
        {"lora_rank": 0, "hidden_sizes": [8]},
        ["the goal of the team", LONG, "xyzzy"],
    ),
    "answers": (
        heads.GraftForQuestionAnswering,
        QuestionAnswering(has_unanswerable=True),
        {"lora_rank": 2, "lora_layers": [1]},
        [{"question": "the goal of the team", "context": text} for text in (LONG, "soup and bread")],
    ),
    "moods": (
        heads.GraftForSequenceClassification,
        SingleLabelClassification(["bad", "good"]),
        {"lora_rank": 2},
        ["the goal of the team", "soup"],
    ),
}


@pytest.fixture(autouse=True)
def _in_fp32(monkeypatch):
    """Both sides, so that they can be compared closely."""
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)
    monkeypatch.setattr(
        "textgraft.inference.engines.open.processor_has", lambda precision: precision == "fp32"
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model directory of each kind, on one tiny encoder."""
    folder = tmp_path_factory.mktemp("light")
    source = resolve_encoder(save_tiny_encoder(folder / "rootstock", "bert"))
    tokenizer = load_encoder(source)[1]
    generator = torch.Generator().manual_seed(0)
    for name, (kind, task, settings, _) in KINDS.items():
        config = heads.GraftConfig.on(source, num_labels=len(task.labels), **settings)
        task.configure(config)
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        manifest = Manifest(
            task=task.name,
            task_settings=task.settings(),
            contender="bert-adapter",
            text_columns=["text"],
            label_column="label",
            max_length=48,
            temperature=2.0,
            data_source="rows.csv",
            data_hash="",
            training={},
            metrics={},
            dev_score=0.0,
            golden=[],
        )
        save_model_directory(folder / name, model, tokenizer, manifest, "")
    return folder


def answers(model, inputs):
    """Return the numbers behind what a model answers, and what its pipeline gives."""
    prepared = prepare_rows(model.answering, inputs, truncate=True)
    results = [one for batch in prepared.lane.run(iter([prepared.payloads])) for one in batch]
    (pipeline,) = model.pipelines.values()
    return [row.numbers() for row in prepared.finish(results)], [pipeline().pipeline(one) for one in inputs]


@pytest.mark.parametrize("name", KINDS)
def test_a_graft_answers_without_torch_as_with_it(folders, name):
    inputs = KINDS[name][-1]
    named = [Named.of(str(folders / name))]
    with_torch, _ = load_models(named, engine="torch")
    assert not with_torch.is_light
    expected, expected_given = answers(with_torch, inputs)
    light, encoder = load_models(named)
    assert light.is_light
    assert encoder.name == "rootstock", "what encodes is served, too"
    assert encoder.encoder is not None
    assert light.labels == with_torch.labels
    found, given = answers(light, inputs)
    for row, wanted in zip(found, expected, strict=True):
        assert row == pytest.approx(wanted, abs=1e-3)
    assert given == [approximately(wanted) for wanted in expected_given]
    assert len(found[0]) > 0


def test_what_cannot_be_drawn_waits_for_torch(folders, monkeypatch):
    monkeypatch.setattr("textgraft.serving.light.states.can_draw", lambda config: False)
    monkeypatch.setattr("textgraft.serving.light.states.is_converted", lambda key: False)
    model, _ = load_models([Named.of(str(folders / "answers"))])
    assert not model.is_light


def test_a_graph_that_is_not_the_model_is_not_used(folders, monkeypatch):
    monkeypatch.setattr("textgraft.serving.light.states.is_converted", lambda key: False)
    monkeypatch.setattr(
        "textgraft.serving.light.states.last_states",
        lambda weights, batch: np.ones((*batch["input_ids"].shape, 32)),
    )
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(folders / "another cache"))
    model, _ = load_models([Named.of(str(folders / "answers"))])
    assert not model.is_light


def approximately(value):
    if isinstance(value, list):
        return [approximately(one) for one in value]
    return {
        name: pytest.approx(one, abs=1e-3) if isinstance(one, float) else one for name, one in value.items()
    }


def test_nothing_on_the_light_path_imports_torch():
    code = """if True:
        import sys
        import textgraft.serving.loading
        import textgraft.inference.pipelines.token_classification
        import textgraft.inference.pipelines.question_answering
        import textgraft.inference.pipelines.text_classification
        print([name for name in ("torch", "transformers") if name in sys.modules])
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
