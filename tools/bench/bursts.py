"""A burst from a real ipykernel, as fast as its own session sends, and what of it arrives.

What it does: runs a cell that sends numbered stream messages through ipykernel's session and IOPub
thread, and compares what the WebSocket clients get with what a bare SUB socket got in the same run.
What it must not do: flush, sleep or otherwise help the kernel.
Strategy: the end may be lost as well, so the burst is over when it was acknowledged by the reply to
the cell on shell and nothing came for a while.
Cost: five seconds a repeat.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from kernelws.cli.bench.groups import Scale, Values, attached
from kernelws.cli.client import collect_until_quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelws.cli.bench.server import Server

PAUSE = 1.5
CELL = """\
_kernel = get_ipython().kernel
_parent = _kernel.get_parent()
for _number in range({count}):
    _kernel.session.send(
        _kernel.iopub_socket, "stream", {{"name": "stdout", "text": f"#{{_number:07d}}#\\n"}},
        parent=_parent, ident=b"stream.stdout")
"""


def burst(number: int, unbounded: bool) -> Callable[[Server, Scale], Values]:
    """`number` clients; `unbounded` is a kernel whose SNDHWM is 0."""
    name = f"ipykernel{'-hwm0' if unbounded else ''}-{number}"
    spec = "ipython-hwm0" if unbounded else "ipython"

    def run(server: Server, scale: Scale) -> Values:
        with attached(server, number, kernel=spec) as (_, clients, direct):
            direct.subscribe()
            for client in clients:
                client.record()
            server.quiet()
            content = {"code": CELL.format(count=scale.burst), "silent": False, "store_history": False}
            clients[0].send("shell", "execute_request", content)
            collect_until_quiet(clients, b"execute_reply", PAUSE)
            server.quiet()
            bare = len(set(direct.numbers()))
            lists = [client.numbers() for client in clients]
        arrived = sum(len(set(numbers)) for numbers in lists) / number
        return {
            f"{name}-share": arrived / scale.burst,
            f"{name}-bare": bare / scale.burst,
            f"{name}-versus": arrived / max(bare, 1),
            f"{name}-order": sum(_disorder(numbers) for numbers in lists),
        }

    return run


def _disorder(numbers: list[int]) -> int:
    """How many messages came after one with a higher number, or twice."""
    return sum(later <= earlier for earlier, later in itertools.pairwise(numbers))
