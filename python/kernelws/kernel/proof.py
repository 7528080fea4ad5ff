"""Whether the present process of a kernel has been heard on its feed: until then a client that connects has to probe.

What was heard counts by ``header.session``: a process that is about to be replaced proves nothing of the next one. The states are
in ``states.py``. Must not read sockets or know clients. Cost: nothing a batch, once the process is proven.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..record.counters import TOTALS
from ..states import PROCESS_TRANSITIONS, Machine, ProcessEvent, ProcessState


class Proof:
    """What a kernel's feed knows of its processes."""

    def __init__(self) -> None:
        self._machine: Machine[ProcessState, ProcessEvent] = Machine(PROCESS_TRANSITIONS, ProcessState.UNHEARD)
        self.kernel_session: str | None = None
        """``header.session`` of the kernel's last message, None before the first."""
        self.restarts = 0
        self.restarted_at: float | None = None
        """When another process was first heard in the kernel's place, in seconds of ``time.monotonic``."""
        self._old_session: str | None = None
        self._proven_by: str | None = None
        self._incarnation: Any = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def proven(self) -> bool:
        """Whether the present process was heard on the present subscription."""
        return self._machine.state is ProcessState.PROVEN

    @property
    def restarted(self) -> bool:
        """Whether another process was heard before, and this one was not yet: the tracked state is the other's."""
        return self._machine.state is ProcessState.RESTARTING

    def new_incarnation(self) -> None:
        """The kernel is about to be another process: whatever speaks with the old one's session proves nothing."""
        self._old_session = self.kernel_session
        self._machine.on(ProcessEvent.RESUBSCRIBE if self._old_session is None else ProcessEvent.REPLACE)

    def resubscribe(self) -> None:
        """The subscription is a new one: nothing was heard on it."""
        self._machine.on(ProcessEvent.RESUBSCRIBE)

    def is_another(self, kernel_session: str | None) -> bool:
        """Whether a message comes from another process than the last one did."""
        return None not in (kernel_session, self.kernel_session) and kernel_session != self.kernel_session

    def hear(self, kernel_session: str | None, *, answered: bool) -> None:
        """Messages of the kernel were read; ``answered``: among them was an answer to a probe."""
        if not self.proven and (answered or kernel_session is None or kernel_session != self._old_session):
            self._machine.on(ProcessEvent.HEAR)
            self._note_process(kernel_session)
            self.wake_waiters()
        self.kernel_session = kernel_session or self.kernel_session

    def _note_process(self, kernel_session: str | None) -> None:
        if kernel_session is not None and self._proven_by not in (None, kernel_session):
            self.restarts += 1
            self.restarted_at = time.monotonic()
            TOTALS.restarts += 1
        self._proven_by = kernel_session or self._proven_by

    def check_incarnation(self, address: Any, provisioner: Any, *, managed: bool) -> None:
        """Notices restarts that nobody announced, by address and process; ``managed``: a manager announces the others."""
        incarnation = (address, id(provisioner), getattr(provisioner, "pid", None))
        another = self._incarnation not in (None, incarnation)
        self._incarnation = incarnation
        if another and (not managed or not self.proven or self.kernel_session == self._old_session):
            self.new_incarnation()

    @property
    def checked(self) -> bool:
        return self._incarnation is not None

    async def wait(self, ended: Callable[[], bool]) -> None:
        """Returns when the kernel is proven, or ``ended()`` after a ``wake_waiters``."""
        while not self.proven and not ended():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def wake_waiters(self) -> None:
        """Whoever waits looks again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
