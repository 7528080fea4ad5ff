"""An execution as server-sent events: ``output``, ``update``, ``clear``, ``gap``, ``input_request``, ``state``, ``done``.

The id of an event is the cursor of a reader that has it, so ``Last-Event-ID`` resumes. All readers at the same cursor get the
same bytes, which are made once. A reader that is slow gets what the journal still has, and exact gaps; a reader that does not
read at all costs one piece.
Must not hold output: the journal does. Cost: one read of the journal for each change, and one write for each reader.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from tornado.escape import json_encode

from ..kernel.journal import Facts, KernelJournal
from . import outputs

PIECE = 1 << 18
"""Bytes of output that are written at once; at least one message."""
KEEP_ALIVE = 15.0
"""Seconds after which a reader gets a comment if there is no news, so that no proxy closes the connection."""
COMMENT = b": still here\n\n"
STEPS_KEPT = 8
"""How many of the last steps of a kernel's executions are kept for other readers."""


@dataclass(frozen=True, slots=True)
class Step:
    """What readers at one cursor get."""

    events: bytes
    next: int
    at_end: bool
    cleared: bool
    got: tuple[int, int]
    """The messages and bytes in ``events``, including those that its gaps stand for."""
    appended: tuple[int, int]


def event(name: str, data: Any, cursor: int) -> bytes:
    """One event. JSON has no line breaks, so it is one line of data."""
    return f"id: {cursor}\nevent: {name}\ndata: {json_encode(data)}\n\n".encode()


class Steps:
    """The last steps of the executions of one kernel, shared by all readers."""

    def __init__(self, journal: KernelJournal) -> None:
        self._journal = journal
        self._known: OrderedDict[tuple[int, int, int], Step] = OrderedDict()

    def step(self, number: int, since: int) -> Step | None:
        """What follows the cursor. None if the execution is not kept any more."""
        end = self._journal.core.end(number)
        if end is None:
            return None
        known = self._known.get((number, since, end))
        if known is None:
            known = self._made(number, since)
            if known is None:
                return None
            self._known[number, since, end] = known
            if len(self._known) > STEPS_KEPT:
                self._known.popitem(last=False)
        return known

    def _made(self, number: int, since: int) -> Step | None:
        found = self._journal.core.follow(number, since, PIECE)
        if found is None:
            return None
        pieces, updates, end, at_end, cleared, messages, size = found
        made = [event("clear", {}, 0)] if cleared else []
        # Updates precede the pieces and have the old cursor as id: if the connection breaks after some, all come again
        made += [event("update", update, since) for shown in updates if (update := outputs.update(shown)) is not None]
        for at, shown, gone, bytes_gone in pieces:
            output = outputs.output(shown)
            made.append(event("gap", _count(gone, bytes_gone), at) if output is None else event("output", output, at))
        got = sum(piece[2] for piece in pieces), sum(piece[3] for piece in pieces)
        return Step(b"".join(made), end, at_end, cleared, got, (messages, size))


def _count(messages: int, size: int) -> dict[str, int]:
    return {"messages": messages, "bytes": size}


class Reader:
    """One reader of one execution. ``handler`` is its request."""

    def __init__(self, handler: Any, journal: KernelJournal, steps: Steps, number: int, since: int) -> None:
        self._handler = handler
        self._journal = journal
        self._steps = steps
        self._number = number
        self._cursor = since
        self._got: tuple[int, int] | None = (0, 0) if since == 0 else None
        """Messages and bytes that this reader has got or knows to be missing. None: it resumes, and has not caught up yet."""
        self._state: dict[str, Any] = {}
        self._prompted = False
        self.waiting: asyncio.Future[bool] | None = None

    async def run(self) -> None:
        """Writes events until the execution is over, it is forgotten, or the client leaves."""
        while True:
            waiting = self.waiting = self._journal.news(self._number, KEEP_ALIVE)
            try:
                facts = self._journal.facts(self._number)
                step = None if facts is None else self._steps.step(self._number, self._cursor)
                if facts is None or step is None:
                    return
                self._handler.write(self._events(step, facts))
                await self._handler.flush()
                if step.at_end:
                    if facts.over:
                        return
                    await asyncio.wait({waiting})
                if waiting.cancelled():
                    return
                if waiting.done() and not waiting.result():
                    self._handler.write(COMMENT)
            finally:
                waiting.cancel()

    def _events(self, step: Step, facts: Facts) -> bytes:
        made = [step.events]
        self._cursor = step.next
        if step.cleared:
            self._got = (0, 0)
        if self._got is not None:
            self._got = (self._got[0] + step.got[0], self._got[1] + step.got[1])
        if step.at_end:
            made += self._gap(step)
            made += self._states(facts)
        return b"".join(made)

    def _gap(self, step: Step) -> list[bytes]:
        """A gap for the messages that were dropped before this reader got to them."""
        got, self._got = self._got or step.appended, step.appended
        messages, size = step.appended[0] - got[0], step.appended[1] - got[1]
        return [event("gap", _count(messages, size), self._cursor)] if messages > 0 or size > 0 else []

    def _states(self, facts: Facts) -> list[bytes]:
        made = []
        prompt = outputs.input_request(self._journal.prompts.pending(self._number))
        summary = outputs.summary(facts)
        state = {name: summary[name] for name in ("state", "status", "execution_count")}
        if state != self._state:
            self._state = state
            made.append(event("done" if facts.over else "state", summary if facts.over else state, self._cursor))
        if prompt is not None and not self._prompted:
            made.append(event("input_request", prompt, self._cursor))
        self._prompted = prompt is not None
        return made
