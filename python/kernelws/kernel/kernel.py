"""One kernel: its address, its processes, its feed, and the sessions that listen to it.

Each batch of its IOPub is split, verified and read once, goes to activity, and then to each subscriber in order. A kernel is
*proven* once its present process has been heard on the present subscription: until then a client that connects has to probe.
Must not know clients: sessions are ``KernelListener``s, and one that raises disturbs no other. Cost: a call a subscriber and
batch.
"""

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core
from ..messages import adapt, notices, redact
from ..messages.keys import Keys, probe_session
from ..record.counters import TOTALS, Flow
from ..record.faults import FaultLog
from ..record.losses import Losses
from ..sockets.poller import take_socket
from .feed import Feed
from .listener import ActivityListener, KernelListener
from .proof import Proof

if TYPE_CHECKING:
    import logging

    from ..sockets.channel import BatchCallback
    from ..sockets.reader import Reader

STATUS_KEPT = 16 << 10
"""Bytes of a status that is kept at most: ipykernel's has a few hundred, and a kernel may send anything."""
ADDRESS_TRAITS = ("ip", "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
LEAVE_CHECK = 2.0
"""Seconds between looks whether a kernel has left a manager that does not tell (one without kernelws's mixin)."""
ATTRIBUTE = "_kernelws"
"""Where a kernel manager keeps its ``Kernel``, as upstream keeps there what belongs to a kernel."""


def kernel_of(kernel_manager: Any) -> "Kernel":
    """The one ``Kernel`` of a kernel manager, made on first use and not yet open."""
    kernel = known_kernel(kernel_manager)
    if kernel is None:
        kernel = Kernel(kernel_manager)
        setattr(kernel_manager, ATTRIBUTE, kernel)
    return kernel


def known_kernel(kernel_manager: Any) -> "Kernel | None":
    """The ``Kernel`` of a kernel manager if it has one."""
    kernel: Kernel | None = vars(kernel_manager).get(ATTRIBUTE)
    return kernel


def address_of(manager: Any) -> Any:
    """Where the kernel is, for comparison alone: a manager may tell less than jupyter_client's."""
    return getattr(manager, "ip", None), getattr(manager, "ports", None)


class Kernel:
    """See the head of the file. ``open`` and ``close`` may be called again at any time."""

    def __init__(self, kernel_manager: Any) -> None:
        self._manager = weakref.ref(kernel_manager)  # which keeps this object
        self.kernel_id: str = getattr(kernel_manager, "kernel_id", None) or ""
        self.log: logging.Logger = kernel_manager.log
        self.faults = FaultLog(self.log, f"kernel {self.kernel_id}")
        self.losses = Losses(self.faults)
        self.flow = Flow()
        """What the kernel has published."""
        self.proof = Proof()
        self.proven = False
        """Whether the present process of the kernel has been heard on the present subscription; see ``_update_proven``."""
        self.feed = Feed(self, self.log)
        self.verify = True
        self.managed = False
        """True when a manager with kernelws's mixin opens and closes this kernel's feed."""
        self.replaced_session: str | None = None
        """``header.session`` of the process that a client's restart has replaced last."""
        self.last_status: list[bytes] | None = None
        """The frames of the kernel's last status for anybody but the server itself; None before it, if it is too large, and if
        it answers nobody: of ``starting`` a client that comes later has no use."""
        self.session = probe_session(kernel_manager)
        """Signs the server's own probes; what a kernel publishes about them is shown to nobody."""
        self._packs_json = adapt.packs_json(self.session)
        self._keys = Keys(self.session)
        self._verifier: tuple[tuple[Any, ...], _core.Receiver] | None = None
        self._activity: ActivityListener | None = None
        self._subscribers: dict[int, BatchCallback] = {}
        self._listeners: dict[int, KernelListener] = {}
        self._address: Any = None
        self._leaving = False
        """Whether the socket is of an address that the kernel has left, and is drained before the feed moves."""
        self._watching = False

    # opening and closing

    def open(self, *, verify: bool | None = None, lag_limit: float | None = None) -> None:
        """Subscribes if that is not done, or again if the kernel's address changed; notices a new process and key.

        Raises ``UnsupportedScheme`` if the kernel's signatures cannot be computed.
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
        if moved:
            for listener in tuple(self._listeners.values()):
                listener.moved(manager)

    def _leave(self) -> bool:
        """Hands on what the kernel has said at its old address; False: there is more, and ``open`` is called again after it."""
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
        self.proof.resubscribe()
        self._update_proven()
        if not self.managed:
            reader.poller.loop.call_later(LEAVE_CHECK, self._close_if_left, reader)
        if not self._watching and hasattr(manager, "observe"):
            self._watching = True
            manager.add_restart_callback(self.new_incarnation)  # an automatic restart; it is called before
            manager.observe(self._address_may_have_changed, names=list(ADDRESS_TRAITS))

    def close(self) -> None:
        """Ends the subscription and releases whoever waits for a proof, or for what is in the socket; the kernel is gone."""
        self._leaving = False
        self.feed.cancel(self._open_again)
        self.feed.close()
        self._update_proven()
        self.proof.wake_waiters()
        for listener in tuple(self._listeners.values()):
            listener.gone()

    def closed(self) -> bool:
        return self.feed.closed()

    def _address_may_have_changed(self, _change: Any) -> None:
        """A restart elsewhere sets address and ports one by one: once all are there, everything of this kernel moves."""
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
        """``header.session`` of the kernel's last message here, None before the first."""
        return self.proof.kernel_session

    @property
    def restarted(self) -> bool:
        """See ``Proof``."""
        return self.proof.restarted

    def new_incarnation(self) -> None:
        """The kernel is about to be another process."""
        self.proof.new_incarnation()
        self._update_proven()

    def _update_proven(self) -> None:
        self.proven = self.proof.proven and not self.feed.closed()

    def send_probe(self, channel: Any) -> None:
        """Sends a probe on a transient shell or control channel."""
        self.session.send(channel, "kernel_info_request")

    async def wait_proven(self) -> None:
        """Returns when the kernel is proven or its feed closed."""
        await self.proof.wait(self.feed.closed)

    def notice_restart(self) -> None:
        """Where no manager tells of a restart that somebody asked for, another process does: it has to be heard first."""
        if not self.managed and self.proof.checked and (manager := self._manager()) is not None:
            self._check_incarnation(manager)

    def _check_incarnation(self, manager: Any) -> None:
        self.proof.check_incarnation(self._address, getattr(manager, "provisioner", None), managed=self.managed)
        self._update_proven()

    # who listens

    def watch(self, activity: ActivityListener) -> None:
        """Tells it what the kernel does from now on."""
        self._activity = activity

    def unwatch(self) -> None:
        """Undoes ``watch``."""
        self._activity = None

    def subscribe(self, callback: "BatchCallback", token: int | None = None) -> int:
        """Adds a subscriber; returns the token that ``unsubscribe`` takes. Earlier subscribers are called first.

        With the ``token`` of one it takes that one's place.
        """
        token = id(callback) if token is None else token
        self._subscribers[token] = callback
        return token

    def unsubscribe(self, token: int) -> None:
        self._subscribers.pop(token, None)

    def attach(self, listener: KernelListener) -> None:
        """Tells it what becomes of the kernel, until ``leave``."""
        self._listeners[id(listener)] = listener

    def leave(self, listener: KernelListener) -> None:
        self._listeners.pop(id(listener), None)

    @property
    def listeners(self) -> tuple[KernelListener, ...]:
        """Those that are attached now."""
        return tuple(self._listeners.values())

    # what the feed brings

    def receiver(self) -> _core.Receiver | None:
        """Verifies the kernel's IOPub under its present key; None where the kernel manager is gone."""
        manager = self._manager()
        if manager is None:
            return None
        own, theirs = self.session, manager.session
        if not self._leaving and (own.key, own.signature_scheme) != (theirs.key, theirs.signature_scheme):
            own.key, own.signature_scheme = theirs.key, theirs.signature_scheme
        terms = (own.key, own.signature_scheme, self.verify)
        if self._verifier is None or self._verifier[0] != terms:
            self._verifier = (terms, self._keys.receiver("iopub", verify=self.verify))
        return self._verifier[1]

    def lags(self) -> None:
        self.faults.tell("iopub", "intake_lag", "sends faster than this server hands on; it gets more of the event loop's time")

    def take(self, batch: _core.Batch) -> None:
        """Reads a batch for everybody, and hands it on."""
        manager = self._manager()
        if batch.malformed:
            self.faults.add_all("iopub", batch.malformed)
        messages = len(batch)
        if not messages or manager is None:
            return
        if not self._packs_json:
            adapt.describe(batch, self.session)
        self._count(batch, messages)
        runs = batch.activity()
        if self._activity is not None:
            self._guarded(self._activity.record_runs, manager, runs)
        answered = batch.discard(parent_session=self.session.session, msg_type="iopub_welcome") > 0
        if not self.proven or batch.kernel_session != self.proof.kernel_session:
            self._hear(batch.kernel_session, answered)
        if manager.parent is not None and not getattr(manager.parent, "allow_tracebacks", True):
            redact.hide_tracebacks(batch, manager.parent, self.session)
        if any(msg_type == "status" for msg_type, _, _ in runs):
            self._keep_status(batch)
        if len(batch):
            for subscriber in tuple(self._subscribers.values()):
                self._guarded(subscriber, batch)

    def _count(self, batch: _core.Batch, messages: int) -> None:
        self.flow.add(messages, batch.size)
        TOTALS.received("iopub", messages, batch.size)
        if lost := self.losses.numbers.note(batch, time.monotonic()):
            self.losses.tell(lost)

    def _hear(self, kernel_session: str | None, answered: bool) -> None:
        if self.proof.is_another(kernel_session):
            self.feed.run_callbacks()  # what was to come after the process before comes before this one
        self.proof.hear(kernel_session, answered=answered)
        self._update_proven()

    def _keep_status(self, batch: _core.Batch) -> None:
        for index in reversed(range(len(batch))):
            if batch.msg_type(index) == "status":
                frames = [bytes(frame) for frame in batch.frames(index)]
                small = sum(map(len, frames)) <= STATUS_KEPT
                asked = small and "msg_id" in notices.readable(self.session, batch.parts(index)[1])
                self.last_status = frames if asked else None
                return

    def _guarded(self, callback: Callable[..., Any], *arguments: Any) -> None:
        try:
            callback(*arguments)
        except (Exception, _core.PanicException):
            self.log.exception("a subscriber of kernel %s failed; the others go on", self.kernel_id)
