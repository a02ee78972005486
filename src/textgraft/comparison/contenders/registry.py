"""Every contender, and which compete: by task, by name, fitted to the encoder and the vectors at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgraft.comparison.contenders import (
    baselines,
    bert,
    contrastive,
    extraction,
    generation,
    llm,
    recurrent,
    static,
    unlabelled,
)
from textgraft.comparison.contenders.base import Contender, RecipeSettings
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.errors import MissingExtraError, OptionError, unknown
from textgraft.inference.prompting.endpoint import endpoint_url
from textgraft.models.encoders import EncoderSource, encoder_width, resolve_encoder, resolve_language_model
from textgraft.tasks.registry import task_class

CONTENDERS: tuple[Contender, ...] = (
    *baselines.CONTENDERS,
    *recurrent.CONTENDERS,
    *static.CONTENDERS,
    *bert.CONTENDERS,
    *contrastive.CONTENDERS,
    *generation.CONTENDERS,
    *extraction.CONTENDERS,
    *unlabelled.CONTENDERS,
    *llm.CONTENDERS,
)
"""Every contender, baselines first; those of one name do different tasks."""
ON = "@"
"""Between the name of a contender and that of its encoder, where several compete."""
_STATED_WIDTH = 384
"""Of the bundled encoder, for which the learning rates of fine-tuning are stated."""


def contender_named(name: str) -> Contender | None:
    """Return the first entry of a name; None where there is none, as for trials of another version.

    Args:
        name: Of a contender, as "bert-frozen"; or of it on one of several encoders, as "bert-frozen@mpnet".
    """
    entry, _, _ = name.partition(ON)
    return next((known for known in CONTENDERS if known.name == entry), None)


def is_asked_about(name: str, what: str) -> bool:
    """Return whether a contender is meant where people ask about "BERT", or "TF-IDF"."""
    entry = contender_named(name)
    return entry is not None and entry.asked_about == what


def is_floor(name: str) -> bool:
    """Return whether a contender ignores the text."""
    entry = contender_named(name)
    return entry is not None and entry.is_floor


def draws_nothing(name: str) -> bool:
    """Return whether a contender makes the same of the same rows, whatever the seed."""
    entry = contender_named(name)
    return entry is not None and entry.draws_nothing


def has_fixed_sizes(name: str) -> bool:
    """Return whether a contender is tried at sizes of its own, whatever the comparison's are."""
    entry = contender_named(name)
    return entry is not None and entry.fixed_sizes is not None


def is_remote(name: str) -> bool:
    """Return whether a contender sends texts to another machine."""
    entry = contender_named(name)
    return entry is not None and entry.is_remote


def contenders_in_savings(part: str, competing: Iterable[str]) -> list[str]:
    """Return those of some contenders that have this part in what pre-training saves, on any encoder."""
    return [
        name for name in competing if (entry := contender_named(name)) is not None and entry.saving == part
    ]


def contenders_for(task: str) -> dict[str, Contender]:
    """Return the contenders that can do a task, by name: those of the task it is like, and its own.

    Raises:
        OptionError: There is no such task.
    """
    like = task_class(task).contenders_of
    own = {entry.name: entry for entry in CONTENDERS if task in entry.tasks}
    return {**(contenders_for(like) if like else {}), **own}


def choose_contenders(names: Sequence[str] | None, task: str) -> list[Contender]:
    """Return the contenders of these names, in order and once each; the usual ones of the task for None.

    Those that are usual for few rows of every label are among them: what the rows are shows later.

    Args:
        names: Their names.
        task: Which all of them must be able to do.

    Raises:
        OptionError: A name is unknown, or not one for this task.
    """
    able = contenders_for(task)
    if names is None:
        return [entry for entry in able.values() if entry.is_default or entry.is_default_of_few]
    for name in names:
        if name not in able and contender_named(name):
            raise OptionError(
                f"the contender {name!r} cannot do the task {task}",
                where="--contenders",
                fix=f"For this task there are {', '.join(able)}.",
            )
        if name not in able:
            raise unknown("contender", name, able, where="--contenders")
    return [able[name] for name in dict.fromkeys(names)]


def trained_contender(name: str | None, task: str) -> Contender:
    """Return the contender that ``train`` trains: the one of this name, or its usual one for the task.

    Raises:
        OptionError: The name is unknown or not one for this task, or there is none that is usual for it.
    """
    able = contenders_for(task)
    usual = name or next((entry.name for entry in able.values() if entry.is_default_of_train), None)
    if usual is None:
        raise OptionError(
            f"no contender is usual for the task {task}",
            where="--contender",
            fix=f"Name one of {', '.join(able)}.",
        )
    return choose_contenders([usual], task)[0]


def contender_by_option(option: str) -> str:
    """Return the name of the contender that an option of ``train`` means, as "--freeze-layers all"."""
    return next(entry.name for entry in CONTENDERS if entry.train_option == option)


def meant_contender(
    contender: str | None, adapter: str | None, freeze_layers: int | str | None
) -> str | None:
    """Return the contender that the options of ``train`` name together; None where none does.

    Args:
        contender: Its own name.
        adapter: "lora".
        freeze_layers: "all", or a number of layers, which names none.

    Raises:
        OptionError: They contradict each other, or a value is unknown.
    """
    if adapter is not None and adapter != "lora":
        raise unknown("adapter", adapter, ("lora",), where="--adapter")
    if not (freeze_layers is None or freeze_layers == "all" or str(freeze_layers).isdigit()):
        raise OptionError(
            f"{freeze_layers!r} layers cannot be frozen",
            where="--freeze-layers",
            fix="Give a number or 'all'.",
        )
    named = {
        name
        for name, is_meant in (
            (contender, contender is not None),
            (contender_by_option("--adapter lora"), adapter is not None),
            (contender_by_option("--freeze-layers all"), freeze_layers == "all"),
        )
        if is_meant
    }
    if len(named) > 1:
        raise OptionError(
            f"the options name different models: {', '.join(sorted(map(str, named)))}",
            where="--contender, --adapter, --freeze-layers",
            fix="Give one of them.",
        )
    return next(iter(named), None)


def needed_language_model(contenders: Sequence[Contender], path: str | Path | None) -> EncoderSource | None:
    """Return the recurrent language model that a contender begins with; None where none of them does.

    Raises:
        ModelError: It cannot be found, or is something else.
        OptionError: None is named and one is needed, or the other way round.
    """
    needing = [contender.name for contender in contenders if contender.needs_language_model]
    if not needing and path is None:
        return None
    if not needing:
        raise OptionError(
            f"none of {_names(contenders)} begins with a language model",
            where="--language-model",
            fix=f"Name {_names(CONTENDERS, 'needs_language_model')}, or leave the language model out.",
        )
    if path is None:
        raise OptionError(
            f"the contender {needing[0]!r} begins with a recurrent language model, and none is named",
            where="--language-model",
            fix="Give the folder of one, as textgraft pretrain --arch lstm writes it.",
        )
    return resolve_language_model(path)


def _names(contenders: Sequence[Contender], field: str = "name") -> str:
    """List the names of contenders for which a field is true."""
    return ", ".join(dict.fromkeys(entry.name for entry in contenders if getattr(entry, field)))


def with_vectors(contenders: Sequence[Contender], vectors: VectorSource | None) -> list[Contender]:
    """Let the contenders that can begin with word vectors, as a part of all their configurations.

    Raises:
        DataError: The vectors cannot be read.
        OptionError: None of the contenders can.
    """
    if vectors is None:
        return list(contenders)
    if not any(contender.takes_vectors for contender in contenders):
        raise OptionError(
            f"none of {_names(contenders)} begins with word vectors",
            where="--vectors",
            fix=f"Name one of {_names(CONTENDERS, 'takes_vectors')}, or leave the vectors out.",
        )
    own: dict[str, Any] = {"embedding_size": vectors.load().size, "vectors": vectors.name}
    return [
        contender.with_grid(lambda settings: settings.but(**own), title=f"{contender.title} on word vectors")
        if contender.takes_vectors
        else contender
        for contender in contenders
    ]


def with_descriptions(
    contenders: Sequence[Contender], descriptions: Mapping[str, str] | None
) -> list[Contender]:
    """Tell the contenders that can be told what labels mean.

    Raises:
        OptionError: None of the contenders can.
    """
    if descriptions is None:
        return list(contenders)
    if not any(contender.takes_descriptions for contender in contenders):
        raise OptionError(
            f"none of {_names(contenders)} can be told what labels mean",
            where="--describe",
            fix=f"Name one of {_names(CONTENDERS, 'takes_descriptions')}, or leave the descriptions out.",
        )
    return [
        contender.with_grid(lambda settings: settings.but(descriptions=dict(descriptions)))
        if contender.takes_descriptions
        else contender
        for contender in contenders
    ]


def with_endpoint(
    contenders: Sequence[Contender], url: str | None, model: str | None, examples: int, concurrency: int
) -> list[Contender]:
    """Tell the contenders that ask a language model whom to ask.

    Args:
        contenders: Those that are to compete.
        url: Of an OpenAI-compatible server; None where the user names none.
        model: As the server calls it.
        examples: Training rows that it is shown, beside being asked without any.
        concurrency: Questions under way at a time.

    Raises:
        OptionError: The URL cannot be used, one is missing, or one is named in vain.
    """
    asking = [contender.name for contender in contenders if contender.is_remote]
    if not asking and url is None and model is None:
        return list(contenders)
    if not asking:
        raise OptionError(
            f"none of {_names(contenders)} asks a language model",
            where="--llm",
            fix=f"Name {_names(CONTENDERS, 'is_remote')}, or leave the endpoint out.",
        )
    if url is None or model is None:
        raise OptionError(
            f"the contender {asking[0]!r} asks a language model, and "
            f"{'no endpoint' if url is None else 'no model'} is named",
            where="--llm" if url is None else "--llm-model",
            fix="Write --llm http://localhost:8000/v1 --llm-model NAME.",
        )
    told = {"endpoint": endpoint_url(url), "model": model, "concurrency": concurrency}
    sizes = (0, examples) if examples else (0,)
    return [
        replace(
            contender.with_grid(lambda settings: settings.but(**told), title=f"{contender.title}: {model}"),
            fixed_sizes=sizes,
        )
        if contender.is_remote
        else contender
        for contender in contenders
    ]


def with_encoder(
    contenders: Sequence[Contender],
    encoders: Sequence[str],
    revision: str | None = None,
    prompts: Sequence[str] | None = None,
    *,
    spare: Callable[[str], None] | None = None,
) -> tuple[list[Contender], tuple[EncoderSource, ...]]:
    """Find the encoders of the contenders that need one, and fit these to them.

    On the first encoder contenders keep their names; on each further one they compete once more, as
    "bert-frozen@mpnet".

    Args:
        contenders: Those that are to compete.
        encoders: Each "bundled", a local directory or a Hub id.
        revision: Of a Hub id, where one encoder is named.
        prompts: What they read before every text: as ``resolve_encoder`` takes it for all of them, or for one
            as "mpnet=query: ". None leaves each its own.
        spare: Given where the contenders are merely the usual ones: told which of them are left out because
            the bundled encoder is not installed.

    Returns:
        The contenders, and the encoders if one of them needs an encoder.

    Raises:
        MissingExtraError: The bundled encoder is not installed, and a contender was named that needs it.
        ModelError: There is no such encoder, or it is damaged.
        OptionError: An encoder is named twice, or a revision is that of nobody knows which encoder.
    """
    if revision is not None and len(encoders) > 1:
        raise OptionError(
            "of several encoders, nothing says whose revision this is",
            where="--revision",
            fix="Compare them at their latest revisions, or download one and name its folder.",
        )
    needing = [contender for contender in contenders if contender.needs_encoder]
    if not needing and prompts:
        raise OptionError(
            f"none of {_names(contenders)} reads with an encoder",
            where="--prompt",
            fix="Leave the prompt out, or name a contender that has an encoder.",
        )
    if not needing:
        return list(contenders), ()
    told = _prompts(encoders, prompts or ())
    try:
        sources = tuple(resolve_encoder(encoder, revision, told.get(encoder)) for encoder in encoders)
    except MissingExtraError as error:
        rest = [contender for contender in contenders if not contender.needs_encoder]
        if spare is None or not rest:
            raise
        spare(f"left out, for want of an encoder: {_names(needing)}. {error.fix}; or name one by --encoder.")
        return rest, ()
    first, *further = sources
    competing = scaled_to(contenders, first)
    for source, name in zip(further, _short_names(sources)[1:], strict=True):
        competing += [
            replace(entry, name=f"{entry.name}{ON}{name}", title=f"{entry.title}, on {name}", encoder=source)
            for entry in scaled_to(needing, source)
        ]
    return competing, sources


def _prompts(encoders: Sequence[str], prompts: Sequence[str]) -> dict[str, str]:
    """Return the prompt of every encoder for which one is given; one without a name is for all others.

    Raises:
        OptionError: Two are given for the same encoders.
    """
    by_name = {**{Path(encoder).name: encoder for encoder in encoders}, **{name: name for name in encoders}}
    found: dict[str | None, str] = {}
    for prompt in prompts:
        name, equals, text = prompt.partition("=")
        of = by_name.get(name) if equals else None
        if of in found:
            raise OptionError(
                f"two prompts are given for {of or 'all encoders'}",
                where="--prompt",
                fix="Give each encoder one, as --prompt 'mpnet=query: '.",
            )
        found[of] = text if of is not None else prompt
    general = {encoder: found[None] for encoder in encoders if None in found}
    return {**general, **{name: text for name, text in found.items() if name is not None}}


def _short_names(sources: Sequence[EncoderSource]) -> list[str]:
    """Name encoders by the last part of a folder or a Hub id, and a number where that is not enough.

    Raises:
        OptionError: Two of them are the same.
    """
    names: list[str] = []
    for position, source in enumerate(sources):
        if source.identity in [other.identity for other in sources[:position]]:
            raise OptionError(
                f"the encoder {source.name!r} is named twice", where="--encoder", fix="Name each once."
            )
        name = Path(source.name).name or "encoder"
        same = sum(known.partition("~")[0] == name for known in names)
        names.append(f"{name}~{same + 1}" if same else name)
    return names


def with_frozen_layers(
    contenders: Sequence[Contender], layers: int | None, encoders: Sequence[EncoderSource]
) -> list[Contender]:
    """Let all configurations that train an encoder leave its lowest layers as they are.

    Args:
        contenders: Those that are to compete.
        layers: How many; None leaves it to each configuration.
        encoders: Theirs; those that have none of their own begin with the first.

    Raises:
        OptionError: An encoder does not have so many, or they cannot be told apart.
    """
    if layers is None:
        return list(contenders)
    freezing = [entry for entry in contenders if "freeze_layers" in type(entry.grid[0]).model_fields]
    for entry in freezing:
        bert.frozen_layers(entry.encoder or encoders[0], layers)
    return [
        entry.with_grid(lambda settings: settings.but(freeze_layers=layers)) if entry in freezing else entry
        for entry in contenders
    ]


def scaled_to(contenders: Sequence[Contender], encoder: EncoderSource | None) -> list[Contender]:
    """Fit the learning rates of contenders that fine-tune a whole encoder to its width.

    Under Adam the rate that suits a matrix falls with the number of its inputs (Yang et al. 2022, "Tensor
    programs V", table 3). The rates of the entries are those for the bundled encoder; BERT-base then is
    trained at 5e-5 and BERT-tiny at 3e-4, which lie in the ranges that their authors searched. From random
    weights the narrow ones learned less at a higher rate, so theirs stays.

    Raises:
        ModelError: The encoder does not state its width.
    """
    if encoder is None:
        return list(contenders)
    factor = _STATED_WIDTH / encoder_width(encoder)

    def scaled(settings: Any) -> RecipeSettings:
        return settings.but(learning_rate=float(f"{factor * settings.learning_rate:.2g}"))

    return [
        contender.with_grid(scaled) if contender.rate_follows_width else contender for contender in contenders
    ]
