"""`python -m tools.bench.turns`: what the journal adds to a turn of a flood, in one process.

A turn verifies and reads a batch, appends it to an outbox and writes it to a socket; the journal takes it too in every second
block of turns. Blocks take a few milliseconds, so a noisy machine disturbs both kinds alike: the difference is exact to a few
nanoseconds where floods of whole servers differ by a tenth. Must not be read as the cost of a server: event loop and libzmq are
missing.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import statistics
import time
from typing import Literal, Self, get_args

from jupyter_client.session import DELIM, Session

from kernelws import _core

KEY = b"key"
MESSAGES = 100_000
"""More than a replay window has, so that they can be sent again."""
TURN = 110
"""Messages of a turn, as a flood has."""
BLOCK = 40
"""Turns in a row of the same kind."""
WARM = 3_000
"""Turns before the first one that counts."""
Protocol = Literal["v1", "legacy"]


class Turns:
    """Turns of a flood of messages with 100 bytes of text, all of one execution. After `messages` it begins anew."""

    def __init__(self, protocol: Protocol, messages: int = MESSAGES) -> None:
        session = Session(key=KEY)
        request = session.msg("execute_request", {"code": "1", "silent": False})
        parent = session.pack(request["header"])
        self._receiver = _core.Receiver(KEY, "hmac-sha256")
        self.journal = _core.Journal()
        self.journal.configure(executions=1000, memory=32 << 20, text=4 << 20, age=86400.0, widgets=0, widget_memory=0)
        parts = [parent, b"{}", b"{}", session.pack(request["content"])]
        message = _core.decode_v1(_core.encode_v1("shell", parts))
        self.journal.submit(message, owner=None, session="s", now=0.0)
        self.outbox = _core.Outbox(protocol)
        self._here, self._there = socket.socketpair()
        self._buffer = bytearray(1 << 20)
        flood = [self._signed(session, number, parent) for number in range(messages)]
        self._batches = itertools.cycle([flood[at : at + TURN] for at in range(0, messages - TURN + 1, TURN)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()
        self._there.close()

    @staticmethod
    def _signed(session: Session, number: int, parent: bytes) -> list[bytes]:
        header = session.pack(session.msg_header("stream"))
        parts = [header, parent, b"{}", session.pack({"name": "stdout", "text": f"{number:099d}\n"})]
        return [DELIM, session.sign(parts), *parts]

    def run(self, with_journal: bool) -> float:
        """One turn. Returns its nanoseconds a message."""
        messages = next(self._batches)
        began, sent = time.perf_counter(), 0
        batch = self._receiver.split("iopub", messages)
        now = time.monotonic()
        self.outbox.append(batch, 0, len(batch), now)
        if with_journal:
            self.journal.append(batch, now)
        while isinstance(pieces := self.outbox.take(now, 1 << 20), list):
            for piece in pieces:
                self._here.sendall(piece)
                sent += len(piece)
        took = time.perf_counter() - began
        self.outbox.acknowledge_all()
        while sent > 0:
            sent -= self._there.recv_into(self._buffer)
        return 1e9 * took / TURN

    def compare(self, seconds: float) -> tuple[list[float], list[float]]:
        """Medians of blocks without and with the journal, in pairs."""
        for _ in range(WARM):
            self.run(True)
        without: list[float] = []
        with_it: list[float] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(without) < 2:
            without.append(statistics.median(self.run(False) for _ in range(BLOCK)))
            with_it.append(statistics.median(self.run(True) for _ in range(BLOCK)))
        return without, with_it


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.turns", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print("| | ns a message, no journal | the journal adds | with / without | quartiles | pairs of blocks |")
    print("|---|---:|---:|---:|---|---:|")
    for protocol in get_args(Protocol):
        with Turns(protocol) as turns:
            without, with_it = turns.compare(options.seconds)
        added = statistics.median(b - a for a, b in zip(without, with_it, strict=True))
        low, middle, high = statistics.quantiles((b / a for a, b in zip(without, with_it, strict=True)), n=4)
        print(
            f"| {protocol} | {statistics.median(without):.0f} | {added:.0f} | {middle:.3f} | {low:.2f} to {high:.2f} "
            f"| {len(without)} |"
        )


if __name__ == "__main__":
    main()
