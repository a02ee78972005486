"""Recurrent language models: the carried state is exact, no direction sees what it predicts, text comes."""

import copy
import math

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, DynamicCache, GPT2Config

import textgraft.models.auto  # noqa: F401
from textgraft.errors import OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentModel
from textgraft.models.recurrent.language_model import NOT_PREDICTED, RecurrentForCausalLM, RecurrentState

CELLS = ("rnn", "lstm", "gru")
PAD, START = 0, 2


def language_model(**changes) -> RecurrentForCausalLM:
    small = {
        "vocab_size": 40, "embedding_size": 12, "hidden_size": 16, "num_layers": 2, "bidirectional": False,
        "bos_token_id": START, "eos_token_id": START, "pad_token_id": PAD,
    }  # fmt: skip
    torch.manual_seed(0)
    return RecurrentForCausalLM(RecurrentConfig(**{**small, **changes})).eval()


def pair(**changes) -> RecurrentForCausalLM:
    return language_model(bidirectional=True, independent_directions=True, **changes)


def tokens(batch: int, time: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 40, (batch, time), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_a_text_read_in_pieces_is_the_text_read_at_once(cell):
    model = language_model(cell=cell)
    ids = tokens(3, 20)
    whole = model(ids)
    state, logits = None, []
    for begin, end in ((0, 1), (1, 8), (8, 20)):
        outputs = model(ids[:, begin:end], past_key_values=state)
        state = outputs.past_key_values
        logits.append(outputs.logits)
    assert (torch.cat(logits, dim=1) - whole.logits).abs().max() < 1e-5
    assert state.get_seq_length() == 20
    for part, expected in zip(state.tensors, whole.past_key_values.tensors, strict=True):
        assert part.shape == (2, 3, 16)
        assert (part - expected).abs().max() < 1e-5


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_a_start_makes_what_follows_independent_of_what_came_before(cell):
    model = language_model(cell=cell)
    ids = tokens(3, 15)
    starts = torch.zeros(3, 15, dtype=torch.bool)
    starts[0, 0] = starts[0, 6] = starts[2, 6] = starts[2, 11] = True
    state = model(tokens(3, 4, seed=1)).past_key_values
    outputs = model(ids, starts=starts, past_key_values=state)
    fresh = {
        (0, 0): model(ids[:1, :6]), (0, 6): model(ids[:1, 6:]), (2, 6): model(ids[2:, 6:11]),
        (2, 11): model(ids[2:, 11:]),
    }  # fmt: skip
    for (row, begin), alone in fresh.items():
        length = alone.logits.shape[1]
        assert (outputs.logits[row, begin : begin + length] - alone.logits[0]).abs().max() < 1e-5
    kept = model(ids[1:2], past_key_values=RecurrentState([part[:, 1:2] for part in state.tensors], 4))
    assert (outputs.logits[1] - kept.logits[0]).abs().max() < 1e-5
    assert (
        outputs.past_key_values.tensors[0][:, 2] - fresh[2, 11].past_key_values.tensors[0][:, 0]
    ).abs().max() < 1e-5


@torch.no_grad()
def test_padding_on_the_left_or_right_changes_nothing():
    model = language_model()
    ids = tokens(2, 9)
    expected = model(ids).logits
    for left, right in ((4, 0), (0, 3), (2, 2)):
        padded = torch.nn.functional.pad(ids, (left, right), value=PAD)
        padded[1] = tokens(1, padded.shape[1], seed=2)
        mask = torch.ones_like(padded)
        mask[0, :left] = mask[0, left + 9 :] = 0
        logits = model(padded, attention_mask=mask).logits
        assert (logits[0, left : left + 9] - expected[0]).abs().max() < 1e-5
        assert (logits[1] - model(padded[1:]).logits[0]).abs().max() < 1e-5


def test_labels_are_moved_as_transformers_moves_them():
    model = language_model()
    ids = tokens(2, 8)
    labels = ids.clone()
    labels[0, 3] = NOT_PREDICTED
    logits = model(ids).logits[:, :-1]
    expected = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=NOT_PREDICTED
    )
    assert torch.allclose(model(ids, labels=labels).loss, expected)
    moved = torch.cat([labels[:, 1:], tokens(2, 1, seed=3)], dim=1)
    everywhere = torch.nn.functional.cross_entropy(
        model(ids).logits.flatten(0, 1), moved.flatten(), ignore_index=NOT_PREDICTED
    )
    assert torch.allclose(model(ids, shift_labels=moved).loss, everywhere)


def test_words_are_predicted_by_the_vectors_they_are_read_with(tmp_path):
    model = language_model()
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert isinstance(loaded, RecurrentForCausalLM)
    assert loaded.lm_head.weight is loaded.recurrent.embedding.weight
    assert torch.equal(loaded(tokens(2, 5)).logits, model(tokens(2, 5)).logits)
    untied = language_model(tie_word_embeddings=False)
    assert untied.lm_head.weight is not untied.recurrent.embedding.weight
    assert isinstance(language_model(embedding_size=16).projection, torch.nn.Identity)


@torch.no_grad()
def test_neither_direction_sees_what_it_predicts():
    model = pair()
    ids = tokens(1, 10)
    other = ids.clone()
    other[0, 6] = 3 + (other[0, 6] - 2) % 37
    to_right, changed = model(ids).logits, model(other).logits
    assert torch.equal(to_right[:, :6], changed[:, :6])
    assert not torch.equal(to_right[:, 6], changed[:, 6])
    to_left = model(ids.flip(1), direction="leftward").logits.flip(1)
    changed = model(other.flip(1), direction="leftward").logits.flip(1)
    assert torch.equal(to_left[:, 7:], changed[:, 7:])
    assert not torch.equal(to_left[:, 6], changed[:, 6])


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_both_directions_at_once_are_each_of_them(cell):
    model = pair(cell=cell)
    ids, labels = tokens(4, 9), tokens(4, 9, seed=1)
    starts = torch.zeros(4, 9, dtype=torch.bool)
    starts[0, 3] = starts[3, 0] = starts[3, 5] = True
    state, states = None, [None, None]
    for part in (slice(0, 4), slice(4, 9)):
        given = {"starts": starts[:, part], "shift_labels": labels[:, part]}
        together = model(ids[:, part], direction="both", past_key_values=state, **given)
        state, losses = together.past_key_values, []
        for side, direction in enumerate(("rightward", "leftward")):
            rows = slice(2 * side, 2 * side + 2)
            own = {name: tensor[rows] for name, tensor in given.items()}
            alone = model(ids[rows, part], direction=direction, past_key_values=states[side], **own)
            states[side] = alone.past_key_values
            losses.append(alone.loss)
            assert (together.logits[rows] - alone.logits).abs().max() < 1e-5
            for joined, single in zip(state.tensors, states[side].tensors, strict=True):
                assert (joined[:, rows] - single).abs().max() < 1e-5
        assert abs(together.loss - sum(losses) / 2) < 1e-5


@torch.no_grad()
def test_encodings_of_a_pair_are_the_states_of_both_language_models(tmp_path):
    model = pair(pooling="last")
    model.save_pretrained(tmp_path)
    encoder = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(encoder, RecurrentModel)
    ids = tokens(2, 9)
    ids[1, 6:] = PAD
    encoded = encoder(ids, output_hidden_states=True).hidden_states
    assert len(encoded) == 3
    for row, length in ((0, 9), (1, 6)):
        text = ids[row : row + 1, :length]
        to_right = model(text, output_hidden_states=True).hidden_states
        to_left = model(text.flip(1), direction="leftward", output_hidden_states=True).hidden_states
        for layer in (1, 2):
            expected = torch.cat([to_right[layer], to_left[layer].flip(1)], dim=-1)
            assert (encoded[layer][row, :length] - expected[0]).abs().max() < 1e-5


def test_directions_that_a_model_has_not_are_refused():
    with pytest.raises(OptionError, match="would see what it is to predict"):
        language_model(bidirectional=True)
    with pytest.raises(OptionError, match="unknown direction 'leftward'"):
        language_model()(tokens(1, 3), direction="leftward")
    with pytest.raises(OptionError, match="Did you mean 'leftward'"):
        pair()(tokens(1, 3), direction="left")


class Reads:
    """Counts the tokens that each call of a model reads."""

    def __init__(self, model):
        self.lengths = []
        model.recurrent.embedding.register_forward_hook(
            lambda module, inputs, output: self.lengths.append(inputs[0].shape[1])
        )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [{"do_sample": False}, {"do_sample": False, "num_beams": 4, "num_return_sequences": 3}],
    ids=["greedy", "beams"],
)
def test_generation_reads_no_token_twice_and_finds_what_reading_all_anew_finds(cell, options):
    model = language_model(cell=cell)
    ids = tokens(2, 7)
    expected = model.generate(ids, max_new_tokens=8, eos_token_id=None, use_cache=False, **options)
    reads = Reads(model)
    found = model.generate(ids, max_new_tokens=8, eos_token_id=None, **options)
    assert torch.equal(found, expected)
    assert reads.lengths == [7, 1, 1, 1, 1, 1, 1, 1]


def test_beam_search_finds_the_most_probable_text():
    model = language_model(vocab_size=6)
    with torch.no_grad():
        model.lm_head.bias.normal_(std=0.5)
        model.recurrent.embedding.weight.normal_()
    start = torch.tensor([[START]])
    texts = torch.cartesian_prod(*[torch.arange(6)] * 4)
    whole = torch.cat([start.expand(len(texts), 1), texts], dim=1)
    with torch.no_grad():
        chances = model(whole).logits[:, :-1].log_softmax(dim=-1)
    scores = chances.gather(2, whole[:, 1:, None]).sum(dim=(1, 2))
    found = model.generate(
        start,
        attention_mask=torch.ones_like(start),
        max_new_tokens=4,
        num_beams=200,
        do_sample=False,
        eos_token_id=None,
    )
    assert torch.equal(found[0, 1:], texts[scores.argmax()])


def test_sampling_follows_the_probabilities_and_keeps_to_top_k_and_top_p():
    model = language_model(vocab_size=8)
    with torch.no_grad():
        model.lm_head.bias.copy_(torch.tensor([-9.0, -9.0, -9.0, 2.0, 1.0, 0.0, -1.0, -2.0]))
    prompt = torch.full((4000, 1), START)
    with torch.no_grad():
        chances = model(prompt[:1]).logits[0, -1].softmax(dim=-1)

    def drawn(**options) -> torch.Tensor:
        torch.manual_seed(1)
        texts = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=1,
            do_sample=True,
            eos_token_id=None,
            **options,
        )
        return torch.bincount(texts[:, -1], minlength=8) / len(texts)

    free = drawn(top_k=0)
    for word, chance in enumerate(chances.tolist()):
        assert abs(float(free[word]) - chance) < 5 * math.sqrt(chance * (1 - chance) / 4000) + 1e-3
    best = chances.argsort(descending=True)
    assert set(drawn(top_k=2).nonzero().flatten().tolist()) == set(best[:2].tolist())
    nucleus = int((chances.sort(descending=True).values.cumsum(0) < 0.8).sum()) + 1
    assert set(drawn(top_k=0, top_p=0.8).nonzero().flatten().tolist()) == set(best[:nucleus].tolist())
    assert drawn(top_k=0, temperature=0.5)[best[0]] > free[best[0]]


def test_prompts_of_different_lengths_generate_as_they_do_alone():
    model = language_model()
    short, long = tokens(1, 3), tokens(1, 8, seed=1)
    together = torch.cat([torch.nn.functional.pad(short, (5, 0), value=PAD), long])
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    found = model.generate(together, attention_mask=together.ne(PAD).long(), **options)
    for row, prompt in enumerate((short, long)):
        assert torch.equal(found[row, 8:], model.generate(prompt, **options)[0, prompt.shape[1] :])


def test_generation_goes_on_from_a_state_that_was_kept():
    model = language_model()
    options = {"do_sample": False, "eos_token_id": None}
    ids = tokens(2, 5)
    expected = model.generate(ids, max_new_tokens=9, **options)
    first = model.generate(ids, max_new_tokens=4, return_dict_in_generate=True, **options)
    reads = Reads(model)
    state = copy.copy(first.past_key_values)
    assert torch.equal(
        model.generate(first.sequences, past_key_values=state, max_new_tokens=5, **options), expected
    )
    assert reads.lengths == [1, 1, 1, 1, 1]


def test_an_empty_cache_of_another_kind_means_no_state():
    model = language_model()
    ids = tokens(1, 4)
    cache = DynamicCache(config=GPT2Config(n_layer=2))
    assert torch.equal(model(ids, past_key_values=cache).logits, model(ids).logits)
