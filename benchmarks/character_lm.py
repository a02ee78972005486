"""Tiny Shakespeare by character: LSTM, GRU, Elman RNN and GPT side by side, by the clock.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/character_lm.py [--minutes 3] [--models LSTM GPT]
        [--output character_lm.json] [--plot docs/character_lm.svg] [--data FOLDER]

nanoGPT's README reports a validation loss of 1.88 after about three minutes on the CPU of a laptop, with a
GPT of 4 layers, 4 heads, 128 wide and contexts of 64: how soon does each model get there on this machine?
The models stand in language_models.py.

Trained on the first nine tenths of the text, as nanoGPT is, and looked at on the first 20,000 characters of
the last tenth (nanoGPT's own look takes 20 batches of 12 contexts of 64, so 15,360); in the end all of that
tenth is predicted. A loss is in nats a character.
"""

from __future__ import annotations

from pathlib import Path

from language_models import Text, arguments, race, reached, save

from textgraft.pretraining.adaptation import texts_as_tokens
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.objectives.streams import boundary_ids

TARGET = 1.88
LOOKED_AT = 20_000
RECURRENT = {"batch_size": 32, "evaluations_per_epoch": 12, "warmup_fraction": 0.02}
SETTINGS = {
    "LSTM": {**RECURRENT, "learning_rate": 1.2e-2},
    "GRU": {**RECURRENT, "learning_rate": 4e-3},
    "RNN": {**RECURRENT, "learning_rate": 1e-3},
    "GPT": {**RECURRENT, "batch_size": 12, "learning_rate": 2e-3},
}


def read(folder: Path) -> Text:
    """Read the text by character."""
    train, valid, test = ((folder / f"{part}.txt").read_text() for part in ("train", "valid", "test"))
    held_out = valid + test
    tokenizer = train_tokenizer("lstm", [train, held_out], characters=True)
    start, end = boundary_ids(tokenizer)
    learned, looked_at, whole = (
        texts_as_tokens(tokenizer, [part], len(part)) for part in (train, held_out[:LOOKED_AT], held_out)
    )
    return Text(learned, looked_at, whole, len(tokenizer), start, end)


def main() -> None:
    """Race, and say who got where when."""
    given = arguments(__doc__.splitlines()[0], minutes=3)
    text = read(given.data / "tiny_shakespeare")
    figures = race(text, SETTINGS, given.models, 60 * given.minutes)
    for name, found in figures.items():
        found["seconds_to_target"] = seconds = reached(found["curve"], TARGET)
        when = f"after {seconds:.1f} s" if seconds else "not"
        print(f"{name}: {TARGET} {when} reached; best {found['best_dev_loss']:.3f}")
    save(given, "tiny_shakespeare by character", figures, {"minutes": given.minutes, "target": TARGET})


if __name__ == "__main__":
    main()
