"""SQuAD, SWAG and the sets of tagged words: what is read from a text, rather than said of it."""

from __future__ import annotations

from textgraft.benchmarking.measures import ACCURACY, ANSWER_F1, EXACT_MATCH, SPAN_F1
from textgraft.benchmarking.sets import BenchmarkSet, Layout, Suite
from textgraft.benchmarking.suites.published import BERT_BASE, BERT_LARGE, devlin

_BY_ARTICLE = Layout(
    ("split_train",),
    ("split_dev",),
    scored_on="dev, by article",
    caveat="trained and scored on parts of the development set; the published rows had the training set",
)
_DEV = ("dev", "valid", "validation", "val")
_BIDAF_ELMO = "BiDAF+ELMo"

SQUAD = Suite(
    name="squad",
    title="SQuAD",
    sets=(
        BenchmarkSet(
            name="SQuAD 1.1",
            task="question-answering",
            folders=("squad", "squadv1.1", "squadv1.1dev", "squad1.1"),
            layouts=(Layout(("train-v1.1", "train"), ("dev-v1.1", "dev"), scored_on="dev"), _BY_ARTICLE),
            measures=(EXACT_MATCH, ANSWER_F1),
            published={
                BERT_BASE: {EXACT_MATCH.key: 80.8, ANSWER_F1.key: 88.5},
                BERT_LARGE: {EXACT_MATCH.key: 84.1, ANSWER_F1.key: 90.9},
                _BIDAF_ELMO: {ANSWER_F1.key: 85.6},
            },
        ),
        BenchmarkSet(
            name="SQuAD 2.0",
            task="question-answering",
            folders=("squad2", "squadv2", "squadv2.0", "squadv2.0dev", "squad2.0"),
            layouts=(Layout(("train-v2.0", "train"), ("dev-v2.0", "dev"), scored_on="dev"), _BY_ARTICLE),
            measures=(EXACT_MATCH, ANSWER_F1),
            published={BERT_LARGE: {EXACT_MATCH.key: 78.7, ANSWER_F1.key: 81.9}},
        ),
    ),
    contenders="lstm,bert-frozen,bert-adapter",
    sources={
        BERT_BASE: f"{devlin(2)}, single, dev",
        BERT_LARGE: f"{devlin(2)} and 3, single, dev",
        _BIDAF_ELMO: f"{devlin(2)}, single, dev",
    },
)

SWAG = Suite(
    name="swag",
    title="SWAG and CODAH",
    sets=(
        BenchmarkSet(
            name="SWAG",
            task="multiple-choice",
            folders=("swag",),
            layouts=(Layout(("train",), ("val", *_DEV), scored_on="dev"),),
            measures=(ACCURACY,),
            published={
                BERT_BASE: {ACCURACY.key: 81.6},
                BERT_LARGE: {ACCURACY.key: 86.6},
                "ESIM+ELMo": {ACCURACY.key: 59.1},
            },
        ),
        BenchmarkSet(
            name="CODAH",
            task="multiple-choice",
            folders=("codah",),
            layouts=(
                Layout(
                    ("train",),
                    ("test",),
                    _DEV,
                    scored_on="test, fold 0",
                    caveat="one of the five folds that the authors average over",
                ),
            ),
            measures=(ACCURACY,),
        ),
    ),
    contenders="lstm,bert-frozen",
    sources={
        BERT_BASE: f"{devlin(4)}, dev",
        BERT_LARGE: f"{devlin(4)}, dev",
        "ESIM+ELMo": f"{devlin(4)}, dev, from the authors of SWAG (Zellers et al. 2018)",
    },
)

_TAGGED = Layout(("train",), ("test",), _DEV)


def _tagged(name: str, *folders: str) -> BenchmarkSet:
    return BenchmarkSet(
        name=name,
        task="token-classification",
        folders=folders,
        layouts=(_TAGGED,),
        measures=(SPAN_F1,),
    )


CONLL = Suite(
    name="conll",
    title="CoNLL-2003 and other entities",
    sets=(
        BenchmarkSet(
            name="CoNLL-2003",
            task="token-classification",
            folders=("conll2003", "conll03", "conll2003en"),
            layouts=(Layout(("eng.train", "train"), ("eng.testb", "test"), ("eng.testa", *_DEV)),),
            measures=(SPAN_F1,),
            published={
                BERT_BASE: {SPAN_F1.key: 92.4},
                BERT_LARGE: {SPAN_F1.key: 92.8},
                "ELMo": {SPAN_F1.key: 92.2},
            },
        ),
        _tagged("WNUT-17", "wnut17"),
        _tagged("WikiGold", "wikigolden", "wikigold"),
    ),
    contenders="lstm,lstm-crf,bert-frozen",
    sources={
        BERT_BASE: f"{devlin(7)}, fine-tuned",
        BERT_LARGE: f"{devlin(7)}, fine-tuned",
        "ELMo": f"{devlin(7)}, from Peters et al. 2018",
    },
)
