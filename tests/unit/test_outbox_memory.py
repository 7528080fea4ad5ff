"""The memory that an outbox counts is the memory that it uses, as glibc reports it in a process of its own.

Parent headers matter most: the kernel chooses their ids, and a gap keeps its parent although its text is gone.
"""

import os

import pytest

from tests.support.alone import run_alone

SCRIPT = """
    import ctypes, gc, json
    from kernelws import _core
    from tests.unit.outbox_model import UNLIMITED, Message, batch_of

    class Mallinfo2(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in "arena o s h hblkhd us fs uordblks fo keepcost".split()]

    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo2

    def used():
        gc.collect()
        info = libc.mallinfo2()
        return info.uordblks + info.hblkhd

    def fill(kind, count, length, left_out):
        '''Bytes held and counted for that many messages, each of a parent of its own.'''
        outbox = _core.Outbox("v1")
        outbox.configure(**UNLIMITED | {"backlog_limit": 1 if left_out else 0})
        outbox.detach()
        before = used()
        together = count // 100  # large messages one by one: a batch stays as long as a part of it
        for number in range(0, count, together):
            messages = [Message(number + n, kind, parent=str(number + n).zfill(length)) for n in range(together)]
            outbox.append(batch_of(messages), 0, together, 0.0)
            del messages
        while left_out and kind == "display" and outbox.drop_oldest_display():
            pass
        held, counted = used() - before, outbox.memory()
        gone = sum(messages for messages, _ in outbox.stats().left_out.values())
        assert gone == (count if left_out else 0), gone
        while spilled := outbox.spill(1 << 20):
            assert outbox.written(spilled[0])
        del spilled
        return held, counted, used() - before, outbox.memory()

    fill("stream", 1000, 5, False)  # what is made once
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="asks glibc")
@pytest.mark.parametrize("kind", ["stream", "display"])
@pytest.mark.parametrize("left_out", [True, False])
@pytest.mark.parametrize(("count", "length"), [(100, 100_000), (40_000, 5)])
def test_what_is_counted_is_what_is_held(kind: str, left_out: bool, count: int, length: int) -> None:
    """Compares both before and after spilling to disk. Parent headers count: 100 gaps with ids of 100 KB hold 20 MB."""
    printed = run_alone(SCRIPT + f"    print(*fill({kind!r}, {count}, {length}, {left_out}))\n")
    held, counted, then_held, then_counted = map(int, printed.split())
    assert held <= 1.1 * counted
    assert counted <= 1.5 * held
    assert then_held <= 1.1 * then_counted + 500_000
    assert then_counted < counted / 3


SHARED = """
    from kernelws import _core
    from tests.unit.outbox_model import UNLIMITED, Message, batch_of

    def outbox():
        made = _core.Outbox("v1")
        made.configure(**UNLIMITED)
        made.detach()
        return made

    outboxes = [outbox(), outbox()]
    counts = [_core.live_bytes()]
    batch = batch_of([Message(0, "display", buffer=1_000_000)])
    for each in outboxes:
        each.append(batch, 0, 1, 0.0)
    del batch, each
    while outboxes:
        counts.append(_core.live_bytes())
        outboxes.pop()
    print(*counts, _core.live_bytes())
"""


def test_bytes_that_two_outboxes_share_count_once_until_both_are_gone() -> None:
    before, both, one, none = map(int, run_alone(SHARED).split())
    assert 1_000_000 < both == one < 1_001_000
    assert before == none == 0
