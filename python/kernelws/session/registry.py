"""The sessions of this process: which connection holds which, and what is kept of those whose connection ended.

A session id is a ZMQ identity and must be unique: a second connection with the same key replaces the first and takes its
mailbox over, so that nothing is lost in between. A detached session is kept for ``resume_timeout`` seconds, at most
``max_detached_sessions`` a kernel, within the bounds of all sessions of the server; ``eviction`` says which ends first. Whoever
comes back for a session that was ended is told why. Ids stand in the parent_header of every IOPub message, they are no
credential: a session belongs to the user who opened it.
Must not write to a WebSocket or a socket of a kernel.
"""

import asyncio
import contextvars
from functools import partial
from typing import TYPE_CHECKING, Any

from tornado import web

from .. import _core
from ..messages import notices
from ..record.counters import TOTALS
from ..record.log_lines import shown_key
from . import eviction
from . import lending as buffers
from .facts import Identity
from .owners import owner_of
from .session import ClientSession

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from ..connection import ZMQChannelsWebsocketConnection

_mailboxes: dict[str, ClientSession] = {}
_discarded: dict[str, tuple[str | None, str]] = {}
"""Owner and notice of the sessions that were ended last, by key: they are told when they come back."""
DISCARDED_KEPT = 1000


def ensure_future(future: "Future[Any]") -> Any:
    """The concurrent future as an asyncio future if a loop runs, else as it is."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return future
    return asyncio.wrap_future(future)


def register(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Takes the session key, replacing a connection that holds it still. Raises ``web.HTTPError(403)`` to another user."""
    key = connection.session_key = f"{connection.kernel_id}:{connection.session.session}"
    held = _mailboxes.get(key)
    if held is not None and held.identity.owner != owner_of(connection):
        raise web.HTTPError(403, "this session belongs to another user")
    stale = connection._open_sessions.get(key)
    if stale is not None and stale is not connection.websocket_handler:
        connection.log.warning("Replacing stale connection: %s", shown_key(key))
        replaced = getattr(stale, "connection", None)
        stale.close()
        if replaced is not None:
            replaced.disconnect()
    if connection.kernel_id in connection.multi_kernel_manager:
        connection._open_sessions[key] = connection.websocket_handler


def unregister(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Gives the session key back, if this connection is still its owner."""
    if connection._open_sessions.get(connection.session_key) is connection.websocket_handler:
        connection._open_sessions.pop(connection.session_key)


# what outlives a connection


def claim(connection: "ZMQChannelsWebsocketConnection") -> ClientSession | None:
    """The mailbox that this connection's session has left, if its channels can still be used."""
    mailbox = _mailboxes.get(connection.session_key)
    return None if mailbox is None or mailbox.closed else mailbox


def new_mailbox(connection: "ZMQChannelsWebsocketConnection") -> ClientSession:
    """An empty mailbox for the connection's session, known from now on."""
    key = connection.session_key or f"{connection.kernel_id}:{connection.session.session}"
    named = connection.websocket_handler.get_argument("session_id", None) is not None
    identity = Identity(key, connection.kernel_id, owner_of(connection), named)
    mailbox = ClientSession(
        identity,
        connection.session,
        connection.multi_kernel_manager,
        connection.delivery.protocol,
        connection.log,
        peers=partial(mailboxes_of, connection.kernel_id),
    )
    mailbox.tally.kernel_session = connection.kernel_session
    replaced = _mailboxes.get(key)
    if replaced is not None:
        replaced.close()
    _mailboxes[key] = mailbox
    if connection.feed.replaced is not None and connection.drop_output_on_restart:
        mailbox.end_process(connection.feed.replaced)  # some of its output may still come
    connection.feed.on_new_address = partial(_move_sessions, connection._open_sockets)
    connection.feed.on_end = end_detached
    return mailbox


def mailboxes() -> list[ClientSession]:
    """All sessions of this process, connected and detached."""
    return list(_mailboxes.values())


def mailboxes_of(kernel_id: str) -> list[ClientSession]:
    """The sessions of a kernel, connected and detached."""
    return [mailbox for mailbox in _mailboxes.values() if mailbox.identity.kernel_id == kernel_id]


def _move_sessions(connections: "Iterable[ZMQChannelsWebsocketConnection]", kernel_manager: Any) -> None:
    """The kernel runs elsewhere, perhaps under a key of its own: what its sessions send goes there, and is signed with that."""
    there, mailboxes = kernel_manager.session, mailboxes_of(kernel_manager.kernel_id)
    connected = [connection.session for connection in connections if connection.kernel_manager is kernel_manager]
    for session in (*(mailbox.session for mailbox in mailboxes), *connected):
        session.key, session.signature_scheme = there.key, there.signature_scheme
    for mailbox in mailboxes:
        try:
            mailbox.move_channels()
        except Exception as error:  # noqa: BLE001 - whatever a kernel manager's connect_*() raises; the others move on
            _stay_behind([one for one in connections if one.mailbox is mailbox], mailbox, error)


def _stay_behind(connected: "list[ZMQChannelsWebsocketConnection]", mailbox: ClientSession, error: Exception) -> None:
    """A session whose sockets cannot be opened at the kernel's new address ends; its client, if there, connects again."""
    from ..client import closing  # which keeps sessions, and so imports this module

    mailbox.log.error("session %s cannot follow its kernel: %s", shown_key(mailbox.identity.key), error)
    for connection in connected:
        closing.close(connection, closing.INTERNAL_ERROR, f"The kernel's channels cannot be opened: {error}", keep=False)
    end(mailbox)


def keep(connection: "ZMQChannelsWebsocketConnection", mailbox: ClientSession) -> None:
    """Keeps a mailbox whose connection has ended, as long as the limits allow."""
    detached_at, most, timeout = mailbox.tally.detached_at, connection.max_detached_sessions, connection.resume_timeout

    def expire() -> None:
        if mailbox.tally.detached_at == detached_at:
            evict(mailbox, "resume_timeout", timeout)

    # In a context of its own: the present one holds the handler of the WebSocket that has ended
    mailbox.expiry = asyncio.get_running_loop().call_later(timeout, expire, context=contextvars.Context())
    detached = _detached(mailbox.identity.kernel_id)
    for first in detached[: max(0, len(detached) - most)]:
        evict(first, "max_detached_sessions", most)


def end(mailbox: ClientSession) -> None:
    """Frees a mailbox and forgets it, as its kernel manager does."""
    mailbox.close()
    buffers.forget(mailbox.manager, mailbox.identity)
    if _mailboxes.get(mailbox.identity.key) is mailbox:
        del _mailboxes[mailbox.identity.key]


def evict(mailbox: ClientSession, trait: str, value: Any) -> None:
    """Ends a session because of a limit: the log says so at once, its client is told when it comes back.

    That nobody comes back for a page that was closed is what happens every day, and no warning.
    """
    tally, stats = mailbox.tally, mailbox.outbox.stats()
    log = mailbox.log.info if tally.left else mailbox.log.warning
    log(
        "session %s (%s) is ended with %d messages that it was not sent, because of %s = %r",
        shown_key(mailbox.identity.key),
        "connected" if tally.detached_at is None else "closed by its client" if tally.left else "connection lost",
        stats.waiting,
        trait,
        value,
    )
    end(mailbox)
    _remember(mailbox.identity, notices.discarded(trait, value))


def end_overfull(mailbox: ClientSession) -> None:
    """Ends a session of which nothing more may be left out and for which there is no room; it starts again, empty."""
    TOTALS.overfull_sessions += 1
    evict(mailbox, "session_memory_limit", mailbox.bounds.memory)


def end_failed(mailbox: ClientSession) -> None:
    """Ends a session whose outbox has discarded what it held; it starts again, empty."""
    end(mailbox)
    _remember(mailbox.identity, notices.STARTED_AFTER_FAILURE)


def _remember(identity: Identity, notice: str) -> None:
    """What the client of a session that was ended is told when it comes back."""
    _discarded[identity.key] = (identity.owner, notice)
    while len(_discarded) > DISCARDED_KEPT:
        del _discarded[next(iter(_discarded))]


def why_discarded(connection: "ZMQChannelsWebsocketConnection") -> str | None:
    """What to tell the client whose last session was ended with what it held; it is told once."""
    owner, notice = _discarded.get(connection.session_key, (None, ""))
    if not notice or owner != owner_of(connection):
        return None
    del _discarded[connection.session_key]
    return notice


def enforce_limits(memory_limit: int, disk_limit: int) -> None:
    """Ends detached sessions of the server while all sessions together are over a bound, in bytes."""
    for first in _detached(None):
        if memory_of_all() > memory_limit:
            evict(first, "outbox_memory_limit", memory_limit)
        elif sum(mailbox.overflow.disk_bytes for mailbox in _mailboxes.values()) > disk_limit:
            evict(first, "outbox_disk_limit", disk_limit)
        else:
            return


def memory_of_all() -> int:
    """Bytes of memory of all sessions; what several of them wait for counts once."""
    return _core.live_bytes() + sum(mailbox.outbox.upkeep() for mailbox in _mailboxes.values())


def _detached(kernel_id: str | None) -> list[ClientSession]:
    """The sessions of a kernel, or of all, without a connection: the first to end first."""
    mailboxes = _mailboxes.values() if kernel_id is None else mailboxes_of(kernel_id)
    return eviction.order((mailbox.tally, mailbox) for mailbox in mailboxes)


def end_detached(kernel_id: str) -> None:
    """The kernel is gone: its detached sessions cannot come back; the connected ones end with their connections."""
    for mailbox in _detached(kernel_id):
        end(mailbox)


async def close_all(connections: "list[ZMQChannelsWebsocketConnection]") -> None:
    """Disconnects each and waits until it says that it is closed; detached sessions end."""
    for connection in connections:
        connection.disconnect()
        await ensure_future(connection._close_future)
    for mailbox in _detached(None):
        end(mailbox)
