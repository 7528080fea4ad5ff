"""What executions cost when they are read: a list of 1,000, one of 1 MB, and 100 event streams of one flood.

Measures the server's CPU time for each. Must not fail on a server without executions, which has no such rows.
Cost: half a minute.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
import uuid
from typing import TYPE_CHECKING

from kernelws.cli.bench.groups import Group, attached, executed, flood
from kernelws.cli.bench.rows import Row
from kernelws.cli.child import LOOPBACK

if TYPE_CHECKING:
    from kernelws.cli.bench.groups import AttachedKernel, Scale, Values
    from kernelws.cli.bench.server import Server

KEPT, READERS, READS = 1000, 100, 20
MESSAGES = 10_000
ROWS = (
    Row("executions-list", f"a list of {KEPT} executions: server CPU", "ms"),
    Row("executions-read", "an execution with 1 MB of text: server CPU", "ms"),
    Row("executions-clients", f"{READERS} WebSocket clients, {MESSAGES} messages: server CPU", "s"),
    Row("executions-streams", f"{READERS} event streams, {MESSAGES} messages: server CPU", "s"),
)


def run(server: Server, scale: Scale) -> Values:
    """The measurement."""
    few = min(1.0, scale.comms / 3000)
    messages = int(MESSAGES * few)
    values: Values = {}
    with attached(server, max(2, int(READERS * few))) as stage:
        values["executions-clients"] = flood(server, [stage], messages, 100).cpu
    with attached(server, 1) as stage:
        path = f"/kernelws/api/kernels/{stage.kernel_id}/executions"
        try:
            server.request("GET", path)
        except OSError:
            return values
        for _ in range(int(KEPT * few)):
            executed(stage.clients[0], "")
        values["executions-list"] = _cost(server, path)
        flood(server, [stage], 10_000, 100)
        newest = server.request("GET", path)["executions"][0]["id"]
        values["executions-read"] = _cost(server, f"{path}/{newest}")
        values["executions-streams"] = _streams(server, stage, path, max(2, int(READERS * few)), messages)
    return values


def _order(parent: str, count: int) -> dict[str, object]:
    return {"count": count, "size": 100, "binary": False, "end": f"end-{uuid.uuid4().hex}", "parent": parent}


def _cost(server: Server, path: str) -> float:
    """Milliseconds of the server's CPU for one request."""
    server.quiet()
    begun = server.cpu()
    for _ in range(READS):
        server.address.fetch("GET", path)
    return 1e3 * (server.cpu() - begun) / READS


def _streams(server: Server, stage: AttachedKernel, path: str, readers: int, messages: int) -> float:
    """Seconds of the server's CPU for a flood that is read by event streams alone."""
    execution_id = executed(stage.clients[0])
    stage.clients[0].close()
    last = f"#{messages - 1:07d}#".encode()
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        stage.direct.ask("bench_prepare", _order(execution_id, messages))
        execution = f"{path}/{execution_id}"
        for _ in range(readers):
            sock = stack.enter_context(socket.create_connection((LOOPBACK, server.address.port)))
            sock.sendall(
                f"GET {execution} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: token {server.address.token}\r\n"
                "Accept: text/event-stream\r\n\r\n".encode()
            )
            selector.register(sock, selectors.EVENT_READ)
        server.quiet()
        begun, deadline = server.cpu(), time.monotonic() + 120
        stage.direct.ask("bench_flood")
        ends: dict[object, bytes] = {}
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(1.0):
                data = ends.get(key.fileobj, b"") + key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                ends[key.fileobj] = data[-20:]
                if last in data or not data:
                    selector.unregister(key.fileobj)
        return server.cpu() - begun


GROUPS = (Group("executions", ROWS, run),)
