"""Receives what a kernel really sends: a bare SUB socket with RCVHWM 0, connected to its IOPub without the server.

Counts all messages up to the end of a flood in its own tally. Reads after the flood, because the kernel needs the core during
it; until then libzmq's I/O thread queues all messages, without a limit. Cost: a whole flood in memory.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Self

import zmq

from kernelws.cli.bench.messages import DELIMITER

from .client import Message
from .tally import Tally

if TYPE_CHECKING:
    from kernelws.cli.bench.direct import Direct

TIMEOUT = 120.0
QUIET_MS = 1000


class Witness:
    """A subscriber to one kernel process. The constructor returns once the kernel's messages arrive.

    It sends requests until a status arrives. It cannot wait for iopub_welcome, because libzmq reports only the first subscription
    to a topic to the kernel, and the server may have subscribed before.
    """

    def __init__(self, connection: dict[str, Any], direct: Direct) -> None:
        self.tally = Tally()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.connect(f"tcp://{connection['ip']}:{connection['iopub_port']}")
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        deadline = time.monotonic() + TIMEOUT
        while not self._socket.poll(50):
            if time.monotonic() > deadline:
                raise TimeoutError("the kernel's IOPub sends nothing to a new subscriber")
            direct.ask("kernel_info_request")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def read_until(self, end: str) -> Tally:
        """Reads up to the message with the msg_id `end`. Raises TimeoutError."""
        while end not in self.tally.ids:
            if not self._socket.poll(int(1000 * TIMEOUT)):
                raise TimeoutError("the bare SUB socket did not receive the end of the flood")
            self.tally.add([_message(self._socket.recv_multipart())])
        return self.tally

    def read_until_quiet(self) -> Tally:
        """Reads until no message arrives for a second, for floods whose last message may be lost."""
        while self._socket.poll(QUIET_MS):
            self.tally.add([_message(self._socket.recv_multipart())])
        return self.tally


def _message(parts: list[bytes]) -> Message:
    at = parts.index(DELIMITER)
    head, parent, _, content = parts[at + 2 : at + 6]
    return Message("iopub", json.loads(head), parent, content, sum(map(len, parts[at + 2 :])))
