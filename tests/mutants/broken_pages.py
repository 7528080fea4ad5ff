"""Broken versions of what a page asks of its session: attach, saved, skip, the state, and the announcement of the extension.

See ``broken.py``; who may see what is in ``broken_executions.py``. Cost: seconds each.
"""

from tests.mutants.broken import CONTRACT, Mutant

ATTACH = (f"{CONTRACT}/test_executions_attach.py",)
FOLLOWED = (f"{CONTRACT}/test_executions_followed.py",)
ROUTES = (f"{CONTRACT}/test_session_routes.py",)
USERS = (f"{CONTRACT}/test_executions_users.py",)
EXECUTIONS = (f"{CONTRACT}/test_executions.py",)

MUTANTS = (
    Mutant(
        "an announcement of the extension is not recorded",
        "executions/sessions.py",
        "        session.stats.announced = True\n",
        "",
        ROUTES,
    ),
    Mutant(
        "a page with the extension is sent restarting",
        "session/processes.py",
        '"restarted" if self._session.stats.announced else "restarting"',
        '"restarting"',
        ROUTES,
    ),
    Mutant(
        "a page without the extension is sent a message that it does not know",
        "session/processes.py",
        '"restarted" if self._session.stats.announced else "restarting"',
        '"restarted"',
        ROUTES,
    ),
    Mutant(
        "an unknown session is found",
        "executions/sessions.py",
        '        if session is None:\n            self.refuse(404, "no such session")\n        return session',
        "        return session",
        ROUTES,
    ),
    Mutant(
        "the round trip of a connection that is gone is shown",
        "executions/sessions.py",
        "None if client is None else client.round_trip",
        "0.0 if client is None else client.round_trip",
        ROUTES,
    ),
    Mutant(
        "what waits on disk and in memory is not counted",
        "executions/sessions.py",
        "stats.memory + stats.disk",
        "0",
        ROUTES,
    ),
    Mutant(
        "what was caught up on is not counted",
        "executions/sessions.py",
        '{"messages": session.stats.caught_up}',
        '{"messages": 0}',
        ROUTES,
    ),
    Mutant(
        "skip leaves the text",
        "executions/service.py",
        "        session.change(session.outbox.skip)\n",
        "",
        EXECUTIONS,
    ),
    Mutant(
        "skip accepts a session that is not there",
        "executions/sessions.py",
        '        if not self.service.skip(kernel_id, session_id, self.owner):\n            self.refuse(404, "no such session")\n',
        "        self.service.skip(kernel_id, session_id, self.owner)\n",
        EXECUTIONS,
    ),
    Mutant(
        "who may read may skip",
        "executions/sessions.py",
        '    @executing\n    def post(self, kernel_id: str, session_id: str) -> None:\n        """Shortens',
        '    @authorized\n    def post(self, kernel_id: str, session_id: str) -> None:\n        """Shortens',
        USERS,
    ),
    Mutant(
        "who may read may announce the extension",
        "executions/sessions.py",
        '    @executing\n    def post(self, kernel_id: str, session_id: str) -> None:\n        """Records',
        '    @authorized\n    def post(self, kernel_id: str, session_id: str) -> None:\n        """Records',
        USERS,
    ),
    Mutant(
        "what is saved is kept",
        "executions/acting.py",
        "                journal.forget(found[0])\n",
        "                pass\n",
        EXECUTIONS,
    ),
    Mutant(
        "what is saved is forgotten while it runs",
        "executions/acting.py",
        "if found is not None and found[1].over:",
        "if found is not None:",
        EXECUTIONS,
    ),
    Mutant(
        "another user's execution is forgotten as saved",
        "executions/acting.py",
        "            found = journal.find(execution_id, self.owner)\n            if found is not None and found[1].over:",
        "            number = journal.core.number(execution_id)\n"
        "            found = None if number is None else (number, journal.facts(number))\n"
        "            if found is not None and found[1].over:",
        USERS,
    ),
    Mutant(
        "a page that attaches does not get what follows",
        "kernel/journal.py",
        "                self._followers.add(number, page)\n",
        "                pass\n",
        ATTACH,
    ),
    Mutant(
        "an ended session goes on getting replays",
        "kernel/journal.py",
        "            if page.closed:  # what it got exceeded its session's limits\n                return\n",
        "",
        FOLLOWED,
    ),
    Mutant(
        "a replay leaves the page with an idle kernel that is busy",
        "kernel/journal.py",
        '        if ended:\n            page.end_replay(any(facts.state == "running" for _, facts in self._all()))\n',
        "",
        ATTACH,
    ),
    Mutant(
        "the page that ran the code gets its own replies twice",
        "kernel/journal.py",
        " and facts.session != page.session_id",
        "",
        ATTACH,
    ),
    Mutant(
        "an unknown execution is attached without an error",
        "executions/acting.py",
        '        if ids and not attached and counts is None:\n            self.refuse(404, "no such execution")\n',
        "",
        ATTACH,
    ),
    Mutant(
        "an execution that is named twice is attached twice",
        "executions/service.py",
        "for one in dict.fromkeys(ids)",
        "for one in ids",
        ATTACH,
    ),
)
