"""The sessions of this process: which connection holds which, and what is kept of those whose connection ended.

A session id is a ZMQ identity and must be unique: a second connection with the same key replaces the first and takes its
mailbox over, so that nothing is lost in between. A detached session is kept for ``resume_timeout`` seconds, at most
``max_detached_sessions`` a kernel, within the bounds of all sessions of the server, the oldest ending first. Ids stand in
the parent_header of every IOPub message, they are no credential: a session belongs to the user who opened it.
Must not write to a WebSocket or a socket of a kernel.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from tornado import web

from ..kernel_to_client.mailbox import Identity, Mailbox
from ..observe.counters import TOTALS
from ..observe.log_lines import shown_key
from . import buffers
from .owners import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from ..connection import ZMQChannelsWebsocketConnection

_mailboxes: dict[str, Mailbox] = {}
_overfull: dict[str, None] = {}
"""Keys of sessions that were ended because their outbox was full, the latest ones: they are told when they come back."""
OVERFULL_KEPT = 1000


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


def claim(connection: "ZMQChannelsWebsocketConnection") -> Mailbox | None:
    """The mailbox that this connection's session has left, if its channels can still be used."""
    mailbox = _mailboxes.get(connection.session_key)
    return None if mailbox is None or mailbox.closed else mailbox


def new_mailbox(connection: "ZMQChannelsWebsocketConnection") -> Mailbox:
    """An empty mailbox for the connection's session, known from now on."""
    key = connection.session_key or f"{connection.kernel_id}:{connection.session.session}"
    named = connection.websocket_handler.get_argument("session_id", None) is not None
    identity = Identity(key, connection.kernel_id, owner_of(connection), named)
    mailbox = Mailbox(identity, connection.session, connection.multi_kernel_manager, connection.delivery.protocol, connection.log)
    mailbox.tally.kernel_session = connection.kernel_session
    replaced = _mailboxes.get(key)
    if replaced is not None:
        replaced.close()
    _mailboxes[key] = mailbox
    kernel_manager, connections = connection.kernel_manager, connection._open_sockets
    connection.feed.on_new_address = lambda: _move_sessions(kernel_manager, connections)
    connection.feed.on_end = end_detached
    return mailbox


def mailboxes() -> list[Mailbox]:
    """All sessions of this process, connected and detached."""
    return list(_mailboxes.values())


def mailboxes_of(kernel_id: str) -> list[Mailbox]:
    """The sessions of a kernel, connected and detached."""
    return [mailbox for mailbox in _mailboxes.values() if mailbox.identity.kernel_id == kernel_id]


def _move_sessions(kernel_manager: Any, connections: "Iterable[ZMQChannelsWebsocketConnection]") -> None:
    """The kernel runs elsewhere, perhaps under a key of its own: what its sessions send goes there, and is signed with that."""
    there, mailboxes = kernel_manager.session, mailboxes_of(kernel_manager.kernel_id)
    connected = [connection.session for connection in connections if connection.kernel_manager is kernel_manager]
    for session in (*(mailbox.session for mailbox in mailboxes), *connected):
        session.key, session.signature_scheme = there.key, there.signature_scheme
    for mailbox in mailboxes:
        mailbox.move_channels()


def keep(connection: "ZMQChannelsWebsocketConnection", mailbox: Mailbox) -> None:
    """Keeps a mailbox whose connection has ended, as long as the limits allow."""
    log, detached_at = connection.log, mailbox.tally.detached_at

    def expire() -> None:
        if mailbox.tally.detached_at == detached_at:
            log.info("session %s was not resumed and is ended", shown_key(mailbox.identity.key))
            end(mailbox)

    mailbox.expiry = asyncio.get_running_loop().call_later(connection.resume_timeout, expire)
    detached = _oldest_detached(mailbox.identity.kernel_id)
    for oldest in detached[: max(0, len(detached) - connection.max_detached_sessions)]:
        end(oldest)


def end(mailbox: Mailbox) -> None:
    """Frees a mailbox and forgets it, as its kernel manager does."""
    mailbox.close()
    buffers.forget(mailbox.manager, mailbox.identity)
    if _mailboxes.get(mailbox.identity.key) is mailbox:
        del _mailboxes[mailbox.identity.key]


def end_overfull(mailbox: Mailbox) -> None:
    """Ends a session of which nothing more may be left out and for which there is no room; it starts again, empty."""
    end(mailbox)
    TOTALS.overfull_sessions += 1
    _overfull[mailbox.identity.key] = None
    while len(_overfull) > OVERFULL_KEPT:
        del _overfull[next(iter(_overfull))]


def was_overfull(key: str) -> bool:
    """Whether the last session of this key was ended so; says so once."""
    return _overfull.pop(key, False) is None


def enforce_limits(memory_limit: int, disk_limit: int) -> None:
    """Ends the oldest detached sessions of the server while all sessions together are over a bound, in bytes."""
    for oldest in _oldest_detached(None):
        memory = sum(mailbox.overflow.memory_bytes() for mailbox in _mailboxes.values())
        disk = sum(mailbox.overflow.disk_bytes for mailbox in _mailboxes.values())
        if memory <= memory_limit and disk <= disk_limit:
            return
        end(oldest)


def _oldest_detached(kernel_id: str | None) -> list[Mailbox]:
    detached = [
        mailbox
        for mailbox in _mailboxes.values()
        if mailbox.tally.detached_at is not None and kernel_id in (None, mailbox.identity.kernel_id)
    ]
    return sorted(detached, key=lambda mailbox: mailbox.tally.detached_at or 0.0)


def end_detached(kernel_id: str) -> None:
    """The kernel is gone: its detached sessions cannot come back; the connected ones end with their connections."""
    for mailbox in _oldest_detached(kernel_id):
        end(mailbox)


async def close_all(connections: "list[ZMQChannelsWebsocketConnection]") -> None:
    """Disconnects each and waits until it says that it is closed; detached sessions end."""
    for connection in connections:
        connection.disconnect()
        await ensure_future(connection._close_future)
    for mailbox in _oldest_detached(None):
        end(mailbox)
