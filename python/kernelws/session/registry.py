"""The sessions of one server: their keys, and what is kept of those whose connection ended.

A session id is a ZMQ identity and must be unique: a second connection with the same key replaces the first and takes its
session over, so that nothing is lost in between. A detached session is kept for ``resume_timeout`` seconds, at most
``max_detached_sessions`` a kernel, within the bounds of all sessions of the server; ``eviction`` says which ends first. A client
that resumes a session that was ended is told why. Ids stand in the parent_header of every IOPub message, they are no
credential: a session belongs to the user who opened it.
Must not write to a WebSocket or a socket of a kernel. Cost: a dictionary entry a session.
"""

import asyncio
import contextvars
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _core
from ..messages import notices
from ..record.counters import TOTALS
from . import eviction, lending
from .session import ClientSession

if TYPE_CHECKING:
    import logging

    from jupyter_client.session import Session

    from ..kernel.kernel import Kernel
    from .facts import Identity
    from .limits import Limits
    from .session import Subprotocol

ATTRIBUTE = "_kernelws"
"""Where a multi kernel manager keeps its registry, as upstream keeps buffers and connection counts there."""
DISCARDED_KEPT = 1000
INTERNAL_ERROR = 1011
"""RFC 6455, 7.4.1: the server met a condition that prevents it from fulfilling the request."""
TRY_AGAIN_LATER = 1013


def registry_of(manager: Any) -> "Registry":
    """The one registry of a multi kernel manager, made on first use."""
    registry = known_registry(manager)
    if registry is None:
        registry = Registry(manager)
        setattr(manager, ATTRIBUTE, registry)
    return registry


def known_registry(manager: Any) -> "Registry | None":
    """The registry of a multi kernel manager if it has one."""
    registry: Registry | None = vars(manager).get(ATTRIBUTE)
    return registry


class Registry:
    """See the head of the file. A ``Keeper``."""

    of_process: ClassVar["weakref.WeakSet[Registry]"] = weakref.WeakSet()
    """Metrics are of a process, which may have more than one server."""

    def __init__(self, manager: Any) -> None:
        self.of_process.add(self)
        self._manager = manager
        self._sessions: dict[str, ClientSession] = {}
        self.discarded: dict[str, tuple[str | None, str]] = {}
        """Owner and notice of the sessions that were ended last, by key: their clients are told when they return."""
        self.announced = False
        """Whether the log says that this server's kernel connections go through kernelws."""

    # who is known

    def get(self, key: str) -> ClientSession | None:
        """The session of a key."""
        return self._sessions.get(key)

    @property
    def sessions(self) -> list[ClientSession]:
        """All of them, connected and detached."""
        return list(self._sessions.values())

    def of_kernel(self, kernel_id: str) -> list[ClientSession]:
        """The sessions of a kernel, connected and detached."""
        return [session for session in self._sessions.values() if session.identity.kernel_id == kernel_id]

    def open(
        self,
        identity: "Identity",
        session: "Session",
        kernel: "Kernel",
        *,
        protocol: "Subprotocol",
        log: "logging.Logger",
        limits: "Limits",
    ) -> ClientSession:
        """A new session, known from now on."""
        new = ClientSession(identity, session, kernel, self._manager, protocol=protocol, log=log, keeper=self, limits=limits)
        replaced = self._sessions.get(identity.key)
        if replaced is not None:
            replaced.close()
        self._sessions[identity.key] = new
        if kernel.replaced_session is not None and limits.drop_output_on_restart:
            new.processes.drop_output(kernel.replaced_session)  # some of its output may still come
        return new

    # how they end

    def keep(self, session: ClientSession) -> None:
        """Keeps a session whose connection has ended, as long as the limits allow."""
        detached_at, limits = session.stats.detached_at, session.limits

        def expire() -> None:
            if session.stats.detached_at == detached_at:
                self.evict(session, "resume_timeout", limits.resume_timeout)

        # In a context of its own: the present one holds the handler of the WebSocket that has ended
        loop = asyncio.get_running_loop()
        session.expiry = loop.call_later(limits.resume_timeout, expire, context=contextvars.Context())
        detached, most = eviction.order(self.of_kernel(session.identity.kernel_id)), limits.max_detached_sessions
        for first in detached[: max(0, len(detached) - most)]:
            self.evict(first, "max_detached_sessions", most)

    def end(self, session: ClientSession) -> None:
        """Frees a session and forgets it, as its kernel manager does."""
        session.close()
        lending.forget(self._manager, session.identity)
        if self._sessions.get(session.identity.key) is session:
            del self._sessions[session.identity.key]

    def evict(self, session: ClientSession, trait: str, value: Any) -> None:
        """Ends a session because of a limit: the log says so at once, its client is told when it returns.

        That nobody comes back for a page that was closed is what happens every day, and no warning.
        """
        stats, outbox = session.stats, session.outbox.stats()
        log = session.log.info if stats.page_closed else session.log.warning
        log(
            "session %s (%s) is ended with %d messages that it was not sent, because of %s = %r",
            session.name,
            "connected" if stats.detached_at is None else "closed by its client" if stats.page_closed else "connection lost",
            outbox.waiting,
            trait,
            value,
        )
        self.end(session)
        self._remember(session.identity, notices.discarded(trait, value))

    def end_overfull(self, session: ClientSession) -> None:
        """Nothing more of it may be left out and there is no room: it starts again, empty."""
        if session.client is not None:
            session.log.error("%s: the outbox is full; raise session_memory_limit", session.name)
            session.client.end(
                TRY_AGAIN_LATER,
                "the session's outbox is full; raise ZMQChannelsWebsocketConnection.session_memory_limit",
            )
        TOTALS.overfull_sessions += 1
        self.evict(session, "session_memory_limit", session.limits.session_memory_limit)

    def end_failed(self, session: ClientSession) -> None:
        """Its outbox has discarded what it held: it starts again, empty."""
        if session.client is not None:
            session.client.end(INTERNAL_ERROR, "the session's outbox failed; the server's log says more")
        self.end(session)
        self._remember(session.identity, notices.STARTED_AFTER_FAILURE)

    def end_lost(self, session: ClientSession, error: Exception) -> None:
        """Its sockets cannot be opened at the kernel's new address; its client, if there, connects again."""
        session.log.error("session %s cannot follow its kernel: %s", session.name, error)
        if session.client is not None:
            session.client.end(INTERNAL_ERROR, f"The kernel's channels cannot be opened: {error}")
        self.end(session)

    def end_gone(self, session: ClientSession) -> None:
        """Its kernel is gone: a detached session cannot be resumed; a connected one ends with its connection."""
        if session.stats.detached_at is not None:
            self.end(session)

    def _remember(self, identity: "Identity", notice: str) -> None:
        """What the client of a session that was ended is told when it returns."""
        self.discarded[identity.key] = (identity.owner, notice)
        while len(self.discarded) > DISCARDED_KEPT:
            del self.discarded[next(iter(self.discarded))]

    def why_discarded(self, key: str, owner: str | None) -> str | None:
        """What to tell the client whose last session was ended with what it held; it is told once, and its owner alone."""
        owned_by, notice = self.discarded.get(key, (None, ""))
        if not notice or owned_by != owner:
            return None
        del self.discarded[key]
        return notice

    # bounds of the server

    def enforce_limits(self, limits: "Limits") -> None:
        """Ends detached sessions of the server while all sessions together are over a bound."""
        for first in eviction.order(self._sessions.values()):
            if self.memory() > limits.outbox_memory_limit:
                self.evict(first, "outbox_memory_limit", limits.outbox_memory_limit)
            elif sum(session.spill.disk_bytes for session in self._sessions.values()) > limits.outbox_disk_limit:
                self.evict(first, "outbox_disk_limit", limits.outbox_disk_limit)
            else:
                return

    def memory(self) -> int:
        """Bytes of memory of all sessions; what several of them wait for counts once."""
        return _core.live_bytes() + sum(session.outbox.upkeep() for session in self._sessions.values())

    def close(self) -> None:
        """The server is shutting down: detached sessions end."""
        for session in eviction.order(self._sessions.values()):
            self.end(session)
