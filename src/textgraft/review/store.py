"""Items that need a person, in one file: handed out to one reviewer at a time, decided for good.

Any number of threads and processes may use a store. An item is held by one person at a time, until it is
decided, released, or its time is up. Decisions are on the disk before they are acknowledged, and are never
changed: a correction is a new decision.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from textgraft.errors import ConflictError, DataError, OptionError, nearest, unknown
from textgraft.review.answers import KINDS, answer_kind, parse_answer
from textgraft.review.database import Database, damaged
from textgraft.review.items import Added, Answered, Decision, Item, Lease, Taken, resolve
from textgraft.review.stats import Stats, Tally, make_stats
from textgraft.wording import listing

LEASE_SECONDS = 600.0
"""How long an item is held unless more is asked for."""
LONGEST_NAME = 200
STATES = ("open", "held", "decided", "disputed")
"""Waiting for a person; in somebody's hands; decided by as many as were asked for; and they disagree."""
_FREE = "(queue.expires IS NULL OR queue.expires <= :now OR queue.owner = :owner)"
_MINE = "SELECT 1 FROM {} AS other WHERE other.position = queue.position AND other.reviewer = :owner"


class _Leave(NamedTuple):
    """What a decision may do."""

    correct: bool
    new_label: bool


class ReviewStore:
    """The items of one file, and what was decided of them.

    Args:
        path: The file; made where it is not there, unless ``create`` says otherwise.
        create: Whether it may be made.
        clock: Tells the time, in seconds since 1970, UTC.

    Raises:
        DataError: The file is not there and may not be made, or is something else.
        ModelError: Another version of textgraft wrote it.
        DamagedError: It is damaged.
        OutputError: It cannot be written.
    """

    def __init__(
        self, path: str | Path, *, create: bool = True, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._database = Database(self.path, create=create)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ReviewStore({str(self.path)!r})"

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # Items.

    def add(self, items: Iterable[Item]) -> Added:
        """Put items into the store, all or none; those that it holds already stay as they are.

        Raises:
            DataError: An item has no text, or an answer that its task does not have.
            OptionError: Its task has none that people can give here.
        """
        rows = [(item, _encoded(item)) for item in map(_checked, items)]
        new = 0
        with self._database.writing(durable=True) as connection:
            for item, record in rows:
                name = item.id
                inserted = connection.execute(
                    "INSERT INTO items (id, record, checksum) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    (name, record, _checksum(name.encode() + record)),
                )
                if not inserted.rowcount:
                    continue
                new += 1
                connection.execute(
                    "INSERT INTO queue (position, urgency, reviewers, state) VALUES (?, ?, ?, 'open')",
                    (inserted.lastrowid, item.urgency, item.reviewers),
                )
                _add_labels(connection, item.task, _labels_of(item))
        return Added(new, len(rows) - new)

    def get(self, item: str) -> Item | None:
        """Return an item by its id; None where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT id, record, checksum FROM items WHERE id = ?", (item,)
            ).fetchone()
        return self._decoded(row) if row else None

    def full_id(self, beginning: str) -> str:
        """Return the id of the one item that begins so.

        Raises:
            OptionError: None does, or several do.
        """
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT id FROM items WHERE id >= ? AND id < ? LIMIT 2", (beginning, beginning + "g")
            ).fetchall()
        if len(found) != 1:
            raise OptionError(
                f"there {'are several items' if found else 'is no item'} {beginning[:64]!r} in this store",
                fix="Take the id as textgraft review next gives it.",
            )
        return str(found[0][0])

    def items(self, states: Sequence[str] = STATES) -> Iterator[Item]:
        """Yield the items in some states, in the order of their import."""
        for state in states:
            if state not in STATES:
                raise unknown("state", state, STATES)
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT items.id, record, checksum, state, owner IS NOT NULL AND expires > ? "
                "FROM items JOIN queue USING (position) ORDER BY position",
                (self._clock(),),
            ).fetchall()
        for *row, state, held in rows:
            if ("held" if held and state == "open" else state) in states:
                yield self._decoded(row)

    def labels(self, task: str) -> list[str]:
        """Return the labels that predictions and decisions of a task have had so far, in order."""
        with self._database.reading() as connection:
            return _labels(connection, task)

    # Who holds what.

    def lease(
        self, owner: str, count: int = 1, *, seconds: float = LEASE_SECONDS, disputed: bool = False
    ) -> list[Lease]:
        """Hand out items: nobody else gets them until they are decided or released, or the time is up.

        What the owner holds already comes first, and is held for the full time again; then what is most
        urgent. Nobody gets an item that they have decided or passed on.

        Args:
            owner: Name of the person.
            count: How many items at most.
            seconds: How long they are held.
            disputed: Whether to hand out items on which people disagree, in place of open ones.

        Returns:
            As many as there are, none where nothing is left.

        Raises:
            OptionError: The name is empty or too long, or a number is not positive.
        """
        owner = _name(owner)
        if not 0 < seconds <= 1e7:
            raise OptionError(f"an item cannot be held for {seconds:g} seconds", fix="Give a positive time.")
        if count < 1:
            raise OptionError(f"{count} items cannot be handed out", fix="Give a positive number.")
        now = self._clock()
        query = (
            f"SELECT position FROM queue WHERE state = :state AND {_FREE} "
            f"AND NOT EXISTS ({_MINE.format('decisions')}) AND NOT EXISTS ({_MINE.format('passed')}) "
            "ORDER BY urgency DESC, position LIMIT :count"
        )
        asked = {"state": "disputed" if disputed else "open", "now": now, "owner": owner, "count": count}
        with self._database.writing(durable=False) as connection:
            own = connection.execute(
                "SELECT position FROM queue WHERE owner = :owner AND state = :state AND expires > :now "
                "ORDER BY urgency DESC, position LIMIT :count",
                asked,
            ).fetchall()
            found = list(dict.fromkeys([*own, *connection.execute(query, asked).fetchall()]))[:count]
            leases = []
            for (position,) in found:
                connection.execute(
                    "UPDATE queue SET owner = ?, expires = ? WHERE position = ?",
                    (owner, now + seconds, position),
                )
                row = connection.execute(
                    "SELECT id, record, checksum FROM items WHERE position = ?", (position,)
                ).fetchone()
                leases.append(Lease(self._decoded(row), owner, now + seconds))
        return leases

    def renew(self, item: str, owner: str, *, seconds: float = LEASE_SECONDS) -> Lease:
        """Hold an item for longer, from now on.

        Raises:
            OptionError: There is no such item.
            ConflictError: The owner no longer holds it.
        """
        expires = self._clock() + seconds
        with self._database.writing(durable=False) as connection:
            position, _, _, holder = self._queued(connection, item)
            if holder != owner:
                raise ConflictError(
                    f"{owner} does not hold this item" + (f": {holder} does" if holder else " any more"),
                    where=item,
                    fix="Ask for the next one.",
                )
            connection.execute("UPDATE queue SET expires = ? WHERE position = ?", (expires, position))
        found = self.get(item)
        assert found is not None, "it was there a moment ago, and items never go"
        return Lease(found, owner, expires)

    def release(self, item: str, owner: str, *, passed: bool = False) -> None:
        """Give an item back to the others. It is no mistake to give back what is no longer held.

        Args:
            item: Its id.
            owner: Who holds it.
            passed: Whether this person is not to get it again.

        Raises:
            OptionError: There is no such item.
        """
        owner = _name(owner)
        with self._database.writing(durable=False) as connection:
            position, *_ = self._queued(connection, item)
            connection.execute(
                "UPDATE queue SET owner = NULL, expires = NULL WHERE position = ? AND owner = ?",
                (position, owner),
            )
            if passed:
                connection.execute("INSERT OR IGNORE INTO passed VALUES (?, ?)", (position, owner))

    # Decisions.

    def decide(
        self,
        item: str,
        reviewer: str,
        answer: Any,
        *,
        correct: bool = False,
        note: str = "",
        new_label: bool = False,
    ) -> Decision:
        """Decide an item, for good: when this returns, the decision is on the disk.

        The same answer of the same person again is the same decision, so that a call that was cut off can be
        made again. What an owner held too long can be decided as long as nobody else holds it.

        Args:
            item: Its id.
            reviewer: Who decides.
            answer: In the form of the task, see :func:`textgraft.review.answers.parse_answer`; None where
                there is no right answer and the row is of no use.
            correct: Whether this corrects a decision: one of the same person, or one that stands.
            note: Why, for others to read.
            new_label: Whether the answer may have a label that the store has not met, where a model gave the
                scores of all labels or it looks like one of them.

        Raises:
            OptionError: There is no such item, the name is empty, or the label is unknown (the nearest is
                suggested).
            DataError: The answer is not of the form that the task has.
            ConflictError: Somebody else holds the item; or it is decided, and ``correct`` is not said.
        """
        with self._database.writing(durable=True) as connection:
            return self._decide(
                connection, item, Answered(_name(reviewer), answer, note), _Leave(correct, new_label)
            )[0]

    def take(self, answers: Iterable[tuple[str, Answered]], *, correct: bool = False) -> Taken:
        """Take over what people decided elsewhere, in one go; what cannot be taken is told, and left out.

        A later answer of the same person is a correction of the earlier one. Labels may be new.

        Args:
            answers: Each with the id of its item.
            correct: Whether they stand against what others decided here.
        """
        new = known = 0
        conflicts: list[str] = []
        with self._database.writing(durable=True) as connection:
            for item, answered in answers:
                try:
                    name = _name(answered.reviewer)
                    leave = _Leave(correct or self._has_decided(connection, item, name), True)
                    _, is_new = self._decide(
                        connection, item, Answered(name, answered.answer, answered.note), leave
                    )
                    new, known = new + is_new, known + (not is_new)
                except (ConflictError, DataError, OptionError) as error:
                    conflicts.append(f"{error.where or item}: {error.what}")
        return Taken(new, known, conflicts)

    def _has_decided(self, connection: sqlite3.Connection, item: str, reviewer: str) -> bool:
        """Tell whether a person decided an item while it was open, so that another answer replaces that."""
        position, state, *_ = self._queued(connection, item)
        earlier = self._decisions(connection, position)
        return any(one.reviewer == reviewer for one in earlier) and (
            state != "decided" or {one.reviewer for one in earlier} == {reviewer}
        )

    def _decide(
        self, connection: sqlite3.Connection, item: str, given: Answered, leave: _Leave
    ) -> tuple[Decision, bool]:
        """Write a decision within a transaction; returns it, and whether it is new."""
        row = connection.execute("SELECT id, record, checksum FROM items WHERE id = ?", (item,)).fetchone()
        if row is None:
            raise _no_item(item)
        found = self._decoded(row)
        reviewer, answer = given.reviewer, given.answer
        if answer is not None:
            answer = parse_answer(found.task, answer, found.text)
        position, state, wanted, holder = self._queued(connection, item)
        earlier = self._decisions(connection, position)
        own = [decision for decision in earlier if decision.reviewer == reviewer]
        if own and own[-1].answer == answer and (not leave.correct or resolve(earlier) in (None, own[-1])):
            return own[-1], False
        if holder not in (None, reviewer):
            raise ConflictError(f"{holder} holds this item", where=item, fix="Ask for the next one.")
        if not leave.correct and (own or state == "decided"):
            people = listing(list(dict.fromkeys(one.reviewer for one in own or earlier)))
            raise ConflictError(
                f"{people} decided this item already",
                where=item,
                fix="Say that this is a correction (--correct), or ask for the next one.",
            )
        if answer is not None:
            labels = list(answer_kind(found.task).labels(answer))
            if not leave.new_label:
                _check_labels(_labels(connection, found.task), labels, closed=bool(found.scores))
            _add_labels(connection, found.task, labels)
        made = (reviewer, answer, self._clock(), state != "open", given.note)
        decision = msgspec.structs.replace(_append(connection, position, made), item=item)
        after = [*earlier, decision]
        reached = len({one.reviewer for one in after}) >= wanted
        connection.execute(
            "UPDATE queue SET state = ?, owner = NULL, expires = NULL WHERE position = ?",
            ("open" if not reached else "decided" if resolve(after) else "disputed", position),
        )
        return decision, True

    def decisions(self, item: str | None = None) -> list[Decision]:
        """Return all decisions, or those of an item, in the order in which they were made.

        Raises:
            DamagedError: One of them is not what was written, or is missing.
            OptionError: There is no such item.
        """
        with self._database.reading() as connection:
            position = None if item is None else self._queued(connection, item)[0]
            return self._decisions(connection, position)

    def decided(self) -> Iterator[tuple[Item, Decision]]:
        """Yield the decided items with the decision that stands, in the order of their import."""
        of_items: dict[str, list[Decision]] = {}
        for decision in self.decisions():
            of_items.setdefault(decision.item, []).append(decision)
        for item in self.items(("decided",)):
            if standing := resolve(of_items.get(item.id, [])):
                yield item, standing

    def stats(self) -> Stats:
        """Return how far the work is, who did it, and how far people agree with each other and the model."""
        now = self._clock()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT CASE WHEN state = 'open' AND owner IS NOT NULL AND expires > ? "
                "THEN 'held' ELSE state END AS found, count(*) FROM queue GROUP BY found",
                (now,),
            ).fetchall()
            decided = connection.execute(
                "SELECT id, record, checksum FROM items "
                "WHERE EXISTS (SELECT 1 FROM decisions WHERE decisions.position = items.position)"
            ).fetchall()
            decisions = self._decisions(connection, None)
            labels = {task: _labels(connection, task) for task in KINDS}
        counts = dict.fromkeys(STATES, 0) | dict(rows)
        return make_stats(Tally(counts, list(map(self._decoded, decided)), decisions, labels))

    # What lies in the file.

    def _decoded(self, row: Sequence[Any]) -> Item:
        name, record, checksum = row
        try:
            if checksum != _checksum(str(name).encode() + record):
                raise ValueError("an item has other content than was written")
            return msgspec.json.decode(record, type=Item)
        except (ValueError, TypeError) as error:
            raise damaged(self.path, str(error)) from error

    def _queued(self, connection: sqlite3.Connection, item: str) -> tuple[int, str, int, str | None]:
        """Return an item's position, its state, how many are to decide it, and who holds it now."""
        row = connection.execute(
            "SELECT position, state, reviewers, CASE WHEN expires > ? THEN owner END "
            "FROM queue JOIN items USING (position) WHERE id = ?",
            (self._clock(), item),
        ).fetchone()
        if row is None:
            raise _no_item(item)
        return row

    def _decisions(self, connection: sqlite3.Connection, position: int | None) -> list[Decision]:
        rows = connection.execute(
            "SELECT d.number, items.id, d.reviewer, d.answer, d.time, d.settles, d.note, d.chain, "
            "d.position, before.chain FROM decisions AS d JOIN items USING (position) "
            "LEFT JOIN decisions AS before ON before.number = d.number - 1 "
            "WHERE :position IS NULL OR d.position = :position ORDER BY d.number",
            {"position": position},
        )
        found = []
        for number, item, reviewer, answer, made, settles, note, chain, place, before in rows:
            fields = (place, reviewer, answer, made, settles, note)
            if chain != _chained(before, fields) or (before is None) != (number == 1):
                raise damaged(self.path, f"decision {number} is not what was written")
            value = msgspec.json.decode(answer)
            found.append(Decision(number, item, reviewer, value, made, bool(settles), note))
        return found


def _append(
    connection: sqlite3.Connection, position: int, made: tuple[str, Any, float, bool, str]
) -> Decision:
    """Write a decision behind all others; each is chained to the one before, so that none can go unseen."""
    reviewer, answer, moment, settles, note = made
    last = connection.execute("SELECT number, chain FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
    number, before = last or (0, None)
    fields = (position, reviewer, msgspec.json.encode(answer), moment, int(settles), note)
    connection.execute(
        "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (number + 1, *fields, _chained(before, fields)),
    )
    return Decision(number + 1, "", reviewer, answer, moment, settles, note)


def _chained(before: bytes | None, fields: tuple[Any, ...]) -> bytes:
    return _checksum((before or b"") + repr(fields).encode("utf-8", "surrogatepass"))


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _encoded(item: Item) -> bytes:
    return msgspec.json.encode(item)


def _checked(item: Item) -> Item:
    """Return an item whose answers are in the form in which they are kept."""
    where = f"row {item.row}" if item.row else "item"
    if not item.text.strip():
        raise DataError("an item without a text cannot be decided", where=where, fix="Leave it out.")
    try:
        item.text.encode()
    except UnicodeEncodeError as error:
        raise DataError("the text holds half a character", where=where, fix="Read it as UTF-8.") from error
    if item.reviewers < 1:
        raise OptionError(
            f"{item.reviewers} people cannot decide", where="--reviewers", fix="Give 1 or more."
        )
    answer_kind(item.task)
    answers = {
        name: parse_answer(item.task, value, item.text, where=where)
        for name in ("prediction", "given")
        if (value := getattr(item, name)) is not None
    }
    return msgspec.structs.replace(item, **answers)


def _labels_of(item: Item) -> Iterator[str]:
    yield from item.scores
    for answer in (item.prediction, item.given):
        if answer is not None:
            yield from answer_kind(item.task).labels(answer)


def _labels(connection: sqlite3.Connection, task: str) -> list[str]:
    found = connection.execute("SELECT label FROM labels WHERE task = ? ORDER BY label", (task,))
    return [label for (label,) in found]


def _add_labels(connection: sqlite3.Connection, task: str, labels: Iterable[str]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO labels VALUES (?, ?)", [(task, label) for label in dict.fromkeys(labels)]
    )


def _check_labels(known: Sequence[str], labels: Iterable[str], *, closed: bool) -> None:
    """Refuse a label that nobody has met, if a model gave all there are, or it looks like one of them."""
    for label in labels:
        if label not in known and (closed or nearest(label, known)):
            error = unknown("label", label, known, where="answer")
            fix = f"{error.fix} If it is a new one, say so (--new-label)."
            raise OptionError(error.what, where=error.where, fix=fix)


def _name(given: str) -> str:
    name = given.strip()
    if not name or len(name) > LONGEST_NAME:
        raise OptionError(
            "a person needs a name" if not name else "this name is too long",
            where="reviewer",
            fix=f"Give one of 1 to {LONGEST_NAME} characters.",
        )
    return name


def _no_item(item: str) -> OptionError:
    return OptionError(
        f"there is no item {item[:64]!r} in this store", fix="Take the id as textgraft review next gives it."
    )
