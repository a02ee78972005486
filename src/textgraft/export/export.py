"""A model directory becomes a folder that needs no torch: graph, tokenizer, runner, and facts for it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from textgraft import runtime as runner
from textgraft.errors import MissingExtraError, ModelError, OptionError, unknown
from textgraft.export.checking import Agreement, check, golden_rows
from textgraft.export.forms import TASKS, Form, facts_of, form_of
from textgraft.export.rounding import round_weights
from textgraft.export.streaming import write_stream
from textgraft.export.web_page import check_form, runtime_files, write_page
from textgraft.files import atomic_folder, refuse_to_replace, write_json
from textgraft.inference.predictor import Predictor, load
from textgraft.integrity import write_record
from textgraft.models.loading import load_model, load_tokenizer
from textgraft.models.manifest import MANIFEST, Manifest, read_manifest, stamp
from textgraft.models.shipped import model_folder
from textgraft.wording import counted, listing

FORMATS = ("onnx", "web", "stream")
"""A graph of whole texts; the same with a page for browsers; or a graph that reads token by token."""
RUNNER = "textgraft_runtime.py"
"""What the copy of :mod:`textgraft.runtime` is called in an exported folder."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    precision: str
    size: int
    """Bytes that answering needs: graph, arrays, tokenizer."""
    agreement: Agreement
    kept: tuple[str, ...] = ()
    """Of a model in int8: the parts that stayed in fp32, the one that rounding costs most first."""

    def __repr__(self) -> str:
        kept = f"; in fp32 stay {listing(self.kept)}" if self.kept else ""
        return (
            f"{self.folder}: {self.precision}, {self.size / 1e6:.2f} MB, "
            f"{counted(self.agreement.rows, 'row')} answered as by the model (largest difference "
            f"{self.agreement.drift:.1g}){kept}"
        )


def export(
    model: str | Path,
    output: str | Path,
    *,
    format: str = "onnx",  # noqa: A002  as the option is called
    int8: bool = False,
    runtime: str | None = None,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda line: None,
) -> Exported:
    """Write a model for onnxruntime, and see that it answers as before.

    Args:
        model: A model directory, as ``runs/<name>/best``, or the name of a model that comes with textgraft.
        output: The folder to write.
        format: "onnx" for whole texts; "web" for a page that answers; "stream" for a network of one direction
            that is fed token by token.
        int8: Whether weights are rounded to int8: a quarter of the size.
        runtime: Of "web": the folder of onnxruntime-web, or "download"; None: what was downloaded before.
        overwrite: Whether an export that stands there may be replaced.
        note: Called with a line on what is being done.

    Raises:
        OptionError: There is no such format, or the model cannot be exported in it.
        ModelError: It is no model directory, or the export does not answer as the model does: nothing is
            written then.
        MissingExtraError: onnx or onnxruntime is not installed.
        OutputError: The folder cannot be written.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS, where="--format")
    path, target = model_folder(model, of_task=format != "stream"), Path(output)
    if runtime is not None and format != "web":
        raise OptionError("only a page has such a runtime", where="--runtime", fix="Say --format web.")
    if format == "stream":
        return _stream(path, target, int8=int8, overwrite=overwrite, note=note)
    manifest = read_manifest(path)
    if manifest.task not in TASKS:
        raise OptionError(
            f"a model of {manifest.task} is not exported: the runtime cannot search for the best text",
            where=str(path),
            fix=f"What can be exported are models of {', '.join(TASKS)}.",
        )
    _check_surroundings(target, overwrite=overwrite)
    browser = runtime_files(runtime, note) if format == "web" else None
    note("the model is loaded, in torch")
    predictor = load(path, engine="torch")
    form = form_of(predictor)
    assert isinstance(predictor, Predictor), "it has a form"
    golden_rows(predictor)
    if browser is not None:
        check_form(predictor, form)
    if int8 and form.kind != "graph":
        raise OptionError(
            "this model is no graph: there is nothing to round to int8",
            where="--int8",
            fix="Leave --int8 out; it is small as it is.",
        )
    if int8 and getattr(predictor.model.config, "stored_precision", "") == "float16":
        raise OptionError(
            "the vectors of this model are in fp16, which onnxruntime does not round to int8",
            where="--int8",
            fix="Leave --int8 out.",
        )
    precision = "int8" if int8 else "fp32"
    with atomic_folder(target) as folder:
        note("its graph is written")
        write(folder, predictor, form, manifest, precision, browser)
        note("its answers are compared")
        kept: tuple[str, ...] = ()
        if int8:
            rounded = round_weights(predictor, folder, note)
            agreement, kept = rounded.agreement, rounded.kept
        else:
            agreement = check(predictor, folder, precision)
        # The graph gives logits alone: unknown texts are told by these.
        stamp(folder, msgspec.structs.replace(manifest, strangeness=None))
        size = _size(folder)
    return Exported(target, precision, size, agreement, kept)


def _check_surroundings(target: Path, *, overwrite: bool) -> None:
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "onnx", "textgraft export")
    refuse_to_replace(target, overwrite=overwrite, mark=runner.FACTS)


def _size(folder: Path) -> int:
    held = [folder / name for name in (runner.GRAPH, runner.ARRAYS, runner.TOKENIZER)]
    return sum(file.stat().st_size for file in held if file.is_file())


def _stream(
    path: Path, target: Path, *, int8: bool, overwrite: bool, note: Callable[[str], None]
) -> Exported:
    """Write a network that is fed token by token; see :mod:`textgraft.export.streaming`."""
    if int8:
        raise OptionError("a stream is written in fp32", where="--int8", fix="Leave --int8 out.")
    _check_surroundings(target, overwrite=overwrite)
    note("the model is loaded, in torch")
    model: Any
    labels: tuple[str, ...] = ()
    if (path / MANIFEST).is_file():
        predictor = load(path, engine="torch")
        if not isinstance(predictor, Predictor):
            raise OptionError("a prompt is no network", where=str(path), fix="Export one that was trained.")
        model, tokenizer, labels = predictor.model, predictor.tokenizer, predictor.task.labels
    elif not (path / "config.json").is_file():
        raise ModelError(
            "there is no model",
            where=str(path),
            fix="Give a model directory, or a recurrent language model's.",
        )
    else:
        model = load_model("AutoModelForCausalLM", path)
        tokenizer = load_tokenizer(path)
    with atomic_folder(target) as folder:
        note("the graph of a step is written, and held against the network")
        drift = write_stream(folder, model, tokenizer, labels)
        shutil.copyfile(runner.__file__, folder / RUNNER)
        size = _size(folder)
    return Exported(target, "fp32", size, Agreement(1, drift))


def write(
    folder: Path,
    predictor: Predictor,
    form: Form,
    manifest: Manifest,
    precision: str,
    browser: Path | None = None,
) -> None:
    """Write all files of an export into a folder that is there, its weights in fp32.

    Args:
        folder: Where.
        predictor: The model.
        form: Its form.
        manifest: Its textgraft.json.
        precision: "fp32"; "int8" where the weights are to be rounded.
        browser: With the files of onnxruntime-web, for a page; None: there is to be none.
    """
    facts: dict[str, Any] = facts_of(predictor, form)
    write_json(folder / runner.FACTS, {**facts, "precision": precision})
    (folder / runner.TOKENIZER).write_text(predictor.tokenizer.backend_tokenizer.to_str(), "utf-8")
    if form.draw is not None:
        form.draw(folder / runner.GRAPH)
    if form.arrays:
        np.savez(folder / runner.ARRAYS, allow_pickle=False, **form.arrays)
    shutil.copyfile(runner.__file__, folder / RUNNER)
    card = _card(manifest, precision)
    if browser is not None:
        write_page(folder, browser)
        card += _PAGE
    (folder / "README.md").write_text(card, "utf-8")
    write_record(folder / MANIFEST, manifest)


_PAGE = """
In a browser, without a network:

    python -m http.server --bind 127.0.0.1 8000        # then open http://127.0.0.1:8000
"""


def _card(manifest: Manifest, precision: str) -> str:
    return f"""# An exported model of {manifest.task}, {precision}

Trained as `{manifest.contender}`. It needs neither torch nor textgraft:

    pip install numpy onnxruntime tokenizers
    python {RUNNER} . < texts.txt

or, in Python, `from textgraft_runtime import load` and `load(".").predict([...])`. `load(".").check()`
answers the golden inputs again and says how far the farthest number is from what it was.
"""
