"""What Prometheus is told: counts and times, never a text, a label of the user's or a key."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from textgraft.serving.batcher import Batched

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_TOKENS = (8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 2048)


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.requests = Counter(
            "textgraft_requests", "Requests by route and status", ["route", "status"], registry=own
        )
        self.seconds = Histogram(
            "textgraft_request_seconds", "From arrival to answer", ["route"], buckets=_SECONDS, registry=own
        )
        self.texts = Counter("textgraft_texts", "Texts that were asked about", registry=own)
        self.truncated = Counter("textgraft_truncated_texts", "Texts that were cut", registry=own)
        self.batches = Counter("textgraft_batches", "Batches computed", registry=own)
        self.batch_tokens = Histogram(
            "textgraft_batch_tokens", "True tokens of a batch", buckets=_TOKENS, registry=own
        )
        self.tokens = Counter("textgraft_tokens", "True tokens computed", registry=own)
        self.padded = Counter("textgraft_padded_tokens", "Tokens computed, padding included", registry=own)
        self.model_seconds = Counter("textgraft_model_seconds", "Time spent in the model", registry=own)
        self.queued = Gauge("textgraft_queued_tokens", "Tokens that wait for the model", registry=own)
        self.under_way = Gauge("textgraft_requests_under_way", "Requests being answered", registry=own)
        self.ready = Gauge("textgraft_ready", "1 while requests are answered", registry=own)
        self.compared = Counter(
            "textgraft_shadow_compared",
            "Rows that a challenger answered, too",
            ["model", "challenger"],
            registry=own,
        )
        self.agreed = Counter(
            "textgraft_shadow_agreed",
            "Those with the same answer",
            ["model", "challenger"],
            registry=own,
        )
        self.shadow_failed = Counter(
            "textgraft_shadow_failed",
            "Rows that a challenger could not answer",
            ["model", "challenger"],
            registry=own,
        )

    def watch(self, *, queued: Callable[[], float], ready: Callable[[], float]) -> None:
        """Ask for gauges when they are read."""
        self.queued.set_function(queued)
        self.ready.set_function(ready)

    def note_batch(self, batch: Batched) -> None:
        """Count a batch."""
        self.batches.inc()
        self.batch_tokens.observe(batch.tokens)
        self.tokens.inc(batch.tokens)
        self.padded.inc(batch.padded)
        self.model_seconds.inc(batch.seconds)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text form."""
        return generate_latest(self.registry)
