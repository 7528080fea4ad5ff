"""``Spill``: keeps one outbox within its memory limit.

If the outbox is over the limit, blocks of messages are written to disk. If the disk cannot take them, stream text and then the
oldest displays are dropped. If that is not enough, the outbox is full. At most one write and one read run at a time, on the
spool's worker thread. Must not know WebSockets. Cost: one comparison a batch while the outbox is within its limit.
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
"""Target size of a block, the unit of reading: large enough to be cheap, small enough not to delay other messages."""
WRITE_BYTES = 8 << 20
"""Maximum bytes of one write: preparing many small messages blocks the event loop."""
LARGE_WRITE_BYTES = 32 << 20
"""Maximum bytes of one write of blocks whose average size is ``LARGE`` or more. Preparing them is quick, but each call of the
worker takes milliseconds."""
LARGE = 2 * BLOCK_BYTES
"""A block of at least this size consists mostly of one large message, which is not copied."""


class SpillOwner(Protocol):
    """The session, as ``Spill`` sees it."""

    def restored(self) -> None:
        """A write or a read has finished, so the client may be able to take more."""

    def disk_failed(self) -> None:
        """A block could not be written or read."""

    def outbox_failed(self, error: OutboxFailed) -> None:
        """The outbox has failed and discarded its messages."""


class Spill:
    """Moves messages of one outbox to disk and back."""

    def __init__(self, outbox: _core.Outbox, owner: SpillOwner, log: logging.Logger, server_memory: Callable[[], int]) -> None:
        """``server_memory`` returns the bytes of memory of all sessions together."""
        self._outbox = outbox
        self._owner = owner
        self._log = log
        self._server_memory = server_memory
        self._spool: Spool | None = None
        self._writing: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self.memory_limit = 0
        """Maximum bytes of the outbox in memory, as ``Outbox.limited_memory`` counts them."""

    def configure(self, memory_limit: int, disk_limit: int, directory: Path) -> None:
        """Limits in bytes; a ``disk_limit`` of 0 turns the disk off. Later calls cannot change a usable ``directory``."""
        self.memory_limit = memory_limit
        if self._spool is None and disk_limit > 0:
            usable = usable_directory(directory, self._log)
            self._spool = Spool(usable, disk_limit) if usable is not None else None
        elif self._spool is not None:
            self._spool.limit = disk_limit

    @property
    def disk_bytes(self) -> int:
        return self._spool.bytes if self._spool is not None else 0

    def memory_bytes(self) -> int:
        """Bytes of memory of the outbox, including blocks that are being written."""
        return self._outbox.memory()

    @property
    def behind(self) -> bool:
        """Whether messages arrive faster than the disk can write them, so that the feed should be paused."""
        return self._writing is not None and self._outbox.limited_memory() > 2 * self.memory_limit

    def enforce_limit(self, server_limit: int = 0) -> bool:
        """Brings the outbox under its limit. Returns False if only messages that must be kept are left.

        During a write the outbox may exceed its limit until all sessions together reach ``server_limit`` bytes (0: no limit).
        """
        if self._outbox.limited_memory() <= self.memory_limit:
            return True
        if self._writing is not None:
            return not 0 < server_limit < self._server_memory() or self._drop(server_limit)
        return self._begin_write() or self._drop()

    def _begin_write(self) -> bool:
        spool, blocks, size = self._spool, list[Block](), 0
        if spool is None:
            return False
        while self._outbox.limited_memory() - size > self.memory_limit and spool.has_room(size + BLOCK_BYTES):
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
            blocks = [block for block in blocks if self._outbox.on_its_way(block[0])]  # the others were sent meanwhile
            written, error = await spool.write(blocks)
            for block_id, _ in blocks[:written]:
                if not self._outbox.written(block_id):
                    spool.forget(block_id)
            if error is not None:
                self._log.warning("overflow to disk failed: %s; queued messages stay in memory", describe(error))
                self._owner.disk_failed()
                spool.refuse()
                self._outbox.unspill(blocks[written][0])
        finally:
            self._writing = None
        self.enforce_limit()
        self._owner.restored()

    def _drop(self, server_limit: int = 0) -> bool:
        """Drops stream text, then the oldest displays, while the outbox and the server are over their limits.

        Returns False if nothing is left that may be dropped.
        """
        while self._outbox.limited_memory() > self.memory_limit and (server_limit == 0 or self._server_memory() > server_limit):
            if not (self._outbox.drop_text() or self._outbox.drop_oldest_display()):
                return False
        return True

    def fetch(self, block_id: int) -> None:
        """Starts to read a block back; ``restored`` is called when it is done. Does nothing while another read runs."""
        if self._reading is None and self._spool is not None:
            self._reading = asyncio.ensure_future(self._guarded(self._read, self._spool, block_id))

    def forget(self, block_ids: list[int]) -> None:
        """Frees the disk space of blocks that will not be read."""
        for block_id in block_ids:
            if self._spool is not None:
                self._spool.forget(block_id)

    async def _read(self, spool: Spool, block_id: int) -> None:
        try:
            self._outbox.restore(block_id, await spool.read(block_id))
        except OutboxFailed:
            raise
        except Exception as error:  # noqa: BLE001 - any error of the worker counts as a failure of the disk
            if self._outbox.lost(block_id):  # False: the block is no longer needed
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
    """The text of an error, with its type unless it is an OSError: a MemoryError has no text."""
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)
