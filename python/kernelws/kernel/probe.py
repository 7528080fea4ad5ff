"""Probes of a kernel: the kernel_info request before the handshake, and the nudge after it.

A nudge repeats the request until the kernel has answered and is proven; a proven kernel is not nudged. Both send on shell and
on control and take the first reply, because a busy kernel answers only on control. Clients do not get the messages that the
kernel publishes about probes. Must not touch the client's channels, and must close every socket that it opens, on every path.
Cost: two sockets a probe.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from .. import _core
from ..errors import ChannelUnavailable
from ..record.faults import FaultLog
from ..sockets.channel import Channel
from .connect import address_of
from .kernel import Kernel

Connect: TypeAlias = Callable[[], Any]
"""A kernel manager's ``connect_shell`` or ``connect_control``, which returns a socket or stream."""

RETRY = 0.5
"""Seconds between two kernel_info requests of a nudge, as in jupyter_server."""
STARTING_POLL = 0.05
"""Seconds between two checks whether the kernel is still starting, as in jupyter_server."""


class Probe:
    """A shell and a control channel for the server's own requests.

    The constructor opens both, and raises the kernel manager's error if it cannot.
    """

    def __init__(
        self, connects: tuple[Connect, Connect], new_receiver: Callable[[], _core.Receiver], log: logging.Logger
    ) -> None:
        self.new_receiver = new_receiver
        self.shell = Channel("shell", connects[0], new_receiver, log)
        self.control = Channel("control", connects[1], new_receiver, log)
        try:
            self.shell.open()
            self.control.open()
        except ChannelUnavailable as error:
            self.shell.close()
            raise error.__cause__ or error from None

    def send(self, kernel: Kernel) -> None:
        """Sends a kernel_info request on both channels."""
        kernel.send_probe(self.shell)
        kernel.send_probe(self.control)

    def closed(self) -> bool:
        return self.shell.closed() or self.control.closed()

    def close(self) -> None:
        self.shell.close()
        self.control.close()


class Nudge:
    """Sends kernel_info requests until the kernel has answered and is proven."""

    def __init__(
        self,
        kernel: Kernel,
        kernel_manager: Any,
        new_receiver: Callable[[], _core.Receiver],
        faults: FaultLog,
        timeout: float,
    ) -> None:
        """``timeout`` is in seconds. Raises any error of the manager's ``connect_*()``."""
        self._kernel = kernel
        self._manager = kernel_manager
        self._address = address_of(kernel_manager)
        self._faults = faults
        self._timeout = timeout
        self._replied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._probe = Probe((kernel_manager.connect_shell, kernel_manager.connect_control), new_receiver, kernel.log)
        self._probe.shell.on_recv(partial(self._on_reply, "shell"))
        self._probe.control.on_recv(partial(self._on_reply, "control"))
        self._work: asyncio.Task[Any] | None = None
        self._finished = False

    async def run(self) -> None:
        """Returns when the kernel is ready, or cannot become so. Raises TimeoutError after ``timeout``."""
        try:
            if self._finished:
                return
            self._work = asyncio.ensure_future(self._until_ready())
            done, _ = await asyncio.wait({self._work}, timeout=self._timeout)
            if not done:
                raise TimeoutError("the kernel did not answer within kernel_info_timeout")
            if not self._work.cancelled():
                self._work.result()
        finally:
            self.cleanup()

    async def _until_ready(self) -> None:
        asking = asyncio.ensure_future(self._keep_asking())
        try:
            await asyncio.gather(self._replied, self._kernel.wait_proven(), self._past_starting())
        finally:
            asking.cancel()

    async def _keep_asking(self) -> None:
        for count in itertools.count(1):
            if self._pointless():
                self.finish()
                return
            log = self._kernel.log.warning if count % 10 == 0 else self._kernel.log.debug
            log("Nudge: attempt %s on kernel %s", count, self._kernel.kernel_id)
            self._probe.send(self._kernel)
            await asyncio.sleep(RETRY)

    def _pointless(self) -> bool:
        """Whether the kernel was removed or has a new address, or the feed or the probe's sockets were closed."""
        return (
            self._kernel.kernel_id not in self._manager.parent
            or address_of(self._manager) != self._address
            or self._probe.closed()
            or self._kernel.closed()
        )

    async def _past_starting(self) -> None:
        while getattr(self._manager, "execution_state", None) == "starting":  # noqa: ASYNC110 - no event
            await asyncio.sleep(STARTING_POLL)

    def _on_reply(self, channel: str, frames: list[Any]) -> None:
        """Takes any verified message as an answer: it shows that the kernel runs."""
        batch = self._probe.new_receiver().split(channel, [frames])
        self._faults.add_all(channel, batch.malformed)
        if len(batch) and not self._replied.done():
            self._kernel.log.debug("Nudge: %s reply received: %s", channel, self._kernel.kernel_id)
            self._replied.set_result(None)

    def finish(self) -> None:
        """Ends ``run`` early and without an error, even before it has started."""
        self._finished = True
        if self._work is not None:
            self._work.cancel()

    def cleanup(self) -> None:
        """Closes the probe's sockets and cancels all tasks. A second call does nothing."""
        self.finish()
        self._replied.cancel()
        self._probe.close()


def needs_nudge(kernel: Kernel, kernel_manager: Any) -> bool:
    """Whether to nudge an unproven kernel: not if busy, as in jupyter_server. After a restart, ``busy`` may be outdated."""
    if getattr(kernel_manager, "execution_state", None) == "busy" and not kernel.restarted:
        kernel.log.debug("Nudge: not nudging busy kernel %s", kernel.kernel_id)
        return False
    return True


def ask_kernel_info(
    kernel: Kernel,
    connects: tuple[Connect, Connect],
    new_receiver: Callable[[], _core.Receiver],
    on_reply: Callable[[list[Any]], None],
) -> Probe:
    """Sends one request on shell and control. Calls ``on_reply`` with the frames of each reply until the probe is closed."""
    probe = Probe(connects, new_receiver, kernel.log)
    for channel in (probe.shell, probe.control):
        channel.on_recv(on_reply)
        kernel.send_probe(channel)
    return probe
