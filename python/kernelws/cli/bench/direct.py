"""The benchmark's own ZMQ socket to a kernel, past the server.

What it does: commands the synthetic kernel, and measures a bare round trip.
What it must not do: go through jupyter_client, whose cost is not the wire's.
Strategy: one DEALER of a context of its own.
Cost: a descriptor and an I/O thread.
"""

from __future__ import annotations

import uuid
from typing import Any, Self

import zmq

from ..frames import Json, header
from .messages import signed

TIMEOUT_MS = 120_000


class Direct:
    """A DEALER on the control (or shell) channel of a kernel."""

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
        """Close the socket; what is unsent is dropped."""
        self._context.destroy(linger=0)

    def ask(self, msg_type: str, content: Json | None = None) -> None:
        """Send one request and wait for its reply."""
        self._dealer.send_multipart(signed(self.key, header(msg_type, self.session), {}, content or {}))
        if not self._dealer.poll(TIMEOUT_MS):
            raise TimeoutError(f"the kernel did not answer {msg_type}")
        self._dealer.recv_multipart()
