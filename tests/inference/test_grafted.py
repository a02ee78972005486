"""Many grafts on one encoder in memory."""

import threading

import pytest
import torch
from transformers import AutoModelForTokenClassification

import textgraft.models.auto  # noqa: F401
from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.errors import ModelError, OptionError
from textgraft.inference import grafted
from textgraft.inference.grafted import GraftedEncoder
from textgraft.inference.predictor import Predictor
from textgraft.models.directory import save_model_directory
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.graft.heads import (
    GraftConfig,
    GraftForMultipleChoice,
    GraftForQuestionAnswering,
    GraftForSequenceClassification,
    GraftForTokenClassification,
)
from textgraft.models.manifest import Manifest
from textgraft.tasks.text.classification import SingleLabelClassification

IDS = torch.tensor([[2, 6, 7, 8, 3, 11, 12, 3], [2, 9, 3, 14, 3, 0, 0, 0]])
BATCH = {
    "input_ids": IDS,
    "attention_mask": (IDS != 0).long(),
    "token_type_ids": torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0]]),
}
KINDS = {
    "frozen": (GraftForSequenceClassification, {"lora_rank": 0}),
    "frozen tags": (GraftForTokenClassification, {"lora_rank": 0, "hidden_sizes": [8]}),
    "upper": (GraftForSequenceClassification, {"lora_layers": [1], "pooling": "max"}),
    "upper too": (GraftForQuestionAnswering, {"lora_layers": [1], "lora_targets": [], "lora_rank": 2}),
    "all": (GraftForTokenClassification, {}),
    "lowest": (GraftForQuestionAnswering, {"lora_layers": [0]}),
}


def make(folder, kind, settings, seed=0, labels=3):
    config = GraftConfig.on(resolve_encoder(folder), num_labels=labels, **{"lora_rank": 4, **settings})
    model = kind(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def assert_equal(found, expected):
    assert type(found) is type(expected)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_graft_says_what_it_says_alone(tmp_path, family):
    save_tiny_encoder(tmp_path, family)
    models = {name: make(tmp_path, *kind, seed) for seed, (name, kind) in enumerate(KINDS.items())}
    together = GraftedEncoder(tmp_path)
    for name, model in models.items():
        together.add(name, model)
    with torch.no_grad():
        expected = {name: model(**BATCH) for name, model in models.items()}
        for names in (None, ["all"], ["upper too", "frozen"], list(models)):
            found = together.outputs(BATCH, names)
            assert list(found) == list(names or models)
            for name, outputs in found.items():
                assert_equal(outputs, expected[name])
        # It is what it was for those that use it bare, and the models are still whole themselves.
        bare, _ = load_encoder(together.source)
        ids = {"input_ids": IDS, "attention_mask": BATCH["attention_mask"]}
        assert torch.equal(together.encoder(**ids).last_hidden_state, bare(**ids).last_hidden_state)
        for name, model in models.items():
            assert_equal(model(**BATCH), expected[name])
    assert models["all"].train()(**BATCH, labels=IDS % 3).loss.requires_grad


def test_a_family_whose_layers_are_not_known(tmp_path):
    from transformers import Data2VecTextConfig, Data2VecTextModel

    save_tiny_encoder(tmp_path, "bert")
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    Data2VecTextModel(Data2VecTextConfig(vocab_size=60, pad_token_id=0, **shape)).save_pretrained(tmp_path)
    together = GraftedEncoder(tmp_path)
    for name in ("frozen", "all", "frozen tags"):
        model = make(tmp_path, *KINDS[name])
        together.add(name, model)
        assert_equal(together.outputs(BATCH, [name])[name], model(**BATCH))
    assert len(together.outputs(BATCH)) == 3


def test_shared_layers_run_once(tmp_path):
    save_tiny_encoder(tmp_path, "bert")
    together = GraftedEncoder(tmp_path)
    runs = [0, 0]
    for layer, module in enumerate(together.encoder.encoder.layer):
        module.register_forward_hook(lambda *_, layer=layer: runs.__setitem__(layer, runs[layer] + 1))
    for name in ("frozen", "frozen tags", "upper", "upper too"):
        together.add(name, make(tmp_path, *KINDS[name]))
    together.outputs(BATCH)
    assert runs == [1, 3]
    together.add("all", make(tmp_path, *KINDS["all"]))
    together.outputs(BATCH, ["all", "frozen"])
    assert runs == [3, 5]


def test_choices(tmp_path):
    save_tiny_encoder(tmp_path, "bert")
    model = make(tmp_path, GraftForMultipleChoice, {"lora_layers": [1]})
    together = GraftedEncoder(tmp_path)
    together.add("choice", model)
    batch = {name: tensor.unsqueeze(0) for name, tensor in BATCH.items()}
    assert_equal(together.outputs(batch)["choice"], model(**batch))


def test_folders_are_loaded_wherever_their_encoder_was(tmp_path):
    save_tiny_encoder(tmp_path / "encoder", "bert")
    model = make(tmp_path / "encoder", *KINDS["all"])
    expected = model(**BATCH)
    model.save_pretrained(tmp_path / "graft")
    (tmp_path / "encoder").rename(tmp_path / "moved")
    together = GraftedEncoder(tmp_path / "moved")
    together.add("tags", tmp_path / "graft")
    together.add("the same from memory", model)
    for outputs in together.outputs(BATCH).values():
        assert_equal(outputs, expected)
    with pytest.raises(ModelError, match="there is no encoder"):
        AutoModelForTokenClassification.from_pretrained(tmp_path / "graft")


def test_grafts_come_and_go(tmp_path):
    save_tiny_encoder(tmp_path, "bert")
    together = GraftedEncoder(tmp_path)
    assert together.outputs(BATCH) == {}
    together.add("tags", make(tmp_path, *KINDS["all"]))
    other = make(tmp_path, *KINDS["upper"], seed=5)
    together.add("tags", other)
    together.add("more", make(tmp_path, *KINDS["all"]))
    assert_equal(together.outputs(BATCH, ["tags"])["tags"], other(**BATCH))
    together.remove("more")
    assert together.names == ["tags"]
    for use in (together.remove, lambda name: together.outputs(BATCH, [name])):
        with pytest.raises(OptionError, match="Did you mean 'tags'"):
            use("tag")


def test_what_is_no_graft_of_this_encoder_is_refused(tmp_path):
    save_tiny_encoder(tmp_path / "encoder", "bert")
    save_tiny_encoder(tmp_path / "other", "bert", seed=1)
    model = make(tmp_path / "other", *KINDS["all"])
    model.save_pretrained(tmp_path / "graft")
    together = GraftedEncoder(tmp_path / "encoder")
    for graft in (model, tmp_path / "graft"):
        with pytest.raises(ModelError, match="trained on"):
            together.add("tags", graft)
    for graft, message in (
        (tmp_path / "other", "holds a BertModel, no graft"),
        (tmp_path / "nothing", "cannot be read"),
        (together.encoder, "is a BertModel, no graft"),
    ):
        with pytest.raises(ModelError, match=message):
            together.add("tags", graft)
    assert together.names == []


def predictor(folder, labels, settings, seed):
    source = resolve_encoder(folder)
    model = make(folder, GraftForSequenceClassification, settings, seed, len(labels))
    return Predictor(model, load_encoder(source)[1], SingleLabelClassification(labels), 16, temperature=2.0)


def test_texts_are_predicted_as_by_each_predictor_alone(tmp_path):
    save_tiny_encoder(tmp_path, "bert")
    alone = {
        "topic": predictor(tmp_path, ["sport", "food", "space"], {"lora_layers": [1]}, 0),
        "mood": predictor(tmp_path, ["bad", "good"], {"lora_rank": 0}, 1),
    }
    together = GraftedEncoder(tmp_path)
    for name, one in alone.items():
        together.add(name, one)
    texts = ["goal team match", "", "bread soup", "goal team match", "the orbit of the moon " * 9]
    together.predict(texts[:1])  # opens the engine, which runs the encoder to be held against it
    runs = []
    together.encoder.embeddings.register_forward_hook(lambda *_: runs.append(1))
    found = together.predict(texts)
    assert len(runs) == 1, "like windows of both tasks in one batch"
    for name, one in alone.items():
        expected = one.predict(texts)
        assert [prediction.label for prediction in found[name]] == [row.label for row in expected]
        for prediction, row in zip(found[name], expected, strict=True):
            # In bf16, a merged adapter and another shape of the batch round otherwise.
            assert prediction.numbers() == pytest.approx(row.numbers(), abs=0.02)
    assert list(together.predict(texts, ["mood"])) == ["mood"]
    assert [len(own) for own in together.predict(text for text in texts).values()] == [len(texts)] * len(
        found
    )
    together.add("bare", alone["mood"].model)
    with pytest.raises(OptionError, match="without its task"):
        together.predict(texts)


def test_batches_run_as_many_at_a_time_as_the_engine_computes(tmp_path, monkeypatch):
    """The lock that keeps adapters apart let one batch at a time through, on one core of many."""
    pytest.importorskip("openvino")
    save_tiny_encoder(tmp_path, "bert")
    together = GraftedEncoder(tmp_path)
    for seed, name in enumerate(("mood", "place")):
        together.add(name, predictor(tmp_path, ["a", "b", "c"], {"lora_rank": 0}, seed))
    texts = [word * number for word in ("goal ", "bread ") for number in range(1, 13)]
    monkeypatch.setattr(grafted, "MAX_SEQUENCES", 4)
    alone = together.predict(texts)
    engine = together._frozen.engine
    engine.at_once, run, meeting = 3, engine.run, threading.Barrier(3, timeout=20)
    begun = []

    def runs(batch):
        begun.append(threading.get_ident())
        if len(begun) <= 3:
            meeting.wait()
        return run(batch)

    monkeypatch.setattr(engine, "run", runs)
    found = together.predict(texts)
    assert len(set(begun)) == 3
    for name, own in alone.items():
        for one, expected in zip(found[name], own, strict=True):
            assert one.numbers() == pytest.approx(expected.numbers(), abs=1e-5)


def test_a_model_directory_brings_its_task(tmp_path, monkeypatch):
    save_tiny_encoder(tmp_path / "encoder", "bert")
    alone = predictor(tmp_path / "encoder", ["bad", "good"], {}, 1)
    manifest = Manifest(
        task="classification",
        task_settings=alone.task.settings(),
        contender="bert-adapter",
        text_columns=["text"],
        label_column="label",
        max_length=alone.max_length,
        temperature=alone.temperature,
        data_source="rows.csv",
        data_hash="",
        training={},
        metrics={},
        dev_score=0.0,
        golden=[],
    )
    save_model_directory(tmp_path / "graft", alone.model, alone.tokenizer, manifest, "")
    together = GraftedEncoder(tmp_path / "encoder")
    together.add("mood", tmp_path / "graft")
    monkeypatch.setattr("textgraft.models.shipped.FOLDER", tmp_path)
    together.add("shipped", "graft")
    (expected,) = alone.predict(["goal bread"])
    for (found,) in together.predict(["goal bread"]).values():
        assert found.numbers() == pytest.approx(expected.numbers(), abs=0.02)
