from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from textgraft.training.precision import resolve_precision

SHAPES = """
import re
from pathlib import Path
import torch
from textgraft.training.memory import return_freed_memory

def resident():
    return_freed_memory()
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

layers = torch.nn.Sequential(torch.nn.Linear(384, 1536), torch.nn.Linear(1536, 384))
before = resident()
for rows in range(256, 376):
    with torch.autocast("cpu", torch.bfloat16):
        layers(torch.randn(rows, 384)).sum().backward()
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_batches_of_many_shapes_do_not_fill_the_memory():
    if resolve_precision("auto", torch.device("cpu")) == "fp32":
        pytest.skip("no native bf16, so no kernels that are compiled by shape")
    run = subprocess.run([sys.executable, "-c", SHAPES], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 150
