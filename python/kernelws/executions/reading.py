"""The routes ``kernelws/api/kernels/<kernel_id>/executions``: list, run, read, follow and forget.

Must not decide what is kept: the journal does. Cost: what is read is parsed and written once.
"""

import asyncio
import contextlib
import re
import time
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.iostream import StreamClosedError

from ..errors import ChannelUnavailable
from ..kernel.journal import Facts, KernelJournal
from . import outputs, stream
from .handler import ExecutionsHandler, executing

MAX_READ = 16 << 20
"""Maximum bytes of output in one answer, and the default."""
MAX_WAIT = 60.0
"""Maximum seconds of ``wait``; a larger value counts as this."""
Read = tuple[list[tuple[str, bytes] | None], list[tuple[str, bytes] | None], int, bool, int, int]
"""What ``Journal.read`` returns."""
ON_DISCONNECT = ("keep", "interrupt")
STATES = ("queued", "running", "input", "done", "lost")
EVENT_ID = re.compile(r"[0-9]{1,15}")


class Listing(ExecutionsHandler):
    """All executions of one kernel."""

    @web.authenticated
    @authorized
    def get(self, kernel_id: str) -> None:
        """``state`` and ``cell_id`` restrict the list, which begins with the newest."""
        state, cell_id = (self.get_query_argument(name, None, strip=False) for name in ("state", "cell_id"))
        if state not in (None, *STATES):
            self.refuse(400, "state must be one of " + ", ".join(STATES))
        found = [outputs.summary(facts) for facts in self.journal(kernel_id).all(self.owner)]
        kept = [one for one in found if state in (None, one["state"]) and cell_id in (None, one["cell_id"])]
        self.answer({"executions": kept})

    @web.authenticated
    @executing
    def post(self, kernel_id: str) -> None:
        """Runs code. The answer comes at once, and names the new execution."""
        journal = self.journal(kernel_id)
        asked = self.body(
            code=(str, ...),
            silent=(bool, False),
            store_history=(bool, True),
            stop_on_error=(bool, True),
            allow_stdin=(bool, False),
            on_disconnect=(str, "keep"),
        )
        on_disconnect = asked.pop("on_disconnect")
        if on_disconnect not in ON_DISCONNECT:
            self.refuse(400, "on_disconnect must be one of " + ", ".join(ON_DISCONNECT))
        if not self.service.allows("execute_request"):
            self.refuse(403, "execute_request is not among allowed_message_types")
        content = {**asked, "user_expressions": {}, "store_history": asked["store_history"] and not asked["silent"]}
        try:
            execution_id = self.service.run(kernel_id, journal, self.owner, content, fragile=on_disconnect == "interrupt")
        except ChannelUnavailable as error:
            self.log.error("kernel %s: %s", kernel_id, error)
            self.refuse(503, "the kernel's channels cannot be opened")
        if execution_id is None:
            self.refuse(503, "open executions fill the journal; see executions_kept and executions_memory_limit")
        self.set_header("Location", url_path_join(self.request.path, execution_id))
        self.answer({"id": execution_id}, 202)


class One(ExecutionsHandler):
    """One execution."""

    @web.authenticated
    @authorized
    async def get(self, kernel_id: str, execution_id: str) -> None:
        """Its state and its output after ``since``. With ``wait``, waits up to that many seconds for a change after
        ``since``, unless the execution is over."""
        journal, number, _ = self.execution(kernel_id, execution_id)
        last = self.request.headers.get("Last-Event-ID", "")
        if last and EVENT_ID.fullmatch(last) is None:
            self.refuse(400, "Last-Event-ID must be the id of an event")
        since = int(self.number("since", 0, 2**53, whole=True))
        most = int(self.number("max_bytes", MAX_READ, MAX_READ, whole=True))
        until = time.monotonic() + self.number("wait", 0, MAX_WAIT)
        with self.service.reading(kernel_id, journal, number, lambda: self._left):
            if "text/event-stream" in self.request.headers.get("Accept", ""):
                await self._stream(journal, number, int(last) if last else since)
            else:
                await self._read(journal, number, since, most, until)

    async def _read(self, journal: KernelJournal, number: int, since: int, most: int, until: float) -> None:
        """Answers at the time ``until``, or earlier if there is news."""
        while True:
            left = until - time.monotonic()
            waiting = journal.news(number, max(0.0, left))
            try:
                now, read = journal.facts(number), journal.core.read(number, since, most)
                if now is None or read is None:
                    self.refuse(404, "no such execution")
                if read[2] > since or now.over or left <= 0:
                    self.answer(self._shown(journal, number, now, read))
                    return
                await self._wait(waiting)
            finally:
                waiting.cancel()

    async def _stream(self, journal: KernelJournal, number: int, since: int) -> None:
        """Server-sent events after the cursor ``since``."""
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would collect the events
        reader = self._reader = stream.Reader(self, journal, self.service.steps(journal), number, since)
        with contextlib.suppress(StreamClosedError):
            await reader.run()
        self._reader = None

    def _shown(self, journal: KernelJournal, number: int, facts: Facts, read: Read) -> dict[str, Any]:
        shown, updates, end, cleared, messages, size = read
        return {
            **outputs.summary(facts),
            "outputs": [output for one in shown if (output := outputs.output(one)) is not None],
            "updates": [update for one in updates if (update := outputs.update(one)) is not None],
            "cleared": cleared,
            "next": end,
            "left_out": {"messages": messages, "bytes": size},
            "input_request": outputs.input_request(journal.prompts.pending(number)),
        }

    async def _wait(self, waiting: "asyncio.Future[bool]") -> None:
        """Waits for news; ends the request if the client leaves."""
        self._waiting = waiting
        await asyncio.wait({waiting})
        self._waiting = None
        if waiting.cancelled():
            raise web.Finish

    _left = False
    _waiting: "asyncio.Future[bool] | None" = None
    _reader: stream.Reader | None = None

    def on_connection_close(self) -> None:
        """The client has left."""
        self._left = True
        waiting = self._waiting if self._reader is None else self._reader.waiting
        if waiting is not None:
            waiting.cancel()

    @web.authenticated
    @executing
    def delete(self, kernel_id: str, execution_id: str) -> None:
        """Forgets the execution. Code that runs is not interrupted."""
        journal, number, _ = self.execution(kernel_id, execution_id)
        journal.forget(number)
        self.set_status(204)
        self.finish()
