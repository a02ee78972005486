"""GLUE (Wang et al. 2019): nine tasks on single sentences and on pairs.

The published rows are the test figures of Devlin et al. 2019, table 1: trained on all rows, scored by the
evaluation server. Their row of BiLSTM+ELMo+Attn is GLUE's own baseline as it stood on the leaderboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textgraft.benchmarking.measures import ACCURACY, F1, MATTHEWS, PEARSON, SPEARMAN, Measure
from textgraft.benchmarking.sets import BenchmarkSet, Further, Hidden, Layout, Suite
from textgraft.benchmarking.suites.published import BERT_BASE, BERT_LARGE, BILSTM_ELMO, devlin

DEV = ("dev", "validation", "valid")
_LAYOUTS = (
    Layout(("train",), ("test",), DEV),
    Layout(
        ("train",), DEV, scored_on="dev", caveat="dev rows, where the published rows are of the test rows"
    ),
)
"""Test rows first: where their labels are there, they are those of the published rows."""
_FIRST, _SECOND = (
    ("sentence1", "question1", "premise", "#1 String"),
    (
        "sentence2",
        "question2",
        "hypothesis",
        "#2 String",
    ),
)
_LABEL = ("label", "gold_label", "Quality", "is_duplicate")
_ENTAILS = {"0": "entailment", "1": "not_entailment"}


def _published(
    measure: Measure, base: float, large: float, bilstm: float
) -> Mapping[str, Mapping[str, float]]:
    figures = {BERT_BASE: base, BERT_LARGE: large, BILSTM_ELMO: bilstm}
    return {system: {measure.key: figure} for system, figure in figures.items()}


def _hidden(file: str, *test: str) -> Sequence[Hidden]:
    return (Hidden(file, test or ("test", "test_unlabelled")),)


_SETS = (
    BenchmarkSet(
        name="CoLA",
        task="classification",
        folders=("cola",),
        layouts=_LAYOUTS,
        texts=(("sentence",),),
        label=_LABEL,
        measures=(MATTHEWS,),
        published=_published(MATTHEWS, 52.1, 60.5, 36.0),
        hidden=_hidden("CoLA"),
        without_header=("source", "label", "star", "sentence"),
    ),
    BenchmarkSet(
        name="SST-2",
        task="classification",
        folders=("sst2",),
        layouts=_LAYOUTS,
        texts=(("sentence", "text"),),
        label=_LABEL,
        measures=(ACCURACY,),
        published=_published(ACCURACY, 93.5, 94.9, 90.4),
        hidden=_hidden("SST-2"),
    ),
    BenchmarkSet(
        name="MRPC",
        task="pairs",
        folders=("mrpc",),
        layouts=(Layout(("msr_paraphrase_train",), ("msr_paraphrase_test",)), *_LAYOUTS),
        texts=(_FIRST, _SECOND),
        label=_LABEL,
        measures=(F1, ACCURACY),
        published=_published(F1, 88.9, 89.3, 84.9),
        hidden=_hidden("MRPC"),
    ),
    BenchmarkSet(
        name="STS-B",
        task="similarity",
        folders=("stsb",),
        layouts=_LAYOUTS,
        texts=(_FIRST, _SECOND),
        label=("score", "label"),
        measures=(SPEARMAN, PEARSON),
        published=_published(SPEARMAN, 85.8, 86.5, 73.3),
        hidden=_hidden("STS-B"),
    ),
    BenchmarkSet(
        name="QQP",
        task="pairs",
        folders=("qqp",),
        layouts=_LAYOUTS,
        texts=(_FIRST, _SECOND),
        label=_LABEL,
        measures=(F1, ACCURACY),
        published=_published(F1, 71.2, 72.1, 64.8),
        hidden=_hidden("QQP"),
    ),
    BenchmarkSet(
        name="MNLI-m",
        task="pairs",
        folders=("mnli", "multinli"),
        layouts=(
            Layout(
                ("train",),
                ("dev_matched", "validation_matched"),
                scored_on="dev",
                caveat="dev rows, where the published rows are of the test rows",
            ),
        ),
        texts=(_FIRST, _SECOND),
        label=("gold_label", "label"),
        measures=(ACCURACY,),
        published=_published(ACCURACY, 84.6, 86.7, 76.4),
        further=(
            Further(
                "MNLI-mm",
                ("dev_mismatched", "validation_mismatched"),
                _published(ACCURACY, 83.4, 85.9, 76.1),
            ),
        ),
        hidden=(
            Hidden("MNLI-m", ("test_matched",)),
            Hidden("MNLI-mm", ("test_mismatched",)),
            Hidden("AX", ("diagnostic", "test"), ("ax", "diagnostic")),
        ),
        written={"0": "entailment", "1": "neutral", "2": "contradiction"},
    ),
    BenchmarkSet(
        name="QNLI",
        task="pairs",
        folders=("qnli",),
        layouts=_LAYOUTS,
        texts=(("question",), ("sentence",)),
        label=_LABEL,
        measures=(ACCURACY,),
        published=_published(ACCURACY, 90.5, 92.7, 79.8),
        hidden=_hidden("QNLI"),
        written=_ENTAILS,
    ),
    BenchmarkSet(
        name="RTE",
        task="pairs",
        folders=("rte",),
        layouts=_LAYOUTS,
        texts=(_FIRST, _SECOND),
        label=_LABEL,
        measures=(ACCURACY,),
        published=_published(ACCURACY, 66.4, 70.1, 56.8),
        hidden=_hidden("RTE"),
        written=_ENTAILS,
    ),
    BenchmarkSet(
        name="WNLI",
        task="pairs",
        folders=("wnli",),
        layouts=_LAYOUTS,
        texts=(_FIRST, _SECOND),
        label=_LABEL,
        measures=(ACCURACY,),
        hidden=_hidden("WNLI"),
    ),
)
GLUE = Suite(
    name="glue",
    title="GLUE",
    sets=_SETS,
    contenders="majority,tfidf,static,lstm,bert-frozen",
    sources={BERT_BASE: devlin(1), BERT_LARGE: devlin(1), BILSTM_ELMO: f"{devlin(1)}, as BiLSTM+ELMo+Attn"},
)
