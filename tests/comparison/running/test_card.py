"""The model card: what the Hub reads of it, and names that try to be markup."""

from __future__ import annotations

import types

import pytest
import yaml

from tests.models.every_model import EVERY
from tests.tiny import save_tiny_bert
from textgraft.comparison.running.card import model_card
from textgraft.models.encoders import EncoderSource, resolve_encoder
from textgraft.models.manifest import Manifest
from textgraft.tasks.text.classification import SingleLabelClassification

HOSTILE = "x: y`\n---\n# [click](http://a) <b>\x1b[31m"
COST = types.SimpleNamespace(
    training_seconds=1.0, latency_ms_p50=2.0, throughput_per_second=3.0, model_mb=4.0
)
TRIAL = types.SimpleNamespace(size=10, seed=0, settings={"c": 1.0}, cost=COST, writing=None, shots=None)


def card(begun_from=None, name="tiny", labels=("a", "b"), languages=("en",)):
    manifest = Manifest(
        task="classification", task_settings={}, contender="tfidf", text_columns=[name], label_column="label",
        max_length=60, temperature=1.0, calibration=0.5, data_source=name, data_hash="0", training={},
        metrics={"accuracy": 0.5}, dev_score=0.0, golden=[],
    )  # fmt: skip
    task = SingleLabelClassification(list(labels))
    model = EVERY["tfidf"].build(None)
    return model_card(manifest, TRIAL, task, model, begun_from=begun_from, languages=languages)


def front(text):
    opening, matter, body = text.split("---\n", 2)
    assert opening == ""
    return yaml.safe_load(matter), body


@pytest.fixture
def folder(tmp_path):
    return save_tiny_bert(tmp_path / "bert")


def test_what_begins_from_nothing_claims_no_licence_and_no_base():
    matter, body = front(card())
    assert matter == {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["textgraft", "tfidf"],
        "language": ["en"],
    }
    assert "No licence is stated" in body
    assert "temperature (0.50)" in body


def test_the_bundled_encoder_gives_its_licence_and_its_name(folder):
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: en\n---\n")
    matter, body = front(card(EncoderSource("bundled", folder, "0")))
    assert matter["license"] == "apache-2.0"
    assert matter["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert "`apache-2.0`" in body


def test_the_hub_names_the_base_and_a_folder_none(folder):
    matter, _ = front(card(EncoderSource("owner/name", folder, "0")))
    assert matter["base_model"] == "owner/name"
    assert "license" not in matter
    matter, body = front(card(resolve_encoder(folder)))
    assert "base_model" not in matter
    assert "states no licence" in body


@pytest.mark.parametrize("written", ["---\nlicense: [1]\n---\n", "---\n- a\n---\n", "---\n{\n---\n", "none"])
def test_a_card_that_says_nothing_of_use_is_no_matter(written, folder):
    (folder / "README.md").write_text(written)
    assert "license" not in front(card(EncoderSource("bundled", folder, "0")))[0]


def test_names_are_text_and_never_markup(folder):
    (folder / "README.md").write_text("---\nlicense: 'x`\n\n  y: z'\n---\n")
    text = card(resolve_encoder(folder), name=HOSTILE, labels=(HOSTILE, "[b](c)"), languages=())
    matter, body = front(text)
    assert set(matter) == {"library_name", "pipeline_tag", "tags", "license"}
    assert "\n# \\[click" not in body
    as_code = "`` x: y` --- # [click](http://a) <b>[31m ``"
    assert as_code in body
    assert "[click](" not in body.replace(as_code, "")
    assert "\x1b" not in body
    assert "\\[b\\](c)" in body
