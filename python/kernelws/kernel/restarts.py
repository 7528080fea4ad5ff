"""Restarts, death and interrupts of a kernel, as its sessions hear of them.

An automatic restart and a death are told to every session, connected or detached, after all messages of the process that
died. A restart that a client asked for is not: that client reconnects by itself, and of the process before nothing more is
sent than replies. Sessions that have not reconnected ``restart_announce_delay`` seconds after the kernel is up again are told
then, since their requests will never be answered; but never one that has asked the new process for work: JupyterLab drops
what it waits for when it is told. Must not write to a WebSocket.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core
from ..session import registry as sessions
from ..session.session import ClientSession
from ..sockets.channel import ASKS_NO_INPUT
from .feed import Feed

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


def watch(connection: "ZMQChannelsWebsocketConnection") -> None:
    """The connection hears of automatic restarts and of death."""
    manager, kernel_id = connection.multi_kernel_manager, connection.kernel_id
    manager.add_restart_callback(kernel_id, connection.on_kernel_restarted)
    manager.add_restart_callback(kernel_id, connection.on_restart_failed, "dead")


def unwatch(connection: "ZMQChannelsWebsocketConnection") -> None:
    """It does not any more."""
    manager, kernel_id = connection.multi_kernel_manager, connection.kernel_id
    if kernel_id in manager:
        manager.remove_restart_callback(kernel_id, connection.on_kernel_restarted)
        manager.remove_restart_callback(kernel_id, connection.on_restart_failed, "dead")


def watch_detached(manager: Any, feed: Feed, mailbox: ClientSession) -> Callable[[], None]:
    """A detached session is told when it comes back; returns what ends that."""
    kernel_id = mailbox.identity.kernel_id

    def restarted() -> None:
        feed.after_drain(lambda: mailbox.announce("restarting"))

    manager.add_restart_callback(kernel_id, restarted)

    def end() -> None:
        if kernel_id in manager:
            manager.remove_restart_callback(kernel_id, restarted)

    return end


def replacing(feed: Feed) -> None:
    """A client has asked for a restart: the next process ends what this one has published."""
    for mailbox in sessions.mailboxes_of(feed.kernel_id):
        mailbox.expect_replacement(feed.kernel_session)


def replaced(feed: Feed, kernel_session: str | None) -> None:
    """The process that spoke as ``kernel_session`` is gone: its output that still comes is left out too."""
    feed.replaced = kernel_session
    for mailbox in sessions.mailboxes_of(feed.kernel_id):
        mailbox.restarted()


def not_replaced(feed: Feed) -> None:
    """The restart has failed."""
    for mailbox in sessions.mailboxes_of(feed.kernel_id):
        mailbox.expect_replacement(None)


def announce_later(kernel_id: str, up: "asyncio.Future[Any]", gone: str | None) -> None:
    """Tells the sessions of a kernel that was restarted now, once ``up`` is done and their delay is over.

    ``gone`` is the ``header.session`` of the process before.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()

    def announce(mailbox: ClientSession) -> None:
        if not mailbox.closed and is_told(mailbox.tally.attached_at, mailbox.tally.requested_at, began):
            mailbox.announce("restarting", gone)

    def when_up(future: "asyncio.Future[Any]") -> None:
        if future.cancelled() or future.exception() is not None:
            return
        for mailbox in sessions.mailboxes_of(kernel_id):
            if mailbox.restart_announce_delay > 0 and mailbox.tally.attached_at < began:
                loop.call_later(mailbox.restart_announce_delay, announce, mailbox)

    up.add_done_callback(when_up)


def is_told(attached_at: float, requested_at: float, restarted_at: float) -> bool:
    """Whether a session is told of a restart, by when it connected and last asked for work: not if it has done so since."""
    return attached_at < restarted_at and requested_at < restarted_at


def note_request(connection: "ZMQChannelsWebsocketConnection", message: _core.ClientMessage) -> None:
    """A shell message on its way. What a page asks by itself when it connects says nothing of what its user knows."""
    msg_type = message.msg_type
    if connection.mailbox is not None and msg_type.endswith("_request") and msg_type not in ASKS_NO_INPUT:
        connection.mailbox.requested()


def interrupted(kernel_id: str) -> None:
    """An interrupt is on its way to the kernel."""
    for mailbox in sessions.mailboxes_of(kernel_id):
        mailbox.interrupt()
