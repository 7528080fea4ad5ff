"""The steps of ``prepare`` and ``connect``, and the restart callbacks of a connection.

Late callbacks ask the state first: whoever finds the connection ended leaves its channels alone. A failure closes the
WebSocket with a code and a reason; never with 1000 or 1001, after which JupyterLab would not come back.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from tornado import web
from tornado.ioloop import IOLoop

from . import buffers
from .state import Event

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection

INTERNAL_ERROR = 1011
"""RFC 6455, 7.4.1: the server met a condition that prevents it from fulfilling the request."""


async def wait_until_alive(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Waits until the kernel process runs; see ``prepare`` for the errors."""
    manager = connection.kernel_manager
    if hasattr(manager, "ready"):
        ready = manager.ready
        try:
            await (ready if isinstance(ready, asyncio.Future) else asyncio.wrap_future(ready))
        except Exception as error:
            manager.execution_state = "dead"
            manager.reason = str(error)
            raise web.HTTPError(500, str(error)) from error
    started = time.monotonic()
    while not await ensure_async(manager.is_alive()):
        await asyncio.sleep(0.1)
        if time.monotonic() - started > connection.multi_kernel_manager.kernel_info_timeout:
            raise TimeoutError("Kernel never reached an 'alive' state.")


def adopt_key(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Takes the kernel's key and scheme, and opens its feed. Raises ``web.HTTPError(500)`` for an unsupported scheme."""
    kernel_session = connection.kernel_manager.session
    scheme = kernel_session.signature_scheme
    try:
        connection.session.key = kernel_session.key
        connection.session.signature_scheme = scheme
        connection.feed.open(verify=connection.verify_signatures, lag_limit=connection.intake_lag_limit)
    except ValueError as error:  # ``UnsupportedScheme``, or what hmac raises for a digest without a fixed length
        connection.log.error("kernel %s: signature scheme %s: %s", connection.kernel_id, scheme, error)
        raise web.HTTPError(500, f"The kernel's signature scheme {scheme} is not supported") from error


async def wait_for_kernel_info(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Waits for the kernel's info, at most ``kernel_info_timeout``: browsers do not take it well to be left waiting."""
    future = connection.request_kernel_info()

    def give_up() -> None:
        if not connection._kernel_info_future.done():
            connection.log.warning("Timeout waiting for kernel_info reply from %s", connection.kernel_id)
            connection._kernel_info_future.set_result({})

    loop = IOLoop.current()
    timeout = loop.call_later(connection.kernel_info_timeout, give_up)
    try:
        await asyncio.wrap_future(future)
    finally:
        loop.remove_timeout(timeout)


def connect(connection: "ZMQChannelsWebsocketConnection") -> "asyncio.Future[None]":
    """Opens the channels, or takes them back from the buffer; the future is done when messages flow, or never will."""
    if not connection.lifecycle.on(Event.CONNECT):
        return _failed(connection, "this connection was opened or ended before")
    if connection.websocket_handler.ws_connection is not None:
        connection.websocket_handler.set_nodelay(True)
    connection.delivery.settle_way()
    try:
        buffered = buffers.take_back(connection)
        _open_channels(connection, buffered)
        nudged = connection.nudge()
    except Exception as error:  # noqa: BLE001 - whatever it is, tornado would log it with the token in the URI
        if connection.kernel_id in connection.multi_kernel_manager:  # else it was shut down, and that is no error
            connection.log.error("Error opening stream: %s", error)
        half_open, connection.channels = connection.channels, {}
        buffers.close_channels(half_open)  # not to be buffered
        return _failed(connection, f"The kernel's channels cannot be opened: {error}")
    _watch_restarts(connection)
    return asyncio.ensure_future(_go_live(connection, nudged))


def _open_channels(connection: "ZMQChannelsWebsocketConnection", buffered: dict[str, Any] | None) -> None:
    if buffered is None:
        connection.create_stream()
        return
    connection.log.info("Restoring connection for %s", connection.session_key)
    connection.unreplayed = buffered["buffer"]
    if connection.multi_kernel_manager.ports_changed(connection.kernel_id):
        buffers.close_channels(buffered["channels"])
        connection.create_stream()
    else:
        connection.channels = buffered["channels"]


async def _go_live(connection: "ZMQChannelsWebsocketConnection", nudged: "asyncio.Future[None]") -> None:
    try:
        await nudged
    except TimeoutError as error:
        if not connection.lifecycle.ended:
            connection.log.warning("kernel %s: %s", connection.kernel_id, error)
            _close(connection, "The kernel did not answer within kernel_info_timeout")
        return
    if connection.lifecycle.on(Event.READY):
        buffers.replay(connection)
        connection.subscribe()


def _failed(connection: "ZMQChannelsWebsocketConnection", reason: str) -> "asyncio.Future[None]":
    _close(connection, reason)
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def _close(connection: "ZMQChannelsWebsocketConnection", reason: str) -> None:
    """Closes the WebSocket, whose frame holds a reason of 123 bytes at most, and ends the connection."""
    connection.websocket_handler.close(INTERNAL_ERROR, reason.encode()[:123].decode(errors="ignore"))
    connection.disconnect()


def _watch_restarts(connection: "ZMQChannelsWebsocketConnection") -> None:
    manager, kernel_id = connection.multi_kernel_manager, connection.kernel_id
    manager.add_restart_callback(kernel_id, connection.on_kernel_restarted)
    manager.add_restart_callback(kernel_id, connection.on_restart_failed, "dead")


def unwatch_restarts(connection: "ZMQChannelsWebsocketConnection") -> None:
    manager, kernel_id = connection.multi_kernel_manager, connection.kernel_id
    if kernel_id in manager:
        manager.remove_restart_callback(kernel_id, connection.on_kernel_restarted)
        manager.remove_restart_callback(kernel_id, connection.on_restart_failed, "dead")
