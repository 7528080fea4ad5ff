"""Measures the round trip of another kernel's client on the same server, while a row puts load on the server.

Sends kernel_info requests through the server and directly to the kernel in turn; the direct ones show the machine's share. Must
not share a kernel, a session or a connection with the row. Cost: two requests at a time.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Self

from kernelws.cli.bench.direct import Direct
from kernelws.cli.bench.groups import percentile, timed
from kernelws.cli.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelws.cli.bench.server import Server

    from .outcome import Outcome

LIMIT_MS = 10.0
PAUSE = 0.005


class Neighbour:
    """A second kernel with one client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.kernel_id = server.start_kernel("bench")
        self._client = Client(server.address, self.kernel_id)
        self._direct = Direct(server.connection(self.kernel_id))
        self._through: list[float] = []
        self._past: list[float] = []

    def __enter__(self) -> Self:
        self._client.ask()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._client.close()
        self._direct.close()
        self._server.end_kernel(self.kernel_id)

    def ask_until(self, over: Callable[[], bool]) -> None:
        """Measures round trips until `over()`. Pauses between them, so that the kernels get the core."""
        while not over():
            self._through.append(timed(self._client.ask))
            self._past.append(timed(lambda: self._direct.ask("kernel_info_request")))
            time.sleep(PAUSE)

    def report(self, outcome: Outcome) -> None:
        """Adds the 99th percentiles through the server and directly."""
        if self._through:
            outcome.figure("other client's p99", percentile(self._through, 0.99), "ms", LIMIT_MS)
            outcome.figure("without the server", percentile(self._past, 0.99), "ms")
