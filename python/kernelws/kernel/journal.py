"""``KernelJournal``: the executions of one kernel, and who waits for news of them.

An *execution* is an ``execute_request`` with all that answers it. The native journal of a kernel keeps it for whoever sent the
request, also after the connection has ended. The kernel passes each batch to it; this file only wakes those who wait, and
passes replies and prompts to the pages that have taken an execution over.
Must not decide who may read what, nor build answers. Cost: one call for each batch while there are readers, such pages, or
ended sessions with open executions.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _core
from ..messages import notices
from ..record.counters import TOTALS
from .ended_owners import EndedOwners
from .followers import Asker, Follower, Followers
from .prompts import Prompts

if TYPE_CHECKING:
    from .ended_owners import Owner
    from .kernel import Kernel

Widgets = tuple[str | None, str]
"""The owner of the widgets that a page asks for, and the id of its request."""
Counts = tuple[int, int, int]
"""How many widgets are replayed, evicted and unknown."""
OPEN_STATES = ("queued", "running", "input")
"""The values of ``Facts.shown_state`` of an execution that has not ended."""


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Fields have the units of the traits: executions, bytes of a kernel, bytes of the server, bytes, seconds, widgets, bytes."""

    kept: int
    memory: int
    server_memory: int
    text: int
    age: float
    widgets: int
    widget_memory: int


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
        self.prompts = Prompts(self.core, kernel.session)
        self._followers = Followers()
        self.followed: dict[int, list[Follower]] = self._followers.of_number
        """See ``Recorder``."""
        self.ended_owners = EndedOwners(kernel.log, self.take)
        self.inherited: dict[str, Any] = self.ended_owners.kept
        """See ``Recorder``."""
        kernel.attach(self)

    def configure(self, memory: int) -> None:
        """Sets the limits; ``memory`` is in bytes."""
        limits = self._limits
        self.core.configure(
            executions=limits.kept,
            memory=memory,
            text=limits.text,
            age=limits.age,
            widgets=limits.widgets,
            widget_memory=limits.widget_memory,
        )

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
        try:
            number = self.core.number(execution_id)
        except UnicodeEncodeError:  # JSON can name half of a character, an id cannot
            return None
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
        if owner.session.session in self.core.awaiting():
            self.ended_owners.inherit(owner, most)
            self.tell(list(self.followed))  # the sockets of another session may have been closed, so its reply never comes

    def claim(self, session: str, owner: str | None) -> bool:
        """See ``Recorder``."""
        return self.ended_owners.claim(session, owner)

    # prompts

    def asker(self, session: str) -> Asker | None:
        """The session with this id, or the sockets that are kept of it. None: both are gone."""
        listeners = (other for other in self._kernel.listeners if isinstance(other, Asker) and "shell" in other.channels)
        return self.ended_owners.get(session) or next((other for other in listeners if other.session.session == session), None)

    def take_answer(self, message: _core.ClientMessage, session: str) -> bool:
        """See ``Recorder``. The answer of a session that follows the execution is sent from the sockets that asked."""
        prompt, value = self.prompts.answer_in(message)
        if prompt is not None and self.prompts.was_answered(prompt):
            return False
        number = self.core.waits_at(prompt) if prompt is not None else self._prompt_of(session)
        facts = None if number is None else self.facts(number)
        if number is None or facts is None:
            # Late, from a page that shows an older prompt: the kernel would take it for what it asks now
            return prompt is None or not any(facts.prompts for _, facts in self._all())
        asker = None if facts.session == session else self.asker(facts.session)
        if facts.session != session and not self._followers.follows(number, session):
            return True
        self.answer(number, value, session)
        stdin: Any = None if asker is None else asker.channels.get("stdin")
        if asker is None or not hasattr(stdin, "send_signed") or stdin.closed():
            return True
        stdin.send_signed(asker.keys.signer, message)
        return False

    def _prompt_of(self, session: str) -> int | None:
        """The execution that waits at a prompt which this session shows."""
        asks = ((number, facts) for number, facts in self._all() if facts.prompts)
        shown = (n for n, facts in asks if facts.session == session or self._followers.follows(n, session))
        return next(shown, None)

    def answer(self, number: int, value: Any, session: str | None = None) -> dict[str, Any] | None:
        """Records the answer to the prompt of an execution. Returns the prompt's header; None if it waits at none.

        The other pages that show the prompt get the output anew, without it. ``session``: the page that answers.
        """
        header, facts = self.prompts.answer(number, value), self.facts(number)
        if header is None or facts is None:
            return None
        self.tell([number])
        asker = self.asker(facts.session)
        pages = [*self._followers.of(number), *([asker.replays] if asker is not None and asker.replays is not None else [])]
        for page in pages:
            if page.session_id != session:
                page.replay(self.core, number)
        return header

    # pages that take executions over

    def attach(self, numbers: list[int], page: Follower, widgets: Widgets | None = None) -> Counts | None:
        """Gives executions to a page, which gets what follows too, and its widgets. In one step, so that nothing comes between
        them. Returns how many widgets are replayed, evicted and unknown."""
        counts = None if widgets is None else page.widgets(self.core, *widgets, fill=False)
        self._replay(numbers, page)
        if widgets is not None and not page.closed:
            page.widgets(self.core, *widgets, fill=True)
        return counts

    def _replay(self, numbers: list[int], page: Follower) -> None:
        self.tell(list(self.followed))  # the journal may have forgotten some of them
        ended = False
        for number in numbers:
            if page.closed:  # what it got exceeded its session's limits
                return
            page.replay(self.core, number)
            facts = self.facts(number)
            if facts is not None and not facts.over and facts.session != page.session_id:
                self._followers.add(number, page)
            ended |= facts is not None and facts.over
        if ended:
            page.end_replay(any(facts.state == "running" for _, facts in self._all()))

    # news

    def take(self, batch: _core.Batch) -> None:
        """Takes a batch of replies or prompts of one session. IOPub reaches the native journal directly."""
        changed = self.core.append(batch, time.time())
        for number in self.followed.keys() & set(changed):
            if (facts := self.facts(number)) is not None:
                self._followers.copy(number, batch, facts.id)
        self.tell(changed)

    def tell(self, changed: list[int]) -> None:
        """Wakes those who wait for these executions."""
        if self.inherited and changed:
            self.ended_owners.keep(self.core.awaiting())
        for number in changed:
            for waiting in self.waits.pop(number, ()):
                _settle(waiting, True)
        for number in self.followed.keys() & set(changed):
            self._end_following(number)

    def _end_following(self, number: int) -> None:
        """Removes the followers of an execution that is over, once they have its reply."""
        facts = self.facts(number)
        if facts is not None and not facts.over:
            return
        if facts is not None and self.core.awaits_reply(number) and self.asker(facts.session) is not None:
            return  # the reply arrives later
        self._leave_followers(number)

    def _leave_followers(self, number: int) -> None:
        """The followers of an execution get nothing more through the journal. Those that still need a reply get one now."""
        if number in self.followed and self.core.awaits_reply(number):
            self._followers.reply(number, self.core)
        self._followers.forget(number)

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
        self._leave_followers(number)
        self.core.remove(number)
        self.tell([number])

    def empty(self) -> None:
        """Deletes everything and ends; those who wait find nothing any more."""
        self.end()
        for number, _ in self.core.all():
            self.core.remove(number)
        self.core.forget_widgets()

    def end(self) -> None:
        """The journal is not used any more; all who wait notice."""
        if not self.ended:
            TOTALS.executions.add(self.core.finished())
        self.ended = True
        for number in list(self.followed):
            self._leave_followers(number)
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
                self.core.append_own(number, notices.own_stream("stderr", text or ""))
        self.process_ended()


def _settle(waiting: "asyncio.Future[bool]", changed: bool) -> None:
    if not waiting.done():
        waiting.set_result(changed)
