"""Whether a kernel answers and is heard: the kernel_info request of ``prepare`` and the nudge of ``connect``.

Both ask on shell and on control and take the first answer, so that a busy kernel answers too. The nudge is needed only
while the kernel's feed is unproven; a client that connects to a proven kernel is live at once. Probes are signed by the
feed's own Session, and the feed shows nobody what the kernel publishes about them.
Must not touch the client's channels. Every socket that is opened here is closed here, on every path.
"""

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from jupyter_client._version import protocol_version as client_protocol_version

from ..errors import ChannelUnavailable
from ..messages import adapt
from ..record.log_lines import shown
from ..sockets.channel import Channel
from .feed import Feed, address_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..connection import ZMQChannelsWebsocketConnection

Connect: TypeAlias = Callable[[], Any]
"""Makes a socket or stream: a kernel manager's ``connect_shell`` or ``connect_control``."""

RETRY = 0.5
"""Seconds between two kernel_info requests of a nudge, as upstream."""
STARTING_POLL = 0.05
"""Seconds between two looks whether the kernel still starts, as upstream: the state is a plain attribute."""


def _asking_channels(
    connection: "ZMQChannelsWebsocketConnection", connect_shell: Connect, connect_control: Connect
) -> tuple[Channel, Channel]:
    """A shell and a control of the server's own, both open; neither, and the manager's own error, if one cannot be."""
    shell = Channel("shell", connect_shell, connection.new_receiver, connection.log)
    control = Channel("control", connect_control, connection.new_receiver, connection.log)
    try:
        shell.open()
        control.open()
    except ChannelUnavailable as error:
        shell.close()
        raise error.__cause__ or error from None
    return shell, control


class Nudge:
    """Asks a kernel until it has answered and its feed is proven. ``run`` is the future that ``nudge()`` returns."""

    def __init__(self, connection: "ZMQChannelsWebsocketConnection", feed: Feed) -> None:
        self._connection = connection
        self._feed = feed
        self._address = address_of(connection.kernel_manager)
        self._replied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        manager = connection.kernel_manager
        self._shell, self._control = _asking_channels(connection, manager.connect_shell, manager.connect_control)
        self._shell.on_recv(self.on_shell_reply)
        self._control.on_recv(self.on_control_reply)
        self._work: asyncio.Task[Any] | None = None
        self._finished = False

    async def run(self) -> None:
        """Ends when the kernel answered and was heard, or asking is pointless; TimeoutError after ``kernel_info_timeout``."""
        try:
            if self._finished:
                return
            self._work = asyncio.ensure_future(self._until_ready())
            done, _ = await asyncio.wait({self._work}, timeout=self._connection.kernel_info_timeout)
            if not done:
                raise TimeoutError("the kernel did not answer within kernel_info_timeout")
            if not self._work.cancelled():
                self._work.result()
        finally:
            self.cleanup()

    async def _until_ready(self) -> None:
        asking = asyncio.ensure_future(self._keep_asking())
        try:
            await asyncio.gather(self._replied, self._feed.wait_proven(), self._past_starting())
        finally:
            asking.cancel()

    async def _keep_asking(self) -> None:
        connection = self._connection
        for count in itertools.count(1):
            if self._pointless():
                self.finish()
                return
            log = connection.log.warning if count % 10 == 0 else connection.log.debug
            log("Nudge: attempt %s on kernel %s", count, connection.kernel_id)
            self._feed.ask_kernel_info(self._shell)
            self._feed.ask_kernel_info(self._control)
            await asyncio.sleep(RETRY)

    def _pointless(self) -> bool:
        """The kernel is gone, has another address, or the feed or the transient sockets were closed."""
        connection = self._connection
        return (
            connection.kernel_id not in connection.multi_kernel_manager
            or address_of(connection.kernel_manager) != self._address
            or self._shell.closed()
            or self._control.closed()
            or self._feed.closed()
        )

    async def _past_starting(self) -> None:
        while getattr(self._connection.kernel_manager, "execution_state", None) == "starting":  # noqa: ASYNC110 - no event
            await asyncio.sleep(STARTING_POLL)

    def on_shell_reply(self, frames: list[Any]) -> None:
        self._on_reply("shell", frames)

    def on_control_reply(self, frames: list[Any]) -> None:
        self._on_reply("control", frames)

    def _on_reply(self, channel: str, frames: list[Any]) -> None:
        """Any verified answer will do: the kernel is there."""
        batch = self._connection.new_receiver().split(channel, [frames])
        self._connection.complaints.add_all(channel, batch.malformed)
        if len(batch) and not self._replied.done():
            self._connection.log.debug("Nudge: %s reply received: %s", channel, self._connection.kernel_id)
            self._replied.set_result(None)

    def finish(self) -> None:
        """Ends the nudge early, without an error, also before it has begun."""
        self._finished = True
        if self._work is not None:
            self._work.cancel()

    def cleanup(self) -> None:
        """Closes the transient sockets and whatever still runs; a second call does nothing."""
        self.finish()
        self._replied.cancel()
        self._shell.close()
        self._control.close()


def needs_nudge(connection: "ZMQChannelsWebsocketConnection", feed: Feed) -> bool:
    """Not where the feed is proven, and, as upstream, not where the kernel is known to be busy: since it was started."""
    if feed.proven:
        return False
    if getattr(connection.kernel_manager, "execution_state", None) == "busy" and not feed.restarted:
        connection.log.debug("Nudge: not nudging busy kernel %s", connection.kernel_id)
        return False
    return True


class KernelInfoRequest:
    """One kernel_info request on shell and control; every reply's frames go to the connection, which takes the first."""

    def __init__(self, connection: "ZMQChannelsWebsocketConnection", feed: Feed) -> None:
        manager, kernel_id = connection.multi_kernel_manager, connection.kernel_id
        connects = (partial(manager.connect_shell, kernel_id), partial(manager.connect_control, kernel_id))
        self.shell, self.control = _asking_channels(connection, *connects)
        for channel in (self.shell, self.control):
            channel.on_recv(connection._handle_kernel_info_reply)
            feed.ask_kernel_info(channel)

    def close(self) -> None:
        self.shell.close()
        self.control.close()


def request_kernel_info(connection: "ZMQChannelsWebsocketConnection") -> "Future[Any]":
    """Asks, unless a connection of the same kernel has: its future is kept on the kernel manager."""
    manager = connection.kernel_manager
    asked = getattr(manager, "_kernel_info_future", None)
    if asked is None:
        connection.log.debug("Requesting kernel info from %s", connection.kernel_id)
        request = connection.kernel_info_request = KernelInfoRequest(connection, connection.feed)
        connection.kernel_info_channel = request.shell
        manager._kernel_info_future = connection._kernel_info_future
    else:
        if not asked.done():
            connection.log.debug("Waiting for pending kernel_info request")
        asked.add_done_callback(lambda future: connection._finish_kernel_info(future.result()))
    return connection._kernel_info_future


def handle_kernel_info_reply(connection: "ZMQChannelsWebsocketConnection", frames: list[Any]) -> None:
    """Takes the first reply that is signed and can be read; a bad one is ignored, the good one may still come."""
    batch = connection.new_receiver().split("shell", [frames])
    connection.complaints.add_all("shell", batch.malformed)
    if not len(batch):
        return
    try:
        message = adapt.message_of(list(batch.parts(0)), connection.session)
        info = message["content"]
        int(info["protocol_version"].split(".")[0])
    except Exception as error:  # noqa: BLE001 - whatever the packer raises, or a reply of another shape
        connection.log.error("Kernel info request failed, assuming current (%s)", type(error).__name__)
        info = {}
    else:
        if message["msg_type"] != "kernel_info_reply":
            connection.log.error("Kernel info request failed, assuming current")
            info = {}
    connection._finish_kernel_info(info)
    _close_kernel_info(connection)


def finish_kernel_info(connection: "ZMQChannelsWebsocketConnection", info: dict[str, Any]) -> None:
    """Sets up protocol adaptation where the kernel's version is another, and completes the connection's future."""
    version = info.get("protocol_version", client_protocol_version)
    if version != client_protocol_version:
        connection.session.adapt_version = int(version.split(".")[0])
        connection.log.info(
            "Adapting from protocol version %s (kernel %s) to %s (client).",
            shown(version),
            connection.kernel_id,
            client_protocol_version,
        )
    if not connection._kernel_info_future.done():
        connection._kernel_info_future.set_result(info)


def drop_kernel_info_request(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Ends a request that was not answered: whoever waits for it goes on, and the next connection asks again."""
    if connection.kernel_info_channel is not None:
        if not connection._kernel_info_future.done():
            connection._kernel_info_future.set_result({})
        if getattr(connection.kernel_manager, "_kernel_info_future", None) is connection._kernel_info_future:
            del connection.kernel_manager._kernel_info_future
    _close_kernel_info(connection)


def _close_kernel_info(connection: "ZMQChannelsWebsocketConnection") -> None:
    if connection.kernel_info_request is not None:
        connection.kernel_info_request.close()
        connection.kernel_info_request = None
    channel, connection.kernel_info_channel = connection.kernel_info_channel, None
    if channel is not None and not channel.closed():
        channel.close()
