"""The mailbox of a session: its outbox and its channels, and what of them outlives a WebSocket.

Every message for the session goes through its outbox, whether somebody is connected or not: a connected session's
``Writer`` takes from it at once, a detached one's messages wait there. Nobody else reads its shell, control and stdin
sockets. Must not write to a WebSocket and must not decide how long a detached session is kept.
Cost: one append a batch.
"""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Literal

from jupyter_client.session import Session
from tornado.ioloop import IOLoop

from .. import _core
from ..errors import OutboxFailed
from ..messages import adapt, notices, redact
from ..messages.keys import Keys
from ..record.counters import TOTALS
from ..record.faults import FaultLog
from ..record.log_lines import shown_key
from ..sockets.channel import Channel
from .facts import Bounds, Identity, SessionStats
from .hold import Hold
from .spill import Spill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..client.outbound import Writer
    from ..record.losses import Losses

Protocol = Literal["v1", "legacy"]

NOTEWORTHY = 1 << 20
"""Bytes below which a session is not worth a look at the bounds of all sessions."""


class ClientSession:
    """See the head of the file."""

    def __init__(
        self,
        identity: Identity,
        session: Session,
        manager: Any,
        protocol: Protocol,
        log: logging.Logger,
        *,
        peers: "Callable[[], Iterable[ClientSession]]" = tuple,
    ) -> None:
        """``manager`` is the multi kernel manager, whose ``allow_tracebacks`` counts; ``peers`` are the kernel's sessions."""
        self.identity = identity
        self.tally = SessionStats()
        self.session = session
        self.keys = Keys(session)
        self.protocol: Protocol = protocol
        self.outbox = _core.Outbox(protocol)
        self.overflow = Spill(self.outbox, self._restored, log)
        self.overflow.failed = self._disk_failed
        self.overflow.broken = self.fail
        self.legacy_verifier: _core.Receiver | None = None
        """Verifies what the feed brings, where the feed itself does not."""
        self.own: set[str | bytes] = set()
        """The server's own messages that wait: no hook is asked about them."""
        self.channels: dict[str, Any] = {}
        self.losses: Losses | None = None
        """Those of the kernel, which sees the replies to this session too."""
        self.bounds = Bounds()
        self.log = log
        self.complaints = FaultLog(log, f"session {shown_key(identity.key)}")
        self.delivery: Writer | None = None
        self.closed = False
        self.restart_announce_delay = 0.0
        """Seconds after which this session is told of a restart that another client asked for, 0 for never."""
        self.drops_output_on_restart = False
        """Whether a requested restart leaves out what the process before has published."""
        self.replaced: str | None = None
        """``header.session`` of a process that is being replaced: the first message of another one ends it."""
        self.too_full: Callable[[], None] = lambda: None
        """Called when even what must never be left out does not fit any more."""
        self.broken: Callable[[], None] = lambda: None
        """Called when the outbox has failed: ends the session."""
        self.on_attach: Callable[[], None] = lambda: None
        """Called when a client is there again, and when the session ends."""
        self.expiry: asyncio.TimerHandle | None = None
        """Ends the session if nobody comes back for it."""
        self.way_changed: Callable[[], None] = lambda: None
        """Called when messages begin to pass hooks: they must see each message as the kernel sent it."""
        self.grown: Callable[[], None] = lambda: None
        """Called after each batch: the bounds of all sessions together may be reached."""
        self.manager = manager
        self._announced: str | None = None
        """The process after which a restart was announced last; None once the client has asked another one for work."""
        self._ended: str | None = None
        """The process whose output is left out."""
        self._greeted_by: str | None = None
        """The process that stdin was last asked of."""
        self._loop = asyncio.get_running_loop()
        self._peers = peers
        self._hold = Hold(self._hold_feed, self._others_read)

    # channels

    def adopt(self, channels: dict[str, Any]) -> None:
        """Takes the session's channels over; from now on they bring their batches here."""
        self.channels = channels
        self.losses = getattr(getattr(channels.get("iopub"), "feed", None), "losses", None)
        for name, channel in channels.items():
            if hasattr(channel, "on_batch"):
                channel.on_batch(self.take_in if name == "iopub" else self.receive)

    def greet_again(self, kernel_session: str | None) -> None:
        """A process that has replaced another, also at the same address, must greet stdin before it can ask for input.

        The kernel has been heard since: one whose processes all speak under one session must not be taken for the old one.
        """
        if kernel_session is not None and kernel_session == self._ended:
            self._ended = None
            self._change(self.outbox.resume_process)
        stdin = self.channels.get("stdin")
        if kernel_session != self._greeted_by and isinstance(stdin, Channel):
            stdin.greeted = False
        self._greeted_by = kernel_session

    def move_channels(self) -> None:
        """The kernel has new ports: shell, control and stdin go there, if they are open. The feed moves itself."""
        for channel in self.channels.values():
            if hasattr(channel, "move") and not channel.closed():
                channel.move()

    # messages of the kernel

    def receive(self, batch: _core.Batch) -> None:
        """The next batch of a channel whose socket only this session reads."""
        self.complaints.add_all(batch.channel, batch.malformed)
        if len(batch):
            TOTALS.received(batch.channel, len(batch), batch.size)
        adapt.describe(batch, self.session)
        if self.losses is not None:
            self.losses.note(batch)
        redact.hide_tracebacks(batch, self.manager, self.session)
        self.take_in(batch)

    def take_in(self, batch: _core.Batch) -> None:
        """Appends a batch to the outbox; the feed calls this with batches that all its sessions share."""
        try:
            self._take_in(batch)
        except OutboxFailed as error:
            self.fail(error)

    def fail(self, error: OutboxFailed) -> None:
        """The outbox has discarded what it held: the session ends, once, and its client is told when it is back."""
        if not self.closed:
            self.log.error("%s is ended: %s; please report the panic on stderr", shown_key(self.identity.key), error)
            self.broken()

    def _take_in(self, batch: _core.Batch) -> None:
        if self.legacy_verifier is not None and batch.channel == "iopub":
            batch = self.legacy_verifier.split("iopub", [batch.frames(index) for index in range(len(batch))])
            self.complaints.add_all("iopub", batch.malformed)
        if self.closed or not len(batch):
            return
        if batch.kernel_session not in (None, self.tally.kernel_session):
            self.tally.kernel_session = batch.kernel_session
            self._end_replaced()
        if adapt.is_old_kernel(self.session):
            adapt.for_old_kernel(batch, self.session)
        if self.protocol == "legacy":
            adapt.for_legacy(batch, self.session)
        if self.delivery is not None:
            self.delivery.accept(batch)
        else:
            self.append(batch, 0, len(batch))
        if self.protocol == "legacy":
            self.complaints.add_all(batch.channel, batch.refused("legacy"))
        self._bound()

    @property
    def voice(self) -> notices.ServerMessages:
        """How the server itself speaks to this session."""
        return notices.ServerMessages(self.session, self.protocol, self.tally.kernel_session)

    def append(self, batch: _core.Batch, start: int, stop: int) -> None:
        # the clock by which ``Writer`` takes: asyncio's is another one, and nothing would be seen to be recent
        self.outbox.append(batch, start, stop, IOLoop.current().time())

    def append_own(self, payload: str | bytes) -> None:
        """Appends a message of the server's own, in its place among the IOPub messages."""
        self.own.add(payload)
        try:
            self.outbox.append_own(payload)
        except OutboxFailed as error:
            self.fail(error)
        if self.delivery is not None:
            self.delivery.pump()

    # what becomes of the kernel's process

    def announce(self, state: str, gone: str | None = None) -> None:
        """Appends ``restarting`` or ``dead``. It is told until it has arrived, or the client is known to know.

        ``gone`` is the ``header.session`` of the process that it is about, by default of the last one that was heard. That
        a process dies which nobody has heard, since the last one was announced to be gone, is no news.
        """
        feed = getattr(self.channels.get("iopub"), "feed", None)
        of_process = gone or (None if feed is None else feed.kernel_session)
        if state == "restarting" and of_process is not None and of_process == self._announced:
            return
        self._announced = of_process
        payload = self.voice.status(state)
        self.own.add(payload)
        self._change(self.outbox.announce, payload)

    def requested(self) -> None:
        """The client has asked the kernel for work, the present process: it is not told any more of the one before."""
        self.tally.requested_at = self._loop.time()
        self._announced = None
        with self._ending_if_failed():
            self.outbox.withdraw_announcements()

    def expect_replacement(self, kernel_session: str | None) -> None:
        """A client has asked for a restart of the process that speaks as ``kernel_session``; None: it was not done."""
        self.replaced = kernel_session if self.drops_output_on_restart else None

    def end_process(self, kernel_session: str) -> None:
        """What that process has published and no client was sent, now or later, is left out, with a notice."""
        self.replaced, self._ended = None, kernel_session
        self._change(lambda: self.overflow.forget(self.outbox.end_process(kernel_session)))

    def _end_replaced(self) -> None:
        """The boundary is ``header.session``: another process was heard, or the restart is done."""
        if self.replaced is not None and self.tally.kernel_session != self.replaced:
            self.end_process(self.replaced)

    def restarted(self) -> None:
        """The restart that a client asked for is done."""
        if self.replaced is not None:
            self.end_process(self.replaced)

    def interrupt(self) -> None:
        """The kernel is being interrupted: of the text of its cell head and tail are enough."""
        self._change(self.outbox.interrupt)

    def _change(self, change: "Callable[..., object]", *arguments: Any) -> None:
        """Changes the outbox, and lets leave what may leave then."""
        with self._ending_if_failed():
            change(*arguments)
            if self.delivery is not None:
                self.delivery.pump()

    @contextlib.contextmanager
    def _ending_if_failed(self) -> "Iterator[None]":
        try:
            yield
        except OutboxFailed as error:
            self.fail(error)

    # bounds

    def _bound(self) -> None:
        if not self.overflow.enforce_limit(self.bounds.server[0]):
            self.too_full()
        if self.overflow.memory_bytes() > NOTEWORTHY:
            self.grown()
        if self.overflow.behind:
            self._hold.begin()

    def _hold_feed(self, hold: bool) -> None:
        feed = getattr(self.channels.get("iopub"), "feed", None)
        if feed is not None:
            feed.hold(id(self), hold)

    def _others_read(self) -> bool:
        return any(peer.reads for peer in self._peers() if peer is not self)

    @property
    def reads(self) -> bool:
        """Whether there is a client that takes what comes: no more waits than memory may hold."""
        return self.delivery is not None and self.overflow.memory_bytes() <= self.overflow.memory_limit

    def _disk_failed(self) -> None:
        TOTALS.disk_failures += 1
        self.complaints.trouble.note("disk")

    def _restored(self) -> None:
        if not self.overflow.behind:
            self._hold.end()
        if self.delivery is not None:
            self.delivery.pump()

    # the client comes and goes

    def resumed_by(self, session: Session) -> None:
        """The session's new connection knows the kernel's present key and protocol."""
        self.session.key = session.key
        self.session.signature_scheme = session.signature_scheme
        self.session.adapt_version = session.adapt_version

    def attach(self, delivery: "Writer", protocol: Protocol) -> None:
        """A client is there: what it has not acknowledged is due again, then what waits, then live messages."""
        again = self.tally.detached_at is not None
        self._cancel_expiry()
        self.on_attach()
        self.on_attach = lambda: None
        self.tally.attached_at, self.tally.detached_at = self._loop.time(), None
        self.tally.resumes += again
        self.tally.left = False
        self.protocol = protocol
        self.delivery = delivery
        try:
            self.outbox.attach(protocol)
        except OutboxFailed as error:
            self.fail(error)

    def _cancel_expiry(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None

    def detach(self, *, heard: bool = False) -> None:
        """The client is gone. The outbox goes on filling. ``heard``: it closed after it was sent every announcement."""
        self.delivery = None
        self.tally.detached_at = self._loop.time()
        try:
            self.outbox.detach(heard=heard)
        except OutboxFailed as error:
            self._loop.call_soon(self.fail, error)  # once whoever detaches has settled what becomes of the session

    def close(self) -> None:
        """Frees everything: sockets, messages, and what is on disk."""
        if self.closed:
            return
        self.closed = True
        self._hold.end()
        self._cancel_expiry()
        self.delivery = None
        self._cancel_expiry()
        self.on_attach()
        for channel in self.channels.values():
            if channel is not None and not channel.closed():
                channel.close()
        with contextlib.suppress(OutboxFailed):  # empty all the same
            self.outbox.clear()
        self.overflow.close()
        TOTALS.ended.add(self.outbox.stats(), self.tally.resumes)
