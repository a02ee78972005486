"""Texts in scripts without spaces between words are learned as well as any."""

from __future__ import annotations

import json

import numpy as np
import pytest

import textgraft
from tests.conftest import shared_case
from textgraft.tokenization.scripts import is_unspaced
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

WORDS = {
    "Thai": ("ข้าว ขนม กาแฟ", "จอ มือถือ สายไฟ", "เมื่อวาน เรา ซื้อ ดีมาก พอใช้"),
    "Lao": ("ເຂົ້າ ກາເຟ ປາ", "ໂທລະສັບ ຄອມພິວເຕີ ສາຍ", "ມື້ວານ ຂ້ອຍ ຊື້ ດີຫຼາຍ ບໍ່"),
    "Khmer": ("បាយ កាហ្វេ ត្រី", "ទូរស័ព្ទ កុំព្យូទ័រ ខ្សែ", "ម្សិលមិញ ខ្ញុំ ទិញ ល្អ ណាស់"),
    "Burmese": ("ထမင်း ကော်ဖီ ငါး", "ဖုန်း ကွန်ပျူတာ ကြိုး", "မနေ့က ကျွန်တော် ဝယ် ကောင်း တယ်"),
    "Chinese": ("米饭 咖啡 面条", "手机 电脑 充电器", "昨天 我们 买了 很好 一般"),
    "Japanese": ("ごはん コーヒー ラーメン", "スマホ パソコン ケーブル", "きのう 私は 買った とても 良い"),
}
"""Words of food, words of technology, and words of neither."""


def texts(script: str, count: int = 120) -> list[tuple[str, str]]:
    """Write sentences without a space, with one word that tells the label."""
    generator = np.random.default_rng(0)
    food, tech, filler = (words.split() for words in WORDS[script])
    rows = []
    for number in range(count):
        words = [str(word) for word in generator.choice(filler, 4)]
        label = ("food", "tech")[int(generator.integers(2))]
        words.insert(2, str(generator.choice(food if label == "food" else tech)))
        rows.append((f"{''.join(words)}{number}", label))
    return rows


def accuracy(source, folder, contender: str, **settings) -> float:
    trained = textgraft.train(source, folder, contender=contender, settings=settings)
    return trained.trial.metrics["accuracy"]


SMALL = {"embedding_size": 32, "hidden_size": 32, "epochs": 12, "learning_rate": 1e-2, "dropout": 0.1}


@pytest.mark.parametrize("script", WORDS)
def test_tfidf_and_an_lstm_learn_rows_that_a_word_tells_apart(script, tmp_path):
    source = tmp_path / "a.jsonl"
    rows = [{"text": text, "label": label} for text, label in texts(script)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert accuracy(source, tmp_path / "tfidf", "tfidf") >= 0.95
    if script in ("Thai", "Chinese"):  # the others are cut alike
        assert accuracy(source, tmp_path / "lstm", "lstm", **SMALL) >= 0.9


@pytest.mark.parametrize("script", WORDS)
def test_no_text_is_one_token(script):
    told = [text for text, _ in texts(script)]
    assert is_unspaced(told)
    tokenizer = train_word_tokenizer(told)
    assert all(len(tokenizer(text)["input_ids"]) > 6 for text in told)
    assert len(tokenizer) < 80


def test_latin_words_beside_such_a_script_are_words_of_their_own():
    tokenizer = train_word_tokenizer(["iPhone手机x很好 2ครั้ง"], min_frequency=1)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("iPhone手机x很好 2ครั้ง")["input_ids"])
    assert tokens[1:] == ["iphone", "手", "机", "x", "很", "好", "2", "ค", "รั้", "ง"]
    assert not is_unspaced(["iPhone 手机 is a telephone"])
    assert not is_unspaced(["a plain text", ""])


def test_the_shared_rows_in_thai(tmp_path):
    assert accuracy(shared_case("thai.csv"), tmp_path / "tfidf", "tfidf") >= 0.95
