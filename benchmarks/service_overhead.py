"""What `textgraft serve` costs around the model: processor time of a request to one that computes nothing.

    python benchmarks/service_overhead.py [--seconds 2] [--clients 8] [--rounds 3]

The service runs with the parser and the event loop that it takes where httptools and uvloop are installed,
and with those of Python alone; the two take turns. Requests are texts of 8 to 140 words, one each, over
connections that are kept.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
import time

from machine import describe
from serving_sides import Side, environment

from serving import client, run, spent

SERVER = """
import asyncio, socket, sys
from dataclasses import replace
import numpy as np
if sys.argv[2] == "plain":
    sys.modules["httptools"] = None
import uvicorn
from textgraft.serving.keys import Keys
from textgraft.serving.limits import Limits
from textgraft.serving.loading import Named, load_models
from textgraft.serving.serve import build, loop_factory, server_config

class Instant:
    key, background = "instant", False
    vectors = np.random.default_rng(0).normal(size=(64, 384)).astype(np.float32)
    def run(self, batches):
        for batch in batches:
            yield self.vectors[: len(batch)]

(model,) = load_models([Named.of("bundled")], precision="fp32")
model.encoder.lane = Instant()
service, app = build([model], (), Keys(()), Limits())
service.start()
listening = socket.socket()
listening.bind(("127.0.0.1", int(sys.argv[1])))
server = uvicorn.Server(server_config(app, service.limits))
with asyncio.Runner(loop_factory=None if sys.argv[2] == "plain" else loop_factory()) as runner:
    runner.run(server.serve(sockets=[listening]))
"""
KINDS = {"plain": 8797, "httptools, uvloop": 8798}
WORDS = ("the", "of", "and", "to", "in", "is", "you", "that", "it", "he", "was", "for", "on", "are", "with")


async def ask(side: Side, bodies: list[bytes], clients: int, seconds: float) -> int:
    """Let clients ask for a while; return how many answers there were."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    await asyncio.gather(
        *(client(side.port, bodies[place:] + bodies[:place], end, latencies) for place in range(clients))
    )
    return len(latencies)


def start(kind: str, port: int) -> subprocess.Popen[bytes]:
    """Start the service, and wait until it answers."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port), kind], env=environment())
    side = Side(kind, port, ())
    for _ in range(600):
        try:
            run(ask(side, [side.body("ready?")], 1, 0.01))
        except OSError:
            time.sleep(0.1)
        else:
            return process
    raise RuntimeError("the service does not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(describe("textgraft", "fastapi", "uvicorn"), flush=True)
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=generator.choice([8, 12, 40, 45, 140]))) for _ in range(200)]
    running = {kind: start(kind, port) for kind, port in KINDS.items()}
    try:
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(given.rounds):
            for kind, port in KINDS.items():
                side = Side(kind, port, ())
                before = spent(running[kind])
                answers = run(ask(side, [side.body(text) for text in texts], given.clients, given.seconds))
                found[kind].append(1000 * (spent(running[kind]) - before) / answers)
        for kind, times in found.items():
            print(
                f"{kind:>18}: {statistics.median(times):.2f} ms of processor time a request "
                f"({min(times):.2f} to {max(times):.2f})"
            )
    finally:
        for process in running.values():
            process.terminate()


if __name__ == "__main__":
    main()
