"""Train, measure and describe what pipelines run by default beside the grafts of `ship_grafts.py`.

    python benchmarks/ship_defaults.py --data ../shared/data [NAME …] [--minutes 32] [--runs FOLDER]
    python benchmarks/ship_defaults.py --measure --data ../shared/data [NAME …]

translation-de-en, translation-en-de, text-generation and fill-mask are trained on sets that may be shipped,
for as many minutes each, and land with their cards in src/textgraft/grafts/; a run that was stopped goes on.
summarization and sentence-similarity run the bundled encoder as it is: they have a card alone. With --measure
nothing is trained: what is there is scored again, and its card written anew. Everything is scored in fp32, as
it is stored: in int8 or in 16 bits.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import default_recipes as recipes
import msgspec
import numpy as np
import torch
from machine import describe
from scipy.stats import spearmanr
from ship_grafts import GRAFTS, IN_FP32, halve_weights, regild

from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.evaluation.bootstrap import percentile_interval, resampled_scores
from textgraft.evaluation.rouge import weighted_rouge
from textgraft.inference.evaluate import evaluate
from textgraft.inference.pipelines.factory import pipeline
from textgraft.inference.predictor import Predictor, load
from textgraft.integrity import seal
from textgraft.models.int8 import store_int8
from textgraft.models.manifest import read_manifest, stamp
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.objectives.masking import Masking
from textgraft.pretraining.objectives.streams import Streams, boundary_ids
from textgraft.tokenization.sentences import split_sentences
from textgraft.training.settings import TrainingSettings
from textgraft.wording import duration

LANGUAGES = {"de": "German", "en": "English"}
BUNDLED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
E_MAILS = 300
"""Of AESLC's test set that are scored."""
RESAMPLES = 1000
DOUBTED = 0.05
"""Share of a translator's dev rows that it is as unsure of as of what a warning tells."""
UNREPEATED = 3
"""Tokens in a row that the language model writes once: left to itself it goes round in circles."""
EXAMPLES = {
    "de-en": ["Ich habe keine Zeit.", "Wo ist der Bahnhof?", "Das neue Gesetz gilt ab morgen."],
    "en-de": ["I have no time.", "Where is the station?", "The new law applies from tomorrow."],
}  # fmt: skip


def card(
    name: str, task: str, body: str, *, licence: str, base: bool = False, language: str = "[en]"
) -> None:
    """Write the card of a default."""
    told = f"\nbase_model: {BUNDLED_MODEL}" if base else ""
    (GRAFTS / name / "README.md").write_text(
        f"""---
library_name: transformers
pipeline_tag: {task}
tags: [textgraft]
language: {language}
license: {licence}{told}
---
# {name}

{body.strip()}
""",
        encoding="utf-8",
    )


def scored(name: str) -> str:
    return (
        f"Scored in fp32 with `python benchmarks/ship_defaults.py --measure {name}` on "
        f"{describe('torch', 'transformers')}."
    )


def size(name: str) -> str:
    files = (file for file in (GRAFTS / name).rglob("*") if file.is_file())
    return f"{sum(file.stat().st_size for file in files) / 1e6:.2f} MB"


def replace(name: str, trained: Path, *left: str) -> Path:
    """Put a trained folder into the package, but for some files."""
    folder = GRAFTS / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("README.md", "*.fingerprint", *left))
    return folder


def ask_for(folder: Path, file: str, **settings: Any) -> None:
    """Set entries of a configuration of a model."""
    config = json.loads((folder / file).read_text()) | settings
    (folder / file).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def probabilities(predictor: Predictor, sources: Sequence[str]) -> np.ndarray:
    """Return how probable a translator finds a token of what it writes, on geometric average."""
    _, written = predictor.outputs(Dataset.unlabelled({"source": list(sources)}))
    return np.array([found.token_probability for found in written])


def captions(data: Path, runs: Path) -> Path:
    """Write the pairs of Multi30k's test set of 2016."""
    sides = {side: (data / f"test_2016_flickr.{side}").read_text().splitlines() for side in ("de", "en")}
    file = runs / "multi30k.jsonl"
    rows = (dict(zip(sides, row, strict=True)) for row in zip(*sides.values(), strict=True))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def translation(name: str, data: Path, runs: Path, minutes: float | None) -> None:
    _, source, target = name.split("-")
    folder = GRAFTS / name
    if minutes:
        folder = replace(name, recipes.translation(source, target, data, runs, 60 * minutes))
        store_int8(folder)
        stamp(folder, read_manifest(folder))
        regild(folder)
    rows = recipes.pairs(data / "tatoeba_deu_eng", runs)
    with IN_FP32:
        predictor = load(folder, engine="torch")
        usual = probabilities(predictor, read_dataset(rows["dev"], text=source, label=target).texts)
    least = round(float(np.quantile(usual, DOUBTED)), 2)
    # It reads one sentence at a time, and says where it is unsure.
    asked = {"translation": {"by_sentence": True, "warn_below": least}}
    ask_for(folder, "config.json", task_specific_params=asked)
    stamp(folder, read_manifest(folder))
    manifest = read_manifest(folder)
    with IN_FP32:
        predictor = load(folder, engine="torch")
        found = evaluate(predictor, rows["test"], text=source, label=target)
        foreign = evaluate(predictor, captions(data / "multi30k", runs), text=source, label=target)
        written = pipeline("translation", folder, engine="torch")(EXAMPLES[f"{source}-{target}"])
        of_captions, of_targets = (
            f"{(probabilities(predictor, texts) < least).mean():.0%}"
            for texts in (
                read_dataset(captions(data / "multi30k", runs), text=source, label=target).texts,
                read_dataset(rows["test"], text=target, label=source).texts,
            )
        )
    metrics = {metric: value.value for metric, value in found.metrics.items()}
    if minutes:
        stamp(folder, msgspec.structs.replace(manifest, metrics=metrics))
    figures = [
        f"| {metric} | {value.value:.4f} ({value.low:.4f} to {value.high:.4f}) "
        f"| {foreign.metrics[metric].value:.4f} "
        f"({foreign.metrics[metric].low:.4f} to {foreign.metrics[metric].high:.4f}) |"
        for metric, value in found.metrics.items()
    ]
    examples = [
        f"| {given} | {result['translation_text']} |"
        for given, result in zip(EXAMPLES[f"{source}-{target}"], written, strict=True)
    ]
    settings = manifest.training["settings"]
    body = f"""
Translates {LANGUAGES[source]} to {LANGUAGES[target]}: an LSTM encoder–decoder with attention, its weights in
int8, {size(name)}. It needs no encoder.

Trained by `python benchmarks/ship_defaults.py {name}` on {manifest.training["rows"]:,} pairs of Tatoeba
(settings `{settings}`) in {duration(manifest.training["seconds"])} on one core.

{scored(name)} The test rows are {found.rows:,} pairs of which neither side stands among the training rows;
what is right in other words counts as wrong, as each has one reference. Of another kind are captions of
pictures, {foreign.rows:,} pairs of Multi30k (test set of 2016), twelve words long on average: nothing of it
was learned.

| metric | Tatoeba (95%) | Multi30k (95%) |
|---|---|---|
{chr(10).join(figures)}

| given | written |
|---|---|
{chr(10).join(examples)}

Good for: short everyday sentences, as "{EXAMPLES[f"{source}-{target}"][0]}"; showing how a translator is
used, served and measured; a beginning that needs no download. Not good for: anything else. It has learned
from the shortest sentences of Tatoeba, under four words on average, so that longer ones, names
and the words of news, law or medicine come out wrong, fluently, and so does text in any other language. The
pipeline gives it a text sentence by sentence, those in capitals as if they were not; what has no letter
stays as it is. A warning says where the model is unsure: where a token of what it writes has a probability
below {least:g} on average, as in {DOUBTED:.0%} of its dev rows. So it is with {of_captions} of the captions,
and with {of_targets} of the {LANGUAGES[target]} sides of the test rows, given in place of the
{LANGUAGES[source]} ones: it does not always notice. Use a translator of the Hub, or train one on your own
pairs.

Data: Tatoeba (tatoeba.org), CC BY 2.0 FR.
"""
    card(name, "translation", body, licence="cc-by-2.0", language="[de, en]")


def text_generation(name: str, data: Path, runs: Path, minutes: float | None) -> None:
    folder = GRAFTS / name
    if minutes:
        folder = replace(name, recipes.text_generation(data, runs, 60 * minutes))
        store_int8(folder)
    ask_for(folder, "generation_config.json", no_repeat_ngram_size=UNREPEATED)
    seal(folder)
    told = json.loads((folder / recipes.RECORD).read_text())
    with IN_FP32:
        write = pipeline("text-generation", folder)
    model, tokenizer = write.source.model, write.source.tokenizer
    parts = recipes.corpus(data, runs, recipes.PROSE, joined=True)
    start, end = boundary_ids(tokenizer)
    settings = TrainingSettings(batch_size=8, max_tokens=8 * 64, max_steps=1)
    lines = []
    for file in [None, *sorted(parts["test"].glob("*.txt"))]:
        texts = read_corpus(file or parts["test"])
        held = recipes.tokens_of([[document.text] for document in texts], tokenizer, end)
        metrics, loss = Streams(held, held, start_id=start).evaluate(model, settings, "fp32")
        words = sum(len(document.text.split()) for document in texts)
        characters = sum(len(document.text) for document in texts)
        nats = loss * len(held.ids)
        lines.append(
            f"| {file.stem if file else 'all'} | {len(held.ids):,} | {metrics['perplexity']:.1f} "
            f"| {math.exp(nats / words):.0f} | {nats / characters / math.log(2):.3f} |"
        )
    prompts = ["The president", "In the film, a young woman"]
    options: dict[str, Any] = {"max_new_tokens": 40, "temperature": 0.7, "top_p": 0.9, "seed": 1}
    written = [f"> {result[0]['generated_text']}" for result in write(prompts, **options)]
    body = f"""
Writes on, a sub-word after the other: an LSTM language model ({model.num_parameters() / 1e6:.1f} M
parameters, byte-level BPE of {len(tokenizer):,} tokens), its weights in int8, {size(name)}. It needs no
encoder.

Trained by `python benchmarks/ship_defaults.py {name}` on {told["corpus_tokens"]:,} tokens of prose (film
plots and articles of Wikipedia, addresses of American presidents; settings `{told["settings"]}`),
{told["epochs"]:.1f} times over, in {duration(told["seconds"])} on one core.

{scored(name)} The test documents, one in {recipes.HELD_OUT}, were not learned.

| documents | tokens | perplexity a token | perplexity a word | bits a character |
|---|---|---|---|---|
{chr(10).join(lines)}

It writes, with `{options}`:

{(chr(10) + chr(10)).join(written)}

No {UNREPEATED} tokens in a row are written twice, unless `no_repeat_ngram_size` says otherwise.

Good for: showing how a language model is used, streamed, served and measured; filler text. Not good for:
text that is to be true, or to make sense beyond a sentence; questions, instructions, code, other languages
than English. Train one on your own text with `textgraft pretrain`.

Data: Wikipedia (plots and articles, CC BY-SA 4.0) and presidential addresses (public domain).
"""
    card(name, "text-generation", body, licence="cc-by-sa-4.0")
    seal(folder)


def fill_mask(name: str, data: Path, runs: Path, minutes: float | None) -> None:
    folder = GRAFTS / name
    if minutes:
        folder = replace(name, recipes.fill_mask(data, runs, 60 * minutes), "peft", "tokenizer*", "vocab*")
        halve_weights(folder)
    told = json.loads((folder / recipes.RECORD).read_text())
    with IN_FP32:
        fill = pipeline("fill-mask", folder, engine="torch")
    tokenizer = fill.source.tokenizer
    parts = recipes.corpus(data, runs, (*recipes.PROSE, *recipes.TOKENISED), joined=False)
    lines = []
    for file in sorted(parts["test"].glob("*.txt")):
        held = recipes.tokens_of([document.sentences for document in read_corpus(file)], tokenizer, None)
        examples = FullSentences(held, Frame.of(tokenizer), length=recipes.LENGTH)
        objective = MaskedText(examples, examples, Masking.of(tokenizer))
        objective._held_out = objective._held_out[:: max(1, len(objective._held_out) // 60)]
        settings = TrainingSettings(max_tokens=2048, max_steps=1)
        metrics, _ = objective.evaluate(fill.source.model, settings, "fp32")
        lines.append(
            f"| {file.stem} | {objective.held_out_tokens():,} | {metrics['masked_accuracy']:.3f} "
            f"| {metrics['perplexity']:.1f} |"
        )
    texts = [
        "Paris is the [MASK] of France.",
        "She drank a cup of [MASK].",
        "The film was directed [MASK] him.",
    ]
    shown = [
        f"| {text} | {', '.join(found['token_str'] for found in fill(text, top_k=4))} |" for text in texts
    ]
    body = f"""
Says which words a masked one may stand for: an adapter and BERT's head on the bundled encoder
(all-MiniLM-L6-v2, named by hash in config.json), scored by the encoder's own word vectors; in 16 bits,
{size(name)}.

The encoder was trained to encode sentences and has no such head; this one was trained by `python
benchmarks/ship_defaults.py {name}` on {told["tokens"]:,} tokens of a corpus of {told["corpus_tokens"]:,}
(articles and film plots of Wikipedia, presidential addresses, film reviews, MASC; settings
`{told["settings"]}`, {recipes.SHARE:.0%} of the tokens masked) in {duration(told["seconds"])}, on one core.

{scored(name)} The test documents, one in {recipes.HELD_OUT}, were not learned; of each set 60 sequences of
{recipes.LENGTH} tokens or a few more are scored. As BERT was trained, 15% of the tokens are chosen, and of
these 80% masked.

| documents | tokens | accuracy | perplexity |
|---|---|---|---|
{chr(10).join(lines)}

| given | the likeliest four |
|---|---|
{chr(10).join(shown)}

Good for: guesses at single words of ordinary English, small words above all; showing how masked words are
filled and served. Not good for: facts, rare names, words of several tokens, capitals (the encoder reads
none), other languages. A BERT of the Hub guesses better: it was trained on a thousand times as much text.

Data: Wikipedia (CC BY-SA 4.0), presidential addresses (public domain), film reviews (CC BY 4.0), MASC (free
for all uses).
"""
    card(name, "fill-mask", body, licence="cc-by-sa-4.0", base=True)
    seal(folder)


def summarization(name: str, data: Path, runs: Path, minutes: float | None) -> None:
    del runs, minutes
    (GRAFTS / name).mkdir(exist_ok=True)
    with (data / "aeslc" / "test.jsonl").open(encoding="utf-8") as rows:
        mails = [json.loads(row) for row, _ in zip(rows, range(E_MAILS), strict=False)]
    gold = [[mail["summary"], *mail["references"]] for mail in mails]
    with IN_FP32:
        summarize = pipeline("summarization", engine="torch")
    lines = []
    for count in (1, 3):
        first = [" ".join(split_sentences(mail["text"])[:count]) for mail in mails]
        chosen = [
            found["summary_text"]
            for found in summarize([mail["text"] for mail in mails], num_sentences=count)
        ]

        def score(answers: list[str], weights: Any) -> Any:
            return weighted_rouge(gold, answers, weights)

        draws = resampled_scores(score, [first, chosen], len(gold), resamples=RESAMPLES)
        whole = np.ones((len(gold), 1), np.float32)
        of_first, of_chosen = (score(answers, whole) for answers in (first, chosen))
        for metric in ("rouge_l", "rouge_1", "rouge_2"):
            a, b = float(of_first[metric][0]), float(of_chosen[metric][0])
            gain = percentile_interval(draws[metric][1] - draws[metric][0], b - a)
            lines.append(
                f"| {count} | {metric} | {a:.4f} | {b:.4f} "
                f"| {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) |"
            )
    body = f"""
The default of `pipeline("summarization")`: sentences of the document itself, chosen by the bundled encoder
as it is. A sentence counts for being near to the mean of all of them and for standing early, and less for
being near to one that was chosen before (`textgraft.inference.central_sentences`). Nothing is trained, so
there are no weights here.

{scored(name)} {len(gold)} e-mails of AESLC's test set against their subject and three subjects that people
wrote, the best of which counts; the weights of place and likeness were chosen on its dev set, nothing else
was.

| sentences | metric | the first ones | the chosen ones | difference (95%) |
|---|---|---|---|---|
{chr(10).join(lines)}

Where the beginning says what a text is about, as in these e-mails, the first sentences do as well: the first
alone is a greeting now and then, and no more is gained.

Good for: seeing quickly what a letter, an article or a report is about, in its own words and with nothing
made up, in any length. Not good for: headlines and subject lines, as whole sentences are long; dialogues
and lists, which have no sentences to choose; other languages than English. For summaries in other words
train a contender of the task summarization on your own pairs, or name a model.
"""
    card(name, "summarization", body, licence="apache-2.0", base=True)


def sentence_similarity(name: str, data: Path, runs: Path, minutes: float | None) -> None:
    del runs, minutes
    (GRAFTS / name).mkdir(exist_ok=True)
    with IN_FP32:
        compare = pipeline("sentence-similarity", engine="torch")
    pairs, gold = recipes.scored_pairs(data / "stsb", "test")
    cosines = [row[0] for row in compare(pairs)]
    lines = [f"| STS benchmark, test | {len(gold):,} | {spearmanr(gold, cosines).statistic:.3f} |"]
    body = f"""
The default of `pipeline("sentence-similarity")`: the cosine of the encodings of two texts, by the bundled
encoder as it is. Nothing is trained, so there are no weights here.

{scored(name)}

| pairs | number | Spearman's correlation with what people say |
|---|---|---|
{chr(10).join(lines)}

Good for: finding texts that say nearly the same, and ranking by how near they are. Not good for: telling a
claim from its opposite ("The shop is open", "The shop is closed" are near), numbers and negation, long
texts (what lies beyond 256 tokens is not read, with a warning), other languages than English. The cosine is
no probability: take a threshold from your own pairs, or train a model of the task similarity on them.
"""
    card(name, "sentence-similarity", body, licence="apache-2.0", base=True)


KINDS = {
    "translation-de-en": translation,
    "translation-en-de": translation,
    "text-generation": text_generation,
    "fill-mask": fill_mask,
    "summarization": summarization,
    "sentence-similarity": sentence_similarity,
}


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(KINDS), choices=[*KINDS, []])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--minutes", type=float, default=32.0)
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "textgraft-defaults")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        KINDS[name](name, arguments.data, arguments.runs, None if arguments.measure else arguments.minutes)
        print((GRAFTS / name / "README.md").read_text())


if __name__ == "__main__":
    main()
