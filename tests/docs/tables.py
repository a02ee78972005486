"""What is not run of the pages as it stands, and why: all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Replaced:
    """A part of a snippet that is run in another form."""

    pattern: str
    by: str
    """Where ``{url}`` and ``{endpoint}`` are the addresses of servers that the tests run."""
    why: str


@dataclass(frozen=True)
class NotRun:
    """A line of commands, or a snippet of Python, that is parsed by test_written_commands.py alone."""

    pattern: str
    """Of the line, or of the whole snippet."""
    why: str
    is_whole: bool = False
    """Whether the snippet is not run as soon as it begins so."""


SERVICE = r"http://127\.0\.0\.1:8765"
ENDPOINT = r"https?://(?:api\.example\.com|localhost:8000)/v1"
REPLACED = (
    Replaced(SERVICE, "{url}", "the tests' service has a free port"),
    Replaced(r"textgraft serve (?!--new-key)", "textgraft serve --port 0 ", "no test relies on a fixed port"),
    Replaced(ENDPOINT, "{endpoint}", "a stand-in for the server"),
    Replaced(r"torchrun --nproc-per-node \d -m textgraft", "textgraft", "tests/training starts processes"),
    Replaced(r"sbatch --wait array.sh && ", "", "needs Slurm"),
    Replaced(r"tail -f", "cat", "it never ends"),
    Replaced(r"--jobs 4", "--jobs 1", "every process takes seconds to import; tests/executors starts some"),
    Replaced(r"(pretrain .*)--budget \S+", r"\1--tokens 2k", "hours"),
    Replaced(r"--tokens 1?\d\dM|--tokens 1B", "--tokens 2k", "hours"),
    Replaced(r"--size (large|mini)", "--size tiny", "gigabytes"),
    Replaced(
        r"(pretrain \S+)", r"\1 --vocabulary-size 300 --set batch_size=8 --set max_tokens=512", "seconds"
    ),
    Replaced(r"(distill \S+ \S+)", r"\1 --texts 40 --set epochs=1", "minutes"),
    Replaced(r"inspect gradients +(#|$)", r"inspect gradients --budget 1s --steps 4,8 \1", "90 seconds"),
    Replaced(r"inspect tokens (\S+ rows.csv)", r"inspect tokens \1 --rows 10", "half a minute"),
    Replaced(
        r"compare (\S+) --describe", r"compare \1 -c zero-shot --describe", "quick: it competes unnamed"
    ),
    Replaced(r"compare (\S+) (.*--prompt)", r"compare \1 -c bert-frozen \2", "quick: it competes unnamed"),
    Replaced(r'errors\("bert-frozen"\)', 'errors("tfidf")', "quick: the other does not compete"),
    Replaced(r"distilbert/distilbert-base-uncased-finetuned-sst-2-english", "./my-bert", "on the Hub"),
    Replaced(r"(benchmark glue --data glue_data)(?! --sets)", r"\1 -c tfidf", "minutes"),
    Replaced(r"--rows 1000", "--rows 40", "minutes"),
)
FORMS = {
    "multiple-choice", "next-sentence", "text-generation", "translation, summarization, text2text-generation",
    "image-to-text",
}  # fmt: skip
"""Sections whose results show their form alone: they are of models that the reader has yet to train."""
TINY_ENCODER = (
    r"howto … (have any task done|train one model|train on more|run public benchmarks)"
    r"|howto … (use a contender in scikit|answer thousands|ask a small model|get answers)"
)
"""Where a tiny encoder, which trains in no time, stands for the bundled one: pages and headings."""
SLOW = (
    r"(distillation|language_models|masked_and_causal|results_\w+|sequence_to_sequence) "
    r"|(inspection|pipelines|service|word_vectors) "
    r"|README From raw text"
    r"|howto … (train one model|train on more|run public|compare with a large|know whether labels|let people)"
    r"|howto … (give an encoder|read a text as it comes|know how it stands)"
)
"""Pages and headings of which the snippets train or load many networks: they run under ``make test-slow``."""
ENVIRONMENT = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "1"}
"""Variables that schedulers set."""
NOT_RUN = (
    NotRun(r"server {", "nginx's, not ours", is_whole=True),
    NotRun(r">>> fill", "what one model answered; the calls run in masked_and_causal.md", is_whole=True),
    NotRun(r"^\S*pip install|^python -m venv", "installs"),
    NotRun(r"^make ", "runs all tests, or the demo, which tests/data/demo and tests/cli run in parts"),
    NotRun(r"^python -m http\.server", "never ends"),
    NotRun(r"--runtime download", "fetches from npm; tests/browser runs such pages where there is a browser"),
    NotRun(r"--ray ", "starts a cluster: tests/executors does"),
    NotRun(r"^python benchmarks/", "minutes to hours, on data sets of others"),
    NotRun(r"--answer-early", "a promise takes hundreds of rows: tests/inference/streaming makes them"),
    NotRun(r"found = textgraft.early_decisions", "the same", is_whole=True),
    NotRun(r"from openai import", "tests/serving asks as they do; LangChain is not there", is_whole=True),
    NotRun(r"inspect context .*--tagged", "takes words of several types: tests/inspection makes them"),
    NotRun(r"owner/name", "reaches for the Hub: tests/models/test_hub.py stands in for it"),
    NotRun(r"textgraft benchmark .*--data DATA", "public data sets; the same command runs on glue_data"),
)


def changed(text: str, **addresses: str) -> str:
    """Return a snippet as it is run."""
    for entry in REPLACED:
        text = re.sub(entry.pattern, entry.by.format(**addresses), text, flags=re.MULTILINE)
    return text


def reason(text: str, *, is_whole: bool = False) -> str | None:
    """Say why a line, or a whole snippet, is not run; None if it is."""
    entries = [entry for entry in NOT_RUN if entry.is_whole == is_whole]
    match = re.match if is_whole else re.search
    return next((entry.why for entry in entries if match(entry.pattern, text)), None)
