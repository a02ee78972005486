"""What a user may call on a Transformers model: each of ours does it, or says in one clear error why not.

The kinds are those of Transformers' own common tests for models, written anew for the architectures here.
"""

from __future__ import annotations

import copy
import inspect
import json
import math
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, Trainer, TrainingArguments

from tests.models.every_model import EVERY, LABELS, ROWS, WRITING
from textgraft.errors import OptionError

names = pytest.mark.parametrize("name", EVERY)
WITHOUT_STATES = (
    *("captioner", "captioner, token", "majority", "tfidf", "lead", "nearest caption"),
    *("static", "static, means", "static pairs", "graft extraction"),
)
"""Those that compute no hidden states."""
WITHOUT_VECTORS = ("majority", "tfidf", "lead", "nearest caption")
"""Those that read no word vectors."""


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tmp_path_factory.mktemp("encoder") / "bert"


@pytest.fixture
def make(bert):
    return lambda name: EVERY[name].build(bert)


def whole(name):
    """A batch with what its loss takes."""
    return {**EVERY[name].batch(), **EVERY[name].labels()}


def decoding(name):
    """A batch that a model can read: one that writes needs words to go on from."""
    return whole(name) if name in WRITING else EVERY[name].batch()


def answers(outputs):
    """The outputs that a head is made for, as one tensor of 32 bits."""
    kinds = ("logits", "start_logits", "end_logits", "pooler_output")
    return torch.cat([outputs[kind].float().flatten() for kind in kinds if kind in outputs])


def told(config):
    """What a configuration says, without where it was read and by which version it was written."""
    beside = ("transformers_version", "_name_or_path")
    return {key: value for key, value in config.to_dict().items() if key not in beside}


def run(model, batch, **options):
    with torch.no_grad():
        return answers(model(**batch, **options))


@names
def test_what_is_saved_is_loaded_whole(name, make, tmp_path):
    model = make(name)
    model.save_pretrained(tmp_path)
    loaded, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    assert not loaded.training
    assert loaded.dtype is torch.float32
    assert torch.equal(run(loaded, decoding(name)), run(model, decoding(name)))
    by_name = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    stored = {**dict(loaded.named_parameters()), **dict(loaded.named_buffers())}
    assert by_name.keys() == stored.keys()
    assert all(torch.equal(tensor, stored[key]) for key, tensor in by_name.items())
    assert told(loaded.config) == told(model.config)


@names
def test_the_base_is_a_model_that_is_saved_and_loaded(name, make, tmp_path):
    """The base of a model that has none is the model itself. What pools may be left out under a head."""
    model = make(name)
    base = model.base_model
    base.save_pretrained(tmp_path)
    state = base.state_dict()
    loaded, report = type(base).from_pretrained(tmp_path, output_loading_info=True)
    assert all(key.startswith("pooling.") for key in report["missing_keys"])
    assert not report["unexpected_keys"]
    assert all(torch.equal(tensor, loaded.state_dict()[key]) for key, tensor in state.items())
    under_head = type(model).from_pretrained(tmp_path).base_model.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in under_head.items())


@names
@pytest.mark.parametrize("keyword", ["dtype", "torch_dtype"])
def test_a_precision_asked_for_is_given(name, keyword, make, tmp_path):
    model = make(name)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path, **{keyword: torch.bfloat16})
    assert loaded.dtype is torch.bfloat16
    assert all(part.dtype is torch.bfloat16 for part in loaded.parameters())
    exact, found = run(model, decoding(name)), run(loaded, decoding(name))
    seen = exact > -1e30
    assert (exact - found)[seen].abs().max() < 0.05 * exact[seen].abs().max() + 0.02


@names
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
def test_a_model_can_be_moved_to_another_precision(name, dtype, make):
    model = make(name)
    exact = run(model, decoding(name))
    model.to(dtype)
    found = run(model, decoding(name))
    seen = exact > -1e30
    assert (exact - found)[seen].abs().max() < 0.01 * exact[seen].abs().max() + 0.005


@names
def test_tuples_hold_what_outputs_by_name_do(name, make):
    model, batch = make(name), whole(name)
    with torch.no_grad():
        named, plain = model(**batch), model(**batch, return_dict=False)
        model.config.return_dict = False
        configured = model(**batch)
    assert isinstance(plain, tuple)
    assert isinstance(configured, tuple)
    for first, second, third in zip(named.to_tuple(), plain, configured, strict=True):
        if isinstance(first, torch.Tensor):
            assert torch.equal(first, second)
            assert torch.equal(first, third)


@names
def test_rows_are_answered_alike_alone_and_together(name, make):
    model, batch = make(name), decoding(name)
    with torch.no_grad():
        together, again = model(**batch), model(**batch)
        assert torch.equal(answers(together), answers(again))
        for row in range(ROWS):
            alone = model(**{key: tensor[row : row + 1] for key, tensor in batch.items()})
            for kind in ("logits", "start_logits", "end_logits", "pooler_output"):
                if kind in together:
                    torch.testing.assert_close(
                        alone[kind], together[kind][row : row + 1], atol=1e-5, rtol=1e-4
                    )


@names
def test_a_mask_can_be_left_out_where_padding_is_told_by_its_id(name, make):
    model, batch = make(name), decoding(name)
    if "attention_mask" not in batch:
        pytest.skip("it reads no tokens")
    short = {key: tensor[:1, ..., :5] if key != "labels" else tensor[:1] for key, tensor in batch.items()}
    if name.startswith(("recurrent tagger", "graft tagger", "language")) and "labels" in short:
        short["labels"] = short["labels"][:, :5]
    short = {key: value for key, value in short.items() if key not in ("word_mask",)}
    masked = {**short, "attention_mask": torch.ones_like(short["input_ids"])}
    if "character_ids" in short:
        masked["character_ids"] = short["character_ids"] = batch["character_ids"][:1, :5]
    without = {key: value for key, value in masked.items() if key != "attention_mask"}
    assert torch.equal(run(model, without), run(model, masked))


@names
def test_labels_make_a_loss_that_trains(name, make):
    model, batch = make(name).train(), whole(name)
    outputs = model(**batch)
    if name == "recurrent":
        assert "loss" not in outputs
        return
    if name == "graft extraction":
        assert not outputs.loss.requires_grad, "what it learns from are sentences, not words"
        return
    assert outputs.loss.shape == ()
    assert outputs.loss.dtype is torch.float32
    outputs.loss.backward()
    trained = [part for part in model.parameters() if part.grad is not None]
    assert trained
    assert all(torch.isfinite(part.grad).all() for part in trained)


@names
def test_hidden_states_are_returned_where_asked_for_or_refused(name, make):
    model, batch = make(name), decoding(name)
    if name in WITHOUT_STATES:
        with pytest.raises(OptionError, match="computes no hidden states"):
            model(**batch, output_hidden_states=True)
        model.config.output_hidden_states = True
        with pytest.raises(OptionError, match="computes no hidden states"):
            model(**batch)
        assert torch.equal(run(model, batch, output_hidden_states=False), run(make(name), batch))
        return
    kind = "encoder_hidden_states" if name.startswith("seq2seq") else "hidden_states"
    with torch.no_grad():
        plain, asked = model(**batch), model(**batch, output_hidden_states=True)
        model.config.output_hidden_states = True
        configured, refused = model(**batch), model(**batch, output_hidden_states=False)
    assert kind not in plain
    assert kind not in refused
    assert len(asked[kind]) > 1
    for first, second in zip(asked[kind], configured[kind], strict=True):
        assert torch.equal(first, second)
    torch.testing.assert_close(answers(asked), answers(plain))


@names
def test_attentions_are_accepted_as_an_argument_and_returned_where_there_are_any(name, make):
    model, batch = make(name), decoding(name)
    if name in WITHOUT_STATES:
        with pytest.raises(OptionError, match="computes no attentions"):
            model(**batch, output_attentions=True)
        return
    with torch.no_grad():
        found = model(**batch, output_attentions=True)
        model.config.output_attentions = True
        configured = model(**batch)
    kind = "cross_attentions" if name.startswith("seq2seq") else "attentions"
    has_some = name.startswith(("graft", "seq2seq, ")) or name in (
        "recurrent",
        "recurrent classifier",
        "recurrent pairs",
        "recurrent choice",
    )
    assert (kind in found) == (kind in configured) == has_some
    if has_some:
        assert all(weights is not None for weights in found[kind])
        torch.testing.assert_close(found[kind][0].sum(-1), torch.ones(found[kind][0].shape[:-1]))


@names
def test_word_vectors_can_be_given_in_place_of_ids(name, make):
    model, batch = make(name), decoding(name)
    if name in (*WITHOUT_VECTORS, "graft extraction") or "input_ids" not in batch:
        assert "inputs_embeds" not in inspect.signature(model.forward).parameters or name == "majority"
        return
    exact = run(model, batch)
    ids = batch.pop("input_ids")
    vectors = model.get_input_embeddings()(ids).detach()
    found = run(model, {**batch, "inputs_embeds": vectors})
    torch.testing.assert_close(found, exact, atol=1e-5, rtol=1e-4)
    for wrong in ({**batch, "inputs_embeds": vectors, "input_ids": ids}, batch):
        with pytest.raises(OptionError, match="input_ids"):
            model(**wrong)


@names
def test_padding_on_the_left_changes_nothing(name, make):
    model, batch = make(name), decoding(name)
    if "attention_mask" not in batch or name.startswith("majority"):
        pytest.skip("it reads no tokens")
    right = batch["attention_mask"]
    order = right.argsort(dim=-1, stable=True)
    tokenwise = ("input_ids", "attention_mask", "token_type_ids", "word_mask")
    left = {key: value.gather(-1, order) if key in tokenwise else value for key, value in batch.items()}
    if "character_ids" in batch:
        index = order.unsqueeze(-1).expand_as(batch["character_ids"])
        left["character_ids"] = batch["character_ids"].gather(1, index)
    if name.startswith("language"):
        left["labels"] = batch["labels"].gather(-1, order)
    with torch.no_grad():
        exact, found = model(**batch), model(**left)
    if "start_logits" in exact:
        # No answer is told by the first token, which no longer is that of the row.
        for kind in ("start_logits", "end_logits"):
            torch.testing.assert_close(found[kind], exact[kind].gather(1, order), atol=1e-5, rtol=1e-4)
    elif name.startswith(("recurrent tagger", "graft tagger", "language")):
        index = order.unsqueeze(-1).expand_as(exact.logits)
        moved, is_true = exact.logits.gather(1, index), right.gather(1, order).bool()
        torch.testing.assert_close(found.logits[is_true], moved[is_true], atol=1e-5, rtol=1e-4)
    else:
        torch.testing.assert_close(answers(found), answers(exact), atol=1e-5, rtol=1e-4)


@names
def test_the_table_of_word_vectors_can_be_reached_or_there_is_a_clear_error(name, make):
    model = make(name)
    if name in WITHOUT_VECTORS:
        for call in (model.get_input_embeddings, lambda: model.resize_token_embeddings(40)):
            with pytest.raises(NotImplementedError, match="no word vectors"):
                call()
        return
    table = model.get_input_embeddings()
    assert isinstance(table, torch.nn.Embedding)
    assert model.config.get_text_config().vocab_size == table.num_embeddings
    if name.startswith("graft"):
        for call in (
            lambda: model.set_input_embeddings(table),
            lambda: model.resize_token_embeddings(40),
            lambda: model.base_model.resize_token_embeddings(40),
        ):
            with pytest.raises(OptionError, match="a graft leaves its encoder as it is"):
                call()
        return
    batch, size = decoding(name), table.num_embeddings
    before = run(model, batch)
    grown = model.resize_token_embeddings(size + 7)
    assert model.get_input_embeddings() is grown
    assert grown.num_embeddings == size + 7 == model.config.vocab_size
    with torch.no_grad():
        after = model(**batch)
    if "logits" in after and name in WRITING:
        assert after.logits.shape[-1] >= 30
    else:
        assert torch.equal(answers(after), before)
    fresh = torch.nn.Embedding(grown.num_embeddings, grown.embedding_dim, padding_idx=0)
    model.set_input_embeddings(fresh)
    assert model.get_input_embeddings() is fresh


@names
def test_models_and_configurations_are_copied_and_pickled(name, make):
    model = make(name)
    batch = decoding(name)
    assert torch.equal(run(copy.deepcopy(model), batch), run(model, batch))
    again = pickle.loads(pickle.dumps(model.config))
    assert again.to_dict() == model.config.to_dict()
    assert copy.deepcopy(model.config).to_dict() == model.config.to_dict()


@names
def test_configurations_come_back_from_their_files(name, make, tmp_path):
    config = make(name).config
    config.save_pretrained(tmp_path / "below")
    by_type = AutoConfig.from_pretrained(tmp_path, subfolder="below")
    assert type(by_type) is type(config)
    assert told(by_type) == told(config)
    assert json.loads(config.to_json_string())["model_type"] == config.model_type
    bare = type(config)()
    assert isinstance(bare.to_dict(), dict)
    for token in ("pad_token_id", "bos_token_id", "eos_token_id"):
        assert hasattr(bare, token)


@names
def test_new_weights_depend_on_the_seed_alone(name, make):
    config = make(name).config
    kind = type(make(name))
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        states.append(kind(copy.deepcopy(config)).state_dict())
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())


@names
def test_a_weight_that_is_missing_is_made_anew_and_told(name, make, tmp_path):
    model = make(name)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    left_out = list(weights)[-1]
    save_file(
        {key: tensor for key, tensor in weights.items() if key != left_out},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    loaded, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert set(report["missing_keys"]) == {left_out}
    found = loaded.state_dict()
    assert torch.isfinite(found[left_out].float()).all()
    assert all(torch.equal(tensor, found[key]) for key, tensor in weights.items() if key != left_out)


@pytest.mark.parametrize(
    "name", ["tfidf", "captioner", "recurrent tagger, characters, field", "lead", "nearest caption"]
)
def test_a_table_that_is_missing_is_made_anew_and_told(name, make, tmp_path):
    """A buffer that nothing fills would hold whatever stood in memory."""
    model = make(name)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    tables = [key for key in dict(model.named_buffers()) if key in weights]
    kept = {key: tensor for key, tensor in weights.items() if key not in tables}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert set(report["missing_keys"]) == set(tables)
    fresh = type(model)(copy.deepcopy(model.config)).state_dict()
    found = loaded.state_dict()
    assert all(torch.equal(found[key], fresh[key]) for key in tables)


CLASSIFYING = [name for name in EVERY if name.endswith(("classifier", "tagger", "pairs", "tfidf", "static"))]


@pytest.mark.parametrize("name", CLASSIFYING)
def test_another_number_of_labels_makes_a_new_head_when_allowed_to(name, make, tmp_path):
    model = make(name)
    model.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        type(model).from_pretrained(tmp_path, num_labels=LABELS + 2)
    torch.manual_seed(0)
    loaded = type(model).from_pretrained(tmp_path, num_labels=LABELS + 2, ignore_mismatched_sizes=True)
    with torch.no_grad():
        assert loaded(**EVERY[name].batch()).logits.shape[-1] == LABELS + 2
    assert all(torch.isfinite(part).all() for part in loaded.parameters())


@names
def test_gradient_checkpointing_is_refused_in_words(name, make):
    model = make(name)
    with pytest.raises(ValueError, match=r"does not support (gradient|activation) checkpointing"):
        model.gradient_checkpointing_enable()


@names
def test_the_main_input_is_an_argument_of_forward(name, make):
    model = make(name)
    assert model.main_input_name in inspect.signature(model.forward).parameters


@pytest.mark.parametrize(
    "name", ["recurrent classifier", "graft tagger, adapted", "recurrent reader", "tfidf"]
)
def test_transformers_own_trainer_trains(name, make, tmp_path):
    model, batch = make(name), whole(name)
    rows = [{key: tensor[row] for key, tensor in batch.items()} for row in range(ROWS)]
    before = [part.detach().clone() for part in model.parameters()]
    arguments = TrainingArguments(
        tmp_path, per_device_train_batch_size=2, max_steps=2, report_to=[], use_cpu=True, disable_tqdm=True
    )
    trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows)
    trainer.train()
    assert any(not torch.equal(part, old) for part, old in zip(model.parameters(), before, strict=True))
    assert math.isfinite(trainer.evaluate()["eval_loss"])
    trainer.save_model(str(tmp_path / "saved"))
    loaded = type(model).from_pretrained(tmp_path / "saved")
    assert torch.equal(run(loaded, EVERY[name].batch()), run(model.eval(), EVERY[name].batch()))
