"""`textgraft serve` under more than it can do: statuses, latency of what is answered, and memory.

    python benchmarks/overload.py [--seconds 60] [--clients 640] [--idle 5000] [--cores 0 1]

First clients ask as fast as they can, ten times as many as keep it busy, each again soon after a refusal (one
that heeds Retry-After would ask less); then connections are opened that send nothing, or half of a request,
while others ask on. Expected: no status but 200 and 429, a bounded latency of what is answered, memory that
does not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import os
import resource
import subprocess
import sys
import time

from encode import mixed_texts
from machine import describe

from serving import memory, part, wait_for

PORT = 8794
HEAD = (
    "POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
)


async def client(
    bodies: list[bytes], end: float, statuses: collections.Counter[str], latencies: list[float]
) -> None:
    """Ask until the time is up, over a connection that is opened anew when it is closed."""
    place = len(latencies)
    while time.perf_counter() < end:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
            while time.perf_counter() < end:
                body = bodies[place % len(bodies)]
                place += 1
                begun = time.perf_counter()
                writer.write(HEAD.format(len(body)).encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                status = answer[9:12].decode()
                length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r")[0])
                await reader.readexactly(length)
                statuses[status] += 1
                if status == "200":
                    latencies.append(time.perf_counter() - begun)
                else:
                    await asyncio.sleep(0.05)
                    if b"connection: close" in answer.lower():
                        break
            writer.close()
        await asyncio.sleep(0.01)


async def ask(
    bodies: list[bytes], clients: int, seconds: float
) -> tuple[collections.Counter[str], list[float]]:
    """Let many clients ask at once."""
    statuses: collections.Counter[str] = collections.Counter()
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    await asyncio.gather(*(client(bodies, end, statuses, latencies) for _ in range(clients)))
    return statuses, latencies


async def beside_idle(
    bodies: list[bytes], idle: int, seconds: float
) -> tuple[int, collections.Counter[str], list[float]]:
    """Ask beside connections that send nothing, or half of a request."""
    held = []
    for number in range(idle):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", PORT)
            if number % 10 == 0:
                writer.write(HEAD.format(1000).encode() + b'{"inputs"')
            held.append(writer)
    found = await ask(bodies, 16, seconds)
    for writer in held:
        writer.close()
    return len(held), *found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=640)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--cores", type=int, nargs=2, default=[0, 1])
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    bodies = [
        json.dumps({"inputs": [text[:6000]], "truncate": True}).encode()
        for text in mixed_texts("train", 1000, 7)
    ]
    print(describe("textgraft", "fastapi", "uvicorn", "openvino"), flush=True)
    command = ["taskset", "-c", str(given.cores[0]), sys.executable, "-m", "textgraft", "serve"]
    limits = ["--set", "max_queued_tokens=16384", "--set", "deadline=10s"]
    process = subprocess.Popen(
        [*command, "--port", str(PORT), *limits],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    os.sched_setaffinity(0, {given.cores[1]})
    try:
        wait_for(PORT)
        asyncio.run(ask(bodies, 64, given.seconds / 4))
        print(f"64 clients: {memory(process)} MB", flush=True)
        statuses, latencies = asyncio.run(ask(bodies, given.clients, given.seconds))
        print(
            f"{given.clients} clients for {given.seconds:g} s: {dict(statuses)}; answered: "
            f"p50 {part(latencies, 0.5):.0f} ms, p99 {part(latencies, 0.99):.0f} ms; {memory(process)} MB",
            flush=True,
        )
        held, statuses, latencies = asyncio.run(beside_idle(bodies, given.idle, given.seconds / 4))
        print(
            f"16 clients beside {held} connections that send nothing or half a request: {dict(statuses)}; "
            f"p50 {part(latencies, 0.5):.0f} ms, p99 {part(latencies, 0.99):.0f} ms; {memory(process)} MB"
        )
    finally:
        process.terminate()


if __name__ == "__main__":
    main()
