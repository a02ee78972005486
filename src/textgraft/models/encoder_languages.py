"""Whether an encoder reads the language of some texts: what its card says, and how its tokenizer cuts them.

An encoder that does not know the language makes TF-IDF look like enough. Nothing in a score tells the two
apart, so it is told beforehand: by the languages that the encoder's card names, and by words that fall into
single letters or unknown pieces, whatever the card says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textgraft.data.languages import NAMES, Languages, dataset_languages, language_name, sample
from textgraft.models.encoder_card import front_matter
from textgraft.models.encoders import EncoderSource, load_tokenizer
from textgraft.wording import listing

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from textgraft.data.dataset import Dataset

UNREAD = 0.3
"""Fraction of the texts in languages that the encoder does not read from which its scores say nothing."""
NOTICED = 0.05
"""Fraction below which a language is not spoken of."""
UNKNOWN = 0.2
"""Fraction of pieces that stand for nothing in the vocabulary from which a text is not read."""
LETTERS = 1.5
SYLLABLES = 0.8
"""Characters a piece below which words are cut into their letters, and syllables of Hangul into theirs."""
PIECES = 1.8
TIMES_ENGLISH = 1.75
"""A tokenizer made for a language cuts its words into one to two pieces: multilingual ones were measured at
1.3 to 1.7 on European languages and Arabic. More, and so many times more than of English words, means that it
was made for English."""
_FEWEST_LETTERS = 200
_MULTILINGUAL = frozenset({"multilingual", "multi", "mul"})
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
"""Scripts whose words are not parted by spaces, and Hangul, where a character is a syllable: there, pieces a
word and characters a piece tell nothing."""
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff\u200c\u200d'’])*")
"""Letters with the marks that combine with them."""
_ENGLISH = (
    "The committee met on Tuesday, but it could not agree on the date of the next election.",
    "She had walked along the river for most of the afternoon, past the boats and the old warehouses.",
    "I really liked this place, the food was great and the people were very friendly.",
    "Please tell me how long it takes until the money arrives on my account.",
    "Nobody would ask why her coat was wet, or where she had been all day.",
)


@dataclass(frozen=True)
class Cuts:
    """How a tokenizer cuts the words of some texts; words are runs of letters, without handles and links."""

    pieces_a_word: float
    characters_a_piece: float
    unknown: float
    """Fraction of the pieces that stand for nothing in the vocabulary, 0 to 1."""
    unspaced: bool
    """Whether the words are mainly of scripts without spaces between them."""


@dataclass(frozen=True)
class EncoderFit:
    """An encoder and the languages of some texts."""

    encoder: str
    """As the user named it."""
    languages: Languages
    reads: tuple[str, ...] | None
    """ISO 639 codes of the languages that the encoder's card names; None where it names none, or calls itself
    multilingual."""
    cuts: Cuts | None
    """None where there are too few words."""
    english_pieces: float
    """Pieces that the tokenizer makes of an English word."""

    @property
    def unread(self) -> dict[str, float]:
        """The languages that the encoder's card does not name, with their fractions of the texts."""
        if self.reads is None:
            return {}
        shares = self.languages.shares.items()
        return {code: share for code, share in shares if share >= NOTICED and code not in self.reads}

    @property
    def warning(self) -> str | None:
        """What does not fit, what follows from it and what to do; None where nothing speaks against it."""
        by_card = sum(self.unread.values()) >= UNREAD
        by_cuts = self._poorly_cut()
        if not by_card and not by_cuts:
            return None
        shares = self.languages.shares.items()
        wanted = list(self.unread) or [code for code, share in shares if share >= NOTICED]
        named = listing([language_name(code) for code in wanted])
        reads = f"reads {self.reading} by its card" if by_card else None
        how = " and ".join(filter(None, (reads, by_cuts or self._pieces())))
        return (
            f"The texts are {self.languages.named}, but the encoder {self.encoder!r} {how}. "
            f"What is measured with it tells nothing about BERT in {named}: with --encoder, name one for "
            f"{named} or a multilingual one, as intfloat/multilingual-e5-small."
        )

    @property
    def reading(self) -> str:
        """The languages that the encoder's card names, for people."""
        names = [language_name(code) for code in self.reads or ()]
        return f"{listing(names[:4])} and {len(names) - 4} others" if len(names) > 5 else listing(names)

    def _poorly_cut(self) -> str | None:
        """Say how words are cut that the tokenizer was not made for; None where it may have been."""
        cuts = self.cuts
        if cuts is None:
            return None
        if cuts.unknown > UNKNOWN:
            return f"does not know {cuts.unknown:.0%} of the pieces of their words"
        if cuts.characters_a_piece < (SYLLABLES if cuts.unspaced else LETTERS):
            return f"cuts their words into single letters, {cuts.pieces_a_word:.1f} pieces a word"
        is_foreign = self.reads is None and next(iter(self.languages.shares), "en") != "en"
        many = not cuts.unspaced and cuts.pieces_a_word > max(PIECES, TIMES_ENGLISH * self.english_pieces)
        return self._pieces() if is_foreign and many else None

    def _pieces(self) -> str | None:
        if self.cuts is None or self.cuts.unspaced:
            return None
        cuts, english = self.cuts.pieces_a_word, self.english_pieces
        return f"cuts their words into {cuts:.1f} pieces, English ones into {english:.1f}"


def encoder_fit(source: EncoderSource, dataset: Dataset) -> EncoderFit:
    """Hold the languages of a data set's texts against an encoder.

    Args:
        source: The encoder's files.
        dataset: Rows with texts; of many some hundred are looked at.

    Raises:
        ModelError: The encoder's tokenizer is missing or damaged.
    """
    tokenizer = load_tokenizer(source.unprompted)
    english = measure_cuts(tokenizer, _ENGLISH)
    languages = dataset_languages(dataset)
    return EncoderFit(
        encoder=source.name,
        languages=languages,
        reads=card_languages(source),
        cuts=measure_cuts(tokenizer, sample(dataset.texts)) if languages.shares else None,
        english_pieces=english.pieces_a_word if english else 1.0,
    )


def encoder_warning(source: EncoderSource, dataset: Dataset) -> str | None:
    """Say that an encoder does not read the texts, and what to do; None where nothing speaks against it.

    The arguments are those of :func:`encoder_fit`.
    """
    return encoder_fit(source, dataset).warning


def language_model_warning(source: EncoderSource, dataset: Dataset) -> str | None:
    """Say that a recurrent language model was trained on another language than the texts', and what to do.

    Only its card tells: its words are those of its corpus, and new ones are added to them.

    Args:
        source: The language model's files.
        dataset: Rows with texts; of many some hundred are looked at.

    Returns:
        None where nothing speaks against it, or its card names no language.
    """
    languages = dataset_languages(dataset)
    fit = EncoderFit(source.name, languages, card_languages(source), cuts=None, english_pieces=1.0)
    if sum(fit.unread.values()) < UNREAD:
        return None
    named = listing([language_name(code) for code in fit.unread])
    return (
        f"The texts are {languages.named}, but by its card the language model {source.name!r} was trained on "
        f"{fit.reading}. What is measured with it tells nothing about language models of {named}: with "
        "--language-model, name one of those."
    )


def card_languages(source: EncoderSource) -> tuple[str, ...] | None:
    """Return the languages that the front matter of the encoder's README.md names, as ISO 639 codes.

    Returns:
        None where there is no card, it names no language that is known here, or it says "multilingual".
    """
    given: Any = front_matter(source).get("language")
    values = [value for value in (given if isinstance(given, list) else [given]) if value is not None]
    # YAML 1.1 takes Norwegian's "no" for False.
    names = ["no" if value is False else str(value).strip().lower() for value in values]
    if _MULTILINGUAL.intersection(names):
        return None
    by_name = {name.lower(): code for code, name in NAMES.items()}
    codes = (by_name.get(name, re.split("[-_]", name)[0]) for name in names)
    return tuple(dict.fromkeys(code for code in codes if code in NAMES)) or None


def measure_cuts(tokenizer: Tokenizer, texts: Sequence[str]) -> Cuts | None:
    """Measure how a tokenizer cuts the words of texts; None where there are too few to tell."""
    words = [word for text in texts for word in _words(text[:2000])]
    letters = sum(map(len, words))
    if letters < _FEWEST_LETTERS:
        return None
    pieces = [
        piece
        for encoding in tokenizer.encode_batch(words, add_special_tokens=False)
        for piece in encoding.ids
    ]
    unspaced = sum(len(_UNSPACED.findall(word)) for word in words)
    unknown = {tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>", "<|unk|>")} - {None}
    return Cuts(
        pieces_a_word=len(pieces) / len(words),
        characters_a_piece=letters / max(1, len(pieces)),
        unknown=sum(piece in unknown for piece in pieces) / max(1, len(pieces)),
        unspaced=unspaced > letters / 2,
    )


def _words(text: str) -> list[str]:
    """Return the plain words of a text: no handles, tags, links or numbers."""
    found = []
    for part in text.split():
        if not any(mark in part for mark in "@#/_<>{}=") and not any(map(str.isdigit, part)):
            found += re.findall(
                r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff\u200c\u200d'’])*", part
            )
    return found
