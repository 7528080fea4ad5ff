"""Restarts and death of a kernel, as its sessions hear of them.

An automatic restart and a death are told to every session, connected or detached, after all messages of the old
incarnation. A restart that a client asked for is not: that client reconnects by itself. Sessions that have not reconnected
``restart_announce_delay`` seconds after the kernel is up again are told then, since their requests will never be answered.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..kernel_to_client.mailbox import Mailbox
from . import sessions

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


def watch_detached(manager: Any, mailbox: Mailbox) -> Callable[[], None]:
    """A detached session is told when it comes back; returns what ends that."""
    kernel_id = mailbox.identity.kernel_id

    def restarted() -> None:
        mailbox.append_own(mailbox.voice.status("restarting"))

    manager.add_restart_callback(kernel_id, restarted)

    def end() -> None:
        if kernel_id in manager:
            manager.remove_restart_callback(kernel_id, restarted)

    return end


def announce_later(kernel_id: str, up: "asyncio.Future[Any]") -> None:
    """Tells the sessions of a kernel that was restarted now, once ``up`` is done and their delay is over."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    def announce(mailbox: Mailbox) -> None:
        if not mailbox.closed and mailbox.tally.attached_at < began:
            mailbox.append_own(mailbox.voice.status("restarting"))

    def when_up(future: "asyncio.Future[Any]") -> None:
        if future.cancelled() or future.exception() is not None:
            return
        for mailbox in sessions.mailboxes_of(kernel_id):
            if mailbox.restart_announce_delay > 0 and mailbox.tally.attached_at < began:
                loop.call_later(mailbox.restart_announce_delay, announce, mailbox)

    up.add_done_callback(when_up)
