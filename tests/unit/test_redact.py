"""Hidden tracebacks: no byte of them reaches a client, in both protocols and with every packer.

Upstream raises AttributeError instead, and lets shell replies through, so it is no oracle here.
"""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from kernelws import _core
from kernelws.messages import adapt
from kernelws.messages.redact import hidden_content, hide, hide_tracebacks
from tests.parity.messages import DELIMITER
from tests.parity.registry import fuzzed
from tests.parity.upstream import session_for
from tests.support.native import payload, wire

SECRET = "a-line-of-the-traceback"
REPLACEMENT = "Traceback hidden"
FAILED = {"status": "error", "ename": SECRET, "evalue": SECRET, "traceback": [SECRET]}
HIDDEN = {"status": "error", "ename": "ExecutionError", "evalue": "Execution error", "traceback": [REPLACEMENT]}
SECRET_MANAGER = SimpleNamespace(allow_tracebacks=False, traceback_replacement_message=REPLACEMENT)
OPEN_MANAGER = SimpleNamespace(allow_tracebacks=True, traceback_replacement_message=REPLACEMENT)


def batch_of(session: Any, *messages: tuple[str, Any]) -> _core.Batch:
    """``(msg_type, content)`` as a kernel with this packer sends them."""
    header = {"msg_id": "m", "session": "kernel", "date": "2026-01-01T00:00:00Z", "version": "5.4"}
    frames = [
        [DELIMITER, b"", *map(session.pack, [header | {"msg_type": msg_type}, {}, {}, content]), b"buffer"]
        for msg_type, content in messages
    ]
    batch = _core.Receiver(b"", "hmac-sha256", json=adapt.packs_json(session)).split("iopub", frames)
    adapt.describe(batch, session)
    return batch


def shown(batch: _core.Batch) -> bytes:
    """The bytes that v1 and legacy clients get, and the parts of the batch."""
    wires = [wire(batch, "v1", 0, len(batch)), wire(batch, "legacy", 0, len(batch))]
    return b"".join(wires + [part for index in range(len(batch)) for part in batch.parts(index)])


@pytest.mark.parametrize("packer", ["json", "orjson", "msgpack"])
def test_errors_and_failed_replies_are_hidden_for_every_client(packer: str) -> None:
    session = session_for(b"", packer=packer)
    expressions = {"status": "ok", "user_expressions": {"x": FAILED, "y": {"status": "ok", "data": {}}}}
    error = {name: value for name, value in FAILED.items() if name != "status"}
    batch = batch_of(
        session, ("error", error), ("execute_reply", FAILED), ("execute_reply", expressions), ("stream", {"text": "kept"})
    )
    assert SECRET.encode() in shown(batch)
    hide_tracebacks(batch, SECRET_MANAGER, session)
    assert SECRET.encode() not in shown(batch)
    assert b"kept" in shown(batch)
    contents = [session.unpack(batch.parts(index)[3]) for index in range(4)]
    assert contents[0] == {name: value for name, value in HIDDEN.items() if name != "status"}
    assert contents[1] == HIDDEN
    assert contents[2] == {"status": "ok", "user_expressions": {"x": HIDDEN, "y": {"status": "ok", "data": {}}}}
    assert batch.parts(0)[4] == b"buffer"
    legacy = payload(batch, 0, "legacy")
    assert isinstance(legacy, bytes)
    assert REPLACEMENT.encode() in legacy


def test_where_tracebacks_are_allowed_nothing_is_touched() -> None:
    session = session_for(b"")
    batch = batch_of(session, ("error", FAILED), ("execute_reply", FAILED))
    before = [batch.parts(index) for index in range(2)]
    for manager in (OPEN_MANAGER, None, SimpleNamespace()):
        hide_tracebacks(batch, manager, session)
        assert [batch.parts(index) for index in range(2)] == before


@pytest.mark.parametrize("msg_type", ["error", "execute_reply", "inspect_reply"])
def test_what_cannot_be_read_is_not_shown(msg_type: str) -> None:
    packed = hidden_content(msg_type, b"{not JSON " + SECRET.encode(), REPLACEMENT, session_for(b""))
    assert packed is not None
    assert json.loads(packed) == HIDDEN


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [("stream", FAILED), ("display_data", FAILED), ("execute_reply", {"status": "ok"}), ("status", {}), ("reply", FAILED)],
)
def test_what_is_no_error_is_left_alone(msg_type: str, content: dict[str, Any]) -> None:
    session = session_for(b"")
    assert hidden_content(msg_type, session.pack(content), REPLACEMENT, session) is None


CONTENTS = st.recursive(
    st.fixed_dictionaries({"status": st.sampled_from(["ok", "error", "aborted"]), "ename": st.just(SECRET)}),
    lambda inner: st.fixed_dictionaries(
        {"status": st.sampled_from(["ok", "error"])}, optional={"user_expressions": st.dictionaries(st.text(), inner)}
    ),
    max_leaves=5,
)


@fuzzed(content=CONTENTS)
def test_after_hiding_no_failed_part_of_a_reply_says_why(content: dict[str, Any]) -> None:
    before = json.dumps(content)
    changed = hide("execute_reply", content, REPLACEMENT)
    assert changed == (json.dumps(content) != before)

    def check(part: dict[str, Any]) -> None:
        assert (part["status"] == "error") == (part.get("ename") == "ExecutionError")
        for expression in part.get("user_expressions", {}).values():
            check(expression)

    check(content)
    assert not hide("execute_reply", dict(content), REPLACEMENT) or '"error"' in before
