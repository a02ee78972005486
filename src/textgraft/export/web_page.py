"""A page that answers: an export beside the page's files and those of onnxruntime-web, in one folder.

The runtime of the browser is 13 MB that belong to another project; it is no part of this package. It comes
from the user's own ``node_modules``, or from npm, once, by name and hash, into the cache folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textgraft.errors import ModelError, OptionError
from textgraft.export.forms import Form
from textgraft.files import atomic_folder, cache_folder, sha256_file
from textgraft.inference.predictor import Predictor
from textgraft.tokenization.word_tokenizer import WORD
from textgraft.wording import listing

TASKS = ("classification", "multi-label", "regression")
"""Those that the page has answers for."""
DOWNLOAD = "download"
PACKAGE, VERSION = "onnxruntime-web", "1.27.0"
INTEGRITY = "ogDLsqIozHZwifPuN37OproAo0byX6t43/bP8GzeZWBWD6MOGExswFAx3up4NS/vvWBOg2u2PXomDt3rMmdQSg=="
"""SHA-512 of the package, as npm states it."""
RUNTIME = {
    "ort.wasm.min.js": "ea3a767b15df7dbe3d695ec9c182ca0f15b2ce7750156c6b70276e11c28997f0",
    "ort-wasm-simd-threaded.mjs": "0a1e718d99c41b22c21f2520ff4f9e883a6b5533856e398d21816ee8eb8185d3",
    "ort-wasm-simd-threaded.wasm": "d1ab1b94b16a65b29d710d0b587b29e7bed336827577623913479b8afe8113e6",
}
"""Its files that a page needs, and their SHA-256."""
PAGE = ("index.html", "page.js", "page.css", "model.js", "tokenizer.js", "characters.js")
CACHE = "browser"
"""Folder of the cache folder."""
_DOWNLOAD_SECONDS = 600


def check_form(predictor: Predictor, form: Form) -> None:
    """Refuse a model that the page cannot answer with.

    Raises:
        OptionError: Its task, its family or its tokenizer is not one of the page's.
    """
    name = predictor.task.name
    if name not in TASKS or form.kind != "graph" or form.apart:
        what = name if name not in TASKS else form.kind
        raise OptionError(
            f"a model of {what} has no page",
            where="--format",
            fix=f"Pages answer {', '.join(TASKS)}, by static vectors, recurrent networks and encoders; "
            "--format onnx takes the others.",
        )
    described = json.loads(predictor.tokenizer.backend_tokenizer.to_str())
    if not (_is_ours(described) or _is_wordpiece(described)) or not _plain_special(described):
        raise OptionError(
            "the page cannot cut texts as this model's tokenizer does",
            where="--format",
            fix="It knows textgraft's word tokenizer and WordPiece as BERT has it; --format onnx takes any.",
        )


def _is_ours(described: dict[str, Any]) -> bool:
    steps = (described.get("normalizer") or {}).get("normalizers") or []
    cutter = described.get("pre_tokenizer") or {}
    known = [
        {"type": "NFC"},
        {"type": "Replace", "pattern": {"String": "’"}, "content": "'"},
        {"type": "Lowercase"},
    ]
    return (
        described["model"]["type"] == "WordLevel"
        and bool(steps)
        and all(step in known for step in steps)
        and cutter.get("type") == "Split"
        and cutter.get("pattern") == {"Regex": WORD}
    )


def _is_wordpiece(described: dict[str, Any]) -> bool:
    kinds = tuple((described.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer"))
    return described["model"]["type"] == "WordPiece" and kinds == ("BertNormalizer", "BertPreTokenizer")


def _plain_special(described: dict[str, Any]) -> bool:
    plain = ("single_word", "lstrip", "rstrip", "normalized")
    return not any(token[name] for token in described["added_tokens"] for name in plain)


def runtime_files(given: str | None, note: Callable[[str], None]) -> Path:
    """Return a folder with the files of onnxruntime-web.

    Args:
        given: A folder that has them, as ``node_modules/onnxruntime-web``; "download" fetches them by npm
            unless they are in the cache folder; None takes those in the cache folder.
        note: Called with a line on what is being done.

    Raises:
        OptionError: They are not there, or npm is not installed or cannot fetch them.
        ModelError: What was downloaded is not what was published.
    """
    cached = cache_folder() / CACHE / f"{PACKAGE}-{VERSION}"
    if given is None or given == DOWNLOAD:
        if _has_files(cached) and all(sha256_file(cached / name) == sha for name, sha in RUNTIME.items()):
            return cached
        if given is None:
            raise OptionError(
                f"a page needs {PACKAGE}, which is not in the cache folder",
                where="--runtime",
                fix=f"Say --runtime {DOWNLOAD}, once, to fetch {PACKAGE} {VERSION} (31 MB) by npm; or give "
                f"the folder that has it, as --runtime node_modules/{PACKAGE}.",
            )
        note(f"{PACKAGE} {VERSION} is fetched by npm, into the cache folder")
        _download(cached)
        return cached
    folder = Path(given)
    for place in (folder, folder / "dist"):
        if _has_files(place):
            if any(sha256_file(place / name) != sha for name, sha in RUNTIME.items()):
                note(f"the files in {place} are not those of {VERSION}, with which pages are tested")
            return place
    raise OptionError(
        f"the folder holds no {listing(list(RUNTIME))}",
        where=f"--runtime {given}",
        fix=f"Give the folder of the package, as node_modules/{PACKAGE}, or {DOWNLOAD}.",
    )


def _has_files(folder: Path) -> bool:
    return all((folder / name).is_file() for name in RUNTIME)


def _download(target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OptionError(
            "npm is not installed, by which the browser's runtime is fetched",
            where=f"--runtime {DOWNLOAD}",
            fix=f"Install Node.js, or give a folder that holds {PACKAGE} {VERSION}.",
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            subprocess.run(
                [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", name],
                check=True,
                capture_output=True,
                text=True,
                timeout=_DOWNLOAD_SECONDS,
            )
        except (subprocess.SubprocessError, OSError) as error:
            reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            raise OptionError(
                f"npm could not fetch {PACKAGE} {VERSION}: {(reason or ['no reason was given'])[-1][:200]}",
                where=f"--runtime {DOWNLOAD}",
                fix="Check the network, or give a folder that holds it.",
            ) from error
        archive = next(folder.glob("*.tgz"))
        with archive.open("rb") as handle:
            found = base64.b64encode(hashlib.file_digest(handle, "sha512").digest()).decode()
        if found != INTEGRITY:
            raise ModelError(
                f"what npm fetched is not {PACKAGE} {VERSION} as it was published",
                where=archive.name,
                fix="Check which registry npm asks: npm config get registry.",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as package, atomic_folder(target) as made:
            for file in RUNTIME:
                member = package.extractfile(f"package/dist/{file}")
                assert member is not None, "the hash is that of a package that has it"
                (made / file).write_bytes(member.read())


def write_page(folder: Path, runtime: Path) -> None:
    """Put the page's files, and the browser's runtime, into an export.

    Args:
        folder: The export.
        runtime: With the files of onnxruntime-web.
    """
    own = Path(__file__).parent / "web"
    for name in PAGE:
        shutil.copyfile(own / name, folder / name)
    for name in RUNTIME:
        shutil.copyfile(runtime / name, folder / name)
