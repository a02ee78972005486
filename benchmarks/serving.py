"""Encodings over HTTP: `textgraft serve` against FastAPI around sentence-transformers' encode.

    python benchmarks/serving.py [--clients 1 8 64] [--seconds 6] [--rounds 3] [--cores 0 1] [--texts 1000]

The other side is what its documentation suggests: one request, one call of `encode`, in FastAPI's threads.
Both services run at a time, on the first core with one thread, and take turns; whoever asks them sits on the
second core, over connections that are kept, each with one text of mixed length a request. Both read 256
tokens. `--precision fp32` gives our side no bf16. Latency is from the last byte sent to the last byte
received. For one client at a time the table also has what a service adds to a direct call of
`textgraft.encode` with the same text on the same core, and for many what share of the direct throughput is
left. Processor time of the whole server process a request is what a busy machine disturbs least.
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
from pathlib import Path

from encode import mixed_texts
from machine import describe

NAIVE = """
import sys
from fastapi import FastAPI
from pydantic import BaseModel
import uvicorn
from sentence_transformers import SentenceTransformer
from textgraft.models.encoders import resolve_encoder

model = SentenceTransformer(str(resolve_encoder().path), device="cpu")
app = FastAPI()

class Body(BaseModel):
    inputs: list[str]

@app.post("/embed")
def embed(body: Body) -> list[list[float]]:
    return model.encode(body.inputs).tolist()

uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""
DIRECT = """
import json, sys, time
import textgraft
from textgraft.inference.encode import Encoder
texts = json.loads(open(sys.argv[1]).read())
encoder = Encoder(precision=sys.argv[2], threads=1)
encoder.encode(texts[:64])
times = []
for text in texts[:200]:
    start = time.perf_counter()
    encoder.encode([text])
    times.append(time.perf_counter() - start)
start = time.perf_counter()
encoder.encode(texts)
print(json.dumps({"rate": len(texts) / (time.perf_counter() - start), "p50": sorted(times)[len(times) // 2]}))
"""


def spent(process: subprocess.Popen[bytes]) -> float:
    """Return the processor seconds of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: subprocess.Popen[bytes]) -> int:
    """Return the megabytes of a process in memory."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) // 1024


async def client(port: int, bodies: list[bytes], end: float, latencies: list[float]) -> None:
    """Ask one after the other, over one connection, until the time is up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    place = hash(id(writer)) % len(bodies)
    while time.perf_counter() < end:
        body = bodies[place % len(bodies)]
        place += 1
        head = (
            "POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        begun = time.perf_counter()
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - begun)
    writer.close()


async def load(port: int, bodies: list[bytes], clients: int, seconds: float) -> list[float]:
    """Let many clients ask at once; return how long each request took."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            shifted = bodies[number * 37 % len(bodies) :] + bodies[: number * 37 % len(bodies)]
            group.create_task(client(port, shifted, end, latencies))
    return latencies


def wait_for(port: int) -> None:
    """Wait until a service answers."""
    body = json.dumps({"inputs": ["ready?"]}).encode()
    for _ in range(1200):
        try:
            asyncio.run(client(port, [body], time.perf_counter() + 0.01, []))
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the service does not start")


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
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    texts = mixed_texts("train", given.texts, 7)
    bodies = [json.dumps({"inputs": [text[:6000]], "truncate": True}).encode() for text in texts]
    naive_bodies = [json.dumps({"inputs": [text[:6000]]}).encode() for text in texts]
    print(describe("textgraft", "sentence-transformers", "fastapi", "uvicorn", "openvino"), flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    here = ["taskset", "-c", str(given.cores[0]), sys.executable]
    ours = [*here, "-m", "textgraft", "serve", "--precision", given.precision, "--port", "8791"]
    sides = {
        "textgraft serve": (8791, bodies, ours),
        "FastAPI and encode": (8792, naive_bodies, [*here, "-c", NAIVE, "8792"]),
    }
    os.sched_setaffinity(0, {given.cores[1]})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([text[:6000] for text in texts], file)
        file.flush()
        direct = [*here, "-c", DIRECT, file.name, given.precision]
        alone = [
            json.loads(subprocess.run(direct, check=True, capture_output=True, env=environment).stdout)
            for _ in range(given.rounds)
        ]
    rate = statistics.median(run["rate"] for run in alone)
    one = 1000 * statistics.median(run["p50"] for run in alone)
    print(f"direct: {rate:.0f} texts/s, one text {one:.1f} ms (median)", flush=True)
    running = {
        name: subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name, (_, _, command) in sides.items()
    }
    try:
        for port, _, _ in sides.values():
            wait_for(port)
        rates: dict[tuple[str, int], list[float]] = {}
        for clients in given.clients:
            for _ in range(given.rounds):
                for name, (port, own, _) in sides.items():
                    before = spent(running[name])
                    begun = time.perf_counter()
                    found = asyncio.run(load(port, own, clients, given.seconds))
                    seconds = time.perf_counter() - begun
                    work = 1000 * (spent(running[name]) - before) / len(found)
                    rates.setdefault((name, clients), []).append(len(found) / seconds)
                    print(
                        f"{clients:>3} clients  {name:>18}  {len(found) / seconds:7.1f} requests/s  "
                        f"p50 {part(found, 0.5):7.1f}  p95 {part(found, 0.95):7.1f}  "
                        f"p99 {part(found, 0.99):7.1f} ms  {work:5.2f} ms processor time a request  "
                        f"{memory(running[name])} MB",
                        flush=True,
                    )
            mine, theirs = (statistics.median(rates[name, clients]) for name in sides)
            print(
                f"RATIO {clients} clients: {mine / theirs:.2f} times the requests; "
                f"{mine / rate:.0%} of the direct throughput",
                flush=True,
            )
    finally:
        for process in running.values():
            process.terminate()


if __name__ == "__main__":
    main()
