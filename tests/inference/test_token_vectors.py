"""One vector a token of an encoder: what it is, what is kept of it, and of large vocabularies."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

from tests.tiny_encoders import save_tiny_encoder
from textgraft.files import cache_folder
from textgraft.inference import token_vectors as module
from textgraft.inference.encode import Encoder
from textgraft.inference.token_vectors import scripts_of, seconds_to_distil, token_vectors
from textgraft.models.encoders import load_tokenizer, resolve_encoder

FAMILIES = ("bert", "xlm-roberta")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    return {name: resolve_encoder(save_tiny_encoder(folder / name, name)) for name in FAMILIES}


@pytest.fixture
def bert(encoders):
    return encoders["bert"]


@pytest.mark.parametrize("family", FAMILIES)
def test_distances_are_those_of_tokens_encoded_by_themselves(family, encoders):
    source = encoders[family]
    vectors = token_vectors(source, [])
    whole = load_tokenizer(source)
    with torch.no_grad():
        model = AutoModel.from_pretrained(source.path).eval()
        rows = [[2, whole.token_to_id(word), 3] for word in ("goal", "the", "moon")]
        states = model(input_ids=torch.tensor(rows)).last_hidden_state
        expected = torch.nn.functional.normalize(states.mean(dim=1), dim=-1).numpy()
    found = vectors.matrix[[vectors.tokenizer.token_to_id(word) for word in ("goal", "the", "moon")]]
    for first, second in ((0, 1), (1, 2), (0, 2)):
        wanted = np.linalg.norm(expected[first] - expected[second])
        # Of 32 dimensions none is lost; what is left is the rounding to 16 bits.
        assert np.linalg.norm(found[first] - found[second]) == pytest.approx(wanted, rel=5e-3)
    spread = vectors.matrix.var(axis=0)[:8]
    assert (spread[:-1] > spread[1:]).all(), "the first components vary most"
    assert not vectors.matrix[vectors.tokenizer.token_to_id("[PAD]")].any()


def test_they_are_made_once_and_read_afterwards(bert, tmp_path, monkeypatch, caplog):
    token_vectors(bert, [])
    shutil.copytree(cache_folder() / "engines", tmp_path / "cache" / "engines")
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    module._token_vectors.cache_clear()
    first = token_vectors(bert, ["a goal"])
    (file,) = (cache_folder() / "vectors").glob("*/vectors.safetensors")
    module._token_vectors.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode_ids", lambda *_: pytest.fail("they are kept"))
        again = token_vectors(bert, ["another text"])
    np.testing.assert_array_equal(again.matrix, first.matrix)
    file.write_bytes(file.read_bytes()[:-1] + b"\0\1")
    module._token_vectors.cache_clear()
    np.testing.assert_array_equal(token_vectors(bert, []).matrix, first.matrix)
    assert "it is computed again" in caplog.text


def test_what_they_will_take_is_told_from_a_few_tokens(bert, tmp_path, monkeypatch):
    token_vectors(bert, [])
    assert seconds_to_distil(bert, []) == 0.0, "they are there"
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "cache"))
    module._token_vectors.cache_clear()
    ticks = iter((10.0, 13.0))
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    monkeypatch.setattr(module, "cores", lambda: 2)
    monkeypatch.setattr(module, "_SAMPLE", 4)
    read = []
    encode = Encoder.encode_ids

    def counted(self, rows):
        read.append(len(rows))
        return encode(self, rows)

    monkeypatch.setattr(Encoder, "encode_ids", counted)
    seconds = seconds_to_distil(bert, [])
    tokens = len(module._wanted(bert, bert.identity, frozenset()).places)
    assert read[0] == 2
    assert 8 <= read[1] < 16
    assert seconds == pytest.approx(3.0 * tokens / read[1])


def test_another_encoder_has_others(encoders):
    first, second = (token_vectors(encoders[family], []).matrix for family in FAMILIES)
    assert not np.allclose(first, second, atol=0.01)


def test_a_word_has_the_mean_of_its_tokens(bert):
    vectors = token_vectors(bert, [])
    goal, moon = (vectors.matrix[vectors.tokenizer.token_to_id(word)] for word in ("goal", "moon"))
    means = vectors.means(["goal", "goal moon", "", "unheard"])
    np.testing.assert_allclose(means, [goal, (goal + moon) / 2, 0 * goal, 0 * goal], atol=1e-6)


LATIN = [f"{first}{second}" for first in "abcdef" for second in "abcdef"]
CYRILLIC = [f"{first}{second}" for first in "абвгд" for second in "абвгд"]


@pytest.fixture
def bilingual(tmp_path, monkeypatch):
    """An encoder of two scripts whose vocabulary counts as large."""
    letters = [*"abcdef", *"абвгд"]
    pieces = [
        ("<unk>", 0.0),
        *((piece, -5.0 - place / 100) for place, piece in enumerate([*CYRILLIC, *LATIN])),
    ]
    pieces += [(letter, -9.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>")
    fast.save_pretrained(tmp_path / "encoder")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(fast), **sizes)).save_pretrained(tmp_path / "encoder")
    monkeypatch.setattr(module, "LARGEST_VOCABULARY", 20)
    return resolve_encoder(tmp_path / "encoder")


def test_of_a_large_vocabulary_the_scripts_of_the_texts_and_the_frequent_tokens_count(bilingual):
    vectors = token_vectors(bilingual, ["abba " * 200 + "аб"])
    kept = set(vectors.tokenizer.get_vocab())
    assert len(kept) <= 20 + 2, "the special ones come on top"
    assert {*"abcdef", *LATIN[:13]} <= kept
    assert not kept & {*CYRILLIC, *"абвгд"}, "a word in a thousand makes no script"
    # "ff" is left out, and is written in letters.
    assert vectors.tokenizer.encode("abff").tokens == ["ab", "f", "f"]
    assert len(vectors.matrix) == vectors.tokenizer.get_vocab_size()
    both = token_vectors(bilingual, ["abba", "абба"])
    assert {*"abcdef", *"абвгд"} <= set(both.tokenizer.get_vocab())


def test_scripts_are_named_as_unicode_does():
    assert scripts_of(["Straße, 12", "дом"]) == {"LATIN", "CYRILLIC"}
    assert scripts_of(["123 …"]) == frozenset()
