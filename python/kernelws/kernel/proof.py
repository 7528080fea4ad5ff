"""``Proof``: whether a message of a kernel's current process has arrived on the current subscription.

If not, messages may still be lost, and a client that connects has to probe. Processes are distinguished by ``header.session``:
a late message of a replaced process does not count. The states are in ``states.py``. Must not read sockets or know clients.
Cost: nothing a batch, once the process is proven.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

from ..record.counters import TOTALS
from ..states import PROCESS_TRANSITIONS, Machine, ProcessEvent, ProcessState


class Proof:
    """What is known of a kernel's processes from its feed."""

    def __init__(self) -> None:
        self._machine: Machine[ProcessState, ProcessEvent] = Machine(PROCESS_TRANSITIONS, ProcessState.UNHEARD)
        self.kernel_session: str | None = None
        """``header.session`` of the kernel's last message; None before the first."""
        self.restarts = 0
        self.restarted_at: float | None = None
        """When the first message of the last new process arrived, in seconds of ``time.monotonic``."""
        self._old_session: str | None = None
        """``header.session`` of the process that was replaced last."""
        self._proven_by: str | None = None
        """``header.session`` of the process that was proven last."""
        self._incarnation: Any = None
        """What identifies a process before it sends a message: its address, provisioner and pid."""
        self.asking = uuid.uuid4().hex
        """``header.session`` of the server's probes of the current process. Another process may answer an earlier probe late."""
        self.asked_before: str | None = None
        """That of the probes of the process before."""
        self._asked = False
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def proven(self) -> bool:
        """Whether a message of the current process has arrived on the current subscription."""
        return self._machine.state is ProcessState.PROVEN

    @property
    def restarted(self) -> bool:
        """Whether the process was replaced and no message of the new one has arrived. Then ``execution_state`` is outdated."""
        return self._machine.state is ProcessState.RESTARTING

    def new_incarnation(self) -> None:
        """The kernel's process is being replaced. Messages with its ``header.session`` no longer prove anything."""
        self._old_session = self.kernel_session
        if self._asked:
            self._asked, self.asked_before, self.asking = False, self.asking, uuid.uuid4().hex
        self._machine.on(ProcessEvent.RESUBSCRIBE if self._old_session is None else ProcessEvent.REPLACE)

    def ask(self) -> str:
        """A probe is about to be sent. Returns its ``header.session``."""
        self._asked = True
        return self.asking

    def resubscribe(self) -> None:
        """A new subscription has begun, on which no message has arrived."""
        self._machine.on(ProcessEvent.RESUBSCRIBE)

    def is_another(self, kernel_session: str | None) -> bool:
        """Whether ``kernel_session`` is another process than the sender of the last message. False if either is unknown."""
        return None not in (kernel_session, self.kernel_session) and kernel_session != self.kernel_session

    def hear(self, kernel_session: str | None, *, answered: bool) -> None:
        """Messages of the kernel were read. ``answered``: they include one about a probe of ``asking`` or an
        ``iopub_welcome``, which only the current process sends."""
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
        """Notices a restart that was not reported: the address, the provisioner or the pid is a new one.

        ``managed``: a manager with kernelws's mixin reports restarts. Then a new process that is already proven is ignored.
        """
        incarnation = (address, id(provisioner), getattr(provisioner, "pid", None))
        another = self._incarnation not in (None, incarnation)
        self._incarnation = incarnation
        if another and (not managed or not self.proven or self.kernel_session == self._old_session):
            self.new_incarnation()

    @property
    def checked(self) -> bool:
        """Whether ``check_incarnation`` was called before."""
        return self._incarnation is not None

    async def wait(self, ended: Callable[[], bool]) -> None:
        """Returns when the kernel is proven, or when ``ended()`` is true at a call of ``wake_waiters``."""
        while not self.proven and not ended():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def wake_waiters(self) -> None:
        """Lets every task in ``wait`` check again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
