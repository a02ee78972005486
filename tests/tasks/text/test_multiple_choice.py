from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig
from transformers.modeling_outputs import MultipleChoiceModelOutput

from tests.tasks.toys import FAMILIES, dataset, model_of, tokenizer_of
from textgraft.errors import DataError, OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.tasks.text.multiple_choice import MultipleChoice

TASK = MultipleChoice(3)
ROWS = dataset(
    {
        "prompt": ["the goal", "soup"],
        "choices[0]": ["team", "the moon"],
        "choices[1]": ["oven", "bread and cheese and pepper"],
        "choices[2]": ["rocket", "coach"],
    },
    [0, 1],
)


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_hold_the_prompt_with_each_choice(family):
    tokenizer = tokenizer_of(family)
    backend = tokenizer.backend_tokenizer
    features = TASK.features(ROWS, tokenizer, 64)
    expected = [backend.encode("soup", ROWS.columns[f"choices[{place}]"][1]) for place in range(3)]
    assert features[1]["input_ids"] == [encoding.ids for encoding in expected]
    assert ("token_type_ids" in features[1]) == (family != "roberta")
    assert TASK.length(features[1]) == 3 * max(len(encoding.ids) for encoding in expected)
    batch = TASK.collate(features, tokenizer.pad_token_id)
    longest = max(len(encoding.ids) for encoding in expected)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 3, longest)
    assert batch["labels"].tolist() == [0, 1]
    for place, encoding in enumerate(expected):
        mask = batch["attention_mask"][1, place].bool()
        assert batch["input_ids"][1, place][mask].tolist() == encoding.ids
        if family != "roberta":
            assert batch["token_type_ids"][1, place][mask].tolist() == encoding.type_ids


@pytest.mark.parametrize("family", FAMILIES)
def test_choices_score_alike_alone_and_in_company(family):
    tokenizer = tokenizer_of(family)
    model = model_of(family, TASK, tokenizer).eval()
    features = TASK.features(ROWS, tokenizer, 64)
    with torch.no_grad():
        together = model(**TASK.collate(features, tokenizer.pad_token_id))
        alone = [model(**TASK.collate([feature], tokenizer.pad_token_id)).logits for feature in features]
    assert together.logits.shape == (2, 3)
    assert torch.isfinite(together.loss)
    torch.testing.assert_close(together.logits, torch.cat(alone), atol=1e-5, rtol=0)


def test_many_rows_keep_their_order(monkeypatch):
    tokenizer = tokenizer_of("bert")
    whole = TASK.features(ROWS, tokenizer, 64)
    monkeypatch.setattr("textgraft.tasks.text.texts.CHUNK", 1)
    assert TASK.features(ROWS, tokenizer, 64) == whole
    assert [feature["row"] for feature in whole] == [0, 1]


def test_the_most_probable_choice_is_taken():
    features = TASK.features(ROWS, tokenizer_of("bert"), 64)
    outputs = MultipleChoiceModelOutput(logits=torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 0.0]]))
    first, second = TASK.predictions(features, TASK.decode(outputs, features), temperature=2.0)
    expected = np.exp([0.5, 1.5, 1.0]) / np.exp([0.5, 1.5, 1.0]).sum()
    assert first.numbers() == pytest.approx(expected.tolist(), rel=1e-5)
    assert first.to_dict() == {
        "choice": 1,
        "text": "oven",
        "score": pytest.approx(expected[1], abs=1e-6),
        "scores": pytest.approx(expected.tolist(), abs=1e-6),
    }
    assert second.answer == 0
    assert TASK.show(second.answer) == "choice 0"
    assert TASK.metrics([1, 1], [first.answer, second.answer]) == {"accuracy": 0.5}
    assert TASK.temperature([1, 0], features, TASK.decode(outputs, features)) < 1


def test_settings_and_configs():
    task = MultipleChoice.fitted_to(ROWS)
    assert MultipleChoice(**task.settings()).choices == 3
    config, encoder = RecurrentConfig(), BertConfig()
    for each in (config, encoder):
        task.configure(each)
    assert config.pairs
    assert not hasattr(encoder, "pairs")


def test_rows_to_predict():
    rows = TASK.rows([{"prompt": "p", "choices": ["a", "b", "c"]}, ("q", ("d", "e", "f"))])
    assert rows.columns["prompt"] == ["p", "q"]
    assert [rows.columns[f"choices[{place}]"][1] for place in range(3)] == ["d", "e", "f"]
    abc = ["a", "b", "c"]
    for entry in ("pabc", {"prompt": "p"}, {"prompt": 1, "choices": abc}, ("p", abc[:2]), ("p", "abc")):
        with pytest.raises(OptionError, match="input 1 is no prompt with 3 choices"):
            TASK.rows([("p", abc), entry])


def test_rows_with_another_number_of_choices_are_refused():
    columns = {name: ROWS.columns[name] for name in ("prompt", "choices[0]", "choices[1]")}
    with pytest.raises(DataError, match=r"these rows have 2 choices, not 3: choices\[0\], choices\[1\]"):
        TASK.features(dataset(columns, None), tokenizer_of("bert"), 64)


def test_several_prompt_columns_are_joined():
    columns = {"sent1": ["the goal."], "sent2": ["he"], "ending0": ["team"], "ending1": ["soup"]}
    tokenizer = tokenizer_of("bert")
    feature = MultipleChoice(2).features(dataset(columns, [0]), tokenizer, 64)[0]
    assert feature["input_ids"][0] == tokenizer.backend_tokenizer.encode("the goal. he", "team").ids
