"""The simulation of the decisions in Python: ``make simulate`` runs it with more seeds, after that of the core."""

import os
import time

import pytest

from kernelws.session.hold import Hold
from tests.unit.simulation import BrokenError, Operation, World, operations
from tests.unit.test_registry import moved_by_hand

LENGTH = 100
"""Operations of a seed."""
SEED, SEEDS = int(os.environ.get("SEED", "0")), int(os.environ.get("SEEDS", "100"))


def failure(operations: list[Operation]) -> str | None:
    """How these operations break a guarantee."""
    with moved_by_hand() as loop:
        world = World(loop)
        try:
            for operation in operations:
                world.step(operation)
        except BrokenError as broken:
            return str(broken)
        finally:
            world.close()
    return None


def shortest(operations: list[Operation]) -> list[Operation]:
    """The operations that are needed to break the same guarantee."""
    letter = (failure(operations) or "")[:2]
    size = len(operations)
    while size:
        at = 0
        while at < len(operations):
            without = operations[:at] + operations[at + size :]
            if (failure(without) or "").startswith(letter):
                operations = without
            else:
                at += size
        size //= 2
    return operations


def test_the_guarantees_hold_whatever_happens(capsys: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    for seed in range(SEED, SEED + SEEDS):
        trace = operations(seed, LENGTH)
        if failure(trace) is not None:
            trace = shortest(trace)
            lines = "\n".join(f"  {name} {number}" for name, number in trace)
            pytest.fail(f"seed {seed}: {failure(trace)}\n{len(trace)} of {LENGTH} operations:\n{lines}", pytrace=False)
    count, seconds = SEEDS * LENGTH, time.monotonic() - begin
    with capsys.disabled():
        if "SEEDS" in os.environ:
            print(f"\n{SEEDS} seeds from {SEED}: {count} operations, {count / seconds:.0f} a second")  # noqa: T201 - asked for


def test_a_seed_always_gives_the_same_operations() -> None:
    assert operations(1, LENGTH) == operations(1, LENGTH) != operations(2, LENGTH)


def test_the_shortest_trace_is_what_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hold that nothing releases, two operations are enough."""
    monkeypatch.setattr(Hold, "end", lambda _: None)
    failing = next(trace for trace in (operations(seed, LENGTH) for seed in range(100)) if failure(trace))
    trace = shortest(failing)
    assert [name for name, _ in trace] in (["disk", "disk"], ["disk", "disk", "disk"])
    assert "M1" in str(failure(trace))
