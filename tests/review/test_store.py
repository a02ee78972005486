"""The review store: who holds what, decisions for good, and files that are none of ours."""

from __future__ import annotations

import shutil
import sqlite3
import threading

import pytest

from tests.review.made import Clock, items
from textgraft.errors import ConflictError, DamagedError, DataError, ModelError, OptionError
from textgraft.review.items import Added, Decision, Item, resolve
from textgraft.review.store import ReviewStore


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    with ReviewStore(tmp_path / "store.review", clock=clock) as made:
        yield made


def _held(store, owner, count=1, **how):
    return [lease.item.row for lease in store.lease(owner, count, **how)]


def test_the_same_rows_again_are_no_new_items(store):
    assert store.add(items(3)) == Added(3, 0)
    again = store.add([*items(3, prediction="no", model="another"), *items(4)])
    assert (again.new, again.known) == (1, 6)
    assert [item.prediction for item in store.items()] == ["yes"] * 4, "what is known stays as it was"


def test_what_the_model_is_least_sure_of_comes_first_and_priorities_before(store):
    store.add(
        [*reversed(items(3)), Item(task="classification", columns={"text": "soon"}, row="x", priority=2)]
    )
    assert _held(store, "ann", 9) == ["x", "0", "1", "2"]


def test_nobody_gets_what_another_holds_until_the_time_is_up(store, clock):
    store.add(items(3))
    assert _held(store, "ann", seconds=60) == ["0"]
    assert _held(store, "bob", 2, seconds=60) == ["1", "2"]
    assert _held(store, "cleo") == []
    assert _held(store, "ann", seconds=60) == ["0"], "what is held already comes first"
    clock.now += 61
    assert _held(store, "cleo", 9) == ["0", "1", "2"]
    with pytest.raises(ConflictError, match="cleo"):
        store.decide(items(1)[0].id, "ann", "yes")


def test_threads_never_hold_the_same_item(store):
    store.add(items(60))
    taken: list[str] = []

    def take(owner):
        for _ in range(10):
            (lease,) = store.lease(owner)
            taken.append(lease.item.row)
            store.decide(lease.item.id, owner, "yes")

    threads = [threading.Thread(target=take, args=(f"reviewer {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken, key=int) == [str(number) for number in range(60)]


def test_a_lease_is_renewed_released_and_passed_on(store, clock):
    store.add(items(2))
    (lease,) = store.lease("ann", seconds=60)
    clock.now += 50
    assert store.renew(lease.item.id, "ann", seconds=60).expires == clock.now + 60
    clock.now += 50
    assert _held(store, "bob") == ["1"]
    store.release(lease.item.id, "bob")  # not his to give back
    assert _held(store, "bob", 2) == ["1"]
    store.release(lease.item.id, "ann", passed=True)
    assert _held(store, "ann") == []
    assert _held(store, "bob", 2) == ["1", "0"]
    with pytest.raises(ConflictError):
        store.renew(lease.item.id, "ann")


def test_a_decision_is_made_once_and_corrected_by_a_new_one(store, clock):
    store.add(items(1))
    name = items(1)[0].id
    first = store.decide(name, "ann", "yes", note="clear")
    clock.now += 5
    assert store.decide(name, "ann", "yes") == first, "the same call again is the same decision"
    for reviewer in ("ann", "bob"):
        with pytest.raises(ConflictError, match="ann decided"):
            store.decide(name, reviewer, "no")
    second = store.decide(name, "bob", "no", correct=True)
    assert [first, second] == store.decisions() == store.decisions(name)
    assert [(item.row, decision.answer) for item, decision in store.decided()] == [("0", "no")]
    assert (second.settles, first.settles) == (True, False)


def test_an_item_without_a_right_answer_is_decided_too(store):
    store.add(items(1))
    store.decide(items(1)[0].id, "ann", None)
    assert (store.stats().items["decided"], store.stats().unusable) == (1, 1)


def test_labels_nobody_has_met_are_refused_unless_said_to_be_new(store):
    store.add(items(2))
    first, second = (item.id for item in items(2))
    with pytest.raises(OptionError, match="Did you mean 'yes'"):
        store.decide(first, "ann", "yess")
    store.decide(first, "ann", "maybe", new_label=True)
    store.decide(second, "ann", "maybe")
    assert store.labels("classification") == ["maybe", "no", "yes"]


def test_several_people_decide_and_a_further_one_settles(store):
    store.add(items(1, reviewers=2))
    name = items(1)[0].id
    store.decide(name, "ann", "yes")
    assert _held(store, "ann") == [], "nobody decides twice"
    assert _held(store, "bob") == ["0"]
    store.decide(name, "bob", "no")
    assert store.stats().items["disputed"] == 1
    assert _held(store, "cleo") == []
    assert _held(store, "cleo", disputed=True) == ["0"]
    assert store.decide(name, "cleo", "no").settles
    stats = store.stats()
    assert stats.items == {"open": 0, "held": 0, "decided": 1, "disputed": 0}
    assert (stats.agreement.items, stats.model_right, stats.model_judged) == (1, 0, 1)
    assert stats.reviewers == {"ann": 1, "bob": 1, "cleo": 1}


def test_of_several_the_answer_of_most_stands():
    def made(number, reviewer, answer, settles=False):
        return Decision(number, "", reviewer, answer, 0.0, settles)

    votes = [made(1, "a", "x"), made(2, "b", "y"), made(3, "c", "y")]
    assert resolve(votes).answer == "y"
    assert resolve([*votes, made(4, "b", "x")]).answer == "x", "of each person the latest counts"
    assert resolve(votes[:2]) is None
    assert resolve([*votes, made(4, "d", "z", True)]).answer == "z"
    assert resolve([]) is None


def test_spans_are_kept_in_order_and_within_the_text(store):
    item = Item(task="token-classification", columns={"text": "Ann met Bob"})
    store.add([item])
    for bad in ([{"start": 8, "end": 12, "label": "PER"}], "PER", [{"start": 0}]):
        with pytest.raises(DataError):
            store.decide(item.id, "ann", bad)
    made = store.decide(item.id, "ann", [(8, 11, "PER"), {"start": 0, "end": 3, "label": "PER"}])
    assert [span["start"] for span in made.answer] == [0, 8]


def test_what_cannot_be_asked_is_said(store):
    with pytest.raises(DataError, match="without a text"):
        store.add([*items(1), Item(task="classification", columns={"text": " "})])
    assert list(store.items()) == [], "all or none"
    with pytest.raises(OptionError, match="no item"):
        store.decide("0" * 32, "ann", "yes")
    with pytest.raises(OptionError, match="name"):
        store.lease(" ")
    with pytest.raises(OptionError, match="task for review"):
        store.add([Item(task="translation", columns={"text": "x"})])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE decisions SET answer = 'x'", "never change"),
        ("DELETE FROM decisions", "never go"),
        ("UPDATE items SET record = 'x'", "never change"),
        ("DELETE FROM items", "never go"),
    ],
)
def test_not_even_sql_changes_what_was_decided(store, statement, said):
    store.add(items(1))
    store.decide(items(1)[0].id, "ann", "yes")
    with sqlite3.connect(store.path) as connection, pytest.raises(sqlite3.IntegrityError, match=said):
        connection.execute(statement)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE decisions SET answer = '\"no\"' WHERE number = 1",
        "DELETE FROM decisions WHERE number = 1",
        "UPDATE decisions SET reviewer = 'bob' WHERE number = 2",
        "UPDATE items SET record = replace(record, 'text 0', 'text 9')",
    ],
)
def test_what_was_changed_behind_its_back_is_one_clear_error(store, damage):
    store.add(items(2))
    for item in items(2):
        store.decide(item.id, "ann", "yes")
    with sqlite3.connect(store.path) as connection:
        for trigger in ("decisions_stay", "decisions_remain", "items_stay", "items_remain"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(damage)
    with pytest.raises(DamagedError, match="damaged"):
        list(store.decided())


def test_foreign_and_damaged_files_are_one_clear_error(tmp_path, store):
    store.add(items(50))
    store.close()
    with pytest.raises(DataError, match="no such review store"):
        ReviewStore(tmp_path / "none.review", create=False)
    plain = tmp_path / "plain.review"
    plain.write_text("text,label\n" * 100)
    with pytest.raises(DamagedError, match="no review store"):
        ReviewStore(plain)
    assert plain.read_text().startswith("text,label"), "what is not ours is left alone"
    foreign = tmp_path / "foreign.review"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(DataError, match="something else"):
        ReviewStore(foreign)
    later = shutil.copy(store.path, tmp_path / "later.review")
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(ModelError, match="format 9"):
        ReviewStore(later)
    torn = tmp_path / "torn.review"
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    torn.write_bytes(content)
    with pytest.raises(DamagedError, match="damaged"):
        list(ReviewStore(torn).items())
