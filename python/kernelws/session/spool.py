"""``Spool``: the blocks of one session on disk, in nameless files of mode 0600 (on Windows in files that end with the server).

One worker thread does all file I/O; the event loop never does any. Blocks are written and read oldest first. A spool consists
of several files, called segments: once all blocks of a segment have been read, it is reused or freed, long before the session
ends. A tmpfs is not used, because it is memory, and a tenth of the disk is left free. Must not know messages. Cost: one write
and one read a block.
"""

import asyncio
import functools
import logging
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..system import write_at

Block = tuple[int, list[memoryview]]
"""The number of a block, and its bytes as views that are not joined."""

SEGMENT_BYTES = 16 << 20
"""A segment of at least this size gets no more blocks."""
SPARES = 2
"""Maximum number of empty segments that are kept for reuse: reusing file pages is six times cheaper than allocating them."""
FREE_SHARE = 0.1
"""The share of the filesystem that is left free."""
MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs"})

_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernelws-spool")


class SpoolFullError(OSError):
    """The disk, or the share of it that a session may use, is full."""


class Segment:
    """One nameless file. Only the worker thread may use it."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory, prefix="kernelws-", buffering=0)  # noqa: SIM115 - outlives this call
        self.size = 0
        self.unread = 0
        """Blocks that were written and neither read nor forgotten."""

    def append(self, block: list[memoryview]) -> int:
        """Writes a block and returns its offset in bytes."""
        offset, views = self.size, list(block)
        end = offset
        while views:
            written = write_at(self._file, end, views)
            end += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]
        self.size = end
        self.unread += 1
        return offset

    def read(self, offset: int, length: int) -> bytes:
        """Reads a block. Each block is read at most once."""
        self.unread -= 1
        pieces, missing = [], length
        self._file.seek(offset)
        while missing:
            piece = self._file.read(missing)
            if not piece:
                raise OSError("the overflow file is shorter than what was written to it")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def rewind(self) -> None:
        """Makes the segment empty, for reuse."""
        self.size = 0

    def close(self) -> None:
        self._file.close()


class Spool:
    """The blocks of one session on disk."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self.limit = limit
        """Maximum bytes of all blocks. If it is lowered, blocks that are on disk stay."""
        self._refuses = False
        self._segments: list[Segment] = []
        self._spares: list[Segment] = []
        self._blocks: dict[int, tuple[Segment, int, int]] = {}
        self._lengths: dict[int, int] = {}
        self.bytes = 0
        """Bytes of all blocks, including those that are still being written."""
        self._closed = False

    def has_room(self, length: int) -> bool:
        """Whether ``length`` more bytes fit into the session's disk limit."""
        return not self._closed and not self._refuses and self.bytes + length <= self.limit

    def refuse(self) -> None:
        """Makes ``has_room`` return False from now on. Blocks on disk can still be read."""
        self._refuses = True

    async def write(self, blocks: list[Block]) -> tuple[int, Exception | None]:
        """Writes blocks in order. Returns how many were written, and the error that stopped it or None."""
        for block_id, block in blocks:
            self._lengths[block_id] = size_of(block)
            self.bytes += self._lengths[block_id]
        written, error = 0, None
        try:
            written, error = await asyncio.get_running_loop().run_in_executor(_worker, self._write, blocks)
        finally:
            for block_id, _ in blocks[written:]:
                self.bytes -= self._lengths.pop(block_id, 0)
        return written, error

    async def read(self, block_id: int) -> bytes:
        """Reads a block and frees its disk space. Raises OSError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(_worker, self._read, block_id)
        finally:
            self.bytes -= self._lengths.pop(block_id, 0)

    def forget(self, block_id: int) -> None:
        """Frees the disk space of a block without reading it."""
        self.bytes -= self._lengths.pop(block_id, 0)
        _worker.submit(self._forget, block_id)

    def close(self) -> None:
        """Frees all disk space, after the write or read that is running."""
        self._closed = True
        self.bytes = 0
        self._lengths.clear()
        _worker.submit(self._close)

    # on the worker thread

    def _write(self, blocks: list[Block]) -> tuple[int, Exception | None]:
        for index, (block_id, block) in enumerate(blocks):
            try:
                self._write_one(block_id, block)
            except Exception as error:  # noqa: BLE001 - any error counts as a failure of the disk, such as MemoryError
                return index, error
        return len(blocks), None

    def _write_one(self, block_id: int, block: list[memoryview]) -> None:
        if self._closed:
            raise SpoolFullError("the session has ended")
        disk, length = shutil.disk_usage(self._directory), size_of(block)
        if disk.free - length < FREE_SHARE * disk.total:
            raise SpoolFullError("less than a tenth of the disk is free")
        if not self._segments or self._segments[-1].size >= SEGMENT_BYTES:
            self._segments.append(self._spares.pop() if self._spares else Segment(self._directory))
        segment = self._segments[-1]
        self._blocks[block_id] = (segment, segment.append(block), length)

    def _read(self, block_id: int) -> bytes:
        segment, offset, length = self._blocks.pop(block_id)
        block = segment.read(offset, length)
        self._give_back(segment)
        return block

    def _forget(self, block_id: int) -> None:
        if self._closed:
            return
        held = self._blocks.pop(block_id, None)  # None: it was read already, or never written
        if held is not None:
            held[0].unread -= 1
            self._give_back(held[0])

    def _give_back(self, segment: Segment) -> None:
        """Reuses or closes a segment without unread blocks. Closing it soon spares the system writing its pages to the disk."""
        if segment.unread:
            return
        self._segments.remove(segment)
        if self._segments and len(self._spares) < SPARES and segment.size < 2 * SEGMENT_BYTES:
            segment.rewind()
            self._spares.append(segment)
        else:
            segment.close()
        if not self._segments:
            self._close_spares()

    def _close_spares(self) -> None:
        for segment in self._spares:
            segment.close()
        self._spares.clear()

    def _close(self) -> None:
        self._spares += self._segments
        self._segments.clear()
        self._blocks.clear()
        self._close_spares()


def size_of(block: list[memoryview]) -> int:
    """The length of a block in bytes."""
    return sum(map(len, block))


def usable_directory(directory: Path, log: logging.Logger) -> Path | None:
    """Returns the directory, or logs a warning and returns None if it is in memory or not writable."""
    kind = filesystem_of(directory)
    if kind in MEMORY_FILESYSTEMS:
        log.warning("no overflow to disk: %s is a %s; set ZMQChannelsWebsocketConnection.spool_dir", directory, kind)
        return None
    if not os.access(directory, os.W_OK | os.X_OK):
        log.warning("no overflow to disk: %s cannot be written; set ZMQChannelsWebsocketConnection.spool_dir", directory)
        return None
    return directory


def filesystem_of(directory: Path) -> str:
    """The type of the filesystem of a directory, such as ``ext4``; ``""`` on a system without /proc."""
    path = directory.resolve()
    try:
        return _filesystem_of(path, path.stat().st_dev)
    except OSError:  # it does not exist yet
        return _filesystem_of(path, 0)


@functools.lru_cache(maxsize=64)
def _filesystem_of(path: Path, _device: int) -> str:
    """Cached by device too, because a filesystem that is mounted there later has another device number."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in mounts:
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split()[4].replace("\\040", " "))
        depth = len(point.parts)
        if depth >= best and path.is_relative_to(point):
            best, kind = depth, rest.split()[0]
    return kind
