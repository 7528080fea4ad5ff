"""A journal stays within its memory limit plus a tenth at all message sizes, as glibc reports it in a process of its own."""

import pytest

from tests.support.alone import run_alone
from tests.support.memory import AVAILABLE

LIMIT = 8 << 20
"""Bytes of the journal."""
SCRIPT = f"""
    import json
    from kernelws import _core
    from tests.support.memory import used
    from tests.unit.outbox_model import Message, batch_of

    def journal(executions):
        made = _core.Journal()
        made.configure(executions=10_000, memory={LIMIT}, text=0, age=1e9, widgets=0, widget_memory=0)
        for number in range(executions):
            parts = [{{"msg_id": f"p{{number}}", "msg_type": "execute_request"}}, {{}}, {{}}, {{"code": "1"}}]
            message = _core.decode_v1(_core.encode_v1("shell", [json.dumps(part).encode() for part in parts]))
            assert made.submit(message, owner=None, session="s", now=0.0) is not None
        return made

    # Bytes held and counted after three times as much output as the limit
    def fill(kind, size, executions):
        before = used()
        made = journal(executions)
        number = 0
        while number * size < 3 * {LIMIT} and number < 30_000:
            messages = []
            for _ in range(max(1, 200_000 // (size + 300))):
                number += 1
                text, buffer = ("x" * size, 0) if kind == "stream" else ("", size)
                messages.append(Message(number, kind, parent=f"p{{number % executions}}", filler=text, buffer=buffer))
            made.append(batch_of(messages), 1.0)
            del messages, text
        return used() - before, made.memory()

    # Bytes held and counted of small messages that arrived in one buffer with large ones of other requests
    def beside(size):
        before = used()
        made = journal(1)
        for number in range(100):
            large = Message(number, "display", parent="unknown", buffer=size)
            made.append(batch_of([Message(number, "display"), large]), 1.0)
            del large
        return used() - before, made.memory()

    fill("stream", 1000, 3)  # what is made once
"""

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="asks glibc")


@pytest.mark.parametrize("kind", ["stream", "display"])
@pytest.mark.parametrize(("size", "executions"), [(10, 100), (1_000, 1), (70_000, 100), (4_000_000, 1), (4_000_000, 100)])
def test_a_journal_holds_no_more_than_its_limit(kind: str, size: int, executions: int) -> None:
    held, counted = map(int, run_alone(SCRIPT + f"    print(*fill({kind!r}, {size}, {executions}))\n").split())
    assert counted <= LIMIT
    assert held <= 1.1 * LIMIT
    assert counted <= 3 * held


def test_a_small_message_keeps_no_large_receive_buffer_alive() -> None:
    held, counted = map(int, run_alone(SCRIPT + "    print(*beside(1_000_000))\n").split())
    assert held < 500_000
    assert counted < 500_000
