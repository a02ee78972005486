"""Prompts of encoders, theirs or the user's: in every encoding and in every model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import textgraft
from tests.tiny import save_tiny_bert, topic_rows, write_topics
from textgraft.comparison.contenders.registry import choose_contenders, with_encoder
from textgraft.comparison.train import train
from textgraft.errors import ModelError, OptionError
from textgraft.inference.encode import Encoder
from textgraft.models.encoders import load_encoder_tokenizer, resolve_encoder
from textgraft.models.manifest import read_manifest
from textgraft.serving.light.opening import frozen_encoder
from textgraft.tasks.registry import task_class

TEXTS = [*(text for text, _ in topic_rows(12)), "", "goal " * 100]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("plain") / "bert")


@pytest.fixture(scope="module")
def prompting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder that names its prompts."""
    folder = save_tiny_bert(tmp_path_factory.mktemp("prompting") / "bert")
    stated = {"prompts": {"query": "the old ", "passage": "a new "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(stated))
    return folder


def test_encodings_are_those_of_sentence_transformers(plain):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.models import Pooling, Transformer

    words = Transformer(str(plain), max_seq_length=64)
    peer = sentence_transformers.SentenceTransformer(modules=[words, Pooling(32)], device="cpu")
    ours = Encoder(plain, prompt="the old ", normalize=False, engine="torch", precision="fp32").encode(TEXTS)
    np.testing.assert_allclose(ours, peer.encode(TEXTS, prompt="the old "), atol=1e-5)
    assert (
        np.abs(ours - Encoder(plain, normalize=False, engine="torch", precision="fp32").encode(TEXTS)).max()
        > 0.01
    )


def test_the_encoders_default_holds_unless_the_user_says_otherwise(prompting, plain):
    wanted = {None: "the old ", "passage": "a new ", "we saw ": "we saw ", "": ""}
    sources = {given: resolve_encoder(prompting, prompt=given) for given in wanted}
    assert {given: source.prompt for given, source in sources.items()} == wanted
    assert len({source.identity for source in sources.values()}) == len(sources), (
        "so caches and trials differ"
    )
    assert resolve_encoder(plain).prompt == ""
    assert sources[""].identity == resolve_encoder(plain).identity


def test_what_cannot_be_is_refused(prompting, plain, tmp_path):
    with pytest.raises(OptionError, match="leaves no room"):
        resolve_encoder(plain, prompt="old " * 300)
    with pytest.raises(OptionError, match="the prompt and special tokens take 4"):
        Encoder(prompting, max_length=4)
    folder = save_tiny_bert(tmp_path / "bert")
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": 3}}')
    with pytest.raises(ModelError, match="no texts by name"):
        resolve_encoder(folder)


def test_a_model_answers_with_the_prompt_that_it_was_trained_with(prompting, tmp_path):
    trained = train(
        write_topics(tmp_path / "topics.csv", 90),
        tmp_path / "model",
        contender="bert-frozen",
        encoder=str(prompting),
        prompt="passage",
        task="classification",
    )
    assert read_manifest(trained.folder).prompt == "a new "
    assert "the prompt `'a new '`" in (trained.folder / "README.md").read_text()
    predictor = textgraft.load(trained.folder)
    source = resolve_encoder(prompting, prompt="")
    expected = load_encoder_tokenizer(source)("a new goal and team")["input_ids"]
    assert predictor.tokenizer("goal and team")["input_ids"] == expected
    pipe = textgraft.pipeline("text-classification", str(trained.folder))
    (answer,) = predictor.predict(["goal and team"])
    assert pipe("goal and team")[0]["score"] == pytest.approx(answer.score, abs=1e-3)
    served, _ = frozen_encoder(trained.folder)
    assert served == resolve_encoder(prompting, prompt="passage"), "a service reads with it"
    with pytest.raises(OptionError, match="trained on texts after the prompt 'a new '"):
        textgraft.GraftedEncoder(str(prompting)).add("topics", trained.folder)
    textgraft.GraftedEncoder(str(prompting), prompt="passage").add("topics", trained.folder)


def test_each_of_several_encoders_has_its_own(plain, prompting, tmp_path):
    third = save_tiny_bert(tmp_path / "third", seed=3)
    names = [str(plain), str(prompting), str(third)]
    entries = choose_contenders(["bert-frozen"], "classification")
    _, sources = with_encoder(entries, names, None, ["third=we saw "])
    assert [source.prompt for source in sources] == ["", "the old ", "we saw "]
    _, sources = with_encoder(entries, names, None, ["a=b: ", f"{prompting}="])
    assert [source.prompt for source in sources] == ["a=b: ", "", "a=b: "]
    with pytest.raises(OptionError, match="two prompts are given for all encoders"):
        with_encoder(entries, names, None, ["a ", "the "])
    with pytest.raises(OptionError, match="none of tfidf reads with an encoder"):
        with_encoder(choose_contenders(["tfidf"], "classification"), names, None, ["a "])


def test_tags_stand_at_their_words(prompting, tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("the O\ngoal B-X\nand O\n\nteam B-X\n")
    task = task_class("token-classification")
    rows = task.read(path)
    made = task.fitted_to(rows)
    with_one, without = (
        made.features(rows, load_encoder_tokenizer(resolve_encoder(prompting, prompt=prompt)), 64)
        for prompt in (None, "")
    )
    for prompted, bare in zip(with_one, without, strict=True):
        assert len(prompted["input_ids"]) == len(bare["input_ids"]) + 2
        assert prompted["labels"] == [bare["labels"][0], -100, -100, *bare["labels"][1:]]
