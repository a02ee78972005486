"""An encoder that does not read the language of the texts is told from one that does."""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import shared_data
from tests.data.test_languages import ENGLISH_TABLES, SAMPLES
from textgraft.data.dataset import Dataset
from textgraft.models.encoder_languages import (
    card_languages,
    encoder_fit,
    encoder_warning,
    language_model_warning,
)
from textgraft.models.encoders import EncoderSource, resolve_encoder


@pytest.fixture(scope="module")
def bundled() -> EncoderSource:
    return resolve_encoder()


def rows(texts: list[str]) -> Dataset:
    return Dataset.unlabelled({"text": texts})


def with_card(bundled: EncoderSource, folder: Path, card: str | None) -> EncoderSource:
    """The bundled encoder's tokenizer with another card, or none."""
    folder.mkdir()
    shutil.copy(bundled.path / "tokenizer.json", folder)
    if card is not None:
        (folder / "README.md").write_text(card)
    return replace(bundled, name=str(folder), path=folder)


@pytest.mark.parametrize(
    ("language", "name"), [("de", "German"), ("es", "Spanish"), ("ar", "Arabic"), ("zh", "Chinese")]
)
def test_an_english_encoder_does_not_read_other_languages(bundled, language, name):
    warning = encoder_warning(bundled, rows(SAMPLES[language] * 20))
    assert warning is not None
    assert f"The texts are {name}" in warning
    assert "reads English by its card" in warning
    assert f"tells nothing about BERT in {name}" in warning
    assert "--encoder" in warning


def test_it_reads_english_however_short_or_mixed(bundled):
    tweets = ["@user lol SO true!!! #fail http://t.co/x1", "omg u r right 😂😂", "gonna b late 2day :("]
    mixed = ["yaar this movie bahut achhi thi", "kya baat hai bro, nice one", "chalo let us go to the match"]
    for texts in (SAMPLES["en"], tweets, mixed, ["good", "bad", "ok"], ["4711", "12.5"]):
        assert encoder_warning(bundled, rows(texts * 30)) is None
    # A few rows of another language do not make the scores meaningless.
    assert encoder_warning(bundled, rows(SAMPLES["en"] * 30 + SAMPLES["de"] * 5)) is None
    assert encoder_warning(bundled, rows(SAMPLES["en"] * 30 + SAMPLES["de"] * 30)) is not None


@pytest.mark.parametrize("language", ["de", "ar", "ru", "zh", "th"])
def test_without_a_card_the_cut_words_tell(bundled, tmp_path, language):
    source = with_card(bundled, tmp_path / "encoder", None)
    warning = encoder_warning(source, rows(SAMPLES[language] * 30))
    assert warning is not None
    assert "by its card" not in warning
    assert encoder_warning(source, rows(SAMPLES["en"] * 30)) is None


def test_a_multilingual_card_is_not_believed_where_words_fall_into_letters(bundled, tmp_path):
    source = with_card(bundled, tmp_path / "encoder", "---\nlanguage: multilingual\n---\n")
    assert "single letters" in (encoder_warning(source, rows(SAMPLES["ru"] * 30)) or "")


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlanguage: en\n---\n", ("en",)),
        ("---\nlanguage:\n- de\n- pt-BR\n- no\n---\n", ("de", "pt", "no")),
        ("---\nlanguage: German\n---\n", ("de",)),
        ("---\nlanguage: multilingual\n---\n", None),
        ("---\nlanguage: [klingon, 17, {a: b}]\n---\n", None),
        ("---\nlanguage: en\n", None),
        ("---\n- a list\n---\n", None),
        ("---\nlanguage: [\n---\n", None),
        ("# A card without front matter\n", None),
        (None, None),
    ],
)
def test_the_languages_of_a_card(bundled, tmp_path, card, expected):
    assert card_languages(with_card(bundled, tmp_path / "encoder", card)) == expected


@pytest.mark.parametrize("name", ENGLISH_TABLES)
def test_no_english_set_gives_a_false_alarm(bundled, name):
    folder, _, file = name.rpartition("/")
    with (shared_data(folder) / file).open(encoding="utf-8", newline="") as handle:
        texts = [row[ENGLISH_TABLES[name]] for row in csv.DictReader(handle)]
    assert encoder_warning(bundled, rows(texts[:1000])) is None


@pytest.mark.slow
@pytest.mark.parametrize("language", ["german", "arabic", "french", "italian", "english"])
def test_a_multilingual_encoder_reads_what_the_bundled_one_does_not(bundled, language):
    """$TEXTGRAFT_MULTILINGUAL is a folder with multilingual-e5-small, which has no card."""
    folder = os.environ.get("TEXTGRAFT_MULTILINGUAL")
    if not folder:
        pytest.skip("no multilingual encoder is here: set TEXTGRAFT_MULTILINGUAL to its folder")
    file = shared_data("umsab_multilingual_sentiment") / language / "train.csv"
    with file.open(encoding="utf-8", newline="") as handle:
        tweets = rows([row["text"] for row in csv.DictReader(handle)])
    assert encoder_warning(resolve_encoder(folder), tweets) is None
    assert (encoder_warning(bundled, tweets) is None) == (language == "english")


def test_what_was_found_can_be_looked_at(bundled):
    fit = encoder_fit(bundled, rows(SAMPLES["de"] * 20))
    assert fit.reads == ("en",)
    assert fit.unread["de"] > 0.9
    assert fit.cuts is not None
    assert fit.cuts.pieces_a_word > 1.5 * fit.english_pieces


def test_a_language_model_of_another_language_is_told_by_its_card(bundled, tmp_path):
    for number, (card, is_said) in enumerate([("de", True), ("[de, en]", False), ("multilingual", False)]):
        source = with_card(bundled, tmp_path / str(number), f"---\nlanguage: {card}\n---\n")
        warning = language_model_warning(source, rows(SAMPLES["en"] * 20))
        assert (warning is not None) == is_said
        assert not warning or "was trained on German" in warning
    assert (
        language_model_warning(with_card(bundled, tmp_path / "bare", None), rows(SAMPLES["en"] * 20)) is None
    )
