"""The languages of texts: told where many rows agree, and never alarmed by tweets, short rows or names."""

from __future__ import annotations

import csv

import pytest

from tests.conftest import shared_data
from textgraft.data.dataset import Dataset
from textgraft.data.languages import dataset_languages, tell_languages

SAMPLES = {
    "en": [
        "I really liked the food here.",
        "Nobody answered the phone all day.",
        "Would not go there again.",
    ],
    "de": ["Das Essen war wirklich gut.", "Den ganzen Tag ging niemand ans Telefon.", "Nie wieder dorthin."],
    "es": ["La comida estaba muy buena.", "Nadie contestó el teléfono en todo el día.", "No volveré nunca."],
    "ar": ["كان الطعام لذيذا حقا.", "لم يرد أحد على الهاتف طوال اليوم.", "لن أعود إلى هناك أبدا."],
    "ru": ["Еда была действительно вкусной.", "Весь день никто не отвечал.", "Больше туда не пойду."],
    "zh": ["这里的食物真的很好吃。", "一整天都没有人接电话，非常失望。", "我再也不会去那里了。"],
    "th": ["อาหารที่นี่อร่อยมากจริงๆ", "ไม่มีใครรับโทรศัพท์เลยทั้งวัน", "จะไม่กลับไปที่นั่นอีกแล้ว"],
}


@pytest.mark.parametrize("language", SAMPLES)
def test_the_language_of_short_rows_is_told(language):
    found = tell_languages(SAMPLES[language] * 20)
    assert next(iter(found.shares)) == language
    assert found.shares[language] > 0.9


def test_what_is_no_language_tells_none():
    assert tell_languages([]).shares == {}
    assert tell_languages(["4711", "12.5", "0x1F", "", "  "] * 200).shares == {}
    assert tell_languages(["🙂🙂", "!!!", "👍"] * 200).shares == {}
    vectors = Dataset.unlabelled({"features": [[0.5, 1.0]] * 30})
    assert dataset_languages(vectors).shares == {}


def test_shares_of_a_mixed_set_are_those_of_its_rows():
    german, english = " ".join(SAMPLES["de"]) * 2, " ".join(SAMPLES["en"]) * 2
    found = tell_languages(([german] * 3 + [english] * 7) * 40)
    assert found.shares == pytest.approx({"en": 0.7, "de": 0.3}, abs=0.03)
    assert found.named == "English (70%), German (30%)"


ENGLISH_TABLES = {
    "ag_news_7600/train.csv": "description",
    "banking77/train.csv": "text",
    "cola/train.csv": "sentence",
    "icon_captions/captions.csv": "caption",
    "movie_reviews_long/dev.csv": "text",
    "mr_sentence_polarity/train.csv": "text",
    "mrpc/train.csv": "sentence1",
    "rte/train.csv": "sentence2",
    "snips/train.csv": "text",
    "sst2/train.csv": "text",
    "stsb/train.csv": "sentence1",
    "title_origins_netflix24/train.csv": "description",
    "trec/train.csv": "text",
    "umsab_multilingual_sentiment/english/train.csv": "text",
}


@pytest.mark.parametrize("name", ENGLISH_TABLES)
def test_no_english_set_is_taken_for_another(name):
    folder, _, file = name.rpartition("/")
    with (shared_data(folder) / file).open(encoding="utf-8", newline="") as handle:
        texts = [row[ENGLISH_TABLES[name]] for row in csv.DictReader(handle)]
    for part in (texts, texts[:50]):
        shares = tell_languages(part).shares
        assert not shares or shares["en"] > 0.95


@pytest.mark.parametrize("name", ["btc_en/dev", "wikiann_en/dev", "wikigold_en/train", "wnut17/train"])
def test_no_english_tweets_and_fragments_are_taken_for_another(name):
    folder, _, file = name.partition("/")
    blocks = (shared_data(folder) / f"{file}.conll").read_text(encoding="utf-8").split("\n\n")
    texts = [" ".join(line.split()[0] for line in block.splitlines() if line.strip()) for block in blocks]
    for part in (texts, texts[:50]):
        shares = tell_languages(part).shares
        assert not shares or shares["en"] > 0.9


@pytest.mark.parametrize(("name", "code"), [("german", "de"), ("arabic", "ar"), ("french", "fr")])
def test_tweets_of_other_languages_are_told(name, code):
    file = shared_data("umsab_multilingual_sentiment") / name / "train.csv"
    with file.open(encoding="utf-8", newline="") as handle:
        texts = [row["text"] for row in csv.DictReader(handle)]
    assert tell_languages(texts).shares[code] > 0.95
    assert tell_languages(texts[:30]).shares[code] > 0.9
