"""A direct ZMQ connection to a kernel, without the server: controls the synthetic kernel, and measures round trips.

Must not use jupyter_client, whose own cost would be measured too. Cost: an I/O thread and its descriptors.
"""

from __future__ import annotations

import uuid
from typing import Any, Self

import zmq

from ..frames import Json, header
from .messages import signed

TIMEOUT_MS = 120_000


class Direct:
    """A DEALER socket on a kernel's control channel, or another one."""

    def __init__(self, connection: dict[str, Any], channel: str = "control") -> None:
        self.key = str(connection["key"]).encode()
        self.session = uuid.uuid4().hex
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.connect(f"tcp://{connection['ip']}:{connection[channel + '_port']}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the socket and drops unsent messages."""
        self._context.destroy(linger=0)

    def ask(self, msg_type: str, content: Json | None = None) -> None:
        """Sends one request and waits for its reply. Raises TimeoutError."""
        self._dealer.send_multipart(signed(self.key, header(msg_type, self.session), {}, content or {}))
        if not self._dealer.poll(TIMEOUT_MS):
            raise TimeoutError(f"the kernel did not answer {msg_type}")
        self._dealer.recv_multipart()
