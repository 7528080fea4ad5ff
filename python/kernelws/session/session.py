"""``ClientSession``: the outbox and the channels of one client, which outlive its WebSockets.

Every message for the client is appended to the outbox. A connected client is woken and takes it from there at once; without
a client the messages stay queued. Only the session reads its shell, control and stdin sockets.
Must not write to a WebSocket and must not decide how long a detached session is kept. Cost: one append a batch.
"""

import asyncio
import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from jupyter_client.session import Session
from jupyter_core.paths import jupyter_runtime_dir

from .. import _core, states
from ..errors import OutboxFailed
from ..kernel.connect import move
from ..kernel.kernel import Kernel
from ..messages import adapt, notices, redact
from ..messages.keys import Keys
from ..record.counters import TOTALS
from ..record.faults import FaultLog
from ..record.log_lines import shown_key
from .client import Client
from .facts import Identity, SessionStats
from .hold import Hold
from .limiter import DropLimiter
from .processes import Processes
from .replays import Replays
from .spill import Spill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .limits import Limits

Subprotocol = Literal["v1", "legacy"]

SERVER_CHECK_BYTES = 1 << 20
"""Bytes. A session with less memory does not check the limits of all sessions, to save time."""


class Keeper(Protocol):
    """The registry, as a session sees it."""

    def end_overfull(self, session: "ClientSession") -> None:
        """Ends a session that is over its limits although everything that may be dropped was dropped."""

    def end_failed(self, session: "ClientSession") -> None:
        """Ends a session whose outbox failed and discarded its messages."""

    def enforce_limits(self, limits: "Limits") -> None:
        """Evicts detached sessions if all sessions together exceed a limit."""

    def memory(self) -> int:
        """Bytes of memory of all outboxes. A message that several outboxes share counts once."""

    def end_gone(self, session: "ClientSession") -> None:
        """Ends a detached session because its kernel was removed."""

    def end_lost(self, session: "ClientSession", error: Exception) -> None:
        """Ends a session whose sockets cannot be opened at the kernel's new address."""


class ClientSession:
    """One client's session. Implements ``KernelListener`` and ``SpillOwner``."""

    def __init__(
        self,
        identity: Identity,
        session: Session,
        kernel: Kernel,
        manager: Any,
        *,
        protocol: Subprotocol,
        log: logging.Logger,
        keeper: Keeper,
        limits: "Limits",
    ) -> None:
        """``session`` is jupyter_client's Session, ``manager`` the multi kernel manager."""
        self.identity = identity
        self.name = shown_key(identity.key)
        """The session key for log lines."""
        self.stats = SessionStats()
        self.machine = states.Machine(states.SESSION_TRANSITIONS, states.SessionState.ATTACHED)
        self.session = session
        self.keys = Keys(session)
        self.kernel = kernel
        self.manager = manager
        self.protocol: Subprotocol = protocol
        self.log = log
        self.faults = FaultLog(log, f"session {self.name}")
        self.limits = limits
        self.outbox = _core.Outbox(protocol)
        self.spill = Spill(self.outbox, self, log, keeper.memory)
        self.legacy_verifier: _core.Receiver | None = None
        """Verifies IOPub messages for a legacy client if the kernel's feed does not (``verify_signatures`` is off)."""
        self.own: set[str | bytes] = set()
        """The server's own messages in the outbox, which must not go through hooks."""
        self.channels: dict[str, Any] = {}
        self.client: Client | None = None
        self.expiry: asyncio.TimerHandle | None = None
        """The timer that ends the session if no client resumes it."""
        self.limiter: DropLimiter | None = None
        """The current connection's limiter."""
        self.processes = Processes(self)
        self.replays = Replays(self)
        self._keeper = keeper
        self._per_message = self._drops = False
        self._loop = asyncio.get_running_loop()
        self._hold = Hold(self._hold_feed, self._others_read)
        self._configure()
        kernel.attach(self)

    # settings

    def follow(self, limits: "Limits", *, per_message: bool) -> None:
        """Applies the current connection's settings. ``per_message``: its messages go through hooks."""
        if (limits, per_message) != (self.limits, self._per_message):
            self.limits, self._per_message = limits, per_message
            self._configure()

    def _configure(self) -> None:
        limits, directory = self.limits, Path(self.limits.spool_dir or jupyter_runtime_dir())
        self._drops = limits.drops and not self._per_message
        self.outbox.configure(
            hold=limits.holds,
            msg_limit=limits.iopub_msg_rate_limit,
            data_limit=limits.iopub_data_rate_limit,
            rate_window=limits.rate_limit_window,
            merge_window=0.0 if self._per_message else limits.stream_merge_window,
            backlog_limit=limits.stream_backlog_limit,
            interrupt_limit=limits.interrupt_backlog_limit,
            memory_limit=limits.session_memory_limit,
            high_water=limits.write_high_water,
        )
        self.spill.configure(limits.session_memory_limit, limits.session_disk_limit, directory)

    # channels

    def adopt(self, channels: dict[str, Any]) -> None:
        """Takes ownership of the channels and appends their batches from now on."""
        self.channels = channels
        for name, channel in channels.items():
            if hasattr(channel, "on_batch"):
                channel.on_batch(self.append_shared if name == "iopub" else self.append_private)

    # messages of the kernel

    def append_private(self, batch: _core.Batch) -> None:
        """Prepares and appends a batch from a socket that only this session reads. The kernel prepares shared ones."""
        self.faults.add_all(batch.channel, batch.malformed)
        if len(batch):
            TOTALS.received(batch.channel, len(batch), batch.size)
        adapt.describe(batch, self.session)
        if lost := self.kernel.losses.numbers.note(batch, time.monotonic()):
            self.kernel.losses.tell(lost)
        redact.hide_tracebacks(batch, self.manager, self.session)
        if self.kernel.journal is not None:
            self.kernel.journal.take(batch)
        self.append_shared(batch)

    def append_shared(self, batch: _core.Batch) -> None:
        """Appends a prepared batch. May adapt it first, although other sessions share it: each would adapt it the same way."""
        try:
            self._append_batch(batch)
        except OutboxFailed as error:
            self.outbox_failed(error)

    def _append_batch(self, batch: _core.Batch) -> None:
        if self.legacy_verifier is not None and batch.channel == "iopub":
            batch = self.legacy_verifier.split("iopub", [batch.frames(index) for index in range(len(batch))])
            self.faults.add_all("iopub", batch.malformed)
        if self.closed or not len(batch):
            return
        if batch.kernel_session not in (None, self.stats.kernel_session):
            self.stats.kernel_session = batch.kernel_session
            self.processes.heard(batch.kernel_session)
        legacy = self.protocol == "legacy"
        if self.session.adapt_version and adapt.is_old_kernel(self.session):
            adapt.for_old_kernel(batch, self.session)
        if legacy and batch.unusual():
            adapt.for_legacy(batch, self.session)
        if self._drops and self.limiter is not None and batch.channel == "iopub":
            self.limiter.admit(batch, self.limits, self._append)
        else:
            self._append(batch, 0, len(batch))
        if self.client is not None:
            self.client.wake()
        if legacy and (refused := batch.refused("legacy")):
            self.faults.add_all(batch.channel, refused)
        self.enforce_limits()

    def _append(self, batch: _core.Batch, start: int, stop: int) -> None:
        self.outbox.append(batch, start, stop, time.time())  # the clock of tornado's IOLoop, which ``Writer`` uses too

    # messages of the server itself

    @property
    def server_messages(self) -> notices.ServerMessages:
        """Builds the server's own messages for this session."""
        return notices.ServerMessages(self.session, self.protocol, self.stats.kernel_session)

    def append_own(self, payload: str | bytes) -> None:
        """Appends one of the server's own messages after the IOPub messages that are queued."""
        self.own.add(payload)
        self.change(self.outbox.append_own, payload)

    # events of the kernel

    def moved(self, kernel_manager: Any) -> None:
        """See ``KernelListener``. Takes the new key, and reconnects shell, control and stdin if they are open."""
        if self.client is not None:
            self.client.moved(kernel_manager.session)
        try:
            move(self.session, self.channels, kernel_manager)
        except Exception as error:  # noqa: BLE001 - any error of a kernel manager's connect_*()
            self._keeper.end_lost(self, error)

    def gone(self) -> None:
        """See ``KernelListener``."""
        self._keeper.end_gone(self)

    def change(self, change: "Callable[..., object]", *arguments: Any) -> None:
        """Calls ``change``, a method of the outbox, and wakes the client. Ends the session if the outbox fails."""
        with self.ending_if_failed():
            change(*arguments)
            if self.client is not None:
                self.client.wake()

    @contextlib.contextmanager
    def ending_if_failed(self) -> "Iterator[None]":
        try:
            yield
        except OutboxFailed as error:
            self.outbox_failed(error)

    def outbox_failed(self, error: OutboxFailed) -> None:
        """Ends the session, because its outbox has failed and discarded its messages."""
        if not self.closed:
            self.log.error("%s is ended: %s; please report the panic on stderr", self.name, error)
            self._keeper.end_failed(self)

    # limits

    def enforce_limits(self) -> None:
        """Spills, drops or ends what exceeds the limits."""
        memory = self.outbox.memory()
        if memory > self.limits.session_memory_limit and not self.spill.enforce_limit(self.limits.outbox_memory_limit):
            self._keeper.end_overfull(self)
            return
        if memory > SERVER_CHECK_BYTES:
            self._keeper.enforce_limits(self.limits)
        if memory > self.limits.session_memory_limit and self.spill.behind:
            self._hold.begin()

    def _hold_feed(self, hold: bool) -> None:
        self.kernel.feed.hold(id(self), hold)

    def _others_read(self) -> bool:
        return any(other.reads for other in self.kernel.listeners if other is not self)

    @property
    def reads(self) -> bool:
        """Whether a client is connected and keeps up, so that the queue fits into the session's memory limit."""
        return self.client is not None and self.outbox.limited_memory() <= self.limits.session_memory_limit

    def disk_failed(self) -> None:
        """See ``SpillOwner``."""
        TOTALS.disk_failures += 1
        self.faults.last_fault.note("disk")

    def restored(self) -> None:
        """See ``SpillOwner``."""
        if not self.spill.behind:
            self._hold.end()
        if self.client is not None:
            self.client.wake()

    # attaching and detaching

    @property
    def closed(self) -> bool:
        return self.machine.state is states.SessionState.ENDED

    def resumed_by(self, session: Session) -> None:
        """Copies the kernel's current key and protocol version from the new connection's Session."""
        self.session.key, self.session.signature_scheme = session.key, session.signature_scheme
        self.session.adapt_version = session.adapt_version

    def attach(self, client: Client, protocol: Subprotocol, limiter: DropLimiter) -> None:
        """Binds a new connection. It gets the unacknowledged messages first, then the queued ones, then new ones."""
        self.machine.on(states.SessionEvent.ATTACH)
        self._cancel_expiry()
        self._unwatch()
        self.stats.resumes += self.stats.detached_at is not None
        self.stats.caught_up = self.outbox.stats().waiting
        self.stats.attached_at, self.stats.detached_at, self.stats.page_closed = self._loop.time(), None, False
        self.protocol, self.client, self.limiter = protocol, client, limiter
        with self.ending_if_failed():
            if self.outbox.attach(protocol):
                self.processes.lost()
        if self.processes.unsure:
            self.processes.attached()

    def detach(self, *, heard: bool = False) -> None:
        """Unbinds the connection; new messages are still queued. ``heard``: announcements that were sent have arrived."""
        self.client = self.limiter = None
        if self.machine.on(states.SessionEvent.DETACH):
            self.stats.detached_at = self._loop.time()
            self._watch()
        try:
            if self.outbox.detach(heard=heard):
                self.processes.lost()
        except OutboxFailed as error:
            self._loop.call_soon(self.outbox_failed, error)  # later: the caller first keeps or ends the session

    def _watch(self) -> None:
        """Asks the kernel manager to report automatic restarts. While a client is connected, its link does that."""
        if self.identity.kernel_id in self.manager:
            self.manager.add_restart_callback(self.identity.kernel_id, self.processes.restarted)

    def _unwatch(self) -> None:
        if self.stats.detached_at is not None and self.identity.kernel_id in self.manager:
            self.manager.remove_restart_callback(self.identity.kernel_id, self.processes.restarted)

    def _cancel_expiry(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None

    def close(self) -> None:
        """Ends the session: closes its sockets and frees its messages in memory and on disk. A second call does nothing."""
        if not self.machine.on(states.SessionEvent.END):
            return
        self.kernel.leave(self)
        self._hold.end()
        self._cancel_expiry()
        self._unwatch()
        self.client = self.limiter = None
        for channel in self.channels.values():
            if channel is not None and not channel.closed():
                channel.close()
        with contextlib.suppress(OutboxFailed):  # a failed outbox is empty too
            self.outbox.clear()
        self.spill.close()
        TOTALS.ended.add(self.outbox.stats(), self.stats.resumes)
