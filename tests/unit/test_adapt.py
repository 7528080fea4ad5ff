"""Messages that go through the Session: other packers, protocol 4, no date.

Upstream's ``Session.deserialize`` is the oracle for what a message becomes.
"""

import json
from typing import Any

import pytest
from jupyter_client.session import Session, json_packer

from kernelws import _core
from kernelws.messages import adapt
from tests.parity import upstream
from tests.parity.messages import DELIMITER
from tests.support.native import payload, wire

HEADER = {
    "msg_id": "m",
    "msg_type": "pyout",
    "username": "kernel",
    "session": "kernel",
    "date": "2026-01-01T00:00:00Z",
    "version": "4.1",
}
PYOUT = {"execution_count": 1, "data": {"text/plain": "2"}, "metadata": {}}


def own_packer(value: Any) -> bytes:
    return json.dumps(value, default=str).encode()


def websocket_text(payload: str | bytes) -> bytes:
    """A short RFC 6455 text frame."""
    assert isinstance(payload, str)
    return b"\x81\x7e" + len(payload.encode()).to_bytes(2) + payload.encode()


def batch_of(session: Session, header: dict[str, Any], content: Any, *buffers: bytes) -> _core.Batch:
    frames = [DELIMITER, b"", *map(session.pack, [header, {}, {}, content]), *buffers]
    return _core.Receiver(b"", "hmac-sha256", json=adapt.packs_json(session)).split("iopub", [frames])


@pytest.mark.parametrize(("packer", "is_json"), [("json", True), ("orjson", True), ("msgpack", False), ("pickle", False)])
def test_which_packers_are_json(packer: str, is_json: bool) -> None:
    assert adapt.packs_json(upstream.session_for(b"", packer=packer)) is is_json


def test_a_packer_of_somebody_elses_is_not_taken_for_json() -> None:
    session = Session(key=b"", packer=f"{__name__}.own_packer", unpacker="json.loads")
    assert not adapt.packs_json(session)


@pytest.mark.parametrize(("version", "is_old"), [(0, False), (4, True), (3, True), (5, False), (6, False)])
def test_which_kernels_are_old(version: int, is_old: bool) -> None:
    session = Session(key=b"")
    session.adapt_version = version
    assert adapt.is_old_kernel(session) is is_old


def test_a_message_of_protocol_4_is_what_the_session_makes_of_it_for_all_clients() -> None:
    session = upstream.session_for(b"")
    batch = batch_of(session, HEADER, PYOUT, b"buffer")
    expected = session.deserialize(batch.frames(0)[1:])
    assert expected["header"]["msg_type"] == "execute_result"
    adapt.for_old_kernel(batch, session)
    parts = batch.parts(0)
    found = {"content": json.loads(parts[3]), "header": json.loads(parts[0])}
    assert found["content"] == expected["content"]
    assert found["header"]["msg_type"] == "execute_result"
    assert parts[4:] == [b"buffer"]
    assert b"execute_result" in wire(batch, "v1", 0, 1)


def test_adapting_twice_changes_nothing_more() -> None:
    """Each client of a kernel adapts the same shared batch, so it may happen several times."""
    session = upstream.session_for(b"")
    batch = batch_of(session, HEADER, PYOUT)
    adapt.for_old_kernel(batch, session)
    once = batch.parts(0)
    adapt.for_old_kernel(batch, session)
    assert batch.parts(0) == once


def test_a_v1_client_gets_what_the_kernel_sent_where_only_legacy_clients_need_more() -> None:
    session = upstream.session_for(b"")
    header = HEADER | {"version": "5.4", "msg_type": "stream"}
    del header["date"]
    batch = batch_of(session, header, {"text": "a"})
    before = payload(batch, 0, "v1")
    with upstream.fixed_now():
        adapt.for_legacy(batch, session)
    assert payload(batch, 0, "v1") == before
    legacy = json.loads(payload(batch, 0, "legacy"))
    assert legacy["header"] == header | {"date": "2026-01-02T03:04:05.678901Z"}, "when it came"


@pytest.mark.parametrize("version", ["5.4", "4.1"])
@pytest.mark.parametrize("date", ["2026-01-01T00:00:00", "2026-01-01T00:00:00.5+0530", "2026-02-30T00:00:00Z"])
def test_dates_pass_as_they_were_sent(version: str, date: str) -> None:
    session = upstream.session_for(b"")
    batch = batch_of(session, HEADER | {"version": version, "date": date, "msg_type": "stream"}, {"data": "a", "name": "stdout"})
    adapt.for_legacy(batch, session)
    for parts in batch.parts(0)[0], json.dumps(json.loads(payload(batch, 0, "legacy"))["header"]):
        assert json.loads(parts)["date"] == date


def test_another_packers_messages_are_json_for_legacy_clients_and_rules() -> None:
    session = upstream.session_for(b"", packer="msgpack")
    header = HEADER | {"version": "5.4", "msg_type": "status"}
    batch = batch_of(session, header, {"execution_state": "busy"}, b"buffer")
    adapt.describe(batch, session)
    assert batch.msg_type(0) == "status"
    assert batch.kernel_session == "kernel"
    assert batch.activity() == [("status", None, "busy")]
    assert session.unpack(batch.parts(0)[3]) == {"execution_state": "busy"}
    theirs = upstream.kernel_to_legacy(session, batch.frames(0), "iopub")
    assert upstream.deserialize_binary_message(payload(batch, 0, "legacy")) == upstream.deserialize_binary_message(theirs)


def test_a_message_that_even_the_session_cannot_read_is_refused_when_it_is_encoded() -> None:
    session = upstream.session_for(b"", packer="msgpack")
    bad = [DELIMITER, b"", b"\xc1", b"\x80", b"\x80", b"\x80"]
    good = [DELIMITER, b"", *map(session.pack, [HEADER | {"msg_type": "status"}, {}, {}, {}])]
    batch = _core.Receiver(b"", "hmac-sha256", json=False).split("iopub", [bad, good])
    for step in (adapt.describe, adapt.for_legacy, adapt.for_old_kernel):
        step(batch, session)
    assert wire(batch, "legacy", 0, 2) == websocket_text(payload(batch, 1, "legacy"))
    assert [kind for kind, _ in batch.refused("legacy")] == ["not_json"]
    assert batch.msg_type(1) == "status", "its neighbour is read as ever"


def test_message_of_and_json_parts_are_inverse() -> None:
    session = upstream.session_for(b"")
    message = session.msg("stream", {"text": "a"}, parent={"msg_id": "p", "msg_type": "execute_request"})
    message["buffers"] = [b"one", b""]
    parts = adapt.json_parts(message)
    message["header"] = json.loads(json_packer(message["header"]))
    assert adapt.message_of(parts, session) == message, "but for the date, which is as it was sent"
