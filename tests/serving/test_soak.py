"""A short one of what `benchmarks/soak.py` does for an hour: memory stays where it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import shared_data

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
def test_memory_stays_where_it_is(models):
    for name in ("stsb", "ag_news_7600", "movie_reviews_long"):
        shared_data(name)
    command = [sys.executable, str(SOAK), "--minutes", "1", "--rate", "0", "--every", "1", "--texts", "20"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "memory: " in ended.stdout
