"""What one session does when its kernel restarts, dies or is interrupted.

An automatic restart or a death is announced to every session, connected or detached, after all messages of the process that
died. After a restart that a client asked for, the old process's output is dropped; only its replies are still sent.
``announcing`` decides which sessions are told of such a restart. A page with the extension of JupyterLab gets
``kernelws_restarted``, and any other client the status ``restarting``, at which JupyterLab says that the kernel has died.
Must not write to a WebSocket. Cost: nothing a message.
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
    """The session, as ``Processes`` sees it."""

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
    def append_own(self, payload: str | bytes) -> None: ...
    def outbox_failed(self, error: OutboxFailed) -> None: ...


class Processes:
    """Follows the processes of the kernel for one session. Implements ``ProcessListener``.

    A process is identified by the ``header.session`` of its messages.
    """

    def __init__(self, session: ProcessOwner) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._being_replaced: str | None = None
        """The process that a client's restart is replacing; None once another process has sent a message."""
        self._announced: str | None = None
        """The process whose end was announced last; None once the client has sent a request after it."""
        self._dropped: str | None = None
        """The process whose output is dropped."""
        self._greeted_by: str | None = None
        """The process that the last shell message was sent to. If it changes, stdin needs a new greeting."""
        self._last = "restarting"
        """The state that was announced last."""
        self.unsure = False
        """Whether the last announcement may not have arrived: a connection was lost before the client acknowledged it."""

    def announce(self, state: str, gone: str | None = None) -> None:
        """Appends ``restarting``, ``restarted`` or ``dead``. Repeated until the client has received it or has sent a request.

        ``gone`` is the process that has ended, by default the one that sent the kernel's last message.
        """
        session = self._session
        process = gone or session.kernel.kernel_session
        if state != "dead" and not announcing.is_news(process, self._announced):
            return
        self._announced = process
        self._append(state)

    def _append(self, state: str) -> None:
        session = self._session
        self._last, self.unsure = state, False
        messages = session.server_messages
        payload = messages.restarted() if state == "restarted" else messages.status(state)
        session.own.add(payload)
        session.change(session.outbox.announce, payload)

    def lost(self) -> None:
        """A connection was lost with an announcement that was not acknowledged."""
        self.unsure = True

    def attached(self) -> None:
        """A client has connected while ``unsure``. Repeats the last announcement; unless it is ``dead``, after a delay.

        The delay is for a page that has received ``restarting`` after all, and would show its dialog again. A request that
        it sends during the delay cancels the repeat.
        """
        delay = self._session.limits.restart_announce_delay if self._last != "dead" else 0.0
        attached_at = self._session.stats.attached_at
        self._loop.call_at(announcing.repeat_at(attached_at=attached_at, delay=delay), self._repeat, attached_at)

    def _repeat(self, attached_at: float) -> None:
        stats = self._session.stats
        same_client = stats.attached_at == attached_at and stats.detached_at is None
        if self.unsure and same_client and not self._session.closed:
            self._append(self._last)

    def restarted(self) -> None:
        """Called after an automatic restart. Announces it after all messages of the process that died."""
        self._session.kernel.feed.after_drain(lambda: self.announce("restarting"))

    def requested(self) -> None:
        """The client has sent a request to the current process. Withdraws announcements about earlier ones."""
        self._session.stats.requested_at = self._loop.time()
        self._announced, self.unsure = None, False
        try:
            self._session.outbox.withdraw_announcements()
        except OutboxFailed as error:
            self._session.outbox_failed(error)

    def up_again(self, began: float, gone: str | None) -> None:
        """See ``ProcessListener``. Schedules the announcement, if this session needs one."""
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
            self.announce("restarted" if self._session.stats.announced else "restarting", gone)

    def replacing(self, kernel_session: str | None) -> None:
        """See ``ProcessListener``."""
        self._being_replaced = kernel_session if self._session.limits.drop_output_on_restart else None

    def replaced(self) -> None:
        """See ``ProcessListener``."""
        if self._being_replaced is not None:
            self.drop_output(self._being_replaced)

    def heard(self, kernel_session: str) -> None:
        """A message of another process than the last one has arrived."""
        if self._being_replaced is not None and kernel_session != self._being_replaced:
            self.drop_output(self._being_replaced)

    def drop_output(self, kernel_session: str) -> None:
        """Drops all unsent output of that process, also output that arrives later. One notice says how much."""
        session = self._session
        self._being_replaced, self._dropped = None, kernel_session
        session.change(lambda: session.spill.forget(session.outbox.end_process(kernel_session)))

    def died(self, text: str | None, parents: list[dict[str, Any]]) -> None:
        """See ``ProcessListener``. The client shows the text below the cells that were running."""
        if text is not None:
            for parent in parents:
                self._session.append_own(self._session.server_messages.stream(text, parent))

    def interrupted(self) -> None:
        """See ``ProcessListener``. Shortens the queued text of the running cell to ``interrupt_backlog_limit``."""
        self._session.change(self._session.outbox.interrupt)

    def greet_again(self, kernel_session: str | None) -> None:
        """Called before each shell message with the current process. A new process must greet stdin before it can prompt.

        Also stops dropping output if the new process uses the same ``header.session`` as the old one.
        """
        if kernel_session is not None and kernel_session == self._dropped:
            self._dropped = None
            self._session.change(self._session.outbox.resume_process)
        stdin: Any = self._session.channels.get("stdin")
        if kernel_session != self._greeted_by and isinstance(stdin, Channel):
            stdin.greeted = False
        self._greeted_by = kernel_session
