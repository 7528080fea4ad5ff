"""The parts that every row needs: a kernel, a client that reconnects, the proxy between client and server, and a witness.

Opens and closes them, starts floods, and reads a flood during its faults until the end has arrived. Must not give up while
messages arrive, or wait for ever when none do. One thread reads and injects faults; the proxy has another.
Cost: a second a stage.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kernelws.cli.bench.direct import Direct
from kernelws.cli.bench.server import KERNELWS
from kernelws.cli.client import ABNORMAL, ClosedError

from .client import Client
from .faults import Fault, Injector
from .proxy import Proxy
from .server import kernel_process
from .tally import Tally
from .witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .outcome import Outcome
    from .server import ChaosServer

ATTEMPTS = 50
RETRY_SECONDS = 0.1
# Seconds without a message after which a client gives up, for kernelws (True) and stock
PATIENCE = {True: 40.0, False: 6.0}


class NothingMoreError(Exception):
    """The messages that a row waited for did not arrive."""


@dataclass
class Stage:
    """One kernel with one session, whose messages are counted."""

    server: ChaosServer
    kernel_id: str
    direct: Direct
    witness: Witness
    proxy: Proxy
    client: Client
    outcome: Outcome
    tally: Tally = field(default_factory=Tally)

    @classmethod
    @contextlib.contextmanager
    def open(cls, server: ChaosServer, outcome: Outcome, pongs: bool = True, proxied: bool = True) -> Iterator[Self]:
        """A new kernel with a connected client; a context manager. With `proxied=False` the client connects directly, which is
        faster."""
        kernel_id = server.start_kernel("chaos")
        try:
            with contextlib.ExitStack() as stack:
                proxy = stack.enter_context(Proxy(server.address.port))
                direct = stack.enter_context(Direct(server.connection(kernel_id)))
                witness = stack.enter_context(Witness(server.connection(kernel_id), direct))
                client = stack.enter_context(Client(server.address, kernel_id, port=proxy.port if proxied else 0, pongs=pongs))
                client.prove()
                yield cls(server, kernel_id, direct, witness, proxy, client, outcome)
        finally:
            server.end_kernel(kernel_id)

    @property
    def patience(self) -> float:
        """Seconds without a message after which no more are expected."""
        return PATIENCE[self.server.name == KERNELWS]

    def prepare_flood(self, count: int, size: int, **more: Any) -> str:
        """Makes the kernel prepare a flood, with `more` as in bench's `FloodSpec`; returns the msg_id of its last message."""
        end = f"end-{uuid.uuid4().hex}"
        self.direct.ask("bench_prepare", {"count": count, "size": size, "binary": False, "end": end} | more)
        return end

    def flood(self, seconds: float = 0.0) -> None:
        """Makes the kernel send the flood, at once or evenly over `seconds`."""
        if seconds:
            self.direct.ask("bench_paced", {"seconds": seconds})
        else:
            self.direct.ask("bench_flood")

    def follow(self, end: str, faults: Sequence[Fault] = ()) -> None:
        """Reads until the message `end` has arrived and all faults have happened, or no message arrives for `patience`."""
        kernel = kernel_process(self.kernel_id) if faults else 0
        injector = Injector(faults, self.proxy, kernel, self.vanish, self.leave)
        heard = time.monotonic()
        try:
            while end not in self.tally.ids or injector.left() is not None:
                left = injector.left()
                if self.read(0.5 if left is None else min(left, 0.5)):
                    heard = time.monotonic()
                elif left is None and time.monotonic() - heard > self.patience:
                    self.outcome.problems.append("idle did not arrive")
                    return
                injector.act()
        finally:
            self.outcome.faults += injector.done

    def compare(self, end: str, *before: Tally) -> None:
        """Compares the session's tally with the witness's, which reads up to `end`. `before` are tallies of earlier processes."""
        self.outcome.compare(self.tally, *before, self.witness.read_until(end))

    def read(self, wait: float) -> bool:
        """Reads once, and reconnects if the connection has ended. Returns whether messages arrived."""
        try:
            messages = self.client.read(wait)
        except ConnectionError as error:
            if isinstance(error, ClosedError) and error.code != ABNORMAL:
                self.outcome.problems.append(str(error))
            self.come_back()
            return False
        self.tally.add(messages)
        return bool(messages)

    def come_back(self) -> None:
        """Reconnects with the same session id."""
        for attempt in range(ATTEMPTS):
            try:
                self.client.connect()
                break
            except ConnectionError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(RETRY_SECONDS)
        self.tally.reconnected()

    def leave(self) -> None:
        """Closes the client's WebSocket with a close frame, and reconnects."""
        self.client.close(1001)
        self.come_back()

    def vanish(self, seconds: float) -> None:
        """Closes the client's socket without a close frame, as if its network had failed, and reconnects later."""
        self.client.abandon()
        time.sleep(seconds)
        self.come_back()

    def wait_for_state(self, state: str) -> None:
        """Reads until a status with this state and without a parent arrives. Raises NothingMoreError."""
        heard = time.monotonic()
        while (b"", state) not in self.tally.states:
            if time.monotonic() - heard > self.patience:
                raise NothingMoreError(f"the client got no status {state}")
            self.read(0.5)

    def prove(self) -> None:
        """Waits until both directions work; reconnects if the connection ends. Raises NothingMoreError."""
        for _ in range(ATTEMPTS):
            try:
                self.tally.add(self.client.prove(self.patience))
            except ConnectionError:
                self.come_back()
            except TimeoutError as error:
                raise NothingMoreError(str(error)) from error
            else:
                return
        raise NothingMoreError("the connection ends again and again")
