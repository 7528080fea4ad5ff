"""The small state machines of Python, each as lists of operations against a model: Lifecycle, Budget, FaultLog."""

import logging

import pytest
from hypothesis import strategies as st

from kernelws.record.faults import PERIOD, FaultLog
from kernelws.sockets.reader import BUSY_TURNS, MAX_MESSAGES, MIN_MESSAGES, REST, TURN, TURN_CAP, Budget
from kernelws.states import TRANSITIONS, Event, Machine, State
from tests.parity.registry import fuzzed

# lifecycle


@fuzzed(events=st.lists(st.sampled_from(Event), max_size=8))
def test_a_connection_connects_once_goes_live_once_and_ends_once(events: list[Event]) -> None:
    lifecycle = Machine(TRANSITIONS, State.NEW)
    taken = [event for event in events if lifecycle.on(event)]
    ways = [[], [Event.CONNECT], [Event.CONNECT, Event.READY]]
    assert taken in [*ways, *([*way, Event.END] for way in ways)]
    assert lifecycle.ended == (Event.END in events)


@fuzzed(events=st.lists(st.sampled_from(Event), max_size=8))
def test_nothing_leaves_the_end(events: list[Event]) -> None:
    lifecycle = Machine(TRANSITIONS, State.NEW)
    assert lifecycle.on(Event.END)
    assert not any(lifecycle.on(event) for event in events)
    assert lifecycle.state is State.ENDED


def test_the_table_is_the_picture() -> None:
    ways = {(State.NEW, Event.CONNECT): State.CONNECTING, (State.CONNECTING, Event.READY): State.LIVE}
    ends = {(state, Event.END): State.ENDED for state in State if state is not State.ENDED}
    assert ways | ends == TRANSITIONS


# budget

TURNS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0005, 0.002, 0.004, 0.05, 2.0]), st.booleans(), st.sampled_from([0.0, 0.4, 5.0])),
    max_size=60,
)


@fuzzed(turns=TURNS, lag_limit=st.sampled_from([0.0, 0.5, 1.0]))
def test_the_budget_stays_within_its_bounds_and_grows_only_for_a_source_that_is_behind(
    turns: list[tuple[float, bool, float]], lag_limit: float
) -> None:
    budget, now, behind_since = Budget(lag_limit), 0.0, None
    for took, exhausted, pause in turns:
        messages, turn, lagged = budget.messages, budget.turn, budget.lagged
        started, now = now, now + took
        more_time = budget.settle(started, now, exhausted)
        behind_since = (started if behind_since is None else behind_since) if exhausted else None
        assert MIN_MESSAGES <= budget.messages <= MAX_MESSAGES
        assert budget.messages in (messages, max(MIN_MESSAGES, messages // 2), min(MAX_MESSAGES, messages * 2))
        if took > turn:
            assert budget.messages == max(MIN_MESSAGES, messages // 2)
        assert more_time == (budget.lagged == lagged + 1)
        due = behind_since is not None and now - behind_since > lag_limit and turn < TURN_CAP
        assert more_time == due
        if more_time:
            assert budget.turn == min(TURN_CAP, 2 * turn)
            behind_since = now
        elif not exhausted:
            assert budget.turn == TURN
        else:
            assert budget.turn == turn
        now += pause


def test_a_source_that_stays_behind_gets_the_cap_and_loses_it_when_it_caught_up() -> None:
    budget = Budget(lag_limit=1.0)
    granted = [budget.settle(float(at), at + 0.001, exhausted=True) for at in range(30)]
    assert budget.turn == TURN_CAP
    assert sum(granted) == budget.lagged == 4
    budget.settle(30.0, 30.001, exhausted=False)
    assert (budget.turn, budget.behind_since) == (TURN, None)


def test_short_turns_take_more_messages_and_long_ones_fewer() -> None:
    budget = Budget(lag_limit=1.0)
    for _ in range(20):
        budget.settle(0, TURN / 4, exhausted=True)
    assert budget.messages == MAX_MESSAGES
    budget.settle(0, TURN / 4, exhausted=False)
    assert budget.messages == MAX_MESSAGES
    for _ in range(20):
        budget.settle(0, TURN_CAP * 2, exhausted=False)
    assert budget.messages == MIN_MESSAGES


def test_a_busy_source_of_single_messages_rests_and_others_do_not() -> None:
    budget, now = Budget(lag_limit=1.0), 0.0
    rests = []
    for _ in range(2 * BUSY_TURNS):
        rests.append(budget.rest(now, now + 0.0001, exhausted=False))
        now += 0.0001 + REST
    assert rests == [0.0] * BUSY_TURNS + [REST] * BUSY_TURNS
    assert budget.rest(now, now, exhausted=True) == 0.0, "what is left is taken on the next turn"
    assert budget.rest(now, now, exhausted=False) == REST
    now += 3 * REST
    assert [budget.rest(now, now, exhausted=False) for _ in range(3)] == [0.0] * 3, "it was quiet"
    assert budget.rest(now - 50, now - 50, exhausted=False) == 0.0, "a clock that went back is no busy source"


# complaints


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def lines() -> Lines:
    return Lines()


FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["shell", "iopub"]), st.sampled_from(["duplicate", "unsigned"]), st.sampled_from([0, 1, 9, 10, 60])
    ),
    max_size=40,
)


@fuzzed(faults=FAULTS)
def test_each_fault_is_counted_and_each_kind_logged_once_a_period(faults: list[tuple[str, str, float]]) -> None:
    handler, log = Lines(), logging.Logger("complaints")  # noqa: LOG001 - one that nobody else has a handler on
    log.addHandler(handler)
    now = 0.0
    complaints = FaultLog(log, "kernel k", clock=lambda: now)
    counts: dict[tuple[str, str], int] = {}
    logged: dict[tuple[str, str], tuple[float, int]] = {}
    for channel, kind, after in faults:
        now += after
        handler.lines.clear()
        complaints.add(channel, kind, f"the sentence of {kind}")
        key = (channel, kind)
        counts[key] = counts.get(key, 0) + 1
        at, told = logged.get(key, (-PERIOD, 0))
        if now - at < PERIOD:
            assert handler.lines == []
            continue
        withheld = counts[key] - told - 1
        more = f" (and {withheld} more like it before)" if withheld else ""
        assert handler.lines == [f"kernel k, {channel}: ignored a message: the sentence of {kind}{more}"]
        logged[key] = (now, counts[key])
    assert complaints.counts == counts


def test_the_faults_of_a_batch_are_added_one_by_one(lines: Lines) -> None:
    log = logging.Logger("complaints")  # noqa: LOG001 - one that nobody else has a handler on
    log.addHandler(lines)
    complaints = FaultLog(log, "client of kernel k", clock=lambda: 0.0)
    complaints.add_all("stdin", [("a", "first"), ("b", "second"), ("a", "third")])
    assert complaints.counts == {("stdin", "a"): 2, ("stdin", "b"): 1}
    assert lines.lines == [f"client of kernel k, stdin: ignored a message: {text}" for text in ("first", "second")]
