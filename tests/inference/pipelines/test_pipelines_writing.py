"""Pipelines that write: shapes of Transformers 4, through our search or generate()."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertLMHeadModel, BertModel, EncoderDecoderModel

from tests.tasks.toys import bert_tokenizer
from textgraft import pipeline
from textgraft.comparison.train import train
from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError, OptionError
from textgraft.models.generation.encoder_decoder import transformer
from textgraft.tokenization.subword_tokenizer import train_vocabularies

SMALL = {
    "hidden_size": 48,
    "embedding_size": 48,
    "num_beams": 2,
    "epochs": 25,
    "patience": 25,
    "batch_size": 8,
    "learning_rate": 5e-3,
    "dropout": 0.0,
    "embedding_dropout": 0.0,
}
NUMBERS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four"}
ROWS = [(a, b) for a in NUMBERS for b in NUMBERS] * 5


def dataset(columns, labels, name="target"):
    numbers = list(range(1, len(labels) + 1))
    ids = [str(number) for number in numbers]
    return Dataset(columns, [[text] for text in labels], ids, numbers, "toy", label_column=name)


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    rows = dataset(
        {"de": [f"{a} {b} {n}" for n, (a, b) in enumerate(ROWS)]},
        [f"{NUMBERS[a]} {NUMBERS[b]}" for a, b in ROWS],
        "en",
    )
    folder = tmp_path_factory.mktemp("models") / "translator"
    train(rows, folder, task="translation", contender="lstm-attention", settings=SMALL)
    return folder


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    generator = np.random.default_rng(0)
    vectors = (np.repeat(np.eye(3), 30, axis=0) + generator.normal(0, 0.05, (90, 3))).tolist()
    rows = dataset({"vector": vectors}, [f"a {name}" for name in ("dot", "line", "box") for _ in range(30)])
    folder = tmp_path_factory.mktemp("models") / "captioner"
    train(rows, folder, task="captioning", contender="lstm-captioner", settings=SMALL)
    return folder


def test_translations_have_the_shapes_of_transformers_4(translator):
    translate = pipeline("translation", translator)
    assert translate("eins zwei") == [{"translation_text": "one two"}]
    expected = [{"translation_text": "one two"}, {"translation_text": "four three"}]
    assert translate(["eins zwei", "vier drei"]) == expected
    assert list(translate(text for text in ("eins zwei", "vier drei"))) == expected
    several = translate("eins zwei", num_beams=3, num_return_sequences=2)
    assert [set(result) for result in several] == [{"translation_text"}] * 2
    assert several[0] == {"translation_text": "one two"}
    assert [len(row) for row in translate(["eins zwei"] * 2, num_beams=2, num_return_sequences=2)] == [2, 2]
    ids = translate("eins zwei", return_tensors=True)[0]["translation_token_ids"]
    assert translate.source.tokenizer.decode(ids).strip() == "one two"
    assert translate([]) == []


def test_options_change_what_is_written(translator):
    translate = pipeline("translation", translator, num_beams=1)
    assert len(translate("eins zwei", max_new_tokens=1, return_tensors=True)[0]["translation_token_ids"]) == 1
    assert len(translate("eins zwei", max_length=1, return_tensors=True)[0]["translation_token_ids"]) == 1
    longer = translate("eins zwei", min_length=9, max_new_tokens=9, return_tensors=True)
    assert len(longer[0]["translation_token_ids"]) > 6
    drawn = [
        translate("eins zwei", do_sample=True, temperature=9.0, num_return_sequences=9, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(OptionError, match="num_beams"):
        translate("eins", num_bems=2)
    with pytest.raises(OptionError, match="3 results cannot come from 1 beams"):
        translate("eins", num_return_sequences=3)


def test_sentences_are_translated_one_by_one_where_that_is_asked_for(translator):
    translate = pipeline("translation", translator)
    text = "eins zwei\n\nvier drei\n\n..."
    assert translate(text, by_sentence=True) == [{"translation_text": "one two four three ..."}]
    assert translate(["...", ""]) == [{"translation_text": "..."}, {"translation_text": ""}]


def test_the_languages_of_a_name_must_be_the_models(translator):
    assert pipeline("translation_de_to_en", translator)("eins zwei") == [{"translation_text": "one two"}]
    with pytest.raises(ModelError, match="from de to en"):
        pipeline("translation_en_to_de", translator)
    with pytest.raises(OptionError, match="translation"):
        pipeline("translations", translator)


def test_models_of_another_task_are_refused(translator, captioner):
    assert pipeline("text2text-generation", translator)("drei eins") == [{"generated_text": "three one"}]
    with pytest.raises(ModelError, match="trained for translation"):
        pipeline("summarization", translator)
    with pytest.raises(ModelError, match="trained for captioning"):
        pipeline("translation", captioner)


def test_files_are_read_and_bad_rows_listed(translator, tmp_path):
    (tmp_path / "new.de").write_text("eins zwei\n\nvier drei\n")
    found = pipeline("translation", translator).file(tmp_path / "new.de")
    assert [result["translation_text"] for result in found] == ["one two", "four three"]
    assert [(row.line, row.kind) for row in found.rejected] == [(2, "empty source")]


def test_long_inputs_are_cut_with_a_warning(translator):
    with pytest.warns(UserWarning, match="1 of 2 inputs are longer"):
        pipeline("translation", translator)(["eins zwei " * 400, "eins"], max_new_tokens=3)


def test_captions_come_in_lists(captioner):
    caption = pipeline("image-to-text", captioner)
    assert caption([1.0, 0.0, 0.0]) == [{"generated_text": "a dot"}]
    assert caption(np.array([0, 1, 0])) == [{"generated_text": "a line"}]
    expected = [[{"generated_text": "a dot"}], [{"generated_text": "a box"}]]
    assert caption([[1, 0, 0], [0, 0, 1]]) == expected
    assert caption(torch.tensor([[1.0, 0, 0], [0, 0, 1]])) == expected
    assert list(caption(iter([np.array([1, 0, 0]), [0, 0, 1]]))) == expected


@pytest.mark.parametrize(
    "bad", ["cat.png", {"url": "x"}, [[1.0, float("nan"), 2]], [["a", 1, 2]], [[1, 2]], [[]]]
)
def test_what_is_no_vector_is_refused(captioner, bad):
    from textgraft.errors import TextgraftError

    with pytest.raises(TextgraftError):
        pipeline("image-to-text", captioner)(bad)


def test_checkpoints_and_pairs_of_others_are_taken(tmp_path):
    tokenizer = train_vocabularies(["eins zwei"], ["one two"])
    torch.manual_seed(0)
    model = transformer(vocab_size=len(tokenizer), hidden_size=16, num_layers=1, feed_forward_size=16)
    model.generation_config.update(max_new_tokens=5)
    model.save_pretrained(tmp_path)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(tmp_path)
    from_disk = pipeline("summarization", tmp_path)(["eins", "zwei"])
    assert from_disk == pipeline("summarization", (model.eval(), tokenizer))(["eins", "zwei"])
    assert [set(result) for result in from_disk] == [{"summary_text"}] * 2


def test_what_a_checkpoint_says_of_its_tasks_is_heeded():
    tokenizer = bert_tokenizer()
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = BertConfig(**shape, intermediate_size=16, is_decoder=True, add_cross_attention=True)
    torch.manual_seed(0)
    model = EncoderDecoderModel(
        encoder=BertModel(BertConfig(**shape, intermediate_size=16)), decoder=BertLMHeadModel(config)
    ).eval()
    model.config.task_specific_params = {"summarization": {"prefix": "goal team ", "max_length": 3}}
    for holder in (model.config, model.generation_config):
        holder.decoder_start_token_id, holder.eos_token_id, holder.pad_token_id = 2, 3, 0
    summarize = pipeline("summarization", (model, tokenizer))
    assert summarize.options.prefix == "goal team "
    assert len(summarize("match", return_tensors=True)[0]["summary_token_ids"]) <= 3
    plain = pipeline("text2text-generation", (model, tokenizer))
    assert plain.options.prefix == ""
    long = plain("goal team match", max_length=3, return_tensors=True)[0]["generated_token_ids"]
    assert long == summarize("match", return_tensors=True)[0]["summary_token_ids"]
