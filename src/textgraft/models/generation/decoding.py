"""Decoding: the most likely target of each source, by greedy or beam search.

One loop serves every encoder–decoder, recurrent or Transformer, through the calls that Transformers' own
``generate`` makes: the encoder runs once, then the decoder once a step on the newest words alone, with its
states or its keys and values cached. It gives the same words as ``generate``, and differs in what it does not
compute: a source that is finished leaves the batch, and what depends on the source alone is never reordered
among its beams. Sampling goes through ``generate``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from textgraft.models.baselines.lookup import WritesLookedUp
from textgraft.models.recurrent.decoder import DecoderState

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.utils import ModelOutput


@dataclass(frozen=True)
class DecodingSettings:
    """How targets are searched for.

    The names are those of Transformers' ``GenerationConfig``.
    """

    max_new_tokens: int = 128
    """Most words of a target, the end token included."""
    num_beams: int = 1
    """Targets followed at once; 1 is greedy search."""
    length_penalty: float = 1.0
    """With beams: scores are divided by the target's length to this power; above 0 it favours long ones."""
    no_repeat_ngram_size: int = 0
    """No sequence of so many words stands twice in a target; 0: no such ban."""
    early_stopping: bool = False
    """With beams: whether a source is done as soon as it has ``num_beams`` ended targets. Otherwise it is
    done when no target that goes on can become better than these."""


@dataclass(frozen=True)
class Decoded:
    """The target found for one source."""

    tokens: list[int]
    """Without start and end token."""
    log_probability: float
    """Of all its words, the end token included, in nats."""
    length: int
    """How many words that counts."""

    @property
    def token_probability(self) -> float:
        """Geometric mean of its words' probabilities."""
        return math.exp(self.log_probability / max(1, self.length))


class _Decoder:
    """The decoder's side of a model: encoded sources, one row each or one row a beam, and its cache.

    Args:
        model: The encoder–decoder.
        sources: What its encoder takes, longest first.
    """

    def __init__(self, model: PreTrainedModel, sources: Mapping[str, Tensor]) -> None:
        self.model = model
        self.encoded = _encode(model.get_encoder(), sources)
        self.mask = {name: sources[name] for name in sources if name == "attention_mask"}
        self.cache: Any = None

    def logits(self, words: Tensor) -> Tensor:
        """Read the newest word of every row [rows], and score those that may follow [rows, vocabulary]."""
        outputs = self.model(
            encoder_outputs=self.encoded,
            decoder_input_ids=words.unsqueeze(1),
            past_key_values=self.cache,
            use_cache=True,
            **self.mask,
        )
        self.cache = outputs.past_key_values
        return outputs.logits[:, -1].float()

    def keep(self, rows: Tensor, sources: Tensor) -> None:
        """Go on with some rows alone, in this order; a row that stands there several times becomes several.

        Args:
            rows: To go on from, those of one source side by side.
            sources: To which they belong, each once.
        """
        self.mask = {name: tensor.index_select(0, rows) for name, tensor in self.mask.items()}
        if isinstance(self.cache, DecoderState):
            # It holds all that the decoder needs of the sources, so that what was encoded is no longer read.
            self.cache.keep(rows, sources)
        else:
            self.encoded = _changed(self.encoded, lambda name, tensor: tensor.index_select(0, rows))
            self.cache.batch_select_indices(rows)

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from row ``rows[i]``, a beam of the same source: what hangs on the source stays."""
        getattr(self.cache, "self_attention_cache", self.cache).reorder_cache(rows)


def _encode(encoder: nn.Module, sources: Mapping[str, Tensor]) -> ModelOutput:
    """Encode sources, longest first, in pieces of similar length: less than half of a piece is padding."""
    if "attention_mask" not in sources:
        return encoder(**sources)
    lengths = sources["attention_mask"].sum(dim=1).clamp(min=1).tolist()
    pieces, start = [], 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or 2 * lengths[end] < lengths[start]:
            piece = {name: tensor[start:end, : lengths[start]] for name, tensor in sources.items()}
            pieces.append(encoder(**piece))
            start = end
    if len(pieces) == 1:
        return pieces[0]

    def joined(name: str, _: Tensor) -> Tensor:
        parts = [piece[name] for piece in pieces]
        return torch.cat([_widened(part, lengths[0]) for part in parts] if name in _TIMED else parts)

    return _changed(pieces[0], joined)


_TIMED = ("last_hidden_state", "mask", "source_ids")
"""Outputs of an encoder that have a place for every token of a source, [batch, time, …]."""


def _widened(tensor: Tensor, time: int) -> Tensor:
    """Pad [batch, shorter time, …] with zeros to [batch, time, …]."""
    wide = tensor.new_zeros(len(tensor), time, *tensor.shape[2:])
    wide[:, : tensor.shape[1]] = tensor
    return wide


def _changed(outputs: ModelOutput, change: Callable[[str, Tensor], Tensor]) -> ModelOutput:
    """Return a model's outputs with each tensor exchanged for what ``change(name, tensor)`` returns."""
    tensors = {name: value for name, value in outputs.items() if isinstance(value, Tensor)}
    return type(outputs)(**{name: change(name, tensor) for name, tensor in tensors.items()})


@torch.inference_mode()
def decode_batch(
    model: PreTrainedModel, batch: Mapping[str, Tensor], settings: DecodingSettings
) -> list[Decoded]:
    """Find a target for each source of a batch.

    Args:
        model: Any encoder–decoder, in evaluation mode. Start and end of a target are those of its
            ``generation_config``, whose other settings have no part in this.
        batch: What its encoder takes, right-padded: input_ids and attention_mask, or vectors. ``labels`` are
            not looked at.
        settings: How to search. For a model whose texts are known before the first word, only
            ``max_new_tokens`` counts: there is nothing to be searched for.
    """
    sources = {name: tensor for name, tensor in batch.items() if name != "labels"}
    if isinstance(model, WritesLookedUp):
        return _looked_up(model, sources, settings.max_new_tokens)
    order = list(range(len(next(iter(sources.values())))))
    if "attention_mask" in sources:
        lengths, longest_first = sources["attention_mask"].sum(dim=1).sort(descending=True, stable=True)
        longest = max(1, int(lengths[0]))
        sources = {name: tensor[longest_first, :longest] for name, tensor in sources.items()}
        order = longest_first.tolist()
    decoder = _Decoder(model, sources)
    start = model.generation_config.decoder_start_token_id
    ends = torch.tensor(model.generation_config.eos_token_id, device=model.device).flatten()
    words = torch.full((len(order), 1), start, device=model.device)
    found = (_greedy if settings.num_beams == 1 else _beams)(decoder, words, ends, settings)
    return [target for _, target in sorted(zip(order, found, strict=True), key=lambda pair: pair[0])]


def _looked_up(model: Any, sources: Mapping[str, Tensor], most: int) -> list[Decoded]:
    """Take texts as they were looked up, up to the first word that ends one or ``most`` words."""
    words, likely = model.found_texts(sources)
    words, likely = words[:, :most], likely[:, :most]
    ends = torch.tensor(model.generation_config.eos_token_id, device=words.device).flatten()
    ended = torch.isin(words, ends)
    # Where none ends it, the last word counts.
    lengths = torch.where(ended.any(dim=1), ended.int().argmax(dim=1), words.shape[1] - 1) + 1
    read = torch.arange(words.shape[1], device=words.device) < lengths[:, None]
    scores = likely.masked_fill(~read, 0.0).sum(dim=1)
    return [
        Decoded(row[: length - stops], score, length)
        for row, length, stops, score in zip(
            words.tolist(), lengths.tolist(), ended.any(dim=1).tolist(), scores.tolist(), strict=True
        )
    ]


def _greedy(decoder: _Decoder, words: Tensor, ends: Tensor, settings: DecodingSettings) -> list[Decoded]:
    """Take the most likely word at every step.

    Args:
        decoder: One row a source.
        words: What is read first, [sources, 1].
        ends: The tokens that end a target, [ends].
        settings: How to search.
    """
    found: dict[int, Decoded] = {}
    sources = list(range(len(words)))
    scores = words.new_zeros(len(words), dtype=torch.float32)
    for length in range(1, settings.max_new_tokens + 1):
        logits = decoder.logits(words[:, -1])
        likely, best = _without_repeats(logits, words, settings.no_repeat_ngram_size).max(dim=-1)
        scores = scores + likely - logits.logsumexp(dim=-1)
        words = torch.cat([words, best.unsqueeze(1)], dim=1)
        ended = torch.isin(best, ends)
        stops = ended if length < settings.max_new_tokens else torch.ones_like(ended)
        for row in stops.nonzero().flatten().tolist():
            if sources[row] not in found:
                tokens = words[row, 1 : length + (not ended[row])].tolist()
                found[sources[row]] = Decoded(tokens, scores[row].item(), length)
        going = [row for row, source in enumerate(sources) if source not in found]
        if not going:
            break
        if len(going) <= _CROWDED * len(sources):
            kept = torch.tensor(going, device=words.device)
            words, scores, sources = words[kept], scores[kept], [sources[row] for row in going]
            decoder.keep(kept, kept)
    return [found[source] for source in range(len(found))]


def _beams(decoder: _Decoder, words: Tensor, ends: Tensor, settings: DecodingSettings) -> list[Decoded]:
    """Follow the ``num_beams`` most likely beginnings of a target at every step.

    The rules are those of Transformers' beam search. Of the candidates that continue the beams, twice as many
    as there are beams are looked at, so that enough go on where some end; a target counts as ended if it was
    among the first ``num_beams``. A source keeps its ``num_beams`` best ended targets.

    Args:
        decoder: One row a source.
        words: What is read first, [sources, 1].
        ends: The tokens that end a target, [ends].
        settings: How to search.
    """
    beams = settings.num_beams
    candidates = max(2, 1 + len(ends)) * beams
    found: list[list[tuple[float, Decoded]]] = [[] for _ in words]
    done: set[int] = set()
    sources = list(range(len(words)))
    # A beam for each source at first, since all would be alike.
    scores = words.new_zeros((len(words), 1), dtype=torch.float32)
    for length in range(1, settings.max_new_tokens + 1):
        width = scores.shape[1]
        likely = decoder.logits(words[:, -1]).log_softmax(dim=-1)
        likely = _without_repeats(likely, words, settings.no_repeat_ngram_size)
        vocabulary = likely.shape[-1]
        sums = (scores.view(-1, 1) + likely).view(len(sources), -1)
        likely, flat = sums.topk(min(candidates, sums.shape[1]), dim=-1)
        origin = torch.arange(len(sources), device=flat.device).unsqueeze(1) * width + flat // vocabulary
        word = flat % vocabulary
        ended = torch.isin(word, ends)
        stops = ended if length < settings.max_new_tokens else torch.ones_like(ended)
        penalty = length**settings.length_penalty
        for row, place in stops[:, :beams].nonzero().tolist():
            if sources[row] not in done:
                tokens = words[origin[row, place], 1:].tolist()
                if not ended[row, place]:
                    tokens.append(int(word[row, place]))
                score = likely[row, place]
                targets = found[sources[row]]
                targets.append(((score / penalty).item(), Decoded(tokens, score.item(), length)))
                # The sort is stable: of equally good ones the first stays.
                targets.sort(key=lambda scored: -scored[0])
                del targets[beams:]
        scores, chosen = likely.masked_fill(stops, _ENDED).topk(beams, dim=-1)
        rows, word = origin.gather(1, chosen), word.gather(1, chosen)
        for source, hope in zip(sources, (scores[:, 0] / penalty).tolist(), strict=True):
            full = len(found[source]) == beams
            if full and (settings.early_stopping or hope <= found[source][-1][0]):
                done.add(source)
        going = [row for row, source in enumerate(sources) if source not in done]
        if not going or length == settings.max_new_tokens:
            break
        fewer = len(going) <= _CROWDED * len(sources)
        if fewer or width < beams:
            kept = torch.tensor(going if fewer else range(len(sources)), device=rows.device)
            scores, rows, word = scores[kept], rows[kept], word[kept]
            sources = [sources[row] for row in kept.tolist()]
            decoder.keep(rows.flatten(), kept)
        else:
            decoder.reorder(rows.flatten())
        words = torch.cat([words[rows.flatten()], word.view(-1, 1)], dim=1)
    return [targets[0][1] for targets in found]


_CROWDED = 7 / 8
"""Finished sources leave a batch once no more than this share of it goes on: to leave costs a copy of what is
cached."""
_ENDED = -1e9
"""In place of the score of a target that has ended, so that it does not go on."""


def _without_repeats(scores: Tensor, words: Tensor, size: int) -> Tensor:
    """Forbid the words that would make a sequence of ``size`` words stand in a target twice.

    Args:
        scores: Of every word that may follow, [rows, vocabulary].
        words: So far, start token included, [rows, time].
        size: 0 forbids nothing.
    """
    time = words.shape[1]
    if not 0 < size <= time:
        return scores
    sequences = words.unfold(1, size, 1)
    # [rows, sequences]: which of them begin as a sequence would that ends with the next word.
    repeated = (sequences[..., :-1] == words[:, None, time - size + 1 :]).all(dim=-1)
    rows, places = repeated.nonzero(as_tuple=True)
    scores = scores.clone()
    scores[rows, sequences[rows, places, -1]] = -torch.inf
    return scores
