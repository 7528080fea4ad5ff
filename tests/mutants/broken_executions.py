"""Broken versions of the executions: what is kept, who sees it, and what is refused. See ``broken.py``.

Must not repeat what ``tests/unit/test_openapi.py`` finds in the description. Cost: seconds each.
"""

from tests.mutants.broken import CONTRACT, UNIT, Mutant

MUTANTS = (
    Mutant(
        "another user's execution is found",
        "kernel/journal.py",
        "or facts is None or facts.owner != owner else (number, facts)",
        "or facts is None else (number, facts)",
        (f"{CONTRACT}/test_executions_users.py",),
    ),
    Mutant(
        "another user's executions are listed",
        "kernel/journal.py",
        "for _, facts in self._all() if facts.owner == owner]",
        "for _, facts in self._all()]",
        (f"{CONTRACT}/test_executions_users.py",),
    ),
    Mutant(
        "another user's text is skipped",
        "executions/service.py",
        " or session.identity.owner != owner",
        "",
        (f"{CONTRACT}/test_executions_users.py",),
    ),
    Mutant(
        "another user takes the answers to a session that has ended",
        "kernel/ended_owners.py",
        "if kept is not None and kept.owner != owner:",
        "if False:",
        (f"{UNIT}/test_ended_owners.py",),
    ),
    Mutant(
        "the sockets of a session that has ended take the answers from its client",
        "kernel/ended_owners.py",
        "            self.kept.pop(session).close()\n        return True",
        "            pass\n        return True",
        (f"{UNIT}/test_ended_owners.py",),
    ),
    Mutant(
        "a second answer to a prompt is sent",
        "kernel/prompts.py",
        "return prompt in self._answered",
        "return False",
        (f"{CONTRACT}/test_executions_attach.py",),
    ),
    Mutant(
        "a hidden journal is ended but not emptied",
        "kernel/journals.py",
        "            journal.empty()",
        "            journal.end()",
        (f"{UNIT}/test_journal_news.py",),
    ),
    Mutant(
        "a method patched on a live connection leaves executions on",
        "client/outbound.py",
        "            journals.hide(self._hooks.multi_kernel_manager, session.kernel)\n",
        "",
        (f"{CONTRACT}/test_executions_hidden.py",),
    ),
    Mutant(
        "a wrapped WebSocket leaves executions on",
        "client/websocket.py",
        "        or (websocket is not None and _wrapped(websocket))\n",
        "",
        (f"{CONTRACT}/test_executions_hidden.py",),
    ),
    Mutant(
        "code is run although its type is not allowed",
        "executions/reading.py",
        'if not self.service.allows("execute_request"):',
        "if False:",
        (f"{CONTRACT}/test_executions_hidden.py",),
    ),
    Mutant(
        "prompts are answered although the type is not allowed",
        "executions/acting.py",
        'if not self.service.allows("input_reply"):',
        "if False:",
        (f"{CONTRACT}/test_executions_hidden.py",),
    ),
    Mutant(
        "who may write may run code",
        "executions/handler.py",
        'authorized(action="execute")(method)',
        "authorized(method)",
        (f"{CONTRACT}/test_executions_users.py",),
    ),
    Mutant(
        "nothing is buffered and executions are kept",
        "executions/start.py",
        "(explicit or bool(manager.buffer_offline_messages))",
        "True",
        (f"{CONTRACT}/test_executions_off.py",),
    ),
    Mutant(
        "errors of tornado have no reason",
        "executions/handler.py",
        'reason = given or responses.get(status_code, "unknown error")',
        'reason = given or ""',
        (f"{CONTRACT}/test_executions_bad.py",),
    ),
)
