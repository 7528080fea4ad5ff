"""Every field of a client's message as every shape of JSON: what stock sends to the kernel, and what we send.

``refused.REFUSED`` lists each value that stock forwards and we refuse: a new difference fails here, and so does a line that is
no longer needed. If both send a message, the kernel reads the same, except for ``refused.EMPTIED``.
"""

import itertools
import json
from typing import Any, cast

import pytest

from kernelws import ZMQChannelsWebsocketConnection

from .compare import stock
from .messages import binary_frame, v1_frame
from .refused import ABSENT, EMPTIED, FRAMES, REFUSED, SHAPES, Frames
from .test_incoming import connection, session_of
from .upstream import Stock, quietly

HEADER = {"msg_id": "m", "msg_type": "execute_request", "session": "s", "username": "", "date": "", "version": "5.4"}
MESSAGE: dict[str, Any] = {
    "header": HEADER,
    "parent_header": {},
    "metadata": {"kept": [1]},
    "content": {"code": ""},
    "channel": "shell",
}
PARTS = ("header", "parent_header", "metadata", "content")
FIELDS = (*PARTS, "header.msg_type", "header.msg_id", "channel", "buffers", "msg_id", "msg_type", "unknown")
CASES = list(itertools.product(FRAMES, FIELDS, [ABSENT, *SHAPES]))


def message_with(field: str, shape: str) -> dict[str, Any]:
    outer, _, inner = field.partition(".")
    message = MESSAGE | {outer: dict(HEADER)} if inner else dict(MESSAGE)
    owner, name = (message[outer], inner) if inner else (message, outer)
    owner.pop(name, None)
    if shape != ABSENT:
        owner[name] = SHAPES[shape]
    return message


def frame_of(kind: str, message: dict[str, Any]) -> str | bytes | None:
    """None where such a frame cannot have such a field."""
    if kind == "v1":
        if set(message) != set(MESSAGE) or not isinstance(message["channel"], str):
            return None
        return v1_frame(message["channel"].encode(), [json.dumps(message[name]).encode() for name in PARTS])
    text = json.dumps(message)
    return binary_frame([text.encode(), b"buffer"]) if kind == "binary" else text


def sent(method: Any, kind: str, frame: str | bytes) -> list[bytes] | None:
    """The parts that reach a socket, None if nothing does."""
    tried = connection(session_of("json", 0), kind == "v1", [])
    with quietly():
        stock(method, tried, cast("str", frame))
    frames = [wire.frames[2:] for wire in tried.channels.values() if wire.frames]
    return frames[0] if frames else None


def outcomes(kind: str, field: str, shape: str) -> tuple[Any, Any]:
    frame = frame_of(kind, message_with(field, shape))
    if frame is None:
        return None, None
    theirs = sent(Stock.handle_incoming_message, kind, frame)
    return theirs, sent(ZMQChannelsWebsocketConnection.handle_incoming_message, kind, frame)


def listed(table: list[tuple[Frames, str, list[str], str]]) -> list[tuple[str, str, str]]:
    return [(kind, field, shape) for kinds, field, shapes, _ in table for kind in kinds for shape in shapes]


def reads(parts: list[bytes]) -> list[Any]:
    return [*map(json.loads, parts[:4]), *parts[4:]]


def test_what_stock_forwards_and_we_refuse_is_listed_with_its_reason() -> None:
    found = [case for case in CASES if (both := outcomes(*case))[0] is not None and both[1] is None]
    assert sorted(found) == sorted(listed(REFUSED))
    assert all(reason for _, _, _, reason in REFUSED)


def test_we_forward_nothing_that_stock_refuses() -> None:
    assert [case for case in CASES if (both := outcomes(*case))[0] is None and both[1] is not None] == []


def test_a_kernel_reads_the_same_but_for_empty_values_that_become_objects() -> None:
    emptied = []
    for case in CASES:
        theirs, ours = outcomes(*case)
        if ours is None or theirs is None or reads(ours) == reads(theirs):
            continue
        expected = reads(theirs)
        expected[PARTS.index(case[1])] = {}
        assert reads(ours) == expected
        emptied.append(case)
    assert sorted(emptied) == sorted(listed(EMPTIED))


@pytest.mark.parametrize("empty", ["null", "[]", "{}", '""'])
def test_an_empty_value_of_buffers_is_no_buffers(empty: str) -> None:
    """kernel_gateway's tests, Enterprise Gateway's client and ag2 send ``{}``."""
    for kind in ("text", "binary"):
        theirs, ours = outcomes(kind, "buffers", empty)
        assert ours is not None
        assert reads(ours) == reads(theirs)
