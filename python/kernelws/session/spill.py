"""Keeps one outbox within its bounds: first to disk, then the oldest displays give way, and else it says that it is full.

The stream text that gives way before all this is cut by the outbox itself. One block is on its way to or from the disk at a
time; file I/O is the spool's worker's. Must not know WebSockets. Cost: one comparison a batch while there is room.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

from .. import _core
from ..errors import OutboxFailed
from .spool import Block, Spool, size_of, usable_directory

BLOCK_BYTES = 1 << 20
"""Bytes that come back from the disk at once: large enough to be cheap, small enough not to delay what follows."""
WRITE_BYTES = 8 << 20
"""Bytes that are put on their way to the disk at once: making small messages ready holds up the event loop."""
LARGE_WRITE_BYTES = 32 << 20
"""The same where blocks are ``LARGE``: they are made ready in no time, and each way to the worker takes milliseconds."""
LARGE = 2 * BLOCK_BYTES
"""Bytes of a block that is hardly more than one message, which is not copied."""


class SpillOwner(Protocol):
    """The session of an outbox."""

    def restored(self) -> None:
        """A block was written, or has come back."""

    def disk_failed(self) -> None:
        """The disk does not take a block, or does not give one back."""

    def outbox_failed(self, error: OutboxFailed) -> None:
        """The outbox has discarded what it held."""


class Spill:
    """The disk of one outbox."""

    def __init__(self, outbox: _core.Outbox, owner: SpillOwner, log: logging.Logger) -> None:
        self._outbox = outbox
        self._owner = owner
        self._log = log
        self._spool: Spool | None = None
        self._writing: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self.memory_limit = 0
        """Bytes of memory; what is more goes to the disk."""

    def configure(self, memory_limit: int, disk_limit: int, directory: Path) -> None:
        """``disk_limit`` 0 turns the overflow to disk off."""
        self.memory_limit = memory_limit
        if self._spool is None and disk_limit > 0:
            usable = usable_directory(directory, self._log)
            self._spool = Spool(usable, disk_limit) if usable is not None else None

    @property
    def disk_bytes(self) -> int:
        return self._spool.bytes if self._spool is not None else 0

    def memory_bytes(self) -> int:
        """What the outbox takes up, and with it the blocks on their way to the disk."""
        return self._outbox.memory()

    @property
    def behind(self) -> bool:
        """Whether the disk takes less than comes: intake had better wait for it."""
        return self._writing is not None and self.memory_bytes() > 2 * self.memory_limit

    def enforce_limit(self, server_limit: int = 0) -> bool:
        """Makes room if the outbox is over its bound; False if it cannot: everything that is left must be kept.

        While the disk is at work more may wait in memory, up to ``server_limit`` bytes of all sessions (0 is no limit): a disk
        that has not answered by then counts as full.
        """
        if self.memory_bytes() <= self.memory_limit:
            return True
        if self._writing is not None:
            return not 0 < server_limit < _core.live_bytes() or self._drop(server_limit)
        return self._begin_write() or self._drop()

    def _begin_write(self) -> bool:
        spool, blocks, size = self._spool, list[Block](), 0
        if spool is None:
            return False
        while self._outbox.memory() - size > self.memory_limit and spool.has_room(size + BLOCK_BYTES):
            if size >= (LARGE_WRITE_BYTES if size >= LARGE * len(blocks) else WRITE_BYTES):
                break
            spilled = self._outbox.spill(BLOCK_BYTES)
            if spilled is None:
                break
            blocks.append(spilled)
            size += size_of(spilled[1])
        if blocks:
            self._writing = asyncio.ensure_future(self._guarded(self._write, spool, blocks))
        return bool(blocks)

    async def _guarded(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        try:
            await work(*arguments)
        except OutboxFailed as error:
            self._owner.outbox_failed(error)

    async def _write(self, spool: Spool, blocks: list[Block]) -> None:
        try:
            blocks = [block for block in blocks if self._outbox.on_its_way(block[0])]  # others have left from memory
            written, error = await spool.write(blocks)
            for block_id, _ in blocks[:written]:
                if not self._outbox.written(block_id):
                    spool.forget(block_id)
            if error is not None:
                self._log.warning("overflow to disk failed: %s; what waits stays in memory", describe(error))
                self._owner.disk_failed()
                spool.refuse()
                self._outbox.unspill(blocks[written][0])
        finally:
            self._writing = None
        self.enforce_limit()
        self._owner.restored()

    def _drop(self, server_limit: int = 0) -> bool:
        """Text first, where the disk cannot take it, then the oldest displays; of a server's limit no more than is over it."""
        while self._outbox.memory() > self.memory_limit and _core.live_bytes() > server_limit:
            if not (self._outbox.drop_text() or self._outbox.drop_oldest_display()):
                return False
        return True

    def fetch(self, block_id: int) -> None:
        """Brings a block back; ``restored`` follows. A second call for the same block does nothing."""
        if self._reading is None and self._spool is not None:
            self._reading = asyncio.ensure_future(self._guarded(self._read, self._spool, block_id))

    def forget(self, block_ids: list[int]) -> None:
        """Gives blocks back to the disk that nobody will ask for."""
        for block_id in block_ids:
            if self._spool is not None:
                self._spool.forget(block_id)

    async def _read(self, spool: Spool, block_id: int) -> None:
        try:
            self._outbox.restore(block_id, await spool.read(block_id))
        except OutboxFailed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the worker raises is a disk that failed
            if self._outbox.lost(block_id):  # else it is not wanted any more
                self._log.error("overflow on disk cannot be read back: %s", describe(error))
                self._owner.disk_failed()
        self._reading = None
        self._owner.restored()

    def close(self) -> None:
        for task in (self._writing, self._reading):
            if task is not None:
                task.cancel()
        if self._spool is not None:
            self._spool.close()
            self._spool = None


def describe(error: BaseException) -> str:
    """An error in words: some, MemoryError for one, have none of their own."""
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)
