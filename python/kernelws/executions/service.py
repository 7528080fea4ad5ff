"""``Executions``: what the HTTP routes do, for one server: find kernels and executions, run code, answer prompts, interrupt.

Code that is sent over HTTP has no client with sockets. So the server opens sockets of its own to the kernel, the *runner*. An
answer to a prompt has to come from the sockets that sent the request: those of the client's session, or of the runner.
Must not know HTTP. Cost: two sockets a kernel (shell and stdin), from its first request over HTTP on.
"""

import asyncio
import contextlib
import json
import uuid
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from .. import _core
from ..kernel.connect import move, new_channels
from ..kernel.journal import Counts, KernelJournal
from ..kernel.journals import Journals
from ..kernel.kernel import Kernel, kernel_of
from ..kernel.probe import Nudge, needs_nudge
from ..messages import redact
from ..messages.keys import Keys, probe_session
from ..record.faults import FaultLog
from ..session.registry import known_registry
from .stream import Steps

if TYPE_CHECKING:
    from jupyter_client.session import Session

    from ..session.session import ClientSession

READY_TIMEOUT = 60.0
"""Seconds that a request waits for a kernel that does not answer; then it is sent all the same."""


def made(
    session: "Session", msg_type: str, msg_id: str, content: dict[str, Any], parent: dict[str, Any] | None = None
) -> _core.ClientMessage:
    """A message of ``session``."""
    header = session.msg_header(msg_type)
    header["date"], header["msg_id"] = header["date"].isoformat(), msg_id
    parts = [json.dumps(part).encode() for part in (header, parent or {}, {}, content)]
    return _core.decode_v1(_core.encode_v1("shell", parts))


class Runner:
    """Sends requests of the server's own to one kernel. Implements ``KernelListener``; see ``KernelJournal``."""

    reads = False
    replays = None
    """See ``Asker``."""

    def __init__(self, kernel: Kernel, kernel_manager: Any, manager: Any, journal: KernelJournal) -> None:
        self.processes = journal.processes
        self.session: Session = probe_session(kernel_manager)
        self.session.session = f"kernelws-{uuid.uuid4()}"
        self.keys = Keys(self.session)
        self._kernel, self._kernel_manager, self._manager, self._journal = kernel, kernel_manager, manager, journal
        self._pending: list[_core.ClientMessage] = []
        self._waiting: asyncio.Task[None] | None = None
        self.channels = new_channels(
            kernel_manager, uuid.uuid4().hex.encode(), lambda: self.keys.receiver("sockets"), kernel.log, on_demand=True
        )
        for channel in self.channels.values():
            channel.on_batch(self._take)
        kernel.attach(self)

    def _take(self, batch: _core.Batch) -> None:
        redact.hide_tracebacks(batch, self._manager, self.session)
        self._journal.take(batch)

    def audit(self, message: _core.ClientMessage, owner: str | None) -> None:
        """Records a request for auditors, if that is on."""
        if self._kernel.audit is not None:
            self._kernel.audit.submit(message.parts, user=owner, session=self.session.session, via="http")

    def request(self, message: _core.ClientMessage) -> None:
        """Sends a request. Waits until the feed is proven to receive, because output is lost until then. Requests stay in order.

        Raises ``ChannelUnavailable`` if the socket cannot be opened.
        """
        self.channels["shell"].open()
        self._pending.append(message)
        if self._kernel.proven:
            self._send_pending()
        elif self._waiting is None:
            self._waiting = asyncio.ensure_future(self._send_when_ready())

    async def _send_when_ready(self) -> None:
        try:
            if needs_nudge(self._kernel, self._kernel_manager):
                faults = FaultLog(self._kernel.log, f"executions of kernel {self._kernel.kernel_id}")
                await Nudge(self._kernel, self._kernel_manager, self.keys.new_receiver, faults, READY_TIMEOUT).run()
        except TimeoutError as error:
            self._kernel.log.warning("kernel %s: %s", self._kernel.kernel_id, error)
        except Exception as error:  # noqa: BLE001 - any error of a kernel manager's connect_*()
            self._kernel.log.error("kernel %s: its channels cannot be opened: %s", self._kernel.kernel_id, error)
        finally:
            self._waiting = None
        self._send_pending()

    def _send_pending(self) -> None:
        pending, self._pending = self._pending, []
        shell = self.channels["shell"]
        for message in pending:
            if not shell.closed():
                shell.send_signed(self.keys.signer, message)

    # called by the kernel: see ``KernelListener``

    def moved(self, kernel_manager: Any) -> None:
        """Follows the kernel to its new address. If that fails, the next request gets a new runner."""
        try:
            move(self.session, self.channels, kernel_manager)
        except Exception as error:  # noqa: BLE001 - any error of a kernel manager's connect_*()
            self._kernel.log.error("kernel %s: its channels cannot be opened: %s", self._kernel.kernel_id, error)
            self.gone()

    def gone(self) -> None:
        """Closes the sockets."""
        self._kernel.leave(self)
        if self._waiting is not None:
            self._waiting.cancel()
        for channel in self.channels.values():
            channel.close()


@dataclass(slots=True)
class Readers:
    """The clients that read one execution."""

    count: int = 0
    leaving: bool = False
    """Whether the last one has closed its connection."""


class Executions:
    """The executions of one server. ``manager`` is its multi kernel manager; ``tune`` sets what the whole process needs before
    output arrives."""

    def __init__(self, manager: Any, journals: Journals, tune: Callable[[], None]) -> None:
        self.manager = manager
        self._tune = tune
        self._journals = journals
        self._runners: dict[str, Runner] = {}
        self._fragile: weakref.WeakKeyDictionary[KernelJournal, dict[int, Readers]] = weakref.WeakKeyDictionary()
        """Open executions that are interrupted when no client reads them any more."""
        self._interrupts: set[asyncio.Task[None]] = set()
        self._steps: weakref.WeakKeyDictionary[KernelJournal, Steps] = weakref.WeakKeyDictionary()

    def journal(self, kernel_id: str) -> KernelJournal | None:
        """The journal of a kernel. None: there is no such kernel, or it must not have one."""
        if kernel_id not in self.manager:
            return None
        return self._journals.open(kernel_of(self.manager.get_kernel(kernel_id)))

    def steps(self, journal: KernelJournal) -> Steps:
        """What the event streams of a kernel share."""
        steps = self._steps.get(journal)
        if steps is None:
            steps = self._steps[journal] = Steps(weakref.proxy(journal))  # a strong reference would keep the key alive
        return steps

    def allows(self, msg_type: str) -> bool:
        """Whether clients may send this type of message."""
        allowed = self.manager.allowed_message_types
        return not allowed or msg_type in allowed

    def run(
        self, kernel_id: str, journal: KernelJournal, owner: str | None, content: dict[str, Any], *, fragile: bool = False
    ) -> str | None:
        """Sends an ``execute_request`` with this content; returns its id, also if it is silent and so not kept.

        ``fragile``: see ``reading``.

        None: the journal is full of executions that have not ended.
        """
        runner = self._runner(kernel_id, journal)
        execution_id = str(uuid.uuid4())
        message = made(runner.session, "execute_request", execution_id, content)
        number = journal.submit(message, owner, runner.session.session)
        if number is None and not content["silent"]:
            return None
        runner.audit(message, owner)
        runner.request(message)
        self._tune()
        if fragile and number is not None:
            known = self._fragile.setdefault(journal, {})
            for other in [other for other in known if (facts := journal.facts(other)) is None or facts.over]:
                del known[other]
            known[number] = Readers()
        return execution_id

    @contextlib.contextmanager
    def reading(self, kernel_id: str, journal: KernelJournal, number: int, left: Callable[[], bool]) -> Iterator[None]:
        """A client reads an execution in this context. If ``left`` says at its end that the client has closed its connection, and
        no other one reads, fragile code is interrupted."""
        readers = self._fragile.get(journal, {}).get(number)
        if readers is None:
            yield
            return
        readers.count += 1
        try:
            yield
        finally:
            readers.count -= 1
            if left() and not readers.count and not readers.leaving:
                readers.leaving = True
                task = asyncio.ensure_future(self._interrupt_if_alone(kernel_id, journal, number, readers))
                self._interrupts.add(task)
                task.add_done_callback(self._interrupts.discard)

    async def _interrupt_if_alone(self, kernel_id: str, journal: KernelJournal, number: int, readers: Readers) -> None:
        """Code that is queued is interrupted when it begins. It is not if a client has come back, or a page takes it over."""
        while not readers.count and number not in journal.followed:
            facts = journal.facts(number)
            if facts is None or facts.over:
                return
            if facts.state == "running":
                await self.interrupt(kernel_id)
                return
            await journal.news(number, READY_TIMEOUT)
        readers.leaving = False

    def _runner(self, kernel_id: str, journal: KernelJournal) -> Runner:
        runner = self._runners.get(kernel_id)
        if runner is None or runner.channels["shell"].closed():
            kernel_manager = self.manager.get_kernel(kernel_id)
            kernel = kernel_of(kernel_manager)
            kernel.open()
            runner = self._runners[kernel_id] = Runner(kernel, kernel_manager, self.manager, journal)
            for known in [known for known in self._runners if known not in self.manager]:
                del self._runners[known]
        return runner

    def answer(self, journal: KernelJournal, number: int, session_id: str, value: str) -> bool:
        """Answers the prompt of an execution. False: it waits at none, or the sockets of the session that ran it are closed."""
        owner = journal.asker(session_id)
        stdin: Any = None if owner is None else owner.channels.get("stdin")
        if owner is None or not hasattr(stdin, "send_signed") or stdin.closed():
            return False
        header = journal.answer(number, value)
        if header is None:
            return False
        reply = {"value": value, "status": "ok"}
        stdin.send_signed(owner.keys.signer, made(owner.session, "input_reply", str(uuid.uuid4()), reply, header))
        return True

    def session(self, kernel_id: str, session_id: str, owner: str | None) -> "ClientSession | None":
        """The session of a kernel's client, if it is this user's."""
        registry = known_registry(self.manager)
        session = None if registry is None else registry.get(f"{kernel_id}:{session_id}")
        return None if session is None or session.closed or session.identity.owner != owner else session

    def attach(
        self, kernel_id: str, session_id: str, owner: str | None, ids: list[str], widgets: str | None
    ) -> tuple[list[str], Counts | None] | None:
        """Gives those of the executions ``ids`` that are this user's to the page of a session; returns their ids. ``widgets``:
        gives it the user's widgets too, as answers to the request with this id; returns their counts.

        None: there is no such session or journal, or it is another user's, or what it got exceeded its limits and has ended it.
        """
        journal = self.journal(kernel_id)
        session = self.session(kernel_id, session_id, owner)
        if session is None or journal is None:
            return None
        found = [(one, known[0]) for one in dict.fromkeys(ids) if (known := journal.find(one, owner)) is not None]
        wanted = None if widgets is None else (owner, widgets)
        counts = journal.attach([number for _, number in found], session.replays, wanted)
        return None if session.closed else ([one for one, _ in found], counts)

    def skip(self, kernel_id: str, session_id: str, owner: str | None) -> bool:
        """Shortens the text that waits for a session. False: there is no such session, or it is another user's."""
        session = self.session(kernel_id, session_id, owner)
        if session is None:
            return False
        session.change(session.outbox.skip)
        return True

    async def interrupt(self, kernel_id: str) -> None:
        """Interrupts the kernel, as the kernels API does."""
        await ensure_async(self.manager.interrupt_kernel(kernel_id))
