"""A kernel, a client that comes back, a witness past the server, and the proxy between: what every row stands on.

What it does: opens and ends all of it, orders floods, and follows one through its faults until its end has arrived.
What it must not do: give up while something still comes, or wait for ever when nothing does.
Strategy: one thread reads and injects; the proxy has a thread of its own. Cost: a second a stage.
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
# How long a client waits for something more. Nothing that stock has not sent by then is sent at all.
PATIENCE = {True: 40.0, False: 6.0}


class NothingMoreError(Exception):
    """What a row waited for did not come."""


@dataclass
class Stage:
    """One kernel and one session that is followed."""

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
        """A new kernel with a proven client; all of it ends with the block. A proxy costs the client speed."""
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
        """Seconds without a message after which nothing more is to come."""
        return PATIENCE[self.server.name == KERNELWS]

    def order(self, count: int, size: int, **more: Any) -> str:
        """Let the kernel make a flood, `more` as in bench's `Order`; returns the msg_id of its last message."""
        end = f"end-{uuid.uuid4().hex}"
        self.direct.ask("bench_prepare", {"count": count, "size": size, "binary": False, "end": end} | more)
        return end

    def flood(self, seconds: float = 0.0) -> None:
        """Send it, at once or over some time."""
        if seconds:
            self.direct.ask("bench_paced", {"seconds": seconds})
        else:
            self.direct.ask("bench_flood")

    def follow(self, end: str, faults: Sequence[Fault] = ()) -> None:
        """Read until the message `end` came and all faults have happened, or nothing has come for too long."""
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
        """The session's books against the witness's, who reads up to `end`, and those of earlier incarnations."""
        self.outcome.compare(self.tally, *before, self.witness.read_until(end))

    def read(self, wait: float) -> bool:
        """Read once, and come back if the connection ended. True when something came."""
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
        """Connect again with the same session id."""
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
        """The client closes its WebSocket, as a page does that reconnects, and comes back."""
        self.client.close(1001)
        self.come_back()

    def vanish(self, seconds: float) -> None:
        """The client's network is gone: its socket closes, which nobody hears, and it comes back later."""
        self.client.abandon()
        time.sleep(seconds)
        self.come_back()

    def wait_for_state(self, state: str) -> None:
        """Read until the server has told of a state of the kernel that belongs to no request."""
        heard = time.monotonic()
        while (b"", state) not in self.tally.states:
            if time.monotonic() - heard > self.patience:
                raise NothingMoreError(f"the client was not told that the kernel is {state}")
            self.read(0.5)

    def prove(self) -> None:
        """Both directions work; a connection that ends on the way is opened again."""
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
