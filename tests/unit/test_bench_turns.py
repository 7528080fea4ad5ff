"""The comparison of turns with and without a journal sends what it claims to send."""

import pytest

from tools.bench.turns import TURN, Protocol, Turns


@pytest.mark.parametrize("protocol", ["v1", "legacy"])
def test_a_turn_delivers_all_messages_and_only_some_reach_the_journal(protocol: Protocol) -> None:
    with Turns(protocol, messages=2 * TURN) as turns:
        before = turns.journal.memory()
        assert turns.run(False) > 0
        assert turns.journal.memory() == before
        assert turns.run(True) > 0
        assert turns.journal.memory() > before + 100 * TURN
        assert turns.outbox.stats().acknowledged == 2 * TURN
