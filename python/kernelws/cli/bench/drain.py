"""A background flood during a measurement: a second kernel, and a process that reads its output.

Must not slow down the process that measures: the reading process has a higher nice value. It reads until the last message, and
then prints a line to its standard output. Cost: one Python process.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import uuid
from typing import IO, TYPE_CHECKING, Self

from ..child import Address
from ..client import Client, collect
from .direct import Direct

if TYPE_CHECKING:
    from .server import Server

END = b"end-of-drain"


class Drain:
    """A flooding kernel and the process that reads it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.kernel_id = server.start_kernel()
        self.direct = Direct(server.connection(self.kernel_id))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kernelws.cli.bench.drain"],
            cwd=server.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        where = [server.address.port, server.address.token, self.kernel_id]
        self._input, self._output = _pipes(self.process)
        self._input.write(json.dumps(where).encode() + b"\n")
        self._input.flush()

    def __enter__(self) -> Self:
        if self._output.readline() != b"ready\n":
            raise RuntimeError("the reading process did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.direct.ask("bench_stop")
        self.process.kill()
        self.process.communicate()
        self.direct.close()
        self.server.end_kernel(self.kernel_id)

    def flood(self, count: int) -> None:
        """Starts the flood; returns once the kernel has begun to send."""
        spec = {"count": count, "size": 100, "binary": False, "end": f"{END.decode()}-{uuid.uuid4()}"}
        self.direct.ask("bench_prepare", spec)
        self.direct.ask("bench_flood")

    def ended(self) -> bool:
        """Whether the reading process has received the whole flood."""
        return bool(select.select([self._output], [], [], 0)[0])


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """The pipes of a process that was started with both."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("no pipe to the reading process")
    return process.stdin, process.stdout


def main() -> None:
    """The reading process: reads one flood, then waits to be killed."""
    port, token, kernel_id = json.loads(sys.stdin.readline())
    client = Client(Address(port, token), kernel_id)
    client.ask()
    client.record()
    os.nice(5)
    print("ready", flush=True)
    collect([client], END, timeout=600.0)
    print("end", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
