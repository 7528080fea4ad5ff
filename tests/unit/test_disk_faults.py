"""Disks that fail, return wrong data or never answer, and outboxes that fail on the way: each loss is reported, nothing hangs.

test_memory_bounds.py tests the limits for memory and disk. The faults are raised where the operating system would raise them.
"""

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kernelws.errors import OutboxFailed
from kernelws.session import spool
from tests.support.overflow import MIB, SIZE, Session, with_room
from tests.support.wait import eventually


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_room(tmp_path, monkeypatch)


@pytest.mark.parametrize("works", [0, 1, 5])
async def test_a_disk_that_fails_in_the_middle_loses_nothing(
    disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, works: int
) -> None:
    """Messages written before the failure are read back, the others stay in memory. No write follows, and one line is logged."""
    pwritev, calls = os.pwritev, []

    def fail(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) > works:
            raise OSError(5, "Input/output error")
        return pwritev(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "pwritev", fail)
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("execute_result", 300)
    await eventually(lambda: len(calls) == works + 1 and session.spill._writing is None, "the failure")
    assert caplog.text.count("overflow to disk failed") == 1
    assert (session.spill.disk_bytes > 0) == (works > 0)
    assert await session.come_back() == (list(range(300)), 0)
    assert len(calls) == works + 1
    session.spill.close()


async def failing(session: Session, work: str) -> list[OutboxFailed]:
    """Makes this method of the outbox fail; returns the list of failures that the spill reports."""

    def fails(*_: object) -> None:
        raise OutboxFailed("work on its outbox panicked")

    session.spill._outbox = cast("Any", SimpleNamespace(**{work: fails, "memory": session.outbox.memory}))
    return session.failures


async def test_an_outbox_that_fails_on_its_way_to_the_disk_is_told(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 100 * MIB)
    session.append("error", 100)
    told = await failing(session, "on_its_way")
    await eventually(lambda: len(told) == 1, "the failure")
    session.spill.close()


async def test_an_outbox_that_fails_on_its_way_back_is_told(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 100 * MIB)
    session.append("error", 200)
    await session.settled()
    session.outbox.attach("v1")
    while not isinstance(taken := session.outbox.take_messages(0.0, MIB), int):
        session.outbox.acknowledge_all()
    told = await failing(session, "restore")
    session.spill.fetch(taken)
    await eventually(lambda: len(told) == 1, "the failure")
    session.spill.close()


@pytest.mark.parametrize("error", [MemoryError(), AttributeError("module 'os' has no attribute 'pwritev'"), OSError("gone")])
async def test_whatever_the_worker_raises_is_a_disk_that_failed(
    disk: Path, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the kernel's feed, which is held for the disk, would stay held for all clients."""

    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(os, "pwritev", fail)
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("execute_result", 300)
    await eventually(lambda: session.spill._writing is None, "the failure")
    assert not session.spill.behind
    assert caplog.text.count("overflow to disk failed") == 1
    assert await session.come_back() == (list(range(300)), 0)
    session.spill.close()


async def test_a_disk_that_cannot_be_read_whatever_it_raises_is_told(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("execute_result", 300)
    await session.settled()

    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(spool.Spool, "_read", fail)
    arrived, missing = await session.come_back()
    assert missing > 0
    assert len(arrived) + missing == 300
    session.spill.close()


async def test_a_disk_that_does_not_answer_counts_as_full_beyond_the_limit_of_the_server(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the server's limit nothing is left out, although the session is over its own limit."""
    hangs = threading.Event()
    monkeypatch.setattr(spool.Spool, "_write_one", lambda *_: hangs.wait())
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("stream", 100)
    assert session.spill._writing is not None
    session.upkeep = 8 * MIB
    bound = session.server_memory() + 16 * MIB
    while session.server_memory() + 100 * SIZE < bound:
        session.append("stream", 100)
        assert session.spill.enforce_limit(bound)
    assert not session.left_out()
    session.append("stream", 300)
    assert session.spill.enforce_limit(bound)
    assert session.left_out()
    assert session.server_memory() <= bound
    hangs.set()
    await session.settled()
    session.spill.close()
