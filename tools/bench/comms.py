"""Measures small messages from a client to a kernel, with the messages that they cause.

Must not count the encoding of the client's frames. Cost: a second a repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelws.cli.bench.groups import attached
from kernelws.cli.bench.rows import Row
from kernelws.cli.frames import client_frame, header

if TYPE_CHECKING:
    from kernelws.cli.bench.groups import Scale, Values
    from kernelws.cli.bench.server import Server

BATCH = 50
ROWS = (Row("comm-cpu", "client to kernel, comm messages: server CPU a message with its replies", "us"),)


def comms(server: Server, scale: Scale) -> Values:
    """Sends comm messages in batches; the kernel answers each with busy, a comm message and idle."""
    with attached(server, 1) as (_, clients, _):
        client = clients[0]
        frames = [
            client_frame(
                client.protocol,
                "shell",
                header("comm_msg", client.session),
                {"comm_id": "bench", "data": {"value": f"#{number:07d}#"}},
            )
            for number in range(scale.comms)
        ]
        server.quiet()
        cpu = server.cpu()
        for first in range(0, len(frames), BATCH):
            client.sock.sendall(b"".join(frames[first : first + BATCH]))
            last = min(first + BATCH, len(frames)) - 1
            client.wait_for(b"comm_msg", b"#%07d#" % last)
        server.quiet()
        return {"comm-cpu": 1e6 * (server.cpu() - cpu) / len(frames)}
