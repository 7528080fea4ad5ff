"""How many messages and bytes a reader takes from its socket in a turn: lists of turns, compared with a model."""

import pytest
from hypothesis import strategies as st

from kernelws.sockets.reader import AIM, BUSY_TURNS, MAX_MESSAGES, MIN_MESSAGES, REST, TURN, TURN_CAP, Budget
from tests.parity.registry import fuzzed

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
        assert max(MIN_MESSAGES, messages // 2) <= budget.messages <= min(MAX_MESSAGES, messages * 2)
        if took > turn:
            assert budget.messages == max(MIN_MESSAGES, messages // 2)
        elif not exhausted:
            assert budget.messages == messages or took > 0.99 * turn
        elif took < 0.99 * AIM * turn:
            assert budget.messages >= messages
        elif took > 1.01 * AIM * turn:
            assert budget.messages <= messages
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


def test_turns_of_a_flood_have_the_same_size_also_after_one_was_slow() -> None:
    """A message costs 4 us and a turn 80 us besides, so 105 messages take half of its time. A slow turn costs the next one."""
    budget = Budget(lag_limit=1.0)
    sizes = []
    for at in range(40):
        took = 5 * TURN if at == 20 else 80e-6 + 4e-6 * budget.messages
        budget.settle(0, took, exhausted=True)
        sizes.append(budget.messages)
    assert all(size == pytest.approx(105, rel=0.05) for size in (*sizes[5:20], *sizes[25:]))
    assert sizes[20] == sizes[19] // 2


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
