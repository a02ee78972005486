"""The page of the claims: what a reader can quote, its figures, and why they are so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from textgraft.benchmarking.claims import (
    BASELINES,
    CLAIMED_CEILING,
    CLAIMED_ROWS,
    CLAIMED_SCORE,
    ClaimsOfContender,
    ClaimsOfPair,
    ClaimsOfSet,
    outcomes_of,
)
from textgraft.benchmarking.markdown_table import markdown_table
from textgraft.benchmarking.reasons import reasons
from textgraft.comparison.records.verdict import Outcome, Ratio
from textgraft.evaluation.intervals import Score
from textgraft.markdown import plain
from textgraft.tables import Table
from textgraft.terminal import visible
from textgraft.wording import about, count, listing, score

LSTMS = {"lstm": "the LSTM", "lstm-static": "the LSTM with pre-trained word vectors"}
_OUTCOMES: tuple[Outcome, ...] = ("holds", "fails", "undecided")


class ClaimsResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on all sets."""

    sets: list[ClaimsOfSet]
    lacking: dict[str, str]
    """Sets that the folder does not hold, and what it lacks."""
    encoders: list[str]
    vectors: str | None
    """The file of word vectors that ``lstm`` began with."""
    seeds: int
    tuning: int
    label_seconds: float
    machine: str

    def __repr__(self) -> str:
        return visible(f"<ClaimsResult on {len(self.sets)} sets>")

    @property
    def contenders(self) -> list[str]:
        """The pre-trained contenders, in order."""
        return list(dict.fromkeys(one.contender for claims in self.sets for one in claims.contenders))

    def table(self) -> Table:
        """Return a row for each claim, contender and LSTM: on how many sets it holds, or does not."""
        return Table(["claim", "on", "against", *_OUTCOMES], list(_counts(self)))


def _counts(result: ClaimsResult) -> Iterator[list[str | int]]:
    found: dict[tuple[str, str, str], dict[str, Outcome]] = {}
    for claims in result.sets:
        for one in claims.contenders:
            for claim, pair, outcome in outcomes_of(one):
                # What is claimed of the LSTM alone is the same whatever it is held against.
                found.setdefault((claim, *pair), {})[claims.name] = outcome
    titles = list(dict.fromkeys(title for title, *_ in found))
    for key in sorted(found, key=lambda key: titles.index(key[0])):
        counts = Counter(found[key].values())
        yield [*(part or "–" for part in key), *(counts[outcome] for outcome in _OUTCOMES)]


def claims_page(result: ClaimsResult) -> str:
    """Return the page as Markdown."""
    parts = [
        "# The claims that textgraft began with, on public sets",
        _claim(),
        "## In short",
        _short(result),
    ]
    parts += ["## Scores", _scores(result), "## Savings", _savings(result), "## Why", _why(result)]
    parts += ["## How it was measured", _method(result), "## What this does not say", _limits(result)]
    return "\n\n".join(parts) + "\n"


def _claim() -> str:
    return (
        f"The claims: with {CLAIMED_ROWS:,} labelled samples, BERT's encodings with a shallow network reach "
        f"an F1 of {CLAIMED_SCORE:.2f}, and an LSTM never more than {CLAIMED_CEILING:.2f}; BERT takes 20 "
        "times less time, needs 100 times less data, and makes development 10 times faster. They were made "
        "of one data set, which is not public. A claim *holds* on a set where its whole 95% interval does, "
        "*fails* where none of it does, and is *undecided* between."
    )


def _short(result: ClaimsResult) -> str:
    sets = len(result.sets)
    head = f"On {sets} public sets, by the number of sets:"
    return f"{head}\n\n{markdown_table(result.table())}\n\n{_quote(result)}"


def _quote(result: ClaimsResult) -> str:
    """Return sentences on every pre-trained contender against the plain LSTM, and on what LSTMs reach."""
    every = [one for claims in result.sets for one in claims.contenders]
    if not every:
        return "There is nothing to quote yet."
    lines: list[str] = []
    for baseline in BASELINES:
        pairs = [_pair(claims.contenders[0], baseline) for claims in result.sets if claims.contenders]
        lines += _quote_ceiling(LSTMS[baseline], [pair for pair in pairs if pair])
    for contender in result.contenders:
        rows = [one for one in every if one.contender == contender]
        found = [one.last.score.value for one in rows]
        lines.append(
            f"- **{_of(rows, [one.reaches for one in rows])}** {contender} reaches F1 {CLAIMED_SCORE:.2f} "
            f"with {CLAIMED_ROWS:,} labels: {_range(found)}, median {score(_median(found))}."
        )
        lines += _quote_savings(contender, [pair for one in rows if (pair := _pair(one, BASELINES[0]))])
    return "\n".join(lines)


def _pair(contender: ClaimsOfContender, baseline: str) -> ClaimsOfPair | None:
    return next((pair for pair in contender.pairs if pair.baseline == baseline), None)


def _quote_ceiling(name: str, pairs: Sequence[ClaimsOfPair]) -> Iterator[str]:
    highest = [pair.highest.score.value for pair in pairs]
    if pairs:
        yield (
            f"- **{_of(pairs, [pair.stays_below for pair in pairs])}** {name} stays below "
            f"{CLAIMED_CEILING:.2f}: its best is {_range(highest)}, median {score(_median(highest))}."
        )


def _quote_savings(contender: str, pairs: Sequence[ClaimsOfPair]) -> Iterator[str]:
    for told, ratios in (
        ("needs 100 times fewer labels", [pair.labels for pair in pairs]),
        ("trains to the same score 20 times quicker", [pair.time_at_equal_score for pair in pairs]),
        ("trains on as many labels 20 times quicker", [pair.time_at_equal_size for pair in pairs]),
        ("is developed 10 times faster", [pair.development for pair in pairs]),
    ):
        measured = [ratio for ratio in ratios if ratio is not None]
        if not measured:
            continue
        # A score that is never reached saves nothing.
        values = [ratio.value or 0.0 for ratio in measured]
        never = values.count(0.0)
        also = f"; on {never} the LSTM's score is never reached" if never else ""
        middle = _median(values)
        if middle >= 1:
            median = f"the median saving is {about(middle)} times"
        else:
            median = (
                f"at the median it takes {about(1 / middle)} times as much" if middle else "most save nothing"
            )
        holds = _of(measured, [ratio.outcome for ratio in measured])
        yield f"- **{holds}** {contender} {told} than {LSTMS[BASELINES[0]]}: {median}{also}."


def _of(rows: Sequence[object], outcomes: Sequence[Outcome]) -> str:
    return f"On {outcomes.count('holds')} of {len(rows)} sets"


def _range(values: Sequence[float]) -> str:
    return f"{score(min(values))} to {score(max(values))}"


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _scores(result: ClaimsResult) -> str:
    columns = [
        "set",
        "labels",
        "floor",
        "TF-IDF",
        *(f"{name}, best" for name in BASELINES),
        *result.contenders,
    ]
    rows = []
    for claims in result.sets:
        best = {pair.baseline: pair for one in claims.contenders for pair in one.pairs}
        of = {one.contender: one for one in claims.contenders}
        rows.append(
            [
                claims.name,
                count(claims.labels),
                score(claims.floor.score.value) if claims.floor else "–",
                score(claims.words.score.value) if claims.words else "–",
                *(
                    _marked(best[name].highest.score, best[name].stays_below) if name in best else "–"
                    for name in BASELINES
                ),
                *(
                    _marked(of[name].last.score, of[name].reaches) if name in of else "–"
                    for name in result.contenders
                ),
            ]
        )
    note = (
        "Macro F1 with the largest number of labels (of the LSTMs: the best at any), its 95% interval, and "
        f"whether the claim holds: at least {CLAIMED_SCORE:.2f} for the encodings, at most "
        f"{CLAIMED_CEILING:.2f} for the LSTMs."
    )
    return f"{note}\n\n{markdown_table(Table(columns, rows))}"


def _marked(found: Score, outcome: Outcome) -> str:
    if found.low is None or found.high is None:
        return f"{score(found.value)}, {outcome}"
    return f"{score(found.value)} ({score(found.low)}–{score(found.high)}), {outcome}"


def _savings(result: ClaimsResult) -> str:
    columns = [
        "set",
        "contender",
        "against",
        "labels",
        "time, same score",
        "time, as many labels",
        "development",
    ]
    rows = [
        [claims.name, one.contender, pair.baseline, *(_times(ratio) for ratio in _ratios(pair))]
        for claims in result.sets
        for one in claims.contenders
        for pair in one.pairs
    ]
    note = (
        "How many times fewer or less: 0.5 is twice as many. “≥” is a bound, as the score was reached with "
        "the fewest labels that were tried."
    )
    return f"{note}\n\n{markdown_table(Table(columns, rows))}"


def _ratios(pair: ClaimsOfPair) -> tuple[Ratio | None, ...]:
    return pair.labels, pair.time_at_equal_score, pair.time_at_equal_size, pair.development


def _times(ratio: Ratio | None) -> str:
    if ratio is None:
        return "–"
    if ratio.value is None:
        return f"never reached, {ratio.outcome}"
    bound = "≥ " if ratio.at_least else ""
    low = about(ratio.low) if ratio.low is not None else "none"
    high = about(ratio.high) if ratio.high is not None else "beyond"
    return f"{bound}{about(ratio.value)} ({low}–{high}), {ratio.outcome}"


def _why(result: ClaimsResult) -> str:
    lines = [f"- **{plain(claims.name)}**: {' '.join(reasons(claims))}" for claims in result.sets]
    return "What the figures suggest; no cause was put to the test.\n\n" + "\n".join(lines)


def _method(result: ClaimsResult) -> str:
    levels = [level for claims in result.sets for one in claims.contenders for level in one.levels]
    sizes = [count(size) for size in sorted({level.size for level in levels})]
    seeds = "one seed" if result.seeds == 1 else f"{result.seeds} seeds each, with rows of their own"
    alone = " Intervals are over test rows alone." if result.seeds == 1 else ""
    tried = "configuration" if result.tuning == 1 else "configurations"
    words = f"the word vectors of {result.vectors}" if result.vectors else "random word vectors"
    lines = [
        f"Training rows: {listing(sizes)}; {seeds}.{alone}",
        f"{result.tuning} {tried} a contender, the same number for all. Test rows are the published ones.",
        f"Encoder: {listing(result.encoders)}. `lstm` begins with {words}, `lstm-static` with vectors "
        "distilled from the encoder, each token read by itself.",
        "Labels: those from which on the LSTM has its last score over those at which the encodings first "
        "reach it, read between the sizes over their logarithm.",
        "Time: the processor's, from raw text to a trained model, encoding included; what else runs on the "
        "machine does not count.",
        f"Development: labelling all training and dev rows at {about(result.label_seconds)} s a text, and "
        "training every configuration, from no labels to the LSTM's last score. Whatever else people do is "
        "not measured.",
        f"Machine: {result.machine}.",
    ]
    if result.lacking:
        lines.append(f"Not there: {'; '.join(f'{name} ({what})' for name, what in result.lacking.items())}.")
    return "\n".join(f"- {line}" for line in lines)


def _limits(result: ClaimsResult) -> str:
    sizes = sorted(
        {level.size for claims in result.sets for one in claims.contenders for level in one.levels}
    )
    lines = [
        "The set that the claims were made of is not public; `origins` (country of origin from description, "
        "director and cast) stands in for it.",
        "Another encoder, fine-tuned or larger, scores otherwise: `--encoder` takes several.",
        "What more labels would make of the LSTM is not measured here.",
    ]
    if sizes:
        most = about(sizes[-1] / sizes[0])
        lines.append(
            f"Sizes from {count(sizes[0])} to {count(sizes[-1])} can show that labels are saved {most} "
            "times, and no more."
        )
    return "\n".join(f"- {line}" for line in lines)
