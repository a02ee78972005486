"""Every pipeline with a default answers offline, and as well as its card says of plain inputs."""

from __future__ import annotations

import warnings

import pytest

from textgraft.inference.pipelines.factory import pipeline
from textgraft.inference.pipelines.shipped import BY_THEMSELVES, DEFAULTS, ON_ENCODER, TRANSLATIONS
from textgraft.models.shipped import FOLDER

MOST_MEGABYTES = 8


@pytest.mark.parametrize(
    ("name", "source", "accepted"),
    [
        ("translation_de_to_en", "Wo ist der Bahnhof?", {"Where is the station?", "Where's the station?"}),
        ("translation_en_to_de", "I have no time.", {"Ich habe keine Zeit."}),
    ],
)
def test_everyday_sentences_are_translated(name, source, accepted):
    (answer,) = pipeline(name)([source])
    assert answer["translation_text"] in accepted


def test_a_text_is_translated_sentence_by_sentence_and_what_has_no_letter_is_left():
    translate = pipeline("translation-de-en")
    one, other = translate(["Ich habe keine Zeit.", "Wo ist der Bahnhof?"])
    given = ["Ich habe keine Zeit. Wo ist der Bahnhof?", "", " \n", "😀 12!", "Ich habe keine Zeit. " * 2000]
    found = [result["translation_text"] for result in translate(given)]
    sentence = one["translation_text"]
    assert found == [f"{sentence} {other['translation_text']}", "", "", "😀 12!", " ".join([sentence] * 2000)]


@pytest.mark.parametrize(
    "odd",
    [
        "The train was late again and we missed the meeting.",
        "Le train était encore en retard et nous avons manqué la réunion.",
        "Поезд снова опоздал, и мы пропустили встречу.",
        "Der Ausschuss traf sich am Dienstag, um über die neue Schule zu sprechen.",
        "<div class='x'><p>Hallo &amp; willkommen</p></div>",
    ],
)
def test_a_translator_says_where_it_knows_nothing_like_an_input(odd):
    translate = pipeline("translation-de-en")
    with pytest.warns(UserWarning, match="of 1 of 2 texts the model is unsure"):
        translate([odd, "Ich habe keine Zeit."])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        translate(["Ich habe keine Zeit.", "Wo ist der Bahnhof?"])
        translate(odd, warn_below=0.0)


def test_a_text_in_capitals_is_translated_as_if_it_were_not():
    (found,) = pipeline("translation-de-en")("WO IST DER BAHNHOF? Ich habe keine Zeit.")
    assert found["translation_text"] == "WHERE IS THE STATION? I don't have time."


def test_a_text_does_not_go_round_in_circles():
    write = pipeline("text-generation")
    for prompt in ("The train was late again and we missed the meeting.", "😀🚀🔥 great day", ""):
        texts = [write(prompt, no_repeat_ngram_size=size)[0]["generated_text"] for size in (None, 0)]
        repeats = []
        for text in texts:
            ids = write.source.tokenizer(text, add_special_tokens=False)["input_ids"]
            threes = list(zip(ids, ids[1:], ids[2:], strict=False))
            repeats.append(len(threes) - len(set(threes)))
        assert repeats[0] <= 2, texts[0]  # a text that is cut into tokens anew may have other ones
        assert repeats[1] > 5


def test_a_masked_word_is_guessed_from_what_stands_around_it():
    found = pipeline("fill-mask")("She lives in a small [MASK] near the sea.", top_k=8)
    assert {"town", "village"} <= {one["token_str"].strip() for one in found}


def test_a_text_goes_on():
    start = "The old man went"
    (found,) = pipeline("text-generation")(start, max_new_tokens=12, do_sample=False)
    assert found["generated_text"].startswith(start)
    assert len(found["generated_text"].split()) > 6


def test_each_has_a_card_and_little_weight():
    for name in {*DEFAULTS.values(), *TRANSLATIONS.values()}:
        card = (FOLDER / name / "README.md").read_text()
        assert "|---|" in card, "figures"
        assert "Not good for" in card or "Limits: " in card, name
        assert sum(file.stat().st_size for file in (FOLDER / name).iterdir()) < MOST_MEGABYTES * 1e6, name
    for name in ON_ENCODER:
        assert pipeline(name) is not None
    assert set(BY_THEMSELVES) <= set(DEFAULTS)
