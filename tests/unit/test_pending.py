"""Where shell messages wait for a kernel: in order, within bounds, against a model in a list."""

from hypothesis import strategies as st

from kernelws import _core
from kernelws.client.pending import MAX_BYTES, MAX_MESSAGES, PART_UPKEEP, PendingMessages
from tests.parity.messages import v1_frame
from tests.parity.registry import fuzzed

PARTS = [b'{"msg_type":"a"}', b"{}", b"{}", b"{}"]
EMPTY = sum(map(len, PARTS)) + PART_UPKEEP * (len(PARTS) + 1)
MEBIBYTE = 1 << 20


def message(size: int) -> _core.ClientMessage:
    """A message with a buffer of so many bytes: it takes up ``EMPTY`` more."""
    return _core.decode_v1(v1_frame(b"shell", [*PARTS, b"x" * size]))


MESSAGES = {size: message(size) for size in (0, 1, MEBIBYTE, 5 * MEBIBYTE, MAX_BYTES - EMPTY, MAX_BYTES)}
STEPS = st.lists(st.sampled_from(["open", "clear", *MESSAGES]), max_size=30)


@fuzzed(steps=STEPS)
def test_what_fits_waits_in_order_and_is_sent_once(steps: list[str | int]) -> None:
    sent: list[tuple[str, _core.ClientMessage]] = []
    room = PendingMessages(lambda channel, message: sent.append((channel, message)))
    waiting: list[int] = []
    for step in steps:
        sent.clear()
        if isinstance(step, int):
            fits = sum(waiting) + step + EMPTY * (len(waiting) + 1) <= MAX_BYTES
            assert room.add("shell", MESSAGES[step]) == fits
            waiting += [step] * fits
            assert sent == []
            continue
        if step == "open":
            room.send_all()
            assert sent == [("shell", MESSAGES[size]) for size in waiting]
        else:
            room.clear()
            assert sent == []
        waiting = []


def test_messages_are_counted_too() -> None:
    room = PendingMessages(lambda channel, message: None)
    taken = [room.add("shell", MESSAGES[0]) for _ in range(MAX_MESSAGES + 1)]
    assert taken == [True] * MAX_MESSAGES + [False]
    room.send_all()
    assert room.add("shell", MESSAGES[0])
