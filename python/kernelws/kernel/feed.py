"""The feed of a kernel: one IOPub subscription for all its clients and for activity.

It drains the kernel's IOPub in batches, each message split, verified and read once, and hands every batch to activity and
then to its subscribers, in order. RCVHWM is 0: libzmq's own thread keeps receiving while the event loop is busy. A feed is
*proven* once the present incarnation of the kernel has been heard on it: until then a client that connects has to probe.
Must not know clients: a subscriber is a callable, and one that raises disturbs nobody else. Cost: one drain a turn, then a
call a subscriber and batch.
"""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import zmq

from .. import _core
from ..messages import adapt, notices, redact
from ..messages.keys import Keys, probe_session
from ..record.counters import TOTALS, Flow
from ..record.faults import FaultLog
from ..record.losses import Losses
from ..sockets import io_threads as receiving_thread
from ..sockets.budget import MAX_BYTES, Budget
from ..sockets.channel import BatchCallback
from ..sockets.poller import SocketPoller, take_socket
from ..sockets.transport import choose
from .proof import Proof

if TYPE_CHECKING:
    import logging

Activity = Callable[[list[tuple[str, str | None, str | None]]], None]

FLUSH_SECONDS = 0.05
"""How long ``flush`` may hold up the event loop: a kernel that dies in a flood leaves hundreds of megabytes behind."""
STATUS_KEPT = 16 << 10
"""Bytes of a status that is kept at most: ipykernel's has a few hundred, and a kernel may send anything."""
_ADDRESS_TRAITS = ("ip", "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
LEAVE_CHECK = 2.0
"""Seconds between looks whether a kernel has left a manager that does not tell (one without kernelws's mixin)."""

_feeds: "weakref.WeakKeyDictionary[Any, Feed]" = weakref.WeakKeyDictionary()


def feed_of(kernel_manager: Any) -> "Feed":
    """The one feed of a kernel manager, made on first use and not yet open."""
    feed = _feeds.get(kernel_manager)
    if feed is None:
        feed = _feeds[kernel_manager] = Feed(kernel_manager)
    return feed


def known_feed(kernel_manager: Any) -> "Feed | None":
    """The feed of a kernel manager if it has one."""
    return _feeds.get(kernel_manager)


def address_of(manager: Any) -> Any:
    """Where the kernel is, for comparison alone: a manager may tell less than jupyter_client's."""
    return getattr(manager, "ip", None), getattr(manager, "ports", None)


class Feed:
    """See the head of the file. ``open`` and ``close`` may be called again at any time."""

    def __init__(self, kernel_manager: Any) -> None:
        self._manager = weakref.ref(kernel_manager)
        self.kernel_id: str = getattr(kernel_manager, "kernel_id", None) or ""
        self.log: logging.Logger = kernel_manager.log
        self.complaints = FaultLog(self.log, f"kernel {self.kernel_id}")
        self.losses = Losses(self.complaints)
        self.flow = Flow()
        """What the kernel has published."""
        self.proof = Proof()
        self.replaced: str | None = None
        """``header.session`` of the process that a client's restart has replaced last."""
        self.verify = True
        self.managed = False
        """True when a manager with kernelws's mixin opens and closes this feed."""
        self.last_status: list[bytes] | None = None
        """The frames of the kernel's last status for anybody but the server itself; None before it, if it is too large, and if
        it answers nobody: of ``starting`` a client that comes later has no use."""
        self.on_activity: Activity | None = None
        self.on_end: Callable[[str], None] = lambda _: None
        """Called with the kernel's id when the feed is closed because the kernel is gone."""
        self.on_new_address: Callable[[Any], None] = lambda _: None
        """Called with the kernel manager when the kernel has another address or other ports, after the feed has moved there."""
        self.session = probe_session(kernel_manager)
        """Signs the server's own probes; what a kernel publishes about them is shown to nobody."""
        self._keys = Keys(self.session)
        self._intake = choose()
        self._budget = Budget(lag_limit=1.0)
        self._subscribers: dict[int, BatchCallback] = {}
        self._pump: SocketPoller | None = None
        self._address: Any = None
        self._leaving = False
        """Whether the socket is of an address that the kernel has left, and is drained before the feed moves."""
        self._after_drain: list[Callable[[], None]] = []
        self._watching = False
        self._holders: set[int] = set()

    # opening and closing

    def open(self, *, verify: bool | None = None, lag_limit: float | None = None) -> None:
        """Subscribes if that is not done, or again if the kernel's address changed; notices a new incarnation and key.

        Raises ``UnsupportedScheme`` if the kernel's signatures cannot be computed.
        """
        manager = self._manager()
        if manager is None:
            return
        if verify is not None:
            self.verify = verify
        if lag_limit is not None:
            self._budget.lag_limit = lag_limit
        address = address_of(manager)
        moved = self._address is not None and address != self._address
        if moved and (not self._leave() or self._address == address):  # moved while the old socket was drained
            return
        self._receiver(manager)
        if self._pump is None or self._pump.closed() or moved:
            self._subscribe(manager, address)
        self._look_at(manager)
        if moved:
            self.on_new_address(manager)

    def _leave(self) -> bool:
        """Hands on what the kernel has said at its old address; False: there is more, and ``open`` is called again after it."""
        first, self._leaving = not self._leaving, True
        done = self.closed() or self.flush()
        if not done and first:
            self._after_drain.append(self.open)
        self._leaving = not done
        return done

    def _subscribe(self, manager: Any, address: Any) -> None:
        self._drop_socket()
        socket = take_socket(manager.connect_iopub())
        socket.set(zmq.RCVHWM, 0)
        self._address = address
        self.proof.proven = False
        self._pump = SocketPoller(socket, self._turn, log=self.log)
        self._pump.resume()
        if not self.managed:
            self._pump.loop.call_later(LEAVE_CHECK, self._close_if_left, self._pump)
        if not self._watching and hasattr(manager, "observe"):
            self._watching = True
            manager.add_restart_callback(self.new_incarnation)  # an automatic restart; it is called before
            manager.observe(self._address_may_have_changed, names=list(_ADDRESS_TRAITS))

    def close(self) -> None:
        """Ends the subscription and releases whoever waits for a proof, or for what is in the socket."""
        self._drop_socket()
        self._leaving = False
        self._after_drain = [then for then in self._after_drain if then != self.open]
        self._drained()
        self.proof.settle()
        self.on_end(self.kernel_id)

    def _drop_socket(self) -> None:
        if self._pump is not None:
            self._pump.close(linger=0)
            self._pump = None

    def _address_may_have_changed(self, _change: Any) -> None:
        """A restart elsewhere sets address and ports one by one: once all are there, everything of this kernel moves."""
        if self._pump is not None:
            self._pump.loop.add_callback(self._follow, self._pump)

    def _follow(self, pump: SocketPoller) -> None:
        manager = self._manager()
        if pump is not self._pump or manager is None or not all(manager.ports) or address_of(manager) == self._address:
            return
        self.log.info("kernel %s has another address; its sessions move there", self.kernel_id)
        self.open()

    def _close_if_left(self, pump: SocketPoller) -> None:
        if pump is not self._pump or self.managed:
            return
        manager = self._manager()
        if manager is None or manager.parent is None or self.kernel_id not in manager.parent:
            self.close()
        else:
            pump.loop.call_later(LEAVE_CHECK, self._close_if_left, pump)

    def closed(self) -> bool:
        return self._pump is None or self._pump.closed()

    @property
    def behind_since(self) -> float | None:
        """When the kernel began to publish faster than it is read, in the IOLoop's seconds; None while it does not."""
        return self._budget.behind_since

    # proof

    @property
    def kernel_session(self) -> str | None:
        """``header.session`` of the kernel's last message here, None before the first."""
        return self.proof.kernel_session

    @property
    def proven(self) -> bool:
        """Whether the present process of the kernel has been heard on this subscription."""
        return self.proof.proven and not self.closed()

    @property
    def restarted(self) -> bool:
        """See ``Proof``."""
        return self.proof.restarted

    def new_incarnation(self) -> None:
        """The kernel is about to be another process."""
        self.proof.new_incarnation()

    def ask_kernel_info(self, channel: Any) -> None:
        """Sends a probe on a transient shell or control channel."""
        self.session.send(channel, "kernel_info_request")

    async def wait_proven(self) -> None:
        """Returns when the feed is proven or closed."""
        await self.proof.wait(self.closed)

    def notice_restart(self) -> None:
        """Where no manager tells of a restart that somebody asked for, another process does: it has to be heard first."""
        if not self.managed and self.proof.has_looked and (manager := self._manager()) is not None:
            self._look_at(manager)

    def _look_at(self, manager: Any) -> None:
        self.proof.look_at(self._address, getattr(manager, "provisioner", None), managed=self.managed)

    # subscribers

    def subscribe(self, callback: BatchCallback) -> int:
        """Adds a subscriber; returns the token that ``unsubscribe`` takes. Earlier subscribers are called first."""
        token = id(callback)
        self._subscribers[token] = callback
        return token

    def unsubscribe(self, token: int) -> None:
        self._subscribers.pop(token, None)

    def hold(self, holder: int, hold: bool) -> None:
        """While anybody holds the feed its messages wait in libzmq."""
        (self._holders.add if hold else self._holders.discard)(holder)
        if self._pump is None or self._pump.closed():
            return
        if self._holders:
            self._pump.paused = True
        elif self._pump.paused:
            self._pump.resume()

    # draining

    def flush(self) -> bool:
        """Hands on what waits in the socket, for ``FLUSH_SECONDS`` at most. False: more waits there."""
        if self._pump is None:
            return True
        loop = self._pump.loop
        until = loop.time() + FLUSH_SECONDS
        while (more := self._turn() or self._has_more()) and loop.time() < until:
            pass
        if self._pump is not None:
            self._pump.rearm()
        return not more

    def _has_more(self) -> bool:
        return self._pump is not None and self._pump.readable()

    def after_drain(self, then: Callable[[], None]) -> None:
        """Calls ``then`` behind all that waits in the socket now: at once if that takes a moment only."""
        if not self._after_drain and self.flush():
            then()
        else:
            self._after_drain.append(then)

    def _drained(self) -> None:
        then, self._after_drain = self._after_drain, []
        for callback in then:
            self._guarded(callback)

    def _turn(self) -> bool:
        manager, pump = self._manager(), self._pump
        if pump is None or pump.closed():
            return False
        if manager is None:  # nobody can verify what is left in the socket
            self.close()
            return False
        started = pump.loop.time()
        receiver = self._receiver(manager)
        batch, more = self._intake.drain(receiver, "iopub", pump.socket, self._budget.messages, MAX_BYTES)
        self._hand_on(manager, batch)
        more = more and pump.readable()
        if more:
            receiving_thread.let_run()
        ended = pump.loop.time()
        if rest := self._budget.rest(started, ended, more):
            pump.rest(rest)
        if self._budget.settle(started, ended, more):
            TOTALS.intake_lags += 1
            if self._budget.has_just_lagged:
                self.complaints.tell(
                    "iopub", "intake_lag", "sends faster than this server hands on; it gets more of the event loop's time"
                )
        if not more and self._after_drain and not pump.readable():
            self._leaving = False
            self._drained()
        return more

    def _hand_on(self, manager: Any, batch: _core.Batch) -> None:
        self.complaints.add_all("iopub", batch.malformed)
        messages = len(batch)
        if not messages:
            return
        self.flow.add(messages, batch.size)
        TOTALS.received("iopub", messages, batch.size)
        adapt.describe(batch, self.session)
        self.losses.note(batch)
        runs = batch.activity()
        if self.on_activity is not None:
            self._guarded(self.on_activity, runs)
        answered = batch.discard(parent_session=self.session.session, msg_type="iopub_welcome") > 0
        if self.proof.is_another(batch.kernel_session):
            self._drained()  # what was to come after the process before comes before this one
        self.proof.hear(batch.kernel_session, answered=answered)
        redact.hide_tracebacks(batch, manager.parent, self.session)
        if any(msg_type == "status" for msg_type, _, _ in runs):
            self._keep_status(batch)
        if len(batch):
            for subscriber in tuple(self._subscribers.values()):
                self._guarded(subscriber, batch)

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

    def _receiver(self, manager: Any) -> _core.Receiver:
        own, theirs = self.session, manager.session
        if not self._leaving and (own.key, own.signature_scheme) != (theirs.key, theirs.signature_scheme):
            own.key, own.signature_scheme = theirs.key, theirs.signature_scheme
        return self._keys.receiver("iopub", verify=self.verify)
