"""What becomes of a kernel's process, as one of its sessions takes it: restarts, death, interrupts.

An automatic restart and a death are announced to every session, connected or detached, after all messages of the process that
died. After a restart that a client asked for, nothing more of the old process is sent than replies. ``announcing`` says which
session is told. Must not write to a WebSocket. Cost: nothing a message.
"""

import asyncio
import math
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import OutboxFailed
from ..sockets.channel import Channel
from . import announcing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .. import _core
    from ..kernel.kernel import Kernel
    from ..messages.notices import ServerMessages
    from .facts import SessionStats
    from .limits import Limits
    from .spill import Spill


class ProcessOwner(Protocol):
    """The session that this is a part of."""

    kernel: "Kernel"
    stats: "SessionStats"
    limits: "Limits"
    outbox: "_core.Outbox"
    spill: "Spill"
    own: set[str | bytes]
    channels: dict[str, Any]

    @property
    def closed(self) -> bool: ...
    @property
    def server_messages(self) -> "ServerMessages": ...
    def change(self, change: "Callable[..., object]", *arguments: Any) -> None: ...
    def outbox_failed(self, error: OutboxFailed) -> None: ...


class Processes:
    """The processes of one session's kernel. Implements ``ProcessListener``."""

    def __init__(self, session: ProcessOwner) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._being_replaced: str | None = None
        """``header.session`` of a process that is being replaced: the first message of another one ends it."""
        self._announced: str | None = None
        """The process after which a restart was announced last; None once the client has asked another one for work."""
        self._dropped: str | None = None
        """The process whose output is left out."""
        self._greeted_by: str | None = None
        """The process that stdin was last asked of."""

    def announce(self, state: str, gone: str | None = None) -> None:
        """Appends ``restarting`` or ``dead``. It is sent until it has arrived, or the client is known to know.

        ``gone`` is the ``header.session`` of the process that it is about, by default of the last one that was heard.
        """
        session = self._session
        process = gone or session.kernel.kernel_session
        if state == "restarting" and not announcing.is_news(process, self._announced):
            return
        self._announced = process
        payload = session.server_messages.status(state)
        session.own.add(payload)
        session.change(session.outbox.announce, payload)

    def restarted(self) -> None:
        """The kernel manager has restarted a kernel that died: told after all that it has published."""
        self._session.kernel.feed.after_drain(lambda: self.announce("restarting"))

    def requested(self) -> None:
        """The client has asked the kernel for work, the present process: what became of the one before is no news any more."""
        self._session.stats.requested_at = self._loop.time()
        self._announced = None
        try:
            self._session.outbox.withdraw_announcements()
        except OutboxFailed as error:
            self._session.outbox_failed(error)

    def up_again(self, began: float, gone: str | None) -> None:
        """See ``ProcessListener``: this session may have to be told."""
        up = self._loop.time()
        at = self._announce_at(began, up)
        if at < math.inf:
            self._loop.call_at(at, self._announce_if_due, began, up, gone)

    def _announce_at(self, began: float, up: float) -> float:
        stats, delay = self._session.stats, self._session.limits.restart_announce_delay
        return announcing.announce_at(
            began=began, up=up, delay=delay, attached_at=stats.attached_at, requested_at=stats.requested_at
        )

    def _announce_if_due(self, began: float, up: float, gone: str | None) -> None:
        if not self._session.closed and self._announce_at(began, up) < math.inf:
            self.announce("restarting", gone)

    def replacing(self, kernel_session: str | None) -> None:
        """See ``ProcessListener``."""
        self._being_replaced = kernel_session if self._session.limits.drop_output_on_restart else None

    def replaced(self) -> None:
        """See ``ProcessListener``."""
        if self._being_replaced is not None:
            self.drop_output(self._being_replaced)

    def heard(self, kernel_session: str) -> None:
        """Another process than the last one was heard. The boundary is ``header.session``."""
        if self._being_replaced is not None and kernel_session != self._being_replaced:
            self.drop_output(self._being_replaced)

    def drop_output(self, kernel_session: str) -> None:
        """What that process has published and no client was sent, now or later, is left out, with a notice."""
        session = self._session
        self._being_replaced, self._dropped = None, kernel_session
        session.change(lambda: session.spill.forget(session.outbox.end_process(kernel_session)))

    def interrupted(self) -> None:
        """See ``ProcessListener``: of the text of the running cell head and tail are enough."""
        self._session.change(self._session.outbox.interrupt)

    def greet_again(self, kernel_session: str | None) -> None:
        """A process that has replaced another, also at the same address, must greet stdin before it can ask for input.

        The kernel has been heard since: one whose processes all speak under one session must not be taken for the old one.
        """
        if kernel_session is not None and kernel_session == self._dropped:
            self._dropped = None
            self._session.change(self._session.outbox.resume_process)
        stdin: Any = self._session.channels.get("stdin")
        if kernel_session != self._greeted_by and isinstance(stdin, Channel):
            stdin.greeted = False
        self._greeted_by = kernel_session
