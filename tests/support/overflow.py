"""An outbox with its disk and without a client, for tests of limits for memory and disk, and of disks that fail."""

import asyncio
import logging
import re
from pathlib import Path

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
    """An outbox and its disk, without a client until ``come_back``. A ``SpillOwner``."""

    def __init__(self, directory: Path, memory_limit: int, disk_limit: int) -> None:
        self.outbox = _core.Outbox("v1")
        self.outbox.configure(**UNLIMITED | {"high_water": 64 * MIB, "memory_limit": memory_limit})
        self.outbox.detach()
        self.returned = asyncio.Event()
        """A block has come back, or was written."""
        self.failures: list[OutboxFailed] = []
        self.upkeep = 0
        """Bytes that the sessions of the server need besides messages."""
        self.spill = Spill(self.outbox, self, logging.getLogger("spill"), self.server_memory)
        self.spill.configure(memory_limit, disk_limit, directory)

    def restored(self) -> None:
        self.returned.set()

    def disk_failed(self) -> None:
        """Does nothing: the tests read the log."""

    def outbox_failed(self, error: OutboxFailed) -> None:
        self.failures.append(error)

    def server_memory(self) -> int:
        return _core.live_bytes() + self.upkeep

    def append(self, msg_type: str, count: int) -> bool:
        """Numbered messages, one by one; False once one found no room."""
        fitted = True
        for number in range(count):
            content = f'{{"name":"stdout","text":"<{number}>{"x" * SIZE}"}}'.encode()
            header = f'{{"msg_type":"{msg_type}","msg_id":"{number}","session":"kernel"}}'.encode()
            parts = [header, b'{"msg_id":"cell"}', b"{}", content]
            batch = _core.Receiver(b"", "hmac-sha256").split("iopub", [[DELIMITER, b"", *parts]])
            self.outbox.append(batch, 0, 1, 0.0)
            fitted = self.spill.enforce_limit() and fitted
        return fitted

    def left_out(self) -> int:
        return sum(messages for messages, _ in self.outbox.stats().left_out.values())

    async def settled(self) -> None:
        """Returns when memory is back under its bound."""
        await eventually(lambda: self.spill.memory_bytes() <= self.spill.memory_limit, "memory under its bound")

    async def come_back(self) -> tuple[list[int], int]:
        """Attaches a client; returns the numbers of its messages, in order, and how many its notices count as missing."""
        numbers: list[int] = []
        missing = 0
        self.outbox.attach("v1")
        while (taken := self.outbox.take_messages(0.0, MIB)) is not None:
            if isinstance(taken, int):
                self.returned.clear()
                self.spill.fetch(taken)
                await self.returned.wait()
            elif isinstance(taken, _core.Gap):
                missing += taken.messages
                assert self.outbox.fill_gap(taken.id, b"notice")
            else:
                payloads = [payload if isinstance(payload, bytes) else payload.encode() for payload in taken]
                numbers += [int(number) for payload in payloads for number in re.findall(rb"<(\d+)>", payload)]
                self.outbox.acknowledge_all()
        return numbers, missing


def with_room(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Patches the checks of the disk, so that the directory is accepted even in memory or on a disk that is nearly full."""
    monkeypatch.setattr(spool, "MEMORY_FILESYSTEMS", frozenset())
    monkeypatch.setattr(spool, "FREE_SHARE", 0.0)
    return directory
