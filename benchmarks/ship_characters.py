"""Writes what the tokenizers library takes for letters, marks and spaces, for the page of an exported model.

    python benchmarks/ship_characters.py

The library and a browser know different versions of Unicode, and the library's parts know several. So the
page's tokenizers go by these lists, which the library itself is asked for, character by character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, normalizers, pre_tokenizers

import textgraft
from textgraft.tokenization.scripts import UNSPACED

TARGET = Path(textgraft.__file__).parent / "export" / "web" / "characters.js"
CHARACTERS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
STEP = 20_000


def matched(pattern: str) -> list[str]:
    cutter = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found = []
    for start in range(0, len(CHARACTERS), STEP):
        part = "".join(CHARACTERS[start : start + STEP])
        found += [part[begin:end] for _, (begin, end) in cutter.pre_tokenize_str(part)]
    return sorted("".join(found))


def bert(**options: bool) -> normalizers.Normalizer:
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**{**off, **options})


def packed(characters: Iterable[str]) -> str:
    """Write runs as base 36: how far it is from the end of the last one, and how long it is less one."""
    runs: list[list[int]] = []
    for character in sorted(characters):
        code = ord(character)
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    numbers, last = [], 0
    for begin, end in runs:
        numbers += [begin - last, end - begin]
        last = end
    return " ".join(map(base36, numbers))


def base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


def main() -> None:
    clean, accents = bert(clean_text=True), bert(strip_accents=True)
    cleaned = {character: clean.normalize_str(character) for character in CHARACTERS}
    punctuation = pre_tokenizers.Punctuation()
    classes = {
        "word": matched(r"\w"),
        # Within brackets the regular expressions' library has another idea of some characters, as ².
        "letter": matched(rf"[\w&&[^{UNSPACED}]]"),
        "other": matched(r"[^\w\s]"),
        "space": matched(r"\s"),
        "digit": matched(r"\d"),
        "mark": matched(r"\p{M}"),
        "unspaced": matched(f"[{UNSPACED}]"),
        "removed": [character for character, kept in cleaned.items() if not kept],
        "blank": [character for character, kept in cleaned.items() if kept == " "],
        "accent": [character for character in CHARACTERS if not accents.normalize_str(character)],
        "punctuation": [
            character for character in CHARACTERS if len(punctuation.pre_tokenize_str(f"a{character}")) == 2
        ],
    }
    lines = [f"  {name}: {json.dumps(packed(members))}," for name, members in classes.items()]
    TARGET.write_text(
        "// What Python's tokenizers take for what, in runs of code points.\n"
        "// Written by benchmarks/ship_characters.py.\n"
        "export const PACKED = {\n" + "\n".join(lines) + "\n};\n"
    )


if __name__ == "__main__":
    main()
