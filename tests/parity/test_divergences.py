"""Each line of ``divergences.py`` is needed: both sides differ on its example, and this line is the one that allows it.

The fuzz bodies find a new difference, which has no line. These tests find a line that is no longer needed, because upstream or
kernelws has changed.
"""

import json
from collections.abc import Callable

import pytest

from kernelws import _core

from . import upstream
from .compare import Case, Outcome, canonical, loaded, ours, stock
from .divergences import DIVERGENCES, FROM_KERNEL, FROM_LEGACY, FROM_V1, explain
from .messages import DELIMITER, KernelMessage, binary_frame, v1_frame
from .test_to_client import by_batch, by_stock, json_parts
from .test_to_kernel import ours_legacy, ours_v1, parts_in, stock_legacy, stock_v1
from .texts import nested

HEADER = {"msg_id": "m", "msg_type": "stream", "session": "s", "date": "2026-01-01T00:00:00Z", "version": "5.4"}
IMPOSSIBLE = "2026-02-30T00:00:00Z"


def packed(**changed: object) -> bytes:
    return json.dumps(HEADER | changed).encode()


def from_kernel(header: bytes = b"", content: bytes = b"{}", packer: str = "json", parent: bytes = b"{}") -> Case:
    message = KernelMessage((DELIMITER, b"", header or packed(), parent, b"{}", content), b"", "hmac-sha256", "iopub")
    session = upstream.session_for(b"", packer=packer)
    return Case(stock(by_stock, message, session), ours(by_batch, message, session), json_parts(message))


def from_legacy(text: bytes | None = None, *, table: bytes = b"", **changed: object) -> Case:
    """A text message; a binary one if there is a table to put before it."""
    members = {"header": HEADER, "parent_header": {}, "metadata": {}, "content": {}, "channel": "shell"} | changed
    message = text if text is not None else json.dumps(members).encode()
    frame = table + message if table else message.decode()
    return Case(stock(stock_legacy, frame), ours(ours_legacy, frame), parts_in(frame), frame)


def from_v1(*parts: bytes, frame: bytes = b"") -> Case:
    frame = frame or v1_frame(b"shell", list(parts))
    theirs = stock(stock_v1, frame)
    return Case(theirs, ours(ours_v1, frame, True), tuple(theirs.value[1]), frame)


def legacy_text(header: str = json.dumps(HEADER), content: str = "{}") -> bytes:
    return f'{{"header":{header},"parent_header":{{}},"metadata":{{}},"content":{content},"channel":"shell"}}'.encode()


DEEP = nested(600, 0).encode()
LARGE = b'{"n":[1,1180591620717411303424]}'
LONG = b'{"n":' + b"9" * 5000 + b"}"
LYING_V1 = v1_frame(b"shell", [packed(), b"{}", b"{}", b"{}"]) + b"more"
TOO_MANY = [b""] * (_core.MAX_BUFFERS + 1)
LYING_BINARY = b"\0\0\0\1\0\0\0\x09"

EXAMPLES: list[tuple[str, str, Callable[[], Case]]] = [
    ("depth", FROM_KERNEL, lambda: from_kernel(content=DEEP)),
    ("depth", FROM_LEGACY, lambda: from_legacy(legacy_text(content=DEEP.decode()))),
    ("depth", FROM_V1, lambda: from_v1(packed(), b"{}", b"{}", DEEP)),
    ("recursion", FROM_KERNEL, lambda: from_kernel(header=packed(odd=loaded(nested(480, 1))))),
    ("long_integers", FROM_KERNEL, lambda: from_kernel(content=LONG)),
    ("dates_as_sent", FROM_KERNEL, lambda: from_kernel(header=packed(date="2026-01-01T00:00:00.5+0000"))),
    ("dates_as_sent", FROM_KERNEL, lambda: from_kernel(header=packed(date="2026-01-01T00:00:00"))),
    ("dates_as_sent", FROM_KERNEL, lambda: from_kernel(parent=packed(odd=["2026-01-01T24:00:00Z"]))),
    ("dates_as_sent", FROM_KERNEL, lambda: from_kernel(packed(version="4.1", date="2026-01-01T00:00:00.5Z"), b'{"data":"a"}')),
    ("dates_as_sent", FROM_KERNEL, lambda: from_kernel(header=packed(date=IMPOSSIBLE))),
    ("dates_as_sent", FROM_KERNEL, lambda: from_kernel(header=packed(odd=["\u0662026-01-01T00:00:00Z"]))),
    ("dates_as_sent", FROM_KERNEL, lambda: from_kernel(header=packed(odd="2026-01-01T00:00:00Z\n"))),
    ("no_version", FROM_KERNEL, lambda: from_kernel(header=packed(version=5))),
    ("no_version", FROM_KERNEL, lambda: from_kernel(header=packed(version="x"))),
    ("not_adapted", FROM_KERNEL, lambda: from_kernel(header=packed(version="4.1"), content=b'{"text":1}')),
    ("type_is_no_text", FROM_KERNEL, lambda: from_kernel(header=packed(msg_type=5))),
    ("type_is_no_text", FROM_LEGACY, lambda: from_legacy(header=HEADER | {"msg_type": None})),
    ("type_is_no_text", FROM_V1, lambda: from_v1(b"{}", b"{}", b"{}", b"{}")),
    ("large_integers", FROM_KERNEL, lambda: from_kernel(content=LARGE, packer="orjson")),
    (
        "large_integers",
        FROM_KERNEL,
        lambda: from_kernel(packed(date="2026-01-01T00:00:00"), LARGE, "orjson"),
    ),
    ("part_is_no_object", FROM_LEGACY, lambda: from_legacy(metadata=[1])),
    ("part_is_no_object", FROM_LEGACY, lambda: from_legacy(content='"packed, but no object"')),
    ("part_is_no_object", FROM_V1, lambda: from_v1(b"not JSON", b"{}", b"{}", b"{}")),
    ("v1_table_lies", FROM_V1, lambda: from_v1(frame=LYING_V1)),
    ("too_few_parts", FROM_V1, lambda: from_v1(packed(), b"{}")),
    ("too_many_buffers", FROM_V1, lambda: from_v1(packed(), b"{}", b"{}", b"{}", *TOO_MANY)),
    ("too_many_buffers", FROM_LEGACY, lambda: from_legacy(b"", table=binary_frame([legacy_text(), *TOO_MANY]))),
    ("binary_table_lies", FROM_LEGACY, lambda: from_legacy(b" " + legacy_text(), table=LYING_BINARY)),
    ("empty_is_an_object", FROM_LEGACY, lambda: from_legacy(metadata=None)),
    ("empty_is_an_object", FROM_LEGACY, lambda: from_legacy(parent_header=[], content={"x": float("nan")})),
    ("empty_is_an_object", FROM_V1, lambda: from_v1(packed(), b'""', b"[ ]", b"null")),
    ("odd_numbers", FROM_LEGACY, lambda: from_legacy(content={"x": float("nan"), "y": [float("inf")]})),
    ("surrogates", FROM_LEGACY, lambda: from_legacy(content={"x": "\ud800"})),
    ("surrogates", FROM_LEGACY, lambda: from_legacy(content={"x": "\udc80"})),
    ("channel_is_a_surrogate", FROM_LEGACY, lambda: from_legacy(channel="\ud800")),
    ("channel_is_a_surrogate", FROM_LEGACY, lambda: from_legacy(channel="a\udc80", content={"x": "\udc80"})),
    ("channel_is_no_text", FROM_LEGACY, lambda: from_legacy(channel=5)),
]


@pytest.mark.parametrize(("name", "where", "case"), EXAMPLES, ids=[f"{name}-{at}" for at, (name, _, _) in enumerate(EXAMPLES)])
def test_each_line_is_needed_where_it_says(name: str, where: str, case: Callable[[], Case]) -> None:
    case_ = case()
    assert not case_.equal, f"upstream and we agree by now\n{case_}"
    assert explain(case_, where) == name


def test_each_line_has_an_example() -> None:
    assert {divergence.name for divergence in DIVERGENCES} == {name for name, _, _ in EXAMPLES}
    assert len({divergence.name for divergence in DIVERGENCES}) == len(DIVERGENCES)


@pytest.mark.parametrize("where", [FROM_KERNEL, FROM_LEGACY, FROM_V1])
def test_an_ordinary_message_needs_no_line(where: str) -> None:
    case = {
        FROM_KERNEL: lambda: from_kernel(content=b'{"text":"a","name":"stdout"}'),
        FROM_LEGACY: lambda: from_legacy(table=binary_frame([legacy_text()])[:8]),
        FROM_V1: lambda: from_v1(packed(), b"{}", b"{}", b"{}"),
    }[where]()
    assert case.equal
    assert not case.stock.refused


def test_a_difference_of_values_is_not_explained_away() -> None:
    """What both sides took and read differently is an error, whatever is odd about the message."""
    for value in ({"a": 1}, {"a": 1.0}, {"a": None}):
        case = Case(Outcome({"a": 2}), Outcome(value), (packed(), b"{}", b"{}", b"{}"))
        assert not case.equal
        with pytest.raises(AssertionError, match="unknown difference"):
            explain(case, FROM_KERNEL)
    assert canonical(float("nan")) == canonical(float("nan"))
    assert canonical(1) != canonical(1.0)
