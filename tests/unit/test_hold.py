"""How long a session may stop its kernel's feed: the rule as a table, and its timer, with a clock that the test moves."""

from collections.abc import Iterator

import pytest

from kernelws.session.hold import HOLD_SECONDS, Hold, is_over
from tests.unit.test_registry import Loop, moved_by_hand


@pytest.mark.parametrize(
    ("held_for", "others_read", "over"),
    [
        (0.0, True, False),
        (HOLD_SECONDS / 2, True, False),
        (HOLD_SECONDS, True, True),
        (HOLD_SECONDS, False, False),
        (1e9, False, False),
        (1e9, True, True),
    ],
)
def test_only_a_client_that_reads_ends_a_hold_and_only_after_a_moment(held_for: float, others_read: bool, over: bool) -> None:
    assert is_over(held_for, others_read) is over


@pytest.fixture
def loop() -> Iterator[Loop]:
    with moved_by_hand() as loop:
        yield loop


def test_a_hold_lasts_while_nobody_else_reads_and_not_longer(loop: Loop) -> None:
    held, reading = list[bool](), list[bool]()
    hold = Hold(held.append, lambda: bool(reading))
    hold.begin()
    hold.begin()
    for tenth in range(1, 50):
        loop.move_to(tenth / 10)
    assert held == [True]
    reading.append(True)
    loop.move_to(5.0)
    assert held == [True, False]
    hold.begin()
    assert held == [True, False], "not again while the disk is still behind"
    hold.end()
    hold.begin()
    hold.end()
    assert held == [True, False, True, False]
    assert loop.timers == []
