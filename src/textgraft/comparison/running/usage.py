"""How to use a model, for its card: lines that run as they stand, with textgraft or Transformers alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textgraft.tasks.text.multiple_choice import MultipleChoice
from textgraft.tasks.text.pairs import PairTexts
from textgraft.tasks.text.regression import Regression

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from textgraft.tasks.base import Task

FOLDER = "path/to/this/folder"
"""Stands for where the model is."""
ENCODER = "path/to/the/encoder"
"""Stands for where an encoder is that has no name."""
_REGISTER = "import textgraft.models.auto  # makes Transformers know the architecture\n"


def usage(task: Task, model: PreTrainedModel, prompt: str = "") -> str:
    """Write the section of a card that shows the calls, as Markdown.

    Args:
        task: The model's task.
        model: The model; nothing of it is run.
        prompt: What stands before every text.
    """
    parts = [
        _block(
            "import textgraft\n"
            "\n"
            f'model = textgraft.load("{FOLDER}")\n'
            f"print(model.predict([{_example(task, model)}]))\n"
        )
    ]
    if getattr(model.config, "reads_characters", False):
        parts.append(
            "It reads the characters of whole words, which Transformers' pipelines do not hand over: use the "
            "lines above."
        )
    else:
        parts.append(_introduction(task))
        parts.append(_block(_imports(model) + _call(task, model)))
    if getattr(model.config, "lora_rank", 0):
        told = f", prompt={prompt!r}" if prompt else ""
        parts.append(
            "The adapter alone, for PEFT, lies in the folder `peft`; it gives the encoder's states, without "
            "the head:"
        )
        parts.append(
            _block(
                "from peft import PeftModel\n"
                "from textgraft.models.encoders import load_encoder, resolve_encoder\n"
                "\n"
                f'encoder, tokenizer = load_encoder(resolve_encoder("{_encoder(model)}"{told}))\n'
                f'adapted = PeftModel.from_pretrained(encoder, "{FOLDER}", subfolder="peft")\n'
            )
        )
    return "\n\n".join(parts)


def _encoder(model: PreTrainedModel) -> str:
    """Return the name of a graft's encoder; of a folder, which is nobody else's, what stands for it."""
    name = str(model.config.encoder)
    return ENCODER if Path(name).is_absolute() else name


def _block(code: str) -> str:
    return f"```python\n{code}```"


def _example(task: Task, model: PreTrainedModel) -> str:
    """Return an input for ``predict``, as Python."""
    if isinstance(task, MultipleChoice):
        choices = ", ".join(f'"choice {number + 1}"' for number in range(task.choices))
        return f'{{"prompt": "A prompt.", "choices": [{choices}]}}'
    if isinstance(task, PairTexts):
        return '("A first text.", "A second text.")'
    if task.auto_class == "AutoModelForQuestionAnswering":
        return '{"question": "Who wrote it?", "context": "Anna wrote it in Vienna."}'
    if task.name == "captioning":
        return f"[0.0] * {_vector_size(model)}"
    return '"A text of your own."'


def _vector_size(model: PreTrainedModel) -> int:
    return int(model.config.vector_size)


def _imports(model: PreTrainedModel) -> str:
    """Return the import that our own architectures need; others are known."""
    return _REGISTER if type(model).__module__.startswith("textgraft.") else ""


def _introduction(task: Task) -> str:
    if isinstance(task, Regression):
        mean, deviation = task.settings()["mean"], task.settings()["deviation"]
        return (
            "With Transformers alone. The model's own number counts standard deviations from the mean of the "
            f"training rows: take it times {deviation:.6g}, plus {mean:.6g}."
        )
    return "With Transformers alone; texts, scores and length limit are the same:"


def _call(task: Task, model: PreTrainedModel) -> str:
    if task.name == "captioning":
        return (
            "import torch\n"
            "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n"
            "\n"
            f'tokenizer = AutoTokenizer.from_pretrained("{FOLDER}")\n'
            f'model = AutoModelForSeq2SeqLM.from_pretrained("{FOLDER}")\n'
            f"ids = model.generate(vectors=torch.zeros(1, {_vector_size(model)}), max_new_tokens=30)\n"
            "print(tokenizer.decode(ids[0], skip_special_tokens=True))\n"
        )
    if task.writes:
        return (
            "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n"
            "\n"
            f'tokenizer = AutoTokenizer.from_pretrained("{FOLDER}")\n'
            f'model = AutoModelForSeq2SeqLM.from_pretrained("{FOLDER}")\n'
            'batch = tokenizer("A text of your own.", return_tensors="pt")\n'
            "ids = model.generate(**batch, max_new_tokens=30)\n"
            'print(getattr(tokenizer, "target", tokenizer).decode(ids[0], skip_special_tokens=True))\n'
        )
    if task.auto_class == "AutoModelForSequenceClassification":
        given = '"A text of your own."'
        if isinstance(task, PairTexts):
            given = '{"text": "A first text.", "text_pair": "A second text."}'
        function = ', function_to_apply="none"' if isinstance(task, Regression) else ""
        return (
            "from transformers import pipeline\n"
            "\n"
            f'classify = pipeline("text-classification", model="{FOLDER}")\n'
            f"print(classify({given}, top_k=None, truncation=True{function}))\n"
        )
    if task.auto_class == "AutoModelForTokenClassification":
        return (
            "from transformers import pipeline\n"
            "\n"
            f'tag = pipeline("token-classification", model="{FOLDER}", aggregation_strategy="simple")\n'
            'print(tag("A text of your own."))\n'
        )
    if isinstance(task, MultipleChoice):
        choices = ", ".join(f'"choice {number + 1}"' for number in range(task.choices))
        return (
            "import torch\n"
            "from transformers import AutoModelForMultipleChoice, AutoTokenizer\n"
            "\n"
            f'tokenizer = AutoTokenizer.from_pretrained("{FOLDER}")\n'
            f'model = AutoModelForMultipleChoice.from_pretrained("{FOLDER}")\n'
            f"choices = [{choices}]\n"
            'batch = tokenizer(["A prompt."] * len(choices), choices, padding=True, return_tensors="pt")\n'
            "with torch.no_grad():\n"
            "    logits = model(**{name: tensor.unsqueeze(0) for name, tensor in batch.items()}).logits\n"
            "print(logits.softmax(-1))\n"
        )
    return (
        "import torch\n"
        "from transformers import AutoModelForQuestionAnswering, AutoTokenizer\n"
        "\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{FOLDER}")\n'
        f'model = AutoModelForQuestionAnswering.from_pretrained("{FOLDER}")\n'
        'batch = tokenizer("Who wrote it?", "Anna wrote it in Vienna.", return_tensors="pt")\n'
        "with torch.no_grad():\n"
        "    outputs = model(**batch)\n"
        "start, end = int(outputs.start_logits.argmax()), int(outputs.end_logits.argmax())\n"
        'print(tokenizer.decode(batch["input_ids"][0, start : end + 1]))\n'
    )
