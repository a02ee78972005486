"""What an engine keeps of the shapes of batches is bounded."""

from pathlib import Path

import pytest

from textgraft.inference.engines import openvino
from textgraft.inference.engines.openvino import OpenVinoEngine, keep_shapes


def test_the_bound_reaches_the_engine(monkeypatch):
    given = []

    class Core:
        def compile_model(self, graph, device, settings):
            given.append(settings)
            raise RuntimeError("seen")

    monkeypatch.setattr(openvino, "core", Core)
    monkeypatch.setattr(openvino, "_kept", [])
    for most in (None, 7):
        if most:
            keep_shapes(most)
        with pytest.raises(RuntimeError, match="seen"):
            OpenVinoEngine(Path("graph.xml"), "fp32", ("a",), 1, keep_compiled=False)
    assert "CPU_RUNTIME_CACHE_CAPACITY" not in given[0]
    assert given[1]["CPU_RUNTIME_CACHE_CAPACITY"] == "7"
