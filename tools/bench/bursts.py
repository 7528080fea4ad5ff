"""Measures how much of a burst from a real ipykernel arrives.

A cell sends numbered stream messages through ipykernel's session and IOPub thread, as fast as it can. Compares what WebSocket
clients receive with what a bare SUB socket receives in the same run. Must not flush, sleep or otherwise help the kernel. The last
message may be lost too, so the burst is over when the cell's reply has arrived and then no message arrives for a while.
Cost: five seconds a repeat.
"""

from __future__ import annotations

import itertools
import selectors
import time
from typing import TYPE_CHECKING

from kernelws.cli.bench.groups import Scale, Values, attached
from kernelws.cli.bench.rows import Row

from ..chaos.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelws.cli.bench.server import Server
    from kernelws.cli.client import Client

PAUSE = 1.5
SECONDS = 300.0
CELL = """\
_kernel = get_ipython().kernel
_parent = _kernel.get_parent()
for _number in range({count}):
    _kernel.session.send(
        _kernel.iopub_socket, "stream", {{"name": "stdout", "text": f"#{{_number:07d}}#\\n"}},
        parent=_parent, ident=b"stream.stdout")
"""


def burst(number: int, unbounded: bool) -> Callable[[Server, Scale], Values]:
    """The measurement with `number` clients; `unbounded`: the kernel's SNDHWM is 0."""
    name = f"ipykernel{'-hwm0' if unbounded else ''}-{number}"
    spec = "ipython-hwm0" if unbounded else "ipython"

    def run(server: Server, scale: Scale) -> Values:
        with (
            attached(server, number, kernel=spec) as (kernel_id, clients, direct),
            Witness(server.connection(kernel_id), direct) as witness,
        ):
            for client in clients:
                client.record()
            server.quiet()
            content = {"code": CELL.format(count=scale.burst), "silent": False, "store_history": False}
            clients[0].send("shell", "execute_request", content)
            _collect(clients, b"execute_reply", PAUSE)
            server.quiet()
            bare = witness.read_until_quiet().arrived
            lists = [client.numbers() for client in clients]
        arrived = sum(len(set(numbers)) for numbers in lists) / number
        return {
            f"{name}-share": arrived / scale.burst,
            f"{name}-bare": bare / scale.burst,
            f"{name}-versus": arrived / max(bare, 1),
            f"{name}-order": sum(_disorder(numbers) for numbers in lists),
        }

    return run


def rows(clients: int, unbounded: bool) -> tuple[Row, ...]:
    """The rows of `burst`."""
    name = f"ipykernel{'-hwm0' if unbounded else ''}-{clients}"
    kernel = "ipykernel with SNDHWM 0" if unbounded else "ipykernel"
    title = f"burst of 50,000 from {kernel}, {clients} client(s)"
    versus = Row(f"{name}-versus", f"{title}: share of what the bare SUB receives", "")
    return (
        Row(f"{name}-share", f"{title}: share that arrives", ""),
        Row(f"{name}-bare", f"{title}: share that a bare SUB receives", ""),
        *(() if unbounded else (versus,)),
        Row(f"{name}-order", f"{title}: out of order", ""),
    )


def _collect(clients: list[Client], end: bytes, pause: float) -> None:
    """Reads until `end` has arrived and then no client receives anything for `pause` seconds. Raises TimeoutError."""
    ended: set[int] = set()
    deadline = time.monotonic() + SECONDS
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        while time.monotonic() < deadline:
            events = selector.select(pause)
            for key, _ in events:
                if key.data.saw(end):
                    ended.add(id(key.data))
            if not events and ended:
                return
    raise TimeoutError("the flood did not end")


def _disorder(numbers: list[int]) -> int:
    """How many messages arrived after a higher number, or twice."""
    return sum(later <= earlier for earlier, later in itertools.pairwise(numbers))
