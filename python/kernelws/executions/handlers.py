"""The routes ``kernelws/api/kernels/<kernel_id>/executions``: list, read, run, answer, interrupt, forget.

Rights are those of the kernels API: reading needs ``read`` on ``kernels``, everything else ``execute``. Only the user who ran
an execution can see it; for others it does not exist (404). Errors are JSON with a reason.
Must not decide what is kept: the journal does. Cost: what is read is parsed and written once.
"""

import asyncio
import contextlib
import json
import math
import re
import time
from collections.abc import Callable
from http.client import responses
from typing import Any, NoReturn, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.escape import json_encode
from tornado.iostream import StreamClosedError

from ..errors import ChannelUnavailable
from ..kernel.journal import Facts, KernelJournal
from ..session import owners
from . import outputs, stream
from .service import Executions

SERVICE = "kernelws_executions"
"""The key of the server's ``Executions`` in tornado's settings."""
MAX_BODY = 16 << 20
"""Maximum bytes of a request's body."""
MAX_READ = 16 << 20
"""Maximum bytes of output in one answer, and the default."""
MAX_WAIT = 60.0
"""Maximum seconds that ``wait`` may ask for."""
Read = tuple[list[tuple[str, bytes] | None], list[tuple[str, bytes] | None], int, bool, int, int]
"""What ``Journal.read`` returns."""
KINDS = {str: "a text", bool: "true or false", list: "a list"}
"""What an error calls the type of a member."""
STATES = ("queued", "running", "input", "done", "lost")
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number as JSON writes it; ``float`` takes more: ``1_0``, ``inf``, digits of all scripts."""
EVENT_ID = re.compile(r"[0-9]{1,15}")
ID = r"(?P<execution_id>[^/]+)"
KERNEL = r"(?P<kernel_id>[^/]+)"


Method = TypeVar("Method", bound=Callable[..., Any])


def executing(method: Method) -> Method:
    """Decorates a method that needs the right to execute. Without it, ``authorized`` asks for ``write``."""
    decorated: Method = authorized(action="execute")(method)
    return decorated


class ExecutionsHandler(APIHandler):
    """What all routes share."""

    auth_resource = "kernels"
    _track_activity = False

    @property
    def service(self) -> Executions:
        service: Executions = self.settings[SERVICE]
        return service

    @property
    def owner(self) -> str | None:
        """The user of this request; see ``session.owners``."""
        return owners.owner_of(self)

    def refuse(self, status: int, reason: str) -> NoReturn:
        """Ends the request with an error."""
        raise web.HTTPError(status, reason, reason=reason)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As upstream, but the answer holds no traceback and no more than a reason."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        given = error.reason if isinstance(error, web.HTTPError) else None
        reason = given or responses.get(status_code, "unknown error")
        if status_code == 405:  # RFC 9110, 15.5.6
            self.set_header("Allow", ", ".join(name for name in self.SUPPORTED_METHODS if self._has(name)))
        self.set_header("Content-Type", "application/json")
        self.finish(json_encode({"message": reason, "reason": reason}))

    def _has(self, method: str) -> bool:
        """Whether the class has this method of HTTP; tornado gives all others one function that refuses."""
        return getattr(type(self), method.lower()) is not getattr(web.RequestHandler, method.lower())

    def journal(self, kernel_id: str) -> KernelJournal:
        """The kernel's journal, or 404."""
        journal = self.service.journal(kernel_id)
        if journal is None:
            self.refuse(404, "no such kernel, or its executions are not kept")
        return journal

    def execution(self, kernel_id: str, execution_id: str) -> tuple[KernelJournal, int, Facts]:
        """An execution of this user, or 404."""
        journal = self.journal(kernel_id)
        found = journal.find(execution_id, self.owner)
        if found is None:
            self.refuse(404, "no such execution")
        return journal, *found

    def number(self, name: str, default: float, most: float, *, whole: bool = False) -> float:
        """A query argument that is a number from 0 to ``most``; a larger one counts as ``most``."""
        text = self.get_query_argument(name, None, strip=False)
        if text is None:
            return default
        value = min(float(text), most) if NUMBER.fullmatch(text) else math.nan
        if not value >= 0 or (whole and value % 1):
            self.refuse(400, f"{name} must be a {'whole ' if whole else ''}number, 0 or more")
        return value

    def body(self, **fields: tuple[type, Any]) -> dict[str, Any]:
        """The members of the JSON body. ``fields``: name -> type and default; with the default ``...`` a member is required."""
        if len(self.request.body) > MAX_BODY:
            self.refuse(413, f"the body is larger than {MAX_BODY} bytes")
        try:
            found = json.loads(self.request.body.decode() or "{}")
        except (ValueError, RecursionError):
            self.refuse(400, "the body is not JSON")
        if not isinstance(found, dict):
            self.refuse(400, "the body must be a JSON object")
        for name in found:
            if name not in fields:
                self.refuse(400, "the body has an unknown member")
        return {name: self._member(found, name, *field) for name, field in fields.items()}

    def _member(self, found: dict[str, Any], name: str, kind: type, default: Any) -> Any:
        if name not in found:
            if default is ...:
                self.refuse(400, f"{name} is missing")
            return default
        if type(found[name]) is not kind:
            self.refuse(400, f"{name} must be {KINDS[kind]}")
        return found[name]

    def answer(self, found: dict[str, Any], status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(json_encode(found))


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
        )
        if not self.service.allows("execute_request"):
            self.refuse(403, "execute_request is not among allowed_message_types")
        content = {**asked, "user_expressions": {}, "store_history": asked["store_history"] and not asked["silent"]}
        try:
            execution_id = self.service.run(kernel_id, journal, self.owner, content)
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
        """Its state and its output after ``since``. With ``wait``, answers when ``next`` is above ``since``."""
        journal, number, _ = self.execution(kernel_id, execution_id)
        if "text/event-stream" in self.request.headers.get("Accept", ""):
            await self._stream(journal, number)
            return
        since = int(self.number("since", 0, 2**53, whole=True))
        most = int(self.number("max_bytes", MAX_READ, MAX_READ, whole=True))
        until = time.monotonic() + self.number("wait", 0, MAX_WAIT)
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

    async def _stream(self, journal: KernelJournal, number: int) -> None:
        """Server-sent events from ``since``, or from where ``Last-Event-ID`` says that the client got."""
        last = self.request.headers.get("Last-Event-ID", "")
        if last and EVENT_ID.fullmatch(last) is None:
            self.refuse(400, "Last-Event-ID must be the id of an event")
        since = int(last) if last else int(self.number("since", 0, 2**53, whole=True))
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
            "input_request": outputs.input_request(journal.prompt(number)),
        }

    async def _wait(self, waiting: "asyncio.Future[bool]") -> None:
        """Waits for news; ends the request if the client leaves."""
        self._waiting = waiting
        await asyncio.wait({waiting})
        self._waiting = None
        if waiting.cancelled():
            raise web.Finish

    _waiting: "asyncio.Future[bool] | None" = None
    _reader: stream.Reader | None = None

    def on_connection_close(self) -> None:
        """The client has left."""
        waiting = self._waiting if self._reader is None else self._reader.waiting
        if waiting is not None:
            waiting.cancel()

    @web.authenticated
    @executing
    def delete(self, kernel_id: str, execution_id: str) -> None:
        """Forgets the execution. If the kernel runs it, it goes on."""
        journal, number, _ = self.execution(kernel_id, execution_id)
        journal.forget(number)
        self.set_status(204)
        self.finish()


class Input(ExecutionsHandler):
    """The prompt of an execution."""

    @web.authenticated
    @executing
    def post(self, kernel_id: str, execution_id: str) -> None:
        """Answers it, once."""
        journal, number, facts = self.execution(kernel_id, execution_id)
        value = self.body(value=(str, ...))["value"]
        if not self.service.allows("input_reply"):
            self.refuse(403, "input_reply is not among allowed_message_types")
        if not facts.prompts or facts.over:
            self.refuse(409, "this execution waits for no input")
        if not self.service.answer(kernel_id, journal, number, facts.session, value):
            self.refuse(409, "the sockets of the session that ran it are closed")
        self.set_status(204)
        self.finish()


class Interrupt(ExecutionsHandler):
    """Interrupts an execution."""

    @web.authenticated
    @executing
    async def post(self, kernel_id: str, execution_id: str) -> None:
        """Only while it runs: otherwise other code would be interrupted."""
        _, _, facts = self.execution(kernel_id, execution_id)
        if facts.state != "running":
            self.refuse(409, "this execution does not run")
        await self.service.interrupt(kernel_id)
        self.set_status(204)
        self.finish()


class Saved(ExecutionsHandler):
    """Tells the server that a document holds the output of executions."""

    @web.authenticated
    @executing
    def post(self, kernel_id: str) -> None:
        """Forgets those of ``ids`` that have ended. Others stay, and unknown ids are ignored."""
        journal = self.journal(kernel_id)
        ids = self.body(ids=(list, ...))["ids"]
        if not all(isinstance(one, str) for one in ids):
            self.refuse(400, "ids must be texts")
        for execution_id in ids:
            found = journal.find(execution_id, self.owner)
            if found is not None and found[1].over:
                journal.forget(found[0])
        self.set_status(204)
        self.finish()


class Skip(ExecutionsHandler):
    """Shortens the output that waits for a session."""

    @web.authenticated
    @executing
    def post(self, kernel_id: str, session_id: str) -> None:
        """Shortens its text to the beginning and the end; a notice says how much is left out."""
        if not self.service.skip(kernel_id, session_id, self.owner):
            self.refuse(404, "no such session")
        self.set_status(204)
        self.finish()


def routes(base: str) -> list[tuple[Any, ...]]:
    """All routes, below the server's base URL."""
    kernel = url_path_join(base, "kernelws", "api", "kernels", KERNEL)
    root = f"{kernel}/executions"
    return [
        (f"{kernel}/sessions/(?P<session_id>[^/]+)/skip", Skip),
        (root, Listing),
        (f"{root}/saved", Saved),
        (f"{root}/{ID}", One),
        (f"{root}/{ID}/input", Input),
        (f"{root}/{ID}/interrupt", Interrupt),
    ]
