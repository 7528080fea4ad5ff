"""A synthetic kernel: answers simple requests, and floods IOPub on demand.

The server's kernel manager starts it with a connection file. It answers kernel_info on shell and control, echoes comm messages on
IOPub, and sends busy and idle around each request. Its own requests on control (bench_prepare, bench_flood, bench_drained,
bench_stop) make and send a flood. Must not run code; does not verify requests, and listens on loopback only.
Cost: about 0.2 ms a request; a flood costs almost nothing, since it was signed beforehand.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from pathlib import Path

import zmq
import zmq.asyncio

from ..frames import Json, header
from .messages import DELIMITER, FLOOD, FloodSpec, flood, signed, zmtp
from .publisher import Publisher

KERNEL_INFO: Json = {
    "status": "ok",
    "protocol_version": "5.4",
    "implementation": "bench",
    "implementation_version": "1",
    "language_info": {"name": "text", "mimetype": "text/plain", "file_extension": ".txt"},
    "banner": "",
    "help_links": [],
}
ORPHAN_CHECK_SECONDS = 1.0

Router = zmq.asyncio.Socket


class Kernel:
    """The state of one synthetic kernel."""

    def __init__(self, connection: Json) -> None:
        self.connection = connection
        self.key = str(connection["key"]).encode()
        self.session = uuid.uuid4().hex
        self.context = zmq.asyncio.Context()
        self.publisher = Publisher(connection["ip"], connection["iopub_port"], self._welcome)
        self.chunks: list[bytes] = []
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        """Serves until a shutdown_request, SIGTERM, or the end of the server that started this process."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopped.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        tasks = [loop.create_task(self.publisher.serve()), loop.create_task(self._watch_parent())]
        for channel in ("shell", "control", "stdin", "hb"):
            router = self._bind(channel)
            tasks.append(loop.create_task(self._serve(channel, router)))
        await self.stopped.wait()
        for task in tasks:
            task.cancel()
        self.context.destroy(linger=200)

    def _bind(self, channel: str) -> Router:
        router = self.context.socket(zmq.ROUTER)
        router.bind(f"tcp://{self.connection['ip']}:{self.connection[channel + '_port']}")
        return router

    async def _watch_parent(self) -> None:
        parent = os.getppid()
        while os.getppid() == parent:  # noqa: ASYNC110 - the end of a parent causes no event
            await asyncio.sleep(ORPHAN_CHECK_SECONDS)
        self.stopped.set()

    async def _serve(self, channel: str, router: Router) -> None:
        while True:
            parts = await router.recv_multipart()
            if channel == "hb":
                await router.send_multipart(parts)
            elif DELIMITER in parts:
                at = parts.index(DELIMITER)
                await self._request(router, parts[:at], parts[at + 2 :])

    async def _request(self, router: Router, identities: list[bytes], parts: list[bytes]) -> None:
        parent: Json = json.loads(parts[0])
        msg_type = str(parent["msg_type"])
        if msg_type.startswith("bench_"):
            content = await self._command(msg_type, json.loads(parts[3]))
            await self._reply(router, identities, parent, content)
            return
        self._publish("status", parent, {"execution_state": "busy"})
        if msg_type == "comm_msg":
            self._publish("comm_msg", parent, json.loads(parts[3]))
        else:
            content = KERNEL_INFO if msg_type == "kernel_info_request" else {"status": "ok"}
            await self._reply(router, identities, parent, content)
        if json.loads(parts[3]).get("code") != FLOOD:
            self._publish("status", parent, {"execution_state": "idle"})
        if msg_type == "shutdown_request":
            self.stopped.set()

    async def _reply(self, router: Router, identities: list[bytes], parent: Json, content: Json) -> None:
        head = header(str(parent["msg_type"]).replace("_request", "_reply"), self.session)
        await router.send_multipart([*identities, *signed(self.key, head, parent, content)])

    async def _command(self, msg_type: str, content: Json) -> Json:
        if msg_type == "bench_prepare":
            self.chunks = flood(self.key, self.session, FloodSpec(**content))
        elif msg_type == "bench_flood":
            self.publisher.publish(self.chunks)
            self.chunks = []
        elif msg_type == "bench_drained":
            await self.publisher.drained()
        elif msg_type == "bench_stop":
            for subscriber in self.publisher.subscribers:
                subscriber.clear()
        return {"subscribers": len(self.publisher.subscribers)}

    def _publish(self, msg_type: str, parent: Json, content: Json) -> None:
        head = header(msg_type, self.session)
        parts = [msg_type.encode(), *signed(self.key, head, parent, content)]
        self.publisher.publish([zmtp(parts)])

    def _welcome(self) -> bytes:
        head = header("iopub_welcome", self.session)
        return zmtp(signed(self.key, head, {}, {"subscription": ""}))


async def _run(connection: Json, kind: type[Kernel]) -> None:
    """Makes the kernel on the event loop, and serves."""
    await kind(connection).run()


def main(kind: type[Kernel] = Kernel) -> None:
    """Runs a kernel with the connection file that follows `-f` on the command line."""
    os.sched_setaffinity(0, {int(os.environ["BENCH_CORE"])})
    connection: Json = json.loads(Path(sys.argv[sys.argv.index("-f") + 1]).read_text())
    asyncio.run(_run(connection, kind))


if __name__ == "__main__":
    main()
