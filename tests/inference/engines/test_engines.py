import importlib.util
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from tests.damages import damages, put
from tests.processors import needs_bf16, needs_int8
from textgraft.errors import MissingExtraError, ModelError, OptionError
from textgraft.files import cache_folder
from textgraft.inference.engines import conversion
from textgraft.inference.engines import open as engines
from textgraft.inference.engines.base import ModuleSource
from textgraft.inference.engines.open import open_engine
from textgraft.inference.engines.torch import TorchEngine

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra 'openvino' is not installed"
)


class Tiny(nn.Module):
    """Mean of embedded tokens through one layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(50, 32)
        self.layer = nn.Linear(32, 8)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.unsqueeze(-1)
        return self.layer((self.embedding(input_ids) * mask).sum(1) / mask.sum(1))


class TwoOutputs(Tiny):
    """As a Transformers model: outputs by name."""

    def forward(self, input_ids, attention_mask):
        logits = super().forward(input_ids, attention_mask)
        return {"logits": logits, "double": 2 * logits}


def make_batch(shape, seed=0):
    generator = np.random.default_rng(seed)
    ids = generator.integers(1, 50, shape)
    mask = np.ones(shape, dtype=np.int64)
    for row in range(1, shape[0]):
        mask[row, generator.integers(1, shape[1] + 1) :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


GOLDEN = [make_batch((3, 7)), make_batch((1, 2), 1)]
BATCHES = [make_batch((1 + seed % 4, 2 + seed % 5), seed) for seed in range(20)]


def make_source(key, build=Tiny, **more):
    return ModuleSource(key=key, build=build, golden=GOLDEN, **more)


def expected(batch):
    with torch.inference_mode():
        return Tiny()(*(torch.from_numpy(array) for array in batch.values())).numpy()


@pytest.mark.parametrize(
    ("name", "precision", "tolerance"),
    [
        ("torch", "fp32", 1e-5),
        pytest.param("torch", "bf16", 0.02, marks=needs_bf16),
        pytest.param("openvino", "fp32", 1e-5, marks=needs_openvino),
        pytest.param("openvino", "bf16", 0.02, marks=[needs_openvino, needs_bf16]),
    ],
)
def test_engines_give_what_torch_gives_in_the_order_of_the_batches(name, precision, tolerance):
    engine = open_engine(make_source("order"), engine=name, precision=precision, threads=2)
    assert (engine.name, engine.precision) == (name, precision)
    outputs = list(engine.run_all(iter(BATCHES)))
    assert len(outputs) == len(BATCHES)
    for batch, output in zip(BATCHES, outputs, strict=True):
        assert output["logits"].dtype == np.float32
        np.testing.assert_allclose(output["logits"], expected(batch), atol=tolerance)
        np.testing.assert_allclose(engine.run(batch)["logits"], output["logits"], atol=tolerance)


@needs_openvino
@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_outputs_by_name(name):
    source = make_source("named", TwoOutputs, outputs=("double", "logits"))
    output = open_engine(source, engine=name, precision="fp32").run(BATCHES[0])
    np.testing.assert_allclose(output["logits"], expected(BATCHES[0]), atol=1e-5)
    np.testing.assert_allclose(output["double"], 2 * output["logits"], rtol=1e-6)


@needs_openvino
def test_a_graph_on_disk_needs_no_torch_module():
    open_engine(make_source("kept"), engine="openvino", precision="fp32")

    def build():
        raise AssertionError("the module was built again")

    engine = open_engine(make_source("kept", build), engine="openvino", precision="fp32")
    np.testing.assert_allclose(engine.run(BATCHES[1])["logits"], expected(BATCHES[1]), atol=1e-5)
    with pytest.raises(AssertionError, match="built again"):
        open_engine(make_source("another key", build), engine="openvino")


@needs_openvino
def test_damaged_cache_files_are_made_again():
    open_engine(make_source("damaged"), engine="openvino", precision="fp32")
    (folder,) = cache_folder().glob("engines/damaged-*/float")
    for blob in folder.glob("*.blob"):
        blob.chmod(0o644)
        blob.write_bytes(blob.read_bytes()[:100])
    engine = open_engine(make_source("damaged"), engine="openvino", precision="fp32")
    np.testing.assert_allclose(engine.run(BATCHES[1])["logits"], expected(BATCHES[1]), atol=1e-5)
    (folder / "agreement.json").write_text("{")
    open_engine(make_source("damaged"), engine="openvino", precision="fp32")
    assert "fp32" in (folder / "agreement.json").read_text()


@needs_openvino
def test_a_generator_given_up_halfway_and_errors_leave_the_engine_usable():
    engine = open_engine(make_source("halfway"), engine="openvino", precision="fp32")
    for _ in range(20):
        next(engine.run_all(BATCHES))
    with pytest.raises(ValueError, match="differ in shape"):
        engine.run({"input_ids": np.zeros((2, 3), np.int64), "attention_mask": np.zeros((2, 4), np.int64)})
    np.testing.assert_allclose(engine.run(BATCHES[1])["logits"], expected(BATCHES[1]), atol=1e-5)


@needs_openvino
def test_threads_share_an_engine():
    engine = open_engine(make_source("shared"), engine="openvino", precision="fp32")
    wanted = [expected(batch) for batch in BATCHES] * 5
    wrong = []

    def work():
        for right, output in zip(wanted, engine.run_all(BATCHES * 5), strict=True):
            if not np.allclose(output["logits"], right, atol=1e-5):
                wrong.append(output)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
        assert not worker.is_alive()
    assert not wrong


@needs_openvino
@needs_int8
def test_int8_is_calibrated_and_near():
    calibration = [make_batch((1 + seed % 4, 2 + seed % 5), seed) for seed in range(100, 220)]
    source = make_source("int8", calibration=calibration)
    engine = open_engine(source, engine="openvino", precision="int8")
    assert engine.precision == "int8", engine.note
    found = np.concatenate([output["logits"] for output in engine.run_all(BATCHES)]).ravel()
    wanted = np.concatenate([expected(batch) for batch in BATCHES]).ravel()
    assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.99
    assert len(list(cache_folder().glob("engines/int8-*/int8-*/graph.xml"))) == 1


@needs_openvino
@needs_int8
def test_int8_is_held_against_what_is_kept_back(monkeypatch):
    from textgraft.inference.engines import conversion
    from textgraft.inference.engines.agreement import is_rough

    compared = conversion.cosine_between
    monkeypatch.setattr(conversion, "cosine_between", lambda a, b: 0.9 if len(a) == 7 else compared(a, b))
    calibration = [make_batch((1, 3), seed) for seed in range(100)]
    source = make_source("kept back", calibration=calibration, kept_back=calibration[:7])
    engine = open_engine(source, engine="openvino", precision="int8")
    assert engine.precision != "int8"
    assert is_rough(engine, "int8")


@needs_openvino
@needs_int8
def test_int8_without_texts_to_calibrate_on_falls_back_and_says_so():
    engine = open_engine(make_source("uncalibrated"), engine="openvino", precision="int8")
    assert engine.precision in ("bf16", "fp32")
    assert "int8 needs 100 texts" in engine.note


@needs_openvino
@needs_bf16
def test_a_precision_that_drifts_falls_back_and_says_so(monkeypatch):
    monkeypatch.setitem(conversion.LEAST_AGREEMENT, "bf16", 1.1)
    engine = open_engine(make_source("drift"), precision="bf16", engine="openvino")
    assert engine.precision == "fp32"
    assert "bf16 differs from the reference" in engine.note


@needs_openvino
def test_a_wrong_conversion_is_caught_and_torch_takes_over(monkeypatch):
    class Fixed(Tiny):
        """What tracing makes a constant of: the length of the first batch."""

        def forward(self, input_ids, attention_mask):
            return super().forward(input_ids, attention_mask) * float(input_ids.shape[1] - 4.5)

    with pytest.raises(ModelError, match="not those of torch"):
        open_engine(make_source("fixed", Fixed), engine="openvino")
    monkeypatch.setattr(engines, "_gpu_present", lambda: False)
    engine = open_engine(make_source("fixed", Fixed), precision="fp32")
    assert engine.name == "torch"
    assert "openvino cannot run this model" in engine.note


@needs_openvino
def test_what_cannot_be_converted_is_told():
    class Strange(Tiny):
        def forward(self, input_ids, attention_mask):
            return torch.special.bessel_j0(super().forward(input_ids, attention_mask))

    with pytest.raises(ModelError, match="conversion failed"):
        open_engine(make_source("strange", Strange), engine="openvino")


@needs_openvino
def test_telemetry_is_off():
    code = (
        "import sys; from textgraft.inference.engines.openvino import load_openvino; load_openvino(); "
        "sys.exit(sys.modules.get('openvino_telemetry') is not None)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


CONVERTED = """
import sys
from openvino_telemetry.utils.sender import TelemetrySender
sent = []
TelemetrySender.send = lambda self, backend, message: sent.append(message)
import openvino
assert sent  # the caller's import, which textgraft cannot take back
sent.clear()
from textgraft.inference.engines.openvino import load_openvino
load_openvino()
import torch
openvino.convert_model(torch.nn.Linear(2, 2), example_input=torch.zeros(1, 2))
assert not sent, sent
"""


@needs_openvino
def test_telemetry_is_off_where_the_caller_has_imported_openvino(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {
        "HOME": f"{tmp_path}"
    }
    assert subprocess.run([sys.executable, "-c", CONVERTED], env=environment, check=False).returncode == 0


SIGNALLED = """
import signal
import numpy
from textgraft.inference.engines.openvino import OpenVinoEngine, load_openvino
ov = load_openvino()
def opened():
    given = ov.opset13.parameter([-1], numpy.float32, name="given")
    graph = ov.Model([ov.opset13.relu(given)], [given])
    return OpenVinoEngine(graph, "fp32", ["found"], 1, keep_compiled=False)
first, second = opened(), opened()
del first
del second
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("stopped")
"""


@needs_openvino
def test_a_process_is_stopped_as_others_when_its_engines_are_gone():
    ran = subprocess.run([sys.executable, "-c", SIGNALLED], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "stopped\n"), ran.stderr


def test_a_processor_without_bf16_computes_in_fp32_and_says_so(monkeypatch):
    monkeypatch.setattr(engines, "processor_has", lambda precision: precision == "fp32")
    notes: list[str] = []
    assert engines._cpu_precision("auto", make_source("x"), notes) == "fp32"
    assert engines._cpu_precision("int8", make_source("x"), notes) == "fp32"
    assert any("bf16" in note for note in notes)
    assert any("VNNI" in note for note in notes)


def test_torch_has_no_int8_and_says_so():
    engine = open_engine(make_source("x"), engine="torch", precision="int8")
    assert engine.precision in ("bf16", "fp32")
    assert "int8 needs OpenVINO" in engine.note


def test_without_openvino_torch_runs_and_a_demand_for_it_names_the_extra(monkeypatch):
    monkeypatch.setattr(engines, "_installed", lambda package: False)
    assert open_engine(make_source("x")).name == "torch"
    with pytest.raises(MissingExtraError, match=r"textgraft\[openvino\]"):
        open_engine(make_source("x"), engine="openvino")


def test_a_new_engine_is_one_entry(monkeypatch):
    class MadeUp(TorchEngine):
        name = "made-up"

    entry = engines.Entry("made-up", lambda source, *given: MadeUp(source, "fp32", *given[1:]))
    monkeypatch.setattr(engines, "REGISTRY", (entry, *engines.REGISTRY))
    monkeypatch.setattr(engines, "ENGINES", ("made-up", *engines.ENGINES))
    monkeypatch.setattr(engines, "_gpu_present", lambda: False)
    for options in ({}, {"engine": "made-up"}):
        assert open_engine(make_source("x"), **options).name == "made-up"
    monkeypatch.setattr(engines, "_gpu_present", lambda: True)
    assert open_engine(make_source("x")).name == "torch", "it does not run on a GPU"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "openvno"}, "Did you mean 'openvino'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"threads": 0}, "at least one"),
    ],
)
def test_options_that_are_wrong(options, message):
    with pytest.raises(OptionError, match=message):
        open_engine(make_source("x"), **options)


@needs_openvino
def test_a_damaged_graph_is_converted_again_and_never_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path))
    source = make_source("damaged", outputs=("logits",))
    expected = open_engine(source, engine="openvino", precision="fp32").run(GOLDEN[0])["logits"]
    names = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert {".xml", ".bin", ".json", ".blob", ".sha256"} <= names
    (folder,) = tmp_path.glob("engines/*/float")
    for path in sorted(folder.iterdir()):
        for what, damaged in list(damages(path.read_bytes()))[::18]:
            put(path, damaged)
            found = open_engine(source, engine="openvino", precision="fp32").run(GOLDEN[0])["logits"]
            np.testing.assert_array_equal(found, expected, err_msg=f"{path} {what}")
            if not path.exists():  # the compiled graph of another name
                break
