"""Somebody else on the same server: the round trip of a client of another kernel while something large goes on.

What it does: asks for kernel_info through the server and past it in turn, until told to stop.
What it must not do: share a kernel, a session or a connection with what goes on.
Strategy: the same question past the server tells what the machine adds. Cost: two requests a time.
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
    """A kernel of its own with one client."""

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
        """Round trips until `over`; the pause leaves the core to the kernels."""
        while not over():
            self._through.append(timed(self._client.ask))
            self._past.append(timed(lambda: self._direct.ask("kernel_info_request")))
            time.sleep(PAUSE)

    def report(self, outcome: Outcome) -> None:
        """The 99th percentile, and that of the machine."""
        if self._through:
            outcome.figure("others' p99", percentile(self._through, 0.99), "ms", LIMIT_MS)
            outcome.figure("past the server", percentile(self._past, 0.99), "ms")
