"""The steps of ``prepare`` and ``connect``.

``connect`` does not wait: it opens or resumes the session and returns, so that the WebSocket is read at once. Control goes
through; shell messages wait, bounded, until the kernel is ready. Late callbacks ask the state first: whoever finds the
connection ended leaves its channels alone. A failure closes the WebSocket with a code and a reason; never with 1000 or
1001, after which JupyterLab would not come back.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_core.utils import ensure_async
from tornado import web

from .. import _core
from ..kernel import restarts
from ..messages import adapt, notices
from ..record.counters import TOTALS
from ..record.log_lines import shown_key
from ..session import lending as buffers
from ..session import registry as sessions
from ..session.facts import Bounds
from ..session.session import ClientSession
from ..sockets import io_threads as receiving_thread
from ..sockets import malloc as large_blocks
from . import closing
from . import websocket as limits
from .dispatch import dispatch
from .state import Event, State

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection

OUTBOX_TRAITS = frozenset(
    {
        "limit_rate",
        "overload",
        "iopub_msg_rate_limit",
        "iopub_data_rate_limit",
        "rate_limit_window",
        "stream_merge_window",
        "stream_backlog_limit",
        "interrupt_backlog_limit",
        "drop_output_on_restart",
        "write_high_water",
        "session_memory_limit",
        "session_disk_limit",
        "spool_dir",
    }
)
LOOK = 0.5
"""Seconds between two looks whether a kernel that has not answered yet is still there, and the client."""
NO_KERNEL = "Kernel does not exist: {}"


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
        check_wanted(connection)
        if time.monotonic() - started > connection.multi_kernel_manager.kernel_info_timeout:
            raise TimeoutError("Kernel never reached an 'alive' state.")
    check_wanted(connection)


def check_wanted(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Raises ``web.Finish`` if the client has left, ``web.HTTPError(404)`` if the kernel was deleted since it came."""
    if getattr(connection.websocket_handler, "connection", connection) is None:  # what upstream's ``on_close`` leaves there
        connection.log.debug("the client of %s left before it was connected", shown_key(connection.session_key))
        raise web.Finish
    if connection.kernel_id not in connection.multi_kernel_manager:
        raise web.HTTPError(404, NO_KERNEL.format(connection.kernel_id))


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
    future = asyncio.wrap_future(connection.request_kernel_info())
    started = time.monotonic()
    while not future.done():
        left = started + connection.kernel_info_timeout - time.monotonic()
        await asyncio.wait({future}, timeout=min(LOOK, max(0.0, left)))
        check_wanted(connection)
        if left <= 0 and not connection._kernel_info_future.done():
            connection.log.warning("Timeout waiting for kernel_info reply from %s", connection.kernel_id)
            connection._kernel_info_future.set_result({})


def connect(connection: "ZMQChannelsWebsocketConnection") -> "asyncio.Future[None]":
    """Opens the session, or resumes it; returns a future that is done."""
    if not connection.lifecycle.on(Event.CONNECT):
        closing.close(connection, closing.INTERNAL_ERROR, "this connection was opened or ended before")
        return _done()
    if connection.kernel_id not in connection.multi_kernel_manager:
        closing.close(connection, closing.INTERNAL_ERROR, NO_KERNEL.format(connection.kernel_id))
        return _done()
    receiving_thread.lower_io_priority(connection.receive_niceness)
    large_blocks.set_mmap_threshold(connection.large_block_size)
    limits.set_on_websocket(connection)
    connection.delivery.choose_write_path()
    try:
        buffered = _open_session(connection)
        nudged = connection.nudge()
    except Exception as error:  # noqa: BLE001 - whatever it is, tornado would log it with the token in the URI
        closing.cannot_open(connection, error)
        return _done()
    restarts.watch(connection)
    discarded = sessions.why_discarded(connection)
    if discarded is not None:
        notices.show_at_once(connection, connection.voice.stream(discarded, {}))
    connection.subscribe()
    if buffered is not None and connection.mailbox is not None:
        buffers.replay(connection, buffered["buffer"])
    _repeat_status(connection)
    if nudged.done():
        _ready(connection)
    else:
        connection.opening = asyncio.ensure_future(_wait_for_nudge(connection, nudged))
    return _done()


def _open_session(connection: "ZMQChannelsWebsocketConnection") -> dict[str, Any] | None:
    """The session's mailbox as it was left, or a new one; returns what an outside caller has buffered for it."""
    connection.mailbox = sessions.claim(connection)
    buffered = buffers.take_back(connection)
    if connection.mailbox is not None:
        connection.log.info("Restoring connection for %s", shown_key(connection.session_key))
        connection.mailbox.resumed_by(connection.session)
        connection.complaints.trouble = connection.mailbox.complaints.trouble
        connection.channels = connection.mailbox.channels
        return None
    if buffered is not None and not connection.multi_kernel_manager.ports_changed(connection.kernel_id):
        connection.channels = buffered["channels"]
    else:
        buffers.close_channels((buffered or {}).get("channels", {}))
        connection.create_stream()
    connection.mailbox = sessions.new_mailbox(connection)
    connection.complaints.trouble = connection.mailbox.complaints.trouble
    return buffered


def _repeat_status(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Brings the kernel's last status once more: a busy kernel would not say what it does before its cell has ended.

    It is the kernel's own message, parent and ``msg_id`` included, and takes the way of one: a client that reads
    ``parent_header["msg_id"]`` finds it, and one that has got it before can tell. Behind all that is replayed: the idle of a
    cell, before the output that a detached session has missed, would end that cell for JupyterLab, and a filter of repeats
    would drop it from its place. Nothing where none was heard, or only that of a process which is no longer there.
    """
    feed, mailbox = connection.feed, connection.mailbox
    if feed.last_status is None or mailbox is None or feed.restarted:
        return
    verify = connection.verify_signatures or mailbox.protocol == "legacy"
    batch = connection.new_receiver(verify=verify).split("iopub", [feed.last_status])
    if batch.kernel_session == feed.kernel_session:
        adapt.describe(batch, connection.session)
        mailbox.take_in(batch)


async def _wait_for_nudge(connection: "ZMQChannelsWebsocketConnection", nudged: "asyncio.Future[None]") -> None:
    try:
        await nudged
    except TimeoutError as error:
        if not connection.lifecycle.ended:
            connection.log.warning("kernel %s: %s", connection.kernel_id, error)
            connection.complaints.trouble.note("kernel_silent")
            closing.close(connection, closing.INTERNAL_ERROR, "The kernel did not answer within kernel_info_timeout")
        return
    if connection.kernel_id not in connection.multi_kernel_manager and not connection.lifecycle.ended:
        closing.close(connection, closing.INTERNAL_ERROR, NO_KERNEL.format(connection.kernel_id))
    _ready(connection)


def configure(connection: "ZMQChannelsWebsocketConnection", mailbox: ClientSession) -> None:
    """Gives the session's outbox the limits of this connection's traits, and again whenever one of them is set."""

    def apply() -> None:
        mailbox.outbox.configure(
            hold=connection.limit_rate and connection.overload == "hold",
            msg_limit=connection.iopub_msg_rate_limit,
            data_limit=connection.iopub_data_rate_limit,
            rate_window=connection.rate_limit_window,
            merge_window=0.0 if connection.delivery.per_message else connection.stream_merge_window,
            backlog_limit=connection.stream_backlog_limit,
            interrupt_limit=connection.interrupt_backlog_limit,
            memory_limit=connection.session_memory_limit,
            high_water=connection.write_high_water,
        )
        mailbox.drops_output_on_restart = connection.drop_output_on_restart
        directory = Path(connection.spool_dir or jupyter_runtime_dir())
        mailbox.overflow.configure(connection.session_memory_limit, connection.session_disk_limit, directory)
        mailbox.bounds = Bounds(
            connection.stream_backlog_limit,
            connection.session_memory_limit,
            connection.session_disk_limit,
            connection.write_high_water,
            (connection.outbox_memory_limit, connection.outbox_disk_limit),
        )

    def follow(change: Any) -> None:
        if change.name in OUTBOX_TRAITS:
            apply()

    apply()
    mailbox.way_changed = apply
    connection.observe(follow)  # an observer of each trait would take 2 KB
    unverified_feed = not connection.verify_signatures and mailbox.protocol == "legacy"
    mailbox.legacy_verifier = connection.new_receiver() if unverified_feed else None
    mailbox.restart_announce_delay = connection.restart_announce_delay
    mailbox.too_full = lambda: too_full(connection)
    mailbox.broken = lambda: failed(connection)
    memory_limit, disk_limit = connection.outbox_memory_limit, connection.outbox_disk_limit
    mailbox.grown = lambda: sessions.enforce_limits(memory_limit, disk_limit)


def dispatch_when_ready(connection: "ZMQChannelsWebsocketConnection", channel: str, message: _core.ClientMessage) -> None:
    """Sends a message, or lets it wait if it is for the shell of a kernel that is not ready, or not heard since a restart."""
    live, room = connection.lifecycle.state is not State.CONNECTING, connection.waiting_room
    if channel == "shell":
        connection.feed.notice_restart()
        restarts.note_request(connection, message)
    if channel != "shell" or (live and room.empty and connection.feed.proven):
        dispatch(connection, channel, message)
        return
    if not room.add(channel, message):
        closing.close(connection, closing.TRY_AGAIN_LATER, "too many messages for a kernel that is not ready yet")
    elif live and connection.hearing is None:
        connection.hearing = asyncio.ensure_future(_hear_again(connection))


async def _hear_again(connection: "ZMQChannelsWebsocketConnection") -> None:
    """After a restart the kernel's first output would be lost if its IOPub was not heard before it gets work."""
    try:
        await connection.nudge()
    except TimeoutError as error:
        connection.log.warning("kernel %s: %s", connection.kernel_id, error)
    except Exception as error:  # noqa: BLE001 - no descriptor is left, or whatever a kernel manager's connect_*() raises
        connection.hearing = None
        if not connection.lifecycle.ended:
            closing.cannot_open(connection, error)  # the client comes again, and with it what it asks
        return
    connection.hearing = None
    if not connection.lifecycle.ended:
        connection.waiting_room.open()


def _ready(connection: "ZMQChannelsWebsocketConnection") -> None:
    """The kernel is there: what the client has sent meanwhile goes on to it."""
    if connection.lifecycle.on(Event.READY):
        TOTALS.connect.observe(time.monotonic() - connection.began)
        connection.waiting_room.open()


def _done() -> "asyncio.Future[None]":
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def too_full(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Even what must never be left out does not fit any more: the session starts again, empty, and says so."""
    mailbox = connection.mailbox
    connection.log.error("%s: the outbox is full; raise session_memory_limit", shown_key(connection.session_key))
    closing.close(
        connection,
        closing.TRY_AGAIN_LATER,
        "the session's outbox is full; raise ZMQChannelsWebsocketConnection.session_memory_limit",
        keep=False,
    )
    if mailbox is not None:
        sessions.end_overfull(mailbox)


def failed(connection: "ZMQChannelsWebsocketConnection") -> None:
    """The session's outbox has discarded what it held: the session starts again, empty, and says so."""
    mailbox = connection.mailbox
    closing.close(connection, closing.INTERNAL_ERROR, "the session's outbox failed; the server's log says more", keep=False)
    if mailbox is not None:
        sessions.end_failed(mailbox)
