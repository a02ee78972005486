"""Sets of labelled texts on which the first claims are held: topics, sentiment, intents, origins."""

from __future__ import annotations

from textgraft.benchmarking.sets import BenchmarkSet, Layout, Suite

_DEV = ("dev", "valid", "val", "validation")
_WITH_TEST = Layout(("train",), ("test",), _DEV)
_WITH_DEV = Layout(("train",), _DEV, scored_on="dev")
_PAIR = (("sentence1",), ("sentence2",))


def _texts(name: str, *folders: str, text: str = "text", label: str = "label") -> BenchmarkSet:
    return BenchmarkSet(
        name=name,
        task="classification",
        folders=folders,
        layouts=(_WITH_TEST, _WITH_DEV),
        texts=tuple((column,) for column in text.split("+")),
        label=(label,),
    )


def _pairs(name: str, *folders: str) -> BenchmarkSet:
    return BenchmarkSet(
        name=name,
        task="pairs",
        folders=folders,
        layouts=(_WITH_TEST, _WITH_DEV),
        texts=_PAIR,
        label=("label",),
    )


CLAIMS = Suite(
    name="seed-claims",
    title="The claims that textgraft began with",
    sets=(
        _texts("origins", "title_origins_netflix24", text="description+director+cast", label="origin"),
        _texts("trec", "trec", label="coarse"),
        _texts("sst2", "sst2"),
        _texts("banking77", "banking77"),
        _texts("ag-news", "ag_news_7600", text="title+description"),
        _texts("snips", "snips"),
        _texts("movie-sentences", "mr_sentence_polarity"),
        _texts("tweets-english", "umsab_multilingual_sentiment/english"),
        _texts("tweets-german", "umsab_multilingual_sentiment/german"),
        _texts("cola", "cola", text="sentence"),
        _pairs("mrpc", "mrpc"),
        _pairs("rte", "rte"),
    ),
    contenders="majority,tfidf,static,lstm,lstm-static,bert-frozen",
    sources={},
)
