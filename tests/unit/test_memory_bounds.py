"""What an outbox may take of memory and disk: the bounds of docs/guarantees.md, with real files.

Which messages give way, and that gaps are told to the byte, is test_outbox.py. Must not measure the process: bounds are those of
what is counted.
"""

import asyncio
import logging
import os
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kernelws import _core
from kernelws.errors import OutboxFailed
from kernelws.session import spool
from kernelws.session.spill import Spill
from tests.parity.messages import DELIMITER
from tests.support.wait import eventually
from tests.unit.outbox_model import UNLIMITED

MIB = 1 << 20
SIZE = 50_000
"""Bytes of a message."""


class Session:
    """An outbox and its disk, without a client until ``come_back``."""

    def __init__(self, directory: Path, memory_limit: int, disk_limit: int) -> None:
        self.outbox = _core.Outbox("v1")
        self.outbox.configure(**UNLIMITED | {"high_water": 64 * MIB, "memory_limit": memory_limit})
        self.outbox.detach()
        self.restored = asyncio.Event()
        self.overflow = Spill(self.outbox, self.restored.set, logging.getLogger("overflow"))
        self.overflow.configure(memory_limit, disk_limit, directory)

    def append(self, msg_type: str, count: int) -> bool:
        """Numbered messages, one by one; False once one found no room."""
        fitted = True
        for number in range(count):
            content = f'{{"name":"stdout","text":"<{number}>{"x" * SIZE}"}}'.encode()
            header = f'{{"msg_type":"{msg_type}","msg_id":"{number}","session":"kernel"}}'.encode()
            parts = [header, b'{"msg_id":"cell"}', b"{}", content]
            batch = _core.Receiver(b"", "hmac-sha256").split("iopub", [[DELIMITER, b"", *parts]])
            self.outbox.append(batch, 0, 1, 0.0)
            fitted = self.overflow.enforce_limit() and fitted
        return fitted

    def left_out(self) -> int:
        return sum(messages for messages, _ in self.outbox.stats().left_out.values())

    async def settled(self) -> None:
        """Returns when memory is back under its bound."""
        await eventually(lambda: self.overflow.memory_bytes() <= self.overflow.memory_limit, "memory under its bound")

    async def come_back(self) -> tuple[list[int], int]:
        """The numbers of all messages that a client gets, in order, and how many messages its notices say are missing."""
        numbers: list[int] = []
        missing = 0
        self.outbox.attach("v1")
        while (taken := self.outbox.take_messages(0.0, MIB)) is not None:
            if isinstance(taken, int):
                self.restored.clear()
                self.overflow.fetch(taken)
                await self.restored.wait()
            elif isinstance(taken, _core.Gap):
                missing += taken.messages
                assert self.outbox.fill_gap(taken.id, b"notice")
            else:
                payloads = [payload if isinstance(payload, bytes) else payload.encode() for payload in taken]
                numbers += [int(number) for payload in payloads for number in re.findall(rb"<(\d+)>", payload)]
                self.outbox.acknowledge_all()
        return numbers, missing


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that counts as one on a disk with room, wherever pytest's is."""
    monkeypatch.setattr(spool, "MEMORY_FILESYSTEMS", frozenset())
    monkeypatch.setattr(spool, "FREE_SHARE", 0.0)
    return tmp_path


def open_files(directory: Path) -> list[Path]:
    """The descriptors of files that this process has open in a directory, whether they have a name there or not."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if descriptor.readlink().is_relative_to(directory):
                found.append(descriptor)
        except OSError:  # that of the listing itself
            continue
    return found


def modes(files: list[Path]) -> list[int]:
    return [file.stat().st_mode & 0o777 for file in files]


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_what_is_too_much_for_memory_waits_on_disk_and_comes_back_in_order(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 64 * MIB)
    for _ in range(8):
        assert session.append("execute_result", 100)
        assert session.overflow.memory_bytes() <= session.overflow.memory_limit + 100 * SIZE
        await session.settled()
    assert session.overflow.disk_bytes > 30 * MIB
    assert await session.come_back() == (list(range(100)) * 8, 0)
    assert session.overflow.disk_bytes == 0
    session.overflow.close()


async def test_the_share_of_the_disk_is_kept_and_then_text_gives_way(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 8 * MIB)
    for _ in range(8):
        assert session.append("stream", 100)
        await session.settled()
        assert session.overflow.disk_bytes <= 8 * MIB
    assert session.overflow.disk_bytes > 4 * MIB
    numbers, missing = await session.come_back()
    assert 0 < missing == 800 - len(numbers)
    session.overflow.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see open files")
async def test_files_have_no_name_and_are_gone_with_the_session(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("execute_result", 200)
    await session.settled()
    (mode,) = modes(open_files(disk))
    assert mode == 0o600
    assert names(disk) == []
    session.overflow.close()
    await eventually(lambda: not open_files(disk), "the end of the file")


async def test_a_tenth_of_the_disk_stays_free(
    disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(spool, "MEMORY_FILESYSTEMS", frozenset())
    full = SimpleNamespace(f_bavail=1_000_000, f_blocks=10_000_000, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    session = Session(disk, 4 * MIB, 64 * MIB)
    assert session.append("stream", 200)
    line = "overflow to disk failed: less than a tenth of the disk is free"
    await eventually(lambda: line in caplog.text and session.overflow.disk_bytes == 0, "the refusal")
    assert session.append("stream", 200)
    assert session.overflow.memory_bytes() <= 4 * MIB
    assert session.overflow.disk_bytes == 0
    numbers, missing = await session.come_back()
    assert 0 < missing == 400 - len(numbers)
    session.overflow.close()


async def test_a_directory_in_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "filesystem_of", lambda _: "tmpfs")
    session = Session(tmp_path, 4 * MIB, 64 * MIB)
    assert "is a tmpfs; set ZMQChannelsWebsocketConnection.spool_dir" in caplog.text
    assert session.append("stream", 200)
    assert session.overflow.memory_bytes() <= 4 * MIB
    assert session.overflow.disk_bytes == 0
    session.overflow.close()


async def test_what_may_not_give_way_and_finds_no_room_is_said(tmp_path: Path) -> None:
    session = Session(tmp_path, 4 * MIB, 0)
    assert not session.append("execute_result", 200)
    numbers, missing = await session.come_back()
    assert (numbers, missing) == (list(range(200)), 0)
    session.overflow.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see open files")
async def test_what_was_read_is_written_anew_and_given_back_once_nothing_waits(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that a file has already costs a sixth of a new one; a session that is never idle must not grow on disk."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", MIB)
    made: list[spool.Segment] = []

    class Counted(spool.Segment):
        def __init__(self, directory: Path) -> None:
            super().__init__(directory)
            made.append(self)

    monkeypatch.setattr(spool, "Segment", Counted)
    stored, waiting, number = spool.Spool(disk, 1 << 40), [], 0
    for _ in range(100):
        blocks: list[spool.Block] = []
        for _ in range(3):
            number += 1
            blocks.append((number, [memoryview(b"%08d" % number), memoryview(b"x" * 400_000)]))
        assert await stored.write(blocks) == (3, None)
        waiting += [block_id for block_id, _ in blocks]
        while len(waiting) > 6:
            block_id = waiting.pop(0)
            assert await stored.read(block_id) == b"%08d" % block_id + b"x" * 400_000
    assert len(open_files(disk)) <= 4 + spool.SPARES
    assert len(made) <= 4 + spool.SPARES
    for block_id in waiting:
        assert (await stored.read(block_id))[:8] == b"%08d" % block_id
    assert stored.bytes == 0
    await eventually(lambda: not open_files(disk), "the end of the files")
    stored.close()


@pytest.mark.parametrize("works", [0, 1, 5])
async def test_a_disk_that_fails_in_the_middle_loses_nothing(
    disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, works: int
) -> None:
    """What it took comes from it, what it did not take stays in memory; it is asked no more, and says so once."""
    pwritev, calls = os.pwritev, []

    def fail(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) > works:
            raise OSError(5, "Input/output error")
        return pwritev(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "pwritev", fail)
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("execute_result", 300)
    await eventually(lambda: len(calls) == works + 1 and session.overflow._writing is None, "the failure")
    assert caplog.text.count("overflow to disk failed") == 1
    assert (session.overflow.disk_bytes > 0) == (works > 0)
    assert await session.come_back() == (list(range(300)), 0)
    assert len(calls) == works + 1
    session.overflow.close()


async def test_large_messages_go_to_the_disk_together(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to the worker and back takes milliseconds; small ones, which take time to make ready, go in smaller groups."""
    groups: list[int] = []
    write = spool.Spool.write

    async def counting(self: spool.Spool, blocks: list[spool.Block]) -> tuple[int, Exception | None]:
        groups.append(sum(spool.size_of(block) for _, block in blocks))
        return await write(self, blocks)

    monkeypatch.setattr(spool.Spool, "write", counting)
    for size, low, high in ((50_000, 7 * MIB, 10 * MIB), (2_500_000, 30 * MIB, 36 * MIB)):
        monkeypatch.setattr("tests.unit.test_memory_bounds.SIZE", size)
        session = Session(disk, 4 * MIB, 256 * MIB)
        session.overflow.memory_limit = 1 << 40
        session.append("execute_result", 60 * MIB // size)
        session.overflow.memory_limit = 4 * MIB
        groups.clear()
        assert session.overflow.enforce_limit()
        await session.settled()
        assert low <= groups[0] <= high
        assert await session.come_back() == (list(range(60 * MIB // size)), 0)
        session.overflow.close()


async def failing(session: Session, work: str) -> list[OutboxFailed]:
    """What the overflow says once this work of its outbox has failed."""
    told: list[OutboxFailed] = []

    def fails(*_: object) -> None:
        raise OutboxFailed("work on its outbox panicked")

    session.overflow.broken = told.append
    session.overflow._outbox = cast("Any", SimpleNamespace(**{work: fails, "memory": session.outbox.memory}))
    return told


async def test_an_outbox_that_fails_on_its_way_to_the_disk_is_told(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 100 * MIB)
    session.append("error", 100)
    told = await failing(session, "on_its_way")
    await eventually(lambda: len(told) == 1, "the failure")
    session.overflow.close()


async def test_an_outbox_that_fails_on_its_way_back_is_told(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 100 * MIB)
    session.append("error", 200)
    await session.settled()
    session.outbox.attach("v1")
    while not isinstance(taken := session.outbox.take_messages(0.0, MIB), int):
        session.outbox.acknowledge_all()
    told = await failing(session, "restore")
    session.overflow.fetch(taken)
    await eventually(lambda: len(told) == 1, "the failure")
    session.overflow.close()


@pytest.mark.parametrize("error", [MemoryError(), AttributeError("module 'os' has no attribute 'pwritev'"), OSError("gone")])
async def test_whatever_the_worker_raises_is_a_disk_that_failed(
    disk: Path, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else nobody would release what is held for it, and every client of the kernel would wait."""

    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(os, "pwritev", fail)
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("execute_result", 300)
    await eventually(lambda: session.overflow._writing is None, "the failure")
    assert not session.overflow.behind
    assert caplog.text.count("overflow to disk failed") == 1
    assert await session.come_back() == (list(range(300)), 0)
    session.overflow.close()


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
    session.overflow.close()


async def test_a_disk_that_does_not_answer_counts_as_full_beyond_the_limit_of_the_server(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then nothing gives way, though the session's own memory is exceeded."""
    hangs = threading.Event()
    monkeypatch.setattr(spool.Spool, "_write_one", lambda *_: hangs.wait())
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("stream", 100)
    assert session.overflow._writing is not None
    bound = _core.live_bytes() + 16 * MIB
    while _core.live_bytes() + 100 * SIZE < bound:
        session.append("stream", 100)
        assert session.overflow.enforce_limit(bound)
    assert not session.left_out()
    session.append("stream", 300)
    assert session.overflow.enforce_limit(bound)
    assert session.left_out()
    assert _core.live_bytes() <= bound
    hangs.set()
    await session.settled()
    session.overflow.close()
