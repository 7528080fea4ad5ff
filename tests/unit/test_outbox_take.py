"""What an outbox returns: a whole batch as the object that all clients share, large buffers in pieces.

Payloads are as they were when they were appended.
"""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from kernelws import _core
from tests.support.native import payload, pieces, wire
from tests.unit.outbox_model import UNLIMITED, Message, Protocol, batch_of, decoded, split_frames


def test_a_whole_batch_leaves_as_the_object_that_all_clients_share() -> None:
    batch = batch_of([Message(1, "stream"), Message(2, "status")])
    for protocol in ("v1", "legacy"):
        (whole,) = pieces(batch, protocol, 0, 2)
        assert isinstance(whole, bytes)
        held = sys.getrefcount(whole)
        outboxes = [_core.Outbox(protocol) for _ in range(3)]
        for outbox in outboxes:
            outbox.append(batch, 0, 2, 0.0)
            assert joined(outbox, only=whole) == whole
            outbox.append(batch, 1, 2, 0.0)
            assert joined(outbox) == wire(batch, protocol, 1, 2)
            outbox.acknowledge_all()
            assert outbox.stats().memory == 0
        del outboxes, outbox
        assert sys.getrefcount(whole) == held


def joined(outbox: _core.Outbox, only: bytes | None = None) -> bytes:
    """The bytes that leave the outbox. With ``only``, they must be this object itself, not a copy."""
    taken = outbox.take(0.0, 1 << 20)
    assert isinstance(taken, list)
    assert only is None or (len(taken) == 1 and taken[0] is only)
    return b"".join(taken)


@pytest.mark.parametrize("protocol", ["v1", "legacy"])
def test_large_buffers_leave_in_pieces_of_their_own(protocol: Protocol) -> None:
    batch = batch_of([Message(1, "display", buffer=1 << 20), Message(2, "status"), Message(3, "display", buffer=1 << 17)])
    for size in (1, 1 << 30):
        found = drained(batch, protocol, _core.Outbox.take, size)
        assert b"".join(found) == wire(batch, protocol, 0, 3)
        assert [len(piece) for piece in found if len(piece) > 1000] == [1 << 20, 1 << 17]
        messages = drained(batch, protocol, _core.Outbox.take_messages, size)
        assert messages == [payload(batch, index, protocol) for index in range(3)] == split_frames(b"".join(found))


@pytest.mark.parametrize("protocol", ["v1", "legacy"])
@pytest.mark.parametrize("size", [200, 1_500, 30_000])
def test_one_row_of_texts_leaves_whole_at_every_size(protocol: Protocol, size: int) -> None:
    """Batches below 64 KiB, below 1 MiB and larger, which are encoded when they are needed, or beforehand."""
    messages = [Message(number, "stream", filler=size * "x") for number in range(40)]
    batch, text = batch_of(messages), "".join(message.text for message in messages)
    found = []
    for merge_window in (0.016, 0, 0.016):
        outbox = _core.Outbox(protocol)
        outbox.configure(**UNLIMITED | {"merge_window": merge_window})
        outbox.append(batch, 0, len(batch), 0.0)
        frames, now = list[Any](), 0.0
        taken: Any = True
        while taken is not None or outbox.wake_at is not None:
            taken, now = outbox.take_messages(now, 1 << 20), now + 1.0
            frames += taken or []
            outbox.acknowledge_all()
        assert "".join(decoded(frame)[3]["text"] for frame in frames) == text
        found.append(len(frames))
    assert batch.refused(protocol) == []
    assert found[0] == found[2] < found[1] == len(messages)


def drained(batch: _core.Batch, protocol: Protocol, take: Callable[..., Any], size: int) -> list[Any]:
    """The pieces in which a batch leaves an outbox that acknowledges each one at once."""
    outbox, found = _core.Outbox(protocol), list[Any]()
    outbox.append(batch, 0, len(batch), 0.0)
    while (taken := take(outbox, 0.0, size)) is not None:
        found += taken
        outbox.acknowledge_all()
    return found


def test_payloads_are_those_of_the_batch() -> None:
    batch = batch_of([Message(1, "stream"), Message(2, "status")])
    for protocol in ("v1", "legacy"):
        outbox = _core.Outbox(protocol)
        outbox.append(batch, 0, 2, 0.0)
        assert outbox.take_messages(0.0, 1 << 20) == split_frames(wire(batch, protocol, 0, 2))
        outbox.append_own("text", "replies")
        outbox.append_own(b"bytes")
        assert outbox.take_messages(0.0, 1 << 20) == ["text", b"bytes"]


def test_what_is_appended_stays_as_it_was_then() -> None:
    batch, outbox = batch_of([Message(1, "stream")]), _core.Outbox("v1")
    outbox.append(batch, 0, 1, 0.0)
    before = wire(batch, "v1", 0, 1)
    batch.rewrite(0, Message(2, "stream").parts())
    assert joined(outbox) == before != wire(batch, "v1", 0, 1)


def test_names_that_are_none_are_refused() -> None:
    outbox: Any = _core.Outbox("v1")
    with pytest.raises(ValueError, match="a protocol is"):
        type(outbox)("v2")
    with pytest.raises(ValueError, match="a protocol is"):
        outbox.attach("v2")
    with pytest.raises(ValueError, match="a lane is"):
        outbox.append_own(b"", "shell")
    with pytest.raises(ValueError, match="no such reason"):
        outbox.clear("because")


def test_a_cleared_outbox_says_why() -> None:
    outbox = _core.Outbox("v1")
    outbox.append(batch_of([Message(1, "status"), Message(2, "stream")]), 0, 2, 0.0)
    outbox.clear("full")
    stats = outbox.stats()
    assert stats.left_out["full"][0] == 2
    assert (stats.waiting, stats.memory, outbox.take(0.0, 1)) == (0, 0, None)
