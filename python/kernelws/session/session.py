"""A client's session: its outbox and its channels, and what of them outlives a WebSocket.

Every message for the session is appended to its outbox, whether a client is connected or not: a connected one is woken and takes
from it at once, else messages wait there. Nobody else reads the session's shell, control and stdin sockets.
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
from .spill import Spill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .limits import Limits

Subprotocol = Literal["v1", "legacy"]

SERVER_CHECK_BYTES = 1 << 20
"""Bytes below which a session is not worth a look at the bounds of all sessions."""


class Keeper(Protocol):
    """Who keeps sessions: the registry of a server."""

    def end_overfull(self, session: "ClientSession") -> None:
        """Even what must never be left out does not fit any more."""

    def end_failed(self, session: "ClientSession") -> None:
        """The outbox has discarded what it held."""

    def enforce_limits(self, limits: "Limits") -> None:
        """The bounds of all sessions together may be reached."""

    def end_gone(self, session: "ClientSession") -> None:
        """Its kernel is gone."""

    def end_lost(self, session: "ClientSession", error: Exception) -> None:
        """Its sockets cannot be opened at the kernel's new address."""


class ClientSession:
    """See the head of the file. A listener of its kernel."""

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
        """``manager`` is the multi kernel manager, whose ``allow_tracebacks`` counts."""
        self.identity = identity
        self.name = shown_key(identity.key)
        """For log lines."""
        self.stats = SessionStats()
        self.machine: states.Machine[states.SessionState, states.SessionEvent] = states.Machine(
            states.SESSION_TRANSITIONS, states.SessionState.ATTACHED
        )
        self.session = session
        self.keys = Keys(session)
        self.kernel = kernel
        self.manager = manager
        self.protocol: Subprotocol = protocol
        self.log = log
        self.faults = FaultLog(log, f"session {self.name}")
        self.limits = limits
        self.outbox = _core.Outbox(protocol)
        self.spill = Spill(self.outbox, self, log)
        self.legacy_verifier: _core.Receiver | None = None
        """Verifies what the kernel's feed brings, where the feed itself does not."""
        self.own: set[str | bytes] = set()
        """The server's own messages that wait: no hook is asked about them."""
        self.channels: dict[str, Any] = {}
        self.client: Client | None = None
        self.expiry: asyncio.TimerHandle | None = None
        """Ends the session if its client does not resume it."""
        self.limiter: DropLimiter | None = None
        """That of the present connection."""
        self.processes = Processes(self)
        self._keeper = keeper
        self._per_message = self._drops = False
        self._loop = asyncio.get_running_loop()
        self._hold = Hold(self._hold_feed, self._others_read)
        self._configure()
        kernel.attach(self)

    # settings

    def follow(self, limits: "Limits", *, per_message: bool) -> None:
        """Takes the settings of its present connection; nothing where they are the same."""
        if (limits, per_message) != (self.limits, self._per_message):
            self.limits, self._per_message = limits, per_message
            self._configure()

    def _configure(self) -> None:
        limits = self.limits
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
        directory = Path(limits.spool_dir or jupyter_runtime_dir())
        self.spill.configure(limits.session_memory_limit, limits.session_disk_limit, directory)

    # channels

    def adopt(self, channels: dict[str, Any]) -> None:
        """Takes the session's channels over; from now on they bring their batches here."""
        self.channels = channels
        for name, channel in channels.items():
            if hasattr(channel, "on_batch"):
                channel.on_batch(self.append_shared if name == "iopub" else self.append_private)

    # messages of the kernel

    def append_private(self, batch: _core.Batch) -> None:
        """The next batch of a channel whose socket only this session reads."""
        if batch.malformed:
            self.faults.add_all(batch.channel, batch.malformed)
        if len(batch):
            TOTALS.received(batch.channel, len(batch), batch.size)
        adapt.describe(batch, self.session)
        if lost := self.kernel.losses.numbers.note(batch, time.monotonic()):
            self.kernel.losses.tell(lost)
        redact.hide_tracebacks(batch, self.manager, self.session)
        self.append_shared(batch)

    def append_shared(self, batch: _core.Batch) -> None:
        """Appends a batch to the outbox; the kernel calls this with batches that all its sessions share."""
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
        client = self.client
        if self._drops and self.limiter is not None and batch.channel == "iopub":
            self.limiter.admit(batch, self.limits, self._append)
        else:
            self._append(batch, 0, len(batch))
        if client is not None:
            client.wake()
        if legacy and (refused := batch.refused("legacy")):
            self.faults.add_all(batch.channel, refused)
        self._enforce_limits()

    def _append(self, batch: _core.Batch, start: int, stop: int) -> None:
        self.outbox.append(batch, start, stop, time.time())  # tornado's clock, by which the client takes

    # messages of the server itself

    @property
    def server_messages(self) -> notices.ServerMessages:
        """How the server itself speaks to this session."""
        return notices.ServerMessages(self.session, self.protocol, self.stats.kernel_session)

    def append_own(self, payload: str | bytes) -> None:
        """Appends a message of the server's own, in its place among the IOPub messages."""
        self.own.add(payload)
        self.change(self.outbox.append_own, payload)

    # what becomes of the kernel

    def moved(self, kernel_manager: Any) -> None:
        """See ``KernelListener``: shell, control and stdin go there, if they are open, and what is sent is signed for it."""
        there = kernel_manager.session
        self.session.key, self.session.signature_scheme = there.key, there.signature_scheme
        if self.client is not None:
            self.client.moved(there)
        try:
            for channel in self.channels.values():
                if hasattr(channel, "move") and not channel.closed():
                    channel.move()
        except Exception as error:  # noqa: BLE001 - whatever a kernel manager's connect_*() raises
            self._keeper.end_lost(self, error)

    def gone(self) -> None:
        """See ``KernelListener``."""
        self._keeper.end_gone(self)

    def change(self, change: "Callable[..., object]", *arguments: Any) -> None:
        """Changes the outbox, and lets leave what may leave then."""
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
        """The outbox has discarded what it held: the session ends, once, and its client is told when it resumes."""
        if not self.closed:
            self.log.error("%s is ended: %s; please report the panic on stderr", self.name, error)
            self._keeper.end_failed(self)

    # bounds

    def _enforce_limits(self) -> None:
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
        """Whether there is a client that takes what comes: no more waits than memory may hold."""
        return self.client is not None and self.outbox.memory() <= self.limits.session_memory_limit

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

    # the client comes and goes

    @property
    def closed(self) -> bool:
        return self.machine.state is states.SessionState.ENDED

    def resumed_by(self, session: Session) -> None:
        """The session's new connection knows the kernel's present key and protocol."""
        self.session.key, self.session.signature_scheme = session.key, session.signature_scheme
        self.session.adapt_version = session.adapt_version

    def attach(self, client: Client, protocol: Subprotocol, limiter: DropLimiter) -> None:
        """A client is there: what it has not acknowledged is due again, then what waits, then live messages."""
        self.machine.on(states.SessionEvent.ATTACH)
        self._cancel_expiry()
        self._unwatch()
        self.stats.resumes += self.stats.detached_at is not None
        self.stats.attached_at, self.stats.detached_at = self._loop.time(), None
        self.stats.page_closed = False
        self.protocol, self.client, self.limiter = protocol, client, limiter
        with self.ending_if_failed():
            self.outbox.attach(protocol)

    def detach(self, *, heard: bool = False) -> None:
        """The client is gone. The outbox goes on filling. ``heard``: it closed after it was sent every announcement."""
        self.client = self.limiter = None
        if self.machine.on(states.SessionEvent.DETACH):
            self.stats.detached_at = self._loop.time()
            self._watch()
        try:
            self.outbox.detach(heard=heard)
        except OutboxFailed as error:
            self._loop.call_soon(self.outbox_failed, error)  # once whoever detaches has settled what becomes of the session

    def _watch(self) -> None:
        """Hears of automatic restarts by itself; a connected session's WebSocket does that for it."""
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
        """Frees everything: sockets, messages, and what is on disk."""
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
        with contextlib.suppress(OutboxFailed):  # empty all the same
            self.outbox.clear()
        self.spill.close()
        TOTALS.ended.add(self.outbox.stats(), self.stats.resumes)
