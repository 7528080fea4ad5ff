"""A server extension that fills a server with kernels and sessions that have no process and no socket.

What it does: makes kernels (a feed each) and sessions (a mailbox and an outbox each, all real) and lets a share of them get
one, two or three messages a second in turns, written and acknowledged at once, so that their rows change every second.
What it must not do: count as the page's work: whoever measures subtracts the same server with nobody looking.
Strategy: GET /bench/crowd?share=0.5&board=1 sets the share, and whether the page's board adds points to its plots.
Cost: 20 us an active session and second.
"""

from __future__ import annotations

import json
import logging
import os
from types import SimpleNamespace
from typing import Any

from jupyter_client.session import Session
from tornado import web
from tornado.ioloop import IOLoop, PeriodicCallback

from kernelws import _core
from kernelws.kernel_to_client.facts import Bounds, Identity
from kernelws.kernel_to_client.feed import feed_of
from kernelws.kernel_to_client.mailbox import Mailbox
from kernelws.lifecycle import sessions
from kernelws.observe import page
from kernelws.observe.board import Board

KERNELS, SESSIONS = 200, 1000
LOG = logging.getLogger("crowd")
MB = 1 << 20


class Kernel:
    """What a multi kernel manager has of one kernel."""

    def __init__(self, number: int) -> None:
        self.kernel_id = f"{number:08x}-0000-4000-8000-{os.getpid():012x}"
        self.kernel_name = "crowd"
        self.execution_state = "idle"
        self.log = LOG
        self.session = Session(key=b"a key")


class Kernels:
    """A multi kernel manager of such kernels."""

    allow_tracebacks = True

    def __init__(self) -> None:
        kernels = (Kernel(number) for number in range(KERNELS))
        self.kernels = {kernel.kernel_id: kernel for kernel in kernels}
        self._kernel_buffers: dict[str, Any] = {}

    def list_kernel_ids(self) -> list[str]:
        """As every manager."""
        return list(self.kernels)

    def get_kernel(self, kernel_id: str) -> Kernel:
        """As every manager."""
        return self.kernels[kernel_id]


class Taker:
    """A client that takes everything at once and acknowledges it."""

    heartbeat = SimpleNamespace(round_trip=0.0012, given_up=False)

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox

    def accept(self, batch: _core.Batch) -> None:
        """Everything leaves."""
        self.mailbox.append(batch, 0, len(batch))
        self.pump()

    def pump(self) -> None:
        """See `accept`."""
        while self.mailbox.outbox.take(IOLoop.current().time(), MB) is not None:
            pass
        self.mailbox.outbox.acknowledge_all()


class Crowd:
    """All of it."""

    def __init__(self) -> None:
        self.manager = Kernels()
        self.share = 0.0
        ids = list(self.manager.kernels)
        self.mailboxes = [self._session(number, ids[number % KERNELS]) for number in range(SESSIONS)]
        self._batches = [_batch(count) for count in (1, 2, 3)]
        self._batch = self._batches[0]
        self._timer = PeriodicCallback(self._second, 1000)
        self._timer.start()

    def _session(self, number: int, kernel_id: str) -> Mailbox:
        identity = Identity(f"{kernel_id}:{number:032x}"[::-1], kernel_id, named=True)
        mailbox = Mailbox(identity, Session(key=b"a key"), self.manager, "v1", LOG)
        mailbox.bounds = Bounds(16 * MB, 64 * MB, 1024 * MB, MB // 2, (512 * MB, 4096 * MB))
        mailbox.attach(Taker(mailbox), "v1")  # type: ignore[arg-type]
        sessions._mailboxes[identity.key] = mailbox
        return mailbox

    def _second(self) -> None:
        self._batch = self._batches[self._batches.index(self._batch) - 1]
        for mailbox in self.mailboxes[: round(self.share * SESSIONS)]:
            mailbox.take_in(self._batch)
            feed_of(self.manager.kernels[mailbox.identity.kernel_id]).flow.add(len(self._batch), self._batch.size)


def _batch(count: int) -> _core.Batch:
    header = json.dumps({"msg_type": "display_data", "msg_id": "m", "session": "k"}).encode()
    message = [b"<IDS|MSG>", b"", header, b"{}", b"{}", b'{"data":{},"metadata":{}}']
    return _core.Receiver(b"", "hmac-sha256").split("iopub", [message] * count)


class Control(web.RequestHandler):
    """See the head of the file."""

    def get(self) -> None:
        """Sets what is asked for."""
        crowd: Crowd = self.settings["bench_crowd"]
        board: Board = self.settings[page.BOARD]
        crowd.share = float(self.get_query_argument("share"))
        board.stop()
        if self.get_query_argument("board") == "1":
            board.start()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tools.bench.crowd"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    def begin() -> None:
        """After kernelws has added its page, which shows the crowd from now on."""
        settings = serverapp.web_app.settings
        crowd = settings["bench_crowd"] = Crowd()
        settings[page.BOARD].stop()
        settings[page.BOARD] = Board(crowd.manager)
        serverapp.web_app.add_handlers(".*$", [("/bench/crowd", Control)])

    IOLoop.current().call_later(1.0, begin)
