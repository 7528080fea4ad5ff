"""The measure of what a kernel really sends: a bare SUB socket with RCVHWM 0 on its IOPub.

What it does: subscribes past the server, and enters everything up to the end of a flood into a tally of its own.
What it must not do: be slower than libzmq's I/O thread, which keeps what was not read yet, without a bound.
Strategy: read after the flood, not meanwhile: the core is the kernel's.
Cost: the memory of a whole flood in this process.
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
    """One bare subscriber to one incarnation of a kernel, which is known to send here.

    Requests prove it, by the status messages they cause: libzmq tells a kernel only of the first subscription to a topic, so a
    second subscriber is sent no iopub_welcome.
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
        """Everything up to the message with the msg_id `end`."""
        while end not in self.tally.ids:
            if not self._socket.poll(int(1000 * TIMEOUT)):
                raise TimeoutError("the bare SUB socket did not receive the end of the flood")
            self.tally.add([_message(self._socket.recv_multipart())])
        return self.tally

    def read_until_quiet(self) -> Tally:
        """Everything up to the first second in which nothing comes: the end may be lost."""
        while self._socket.poll(QUIET_MS):
            self.tally.add([_message(self._socket.recv_multipart())])
        return self.tally


def _message(parts: list[bytes]) -> Message:
    at = parts.index(DELIMITER)
    head, parent, _, content = parts[at + 2 : at + 6]
    return Message("iopub", json.loads(head), parent, content, sum(map(len, parts[at + 2 :])))
