"""Which languages texts are written in, told by py3langid (after langid.py, Lui and Baldwin 2012).

A row of three words tells little, so short rows are read together with their neighbours, and only what is
told with confidence counts: what is wanted is a few shares over a whole data set.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from textgraft.data.dataset import Dataset

T = TypeVar("T")

SAMPLED = 500
"""Of more texts so many, evenly spaced, are looked at: a share is then right to within a few hundredths."""
CONFIDENT = 0.8
"""Least probability of a language for a passage to count."""
FEWEST_TOLD = 5
LEAST_TOLD = 0.05
"""Of fewer passages whose language is told, in number or as a fraction, nothing is concluded: they are names,
numbers or code."""
MOST_TOLD = 5000
"""Texts whose language is told one by one: some seconds."""
_TELLING = 20
"""Characters that tell a language, if little else stands beside them."""
_SHORT = 80
"""Characters below which a row is read together with the next."""
_LONG = 400
"""Characters of a passage that are looked at."""

NAMES = {
    "af": "Afrikaans", "am": "Amharic", "an": "Aragonese", "ar": "Arabic", "as": "Assamese",
    "az": "Azerbaijani", "ba": "Bashkir", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "br": "Breton", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish",
    "de": "German", "dz": "Dzongkha", "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fo": "Faroese", "fr": "French",
    "fy": "Western Frisian", "ga": "Irish", "gd": "Scottish Gaelic", "gl": "Galician", "gu": "Gujarati",
    "ha": "Hausa", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "ht": "Haitian Creole",
    "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "ig": "Igbo", "is": "Icelandic",
    "it": "Italian", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer",
    "kn": "Kannada", "ko": "Korean", "ku": "Kurdish", "ky": "Kyrgyz", "la": "Latin", "lb": "Luxembourgish",
    "lg": "Ganda", "ln": "Lingala", "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian", "mg": "Malagasy",
    "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "mt": "Maltese", "my": "Burmese", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "oc": "Occitan",
    "om": "Oromo", "or": "Odia", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese",
    "qu": "Quechua", "ro": "Romanian", "ru": "Russian", "rw": "Kinyarwanda", "sa": "Sanskrit",
    "se": "Northern Sami", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "sn": "Shona",
    "so": "Somali", "sq": "Albanian", "sr": "Serbian", "st": "Southern Sotho", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "tg": "Tajik", "th": "Thai", "tk": "Turkmen",
    "tl": "Tagalog", "tr": "Turkish", "tt": "Tatar", "ug": "Uyghur", "uk": "Ukrainian", "ur": "Urdu",
    "uz": "Uzbek", "vi": "Vietnamese", "xh": "Xhosa", "yo": "Yoruba", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
"""English names of languages by their ISO 639-1 codes."""

_PART_OF = {
    "arz": "ar", "ary": "ar", "wuu": "zh", "yue": "zh", "nn": "no", "nb": "no", "uzs": "uz", "sdh": "ku",
    "pcm": "en",
}  # fmt: skip
"""Varieties that count as the language that models name: dialects of Arabic and Chinese, both Norwegians; and
Nigerian Pidgin, which short English texts are taken for."""
_NO_LANGUAGE = "zxx"


@dataclass(frozen=True)
class Languages:
    """The languages of a data set's texts."""

    shares: dict[str, float]
    """By ISO 639 code, the fraction of the passages whose language was told; the largest first."""
    told: int
    """Passages whose language was told with confidence."""

    @property
    def main(self) -> list[str]:
        """The codes of those with at least a tenth."""
        return [code for code, share in self.shares.items() if share >= 0.1]

    @property
    def named(self) -> str:
        """The languages with at least a twentieth, for people: "German (96%)"."""
        return ", ".join(
            f"{language_name(code)} ({share:.0%})" for code, share in self.shares.items() if share >= 0.05
        )


def language_name(code: str) -> str:
    """Return the English name of a language, or its code where none is known."""
    return NAMES.get(code, code)


def tell_languages(texts: Sequence[str]) -> Languages:
    """Tell the languages of texts.

    Args:
        texts: The texts of a data set, in its order; of many some hundred are looked at.

    Returns:
        Their shares; none where too few passages tell theirs, as with numbers or names.
    """
    return _told(tuple(sample(texts)))


@functools.lru_cache(maxsize=16)
def _told(texts: tuple[str, ...]) -> Languages:
    """Tell the languages of a sample; every model of a comparison asks for those of the same rows."""
    found: Counter[str] = Counter()
    identify = _identifier()
    passages = _passages(texts)
    for passage in passages:
        code, confidence = identify(passage)
        if confidence >= CONFIDENT and code != _NO_LANGUAGE:
            found[_PART_OF.get(code, code)] += 1
    told = found.total()
    if told < max(FEWEST_TOLD, LEAST_TOLD * len(passages)):
        return Languages({}, told)
    return Languages({code: count / told for code, count in found.most_common()}, told)


def text_languages(texts: Sequence[str]) -> list[str | None]:
    """Tell the language of each text by itself.

    Args:
        texts: Of which at most the first :data:`MOST_TOLD` are looked at.

    Returns:
        Codes; None where a text is too short, or its language is not told with confidence.
    """
    identify = _identifier()
    told: list[str | None] = [None] * len(texts)
    for place, text in enumerate(texts[:MOST_TOLD]):
        part = " ".join(text[: 2 * _LONG].split())[:_LONG]
        if len(part) < _TELLING:
            continue
        code, confidence = identify(part)
        if confidence >= CONFIDENT and code != _NO_LANGUAGE:
            told[place] = _PART_OF.get(code, code)
    return told


def dataset_languages(dataset: Dataset) -> Languages:
    """Tell the languages of a data set's texts; none where its rows are no texts, as vectors."""
    has_text = any(isinstance(value, str) for column in dataset.columns.values() for value in column[:1])
    return tell_languages(dataset.texts) if has_text else Languages({}, 0)


def sample(texts: Sequence[T]) -> Sequence[T]:
    """Return at most :data:`SAMPLED` of the texts, or of other things, evenly spaced."""
    return texts[:: max(1, -(-len(texts) // SAMPLED))]


def _passages(texts: Sequence[str]) -> list[str]:
    """Join short texts with those after them, and cut long ones."""
    passages: list[str] = []
    open_passage = ""
    for text in texts:
        part = " ".join(text[: 2 * _LONG].split())
        open_passage = f"{open_passage}\n{part}" if open_passage else part
        if len(open_passage) >= _SHORT:
            passages.append(open_passage[:_LONG])
            open_passage = ""
    return passages + ([open_passage] if open_passage else [])


@functools.cache
def _identifier() -> Callable[[str], tuple[str, float]]:
    """Load the model: some seconds and 100 MB, once."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).classify
