"""Tiny tokenizers, objectives and models of each architecture, on the small corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from tests.pretraining.small_corpus import write_corpus
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.corpus.tokens import tokenize_corpus
from textgraft.pretraining.objectives.causal import CausalText
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.objectives.masking import Masking
from textgraft.pretraining.objectives.next_sentence import SentencePairs

LENGTH = 48
_SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": LENGTH + 2,
}


def make_objective(folder: Path, architecture: str) -> tuple[Any, Any]:
    """Return the tokenizer and the objective of "bert", "roberta" or "gpt"."""
    place = folder / "corpus"
    # Processes that run side by side must not write what another reads.
    corpus = read_corpus(place if place.is_dir() else write_corpus(place, documents=100))
    tokenizer = train_tokenizer(architecture, corpus.texts, vocabulary_size=330, max_length=LENGTH)
    is_causal = architecture == "gpt"
    train, dev = tokenize_corpus(
        corpus,
        tokenizer,
        unit="text" if is_causal else "sentences",
        dev_fraction=0.15,
        end_id=tokenizer.eos_token_id if is_causal else None,
        folder=folder,
    )
    if is_causal:
        return tokenizer, CausalText(train, dev, length=LENGTH)
    kind = SentencePairs if architecture == "bert" else FullSentences
    frame = Frame.of(tokenizer)
    examples = [kind(tokens, frame, length=LENGTH) for tokens in (train, dev)]
    return tokenizer, MaskedText(*examples, Masking.of(tokenizer))


def make_model(architecture: str, tokenizer: Any, seed: int = 0, dropout: float = 0.1) -> Any:
    """Return a new model with the heads that the architecture is trained with."""
    torch.manual_seed(seed)
    size = len(tokenizer)
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    if architecture == "bert":
        return BertForPreTraining(BertConfig(vocab_size=size, **_SHAPE, **rates))
    if architecture == "roberta":
        padding = tokenizer.pad_token_id
        config = RobertaConfig(vocab_size=size, pad_token_id=padding, type_vocab_size=1, **_SHAPE, **rates)
        return RobertaForMaskedLM(config)
    end = tokenizer.eos_token_id
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": LENGTH}
    return GPT2LMHeadModel(GPT2Config(vocab_size=size, bos_token_id=end, eos_token_id=end, **shape))
