"""The class's own ``handle_incoming_message`` against the stock one's, with every packer, an allow-list, and old kernels.

Both methods run on a connection that was never opened, and send into sockets that keep the frames. What they send must read the
same, on the same channel. Where stock raises an exception, ours ignores the message.
"""

import json
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from jupyter_client.jsonutil import extract_dates
from jupyter_client.session import Session

from kernelws.messages import adapt
from tests.support.connection import a_connection

from .compare import Outcome, canonical, stock
from .messages import binary_frame, v1_frame
from .registry import fuzzed
from .upstream import Stock, Wire, quietly

KEY = b"a-key-of-a-kernel"
CHANNELS = ("iopub", "shell", "control", "stdin")
Sent = dict[str, list[Any]]


def session_of(packer: str, adapt_version: int) -> Session:
    session = Session(key=KEY, packer=packer, session="client")
    session.adapt_version = adapt_version
    return session


def connection(session: Session, v1: bool, allowed: list[str]) -> Any:
    """What both methods read; ``channels`` keeps what was sent."""
    found = a_connection("v1" if v1 else "legacy", session=session)
    found.channels = {name: Wire() for name in CHANNELS}
    found.multi_kernel_manager.allowed_message_types = allowed
    found.link.kernel.proven = True
    found.get_part = partial(Stock.get_part, found)
    return found


def sent(channels: dict[str, Wire], session: Session) -> Sent:
    """What a kernel reads of the parts that each socket was given; their signature is checked."""
    found: Sent = {}
    for name, wire in channels.items():
        if wire.frames:
            signature, parts = wire.frames[1], wire.frames[2:]
            assert signature == session.sign(parts[:4])
            header, parent, metadata, content = map(session.unpack, parts[:4])
            found[name] = [extract_dates(header), extract_dates(parent), metadata, content, *parts[4:]]
    return found


def by_stock(frame: str | bytes, session: Session, v1: bool, allowed: list[str]) -> Sent:
    tried = connection(session, v1, allowed)
    with quietly():
        Stock.handle_incoming_message(tried, cast("str", frame))
    return sent(tried.channels, session)


def by_us(frame: str | bytes, session: Session, v1: bool, allowed: list[str]) -> Sent:
    tried = connection(session, v1, allowed)
    with quietly():
        tried.handle_incoming_message(frame)
    return sent(tried.channels, session)


HEADERS = st.fixed_dictionaries(
    {
        "msg_id": st.text(max_size=3),
        "msg_type": st.sampled_from(["execute_request", "complete_request", "comm_msg", "object_info_request", "odd"]),
        "session": st.just("client"),
        "username": st.just(""),
        "date": st.sampled_from(["2026-01-01T00:00:00Z", "", "yesterday"]),
        "version": st.sampled_from(["5.4", "5.0", "6.0"]),
    }
)
CONTENTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["code", "cursor_pos", "user_expressions", "silent", "data", "detail_level"]),
    st.none() | st.integers(-(2**70), 2**70) | st.text(max_size=4) | st.just({}) | st.just("a\nb") | st.just("\ud800"),
    max_size=4,
)
MESSAGES = st.tuples(HEADERS, st.just({}) | HEADERS, st.just({}), CONTENTS, st.lists(st.binary(max_size=4), max_size=3))
CHANNEL_NAMES = st.sampled_from(["shell", "control", "stdin", "shell", "nowhere"])


def frame_of(message: Any, channel: str, session: Session, v1: bool) -> str | bytes | None:
    """As a client writes it; None if the packer cannot write such a message."""
    *fields, buffers = message
    if v1:
        packed = stock(lambda: [session.pack(field) for field in fields])
        return None if packed.refused else v1_frame(channel.encode(), [*packed.value, *buffers])
    names = ("header", "parent_header", "metadata", "content")
    text = json.dumps(dict(zip(names, fields, strict=True)) | {"channel": channel})
    return binary_frame([text.encode(), *buffers]) if buffers else text


@fuzzed(
    message=MESSAGES,
    channel=CHANNEL_NAMES,
    v1=st.booleans(),
    packer=st.sampled_from(["json", "orjson", "msgpack", "pickle"]),
    adapt_version=st.sampled_from([0, 0, 4, 5]),
    allowed=st.sampled_from([[], [], ["execute_request", "odd"], [""]]),
)
def test_what_is_sent_reads_as_what_upstream_sends(
    *, message: Any, channel: str, v1: bool, packer: str, adapt_version: int, allowed: list[str]
) -> None:
    session = session_of(packer, adapt_version)
    with quietly():
        frame = frame_of(message, channel, session, v1)
    if frame is None:
        return
    theirs: Outcome = stock(by_stock, frame, session, v1, allowed)
    our = by_us(frame, session, v1, allowed)
    if v1 and adapt.is_old_kernel(session) and adapt.packs_json(session):
        # upstream sends a v1 client's message as it is, and the old kernel does not understand it
        frame = frame_of(message, channel, session, False)
        theirs = stock(by_stock, frame, session, False, allowed)
    if theirs.refused:
        assert our == {} or has_surrogate(message)
    else:
        assert canonical(our) == canonical(theirs.value)


def has_surrogate(message: Any) -> bool:
    """Whether a lone surrogate is in the message. It passes; upstream closes the WebSocket (see ``divergences``)."""
    return "\\ud8" in json.dumps(message[:4])


def test_what_the_session_cannot_send_is_ignored() -> None:
    """The adapter for protocol 4 fails at the first content, and msgpack cannot encode the second one's number."""
    header = {"msg_id": "m", "msg_type": "complete_request", "session": "client", "username": "", "version": "5.4", "date": ""}
    for packer, adapt_version, content in (("json", 4, {}), ("msgpack", 0, {"n": 2**70})):
        session = session_of(packer, adapt_version)
        frame = frame_of((header, {}, {}, content, []), "shell", session, False)
        assert frame is not None
        assert stock(by_stock, frame, session, False, []).refused
        assert by_us(frame, session, False, []) == {}


def test_stock_and_we_send_an_ordinary_message_alike() -> None:
    header = {"msg_id": "m", "msg_type": "comm_msg", "session": "client", "username": "", "version": "5.4", "date": ""}
    message: Any = (header, {}, {}, {"data": {}}, [b"one", b""])
    for v1 in (True, False):
        for packer in ("json", "orjson", "msgpack"):
            session = session_of(packer, 0)
            frame = frame_of(message, "shell", session, v1)
            assert frame is not None
            expected = {"shell": [header, {}, {}, {"data": {}}, b"one", b""]}
            assert by_us(frame, session, v1, []) == by_stock(frame, session, v1, []) == expected
            assert by_us(frame, session, v1, ["execute_request"]) == {}


@pytest.mark.parametrize("key", ["msg_type", "msg\\u005ftype", "MSG_type", "m\\u017fg_type"])
@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_header_with_two_types_is_ignored_where_a_list_is_set(key: str, v1: bool, first: bool) -> None:
    """Upstream judges the last one. Kernels that are not written in Python may read the first, or ignore case."""
    session = session_of("json", 0)
    members = ['"msg_type":"allowed"', f'"{key}":"forbidden"']
    header = "{" + ",".join(['"msg_id":"m"', *(members[::-1] if first else members)]) + "}"
    text = f'{{"header":{header},"parent_header":{{}},"metadata":{{}},"content":{{}},"channel":"shell"}}'
    frame = v1_frame(b"shell", [header.encode(), b"{}", b"{}", b"{}"]) if v1 else text
    judged = json.loads(header)["msg_type"]
    assert by_stock(frame, session, v1, [judged]) != {}
    assert by_us(frame, session, v1, [judged]) == {}
    assert by_us(frame, session, v1, []) != {}
