"""`textgraft serve` under a light mixed load for long: whether its memory stays where it is.

    python benchmarks/soak.py [--minutes 60] [--rate 5] [--every 10] [--json]

One client asks all kinds of things in turn: encodings in three forms, intents, similarities, tokens, the
review queue, metrics, what is no request, and a connection that is given up half-way. Memory is what the
kernel says the process holds (VmRSS); it counts as flat if in the second half of the time it leaves what was
held at half time by no more than 5%, up or down. Beside it the process's threads and open files are
watched. Fewer requests come than `--rate` a second where the machine is busy.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import itertools
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from encode import mixed_texts
from machine import describe

from textgraft.review.items import Item
from textgraft.review.store import ReviewStore

FLAT = 0.05
WARM = 1 / 2
"""Of the time. What an engine keeps of the shapes of batches fills for some thousand requests: that growth is
bounded, and printed; what comes after it must not grow."""
ITEMS = 200
Asked = tuple[str, str, object]


def requests(texts: list[str], items: list[str]) -> Iterator[Asked]:
    """Yield method, path and body of one request after the other, without end."""
    generator = random.Random(0)
    places = itertools.count()
    while True:
        place = next(places)
        text = generator.choice(texts)
        few = generator.sample(texts, 4)
        reviewer = f"reviewer {place % 3}"
        yield "POST", "/embed", {"inputs": text, "truncate": True}
        yield "POST", "/predict", {"inputs": text[:400], "truncate": True, "model": "banking-intents"}
        yield "POST", "/v1/embeddings", {"input": few, "truncate": True, "encoding_format": "base64"}
        yield (
            "POST",
            "/similarity",
            {"inputs": {"source_sentence": few[0], "sentences": few[1:]}, "parameters": {"truncate": True}},
        )
        yield "POST", "/tokenize", {"inputs": text}
        yield "POST", "/pipelines/text-classification", {"inputs": text[:400], "truncate": True}
        yield "POST", "/review/next", {"reviewer": reviewer}
        yield "POST", "/review/release", {"item": generator.choice(items), "reviewer": reviewer}
        yield "GET", "/review/stats", None
        yield "GET", "/metrics", None
        yield "POST", "/embed", {"inputs": ""}


def give_up(port: int) -> None:
    """Begin a request and go away."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Content-Length: 1000\r\n\r\n{"inputs"'
        )


def sample(process: subprocess.Popen[str]) -> dict[str, float]:
    """Return the megabytes, threads and open files of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return {
        "mb": int(status.partition("VmRSS:")[2].split()[0]) / 1024,
        "threads": int(status.partition("Threads:")[2].split()[0]),
        "files": len(list(Path(f"/proc/{process.pid}/fd").iterdir())),
    }


def make_store(path: Path) -> list[str]:
    """Write a review store, and return the ids of its items."""
    made = [
        Item(task="classification", columns={"text": f"item {n}"}, prediction="a", scores={"a": 0.5})
        for n in range(ITEMS)
    ]
    with ReviewStore(path) as store:
        store.add(made)
    return [item.id for item in made]


def start(store: Path, log: Path) -> tuple[subprocess.Popen[str], int]:
    """Start the service, and return it with its port when it answers."""
    command = [sys.executable, "-m", "textgraft", "serve", "banking-intents", "--port", "0"]
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, "--review", str(store), "--set", "deadline=5m"], stderr=written, text=True
        )
    while "ready: " not in log.read_text():
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        time.sleep(0.2)
    return process, int(log.read_text().partition("ready: ")[2].split()[0].rpartition(":")[2])


def soak(
    process: subprocess.Popen[str], port: int, asked: Iterator[Asked], given: argparse.Namespace
) -> tuple[list[dict[str, float]], collections.Counter[int], list[float]]:
    """Ask until the time is up; return samples, how often each status came, and seconds to each answer."""
    statuses: collections.Counter[int] = collections.Counter()
    samples: list[dict[str, float]] = []
    latencies: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    begun = time.monotonic()
    for number in itertools.count():
        now = time.monotonic() - begun
        if now >= len(samples) * given.every:
            samples.append({"at": now, **sample(process)})
        if now >= given.minutes * 60:
            break
        if number % 50 == 49:
            give_up(port)
        method, path, body = next(asked)
        content = None if body is None else json.dumps(body)
        sent = time.monotonic()
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        latencies.append(time.monotonic() - sent)
        statuses[answer.status] += 1
        if given.rate:
            time.sleep(max(0.0, (number + 1) / given.rate - (time.monotonic() - begun)))
    return [*samples, {"at": time.monotonic() - begun, **sample(process)}], statuses, latencies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument(
        "--rate", type=float, default=5, help="requests a second; 0 for as many as it answers"
    )
    parser.add_argument("--every", type=float, default=10, help="seconds between samples")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="print the samples as well")
    given = parser.parse_args()
    texts = [text[:6000] for text in mixed_texts("train", given.texts, 7)]
    with tempfile.TemporaryDirectory() as folder:
        items = make_store(Path(folder) / "review.db")
        process, port = start(Path(folder) / "review.db", Path(folder) / "log")
        try:
            samples, statuses, latencies = soak(process, port, requests(texts, items), given)
        finally:
            process.terminate()
            ended = process.wait(60)
    settled = [entry for entry in samples if entry["at"] >= samples[-1]["at"] * WARM]
    first = settled[0]["mb"]
    low, high = (choose(entry["mb"] for entry in settled) for choose in (min, max))
    flat = (1 - FLAT) * first <= low and high <= (1 + FLAT) * first
    if given.json:
        print(json.dumps(samples))
    print(describe("textgraft", "fastapi", "uvicorn", "openvino"))
    print(
        f"{samples[-1]['at'] / 60:.1f} minutes, {sum(statuses.values())} requests, answered "
        f"{dict(sorted(statuses.items()))}; median {1000 * statistics.median(latencies):.0f} ms; "
        f"exit code {ended}"
    )
    print(
        f"memory: {samples[0]['mb']:.0f} MB at the start, {first:.0f} at half time, then "
        f"{low:.0f} to {high:.0f} ({low / first - 1:+.1%} to {high / first - 1:+.1%}), "
        f"{samples[-1]['mb']:.0f} at the end; threads {settled[0]['threads']:.0f} to "
        f"{max(entry['threads'] for entry in settled):.0f}, files {settled[0]['files']:.0f} to "
        f"{max(entry['files'] for entry in settled):.0f}"
    )
    if not flat or set(statuses) - {200, 409, 422}:
        raise SystemExit("not flat, or answered with what was not expected")


if __name__ == "__main__":
    main()
