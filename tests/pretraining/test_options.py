"""The keywords that editors and type checkers are told of are those that the checked records have."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from textgraft.errors import OptionError
from textgraft.pretraining.config import PretrainConfig, PretrainOptions
from textgraft.pretraining.pretrain import plan_pretraining, pretrain
from textgraft.pretraining.vectors.word_vectors import METHODS, VectorOptions, word_vectors


def test_those_of_pretraining() -> None:
    told, checked = get_type_hints(PretrainOptions), get_type_hints(PretrainConfig)
    assert list(told) == list(PretrainConfig.model_fields)
    for name, hint in told.items():
        # A time may be written, too.
        expected = {*get_args(checked[name]), str} if name == "budget" else checked[name]
        assert (set(get_args(hint)) if name == "budget" else hint) == expected, name


def test_those_of_word_vectors() -> None:
    told = get_type_hints(VectorOptions)
    checked: dict[str, object] = {}
    for settings in METHODS.values():
        hints = get_type_hints(settings)
        checked |= {field.name: hints[field.name] for field in fields(settings)}
    assert told == checked


@pytest.mark.parametrize(
    "call",
    [
        lambda: pretrain("nowhere.txt", "out", vocabulary_sise=10),
        lambda: plan_pretraining("nowhere.txt", vocabulary_sise=10),
        lambda: word_vectors("nowhere.txt", windov=3),
    ],
)
def test_a_misspelt_one_is_told_before_the_corpus_is_looked_for(call) -> None:
    with pytest.raises(OptionError, match=r"unknown .*\nDid you mean '(vocabulary_size|window)'"):
        call()
