"""What a service's batches cost the engine: as texts come, and filled up to few shapes.

    python benchmarks/service_shapes.py [--precision bf16 int8] [--clients 1 8 64] [--texts 250]

So many clients ask for one text of mixed length each and again as soon as they have its encoding; batches are
chosen and encoded as `textgraft serve` does it, without HTTP. Both ways take turns, each in a process of its
own. Printed are the processor time a text, of a first part and of a second one of as many texts, and the
memory after both. int8 is calibrated on other texts of the same kinds.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from encode import mixed_texts
from machine import describe

from textgraft.inference.encode import Encoder
from textgraft.inference.engines.openvino import SERVED_ENTRIES, keep_shapes
from textgraft.serving.encoding import EncoderLane
from textgraft.serving.queueing import Item, choose_batch

BUDGET, ROWS = 768, 64
WAYS = ("as they come", "filled up")


def memory() -> int:
    """Return the megabytes of this process in memory."""
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) // 1024


def measure(precision: str, way: str, clients: list[int], texts: int) -> None:
    """Encode as a service would, and print what it took."""
    keep_shapes(SERVED_ENTRIES)
    others = mixed_texts("train", 300, 11)
    encoder = Encoder("bundled", precision=precision, threads=1, calibration=others, normalize=False)
    if encoder.open().precision != precision:
        raise SystemExit(encoder.open().note)
    lane = EncoderLane(encoder)
    run = lane.run if way == "filled up" else encoder.encode_batches
    rows = encoder.tokenize(mixed_texts("train", 1600, 7)).ids
    for number in clients:
        generator, arrivals = random.Random(number), count()

        def new() -> Item:
            ids = generator.choice(rows)  # noqa: B023
            return Item(None, 0, ids, len(ids), next(arrivals))  # type: ignore[arg-type] # noqa: B023

        waiting = [new() for _ in range(number)]
        costs, shares = [], []
        for _ in range(2):
            done = batches = 0
            spent = 0.0
            while done < texts:
                chosen = choose_batch(waiting, BUDGET, ROWS)
                taken = {item.number for item in chosen}
                begun = time.process_time()
                next(iter(run(iter([[item.payload for item in chosen]]))))
                spent += time.process_time() - begun
                waiting = [item for item in waiting if item.number not in taken]
                waiting += [new() for _ in chosen]
                done, batches = done + len(chosen), batches + 1
            costs.append(1000 * spent / done)
            shares.append(done / batches)
        print(
            f"{precision}, {way:>12}, {number:>3} clients: {costs[0]:6.2f} then {costs[1]:6.2f} ms a text, "
            f"{shares[1]:.1f} texts a batch; {memory()} MB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--precision", nargs="+", default=["bf16", "int8"])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--texts", type=int, default=250)
    parser.add_argument("--way", choices=WAYS, help="this one alone, in this process")
    given = parser.parse_args()
    if given.way:
        measure(given.precision[0], given.way, given.clients, given.texts)
        return
    print(describe("textgraft", "openvino"), flush=True)
    for precision in given.precision:
        for clients in given.clients:
            for way in WAYS:
                chosen = ["--precision", precision, "--clients", str(clients), "--texts", str(given.texts)]
                subprocess.run([sys.executable, __file__, *chosen, "--way", way], check=True)


if __name__ == "__main__":
    main()
