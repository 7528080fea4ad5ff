"""Kernel to client: what a kernel's frames become, through upstream's functions and through ours, in both subprotocols.

Legacy messages are compared as a client parses them, v1 messages byte for byte. Signatures must be valid in both. Upstream
checks them for legacy only, so for v1 the oracle calls upstream's check first.
"""

from typing import Any

from hypothesis import strategies as st
from jupyter_client.session import Session

from kernelws import MalformedMessage, _core
from kernelws.messages import adapt
from tests.support.connection import a_connection
from tests.support.native import payload, sign, verify

from . import messages, upstream
from .compare import Case, Outcome, as_text, canonical, client_reads, depth, loaded, ours, stock
from .divergences import FROM_KERNEL, agree
from .messages import DELIMITER, KernelMessage
from .registry import fuzzed


def received(message: KernelMessage, session: Session, **options: Any) -> _core.Batch:
    """A batch of one; raises what it was set aside for."""
    receiver = _core.Receiver(message.key, message.scheme, json=adapt.packs_json(session), **options)
    batch = receiver.split(message.channel, [list(message.frames)])
    for kind, sentence in batch.malformed:
        raise MalformedMessage(kind, sentence)
    return batch


def by_batch(message: KernelMessage, session: Session) -> dict[str, Any]:
    with upstream.fixed_now(), upstream.quietly():
        batch = received(message, session)
        adapt.describe(batch, session)
        adapt.for_legacy(batch, session)
    return client_reads(payload(batch, 0, "legacy"))


def one_by_one(message: KernelMessage, session: Session) -> dict[str, Any]:
    """What ``_reserialize_reply`` of our class makes of the message, called directly."""
    connection = a_connection("legacy", session=session)
    with upstream.fixed_now(), upstream.quietly():
        shown = connection._reserialize_reply(list(message.frames), channel=message.channel)
    return client_reads(shown)


def by_stock(message: KernelMessage, session: Session) -> dict[str, Any]:
    return client_reads(upstream.kernel_to_legacy(session, list(message.frames), message.channel))


def json_parts(message: KernelMessage) -> tuple[bytes, ...]:
    frames = list(message.frames)
    return tuple(frames[frames.index(DELIMITER) + 2 :][:4]) if DELIMITER in frames else (b"",)


@fuzzed(message=messages.kernel_messages(), packer=st.sampled_from(["json", "orjson"]))
def test_a_legacy_client_parses_what_it_parses_from_upstream(message: KernelMessage, packer: str) -> None:
    session = upstream.session_for(message.key, message.scheme, packer)
    theirs = stock(by_stock, message, session)
    our = ours(by_batch, message, session)
    agree(Case(theirs, our, json_parts(message)), FROM_KERNEL)


@fuzzed(message=messages.kernel_messages(valid=True))
def test_reserialize_reply_makes_what_upstreams_makes(message: KernelMessage) -> None:
    """Both classes read the message with the Session, so only kernelws's limit of depth may make a difference."""
    theirs = stock(by_stock, message, upstream.session_for(message.key, message.scheme))
    our = stock(one_by_one, message, upstream.session_for(message.key, message.scheme))
    case = Case(theirs, our, json_parts(message))
    if not case.equal:
        agree(case, FROM_KERNEL)
        assert isinstance(our.error, MalformedMessage)


@fuzzed(message=messages.kernel_messages())
def test_a_v1_client_gets_the_bytes_that_upstream_sends_if_the_signature_is_good(message: KernelMessage) -> None:
    session = upstream.session_for(message.key, message.scheme)
    theirs = stock(upstream.parts_of, session, list(message.frames))
    our = ours(received, message, session)
    readable = not theirs.refused and len(theirs.value) >= 4 and can_be_routed(theirs.value[0])
    assert our.refused != readable, Case(theirs, our, json_parts(message))
    if readable:
        expected = upstream.serialize_msg_to_ws_v1(theirs.value, message.channel)
        assert payload(our.value, 0, "v1") == expected
        assert our.value.frames(0) == list(message.frames)
        assert our.value.parts(0) == theirs.value


def can_be_routed(part: bytes) -> bool:
    """A header that a rule can judge: an object with a string for msg_type, not too deep."""
    header = loaded(part)
    return isinstance(header, dict) and isinstance(header.get("msg_type"), str) and depth(part) <= _core.MAX_DEPTH


@fuzzed(message=messages.kernel_messages())
def test_a_signature_fault_is_one_exactly_where_the_session_finds_one(message: KernelMessage) -> None:
    session = upstream.session_for(message.key, message.scheme)
    theirs = stock(upstream.parts_of, session, list(message.frames))
    if DELIMITER not in message.frames or len(json_parts(message)) < 4:
        assert theirs.refused or len(theirs.value) < 4 or not message.key
        return
    batch = _core.Receiver(message.key, message.scheme).split(message.channel, [list(message.frames)])
    faults = {kind for kind, _ in batch.malformed} & {"unsigned", "bad_signature", "duplicate"}
    assert bool(faults) == theirs.refused


@fuzzed(message=messages.kernel_messages(valid=True))
def test_the_fields_that_rules_read_are_those_that_python_reads(message: KernelMessage) -> None:
    batch = ours(received, message, upstream.session_for(message.key, message.scheme))
    header, parent, _, content = (loaded(part) for part in json_parts(message))
    if batch.refused or header is None:  # an odd msg_type, or a number too long for Python
        return
    msg_type = text_or_none(header["msg_type"])
    parent_type = text_or_none(parent.get("msg_type")) if isinstance(parent, dict) else None
    is_status = msg_type == "status" and isinstance(content, dict)
    state = text_or_none(content.get("execution_state")) if is_status else None
    assert batch.value.msg_type(0) == msg_type
    assert batch.value.kernel_session == text_or_none(header.get("session"))
    assert batch.value.activity() == [(msg_type, parent_type, state)]


def text_or_none(value: Any) -> str | None:
    return as_text(value) if isinstance(value, str) else None


@fuzzed(body=messages.parts(), key=messages.KEYS, scheme=messages.SCHEMES)
def test_signatures_are_those_of_the_session(body: list[bytes], key: bytes, scheme: str) -> None:
    session, signer = upstream.session_for(key, scheme), _core.Signer(key, scheme)
    assert sign(signer, body) == session.sign(body[:4])
    verify(key, scheme, sign(signer, body), [memoryview(part) for part in body])
    for count in range(4):
        assert sign(signer, body[:count]) == session.sign(body[:count])


@fuzzed(body=messages.parts(), channel=st.none() | messages.CHANNEL_NAMES)
def test_a_single_legacy_message_is_what_a_batch_makes_of_it(body: list[bytes], channel: str | None) -> None:
    """``encode_legacy``, which the server's own messages use, is the batch's encoder."""
    single = ours(_core.encode_legacy, channel, body)
    batch = _core.Receiver(b"", "hmac-sha256").split(channel or "", [[DELIMITER, b"", *body]])
    if batch.malformed:
        return
    together = ours(payload, batch, 0, "legacy")
    assert (single.kind, together.kind) == (together.kind, single.kind)
    if not single.refused:
        alone, shared = client_reads(single.value), client_reads(together.value)
        assert alone.pop("channel", None) == channel
        assert shared.pop("channel") == (channel or "")
        assert canonical(alone) == canonical(shared)


def test_an_outcome_shows_both_sides() -> None:
    assert "stock: " in str(Case(Outcome(1), Outcome(2)))
