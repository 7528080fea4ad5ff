"""Before the WebSocket handshake: waits until the kernel runs, takes its key, and asks for its protocol version.

First awaits the kernel manager's ``ready`` future, without a limit. Each later wait lasts up to ``kernel_info_timeout`` and
ends early if the client leaves or the kernel is deleted. Must not touch the client's channels, and must close every socket that
it opens, on every path. Cost: one kernel_info request a kernel.
"""

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_client._version import protocol_version as client_protocol_version
from jupyter_core.utils import ensure_async
from tornado import web

from ..kernel.probe import Probe, ask_kernel_info
from ..messages import adapt
from ..record.log_lines import shown, shown_key
from ..sockets import process

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..kernel.kernel import Kernel
    from .hooks import Hooks

POLL_SECONDS = 0.5
"""Seconds between two checks that the client has not left and the kernel was not deleted."""
NO_KERNEL = "Kernel does not exist: {}"


class Preparation:
    """Prepares one connection."""

    def __init__(self, hooks: "Hooks") -> None:
        self._hooks = hooks
        self._probe: Probe | None = None

    async def run(self, kernel: "Kernel") -> None:
        """See ``ZMQChannelsWebsocketConnection.prepare`` for the errors."""
        await self._until_alive()
        self.adopt_key(kernel)
        await self._until_info()
        process.tune(self._hooks.receive_niceness, self._hooks.large_block_size)

    async def _until_alive(self) -> None:
        manager = self._hooks.kernel_manager
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
            self._check_wanted()
            if time.monotonic() - started > self._hooks.multi_kernel_manager.kernel_info_timeout:
                raise TimeoutError("Kernel never reached an 'alive' state.")
        self._check_wanted()

    def _check_wanted(self) -> None:
        """Raises ``web.Finish`` if the client has left, and ``web.HTTPError(404)`` if the kernel was deleted."""
        hooks = self._hooks
        if getattr(hooks.websocket_handler, "connection", hooks) is None:  # set by upstream's ``on_close``
            hooks.log.debug("the client of %s left before it was connected", shown_key(hooks.session_key))
            raise web.Finish
        if hooks.kernel_id not in hooks.multi_kernel_manager:
            raise web.HTTPError(404, NO_KERNEL.format(hooks.kernel_id))

    def adopt_key(self, kernel: "Kernel") -> None:
        """Copies the kernel's key and scheme, and opens its feed. Raises ``web.HTTPError(500)`` for an unsupported scheme."""
        hooks = self._hooks
        kernel_session = hooks.kernel_manager.session
        scheme = kernel_session.signature_scheme
        try:
            hooks.session.key = kernel_session.key
            hooks.session.signature_scheme = scheme
            kernel.open(verify=hooks.verify_signatures, lag_limit=hooks.intake_lag_limit)
            kernel.pulse.start(hooks.kernel_heartbeat_period)
        except ValueError as error:  # ``UnsupportedScheme``, or hmac's error for a digest without a fixed length
            hooks.log.error("kernel %s: signature scheme %s: %s", hooks.kernel_id, scheme, error)
            raise web.HTTPError(500, f"The kernel's signature scheme {scheme} is not supported") from error

    # the kernel's protocol

    async def _until_info(self) -> None:
        """Waits for the kernel's info, at most ``kernel_info_timeout``: browsers give up if a handshake takes too long."""
        hooks = self._hooks
        future = asyncio.wrap_future(hooks.request_kernel_info())
        started = time.monotonic()
        while not future.done():
            left = started + hooks.kernel_info_timeout - time.monotonic()
            await asyncio.wait({future}, timeout=min(POLL_SECONDS, max(0.0, left)))
            self._check_wanted()
            if left <= 0 and not hooks._kernel_info_future.done():
                hooks.log.warning("Timeout waiting for kernel_info reply from %s", hooks.kernel_id)
                hooks._kernel_info_future.set_result({})

    def request_kernel_info(self, kernel: "Kernel") -> "Future[Any]":
        """Asks for the kernel's info. All connections of a kernel share one request, stored on the kernel manager."""
        hooks, manager = self._hooks, self._hooks.kernel_manager
        asked = getattr(manager, "_kernel_info_future", None)
        if asked is None:
            hooks.log.debug("Requesting kernel info from %s", hooks.kernel_id)
            multi, kernel_id = hooks.multi_kernel_manager, hooks.kernel_id
            connects = partial(multi.connect_shell, kernel_id), partial(multi.connect_control, kernel_id)
            self._probe = ask_kernel_info(kernel, connects, hooks.new_receiver, hooks._handle_kernel_info_reply)
            hooks.kernel_info_channel = self._probe.shell
            manager._kernel_info_future = hooks._kernel_info_future
        else:
            if not asked.done():
                hooks.log.debug("Waiting for pending kernel_info request")
            asked.add_done_callback(lambda future: hooks._finish_kernel_info(future.result()))
        return hooks._kernel_info_future

    def handle_reply(self, frames: list[Any]) -> None:
        """Handles a reply. Ignores one that cannot be verified: a valid one may follow."""
        hooks = self._hooks
        batch = hooks.new_receiver().split("shell", [frames])
        hooks.faults.add_all("shell", batch.malformed)
        if not len(batch):
            return
        try:
            message = adapt.message_of(list(batch.parts(0)), hooks.session)
            info = message["content"]
            int(info["protocol_version"].split(".")[0])
        except Exception as error:  # noqa: BLE001 - any error of a custom packer, or a reply of another shape
            hooks.log.error("Kernel info request failed, assuming current (%s)", type(error).__name__)
            info = {}
        else:
            if message["msg_type"] != "kernel_info_reply":
                hooks.log.error("Kernel info request failed, assuming current")
                info = {}
        hooks._finish_kernel_info(info)
        self._close_request()

    def finish(self, info: dict[str, Any]) -> None:
        """Adapts the Session to the kernel's protocol version if it differs, and completes the connection's future."""
        hooks = self._hooks
        version = info.get("protocol_version", client_protocol_version)
        if version != client_protocol_version:
            hooks.session.adapt_version = int(version.split(".")[0])
            hooks.log.info(
                "Adapting from protocol version %s (kernel %s) to %s (client).",
                shown(version),
                hooks.kernel_id,
                client_protocol_version,
            )
        if not hooks._kernel_info_future.done():
            hooks._kernel_info_future.set_result(info)

    def drop_request(self) -> None:
        """Ends an unanswered request: connections that wait for it continue, and the next connection sends a new one."""
        hooks = self._hooks
        if hooks.kernel_info_channel is not None:
            if not hooks._kernel_info_future.done():
                hooks._kernel_info_future.set_result({})
            if getattr(hooks.kernel_manager, "_kernel_info_future", None) is hooks._kernel_info_future:
                del hooks.kernel_manager._kernel_info_future
        self._close_request()

    def _close_request(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        channel, self._hooks.kernel_info_channel = self._hooks.kernel_info_channel, None
        if channel is not None and not channel.closed():
            channel.close()
