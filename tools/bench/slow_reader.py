"""Large messages in a burst, to a client that reads more slowly than the kernel sends, that does not read, or that is gone.

Repeats the measurement of `large` with a client that reads at most `RATE` bytes per second, and measures how much memory 400 MB
take while no client reads. Must not read in fewer, larger pieces than a socket gives.
Cost: two seconds a repeat, and four for a client that does not read.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from kernelws.cli.bench import groups, machine, rows
from kernelws.cli.bench.groups import LARGE, MB, Group, attached
from kernelws.cli.bench.rows import Row
from kernelws.cli.client import Client, collect

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelws.cli.bench.groups import Scale, Values
    from kernelws.cli.bench.server import Server

RATE = 0.5e9
"""Bytes per second."""


class SlowReader(Client):
    """A client that reads at most `RATE` bytes per second."""

    _free_at = 0.0

    def receive(self) -> int:
        """As `Client.receive`, but waits until the last bytes would have been read at `RATE`."""
        time.sleep(max(0.0, self._free_at - time.perf_counter()))
        size = super().receive()
        self._free_at = max(self._free_at, time.perf_counter() - 0.01) + size / RATE
        return size


def unread(name: str, *, gone: bool) -> Callable[[Server, Scale], Values]:
    """The memory that a burst takes while no client reads. A client that is only stopped reads everything afterwards."""

    def run(server: Server, scale: Scale) -> Values:
        count, end = max(4, scale.large // 2), f"end-{uuid.uuid4().hex}"
        with attached(server, 1) as (_, [client], direct):
            direct.ask("bench_prepare", {"count": count, "size": LARGE, "binary": True, "end": end})
            client.record()
            if gone:
                client.abandon()
            server.quiet()
            before = machine.memory_kb(server.pid)
            machine.reset_peak(server.pid)
            direct.ask("bench_flood")
            direct.ask("bench_drained")
            server.quiet()
            values = {f"{name}-growth": (machine.memory_kb(server.pid, "VmHWM") - before) / 1e3}
            if gone:
                return values
            collect([client], end.encode())
            return {**values, f"{name}-share": groups.share(client.numbers(), count)}

    return run


def unread_rows(name: str, title: str) -> tuple[Row, ...]:
    """What `unread` measures."""
    title = f"v1, 400 MB in messages of {LARGE / MB:g} MB, {title}"
    return (
        Row(f"{name}-growth", f"{title}: growth of the RSS", "MB"),
        Row(f"{name}-share", f"{title}: share delivered in order", "", more_is_better=True),
    )


GROUPS = (
    *(
        Group(
            f"slow-reader-{name}",
            rows.large_rows(name, 1, "slow-reader", ", read at 0.5 GB/s"),
            groups.large(name, 1, "slow-reader", SlowReader),
            fresh=True,
        )
        for name in groups.PROTOCOLS
    ),
    Group("stopped", unread_rows("stopped", "client stopped"), unread("stopped", gone=False), fresh=True),
    Group("gone", unread_rows("gone", "no client")[:1], unread("gone", gone=True), fresh=True),
)
