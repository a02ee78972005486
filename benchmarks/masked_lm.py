"""Pre-training a small BERT: textgraft's loop against Transformers' own masked-LM example.

    python benchmarks/masked_lm.py [--sizes tiny mini] [--rounds 3] [--seconds 20] [--tokens 500000]
        [--output masked_lm.json] [--plot docs/masked_lm.svg] [--data-folder FOLDER]

Both sides train the same new BertForMaskedLM (tiny: 2 layers of 128; mini: 4 of 256; 30,522 words) on the
same sentences, cut by the same tokenizer. Transformers' example (run_mlm.py) is Trainer, its data collator
and its dense head, which names a word at every place:

    trainer padded    --line_by_line --pad_to_max_length --max_seq_length 128: a sentence a row, 32 rows
    trainer lines     --line_by_line: padded to the longest row of the batch
    trainer chunks    neither: sentences put together to rows of 128; 8 rows, for as much text in a batch
    … bf16            the same with bf16=True

    textgraft         full sentences in sequences of 128, 8 of them a batch, the head at the masked positions
                      only, bf16 where native
    textgraft fp32    the same in fp32
    textgraft pairs   with next-sentence prediction (a BertForPreTraining)

All have about a thousand tokens of text in a step. Part one counts tokens of text a second: neither padding
nor special tokens count. Sides take turns; medians are compared. The first steps, in which kernels are
prepared, are left out.

Part two trains "trainer padded" and "textgraft" on --tokens tokens of text each at the same rates (peak 1e-3,
warm-up of a tenth, then linearly to zero), and scores both, as they go, on the same masked positions in
held-out text: in single sentences, as the peer is trained on, and in full sequences. --tokens 0 leaves
it out.

Everything runs on one thread. The corpus is docs_corpus, below --data-folder or $TEXTGRAFT_DATA.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from line_plot import write_plot
from machine import describe, precisions
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    DataCollatorForLanguageModeling,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from textgraft.files import cache_folder, write_json
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.corpus.tokens import Tokens, tokenize_corpus
from textgraft.pretraining.objectives.examples import Arrays, Examples, Frame, attention_mask, padded
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masked import MaskedText
from textgraft.pretraining.objectives.masking import Masking
from textgraft.pretraining.objectives.next_sentence import SentencePairs
from textgraft.pretraining.sizes import SIZES
from textgraft.training.loop import fit
from textgraft.training.progress import Progress
from textgraft.training.settings import TrainingSettings

LENGTH, VOCABULARY, RATE, WARMUP = 128, 30_522, 1e-3, 0.1
LINES, SEQUENCES = 32, 8
"""Rows of a batch: of sentences, and of full sequences."""
SKIPPED = 3
"""Steps before the clock starts."""
SCORED = 12
"""How often the loss is taken along part two."""
HELD_OUT = {"sentences": 1024, "full sequences": 256}
"""On how much."""


class Lines(Examples):
    """Every sentence a sequence of its own, cut to LENGTH."""

    def __init__(self, tokens: Tokens, frame: Frame) -> None:
        self.tokens, self.frame = tokens, frame
        self.lengths = np.minimum(np.diff(tokens.piece_starts), LENGTH - 2) + 2
        self.identity = f"lines of {tokens.identity}"

    def ids(self, number: int) -> list[int]:
        """Return the ids of a sentence, special tokens included."""
        start = self.tokens.piece_starts[number]
        text = self.tokens.ids[start : start + self.lengths[number] - 2].tolist()
        return [self.frame.first, *text, self.frame.separator]

    def batch(self, numbers: Sequence[int], generator: np.random.Generator) -> Arrays:
        """Return sentences."""
        rows = [np.array(self.ids(number)) for number in numbers]
        return {"input_ids": padded(rows, self.frame.padding), "attention_mask": attention_mask(rows)}


class Meter:
    """Counts tokens of text, and notes when each step ended."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.tokens = 0
        self.marks: list[tuple[int, float]] = []

    def count(self, batch: Mapping[str, Tensor]) -> None:
        """Add a batch: neither padding nor special tokens."""
        ids = batch["input_ids"]
        framing = (ids == self.frame.first) | (ids == self.frame.separator)
        self.tokens += int(batch["attention_mask"].sum() - framing.sum())

    def step(self) -> None:
        """Note the end of a step."""
        self.marks.append((self.tokens, time.perf_counter()))

    def rate(self) -> float:
        """Return tokens a second, without the first steps."""
        (first, start), (last, end) = self.marks[SKIPPED], self.marks[-1]
        return (last - first) / (end - start)


class Following(TrainerCallback):
    """Tells a meter of Trainer's steps and ends its training by the clock."""

    def __init__(self, meter: Meter, seconds: float, on_step: Callable[[], None] | None) -> None:
        self.meter, self.seconds, self.on_step = meter, seconds, on_step

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.end = time.perf_counter() + self.seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read it."""
        self.meter.step()
        if self.on_step:
            self.on_step()
        if time.perf_counter() > self.end and len(self.meter.marks) >= 2 * SKIPPED:
            control.should_training_stop = True


class Bench:
    """The text, and what each side does with it."""

    def __init__(self, folder: Path, size: str, seconds: float) -> None:
        self.size, self.seconds = size, seconds
        corpus = read_corpus(folder / "docs_corpus")
        self.tokenizer = _tokenizer(corpus)
        self.train, self.dev = tokenize_corpus(corpus, self.tokenizer, unit="sentences")
        self.frame = Frame.of(self.tokenizer)
        self.masking = Masking.of(self.tokenizer)

    def model(self, kind: type[PreTrainedModel] = BertForMaskedLM) -> PreTrainedModel:
        """Make a new model, the same for each side."""
        shape = SIZES[self.size]
        torch.manual_seed(0)
        return kind(
            BertConfig(
                vocab_size=VOCABULARY,
                hidden_size=shape.width,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=4 * shape.width,
                max_position_embeddings=512,
            )
        )

    def objective(self, pairs: bool = False) -> MaskedText:
        """Return what textgraft trains on; a few held-out sequences, as the loop wants some."""
        kind = SentencePairs if pairs else FullSentences
        train, dev = (kind(tokens, self.frame, length=LENGTH) for tokens in (self.train, self.dev))
        dev.lengths = dev.lengths[:2]
        return MaskedText(train, dev, self.masking)

    def ours(
        self, *, pairs: bool = False, steps: int | None = None, scorer: Scorer | None = None, **settings: Any
    ) -> Meter:
        """Train with textgraft, by the clock or for some steps."""
        objective, meter = self.objective(pairs), Meter(self.frame)
        model = self.model(BertForPreTraining if pairs else BertForMaskedLM)
        plain = objective.batch

        def batch(rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
            made = plain(rows, generator)
            meter.count(made)
            return made

        def on_step(progress: Progress) -> None:
            meter.step()
            if scorer:
                scorer(model, meter.tokens)

        objective.batch = batch  # type: ignore[method-assign]
        chosen = TrainingSettings(
            learning_rate=RATE,
            warmup_fraction=WARMUP,
            batch_size=SEQUENCES,
            max_tokens=SEQUENCES * LENGTH,
            epochs=1000,
            patience=None,
            max_seconds=None if steps else self.seconds,
            max_steps=steps,
            **settings,
        )
        fit(model, objective, chosen, on_step=on_step)
        return meter

    def trainer(
        self, form: str, *, bf16: bool = False, steps: int = 10**6, scorer: Scorer | None = None
    ) -> Meter:
        """Train with Transformers' example, by the clock or for some steps."""
        meter = Meter(self.frame)
        collate = DataCollatorForLanguageModeling(self.tokenizer)
        model = self.model()

        def counting(rows: Sequence[dict[str, Any]]) -> Any:
            batch = collate(rows)
            meter.count(batch)
            return batch

        def on_step() -> None:
            if scorer:
                scorer(model, meter.tokens)

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                use_cpu=True,
                bf16=bf16,
                learning_rate=RATE,
                warmup_steps=round(WARMUP * steps),
                weight_decay=0.01,
                per_device_train_batch_size=SEQUENCES if form == "chunks" else LINES,
                max_steps=steps,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            following = Following(meter, float("inf") if steps < 10**6 else self.seconds, on_step)
            trainer = Trainer(
                model,
                arguments,
                train_dataset=Rows(self.train, self.frame, form),
                data_collator=counting,
                callbacks=[following],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return meter


class Rows(torch.utils.data.Dataset):
    """The training rows of run_mlm.py, in one of its forms."""

    def __init__(self, tokens: Tokens, frame: Frame, form: str) -> None:
        self.lines, self.frame = Lines(tokens, frame), frame
        self.width = LENGTH if form == "padded" else 0
        self.chunks = None
        if form == "chunks":
            every = [token for number in range(len(self.lines)) for token in self.lines.ids(number)]
            self.chunks = np.array(every[: len(every) // LENGTH * LENGTH]).reshape(-1, LENGTH)

    def __len__(self) -> int:
        return len(self.lines if self.chunks is None else self.chunks)

    def __getitem__(self, number: int) -> dict[str, list[int]]:
        """Return a row, padded if the form is."""
        ids = self.lines.ids(number) if self.chunks is None else self.chunks[number].tolist()
        rest = self.width - len(ids)
        special = {self.frame.first, self.frame.separator, self.frame.padding}
        return {
            "input_ids": ids + [self.frame.padding] * rest,
            "attention_mask": [1] * len(ids) + [0] * rest,
            "special_tokens_mask": [int(token in special) for token in ids] + [1] * rest,
        }


class Scorer:
    """Takes the held-out losses of a model as it learns, in sentences and in full sequences.

    Args:
        bench: The held-out text.
        tokens: How many will be trained on.
    """

    def __init__(self, bench: Bench, tokens: int) -> None:
        full = FullSentences(bench.dev, bench.frame, length=LENGTH)
        forms = {"sentences": Lines(bench.dev, bench.frame), "full sequences": full}
        for name, dev in forms.items():
            dev.lengths = dev.lengths[: HELD_OUT[name]]
        self.objectives = {name: MaskedText(full, dev, bench.masking) for name, dev in forms.items()}
        self.curves: dict[str, list[tuple[int, float]]] = {name: [] for name in forms}
        # A little less than all, so that the last time comes even if sentences turn out shorter.
        self.every = 0.97 * tokens / SCORED
        self.due = 0.0

    def __call__(self, model: PreTrainedModel, tokens: int) -> None:
        """Score the model if it is time to; the random numbers of training stay as they were."""
        if tokens < self.due:
            return
        self.due += self.every
        with torch.random.fork_rng():
            for name, objective in self.objectives.items():
                metrics, _ = objective.evaluate(model, TrainingSettings(), "fp32")
                self.curves[name].append((tokens, -metrics["log_likelihood"]))
        model.train()


def _tokenizer(corpus: Any) -> PreTrainedTokenizerFast:
    """Learn the tokenizer, once for this corpus."""
    place = cache_folder() / f"benchmark-wordpiece-{'-'.join(name[:8] for name in corpus.identity())}"
    if not place.is_dir():
        made = train_tokenizer("bert", corpus.texts, vocabulary_size=VOCABULARY)
        made.save_pretrained(place)
    return transformers.AutoTokenizer.from_pretrained(place)


def speeds(bench: Bench, rounds: int) -> dict[str, float]:
    """Let the sides take turns; return the median rate of each, in tokens of text a second."""
    sides: dict[str, Callable[[], Meter]] = {
        "trainer padded": lambda: bench.trainer("padded"),
        "textgraft": bench.ours,
        "trainer lines": lambda: bench.trainer("lines"),
        "textgraft fp32": lambda: bench.ours(precision="fp32"),
        "trainer chunks": lambda: bench.trainer("chunks"),
        "textgraft pairs": lambda: bench.ours(pairs=True),
        "trainer padded bf16": lambda: bench.trainer("padded", bf16=True),
        "trainer chunks bf16": lambda: bench.trainer("chunks", bf16=True),
    }
    if not precisions("bf16"):
        sides = {name: side for name, side in sides.items() if not name.endswith(("bf16", "fp32"))}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            rates[name].append(side().rate())
    return {name: statistics.median(values) for name, values in rates.items()}


def learning(bench: Bench, tokens: int) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Train both sides on as many tokens; return the held-out losses along the way, by side and form."""
    curves = {}
    lengths = np.minimum(np.diff(bench.train.piece_starts), LENGTH - 2)
    sequences = FullSentences(bench.train, bench.frame, length=LENGTH)
    a_step = {
        "trainer padded": LINES * lengths.mean(),
        "textgraft": SEQUENCES * (sequences.lengths.mean() - 2),
    }
    for name, mean in a_step.items():
        scorer, steps = Scorer(bench, tokens), round(tokens / mean)
        if name == "textgraft":
            bench.ours(steps=steps, scorer=scorer)
        else:
            bench.trainer("padded", steps=steps, scorer=scorer)
        curves[name] = scorer.curves
    return curves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["tiny", "mini"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a turn")
    parser.add_argument("--tokens", type=int, default=500_000, help="of each run of part two")
    parser.add_argument("--output", type=Path, help="where all figures go, as JSON")
    parser.add_argument("--plot", type=Path, help="folder for the loss curves, as SVG")
    parser.add_argument("--data-folder", type=Path, default=os.environ.get("TEXTGRAFT_DATA"))
    options = parser.parse_args()
    if options.data_folder is None:
        parser.error("give --data-folder, or set TEXTGRAFT_DATA")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    on = describe("torch", "transformers", "accelerate")
    print(on)
    results: dict[str, Any] = {"machine": on, "sizes": {}}
    for size in options.sizes:
        bench = Bench(options.data_folder, size, options.seconds)
        rates = speeds(bench, options.rounds) if options.rounds else {}
        parameters = sum(parameter.numel() for parameter in bench.model().parameters())
        print(f"\n{size}: {parameters / 1e6:.1f} M parameters")
        print(f"tokens of text a second, median of {options.rounds}")
        for name, rate in rates.items():
            print(f"  {name:20s} {rate:9.0f}")
        for peer in (name for name in rates if name.startswith("trainer")):
            target = " (target 8)" if peer == "trainer padded" else ""
            print(f"RATIO {size}: textgraft / {peer} {rates['textgraft'] / rates[peer]:.2f}{target}")
        curves = learning(bench, options.tokens) if options.tokens else {}
        for name, forms in curves.items():
            losses = ", ".join(f"{form} {curve[-1][1]:.3f}" for form, curve in forms.items())
            print(f"  held-out loss of {name} after {forms['sentences'][-1][0]:,} tokens: {losses}")
        results["sizes"][size] = {"tokens_per_second": rates, "held_out_loss": curves}
    if options.output:
        write_json(options.output, results)
    if options.plot and options.tokens:
        plot_losses(options.plot, results["sizes"])


def plot_losses(folder: Path, sizes: dict[str, Any]) -> None:
    """Draw the held-out losses of each size."""
    folder.mkdir(parents=True, exist_ok=True)
    for size, result in sizes.items():
        write_plot(
            folder / f"masked_lm_{size}.svg",
            f"BERT {size}: masked-LM loss on held-out text at equal tokens",
            {
                f"{name.removeprefix('trainer ')}, {form.removeprefix('full ')}": curve
                for name, forms in result["held_out_loss"].items()
                for form, curve in forms.items()
            },
            x_label="tokens of text trained on",
            y_label="cross entropy at the masked positions, nats",
        )


if __name__ == "__main__":
    main()
