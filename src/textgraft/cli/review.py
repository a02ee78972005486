"""textgraft review: import, next, decide, export, stats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textgraft.cli import options
from textgraft.cli.standard_input import LABELLED_ROWS
from textgraft.cli.surface import complete, give
from textgraft.terminal import open_console
from textgraft.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from textgraft.review.items import Item
    from textgraft.review.stats import Stats

app = typer.Typer(
    help="Items that need a person: import them, hand them out, decide them, export what was decided.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Store = Annotated[Path, typer.Argument(help="File of the review queue, as reviews.db.")]
By = Annotated[str, typer.Option("--by", help="Name of the person.")]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", help="classification, pairs, multi-label or token-classification."),
]


def import_(
    store: Store,
    source: Annotated[
        Path,
        typer.Argument(
            help="Predictions, rows to label (CSV, TSV, JSON Lines, Parquet), or a file of Label Studio, "
            "Argilla, doccano or Prodigy; - for standard input."
        ),
        LABELLED_ROWS,
    ],
    form: Annotated[
        str | None,
        typer.Option("--format", help="table, label-studio, argilla, prodigy or doccano. Told by the file."),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", help="The file that was predicted, where predictions lack the texts."),
        LABELLED_ROWS,
    ] = None,
    below: Annotated[
        float | None, typer.Option("--below", min=0, max=1, help="Only rows whose score is below this.")
    ] = None,
    task: TaskOption = None,
    text: options.Text = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label", "-l", help="Column with labels that the rows have already and that are doubted."
        ),
    ] = None,
    id_column: options.IdColumn = None,
    model: Annotated[str, typer.Option("--model", help="Name of the model that made the predictions.")] = "",
    reviewers: Annotated[int, typer.Option("--reviewers", help="People who are to decide each item.")] = 1,
    by: Annotated[
        str, typer.Option("--by", help="Name of the person who made the decisions in the file.")
    ] = "",
    correct: Annotated[
        bool, typer.Option("--correct", help="Decisions in the file replace earlier ones.")
    ] = False,
) -> None:
    """Put rows into a store, and what was decided of them elsewhere; the same rows again change nothing.

    Of predictions only rows with a true value in the column needs_review, or a score below --below, are
    imported; all of them where there is neither.
    """
    from textgraft.review.exchange.files import read_file
    from textgraft.review.exchange.table import Wanted
    from textgraft.review.store import ReviewStore
    from textgraft.wording import counted

    wanted = Wanted(task, text or (), label, id_column, rows, below, model, reviewers, by)
    found = read_file(source, form, wanted)
    console = open_console(stderr=True)
    with ReviewStore(store) as opened:
        added = opened.add(found.items)
        taken = opened.take(found.answers, correct=correct)
    console.print(
        f"{counted(added.new, 'new item')}, {added.known:,} known already → {store}", soft_wrap=True
    )
    if found.answers:
        console.print(f"{taken.new:,} new decisions, {taken.known:,} known already")
    for reason in taken.conflicts[:_SHOWN]:
        console.print(f"! not taken: {reason}", soft_wrap=True)
    _more(console, taken.conflicts)
    for row in found.rejected[:_SHOWN]:
        console.print(f"! line {row.line} set aside: {row.reason}", soft_wrap=True)
    _more(console, found.rejected)
    give({"store": store, "items": added, "decisions": taken, "rejected": found.rejected})


def next_(
    store: Store,
    by: By,
    count: Annotated[int, typer.Option("--count", "-n", help="How many items.")] = 1,
    hold: Annotated[str, typer.Option("--hold", help="How long nobody else gets them, as 10m.")] = "10m",
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Only items on which people disagree, to be settled.")
    ] = False,
) -> None:
    """Hand out the next items to a person: nobody else gets them until they are decided or the time is up."""
    from textgraft.review.store import ReviewStore

    with ReviewStore(store, create=False) as opened:
        leases = opened.lease(by, count, seconds=_seconds(hold), disputed=disputed)
        labels = {lease.item.task: opened.labels(lease.item.task) for lease in leases}
    told = [part for lease in leases for part in _shown(lease.item, labels[lease.item.task])]
    result = [{"id": lease.item.id, **_plain(lease)} for lease in leases]
    give(result, *(told or ["nothing is left for you"]))


def decide(
    store: Store,
    item: Annotated[str, typer.Argument(help="Id of the item; its first digits do if no other begins so.")],
    by: By,
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", "-a", help="The label; give it again for several labels."),
    ] = None,
    spans: Annotated[
        str | None, typer.Option("--spans", help='JSON, as [{"start": 0, "end": 4, "label": "PER"}].')
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="What the model answered is right.")] = False,
    unusable: Annotated[
        bool, typer.Option("--unusable", help="There is no right answer: the row is of no use.")
    ] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Leave it to somebody else.")] = False,
    correct: Annotated[bool, typer.Option("--correct", help="Replace an earlier decision.")] = False,
    new_label: Annotated[
        bool, typer.Option("--new-label", help="Accept a label that no earlier item has.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="Why, for others to read.")] = "",
) -> None:
    """Decide an item, for good: when the command ends, the decision is on the disk."""
    from textgraft.errors import OptionError
    from textgraft.review.store import ReviewStore

    said = {
        "--answer": answer is not None, "--spans": spans is not None,
        "--accept": accept, "--unusable": unusable, "--skip": skip,
    }  # fmt: skip
    if sum(said.values()) != 1:
        raise OptionError(
            f"{'several' if any(said.values()) else 'none'} of {', '.join(said)} is given",
            fix="Give one of them.",
        )
    with ReviewStore(store, create=False) as opened:
        name = opened.full_id(item)
        if skip:
            opened.release(name, by, passed=True)
            open_console(stderr=True).print("given back, and not for you again")
            give({"id": name, "skipped": True})
            return
        found = opened.get(name)
        assert found is not None, "it was found by its id"
        if accept and found.prediction is None:
            raise OptionError("no model answered this item", where="--accept", fix="Give the --answer.")
        value: Any = None
        if accept:
            value = found.prediction
        elif spans is not None:
            value = spans
        elif answer:
            value = list(answer) if found.task == "multi-label" or len(answer) > 1 else answer[0]
        made = opened.decide(name, by, value, correct=correct, note=note, new_label=new_label)
    give(_plain(made), f"{name[:12]}: {_written(made.answer)}, by {made.reviewer} (decision {made.number})")


def export(
    store: Store,
    output: Annotated[Path, typer.Argument(help="A .csv, .jsonl or .json file.")],
    form: Annotated[
        str,
        typer.Option("--format", help="table (training rows), label-studio, argilla, prodigy or doccano."),
    ] = "table",
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            help="Which items to write for a tool: open, held, decided or disputed; open and disputed "
            "if left out.",
        ),
    ] = None,
    merge: Annotated[
        Path | None,
        typer.Option(
            "--merge",
            help="Labelled rows: their labels are mended by what was decided, and decided rows "
            "that are not among them appended.",
        ),
        LABELLED_ROWS,
    ] = None,
    task: TaskOption = None,
    text: options.Text = None,
    label: Annotated[str | None, typer.Option("--label", "-l", help="Label column of --merge.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands at OUTPUT.")] = False,
) -> None:
    """Write what was decided as rows to train on, or items as an annotation tool reads them.

    What nobody has decided is never written as a training row, whatever a model answered.
    """
    from textgraft.errors import OptionError, unknown
    from textgraft.files import check_output
    from textgraft.review.answers import answer_kind
    from textgraft.review.exchange.files import FORMATS, TABLE, TOOLS, interface_file, write_rows, write_tool
    from textgraft.review.exchange.table import Wanted
    from textgraft.review.items import resolve
    from textgraft.review.store import ReviewStore
    from textgraft.review.training_rows import merged_rows, training_rows

    if form not in FORMATS:
        raise unknown("format", form, FORMATS, where="--format")
    if task is not None:
        answer_kind(task)
    for option, given, fits in (("--merge", merge, form == TABLE), ("--state", state, form != TABLE)):
        if given and not fits:
            raise OptionError(f"it does not go with --format {form}", where=option, fix="Leave it out.")
    check_output(output, (".csv", ".jsonl") if form == TABLE else (TOOLS[form].ending,), overwrite=overwrite)
    console = open_console(stderr=True)
    with ReviewStore(store, create=False) as opened:
        if form != TABLE:
            wanted = [
                item for item in opened.items(state or ("open", "disputed")) if task in (None, item.task)
            ]
            standing = {item.id: resolve(opened.decisions(item.id)) for item in wanted}
            labels = {item.task: opened.labels(item.task) for item in wanted}
            count = write_tool(output, form, [(item, standing[item.id]) for item in wanted], labels)
            console.print(f"{counted(count, 'item')} → {output}, for {TOOLS[form].title}", soft_wrap=True)
            if form == "label-studio" and count:
                console.print(f"its labelling interface: {interface_file(output)}", soft_wrap=True)
            give({"output": output, "format": form, "items": count})
            return
        decided = [(item, made) for item, made in opened.decided() if task in (None, item.task)]
        counts: dict[str, int] = {}
        if merge is not None:
            rows, counts = merged_rows(merge, decided, Wanted(text=text or (), label=label))
        else:
            rows = list(training_rows(decided))
        count = write_rows(output, rows)
    told = "".join(f", {number:,} {what}" for what, number in counts.items() if number)
    console.print(f"{counted(count, 'row')} → {output}{told}", soft_wrap=True)
    if merge is not None:
        console.print(f"next: textgraft compare {output}", style="dim", soft_wrap=True)
    give({"output": output, "format": form, "rows": count, **counts})


def stats(store: Store) -> None:
    """Say how far the work is, who did it, and how far people agree with each other and with the model."""
    from textgraft.review.store import ReviewStore

    with ReviewStore(store, create=False) as opened:
        found = opened.stats()
    give(_plain(found), *_told(found))


_SHOWN = 5
_KEPT = "What was decided is kept: run the same command again to resume."
for command, name in (
    (import_, "import"),
    (next_, "next"),
    (decide, "decide"),
    (export, "export"),
    (stats, "stats"),
):
    app.command(name=name)(complete(command, _KEPT))


def _told(found: Stats) -> list[str]:
    from textgraft import wording
    from textgraft.evaluation.intervals import LEVEL, wilson

    states = [f"{number:,} {state}" for state, number in found.items.items()]
    lines = [f"items: {', '.join(states)}"]
    if found.decisions:
        people = ", ".join(f"{name} {number:,}" for name, number in found.reviewers.items())
        lines.append(f"decisions: {found.decisions:,} ({people})")
        lines.append(f"of them corrections: {found.corrections:,}; rows of no use: {found.unusable:,}")
    if found.labels:
        lines.append("labels: " + ", ".join(f"{label} {number:,}" for label, number in found.labels.items()))
    if found.agreement.alpha is not None:
        about = wording.interval(found.agreement)
        lines.append(
            f"agreement between people: Krippendorff's alpha {wording.score(found.agreement.alpha)} "
            f"({about}) over {counted(found.agreement.items, 'item')}"
        )
    elif found.agreement.items:
        lines.append(
            f"agreement between people: cannot be told from {counted(found.agreement.items, 'item')}"
        )
    if found.model_judged:
        low, high = wilson(found.model_right / found.model_judged, found.model_judged, 1.96)
        lines.append(
            f"the model was right in {found.model_right:,} of {found.model_judged:,} "
            f"({low:.0%} to {high:.0%}, "
            f"{LEVEL:.0%} interval)"
        )
    return lines


def _shown(item: Item, labels: list[str]) -> Iterator[RenderableType]:
    from rich.text import Text

    yield Text(item.id, style="bold")
    for name, value in item.columns.items():
        yield value if len(item.columns) == 1 else f"{name}: {value}"
    if item.prediction is not None:
        sure = "" if item.score is None else f" ({item.score:.0%} sure)"
        yield f"  the model: {_written(item.prediction)}{sure}"
    if item.given is not None:
        yield f"  labelled so far: {_written(item.given)}"
    if item.reason:
        yield f"  asked because: {item.reason}"
    if labels:
        yield f"  labels: {', '.join(labels)}"


def _written(answer: Any) -> str:
    if answer is None:
        return "of no use"
    if isinstance(answer, str):
        return answer
    parts = [
        one if isinstance(one, str) else f"{one['label']} at {one['start']} to {one['end']}" for one in answer
    ]
    return ", ".join(parts) or "none"


def _seconds(hold: str) -> float:
    from textgraft.errors import OptionError
    from textgraft.wording import parse_seconds

    try:
        return parse_seconds(hold)
    except OptionError as error:
        raise OptionError(error.what, where="--hold", fix=error.fix) from error


def _plain(record: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(record)


def _more(console: Any, listed: Any) -> None:
    if len(listed) > _SHOWN:
        console.print(f"! and {len(listed) - _SHOWN:,} more")
