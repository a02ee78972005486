"""A tiny random encoder–decoder of every family, and sources for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

import textgraft.models.auto  # noqa: F401  registers our architectures
from tests.tiny import save_tiny_bert
from textgraft.models.encoders import resolve_encoder
from textgraft.models.generation.encoder_decoder import bert_to_bert, bert_to_gpt, transformer
from textgraft.models.recurrent.captioner import CaptionerConfig, CaptionerForSeq2SeqLM
from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig

VOCABULARY, VECTOR = 30, 5


def recurrent(**changes: Any) -> RecurrentForSeq2SeqLM:
    torch.manual_seed(0)
    small = {"vocab_size": VOCABULARY, "embedding_size": 12, "hidden_size": 16}
    return RecurrentForSeq2SeqLM(RecurrentSeq2SeqConfig(**{**small, **changes})).eval()


def captioner(**changes: Any) -> CaptionerForSeq2SeqLM:
    torch.manual_seed(0)
    small = {"vector_size": VECTOR, "vocab_size": VOCABULARY, "embedding_size": 12, "hidden_size": 16}
    return CaptionerForSeq2SeqLM(CaptionerConfig(**{**small, **changes})).eval()


def tiny_transformer(**changes: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "feed_forward_size": 32, "max_length": 32}
    return transformer(**{"vocab_size": VOCABULARY, **small, **changes}).eval()


def around_bert(build: Callable[..., Any], folder: Path, **changes: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    return build(resolve_encoder(save_tiny_bert(folder / "bert")), **changes)[0]


FAMILIES: dict[str, Callable[[Path], PreTrainedModel]] = {
    "fixed vector": lambda _: recurrent(attention="none"),
    "bahdanau": lambda _: recurrent(attention="bahdanau", cell="gru", num_layers=2),
    "luong": lambda _: recurrent(num_layers=2, bidirectional=False),
    "luong, fed": lambda _: recurrent(input_feeding=True, decoder_vocab_size=25, cell="gru"),
    "elman": lambda _: recurrent(cell="rnn"),
    "captioner by state": lambda _: captioner(num_layers=2),
    "captioner by token": lambda _: captioner(injection="token", cell="gru"),
    "transformer": lambda _: tiny_transformer(),
    "transformer, two vocabularies": lambda _: tiny_transformer(decoder_vocab_size=25),
    "bert to bert": lambda folder: around_bert(bert_to_bert, folder),
    "bert to bert, copying": lambda folder: around_bert(bert_to_bert, folder, copies=True),
    "bert to gpt": lambda folder: around_bert(bert_to_gpt, folder, num_layers=2, num_heads=2),
}


def resolute(model: PreTrainedModel) -> PreTrainedModel:
    """Make the weights of a random model larger, so that it does not find all words alike."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                parameter.mul_(1.5)
    return model


def sources(
    model: PreTrainedModel, rows: int = 8, longest: int = 9, extra: int = 0
) -> dict[str, torch.Tensor]:
    """Draw a batch of sources of mixed lengths, right-padded with ``extra`` more columns than they need."""
    generator = torch.Generator().manual_seed(1)
    if model.main_input_name == "vectors":
        return {"vectors": 2 * torch.randn(rows, VECTOR, generator=generator)}
    ids = torch.randint(5, VOCABULARY, (rows, longest), generator=generator)
    lengths = 1 + (torch.arange(rows) * 5) % longest
    mask = (torch.arange(longest + extra) < lengths.unsqueeze(1)).long()
    return {"input_ids": torch.nn.functional.pad(ids, (0, extra)) * mask, "attention_mask": mask}


def targets(model: PreTrainedModel, rows: int = 8, longest: int = 6) -> torch.Tensor:
    """Draw labels of mixed lengths, -100 at padding."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(3, 25, (rows, longest), generator=generator)
    lengths = 1 + (torch.arange(rows) * 3) % longest
    return labels.masked_fill(torch.arange(longest) >= lengths.unsqueeze(1), -100)
