"""A raw client of a notebook's kernel that bypasses the proxy, to detect what the page does not show.

Connects, and reads until a condition on everything that it has read is true. Must not change anything. Uses the client and the
tally of tools/chaos. Cost: one more WebSocket of the kernel, so the server has a client even when the page's network is cut.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tools.chaos.client import Client
from tools.chaos.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer

SECONDS = 100.0
"""Below pytest's limit of a test."""


class Onlooker:
    """A raw client of a notebook's kernel, which no fault reaches."""

    def __init__(self, server: LabServer, kernel_id: str) -> None:
        self.tally = Tally()
        self.client = Client(server.address, kernel_id)
        self.tally.add(self.client.prove())

    def wait(self, seen: Callable[[Tally], bool], seconds: float = SECONDS) -> None:
        """Reads until `seen`. Raises TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not seen(self.tally):
            if time.monotonic() > deadline:
                raise TimeoutError("the onlooker did not read what it waited for")
            self.tally.add(self.client.read(1.0))

    def close(self) -> None:
        """Close the socket."""
        self.client.abandon()


def announced(tally: Tally) -> bool:
    """Whether the server has told sessions of a restart that they did not ask for."""
    return (b"", "restarting") in tally.states
