"""What int8 does to encodings: calibrated on texts like those to come, and on those that come with textgraft.

    python benchmarks/calibration.py [--encoder bundled FOLDER …] [--texts 400] [--pairs 1379] [--own-alone]

Printed are the cosine of every encoding to that in fp32 (mean, the least of twenty, and the least of all) for
English texts of mixed length and for German sentences, the same after the mean encoding is taken off, as
encoders whose encodings all point one way look nearer than they are, and Spearman's correlation on the test
pairs of the STS benchmark. Texts like those to come are other ones of the same English kinds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from encode import DATA, mixed_texts, rows
from machine import describe
from scipy.stats import spearmanr

from textgraft.inference.encode import Encoder


def near(found: np.ndarray, exact: np.ndarray) -> str:
    """Describe the cosines between the rows of two arrays of vectors, [texts, size]."""
    cosines = (found * exact).sum(axis=1)
    cosines /= np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
    return f"{cosines.mean():.4f} {np.percentile(cosines, 5):.4f} {cosines.min():.4f}"


def spearman(encoder: Encoder, pairs: list[dict[str, str]]) -> float:
    """Return 100 times the correlation of cosines with people's scores of pairs of texts."""
    first, second = (
        encoder.encode([pair[column] for pair in pairs]) for column in ("sentence1", "sentence2")
    )
    return 100 * float(spearmanr((first * second).sum(axis=1), [float(pair["score"]) for pair in pairs])[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--encoder", nargs="+", default=["bundled"])
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=1379)
    parser.add_argument("--own-alone", action="store_true")
    given = parser.parse_args()
    print(describe("textgraft", "openvino", "nncf"), flush=True)
    english = mixed_texts("test", given.texts, 0)
    lines = (DATA / "tatoeba_deu_eng" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    german = [line.partition("\t")[2] for line in lines[:: len(lines) // given.texts]]
    pairs = rows("stsb/test.csv")[: given.pairs]
    like = mixed_texts("train", 300, 11)
    for name in given.encoder:
        exact = Encoder(name, precision="fp32", threads=1)
        wanted = {"English": exact.encode(english), "German": exact.encode(german)}
        print(f"{name}: fp32: Spearman on STS {spearman(exact, pairs):.2f}", flush=True)
        kinds = {"own texts": None} if given.own_alone else {"own texts": None, "texts like these": like}
        for kind, texts in kinds.items():
            encoder = Encoder(name, precision="int8", threads=1, calibration=texts)
            begun = time.process_time()
            note = encoder.open().note
            print(f"  {kind}: {note}; opened in {time.process_time() - begun:.0f} s", flush=True)
            if encoder.open().precision != "int8":
                continue
            for language, exactly in wanted.items():
                found = encoder.encode(english if language == "English" else german)
                middle = exactly.mean(axis=0)
                print(
                    f"    {language}: cosine {near(found, exactly)}; "
                    f"without the mean {near(found - middle, exactly - middle)}",
                    flush=True,
                )
            print(f"    Spearman on STS {spearman(encoder, pairs):.2f}", flush=True)


if __name__ == "__main__":
    main()
