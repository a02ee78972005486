"""A graft that labels words knows how they are written, though its encoder reads no capitals."""

from __future__ import annotations

import random

import pytest
import torch

import textgraft
from tests.tiny import save_tiny_bert
from textgraft import runtime
from textgraft.export.export import export
from textgraft.inference.grafted import GraftedEncoder
from textgraft.models.manifest import read_manifest
from textgraft.serving.light.opening import open_light
from textgraft.tasks.registry import make_task

WORDS = ["river", "stone", "anna", "may", "hope", "rose", "bill", "mark", "grace", "lane"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tagger of words that are names where they begin with a capital, and no names elsewhere."""
    folder = tmp_path_factory.mktemp("written")
    draw = random.Random(0)
    lines = []
    for _ in range(150):
        for word in draw.sample(WORDS, 5):
            is_name = draw.random() < 0.4
            lines.append(f"{word.capitalize()}\tB-PER" if is_name else f"{word}\tO")
        lines.append("")
    rows = folder / "rows.conll"
    rows.write_text("\n".join(lines))
    encoder = save_tiny_bert(folder / "encoder", seed=11)  # no graph of it lies on disk for others
    settings = {"epochs": 20, "learning_rate": 0.01}
    textgraft.train(rows, folder / "model", contender="bert-frozen", encoder=encoder, settings=settings)
    return folder / "model", encoder


def names(prediction) -> list[str]:
    return [entity.text for entity in prediction.entities]


def test_capitals_tell_names(trained):
    model = textgraft.load(trained[0])
    found = model.predict(["the Rose saw may", "the rose saw May", "ROSE and Grace"])
    assert [names(each) for each in found[:2]] == [["Rose"], ["May"]]
    assert "Grace" in names(found[2])


def test_texts_of_the_same_tokens_are_told_apart_where_grafts_share_an_encoder(trained):
    path, encoder = trained
    shared = GraftedEncoder(encoder)
    shared.add("names", path)
    texts = ["the Rose saw may", "the rose saw May", "the rose saw may"]
    found = shared.predict(texts)["names"]
    alone = textgraft.load(path).predict(texts)
    assert [names(each) for each in found] == [names(each) for each in alone] == [["Rose"], ["May"], []]
    for one, other in zip(found, alone, strict=True):
        torch.testing.assert_close(
            torch.from_numpy(one.probabilities), torch.from_numpy(other.probabilities), atol=1e-4, rtol=0
        )


def test_an_exported_model_is_told_too(trained, tmp_path):
    export(trained[0], tmp_path / "exported")
    exported = runtime.load(tmp_path / "exported")
    found = exported.predict(["the Rose saw may", "the rose saw May"])
    assert [[entity["text"] for entity in each["entities"]] for each in found] == [["Rose"], ["May"]]


def test_without_torch_it_is_told_too(trained):
    path, _ = trained
    whole = textgraft.load(path, engine="openvino")
    texts = ["the Rose saw may", "the rose saw May"]
    expected = [names(each) for each in whole.predict(texts)]  # and its graph lies on disk now
    manifest = read_manifest(path)
    task = make_task(manifest.task, manifest.task_settings, where=str(path))
    light = open_light(path, manifest, task, {}, "openvino")
    assert light is not None
    rows = light.task.rows(texts)
    assert [names(each) for each in light.predict_rows(rows)] == expected == [["Rose"], ["May"]]


def test_a_folder_without_a_tokenizer_is_told_too(trained, tmp_path):
    from transformers import AutoTokenizer

    path, _ = trained
    for name in ("config.json", "textgraft.json"):
        (tmp_path / name).write_bytes((path / name).read_bytes())
    assert "word_shapes" in AutoTokenizer.from_pretrained(tmp_path).model_input_names
