"""`make bench BENCH_ARGS=--recorded` compares two servers that run: one with the journal of executions, one without."""

import pytest

from kernelws.cli.bench.groups import QUICK
from kernelws.cli.bench.server import Server
from tools.bench import recorded


@pytest.mark.parametrize("protocol", ["v1", "legacy"])
def test_a_pair_has_the_cost_of_a_message_with_the_journal_and_without(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []

    class Recording(Server):
        def __init__(self, name: str, extra: tuple[str, ...] = ()) -> None:
            started.append(extra)
            super().__init__(name, extra)

    monkeypatch.setattr(recorded, "Server", Recording)
    on, off = recorded.compare(protocol, 1, QUICK)
    assert started == [(), (recorded.OFF,)]
    assert 0 < on < 0.1
    assert 0 < off < 0.1
