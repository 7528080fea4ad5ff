"""``Registry``: all sessions of one server, and how long detached ones are kept.

A session key is unique, because the session id in it is a ZMQ identity: a second connection with the same key replaces the
first and takes over its session, so no message is lost. A detached session is kept for ``resume_timeout`` seconds. At most
``max_detached_sessions`` are kept per kernel, within the memory and disk limits of the server; ``eviction`` decides which ends
first. A client whose session was evicted gets a notice when it reconnects. Session ids are no secret, since every IOPub message
has one in its parent_header, so a session belongs to the user who opened it.
Must not write to a WebSocket or to a kernel's socket. Cost: a dictionary entry a session.
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
"""The attribute of a multi kernel manager that holds its registry, so that both live equally long."""
DISCARDED_KEPT = 1000
"""How many notices are kept for clients of sessions that were evicted or failed; the oldest are forgotten first."""
INTERNAL_ERROR = 1011
"""RFC 6455, 7.4.1: the server met a condition that prevents it from fulfilling the request."""
TRY_AGAIN_LATER = 1013
"""Registered with IANA: the server is overloaded, and the client should reconnect later."""


def registry_of(manager: Any) -> "Registry":
    """Returns the registry of a multi kernel manager. The first call creates it."""
    registry = known_registry(manager)
    if registry is None:
        registry = Registry(manager)
        setattr(manager, ATTRIBUTE, registry)
    return registry


def known_registry(manager: Any) -> "Registry | None":
    """Returns the registry of a multi kernel manager, or None if it has none."""
    registry: Registry | None = vars(manager).get(ATTRIBUTE)
    return registry


class Registry:
    """The sessions of one server. Implements ``session.Keeper``."""

    of_process: ClassVar["weakref.WeakSet[Registry]"] = weakref.WeakSet()
    """All registries of the process, for metrics: a process may run more than one server."""

    def __init__(self, manager: Any) -> None:
        self.of_process.add(self)
        self._manager = manager
        self._sessions: dict[str, ClientSession] = {}
        self.discarded: dict[str, tuple[str | None, str]] = {}
        """Session key -> owner and notice of a session that was evicted or failed. Its client gets it when it reconnects."""
        self.announced = False
        """Whether ``active.log_startup`` has logged its lines for this server."""

    # known sessions

    def get(self, key: str) -> ClientSession | None:
        return self._sessions.get(key)

    @property
    def sessions(self) -> list[ClientSession]:
        """All sessions, connected and detached."""
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
        """Creates and registers a session. Closes an older one with the same key."""
        new = ClientSession(identity, session, kernel, self._manager, protocol=protocol, log=log, keeper=self, limits=limits)
        replaced = self._sessions.get(identity.key)
        if replaced is not None:
            replaced.close()
        self._sessions[identity.key] = new
        if kernel.replaced_session is not None and limits.drop_output_on_restart:
            new.processes.drop_output(kernel.replaced_session)  # output of the replaced process may still arrive
        return new

    # ending sessions

    def keep(self, session: ClientSession) -> None:
        """Keeps a detached session for ``resume_timeout``, and evicts others if the kernel has too many now."""
        detached_at, limits = session.stats.detached_at, session.limits

        def expire() -> None:
            if session.stats.detached_at == detached_at:
                self.evict(session, "resume_timeout", limits.resume_timeout)

        # An empty context: the current one would keep the handler of the closed WebSocket alive
        loop = asyncio.get_running_loop()
        session.expiry = loop.call_later(limits.resume_timeout, expire, context=contextvars.Context())
        detached, most = eviction.order(self.of_kernel(session.identity.kernel_id)), limits.max_detached_sessions
        for first in detached[: max(0, len(detached) - most)]:
            self.evict(first, "max_detached_sessions", most)

    def end(self, session: ClientSession) -> None:
        """Closes a session and removes it here and from the kernel manager's buffers."""
        if session.kernel.journal is not None and not session.closed:
            session.kernel.journal.inherit(session, session.limits.max_detached_sessions)
        session.close()
        lending.forget(self._manager, session.identity)
        if self._sessions.get(session.identity.key) is session:
            del self._sessions[session.identity.key]

    def evict(self, session: ClientSession, trait: str, value: Any) -> None:
        """Ends a session because it exceeds the limit ``trait``. Logs that, and leaves a notice for its client.

        The log level is info if the page was closed: such sessions are rarely resumed, and their end is normal.
        """
        stats, outbox = session.stats, session.outbox.stats()
        log = session.log.info if stats.page_closed else session.log.warning
        log(
            "session %s (%s) ended with %d unsent messages, because of %s = %r",
            session.name,
            "connected" if stats.detached_at is None else "closed by its client" if stats.page_closed else "connection lost",
            outbox.waiting,
            trait,
            value,
        )
        self.end(session)
        self._remember(session.identity, notices.discarded(trait, value))

    def end_overfull(self, session: ClientSession) -> None:
        """See ``Keeper``. Closes the WebSocket with 1013; the client reconnects to a new, empty session."""
        if session.client is not None:
            session.log.error("%s: the outbox is full; raise session_memory_limit", session.name)
            session.client.end(
                TRY_AGAIN_LATER,
                "the session's outbox is full; raise ZMQChannelsWebsocketConnection.session_memory_limit",
            )
        TOTALS.overfull_sessions += 1
        self.evict(session, "session_memory_limit", session.limits.session_memory_limit)

    def end_failed(self, session: ClientSession) -> None:
        """See ``Keeper``. Closes the WebSocket with 1011; the client reconnects to a new, empty session."""
        if session.client is not None:
            session.client.end(INTERNAL_ERROR, "the session's outbox failed; the server's log says more")
        self.end(session)
        self._remember(session.identity, notices.STARTED_AFTER_FAILURE)

    def end_lost(self, session: ClientSession, error: Exception) -> None:
        """See ``Keeper``. Closes the WebSocket with 1011; the client reconnects."""
        session.log.error("session %s cannot follow its kernel: %s", session.name, error)
        if session.client is not None:
            session.client.end(INTERNAL_ERROR, f"The kernel's channels cannot be opened: {error}")
        self.end(session)

    def end_gone(self, session: ClientSession) -> None:
        """See ``Keeper``. A detached session ends now: there is nothing to resume. A connected one ends with its connection."""
        if session.stats.detached_at is not None:
            self.end(session)

    def _remember(self, identity: "Identity", notice: str) -> None:
        """Stores the notice for the client of an ended session."""
        self.discarded[identity.key] = (identity.owner, notice)
        while len(self.discarded) > DISCARDED_KEPT:
            del self.discarded[next(iter(self.discarded))]

    def why_discarded(self, key: str, owner: str | None) -> str | None:
        """Returns and removes the notice about an ended session, if ``owner`` owned it; else None."""
        owned_by, notice = self.discarded.get(key, (None, ""))
        if not notice or owned_by != owner:
            return None
        del self.discarded[key]
        return notice

    # limits of the server

    def enforce_limits(self, limits: "Limits") -> None:
        """Evicts detached sessions while all sessions together exceed ``outbox_memory_limit`` or ``outbox_disk_limit``."""
        for first in eviction.order(self._sessions.values()):
            if self.memory() > limits.outbox_memory_limit:
                self.evict(first, "outbox_memory_limit", limits.outbox_memory_limit)
            elif sum(session.spill.disk_bytes for session in self._sessions.values()) > limits.outbox_disk_limit:
                self.evict(first, "outbox_disk_limit", limits.outbox_disk_limit)
            else:
                return

    def memory(self) -> int:
        """See ``Keeper``."""
        return _core.live_bytes() + sum(session.outbox.upkeep() for session in self._sessions.values())

    def close(self) -> None:
        """Ends all detached sessions, when the server shuts down."""
        for session in eviction.order(self._sessions.values()):
            self.end(session)
