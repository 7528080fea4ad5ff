"""``Journals``: the executions of all kernels of one server, and who waits for news of them.

An *execution* is an ``execute_request`` with all that answers it. The native journal of a kernel keeps it for whoever sent the
request, also after the connection has ended. Kernels pass each batch to their journal; this file only wakes those who wait.
A kernel has a journal from its first client on. It has none if a handler or a subclass changes or hides its messages, because
a journal would show them.
Must not decide who may read what, nor build answers. Cost: one call for each batch that brings news somebody waits for.
"""

import asyncio
import json
import time
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from .. import _core
from ..messages import adapt, notices
from ..record.counters import TOTALS
from .ended_owners import EndedOwners

if TYPE_CHECKING:
    from .ended_owners import Owner
    from .kernel import Kernel

ATTRIBUTE = "_kernelws_journals"
"""The attribute of a multi kernel manager that holds its ``Journals``, so that both live equally long."""

PASSWORD = "\u2022" * 8
"""What a journal shows of a password."""
OPEN_STATES = ("queued", "running", "input")
"""The values of ``Facts.shown_state`` of an execution that has not ended."""
ANSWERED_KEPT = 256
"""How many answered prompts are remembered for a kernel. A second answer to one of them is dropped."""


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Fields have the units of the traits: executions, bytes of a kernel, bytes of the server, bytes, seconds."""

    kept: int
    memory: int
    server_memory: int
    text: int
    age: float


class Facts(NamedTuple):
    """What is known of an execution, besides its output."""

    id: str
    cell_id: str | None
    source_sha256: bytes
    owner: str | None
    """The user who ran it; None if the identity provider does not tell users apart."""
    session: str
    """The session id of the client that sent the request."""
    state: str
    """``queued``, ``running``, ``done`` or ``lost``."""
    status: str | None
    """``ok``, ``error`` or ``aborted`` once it is done."""
    execution_count: int | None
    submitted: float
    started: float | None
    finished: float | None
    prompts: bool
    """Whether it waits for an answer to a prompt."""

    @property
    def shown_state(self) -> str:
        """The state as the HTTP API, the status page and the metrics name it: ``input`` while it waits for an answer."""
        return "input" if self.prompts and not self.over else self.state

    @property
    def over(self) -> bool:
        return self.state in ("done", "lost")


class Journals:
    """The journals of one server's kernels."""

    of_process: ClassVar["weakref.WeakSet[Journals]"] = weakref.WeakSet()
    """All in this process, for the metrics. Usually one."""

    def __init__(self, limits: JournalLimits) -> None:
        self.limits = limits
        self._journals: weakref.WeakSet[KernelJournal] = weakref.WeakSet()
        Journals.of_process.add(self)
        self._hidden: weakref.WeakSet[Kernel] = weakref.WeakSet()

    def open(self, kernel: "Kernel") -> "KernelJournal | None":
        """The kernel's journal; makes it if necessary. None: this kernel must not have one."""
        if kernel.journal is None and kernel not in self._hidden and adapt.packs_json(kernel.session):
            kernel.journal = KernelJournal(kernel, self.limits)
            self._journals.add(kernel.journal)
            self._share()
        return kernel.journal if isinstance(kernel.journal, KernelJournal) else None

    @property
    def living(self) -> "list[KernelJournal]":
        """The journals of kernels that exist."""
        return [journal for journal in self._journals if not journal.ended]

    def _share(self) -> None:
        """Gives each journal an equal share of the server's memory, if that is less than what a kernel may have."""
        journals = self.living
        share = self.limits.server_memory // max(1, len(journals))
        for journal in journals:
            journal.configure(min(self.limits.memory, share))

    def hide(self, kernel: "Kernel") -> None:
        """The kernel has no journal from now on."""
        self._hidden.add(kernel)
        journal = kernel.journal
        kernel.journal = None
        if isinstance(journal, KernelJournal):
            journal.empty()


def journals_of(manager: Any) -> Journals | None:
    """The journals of a multi kernel manager; None if executions are off."""
    journals: Journals | None = vars(manager).get(ATTRIBUTE)
    return journals


def open_for(manager: Any, kernel: "Kernel") -> None:
    """A client has come: the kernel gets its journal, if executions are on."""
    journals = journals_of(manager)
    if journals is not None:
        journals.open(kernel)


def hide(manager: Any, kernel: "Kernel") -> None:
    """A client's messages may be hidden or changed on their way, so the kernel has no journal from now on."""
    journals = journals_of(manager)
    if journals is not None:
        journals.hide(kernel)


class KernelJournal:
    """The executions of one kernel. Implements ``KernelListener`` and, as its own ``processes``, ``ProcessListener``."""

    reads = False
    """See ``KernelListener``. A journal is not a client that keeps up; it has limits of its own."""

    def __init__(self, kernel: "Kernel", limits: JournalLimits) -> None:
        self.core = _core.Journal()
        self._limits = limits
        self.configure(limits.memory)
        self.processes = self
        self.ended = False
        """Whether the kernel is gone, or must not have a journal any more."""
        self.waits: dict[int, Any] = {}
        """Number of an execution -> futures of those who wait for news of it."""
        self._kernel = kernel
        self._answered: deque[str] = deque(maxlen=ANSWERED_KEPT)
        self.ended_owners = EndedOwners(kernel.log, self.take)
        self.inherited: dict[str, Any] = self.ended_owners.kept
        """See ``Recorder``."""
        kernel.attach(self)

    def configure(self, memory: int) -> None:
        """Sets the limits; ``memory`` is in bytes."""
        limits = self._limits
        self.core.configure(executions=limits.kept, memory=memory, text=limits.text, age=limits.age)

    # requests

    def submit(self, message: _core.ClientMessage, owner: str | None, session: str) -> int | None:
        """Records an ``execute_request`` that is about to be sent. Returns its number; None if it is not kept."""
        return self.core.submit(message, owner=owner, session=session, now=time.time())

    def facts(self, number: int) -> Facts | None:
        """What is known of an execution; None if it was forgotten."""
        found = self.core.facts(number)
        return None if found is None else Facts(*found)

    def find(self, execution_id: str, owner: str | None) -> tuple[int, Facts] | None:
        """An execution of this owner, with its number. None: there is none, or it is another user's."""
        number = self.core.number(execution_id)
        facts = None if number is None else self.facts(number)
        return None if number is None or facts is None or facts.owner != owner else (number, facts)

    def all(self, owner: str | None) -> list[Facts]:
        """The executions of this owner, the newest first."""
        self.core.forget_old(time.time())
        return [facts for _, facts in self._all() if facts.owner == owner]

    def _all(self) -> list[tuple[int, Facts]]:
        return [(number, Facts(*found)) for number, found in self.core.all()]

    def inherit(self, owner: "Owner", most: int) -> None:
        """See ``Recorder``."""
        if any(facts.session == owner.session.session and not facts.over for _, facts in self._all()):
            self.ended_owners.inherit(owner, most)

    # prompts

    def take_answer(self, message: _core.ClientMessage, session: str) -> bool:
        """Records a client's ``input_reply``. Returns False if its prompt was answered before, so that it must not be sent.

        JupyterLab names the prompt as the parent; an answer without a parent belongs to the session's own prompt.
        """
        parent, content = self._readable(message.parts[1]), self._readable(message.parts[3])
        prompt = parent.get("msg_id")
        if isinstance(prompt, str) and prompt:
            if prompt in self._answered:
                return False
            number = self.core.waits_at(prompt)
        else:
            number = next((number for number, facts in self._all() if facts.prompts and facts.session == session), None)
        facts = None if number is None else self.facts(number)
        if number is not None and facts is not None and facts.session == session:
            self.answer(number, content.get("value"))
        return True

    def answer(self, number: int, value: Any) -> dict[str, Any] | None:
        """Records the answer to the prompt of an execution. Returns the prompt's header; None if it waits at none."""
        found = self.core.prompt(number)
        if found is None:
            return None
        header, content = self._readable(found[0]), self._readable(found[1])
        shown = PASSWORD if content.get("password") is True else str(value)
        self.core.take_prompt(number, _stream("stdin", f"{content.get('prompt', '')} {shown}\n"))
        prompt = header.get("msg_id")
        if isinstance(prompt, str):
            self._answered.append(prompt)
        self.tell([number])
        return header

    def prompt(self, number: int) -> dict[str, Any] | None:
        """The content of the prompt at which an execution waits, or None."""
        found = self.core.prompt(number)
        return None if found is None else self._readable(found[1])

    def _readable(self, part: Any) -> dict[str, Any]:
        return notices.readable(self._kernel.session, part)

    # news

    def take(self, batch: _core.Batch) -> None:
        """Takes a batch of replies or prompts of one session. IOPub reaches the native journal directly."""
        self.tell(self.core.append(batch, time.time()))

    def tell(self, changed: list[int]) -> None:
        """Wakes those who wait for these executions."""
        if self.inherited and changed:
            self.ended_owners.keep({facts.session for _, facts in self._all() if not facts.over})
        for number in changed:
            for waiting in self.waits.pop(number, ()):
                _settle(waiting, True)

    def news(self, number: int, seconds: float) -> "asyncio.Future[bool]":
        """The future of the next change of an execution: True, or False if there is none within ``seconds``.

        Call this before a read: then no change after the read is missed.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()
        if self.ended:
            waiting.set_result(True)
            return waiting
        self.waits.setdefault(number, set()).add(waiting)
        timer = loop.call_later(seconds, _settle, waiting, False)

        def clean(_: object) -> None:
            timer.cancel()
            others = self.waits.get(number)
            if others is not None:
                others.discard(waiting)
                if not others:
                    del self.waits[number]

        waiting.add_done_callback(clean)
        return waiting

    def forget(self, number: int) -> None:
        """Forgets an execution; those who wait for it notice."""
        self.core.remove(number)
        self.tell([number])

    def empty(self) -> None:
        """Deletes everything and ends; those who wait find nothing any more."""
        self.end()
        self.core = _core.Journal()

    def end(self) -> None:
        """The journal is not used any more; all who wait notice."""
        if not self.ended:
            TOTALS.executions.add(self.core.finished())
        self.ended = True
        self._kernel.leave(self)
        self.ended_owners.close()
        self.tell(list(self.waits))

    # called by the kernel: see ``KernelListener`` and ``ProcessListener``

    def process_ended(self) -> None:
        """What was queued or running is lost."""
        self.tell(self.core.process_ended(time.time()))

    def moved(self, kernel_manager: Any) -> None:
        """The kernel has another address."""
        self.ended_owners.moved(kernel_manager)

    def gone(self) -> None:
        """The kernel was removed."""
        self.process_ended()
        self.end()

    def replacing(self, kernel_session: str | None) -> None:
        """Nothing to do before the old process has ended."""

    def replaced(self) -> None:
        self.process_ended()

    def up_again(self, began: float, gone: str | None) -> None:
        """Nothing to do."""

    def interrupted(self) -> None:
        """Nothing to do: the kernel answers with an error."""

    def died(self, text: str | None, parents: list[dict[str, Any]]) -> None:
        """The text is part of the output of what ran."""
        for parent in parents if text else ():
            number = self.core.number(str(parent.get("msg_id")))
            if number is not None:
                self.core.append_own(number, _stream("stderr", text or ""))
        self.process_ended()


def _stream(name: str, text: str) -> bytes:
    """A message of the server itself."""
    return _core.encode_v1(
        "iopub", [json.dumps(part).encode() for part in ({"msg_type": "stream"}, {}, {}, {"name": name, "text": text})]
    )


def _settle(waiting: "asyncio.Future[bool]", changed: bool) -> None:
    if not waiting.done():
        waiting.set_result(changed)
