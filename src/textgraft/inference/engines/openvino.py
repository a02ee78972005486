"""The fast engine on CPUs: a converted graph, several requests at a time."""

from __future__ import annotations

import contextlib
import functools
import queue
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from textgraft.errors import OutputError
from textgraft.files import sha256_file, write_atomic
from textgraft.forks import computing
from textgraft.inference.engines.base import Batch, Outputs
from textgraft.processor import chosen_threads, processor_has

_HASH = ".sha256"
"""Ends the name of the file that vouches for a compiled graph."""


_OWN_THREADS = 2
"""OpenVINO computes on threads of its own, however many: a fork leaves none of them."""


SERVED_ENTRIES = 2000
"""Enough for all shapes that a service fills its batches up to, of about ten entries each. Where shapes come
at random, as where torch computes a head, they hold the last two hundred."""
_kept: list[int] = []


def keep_shapes(most: int) -> None:
    """Let engines that are opened from now on keep what they prepare for some shapes of batches alone.

    For every shape of a batch OpenVINO keeps what it has prepared, up to thousands of them. A process that
    runs for weeks meets all shapes there are. What is not kept is prepared again, which takes 5 to 15 ms.

    Args:
        most: Entries that an engine keeps, those used last.
    """
    _kept[:] = [most]


def load_openvino() -> Any:
    """Import OpenVINO with its telemetry off.

    OpenVINO reports its import and every conversion if it finds the package openvino_telemetry, and works
    without it: None in ``sys.modules`` is Python's own way of saying that a module is not there. Where the
    caller has imported OpenVINO before, the class that it reports by is replaced by the one that OpenVINO
    has for when there is no such package: each report forks the process and may wait for the network.
    """
    telemetry: Any = sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    if telemetry is not None:
        from openvino.tools.ovc import telemetry_stub

        telemetry.Telemetry = telemetry_stub.Telemetry
    return openvino


@functools.cache
def core() -> Any:
    """Return the one ``openvino.Core`` of the process, which is never let go of.

    Each Core gives the thread that makes its CPU plugin a stack for signals, and gives back the one before
    when it goes. Of two that go in the order in which they came, the second gives back the first one's, which
    is no memory any more: the next signal, as Ctrl-C, ends the process with a segmentation fault.
    """
    return load_openvino().Core()


class OpenVinoEngine:
    """Runs a graph that lies on disk. Safe to use from several threads.

    Args:
        graph: The graph's .xml file, its weights beside it; or an ``openvino.Model``.
        precision: "fp32", "bf16", or "int8" for a graph that is quantised.
        outputs: Names of the outputs, in the order of the graph's.
        threads: Threads to compute on; None takes all cores.
        keep_compiled: Whether the compiled graph is kept beside the file, which saves most of the next start.
    """

    name = "openvino"

    def __init__(
        self,
        graph: Path | Any,
        precision: str,
        outputs: Sequence[str],
        threads: int | None,
        *,
        keep_compiled: bool = True,
    ) -> None:
        self.precision = precision
        self.note = ""
        self._outputs = tuple(outputs)
        bf16 = precision == "bf16" or (precision == "int8" and processor_has("bf16"))
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            # Streams that never wait for each other lose least to a busy neighbour.
            "PERFORMANCE_HINT": "THROUGHPUT",
            # Two processes that pin their threads pin them to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        if _kept:
            settings["CPU_RUNTIME_CACHE_CAPACITY"] = str(_kept[0])
        threads = threads or chosen_threads()
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        if keep_compiled:
            settings |= {"CACHE_DIR": str(graph.parent), "CACHE_MODE": "OPTIMIZE_SIZE"}
            _drop_unvouched(graph.parent)
        compiled = core().compile_model(graph, "CPU", settings)
        if keep_compiled:
            _vouch(graph.parent)
        self.at_once = streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # Twice as many requests as streams: the next batch is ready when one is done.
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(2 * streams):
            self._free.put(compiled.create_infer_request())

    def run(self, batch: Batch) -> Outputs:
        """Run one batch."""
        return next(self.run_all([batch]))

    def run_all(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Run many batches, as many at a time as there are free requests; outputs come in order.

        Raises:
            ValueError: The inputs of a batch differ in shape. The plugin must not meet them: with one stream
                it fails on every later batch, too.
        """
        computing(_OWN_THREADS)
        running: deque[tuple[Any, Batch]] = deque()
        try:
            for batch in batches:
                if len({array.shape for array in batch.values()}) > 1:
                    raise ValueError(f"inputs differ in shape: {[array.shape for array in batch.values()]}")
                request = self._take(wait=not running)
                while request is None:
                    yield self._finish(running)
                    request = self._take(wait=not running)
                # The batch is held until its request is done: OpenVINO reads it in place.
                running.append((request, batch))
                request.start_async(dict(batch), share_inputs=True)
            while running:
                yield self._finish(running)
        finally:
            for request, _ in running:
                # Of several that fail the first one tells; a request that is not put back is lost for good.
                with contextlib.suppress(RuntimeError):
                    request.wait()
                self._free.put(request)

    def _take(self, *, wait: bool) -> Any:
        try:
            return self._free.get(block=wait)
        except queue.Empty:
            return None

    def _finish(self, running: deque[tuple[Any, Batch]]) -> Outputs:
        request, _ = running[0]
        request.wait()
        outputs = {
            name: request.get_output_tensor(place).data.copy() for place, name in enumerate(self._outputs)
        }
        running.popleft()
        self._free.put(request)
        return outputs


def _drop_unvouched(folder: Path) -> None:
    """Delete compiled graphs whose hash is not beside them: OpenVINO would run a damaged one."""
    for compiled in folder.glob("*.blob"):
        hashed = compiled.with_suffix(_HASH)
        if not hashed.is_file() or hashed.read_bytes() != sha256_file(compiled).encode():
            compiled.unlink(missing_ok=True)
            hashed.unlink(missing_ok=True)


def _vouch(folder: Path) -> None:
    """Write the hash of a compiled graph that OpenVINO has written beside it."""
    # Where nothing can be written, OpenVINO keeps nothing; another process may have deleted the file since.
    with contextlib.suppress(OutputError, OSError):
        for compiled in folder.glob("*.blob"):
            if not (hashed := compiled.with_suffix(_HASH)).is_file():
                write_atomic(hashed, sha256_file(compiled))
