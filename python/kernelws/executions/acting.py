"""The routes that act on executions: answer a prompt, interrupt, attach a page, and say what a document holds.

Must not decide what is kept: the journal does. Cost: for a page that attaches, one copy of the output.
"""

import re

from tornado import web

from .handler import ExecutionsHandler, executing

WIDGETS_REQUEST = re.compile(r"[!-~]{1,1024}")
COUNTS = ("replayed", "evicted", "unknown")
"""What the answer says of widgets."""


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
        if not self.service.answer(journal, number, facts.session, value):
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


class Attach(ExecutionsHandler):
    """Gives executions to a page."""

    @web.authenticated
    @executing
    def post(self, kernel_id: str) -> None:
        """Sends the output of the executions ``msg_ids`` so far, and what follows, to the page of the session. The answer names
        those that are known. ``widgets``: sends the user's widgets too, as answers to the request with this id."""
        self.journal(kernel_id)  # 404 if there is none
        asked = self.body(session_id=(str, ...), msg_ids=(list, ...), widgets=(str, None))
        ids, widgets = asked["msg_ids"], asked["widgets"]
        if widgets is not None and WIDGETS_REQUEST.fullmatch(widgets) is None:
            self.refuse(400, "widgets must be the msg_id of a request")
        if not all(isinstance(one, str) for one in ids):
            self.refuse(400, "msg_ids must be texts")
        found = self.service.attach(kernel_id, asked["session_id"], self.owner, ids, widgets)
        if found is None:
            self.refuse(404, "no such session")
        attached, counts = found
        if ids and not attached and counts is None:
            self.refuse(404, "no such execution")
        shown = {} if counts is None else {"widgets": dict(zip(COUNTS, counts, strict=True))}
        self.answer({"attached": attached, **shown})
