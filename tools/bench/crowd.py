"""A server extension that adds many kernels and sessions without processes and sockets, to measure the status page.

Each session has a real outbox. A share of the sessions gets one, two or three messages a second in turns, taken and acknowledged
at once, so that their rows change every second. `GET /bench/crowd?share=0.5&board=1` sets the share, and turns the board's timer
on or off. This work is not part of the page's cost: `watched` subtracts the CPU time of the same server without a page. Cost: 20
us an active session and second.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

from jupyter_client.session import Session
from tornado import web
from tornado.ioloop import IOLoop, PeriodicCallback

from kernelws import ZMQChannelsWebsocketConnection, _core
from kernelws.kernel.kernel import kernel_of
from kernelws.observe import page
from kernelws.observe.board import Board
from kernelws.session.facts import Identity
from kernelws.session.limiter import DropLimiter
from kernelws.session.limits import NAMES, Limits
from kernelws.session.registry import registry_of

if TYPE_CHECKING:
    from kernelws.session.session import ClientSession

KERNELS, SESSIONS = 200, 1000
LOG = logging.getLogger("crowd")
MB = 1 << 20


class KernelManager:
    """A kernel manager without a process."""

    def __init__(self, number: int) -> None:
        self.kernel_id = f"{number:08x}-0000-4000-8000-{os.getpid():012x}"
        self.kernel_name = "crowd"
        self.execution_state = "idle"
        self.log = LOG
        self.session = Session(key=b"a key")


class Kernels:
    """A multi kernel manager for these kernels."""

    allow_tracebacks = True

    def __init__(self) -> None:
        kernels = (KernelManager(number) for number in range(KERNELS))
        self.kernels = {kernel.kernel_id: kernel for kernel in kernels}
        self._kernel_buffers: dict[str, Any] = {}

    def list_kernel_ids(self) -> list[str]:
        """As in MultiKernelManager."""
        return list(self.kernels)

    def get_kernel(self, kernel_id: str) -> KernelManager:
        """As in MultiKernelManager."""
        return self.kernels[kernel_id]


class FastClient:
    """A client that receives and acknowledges everything at once."""

    round_trip = 0.0012
    silent = False

    def __init__(self, session: ClientSession) -> None:
        self._outbox = session.outbox
        session.attach(self, "v1", DropLimiter(session.session, LOG, lambda *_: None))

    def wake(self) -> None:
        """Takes and acknowledges all messages."""
        while self._outbox.take(IOLoop.current().time(), MB) is not None:
            pass
        self._outbox.acknowledge_all()

    def moved(self, session: Session) -> None:
        """Never called here."""

    def end(self, code: int, reason: str) -> None:
        """Never called here."""


class Crowd:
    """The kernels and sessions, and the timer that sends messages."""

    def __init__(self) -> None:
        self.manager = Kernels()
        self.share = 0.0
        ids = list(self.manager.kernels)
        self.sessions = [self._session(number, ids[number % KERNELS]) for number in range(SESSIONS)]
        self._batches = [_batch(count) for count in (1, 2, 3)]
        self._batch = self._batches[0]
        self._timer = PeriodicCallback(self._second, 1000)
        self._timer.start()

    def _session(self, number: int, kernel_id: str) -> ClientSession:
        identity = Identity(f"{kernel_id}:{number:032x}"[::-1], kernel_id, named=True)
        kernel = kernel_of(self.manager.kernels[kernel_id])
        session = registry_of(self.manager).open(
            identity, Session(key=b"a key"), kernel, protocol="v1", log=LOG, limits=_default_limits()
        )
        FastClient(session)
        return session

    def _second(self) -> None:
        self._batch = self._batches[self._batches.index(self._batch) - 1]
        for session in self.sessions[: round(self.share * SESSIONS)]:
            session.append_shared(self._batch)
            session.kernel.flow.add(len(self._batch), self._batch.size)


def _default_limits() -> Limits:
    traits: dict[str, Any] = ZMQChannelsWebsocketConnection.class_traits()
    return Limits(**{name: traits[name].default() for name in NAMES})


def _batch(count: int) -> _core.Batch:
    header = json.dumps({"msg_type": "display_data", "msg_id": "m", "session": "k"}).encode()
    message = [b"<IDS|MSG>", b"", header, b"{}", b"{}", b'{"data":{},"metadata":{}}']
    return _core.Receiver(b"", "hmac-sha256").split("iopub", [message] * count)


class Control(web.RequestHandler):
    """The handler of /bench/crowd."""

    def get(self) -> None:
        """Sets the share, and turns the board's timer on or off."""
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
        """Makes the status page show the crowd; runs after kernelws has added the page."""
        settings = serverapp.web_app.settings
        crowd = settings["bench_crowd"] = Crowd()
        settings[page.BOARD].stop()
        settings[page.BOARD] = Board(crowd.manager)
        serverapp.web_app.add_handlers(".*$", [("/bench/crowd", Control)])

    IOLoop.current().call_later(1.0, begin)
