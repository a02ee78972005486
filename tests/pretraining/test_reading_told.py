"""Reading a corpus is told from its first pass on, in which the tokenizer is learned."""

from __future__ import annotations

from textgraft.pretraining.prepare import _Counted


def test_every_pass_over_the_texts_is_counted():
    told: list[int] = []
    texts = _Counted([f"text {number}" for number in range(250)], told.append)
    assert len(list(texts)) == len(list(texts)) == 250
    assert told == [100, 200, 100, 200]
