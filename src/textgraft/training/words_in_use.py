"""Training with the vectors of the words that occur alone: the others have nothing to learn.

Half of MiniLM's weights are word vectors, four fifths of a multilingual encoder's, and a data set has a few
thousand of the words. The gradient of all others is zero, and AdamW leaves what never had a gradient as it
is, but for the decay of weights: so a matrix of the rows in use, trained in the whole one's place, comes out
as the whole one would, and costs its own size in gradients, moments, norms and checkpoints. Words that do not
occur are not decayed: what training knows nothing of stays as it was pre-trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import EncoderDecoderModel, PreTrainedModel

from textgraft.models.graft.encoder_layers import STACKS
from textgraft.training.objective import Objective

MOST_IN_USE = 0.8
"""Of all words; where more are in use there is nothing to gain."""


@contextmanager
def only_words_in_use(model: PreTrainedModel, objective: Objective) -> Iterator[int]:
    """Let a model have the vectors of the words in use alone, and put the trained ones back at the end.

    Of an encoder–decoder these are the vectors of its sources; its targets may be any word. Does nothing for
    a model that is on no encoder of one of ``STACKS``, whose word vectors are frozen or serve as output
    vectors, too, or for an objective that does not know which words it meets.

    Args:
        model: Takes the same ids as ever; meanwhile, one that is not in use is an IndexError.
        objective: What it is to be trained on.

    Yields:
        How many bytes of word vectors are kept beside the model meanwhile.
    """
    words = _trained_words(model)
    ids = None if words is None else objective.ids_in_use()
    if words is None or ids is None or len(ids) > MOST_IN_USE * words.num_embeddings:
        yield 0
        return
    whole, padding = words.weight, words.padding_idx
    place_of = torch.full((len(whole),), len(ids))
    place_of[ids] = torch.arange(len(ids))

    def replaced(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        nonlocal place_of
        place_of = place_of.to(args[0].device)
        return place_of[args[0]], *args[1:]

    hook = words.register_forward_pre_hook(replaced)
    words.weight = nn.Parameter(whole.detach()[ids.to(whole.device)])
    words.num_embeddings = len(ids)
    # The padding token's vector gets no gradient.
    words.padding_idx = None if padding is None or place_of[padding] == len(ids) else int(place_of[padding])
    try:
        yield whole.nbytes
    finally:
        trained = words.weight.detach()
        # A copy: the weights may lie in a file.
        whole.data = whole.detach().to(trained.device).index_copy(0, ids.to(trained.device), trained)
        words.weight, words.num_embeddings, words.padding_idx = whole, len(whole), padding
        hook.remove()


def _trained_words(model: PreTrainedModel) -> nn.Embedding | None:
    """Return the word vectors of an encoder if they are trained, and nothing else uses them."""
    # A network on encodings is trained by the same loop, and is no model of Transformers.
    base: Any = (
        model.encoder if isinstance(model, EncoderDecoderModel) else getattr(model, "base_model", None)
    )
    if base is None or getattr(base.config, "model_type", "") not in STACKS:
        return None
    try:
        words = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):  # it is given the states of frozen layers in place of ids
        return None
    if type(words) is not nn.Embedding or not words.weight.requires_grad or words.max_norm or words.sparse:
        return None
    users = sum(each is words.weight for _, each in model.named_parameters(remove_duplicate=False))
    return words if users == 1 else None
