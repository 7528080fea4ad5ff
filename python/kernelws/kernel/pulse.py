"""``Pulse``: asks a kernel for heartbeats, and tells when it answers none.

A kernel echoes what it receives on its heartbeat port. A thread of its own does that, so a kernel answers while a cell runs. One
that does not answer is stopped, swapped out or cut off. After ``MOST_MISSED`` heartbeats without an answer it counts as
*unresponsive*: the status page and the metrics say so, and nothing else happens. A process that has never answered does not
count: it may still be starting.
Must not kill, restart or delay anything. Cost: a socket and two file descriptors a kernel; 60 us of the event loop for each
heartbeat, and nothing for a message.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import zmq

from ..record.counters import TOTALS
from ..sockets.poller import take_socket

MOST_MISSED = 3


class Pulse:
    """The heartbeats of one kernel. ``start`` and ``close`` may be called repeatedly."""

    def __init__(self, manager: Callable[[], Any], look: Callable[[], None], log: logging.Logger, kernel_id: str) -> None:
        """``manager`` returns the kernel manager, or None if it no longer exists. ``look`` is called before each
        heartbeat."""
        self._manager, self._look, self._log, self._kernel_id = manager, look, log, kernel_id
        self.unresponsive = False
        self._period = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._heard = False
        """Whether the present process has answered."""
        self._missed = 0

    def start(self, period: float) -> None:
        """Asks every ``period`` seconds from now on; 0: never."""
        if period == self._period:
            return
        self.close()
        self._period = period
        if period > 0:
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._period, self.beat)

    def beat(self) -> None:
        """Reads the answer to the last heartbeat, and sends the next one if there is an answer."""
        manager = self._manager()
        if manager is None:
            self.close()
            return
        self._wait()
        self._look()
        try:
            self._ask(manager)
        except Exception as error:  # noqa: BLE001 - no free file descriptor, or any error of a manager's connect_hb()
            self._log.debug("kernel %s cannot be asked for a heartbeat: %s", self._kernel_id, error)
            self._drop_socket()

    def _ask(self, manager: Any) -> None:
        if self._socket is None:
            self._socket = take_socket(manager.connect_hb())
            self._socket.linger = 0
        elif self._socket.poll(0):
            self._socket.recv(zmq.NOBLOCK)
            self._answered()
        else:
            self._miss()
            return
        self._socket.send(b"ping", zmq.NOBLOCK)

    def _answered(self) -> None:
        self._heard, self._missed = True, 0
        if self.unresponsive:
            self._set(False)
            self._log.info("kernel %s answers heartbeats again", self._kernel_id)

    def _miss(self) -> None:
        self._missed += 1
        if self._missed % MOST_MISSED:
            return
        self._drop_socket()  # the question or its answer may have been lost with a connection: ask anew
        if self._heard and not self.unresponsive:
            self._set(True)
            self._log.warning("kernel %s is unresponsive: %s heartbeats had no answer", self._kernel_id, self._missed)

    def _set(self, unresponsive: bool) -> None:
        self.unresponsive = unresponsive
        TOTALS.unresponsive_kernels += 1 if unresponsive else -1

    def reset(self) -> None:
        """The kernel has a new process or a new port: forgets the socket and the missed heartbeats."""
        self._drop_socket()
        self._heard, self._missed = False, 0
        if self.unresponsive:
            self._set(False)

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def close(self) -> None:
        """Ends the heartbeats."""
        self._period = 0.0
        self.reset()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
