"""The limits of an outbox for memory and disk, as in docs/guarantees.md, with real files.

test_outbox.py tests which messages are left out and that notices have exact numbers; test_disk_faults.py tests disks that fail.
Must not measure the process: the limits apply to the bytes that an outbox counts.
"""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from kernelws.session import spool
from tests.support.overflow import MIB, SIZE, Session, with_room
from tests.support.wait import eventually


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_room(tmp_path, monkeypatch)


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
        assert session.spill.memory_bytes() <= session.spill.memory_limit + 100 * SIZE
        await session.settled()
    assert session.spill.disk_bytes > 30 * MIB
    assert await session.come_back() == (list(range(100)) * 8, 0)
    assert session.spill.disk_bytes == 0
    session.spill.close()


async def test_the_share_of_the_disk_is_kept_and_then_text_gives_way(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 8 * MIB)
    for _ in range(8):
        assert session.append("stream", 100)
        await session.settled()
        assert session.spill.disk_bytes <= 8 * MIB
    assert session.spill.disk_bytes > 4 * MIB
    numbers, missing = await session.come_back()
    assert 0 < missing == 800 - len(numbers)
    session.spill.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see open files")
async def test_another_share_of_the_disk_holds_for_new_blocks(disk: Path) -> None:
    """The traits of a live connection may change; what is on disk stays there."""
    blocks = spool.Spool(disk, 10)
    assert (blocks.has_room(10), blocks.has_room(11)) == (True, False)
    blocks.limit = 20
    assert blocks.has_room(11)
    blocks.refuse()
    blocks.limit = 30
    assert not blocks.has_room(1), "a disk that has failed is not used again"
    blocks.close()


async def test_files_have_no_name_and_are_gone_with_the_session(disk: Path) -> None:
    session = Session(disk, 4 * MIB, 64 * MIB)
    session.append("execute_result", 200)
    await session.settled()
    (mode,) = modes(open_files(disk))
    assert mode == 0o600
    assert names(disk) == []
    session.spill.close()
    await eventually(lambda: not open_files(disk), "the end of the file")


async def test_a_tenth_of_the_disk_stays_free(
    disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(spool, "MEMORY_FILESYSTEMS", frozenset())
    full = SimpleNamespace(free=1_000_000, total=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    session = Session(disk, 4 * MIB, 64 * MIB)
    assert session.append("stream", 200)
    line = "overflow to disk failed: less than a tenth of the disk is free"
    await eventually(lambda: line in caplog.text and session.spill.disk_bytes == 0, "the refusal")
    assert session.append("stream", 200)
    assert session.spill.memory_bytes() <= 4 * MIB
    assert session.spill.disk_bytes == 0
    numbers, missing = await session.come_back()
    assert 0 < missing == 400 - len(numbers)
    session.spill.close()


async def test_a_directory_in_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "filesystem_of", lambda _: "tmpfs")
    session = Session(tmp_path, 4 * MIB, 64 * MIB)
    assert "is a tmpfs; set ZMQChannelsWebsocketConnection.spool_dir" in caplog.text
    assert session.append("stream", 200)
    assert session.spill.memory_bytes() <= 4 * MIB
    assert session.spill.disk_bytes == 0
    session.spill.close()


async def test_what_may_not_give_way_and_finds_no_room_is_said(tmp_path: Path) -> None:
    session = Session(tmp_path, 4 * MIB, 0)
    assert not session.append("execute_result", 200)
    numbers, missing = await session.come_back()
    assert (numbers, missing) == (list(range(200)), 0)
    session.spill.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see open files")
async def test_what_was_read_is_written_anew_and_given_back_once_nothing_waits(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reusing file pages is six times cheaper than allocating them, but a session that is never idle must not grow on disk."""
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


async def test_large_messages_go_to_the_disk_together(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each round trip to the worker thread takes milliseconds, so large messages are written together. Small messages, which take
    longer to prepare, are written in smaller groups."""
    groups: list[int] = []
    write = spool.Spool.write

    async def counting(self: spool.Spool, blocks: list[spool.Block]) -> tuple[int, Exception | None]:
        groups.append(sum(spool.size_of(block) for _, block in blocks))
        return await write(self, blocks)

    monkeypatch.setattr(spool.Spool, "write", counting)
    for size, low, high in ((50_000, 7 * MIB, 10 * MIB), (2_500_000, 30 * MIB, 36 * MIB)):
        monkeypatch.setattr("tests.support.overflow.SIZE", size)
        session = Session(disk, 4 * MIB, 256 * MIB)
        session.spill.memory_limit = 1 << 40
        session.append("execute_result", 60 * MIB // size)
        session.spill.memory_limit = 4 * MIB
        groups.clear()
        assert session.spill.enforce_limit()
        await session.settled()
        assert low <= groups[0] <= high
        assert await session.come_back() == (list(range(60 * MIB // size)), 0)
        session.spill.close()
