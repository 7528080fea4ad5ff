"""The benchmark's own ZMQ sockets to a kernel, past the server.

What it does: commands the synthetic kernel, measures a bare round trip, and subscribes with a bare
SUB socket of RCVHWM 0 as the measure of what a kernel really sends.
What it must not do: go through jupyter_client, whose cost is not the wire's.
Strategy: one DEALER and one SUB of a context of its own.
Cost: two descriptors and an I/O thread.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any, Self

import zmq

from ..client import NUMBER
from ..frames import Json, header
from .messages import signed

TIMEOUT_MS = 120_000


class Direct:
    """A DEALER on the control (or shell) channel of a kernel."""

    def __init__(self, connection: dict[str, Any], channel: str = "control") -> None:
        self.key = str(connection["key"]).encode()
        self.session = uuid.uuid4().hex
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._address = f"tcp://{connection['ip']}:"
        self._iopub_port = connection["iopub_port"]
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.connect(f"{self._address}{connection[channel + '_port']}")
        self._subscriber = self._context.socket(zmq.SUB)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both sockets; what is unsent is dropped."""
        self._context.destroy(linger=0)

    def ask(self, msg_type: str, content: Json | None = None) -> None:
        """Send one request and wait for its reply."""
        self._dealer.send_multipart(signed(self.key, header(msg_type, self.session), {}, content or {}))
        if not self._dealer.poll(TIMEOUT_MS):
            raise TimeoutError(f"the kernel did not answer {msg_type}")
        self._dealer.recv_multipart()

    def subscribe(self) -> None:
        """Subscribe to everything, and return when the kernel is known to send here.

        Requests prove it, by the status messages they cause: libzmq tells a kernel only of the first
        subscription to a topic, so a second subscriber is sent no iopub_welcome.
        """
        self._subscriber.setsockopt(zmq.RCVHWM, 0)
        self._subscriber.connect(f"{self._address}{self._iopub_port}")
        self._subscriber.setsockopt(zmq.SUBSCRIBE, b"")
        deadline = time.monotonic() + TIMEOUT_MS / 1000
        while not self._subscriber.poll(50):
            if time.monotonic() > deadline:
                raise TimeoutError("the kernel's IOPub sends nothing to a new subscriber")
            self.ask("kernel_info_request")

    def numbers(self) -> list[int]:
        """The numbers that libzmq has received since `subscribe`; ends after a quiet second."""
        found: list[int] = []
        while self._subscriber.poll(1000):
            text = b"".join(self._subscriber.recv_multipart())
            found.extend(int(number) for number in re.findall(NUMBER, text))
        return found
