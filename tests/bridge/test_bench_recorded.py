"""`make bench BENCH_ARGS=--recorded` compares servers with the journal of executions and without it."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws.cli.bench.groups import QUICK
from kernelws.cli.bench.server import Server
from kernelws.kernel.kernel import ATTRIBUTE
from kernelws.record.counters import TOTALS
from tools.bench import alternating, lonely, recorded
from tools.bench.plan import BenchServer


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


def test_a_server_that_alternates_tells_both_costs_of_its_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "STEPPED", 1)
    on, off = recorded.alternate("v1", 1, replace(QUICK, most=60_000))
    assert 0 < on < 0.1
    assert 0 < off < 0.1


@pytest.mark.parametrize("on_first", [True, False])
def test_a_pair_at_a_low_rate_has_the_costs_of_both_servers_whichever_is_asked_first(
    on_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[Server, str] = {}
    costs: dict[str, float] = {}

    class Named(BenchServer):
        def __init__(self, name: str, extra: tuple[str, ...] = ()) -> None:
            super().__init__(name, extra)
            names[self] = {(): "on", (recorded.OFF,): "off"}[extra]

    def publish(servers: Sequence[Server], *args: Any) -> list[tuple[float, float]]:
        found = lonely.publish(servers, *args)
        costs.update({names[server]: message for server, (message, _) in zip(servers, found, strict=True)})
        return found

    monkeypatch.setattr(recorded, "BenchServer", Named)
    monkeypatch.setattr(recorded, "lonely", SimpleNamespace(publish=publish))
    on, off = recorded.compare_lonely(2, 10, QUICK, on_first=on_first)
    assert list(costs) == (["on", "off"] if on_first else ["off", "on"])
    assert (on, off) == (costs["on"], costs["off"])
    assert 0 < on < 0.5
    assert 0 < off < 0.5


class Manager:
    def __init__(self, **kernels: Any) -> None:
        self._managers = {name: SimpleNamespace(**{ATTRIBUTE: kernel}) for name, kernel in kernels.items()}

    def list_kernel_ids(self) -> list[str]:
        return list(self._managers)

    def get_kernel(self, kernel_id: str) -> Any:
        return self._managers[kernel_id]


def test_a_kernel_has_its_journal_outside_of_floods_and_in_every_second_step() -> None:
    kernel, without = SimpleNamespace(journal="journal"), SimpleNamespace(journal=None)
    alternation = alternating.Alternation(Manager(a=kernel, b=without))
    found = []
    for messages in (0, 299, 300, 400, 500, 600, 0, 0):
        TOTALS.received("iopub", messages, messages)
        found.append((alternation.step(), kernel.journal))
    flood = [(0.01, None), (0.01, "journal")]
    assert found == [*[(0.1, "journal")] * 2, *flood, *flood, *[(0.1, "journal")] * 2]
    assert [messages for _, messages in alternation.costs] == [400 + 600, 500]
    assert without.journal is None
