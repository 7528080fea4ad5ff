"""``Kernel``: one kernel's address, processes and feed, and the sessions that listen to it.

Each batch of its IOPub is split, verified and read once, then counted as activity, then passed to each subscriber in order. A
kernel is *proven* once a message of its current process has arrived on the current subscription; until then a client that
connects has to probe it. Must not know clients: sessions are ``KernelListener``s, and an error in one must not affect another.
Cost: one call a subscriber and batch.
"""

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core
from ..messages import adapt, redact
from ..messages.keys import Keys, probe_session
from ..record.counters import TOTALS, Flow
from ..record.faults import FaultLog
from ..record.losses import Losses
from ..sockets.poller import take_socket
from . import death
from .auditing import KernelAudit, audit_of
from .connect import ADDRESS_TRAITS, address_of
from .feed import Feed
from .listener import ActivityListener, KernelListener, Recorder
from .proof import Proof
from .pulse import Pulse
from .status import last_status

if TYPE_CHECKING:
    import logging

    from ..sockets.channel import BatchCallback
    from ..sockets.reader import Reader

LEAVE_CHECK = 2.0
"""Seconds between two checks whether a kernel was removed, if its multi kernel manager does not have kernelws's mixin."""
ATTRIBUTE = "_kernelws"
"""The attribute of a kernel manager that holds its ``Kernel``, so that both live equally long."""


def kernel_of(kernel_manager: Any) -> "Kernel":
    """Returns the ``Kernel`` of a kernel manager. The first call creates it, not yet open."""
    kernel = known_kernel(kernel_manager)
    if kernel is None:
        kernel = Kernel(kernel_manager)
        setattr(kernel_manager, ATTRIBUTE, kernel)
    return kernel


def known_kernel(kernel_manager: Any) -> "Kernel | None":
    """Returns the ``Kernel`` of a kernel manager, or None if it has none."""
    kernel: Kernel | None = vars(kernel_manager).get(ATTRIBUTE)
    return kernel


class Kernel:
    """One kernel. ``open`` and ``close`` may be called repeatedly, in any order."""

    def __init__(self, kernel_manager: Any) -> None:
        self._manager = weakref.ref(kernel_manager)  # weak, because the manager refers to this object
        self.kernel_id: str = getattr(kernel_manager, "kernel_id", None) or ""
        self.log: logging.Logger = kernel_manager.log
        self.faults = FaultLog(self.log, f"kernel {self.kernel_id}")
        self.losses = Losses(self.faults)
        self.flow = Flow()
        """Counts the messages and bytes that the kernel has published."""
        self.proof = Proof()
        self.proven = False
        """Whether the kernel is proven and its feed is open."""
        self.feed = Feed(self, self.log)
        self.verify = True
        self.managed = False
        """Whether a multi kernel manager with kernelws's mixin opens and closes this kernel's feed."""
        self.replaced_session: str | None = None
        """``header.session`` of the last process that was replaced by a client's restart."""
        self.last_status: list[bytes] | None = None
        """The frames of the kernel's last status message; see ``status``. Those about the server's probes do not count."""
        self.session = probe_session(kernel_manager)
        """Signs the server's own probes. Clients do not get the messages that the kernel publishes about them."""
        self.journal: Recorder | None = None
        """The kernel's executions, from its first client on, unless they are off."""
        self.deaths = death.Deaths(self._manager, self.log, self.kernel_id)
        self.pulse = Pulse(self._manager, self.deaths.look, self.log, self.kernel_id)
        self.audit: KernelAudit | None = None
        """What is recorded for auditors, if that is on."""
        self._packs_json = adapt.packs_json(self.session)
        self._keys = Keys(self.session)
        self._verifier: tuple[tuple[Any, ...], _core.Receiver] | None = None
        self._activity: ActivityListener | None = None
        self._subscribers: dict[int, BatchCallback] = {}
        self._listeners: dict[int, KernelListener] = {}
        self._address: Any = None
        self._leaving = False
        """Whether the kernel has a new address and the socket of the old one is still being drained."""
        self._watching = False
        """Whether this object observes the kernel manager."""

    # opening and closing

    def open(self, *, verify: bool | None = None, lag_limit: float | None = None) -> None:
        """Opens the feed, or opens it again if the kernel's address has changed. Also notices a new process or key.

        ``verify``: whether to check signatures; ``lag_limit`` in seconds; None keeps the last value. Raises
        ``UnsupportedScheme`` if the kernel's signatures cannot be computed.
        """
        manager = self._manager()
        if manager is None:
            return
        if verify is not None:
            self.verify = verify
        if lag_limit is not None:
            self.feed.lag_limit = lag_limit
        address = address_of(manager)
        moved = self._address is not None and address != self._address
        if moved and (not self._leave() or self._address == address):  # moved while the old socket was drained
            return
        self.receiver()
        if self.feed.closed() or moved:
            self._subscribe(manager, address)
        self._check_incarnation(manager)
        for listener in self.listeners if moved else ():
            listener.moved(manager)

    def _leave(self) -> bool:
        """Reads the messages from the old address. Returns False if some are left; ``open`` is called again after them."""
        first, self._leaving = not self._leaving, True
        done = self.feed.closed() or self.feed.flush()
        if not done and first:
            self.feed.on_drained(self._open_again)
        self._leaving = not done
        return done

    def _open_again(self) -> None:
        self._leaving = False
        self.open()

    def _subscribe(self, manager: Any, address: Any) -> None:
        reader = self.feed.open(take_socket(manager.connect_iopub()))
        self._address = address
        self.audit = self.audit or audit_of(manager.parent, self)
        self.proof.resubscribe()
        self._update_proven()
        if not self.managed:
            reader.poller.loop.call_later(LEAVE_CHECK, self._close_if_left, reader)
        if not self._watching and hasattr(manager, "observe"):
            self._watching = True
            for event in ("restart", "dead"):  # before an automatic restart, and in place of the last one
                manager.add_restart_callback(self._process_died, event)
            manager.observe(self._address_may_have_changed, names=list(ADDRESS_TRAITS))

    def close(self) -> None:
        """Closes the feed because the kernel was removed. Tasks in ``wait_proven`` and all listeners are notified."""
        self._leaving = False
        self.feed.cancel(self._open_again)
        self.feed.close()
        self.pulse.close()
        self._update_proven()
        self.proof.wake_waiters()
        for listener in self.listeners:
            listener.gone()

    def closed(self) -> bool:
        return self.feed.closed()

    def _address_may_have_changed(self, _change: Any) -> None:
        """Checks the address later: a restart sets the ip and the ports one by one."""
        if (reader := self.feed.reader) is not None:
            reader.poller.loop.add_callback(self._follow, reader)

    def _follow(self, reader: "Reader") -> None:
        manager = self._manager()
        if not self.feed.is_current(reader) or manager is None or not all(manager.ports) or address_of(manager) == self._address:
            return
        self.log.info("kernel %s has another address; its sessions move there", self.kernel_id)
        self.open()

    def _close_if_left(self, reader: "Reader") -> None:
        if not self.feed.is_current(reader) or self.managed:
            return
        manager = self._manager()
        if manager is None or manager.parent is None or self.kernel_id not in manager.parent:
            self.close()
        else:
            reader.poller.loop.call_later(LEAVE_CHECK, self._close_if_left, reader)

    # proof

    @property
    def kernel_session(self) -> str | None:
        """See ``Proof``."""
        return self.proof.kernel_session

    @property
    def restarted(self) -> bool:
        """See ``Proof``."""
        return self.proof.restarted

    def new_incarnation(self) -> None:
        """See ``Proof``."""
        self.pulse.reset()
        self.proof.new_incarnation()
        self._update_proven()

    def _process_died(self) -> None:
        self.new_incarnation()
        died = self.deaths.died()
        self.feed.after_drain(lambda: death.tell(self, died))

    def _update_proven(self) -> None:
        self.proven = self.proof.proven and not self.feed.closed()

    def send_probe(self, channel: Any) -> None:
        """Sends a kernel_info request on ``channel``, a shell or control channel."""
        self.session.session = self.proof.ask()
        self.session.send(channel, "kernel_info_request")

    async def wait_proven(self) -> None:
        """Returns when the kernel is proven or its feed is closed."""
        await self.proof.wait(self.feed.closed)

    def notice_restart(self) -> None:
        """Checks for a new process if no manager with kernelws's mixin reports restarts."""
        if not self.managed and self.proof.checked and (manager := self._manager()) is not None:
            self._check_incarnation(manager)

    def _check_incarnation(self, manager: Any) -> None:
        self.proof.check_incarnation(self._address, getattr(manager, "provisioner", None), managed=self.managed)
        self._update_proven()

    # listeners

    def watch(self, activity: ActivityListener) -> None:
        """Reports the kernel's messages to ``activity``."""
        self._activity = activity

    def unwatch(self) -> None:
        """Undoes ``watch``."""
        self._activity = None

    def subscribe(self, callback: "BatchCallback", token: int | None = None) -> int:
        """Adds a subscriber and returns its token for ``unsubscribe``. They are called in order of subscription.

        With a ``token``, ``callback`` replaces the one that has this token.
        """
        token = id(callback) if token is None else token
        self._subscribers[token] = callback
        return token

    def unsubscribe(self, token: int) -> None:
        self._subscribers.pop(token, None)

    def attach(self, listener: KernelListener) -> None:
        """Notifies ``listener`` of moves, restarts and the end of the kernel, until ``leave``."""
        self._listeners[id(listener)] = listener

    def leave(self, listener: KernelListener) -> None:
        self._listeners.pop(id(listener), None)

    @property
    def listeners(self) -> tuple[KernelListener, ...]:
        """The listeners that are attached now."""
        return tuple(self._listeners.values())

    # called by the feed: see ``FeedOwner``

    def receiver(self) -> _core.Receiver | None:
        """Verifies IOPub messages with the kernel's current key, or with the old one while the old socket is drained."""
        manager = self._manager()
        if manager is None:
            return None
        if self._leaving and self._verifier is not None:
            return self._verifier[1]
        theirs = manager.session
        terms = (theirs.key, theirs.signature_scheme, self.verify)
        if self._verifier is None or self._verifier[0] != terms:
            self.session.key, self.session.signature_scheme, verify = terms
            self._verifier = (terms, self._keys.receiver("iopub", verify=verify))
        return self._verifier[1]

    def lags(self) -> None:
        self.faults.tell("iopub", "intake_lag", "sends faster than this server reads; it gets more of the event loop's time")

    def take(self, batch: _core.Batch) -> float:
        """Reads a batch once for all subscribers and passes it to each. Returns the seconds that the journal took."""
        manager = self._manager()
        if batch.malformed:
            self.faults.add_all("iopub", batch.malformed)
        messages = len(batch)
        if not messages or manager is None:
            return 0.0
        if not self._packs_json:
            adapt.describe(batch, self.session)
        self._count(batch, messages)
        runs = batch.activity()
        if self._activity is not None:
            self._guarded(self._activity.record_runs, manager, runs)
        answered = batch.discard(parent_session=self.proof.asking, msg_type="iopub_welcome") > 0
        if self.proof.asked_before is not None:
            batch.discard(parent_session=self.proof.asked_before)
        if not self.proven or batch.kernel_session != self.proof.kernel_session:
            self._hear(batch.kernel_session, answered)
        if manager.parent is not None and not getattr(manager.parent, "allow_tracebacks", True):
            redact.hide_tracebacks(batch, manager.parent, self.session)
        if any(msg_type == "status" for msg_type, _, _ in runs):
            self.last_status = last_status(batch, self.session, self.last_status)
        recording = self._hand_on(batch) if len(batch) else 0.0
        if self.audit is not None:
            self._guarded(self.audit.take, batch, runs)
        return recording

    def _hand_on(self, batch: _core.Batch) -> float:
        for subscriber in tuple(self._subscribers.values()):
            self._guarded(subscriber, batch)
        if (journal := self.journal) is None:
            return 0.0
        began = time.time()
        try:  # not by ``_guarded``: for a batch of one message another call is a noticeable cost
            changed = journal.core.append(batch, began)
            if journal.waits or journal.inherited or journal.followed:
                journal.tell(changed)
        except (Exception, _core.PanicException):
            self.log.exception("the journal of kernel %s failed; its clients go on", self.kernel_id)
        return time.time() - began

    def _count(self, batch: _core.Batch, messages: int) -> None:
        self.flow.add(messages, batch.size)
        TOTALS.received("iopub", messages, batch.size)
        if lost := self.losses.numbers.note(batch, time.monotonic()):
            self.losses.tell(lost)

    def _hear(self, kernel_session: str | None, answered: bool) -> None:
        if self.proof.is_another(kernel_session):
            self.feed.run_callbacks()  # they must run after the old process's messages and before the new one's
        self.proof.hear(kernel_session, answered=answered)
        self.deaths.look()
        self._update_proven()

    def _guarded(self, callback: Callable[..., Any], *arguments: Any) -> None:
        try:
            callback(*arguments)
        except (Exception, _core.PanicException):
            self.log.exception("a subscriber of kernel %s failed; the others go on", self.kernel_id)
