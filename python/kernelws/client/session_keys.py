"""Session keys while connections are open: which connection holds which, and how all of them end.

Must not know what a session holds. Cost: a dictionary entry a connection.
"""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from tornado import web

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
    """The concurrent future as an asyncio future if a loop runs, else as it is."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return future
    return asyncio.wrap_future(future)


def register(hooks: "Hooks", held: MutableMapping[str, Any], registry: Registry) -> None:
    """Takes the session key, replacing a connection that holds it still. Raises ``web.HTTPError(403)`` to another user."""
    key = hooks.session_key
    session = registry.get(key)
    if session is not None and session.identity.owner != owners.owner_of(hooks.websocket_handler):
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
    """Gives the session key back, if this connection is still its owner."""
    if held.get(hooks.session_key) is hooks.websocket_handler:
        held.pop(hooks.session_key)


async def close_all(connections: Iterable[Closable]) -> None:
    """Disconnects each and waits until it says that it is closed; detached sessions of their servers end."""
    registries = set()
    for connection in connections:
        registries.add(known_registry(connection.multi_kernel_manager))
        connection.disconnect()
        await ensure_future(connection._close_future)
    for registry in registries:
        if registry is not None:
            registry.close()
