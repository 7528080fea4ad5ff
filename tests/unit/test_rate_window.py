"""The rate window where upstream is no oracle, and its transitions one by one.

tests/parity/test_rate.py compares its counts with upstream's.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelws import _core

NO_LIMIT = (0.0, 0.0, 3.0)


def stream(
    window: _core.RateWindow, now: float, size: int = 100, limits: tuple[float, float, float] = (2, 0, 1)
) -> tuple[bool, list[str]]:
    forward, events = window.check(now, "stream", False, size, *limits)
    return forward, list(events)


def test_over_the_limit_once_told_then_silent_until_well_below() -> None:
    """Hysteresis: 10 a second; more are refused until fewer than 8 were let through in the window."""
    window, limits = _core.RateWindow(), (10.0, 0.0, 1.0)
    told = [stream(window, 0.1 * at, limits=limits) for at in range(1, 11)]
    assert told == [(True, [])] * 10
    assert stream(window, 1.01, limits=limits) == (False, ["msg_rate_exceeded"])
    assert stream(window, 1.02, limits=limits) == (False, [])
    assert stream(window, 1.25, limits=limits) == (False, []), "8 left and this one: above 0.8"
    assert stream(window, 1.45, limits=limits) == (True, ["resumed"]), "6 left and this one"


def test_bytes_are_those_of_streams_only() -> None:
    window, limits = _core.RateWindow(), (0.0, 100.0, 1.0)
    assert window.check(0, "display_data", False, 10_000, *limits) == (True, [])
    assert window.check(0, "stream", False, 100, *limits) == (True, [])
    assert window.check(0, "stream", False, 1, *limits) == (False, ["data_rate_exceeded"])


def test_both_limits_are_told_and_resuming_waits_for_both() -> None:
    window, limits = _core.RateWindow(), (2.0, 100.0, 1.0)
    for now in (0.0, 0.1):
        assert stream(window, now, 50, limits) == (True, [])
    assert stream(window, 0.2, 50, limits) == (False, ["msg_rate_exceeded", "data_rate_exceeded"])
    assert stream(window, 1.05, 90, limits) == (False, []), "messages are below, bytes are not, and nobody is told"
    assert stream(window, 2.5, 1, limits) == (True, ["resumed"])


@pytest.mark.parametrize("exempt", ["status", "comm_open", "execute_input"])
def test_exempt_messages_pass_and_do_not_count(exempt: str) -> None:
    window = _core.RateWindow()
    for _ in range(100):
        assert window.check(0, exempt, False, 1000, 2, 10, 1) == (True, [])
    assert stream(window, 0) == (True, [])
    assert [stream(window, 0)[0] for _ in range(3)] == [True, False, False]
    assert window.check(0, exempt, False, 1000, 2, 10, 1) == (True, []), "also while others are refused"


def test_idle_forgets_everything() -> None:
    window = _core.RateWindow()
    assert [stream(window, 0)[0] for _ in range(4)] == [True, True, False, False]
    assert window.check(0, "status", False, 0, 2, 0, 1) == (True, [])
    assert stream(window, 0) == (False, []), "busy forgets nothing"
    assert window.check(0, "status", True, 0, 2, 0, 1) == (True, [])
    assert [stream(window, 0)[0] for _ in range(3)] == [True, True, False]


def test_only_a_status_can_be_idle() -> None:
    window = _core.RateWindow()
    assert [stream(window, 0)[0] for _ in range(3)] == [True, True, False]
    window.check(0, "display_data", True, 0, 2, 0, 1)
    assert not stream(window, 0)[0]


@pytest.mark.parametrize("length", [0.0, -1.0, math.nan])
def test_a_window_that_is_no_time_limits_nothing(length: float) -> None:
    """Upstream divides by the window, and fails if it is 0."""
    window = _core.RateWindow()
    assert all(stream(window, 0, limits=(1, 1, length)) == (True, []) for _ in range(10))


NUMBERS = st.floats() | st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e308, 5e-324])


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 2**64 - 1), NUMBERS, NUMBERS, NUMBERS), max_size=20))
def test_no_number_breaks_it(calls: list[tuple[float, int, float, float, float]]) -> None:
    """Clocks that jump, limits and windows that are no numbers, sizes that overflow."""
    window = _core.RateWindow()
    for now, size, messages, data, length in calls:
        forward, events = window.check(now, "stream", False, size, messages, data, length)
        assert isinstance(forward, bool)
        assert set(events) <= {"msg_rate_exceeded", "data_rate_exceeded", "resumed"}


def test_a_clock_that_runs_backwards_only_delays() -> None:
    window = _core.RateWindow()
    assert stream(window, 100.0) == (True, [])
    assert stream(window, 50.0) == (True, [])
    assert stream(window, 50.0) == (False, ["msg_rate_exceeded"])
    assert stream(window, 102.0) == (True, ["resumed"])


def test_an_empty_batch_has_no_runs() -> None:
    batch = _core.Receiver(b"", "hmac-sha256").split("iopub", [])
    assert _core.RateWindow().admit(batch, 0, *NO_LIMIT) == []
