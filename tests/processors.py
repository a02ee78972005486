"""Which processors a test needs: it is skipped, with the reason, on one that lacks the arithmetic."""

from __future__ import annotations

import pytest

from textgraft.processor import processor_has

needs_bf16 = pytest.mark.skipif(not processor_has("bf16"), reason="this processor has no bf16")
needs_int8 = pytest.mark.skipif(not processor_has("int8"), reason="this processor has no VNNI")
