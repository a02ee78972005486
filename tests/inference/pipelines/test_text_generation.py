"""The pipeline "text-generation": its shapes, its options and its mistakes, for GPTs and recurrent models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

import textgraft
from textgraft.errors import ModelError, OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.architectures import train_tokenizer

TEXTS = [
    "The cat sat on the mat. It was asleep, and it purred.",
    "A dog barked at the moon; nobody came.",
] * 3
KINDS = ("gpt", "words", "characters")


def save_language_model(folder: Path, kind: str) -> Path:
    torch.manual_seed(3)
    if kind == "gpt":
        tokenizer = train_tokenizer("gpt", TEXTS, vocabulary_size=300, max_length=40)
        config: Any = GPT2Config(
            vocab_size=len(tokenizer), n_positions=40, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5,
            bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        model: Any = GPT2LMHeadModel(config)
    else:
        tokenizer = train_tokenizer("lstm", TEXTS, characters=kind == "characters")
        model = RecurrentForCausalLM(
            RecurrentConfig(
                vocab_size=len(tokenizer),
                embedding_size=16,
                hidden_size=16,
                num_layers=2,
                bidirectional=False,
            )
        )
        with torch.no_grad():
            model.recurrent.embedding.weight.mul_(20)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_language_model(tmp_path_factory.mktemp(request.param), request.param)


def test_shapes_are_those_of_transformers(folder: Path) -> None:
    write = textgraft.pipeline("text-generation", folder, max_new_tokens=8)
    alone = write("The cat sat")
    assert [set(entry) for entry in alone] == [{"generated_text"}]
    assert alone[0]["generated_text"].startswith("The cat sat")
    assert write(["The cat sat", "A dog"]) == [alone, write("A dog")]
    assert list(write(text for text in ("A dog", "The cat sat"))) == [write("A dog"), alone]
    several = write(["The", "A dog barked at"], num_return_sequences=3, seed=1)
    assert [len(texts) for texts in several] == [3, 3]
    assert all(entry["generated_text"].startswith("A dog barked at") for entry in several[1])
    (rest,) = write("The cat sat", return_full_text=False)
    assert "The cat sat" + rest["generated_text"] == alone[0]["generated_text"]


def test_it_writes_what_generate_writes(folder: Path) -> None:
    write = textgraft.pipeline("text-generation", folder)
    tokenizer, model = write.source.tokenizer, AutoModelForCausalLM.from_pretrained(folder).eval()
    unwritten = {tokenizer.unk_token_id, tokenizer.pad_token_id, tokenizer.cls_token_id} - {None, write.end}
    for text in ("The cat sat on", "A dog", "It was asleep, and"):
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=True).input_ids
        for options in ({}, {"num_beams": 3}):
            expected = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False,
                eos_token_id=write.end, pad_token_id=tokenizer.pad_token_id,
                suppress_tokens=sorted(unwritten) or None, **options,
            )  # fmt: skip
            new = tokenizer.decode(expected[0, ids.shape[1] :], skip_special_tokens=True)
            (found,) = write(text, max_new_tokens=6, return_full_text=False, **options)
            assert found["generated_text"].strip() == new.strip()
    texts = ["The cat sat on", "A dog", "It was asleep, and"]
    assert write(texts, max_new_tokens=6) == [write(text, max_new_tokens=6) for text in texts]


def test_what_is_drawn_is_told_by_the_seed(folder: Path) -> None:
    write = textgraft.pipeline("text-generation", folder, max_new_tokens=12)
    state = torch.get_rng_state()
    first = write("The cat", temperature=1.5, seed=1)
    assert torch.equal(torch.get_rng_state(), state), "the caller's own chance is left alone"
    assert write("The cat", temperature=1.5, seed=1) == first
    drawn = {write("The cat", temperature=1.5, top_k=0, seed=seed)[0]["generated_text"] for seed in range(8)}
    assert len(drawn) > 4
    greedy = write("The cat")
    assert write("The cat", top_k=1, seed=5) == greedy
    assert write("The cat", top_p=1e-6, seed=5) == greedy
    assert write("The cat", temperature=1e-4, seed=5) == greedy
    assert write("The cat", temperature=2.0, do_sample=False) == greedy
    beams = write("The cat", num_beams=4, num_return_sequences=4)
    assert len({entry["generated_text"] for entry in beams}) == 4
    assert write("The cat", num_beams=4, num_return_sequences=4) == beams


def test_what_stands_for_no_text_is_never_written(folder: Path) -> None:
    write = textgraft.pipeline("text-generation", folder, max_new_tokens=10)
    expected = write("The cat")
    tokenizer, head = write.source.tokenizer, write.source.model.get_output_embeddings()
    if head.bias is None:
        pytest.skip("this head has no bias to set")
    with torch.no_grad():
        head.bias[tokenizer.unk_token_id] += 1e4
        head.bias[tokenizer.pad_token_id] += 1e4
    assert write("The cat") == expected


def test_an_end_of_text_ends_it(folder: Path) -> None:
    write = textgraft.pipeline("text-generation", folder, max_new_tokens=20)
    head = write.source.model.get_output_embeddings()
    if head.bias is None:
        pytest.skip("this head has no bias to set")
    with torch.no_grad():
        head.bias[write.end] += 1e4
    assert write("The cat") == [{"generated_text": "The cat"}]


def test_an_empty_prompt_begins_a_text(folder: Path) -> None:
    write = textgraft.pipeline("text-generation", folder, max_new_tokens=4)
    empty, other = write(["", "The cat"])
    assert empty == write("")
    assert empty[0]["generated_text"]
    assert other == write("The cat")


def test_prompts_that_are_too_long_keep_their_ends(tmp_path: Path) -> None:
    write = textgraft.pipeline("text-generation", save_language_model(tmp_path, "gpt"), max_new_tokens=10)
    long = "A dog barked at the moon; nobody came. " * 9 + "The cat"
    with pytest.warns(UserWarning, match="1 of 2 prompts are longer than the 30 tokens"):
        found, _ = write([long, "The"])
    assert found[0]["generated_text"].startswith(long)
    ids = write.source.tokenizer(long).input_ids[-30:]
    (alone,) = write(write.source.tokenizer.decode(ids), return_full_text=False)
    assert found[0]["generated_text"] == long + alone["generated_text"]
    with pytest.raises(OptionError, match="leaves none for a prompt beside 40 new ones"):
        write("The", max_new_tokens=40)


def test_a_file_of_prompts(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("The cat\nA dog\n")
    write = textgraft.pipeline("text-generation", folder, max_new_tokens=4)
    assert list(write.file(tmp_path / "prompts.txt")) == write(["The cat", "A dog"])


def test_a_model_in_memory_without_a_token_to_pad(tmp_path: Path) -> None:
    write = textgraft.pipeline("text-generation", save_language_model(tmp_path, "gpt"), max_new_tokens=5)
    model, tokenizer = write.source.model, write.source.tokenizer
    expected = write(["The cat sat", "A"])
    tokenizer.pad_token = None
    assert (
        textgraft.pipeline("text-generation", (model, tokenizer), max_new_tokens=5)(["The cat sat", "A"])
        == expected
    )
    assert tokenizer.pad_token is None


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    folder = save_language_model(tmp_path / "gpt", "gpt")
    write = textgraft.pipeline("text-generation", folder)
    with pytest.raises(OptionError, match="1 followed at a time cannot give 2 texts"):
        write("The", num_return_sequences=2, do_sample=False)
    with pytest.raises(OptionError, match="3 followed at a time cannot give 4"):
        write("The", num_return_sequences=4, num_beams=3)
    with pytest.raises(OptionError, match="Did you mean 'temperature'"):
        write("The", temprature=2.0)
    for wrong in ({"temperature": 0}, {"top_p": 0}, {"top_p": 1.5}, {"max_new_tokens": 0}, {"seed": -1}):
        with pytest.raises(OptionError, match="cannot be"):
            write("The", **wrong)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForMaskedLM(BertConfig(vocab_size=300, **shape)).save_pretrained(tmp_path / "bert")
    write.source.tokenizer.save_pretrained(tmp_path / "bert")
    with pytest.raises(ModelError, match="BertForMaskedLM, which does not write"):
        textgraft.pipeline("text-generation", tmp_path / "bert")


def test_a_chat_is_no_text(folder: Path) -> None:
    write = textgraft.pipeline("text-generation", folder)
    message = {"role": "user", "content": "Hi"}
    for given in (message, [message], [[message]]):
        with pytest.raises(OptionError, match="a chat is given"):
            write(given)
    with pytest.raises(OptionError, match="Give max_new_tokens"):
        write("a", max_length=3)
