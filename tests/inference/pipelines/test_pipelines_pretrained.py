"""Pipelines on what pre-training leaves: folders as BertForPreTraining and RobertaForMaskedLM save them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForNextSentencePrediction,
    AutoTokenizer,
    BertConfig,
    BertForPreTraining,
    RobertaConfig,
    RobertaForMaskedLM,
)

import textgraft
from textgraft.errors import ModelError, OptionError
from textgraft.pretraining.architectures import train_tokenizer

TEXTS = ["The man went to the store. He bought some milk.", "The cat sat on the mat. It sat."] * 3
PAIR = ("The man went to the store.", "He bought some milk.")
OTHER = ("The man went to the store.", "It sat on the mat.")
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "initializer_range": 0.5,
}


@pytest.fixture(scope="module", params=["bert", "roberta"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    tokenizer = train_tokenizer(request.param, TEXTS, vocabulary_size=320, max_length=64)
    shape = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **SHAPE}
    torch.manual_seed(1)
    if request.param == "bert":
        BertForPreTraining(BertConfig(**shape)).save_pretrained(path)
    else:
        RobertaForMaskedLM(RobertaConfig(type_vocab_size=1, **shape)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_masks_are_filled(folder: Path) -> None:
    fill = textgraft.pipeline("fill-mask", folder)
    mask = fill.source.tokenizer.mask_token
    found = fill(f"The {mask} sat on the mat.", top_k=3)
    assert len(found) == 3
    assert found[0]["score"] >= found[1]["score"] >= found[2]["score"]
    vocabulary = fill.source.tokenizer.get_vocab()
    assert found[0]["token"] in vocabulary.values()
    (cat,) = fill(f"The {mask} sat on the mat.", targets=["Ġcat" if "Ġcat" in vocabulary else "cat"])
    assert cat["sequence"].lower() == "the cat sat on the mat."


def test_pairs_are_judged_as_the_model_itself_does(folder: Path) -> None:
    if "roberta" in folder.name:
        with pytest.raises(ModelError, match="AutoModelForNextSentencePrediction"):
            textgraft.pipeline("next-sentence", folder)
        return
    goes_on = textgraft.pipeline("next-sentence", str(folder))
    model = AutoModelForNextSentencePrediction.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    results = goes_on([PAIR, OTHER], top_k=None)
    for pair, entries in zip((PAIR, OTHER), results, strict=True):
        with torch.no_grad():
            chances = model(**tokenizer(*pair, return_tensors="pt")).logits.softmax(dim=-1)[0]
        scores = {entry["label"]: entry["score"] for entry in entries}
        assert scores["IsNext"] == pytest.approx(chances[0].item(), abs=0.02)
        assert scores["NotNext"] == pytest.approx(chances[1].item(), abs=0.02)
    best = [max(entries, key=lambda entry: entry["score"]) for entries in results]
    single = goes_on(*PAIR)
    assert single["label"] == best[0]["label"]
    assert single["score"] == pytest.approx(best[0]["score"], abs=0.01)
    assert goes_on({"text": PAIR[0], "text_pair": PAIR[1]}) == single
    assert [entry["label"] for entry in goes_on(pair for pair in (PAIR, OTHER))] == [
        entry["label"] for entry in best
    ]
    for wrong in ("One text.", ["One text."], [("a", "b", "c")], {"text": "a"}):
        with pytest.raises(OptionError, match=r"second text is missing|no pair of strings"):
            goes_on(wrong)


def test_pairs_are_read_from_files(folder: Path, tmp_path: Path) -> None:
    if "roberta" in folder.name:
        pytest.skip("a RoBERTa knows of no next sentence")
    goes_on = textgraft.pipeline("next-sentence", folder)
    table = tmp_path / "pairs.csv"
    table.write_text("sentence1,sentence2\n" + "\n".join(",".join(pair) for pair in (PAIR, OTHER)))
    assert [entry["label"] for entry in goes_on.file(table)] == [
        entry["label"] for entry in goes_on([PAIR, OTHER])
    ]
