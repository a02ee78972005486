"""Documents by word: LSTM, GRU, Elman RNN and GPT side by side, by perplexity on WikiText-2's test text.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/word_lm.py [--minutes 5] [--models LSTM GPT]
        [--output word_lm.json] [--plot docs/word_lm.svg] [--data FOLDER]

Trained on docs_corpus without its WikiText-2 file: speeches, reviews, film plots, Wikipedia and more. The
20,000 most frequent words, in lower case, are known; every other word is [UNK], in the held-out text as
well, whose share is said. Held out are the first 20 articles of WikiText-2's valid.txt, by which the curves
are drawn, and its whole test.txt, predicted once in the end. WikiText's own marks are undone: <unk> is [UNK]
here, too, and " @-@ " a hyphen. The models stand in language_models.py.

The perplexities are not those of the literature, which trains on WikiText-2 and knows its words.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from language_models import Text, arguments, race, save

from textgraft.pretraining.adaptation import texts_as_tokens
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.corpus.corpus import Corpus
from textgraft.pretraining.corpus.tokens import tokenize_corpus
from textgraft.pretraining.objectives.streams import boundary_ids

VOCABULARY, ARTICLES = 20_000, 20
LONGEST = 100_000
"""Words of an article that are read: all of any."""
RECURRENT = {"batch_size": 32, "learning_rate": 4e-3, "evaluations_per_epoch": 16, "warmup_fraction": 0.02}
SETTINGS = {
    "LSTM": RECURRENT,
    "GRU": {**RECURRENT, "learning_rate": 2e-3},
    "RNN": {**RECURRENT, "learning_rate": 1e-3},
    "GPT": {**RECURRENT, "batch_size": 16, "learning_rate": 2e-3},
}


def articles(path: Path) -> list[str]:
    """Return the articles of a file of WikiText-2 as plain text; what is unknown there is no word here."""
    lines = path.read_text().split("\n")
    heads = [number for number, line in enumerate(lines) if re.fullmatch(r" = [^=].*[^=] = ", line)]
    texts = ["\n".join(lines[begin:end]) for begin, end in zip(heads, [*heads[1:], None], strict=True)]
    return [re.sub(r" @(.)@ ", r"\1", text).replace("<unk>", "qunknownq") for text in texts]


def read(data: Path) -> tuple[Text, dict[str, float]]:
    """Read the corpus and what is held out; return them with figures about them."""
    files = sorted(path for path in (data / "docs_corpus").glob("*.txt") if "wikitext" not in path.name)
    corpus = Corpus(tuple(files))
    tokenizer = train_tokenizer("lstm", corpus.texts, vocabulary_size=VOCABULARY)
    start, end = boundary_ids(tokenizer)
    train, _ = tokenize_corpus(corpus, tokenizer, unit="text", end_id=end, dev_fraction=0.001)
    wiki = data / "wikitext2_valid_test"
    dev, test = (
        texts_as_tokens(tokenizer, texts, LONGEST)
        for texts in (articles(wiki / "valid.txt")[:ARTICLES], articles(wiki / "test.txt"))
    )
    about = {
        "train_tokens": len(train.ids),
        "dev_tokens": len(dev.ids),
        "test_tokens": len(test.ids),
        "unknown_share_of_train": float(np.mean(train.ids == tokenizer.unk_token_id)),
        "unknown_share_of_test": float(np.mean(test.ids == tokenizer.unk_token_id)),
    }
    return Text(train, dev, test, len(tokenizer), start, end), about


def main() -> None:
    """Race."""
    given = arguments(__doc__.splitlines()[0], minutes=5)
    text, about = read(given.data)
    print(", ".join(f"{name} {value:,.4g}" for name, value in about.items()), flush=True)
    figures = race(text, SETTINGS, given.models, 60 * given.minutes)
    save(given, "docs_corpus by word", figures, {"minutes": given.minutes, **about}, perplexity=True)


if __name__ == "__main__":
    main()
