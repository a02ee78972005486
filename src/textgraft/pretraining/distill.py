"""Distil a pre-trained encoder: a smaller one learns from raw text what a teacher makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from textgraft.files import as_path, content_hash, output_errors, refuse_to_replace, remove_folder
from textgraft.markdown import plain
from textgraft.models.encoder_directory import save_encoder
from textgraft.models.encoders import (
    EncoderSource,
    encoder_config,
    encoder_max_length,
    encoder_width,
    load_encoder,
    resolve_encoder,
)
from textgraft.models.loading import load_model
from textgraft.models.pooling import PooledEncoder
from textgraft.models.students import layer_student, recurrent_student
from textgraft.pretraining.config import DistillConfig
from textgraft.pretraining.corpus.corpus import read_corpus
from textgraft.pretraining.corpus.tokens import Tokens, Unit, tokenize_corpus
from textgraft.pretraining.objectives.distilled_encodings import DistilledEncodings, Pieces, teacher_encodings
from textgraft.pretraining.objectives.distilled_masked import DistilledText
from textgraft.pretraining.objectives.examples import Frame
from textgraft.pretraining.objectives.full_sentences import FullSentences
from textgraft.pretraining.objectives.masking import Masking
from textgraft.settings import flag
from textgraft.training.loop import fit
from textgraft.training.objective import Objective
from textgraft.training.processes import join_processes
from textgraft.training.progress import Progress, TrainingResult

MASKED_LENGTH = 128
"""Tokens of a sequence where words are to be guessed."""
HELD_OUT = 1024
"""Texts that encodings are compared on, at most; a tenth of those that are learned, if they are few."""


@dataclass(frozen=True)
class Distilled:
    """A trained student, and how far it came."""

    folder: Path
    """An encoder as any other."""
    metrics: dict[str, float]
    """On held-out text: the mean cosine to the teacher's encodings, or how well masked words are found."""
    result: TrainingResult
    parameters: tuple[int, int]
    """Of the student and of the teacher."""


def distill(
    teacher: str | Path,
    corpus: str | Path,
    output: str | Path,
    *,
    student: str = "layers",
    layers: int | None = None,
    embedding_size: int = 128,
    pooling: str = "mean",
    unit: Unit = "sentences",
    texts: int | None = None,
    text: str | None = None,
    max_length: int | None = None,
    revision: str | None = None,
    budget: float | str | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_texts: Callable[[int, int], None] | None = None,
    on_step: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Distilled:
    """Train a smaller encoder on raw text to do what a teacher does.

    A teacher with a masked-LM head and a student of its layers: DistilBERT's recipe, see
    :class:`~textgraft.pretraining.objectives.distilled_masked.DistilledText`. Any other teacher, or a
    recurrent student: the student learns the teacher's encodings, see
    :class:`~textgraft.pretraining.objectives.distilled_encodings.DistilledEncodings`. It has their width and
    space, and may stand in for the teacher wherever encodings are used.

    Stopped at any moment, the same call goes on from the last checkpoint in ``<output>.training``.

    Args:
        teacher: "bundled", a local directory or a Hub id.
        corpus: A file or folder of text, see :func:`~textgraft.pretraining.corpus.corpus.read_corpus`.
        output: Folder of the student: what ``encode``, ``compare`` and Transformers take for an encoder.
        student: "layers", or a recurrent network: "lstm", "gru" or "rnn".
        layers: Of the student of layers; every other one of the teacher's if None.
        embedding_size: Width of a recurrent student's embedding matrix.
        pooling: How encodings are made of hidden states: "mean", "cls" or "max".
        unit: What a text is, where encodings are learned: "sentences", or "text" for whole documents or rows.
        texts: Texts to learn the encodings of at most, drawn at random; None takes all.
        text: The column with the text, where the corpus is a table.
        max_length: Tokens read of a text; the teacher's own limit, or 128 where words are guessed, if None.
        revision: Of a Hub id.
        budget: Time for training, in seconds or as "10m", after the teacher has read the texts.
        seed: Of the order of the texts, masked positions and dropout.
        settings: Of :class:`~textgraft.training.settings.TrainingSettings`, in place of the usual ones.
        overwrite: Whether a folder that exists may be replaced.
        on_texts: Called while the teacher reads, with the number of texts done and of all.
        on_step: Called after every training step.
        note: Told what the user should know.

    Returns:
        The folder and figures.

    Raises:
        DataError: The corpus cannot be read or is too small.
        ModelError: The teacher is missing or damaged.
        OptionError: An option is unknown or out of range, or the checkpoints are of another run.
        OutputError: The folder exists, or cannot be written.
        DivergenceError: The loss ran away.
    """
    config = DistillConfig.model_validate(
        {
            "student": student,
            "layers": layers,
            "embedding_size": embedding_size,
            "pooling": pooling,
            "unit": unit,
            "texts": texts,
            "text": text,
            "max_length": max_length,
            "revision": revision,
            "budget": budget,
            "seed": seed,
            "settings": settings or {},
        }
    )
    flag(overwrite, "overwrite")
    corpus, output = as_path(corpus, "corpus"), as_path(output, "output")
    refuse_to_replace(output, overwrite=overwrite, mark="config.json")
    source = resolve_encoder(teacher, config.revision, prompt="")
    checkpoints = output.with_name(output.name + ".training")
    with output_errors(checkpoints):
        checkpoints.mkdir(parents=True, exist_ok=True)
    lesson = _lesson(source, corpus, config)
    processes = join_processes()
    objective: Objective
    if lesson.is_masked:
        objective = _guessing(lesson, note)
    else:
        objective = _encodings(lesson, checkpoints, on_texts, note)
    sizes = _parameters(lesson.student), _parameters(lesson.teacher)
    note(f"the student has {sizes[0] / 1e6:.1f} M parameters, the teacher {sizes[1] / 1e6:.1f} M")
    result = fit(lesson.student, objective, config.training, folder=checkpoints, on_step=on_step)
    distilled = Distilled(output, result.dev_metrics, result, sizes)
    if processes.is_main_process:
        _save(distilled, lesson)
        remove_folder(checkpoints)
    processes.wait_for_everyone()
    return distilled


@dataclass(frozen=True)
class _Lesson:
    """Teacher and student, and what they read."""

    source: EncoderSource
    """Of the teacher."""
    config: DistillConfig
    teacher: PreTrainedModel
    student: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    tokens: tuple[Tokens, Tokens]
    """To learn from, and held out."""
    length: int
    """Tokens read of a text."""
    is_masked: bool
    """Whether words are guessed; otherwise encodings are learned."""


def _lesson(source: EncoderSource, corpus: str | Path, config: DistillConfig) -> _Lesson:
    """Load the teacher, make the student, read the corpus."""
    teacher, tokenizer = load_encoder(source)
    is_masked = config.student == "layers" and _guesses_words(source)
    own = encoder_max_length(source)
    torch.manual_seed(config.seed)
    with join_processes().main_process_first():  # the others find the tokens in the cache
        tokens = tokenize_corpus(
            read_corpus(corpus, text=config.text),
            tokenizer,
            unit="sentences" if is_masked else cast("Unit", config.unit),
        )
    if is_masked:
        teacher = load_model("AutoModelForMaskedLM", source.path, dtype=torch.float32)
    return _Lesson(
        source=source,
        config=config,
        teacher=teacher,
        student=layer_student(teacher, config.layers)
        if config.student == "layers"
        else recurrent_student(
            teacher, encoder_width(source), cell=config.student, embedding_size=config.embedding_size
        ),
        tokenizer=tokenizer,
        tokens=tokens,
        length=config.max_length or (min(MASKED_LENGTH, own) if is_masked else own),
        is_masked=is_masked,
    )


def _guesses_words(source: EncoderSource) -> bool:
    """Return whether an encoder was saved with a masked-LM head."""
    names = encoder_config(source).get("architectures") or []
    return any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in names)


def _guessing(lesson: _Lesson, note: Callable[[str], None]) -> DistilledText:
    """Let the student say what the teacher says, and what truly stood there."""
    frame = Frame.of(lesson.tokenizer)
    train, dev = (FullSentences(part, frame, length=lesson.length) for part in lesson.tokens)
    note(f"{len(train):,} sequences: the teacher's words, the true words, and hidden states")
    return DistilledText(train, dev, Masking.of(lesson.tokenizer), lesson.teacher, lesson.source.identity)


def _encodings(
    lesson: _Lesson,
    folder: Path,
    on_texts: Callable[[int, int], None] | None,
    note: Callable[[str], None],
) -> DistilledEncodings:
    """Let the teacher read the texts; return them with its encodings."""
    source, frame = lesson.source, Frame.of(lesson.tokenizer)
    pooling, count = lesson.config.pooling, lesson.config.texts
    encoder = PooledEncoder(lesson.teacher, pooling).to(join_processes().device).eval()
    train = Pieces(lesson.tokens[0], frame, length=lesson.length, count=count)
    held_out = HELD_OUT if count is None else max(1, min(HELD_OUT, count // 10))
    dev = Pieces(lesson.tokens[1], frame, length=lesson.length, count=held_out)
    total = len(train) + len(dev)
    note(f"the teacher reads {total:,} texts, {train.lengths.sum() + dev.lengths.sum():,} tokens")
    targets = []
    before = 0
    for texts in (train, dev):
        name = content_hash([texts.identity, source.identity, pooling])

        def report(done: int, before: int = before) -> None:
            if on_texts is not None:
                on_texts(before + done, total)

        targets.append(
            teacher_encodings(
                encoder,
                texts,
                folder / f"{name}.encodings",
                size=encoder_width(source),
                on_texts=report,
            )
        )
        before += len(texts)
    return DistilledEncodings(train, targets[0], dev, targets[1], pooling=pooling)


def _parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _save(distilled: Distilled, lesson: _Lesson) -> None:
    """Write the student as an encoder that Transformers and sentence-transformers load."""
    result, source, student = distilled.result, lesson.source, lesson.config.student
    metrics = "\n".join(f"| {name} | {value:.4f} |" for name, value in distilled.metrics.items())
    of = "of its layers" if student == "layers" else f"a bidirectional {student.upper()}"
    card = f"""---
library_name: transformers
tags: [textgraft, distillation]
---
# A student of {plain(Path(source.name).name)}

A student {of}, distilled by textgraft from the encoder with the weights {source.sha256[:12]} on raw text:
{distilled.parameters[0] / 1e6:.1f} M parameters of {distilled.parameters[1] / 1e6:.1f} M, {result.steps:,}
steps in {result.seconds:.0f} s.

| on held-out text | value |
|---|---|
{metrics}

    import textgraft
    textgraft.encode(["a text"], "path/to/this/folder")
"""
    save_encoder(
        distilled.folder,
        lesson.student,
        lesson.tokenizer,
        max_length=lesson.length,
        card=card,
        pooling=lesson.config.pooling,
    )
