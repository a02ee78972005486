"""The batcher by itself, with models that are a line of Python."""

import threading
import time
from concurrent.futures import CancelledError, wait
from itertools import count, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textgraft.serving.batcher import Batcher
from textgraft.serving.queueing import PER_BATCH, PER_SEQUENCE, Item, choose_batch
from textgraft.serving.refusals import BusyError, LateError, ModelFailureError, UnavailableError
from textgraft.serving.shapes import rows_of
from textgraft.training.batching import fixed_width

BUDGET, ROWS, WINDOW = 64, 6, 10


class Doubling:
    """Doubles numbers, draws some batches ahead as an engine does, fails on what is poisoned."""

    def __init__(self, key, *, ahead=1, background=False, gate=None):
        self.key = key
        self.background = background
        self.ahead = ahead
        self.gate = gate or threading.Lock()
        self.seen = []

    def run(self, batches):
        held = []
        for batch in batches:
            held.append(batch)
            if len(held) == self.ahead:
                yield self.computed(held.pop(0))
        while held:
            yield self.computed(held.pop(0))

    def computed(self, batch):
        with self.gate:
            self.seen.append(batch)
            if any(poisoned for *_, poisoned in batch):
                raise ValueError("poison")
            assert all(key == self.key for key, *_ in batch)
            return [2 * number for _, number, _, _ in batch]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def batcher(**options):
    return Batcher(
        **{
            "batch_tokens": BUDGET,
            "batch_texts": ROWS,
            "window": WINDOW,
            "max_queued_tokens": 10**9,
            **options,
        }
    )


def submit(queue, lane, lengths, *, poisoned=(), deadline=1e9, first=0):
    payloads = [(lane.key, first + place, tokens, place in poisoned) for place, tokens in enumerate(lengths)]
    return queue.submit(lane, payloads, lengths, deadline)


REQUESTS = st.tuples(
    st.sampled_from(["one", "two", "background"]),
    st.lists(st.integers(1, 80), min_size=1, max_size=8),
    st.sampled_from(["", "", "", "poisoned", "cancelled", "late"]),
)
SCHEDULES = st.lists(st.one_of(REQUESTS, st.just("let go")), min_size=1, max_size=16)


def check_schedule(schedule, ahead):
    clock, gate = Clock(), threading.Lock()
    lanes = {
        name: Doubling(name, ahead=ahead, gate=gate, background=name == "background")
        for name in ("one", "two", "background")
    }
    queue = batcher(clock=clock)
    resolved, tickets, number = [], [], 0
    gate.acquire()
    queue.start()
    for action in schedule:
        if action == "let go":
            gate.release()
            time.sleep(0)
            gate.acquire()
            continue
        name, lengths, fate = action
        poisoned = {len(lengths) // 2} if fate == "poisoned" else ()
        deadline = clock.now + 1 if fate == "late" else 1e9
        try:
            ticket = submit(queue, lanes[name], lengths, poisoned=poisoned, first=number, deadline=deadline)
        except BusyError:
            # What earlier batches took by the clock says that it cannot be done in time.
            assert fate == "late"
            continue
        ticket.future.add_done_callback(resolved.append)
        tickets.append((ticket, [2 * (number + place) for place in range(len(lengths))], fate))
        number += len(lengths)
        if fate == "cancelled":
            ticket.future.cancel()
        if fate == "late":
            clock.now += 2
    gate.release()
    assert queue.drain(20)
    for ticket, expected, fate in tickets:
        assert ticket.future.done()
        if ticket.future.cancelled():
            assert fate == "cancelled"
        elif error := ticket.future.exception():
            assert isinstance(error, {"poisoned": ModelFailureError, "late": LateError}[fate])
        else:
            assert fate != "poisoned"
            assert ticket.future.result() == expected
    assert sorted(map(id, resolved)) == sorted(id(ticket.future) for ticket, *_ in tickets)
    assert queue.queued_tokens == 0
    for lane in lanes.values():
        for batch in lane.seen:
            longest = max(tokens for *_, tokens, _ in batch)
            assert len(batch) <= ROWS
            assert len(batch) == 1 or len(batch) * longest <= BUDGET


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEDULES, st.integers(1, 3))
def test_every_request_resolves_once_with_its_own_result(schedule, ahead):
    check_schedule(schedule, ahead)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEDULES, st.integers(1, 3))
def test_two_thousand_schedules(schedule, ahead):
    check_schedule(schedule, ahead)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=40), st.integers(1, 200), st.integers(1, 40))
def test_a_batch_holds_the_oldest_and_keeps_its_budget(lengths, budget, rows):
    window = [Item(None, place, None, tokens, place) for place, tokens in enumerate(lengths)]
    batch = choose_batch(window, budget, rows)
    assert window[0] in batch
    assert len({item.place for item in batch}) == len(batch) <= rows
    longest = max(item.tokens for item in batch)
    assert len(batch) == 1 or rows_of(len(batch)) * fixed_width(longest) <= budget
    between = [item for item in window if min(i.tokens for i in batch) < item.tokens < longest]
    assert all(item in batch for item in between), "a batch is of neighbours by length"


def cost(lengths):
    """What a batch of these lengths, the longest last, costs."""
    rows = rows_of(len(lengths))
    return PER_BATCH + rows * (fixed_width(lengths[-1]) + PER_SEQUENCE)


@given(st.lists(st.integers(1, 80), min_size=1, max_size=8), st.integers(0, 7))
def test_a_batch_is_one_of_the_cheapest_way_to_compute_all(lengths, oldest):
    oldest = min(oldest, len(lengths) - 1)
    window = [Item(None, 0, None, length) for length in (lengths[oldest], *lengths)]
    del window[oldest + 1]
    found = [item.tokens for item in choose_batch(window, 200, 6)]
    ordered = sorted(lengths)
    best = {}
    for cuts in product([False, True], repeat=len(ordered) - 1):
        batches = [[ordered[0]]]
        for is_cut, length in zip(cuts, ordered[1:], strict=True):
            batches = [*batches, [length]] if is_cut else [*batches[:-1], [*batches[-1], length]]
        if all(len(b) == 1 or (len(b) <= 6 and rows_of(len(b)) * fixed_width(b[-1]) <= 200) for b in batches):
            best.setdefault(sum(map(cost, batches)), []).append(batches)
    assert any(found in batches for batches in best[min(best)])


def test_like_lengths_share_a_batch():
    lengths = [10, 60, 11, 62, 9, 61, 12, 10, 11, 12, 9]
    window = [Item(None, n, None, tokens, n) for n, tokens in enumerate(lengths)]
    assert sorted(item.tokens for item in choose_batch(window, 96, 8)) == [9, 9, 10, 10, 11, 11, 12, 12]


def test_what_would_be_mostly_padding_waits_for_its_like():
    window = [Item(None, n, None, tokens, n) for n, tokens in enumerate([100, 5, 6, 98, 50])]
    assert sorted(item.tokens for item in choose_batch(window, 768, 8)) == [98, 100]


def test_the_oldest_never_starves():
    """However many short texts arrive, a long one is computed when it is the oldest."""
    lane = Doubling("one")
    queue = batcher()
    lane.gate.acquire()
    queue.start()
    submit(queue, lane, [1])
    long = submit(queue, lane, [60])
    for _ in range(200):
        submit(queue, lane, [2])
    lane.gate.release()
    assert long.future.result(10)
    place = next(
        place for place, batch in enumerate(lane.seen) if any(tokens == 60 for *_, tokens, _ in batch)
    )
    assert place <= 3
    queue.drain(10)


def test_a_lone_request_waits_for_nobody():
    queue = batcher()
    queue.start()
    lane = Doubling("one")
    begun = time.monotonic()
    assert submit(queue, lane, [5]).future.result(10) == [0]
    assert time.monotonic() - begun < 5
    assert [len(batch) for batch in lane.seen] == [1]
    queue.drain(10)


def test_one_poisoned_text_fails_alone():
    lane = Doubling("one")
    queue = batcher()
    good = [submit(queue, lane, [7], first=number) for number in range(5)]
    bad = submit(queue, lane, [7], poisoned={0})
    queue.start()
    assert [ticket.future.result(10) for ticket in good] == [[0], [2], [4], [6], [8]]
    with pytest.raises(ModelFailureError, match="ValueError"):
        bad.future.result(10)
    assert queue.alive
    queue.drain(10)


def test_what_is_cancelled_leaves_the_queue():
    queue = batcher()
    lane = Doubling("one")
    ticket, other = submit(queue, lane, [30, 30]), submit(queue, lane, [5])
    assert queue.queued_tokens == 65
    assert ticket.future.cancel()
    assert queue.queued_tokens == 5
    queue.start()
    assert other.future.result(10)
    with pytest.raises(CancelledError):
        ticket.future.result(10)
    assert sum(map(len, lane.seen)) == 1
    queue.drain(10)


def test_a_request_whose_deadline_passed_is_not_computed():
    clock = Clock()
    queue = batcher(clock=clock)
    lane = Doubling("one")
    late, good = submit(queue, lane, [5], deadline=1.0), submit(queue, lane, [6], deadline=9.0)
    clock.now = 2.0
    queue.start()
    assert good.future.result(10)
    with pytest.raises(LateError):
        late.future.result(10)
    assert sum(map(len, lane.seen)) == 1
    queue.drain(10)


class Deadly(Doubling):
    def computed(self, batch):
        with self.gate:
            raise SystemExit


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_model_thread_dies_everybody_is_told_at_once():
    queue = batcher()
    deadly = Deadly("one")
    tickets = [submit(queue, deadly, [5]), *(submit(queue, Doubling("two"), [60]) for _ in range(50))]
    queue.start()
    done, left = wait([ticket.future for ticket in tickets], timeout=10)
    assert not left
    assert all(isinstance(future.exception(), UnavailableError) for future in done)
    assert not queue.alive
    with pytest.raises(UnavailableError):
        submit(queue, deadly, [5])


def test_a_full_queue_takes_nothing_more_and_says_when_to_ask_again():
    queue = batcher(max_queued_tokens=100)
    lane = Doubling("one")
    submit(queue, lane, [150])  # nothing waits: any number is taken
    with pytest.raises(BusyError) as refused:
        submit(queue, lane, [1])
    assert refused.value.retry_after >= 1
    assert queue.queued_tokens == 150
    submit(queue, Doubling("b", background=True), [1])


def test_a_stopping_batcher_answers_what_it_took():
    queue = batcher()
    lane = Doubling("one")
    tickets = [submit(queue, lane, [60]) for _ in range(20)]
    queue.start()
    queue.close()
    with pytest.raises(UnavailableError):
        submit(queue, lane, [1])
    assert queue.drain(10)
    assert all(ticket.future.done() and not ticket.future.exception() for ticket in tickets)


def test_what_cannot_be_answered_in_time_fails_at_the_end():
    lane = Doubling("one")
    queue = batcher()
    lane.gate.acquire()
    queue.start()
    tickets = [submit(queue, lane, [60]) for _ in range(3)]
    assert not queue.drain(0.05)
    assert all(isinstance(ticket.future.exception(5), UnavailableError) for ticket in tickets)
    lane.gate.release()


def test_chores_are_done_while_nothing_waits():
    lane, queue, done, let_go = Doubling("one"), batcher(), [], threading.Semaphore(0)

    def chore():
        for step in count():
            let_go.acquire()
            done.append(step)
            yield

    def broken():
        yield 1 / 0

    queue.when_idle(broken())
    queue.when_idle(chore())
    ticket = submit(queue, lane, [60])
    queue.start()
    assert wait([ticket.future], 5).done, "before any chore"
    assert not done
    ticket = submit(queue, lane, [60])
    let_go.release()
    assert wait([ticket.future], 5).done, "after the step that was under way"
    assert done == [0]
    queue.close()
    let_go.release()
    assert queue.drain(5), "whatever is left of a chore"
    assert done == [0, 1]


def test_the_background_waits_until_nothing_else_does():
    gate = threading.Lock()
    lane, background = Doubling("one", gate=gate), Doubling("b", gate=gate, background=True)
    order = []
    queue = batcher()
    submit(queue, background, [60]).future.add_done_callback(lambda _: order.append("background"))
    for _ in range(5):
        submit(queue, lane, [60]).future.add_done_callback(lambda _: order.append("lane"))
    queue.start()
    queue.drain(10)
    assert order == ["lane"] * 5 + ["background"]
