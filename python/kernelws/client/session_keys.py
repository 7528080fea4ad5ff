"""Registers open connections under their session keys, and closes all of them.

A key belongs to one connection at a time: a newer one with the same key closes the older. Must not know what a session
contains. Cost: a dictionary entry a connection.
"""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from tornado import web

from ..kernel.kernel import known_kernel
from ..record.log_lines import shown_key
from ..session import owners
from ..session.registry import Registry, known_registry

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .hooks import Hooks


class Closable(Protocol):
    """An open connection."""

    @property
    def multi_kernel_manager(self) -> Any: ...
    @property
    def _close_future(self) -> "Future[Any]": ...
    def disconnect(self) -> None: ...


def ensure_future(future: "Future[Any]") -> Any:
    """Wraps a concurrent future for ``await`` if an event loop is running, else returns it unchanged."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return future
    return asyncio.wrap_future(future)


def register(hooks: "Hooks", held: MutableMapping[str, Any], registry: Registry) -> None:
    """Registers a connection in ``held`` (session key -> handler) and closes an older one with the same key.

    Raises ``web.HTTPError(403)`` if the session belongs to another user.
    """
    key = hooks.session_key
    session, owner = registry.get(key), owners.owner_of(hooks.websocket_handler)
    kernel = known_kernel(hooks.kernel_manager)
    journal = None if kernel is None else kernel.journal
    ours = session is None or session.identity.owner == owner
    if not ours or (journal is not None and not journal.claim(hooks.session.session, owner)):
        raise web.HTTPError(403, "this session belongs to another user")
    stale = held.get(key)
    if stale is not None and stale is not hooks.websocket_handler:
        hooks.log.warning("Replacing stale connection: %s", shown_key(key))
        replaced = getattr(stale, "connection", None)
        stale.close()
        if replaced is not None:
            replaced.disconnect()
    if hooks.kernel_id in hooks.multi_kernel_manager:
        held[key] = hooks.websocket_handler


def unregister(hooks: "Hooks", held: MutableMapping[str, Any]) -> None:
    """Removes the connection from ``held``, unless a newer one has the key."""
    if held.get(hooks.session_key) is hooks.websocket_handler:
        held.pop(hooks.session_key)


async def close_all(connections: Iterable[Closable]) -> None:
    """Disconnects each connection, waits until it is closed, and ends the detached sessions of their servers."""
    registries = set()
    for connection in connections:
        registries.add(known_registry(connection.multi_kernel_manager))
        connection.disconnect()
        await ensure_future(connection._close_future)
    for registry in registries:
        if registry is not None:
            registry.close()
