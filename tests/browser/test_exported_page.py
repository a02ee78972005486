"""An exported model answers in a real browser, offline, and cuts texts as Python's tokenizers do."""

from __future__ import annotations

import functools
import json
import os
import threading
import unicodedata
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import textgraft
from tests.export.tiny_models import TEXTS, graft, recurrent
from tests.inference.tiny_heads import wordpiece
from textgraft import runtime
from textgraft.errors import OptionError
from textgraft.export.export import export
from textgraft.export.web_page import CACHE, PACKAGE, RUNTIME, VERSION
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
PAGE = Path(textgraft.__file__).parent / "export" / "web"
SAMPLES = [
    *TEXTS,
    "I don't; WON'T, can't'd it's 'twas we'll they'Re ſ'ſ n't",
    "1,000.50 and 3.14, ٣٫٤ ١٢٣ Ⅷ ½ x² 10%",
    "naïve café déjà-vu Ångström İstanbul ΣΑΣ ὈΔΥΣΣΕΎΣ ẞtraße ﬁne",
    "Kombı\u0307niert e\u0301te\u0301 \u1e9b\u0323 Việt Nam",
    "你好，世界！日本語のテキスト カタカナ한국어 ภาษาไทย ខ្មែរ မြန်မာ",
    "emoji 🎉👩‍👩‍👧‍👦🇩🇪❤️ 👍🏽 end",
    "control\x07 null\x00 soft\u00adhyphen zero\u200bwidth nb\u00a0space",
    "wide\u3000space \ufffd\ufeff tab\tline\nend",
    "[CLS] is text, [SEP] too [PAD][UNK] [MASK]ed",
    "קָמָץ العَرَبِيَّة हिन्दी தமிழ் ქართული",
    "x" * 120 + " short",
    "“quotes” ‘single’ – dash — … ¿qué? «oui» $5 €6 ^_^ `a`",
]


def random_texts(count: int) -> list[str]:
    """Make texts of characters of all planes."""
    generator = np.random.default_rng(0)
    # Of marks newer than this, browsers and the library may disagree which comes first.
    old = unicodedata.ucd_3_2_0
    codes = [code for code in range(0x20, 0x30000) if old.category(chr(code)) not in ("Cs", "Cn")]
    places = generator.integers(0, len(codes), (count, 40))
    plain = list("aZ 'nt.,1é\u0301 ")
    texts = []
    for row in places:
        fill = generator.choice(plain, len(row))
        texts.append("".join(chr(codes[at]) if n % 2 else fill[n] for n, at in enumerate(row)))
    return texts


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder behind HTTP: what it holds, and its address."""
    folder = tmp_path_factory.mktemp("served")
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _bert_uncased_tokenizer():
    """Return a WordPiece tokenizer of letters of many scripts."""
    from tokenizers import models

    tokenizer = wordpiece()
    letters = sorted(
        {c for text in SAMPLES for c in unicodedata.normalize("NFD", text.lower()) if not c.isspace()}
    )
    pieces = json.loads(tokenizer.to_str())["model"]["vocab"]
    for letter in letters:
        for piece in (letter, f"##{letter}", letter * 2):
            pieces.setdefault(piece, len(pieces))
    tokenizer.model = models.WordPiece(pieces, unk_token="[UNK]")
    return tokenizer


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["words", "words, cased", "wordpiece", "wordpiece, cased"])
def test_texts_are_cut_as_by_pythons_tokenizers(kind, browser, served):
    folder, address = served
    for name in ("tokenizer.js", "characters.js"):
        (folder / name).write_bytes((PAGE / name).read_bytes())
    (folder / "empty.html").write_text("<!doctype html><meta charset=utf-8><title>empty</title>")
    texts = SAMPLES + random_texts(300)
    cased = kind.endswith("cased")
    if kind.startswith("words"):
        tokenizer = train_word_tokenizer(texts, min_frequency=1, lowercase=not cased).backend_tokenizer
    else:
        from tokenizers import normalizers

        tokenizer = _bert_uncased_tokenizer()
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
        tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"])
    expected = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    browser.get(f"{address}/empty.html")
    script = """
        const [described, splitsSpecial, texts, done] = arguments;
        import("/tokenizer.js").then(({ Tokenizer }) => {
          const tokenizer = new Tokenizer(JSON.parse(described), splitsSpecial);
          done(texts.map((text) => tokenizer.ids(text)));
        }, (error) => done(String(error)));
    """
    described, splits = tokenizer.to_str(), tokenizer.encode_special_tokens
    found = browser.execute_async_script(script, described, splits, texts)
    assert isinstance(found, list), found
    for text, ids, wanted in zip(texts, found, expected, strict=True):
        assert ids == wanted, repr(text)


def browser_runtime() -> str:
    """Return a folder with onnxruntime-web, or skip the test."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "textgraft"
    folder = Path(os.environ.get("ONNXRUNTIME_WEB", home / CACHE / f"{PACKAGE}-{VERSION}"))
    if not all((folder / name).is_file() for name in RUNTIME):
        pytest.skip(f"{PACKAGE} is not here: $ONNXRUNTIME_WEB names a folder with its files")
    return str(folder)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["lstm", "lstm-int8", "multi-label", "graft", "graft-int8"])
def test_a_page_answers_as_the_model(name, browser, served):
    folder, address = served
    path = folder / name / "model"
    made = (
        graft(path, window=10)
        if name.startswith("graft")
        else recurrent(path, "multi-label" if name == "multi-label" else "classification")
    )
    runtime_folder = browser_runtime()
    export(made, folder / name / "page", format="web", runtime=runtime_folder, int8=name.endswith("int8"))
    browser.get(f"{address}/{name}/page/index.html")
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(
        lambda opened: opened.execute_script("return document.body.dataset.ready")
    )
    assert browser.execute_script("return document.getElementById('said').textContent").startswith("Ready")
    script = """
        const [texts, done] = arguments;
        (async () => { const found = []; for (const text of texts) found.push(await textgraft.predict(text));
        return found; })().then(done, (error) => done(String(error)));
    """
    found = browser.execute_async_script(script, TEXTS)
    assert isinstance(found, list), found
    for answer, wanted in zip(found, runtime.load(folder / name / "page").predict(TEXTS), strict=True):
        assert {key: value for key, value in answer.items() if "score" not in key} == {
            key: value for key, value in wanted.items() if "score" not in key
        }
        assert answer["scores"] == pytest.approx(wanted["scores"], abs=0.02 if "int8" in name else 1e-4)
    browser.find_element("id", "text").send_keys("the goal of the team")
    browser.find_element("id", "ask").click()
    WebDriverWait(browser, 30).until(
        lambda opened: opened.execute_script("return document.body.dataset.answered")
    )
    assert browser.find_element("id", "answer").text
    sources = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert sources
    assert all(source.startswith(address) for source in sources)
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [entry for entry in severe if "favicon.ico" not in entry["message"]]  # of the empty page


def test_without_the_browsers_runtime_a_page_is_refused_at_once(tmp_path):
    folder = recurrent(tmp_path / "model")
    with pytest.raises(OptionError, match="a page needs onnxruntime-web"):
        export(folder, tmp_path / "page", format="web")
    with pytest.raises(OptionError, match=r"the folder holds no ort\.wasm\.min\.js"):
        export(folder, tmp_path / "page", format="web", runtime=str(tmp_path))
    with pytest.raises(OptionError, match="only a page has such a runtime"):
        export(folder, tmp_path / "page", runtime="download")
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("name", "told"), [("pairs", "a model of pairs has no page"), ("tfidf", "of tfidf has no page")]
)
def test_what_the_page_cannot_answer_is_refused(name, told, tmp_path):
    from tests.export.tiny_models import tfidf

    folder = tfidf(tmp_path / "model") if name == "tfidf" else recurrent(tmp_path / "model", name)
    for file in RUNTIME:
        (tmp_path / file).write_text("")
    with pytest.raises(OptionError, match=told):
        export(folder, tmp_path / "page", format="web", runtime=str(tmp_path))
