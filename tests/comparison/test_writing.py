"""What is shown of written texts, from stored trials alone."""

from __future__ import annotations

import plotly.graph_objects as go
from msgspec.structs import replace

from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.generation_stats import Writing
from textgraft.comparison.records.trials import Configuration, Cost, TestSet, Trial
from textgraft.comparison.reporting.figures import attention_heatmap
from textgraft.comparison.reporting.sections import attended, samples
from textgraft.inference.attention_maps import AttentionMap

ROWS = 40
GOLD = [[f"the {n} dogs run", f"{n} dogs are running"] for n in range(ROWS)]
MAP = AttentionMap(
    source=["<b>", "Hunde"], target=["dogs", "dogs", "</s>"], weights=[[0.1, 0.9], [0.5, 0.5], [1, 0]]
)
TEST_SET = TestSet(
    task="translation",
    task_settings={"source": "de", "target": "en"},
    labels=[],
    gold=GOLD,
    test_texts=[f"die {n} Hunde laufen" for n in range(ROWS)],
    test_ids=[str(n + 1) for n in range(ROWS)],
    leaked=[],
    train_rows=100,
    dev_rows=10,
    check={},
)


def trial(contender, seed, *, right, attentions=(), perplexity=None):
    """Make a trial that writes the first ``right`` targets, and nothing for the others."""
    answers = [texts[0] if row < right else "" for row, texts in enumerate(GOLD)]
    cost = Cost(
        training_seconds=3.0,
        tuning_seconds=0.0,
        latency_ms_p50=1.0,
        latency_ms_p95=2.0,
        throughput_per_second=9.0,
        model_mb=1.0,
    )
    scores = {"bleu": right / ROWS, "chrf": right / ROWS, "exact_match": right / ROWS}
    return Trial(
        id=f"{contender}{seed}",
        contender=contender,
        size=100,
        seed=seed,
        settings={},
        configurations=[Configuration(settings={}, dev_score=0.5, seconds=3.0)],
        data_hash="x",
        predicted=answers,
        confidence=[0.5] * ROWS,
        metric="bleu",
        metrics=scores,
        dev_metrics=scores,
        cost=cost,
        truncated_fraction=0.0,
        epochs=1.0,
        stopped_by="epochs",
        history=[],
        versions={},
        writing=Writing(
            tokens_per_second=100.0 * (seed + 1),
            perplexity=perplexity,
            token_accuracy=None,
            signatures={"bleu": "nrefs:2"},
            attentions=list(attentions),
        ),
    )


TRIALS = [
    trial("copy", 0, right=4),
    *(trial("lstm-attention", seed, right=20, attentions=[MAP], perplexity=5.0 + seed) for seed in range(3)),
    *(trial("lstm-seq2seq", seed, right=30, perplexity=4.0) for seed in range(3)),
]


def test_the_verdict_has_speed_and_perplexity():
    verdict = judge(TRIALS, TEST_SET)
    assert verdict.standing("lstm-attention").tokens_per_second == 200
    assert verdict.standing("lstm-attention").perplexity == 6
    assert verdict.standing("copy").perplexity is None
    assert verdict.signatures == {"bleu": "nrefs:2"}
    assert verdict.metric == "BLEU"
    assert verdict.pick == "lstm-seq2seq"


def test_what_an_oracle_reaches_is_said_of_who_chooses_as_it_does():
    chooser = TRIALS[-1]
    chooser = replace(chooser, writing=replace(chooser.writing, oracle=0.875))
    verdict = judge([*TRIALS[:1], chooser], TEST_SET)
    assert verdict.standing("lstm-seq2seq").oracle == 0.875
    (said,) = [sentence for sentence in verdict.sentences if "knows the targets" in sentence]
    assert "BLEU 0.875" in said
    assert "reaches 86%" in said
    assert not [sentence for sentence in judge(TRIALS, TEST_SET).sentences if "knows the targets" in sentence]


def test_samples_are_not_chosen_by_how_well_they_went():
    shown = samples(TRIALS, TEST_SET)
    assert [sample.id for sample in shown] == [str(1 + 3 * place) for place in range(12)]
    assert list(shown[0].outputs) == ["copy", "lstm-attention", "lstm-seq2seq"]
    assert shown[0].references == "the 0 dogs run | 0 dogs are running"
    assert shown[3].outputs == {
        "copy": "",
        "lstm-attention": "the 9 dogs run",
        "lstm-seq2seq": "the 9 dogs run",
    }


def test_the_preferred_contender_looks_first():
    assert attended(TRIALS, "lstm-attention") == ("lstm-attention", [MAP])
    assert attended(TRIALS, "lstm-seq2seq") == ("lstm-attention", [MAP]), "it attends to nothing itself"
    assert attended(TRIALS[:1], "copy") == ("copy", [])


def test_a_map_of_attention_is_a_figure_and_its_words_stay_text():
    figure = attention_heatmap(MAP)
    go.Figure(figure)
    (trace,) = figure["data"]
    assert trace["zmax"] == 1
    assert figure["layout"]["xaxis"]["ticktext"] == ["&lt;b&gt;", "Hunde"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["dogs", "dogs", "&lt;/s&gt;"]
    assert trace["y"] == [0, 1, 2], "equal words have a row each"
