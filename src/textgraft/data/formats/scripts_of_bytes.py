"""Which of the encodings older than UTF-8 a file is in, where its letters are not Latin ones.

In Latin text a letter beyond ASCII stands among others of ASCII; in Cyrillic, Greek, Hebrew, Arabic or Thai
text whole words lie beyond it, and in Chinese, Japanese and Korean whole sentences do. So it is the runs of
such bytes that tell the two apart; which encoding it is, of the latter, charset-normalizer tells.
"""

from __future__ import annotations

import re

_TITLES = {
    "cp1251": "Windows-1251",
    "koi8_r": "KOI8-R",
    "cp1253": "Windows-1253",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp874": "Windows-874",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "EUC-KR",
    "euc_jp": "EUC-JP",
    "cp932": "Shift-JIS",
}
"""Encodings that are told, as Python and as people name them."""
_BEYOND = re.compile(rb"[\x80-\xff]+")
_KANA = re.compile("[\u3041-\u30ff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_RUNS = 0.6
"""Share of the bytes beyond ASCII that stand side by side, from which on letters are not Latin."""
_SOME_KANA = 0.2


def tell_encoding(sample: bytes) -> tuple[str, str] | None:
    """Tell the encoding of text that is not UTF-8, where it is written in other than Latin letters.

    Args:
        sample: Lines that hold bytes beyond ASCII.

    Returns:
        Its name in Python and for people; None for Latin letters, and where it cannot be told.
    """
    runs = _BEYOND.findall(sample)
    beside = sum(len(run) for run in runs if len(run) > 1)
    if not runs or beside < _RUNS * sum(map(len, runs)):
        return None
    try:
        beyond = _NOT_ASCII.findall(sample.decode("cp932"))
        if sum(map(bool, map(_KANA.match, beyond))) > _SOME_KANA * len(beyond):
            return "cp932", _TITLES["cp932"]
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    found = from_bytes(sample, cp_isolation=list(_TITLES)).best()
    return (found.encoding, _TITLES[found.encoding]) if found and found.encoding in _TITLES else None
