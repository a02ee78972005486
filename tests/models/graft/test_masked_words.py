"""A graft that names masked words: its scores come from the encoder's own word vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import textgraft
from tests.tiny import save_tiny_bert, topic_rows
from textgraft.inference.pipelines.sources import open_source
from textgraft.models.encoders import load_encoder_tokenizer, resolve_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForMaskedLM
from textgraft.models.loading import load_model
from textgraft.pretraining.adaptation import texts_as_tokens
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masked import MaskedText, masked_logits
from textgraft.pretraining.objectives.masking import Masking
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("masked") / "bert")


@pytest.fixture(scope="module")
def objective(encoder) -> MaskedText:
    tokenizer = load_encoder_tokenizer(resolve_encoder(encoder))
    texts = [text for text, _ in topic_rows(200)]
    tokens = texts_as_tokens(tokenizer, texts, 60)
    examples = FullSentences(tokens, Frame.of(tokenizer), length=32)
    return MaskedText(examples, examples, Masking.of(tokenizer))


@pytest.fixture
def graft(encoder) -> GraftForMaskedLM:
    torch.manual_seed(0)
    return GraftForMaskedLM(GraftConfig(encoder=str(encoder), lora_rank=4)).eval()


def test_scores_are_products_with_the_encoders_word_vectors(graft):
    states = torch.randn(2, 3, 32)
    head = graft.prediction
    table = graft.encoder.get_input_embeddings().weight
    hidden = functional.layer_norm(functional.gelu(head.transform(states)), (32,))
    assert torch.allclose(graft.head(states), hidden @ table.T, atol=1e-5)
    labels = torch.full((2, 3), -100)
    labels[0, 1] = 7
    output = graft.from_states(states, None, labels)
    expected = functional.cross_entropy(graft.head(states)[0, 1], torch.tensor(7))
    assert output.loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_head_at_masked_positions_says_what_the_whole_one_does(graft, objective):
    batch = objective.batch(range(3), np.random.default_rng(0))
    with torch.no_grad():
        found, _ = masked_logits(graft, batch)
        whole = graft(batch["input_ids"], batch["attention_mask"]).logits.flatten(0, 1)
    assert torch.allclose(found, whole[batch["positions"]], atol=1e-5)


def test_it_learns_and_is_small_and_the_pipeline_runs_it(graft, objective, encoder, tmp_path):
    before = objective.evaluate(graft, TrainingSettings(), "fp32")[0]
    table = graft.table.clone()
    fit(graft, objective, TrainingSettings(learning_rate=1e-2, epochs=6, batch_size=8, precision="fp32"))
    after = objective.evaluate(graft, TrainingSettings(), "fp32")[0]
    assert after["log_likelihood"] > before["log_likelihood"] + 0.2
    assert torch.equal(graft.table, table)  # the encoder stays as it is
    graft.save_pretrained(tmp_path)
    assert not any(name == "layers.0.weight" or "embedding" in name for name in graft.state_dict())
    read = load_model("AutoModelForMaskedLM", tmp_path)
    ids = torch.tensor([[2, 6, 4, 7, 3]])
    with torch.no_grad():
        assert torch.allclose(read(ids).logits, graft(ids).logits, atol=1e-5)
    assert len(open_source(tmp_path, auto_class="AutoModelForMaskedLM").tokenizer) == len(table)
    for engine in ("torch", "openvino"):
        fill = textgraft.pipeline("fill-mask", tmp_path, engine=engine)
        scores = fill("the [MASK] in the")
        with torch.no_grad():
            row = read(torch.tensor([fill.source.tokenizer("the [MASK] in the").input_ids])).logits
        best = row[0, 2].softmax(-1).topk(5)
        assert [found["token"] for found in scores] == best.indices.tolist()
        assert [found["score"] for found in scores] == pytest.approx(best.values.tolist(), abs=0.02)
