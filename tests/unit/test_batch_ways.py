"""A batch is written as its messages would be one by one: both protocols, damaged messages among good ones, every sub-range.

Batches are drawn with rewrites and discards; a model in plain Python lists says which messages must remain. The WebSocket frames
that leave are parsed by RFC 6455.
"""

import struct
from dataclasses import dataclass, replace

import pytest
from hypothesis import strategies as st

from kernelws import MalformedMessage, _core
from tests.parity import messages
from tests.parity.messages import DELIMITER, signature
from tests.parity.registry import fuzzed
from tests.support.native import Protocol, payload, pieces, wire

PROTOCOLS: tuple[Protocol, ...] = ("v1", "legacy")
SHARED_FROM = 64 * 1024
KEY, SCHEME = b"key", "hmac-sha256"
PLAIN = [b'{"msg_id":"m","msg_type":"stream","date":"2026-01-01T00:00:00Z","version":"5.4"}', b"{}", b"{}", b'{"text":"a"}']


def websocket_messages(wire: bytes) -> list[str | bytes]:
    """The payloads of unmasked, unfragmented RFC 6455 frames; text as str."""
    found: list[str | bytes] = []
    while wire:
        first, length = wire[0], wire[1]
        assert first in (0x81, 0x82)
        at = 2
        if length == 126:
            (length,), at = struct.unpack_from("!H", wire, 2), 4
            assert length > 125, "the minimal number of bytes"
        elif length == 127:
            (length,), at = struct.unpack_from("!Q", wire, 2), 10
            assert length > 0xFFFF, "the minimal number of bytes"
        payload, wire = wire[at : at + length], wire[at + length :]
        assert len(payload) == length
        found.append(payload.decode() if first == 0x81 else payload)
    return found


@dataclass(frozen=True)
class Expected:
    """What the model knows of one message that is left."""

    frames: list[bytes]
    parts: list[bytes]
    legacy: list[bytes]


def alone(protocol: Protocol, channel: str, message: Expected) -> tuple[str | bytes | None, str]:
    """The message by the functions that know no batch, or the kind of its fault."""
    if protocol == "v1":
        return _core.encode_v1(channel, message.parts), ""
    try:
        return _core.encode_legacy(channel, message.legacy), ""
    except MalformedMessage as fault:
        return None, fault.kind


def check(batch: _core.Batch, expected: list[Expected]) -> None:
    assert len(batch) == len(expected)
    for protocol in PROTOCOLS:
        outcomes = [alone(protocol, batch.channel, message) for message in expected]
        payloads = [one for one, _ in outcomes]
        assert [kind for kind, _ in batch.refused(protocol)] == [kind for _, kind in outcomes if kind]
        for start in range(len(batch) + 1):
            for stop in range(start, len(batch) + 1):
                left = [one for one in payloads[start:stop] if one is not None]
                assert websocket_messages(wire(batch, protocol, start, stop)) == left
        for index, expected_payload in enumerate(payloads):
            assert expected_payload is None or payload(batch, index, protocol) == expected_payload
        small = all(len(part) < SHARED_FROM for message in expected for part in message.parts)
        if small and (whole := pieces(batch, protocol, 0, len(batch))):
            (again,) = pieces(batch, protocol, 0, len(batch))
            assert len(whole) == 1
            assert again is whole[0], "encoded once, and shared"
    for index, message in enumerate(expected):
        assert batch.frames(index) == message.frames
        assert batch.parts(index) == message.parts


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[bytes]]:
    """Messages of one socket, some of them damaged or badly signed."""
    found = []
    for body in draw(st.lists(messages.parts(), max_size=5)):
        good = signature(KEY, SCHEME, body)
        found.append([DELIMITER, draw(st.sampled_from([good, good, good, b"", b"x"])), *body])
    return found


def arrived(channel: str, frames: list[list[bytes]]) -> tuple[_core.Batch, list[Expected]]:
    batch = _core.Receiver(KEY, SCHEME, digest_history_size=0).split(channel, frames)
    kept = []
    for message in frames:
        single = _core.Receiver(KEY, SCHEME, digest_history_size=0).split(channel, [message])
        kept += [Expected(message, message[2:], message[2:])] * len(single)
    assert len(batch) + len(batch.malformed) == len(frames)
    return batch, kept


@fuzzed(frames=arrivals(), channel=messages.CHANNEL_NAMES)
def test_a_batch_is_its_messages_one_by_one(frames: list[list[bytes]], channel: str) -> None:
    check(*arrived(channel, frames))


@fuzzed(
    frames=arrivals(),
    rewrites=st.lists(st.tuples(st.integers(0, 4), messages.parts(), st.booleans()), max_size=4),
    looked_at=st.booleans(),
)
def test_rewritten_messages_are_what_clients_get(
    frames: list[list[bytes]], rewrites: list[tuple[int, list[bytes], bool]], looked_at: bool
) -> None:
    """In any order, also after the batch was encoded; what was received stays as it was."""
    batch, expected = arrived("shell", frames)
    rewritten_for_legacy = set()
    for index, parts, legacy_only in rewrites:
        if index >= len(batch):
            with pytest.raises(IndexError):
                batch.rewrite(index, parts, legacy_only=legacy_only)
            continue
        if looked_at:
            for protocol in PROTOCOLS:
                wire(batch, protocol, 0, len(batch))
        batch.rewrite(index, parts, legacy_only=legacy_only)
        message = expected[index]
        if legacy_only:
            rewritten_for_legacy.add(index)
            expected[index] = replace(message, legacy=parts)
        else:
            legacy = message.legacy if index in rewritten_for_legacy else parts
            expected[index] = replace(message, parts=parts, legacy=legacy)
    check(batch, expected)
    assert not rewritten_for_legacy & set(batch.unusual()), "adapted already"


def message(msg_type: str, parent_session: str | None) -> list[bytes]:
    header = PLAIN[0].replace(b"stream", msg_type.encode())
    parent = b"{}" if parent_session is None else f'{{"session":"{parent_session}"}}'.encode()
    parts = [header, parent, b"{}", PLAIN[3]]
    return [b"topic", DELIMITER, signature(KEY, SCHEME, parts), *parts]


ARRIVALS = st.tuples(st.sampled_from(["stream", "status", "iopub_welcome"]), st.sampled_from([None, "probe", "client"]))


@fuzzed(arriving=st.lists(ARRIVALS, max_size=8), kind=st.sampled_from([None, "iopub_welcome"]), looked_at=st.booleans())
def test_discarded_messages_are_gone_and_the_rest_keeps_its_order(
    arriving: list[tuple[str, str | None]], kind: str | None, looked_at: bool
) -> None:
    """Afterwards indexes, frames and wire agree."""
    frames = [message(*one) for one in arriving]
    batch = _core.Receiver(KEY, SCHEME, digest_history_size=0).split("iopub", frames)
    if looked_at:
        for protocol in PROTOCOLS:
            wire(batch, protocol, 0, len(batch))
    kept = [(one, sent) for one, sent in zip(arriving, frames, strict=True) if one[1] != "probe" and one[0] != (kind or "")]
    assert batch.discard(parent_session="probe", msg_type=kind) == len(frames) - len(kept)
    check(batch, [Expected(sent, sent[3:], sent[3:]) for _, sent in kept])
    assert [batch.msg_type(index) for index in range(len(batch))] == [msg_type for (msg_type, _), _ in kept]
    assert batch.discard(parent_session="probe", msg_type=kind) == 0


def batch_of(*bodies: list[bytes], **options: bool) -> _core.Batch:
    receiver = _core.Receiver(b"", SCHEME, **options)
    return receiver.split("iopub", [[DELIMITER, b"", *body] for body in bodies])


@pytest.mark.parametrize(
    ("header", "parent", "unusual"),
    [
        (b'{"msg_type":"a","date":"2026-01-01T00:00:00Z","version":"5.0"}', b"{}", False),
        (b'{"msg_type":"a","date":null,"version":"10.0"}', b"{}", False),
        (b'{"msg_type":"a","date":"2026-01-01T00:00:00Z","version":"4.1"}', b"{}", True),
        (b'{"msg_type":"a","date":"2026-01-01T00:00:00Z"}', b"{}", True),
        (b'{"msg_type":"a","version":"5.0"}', b"{}", True),
        (b'{"msg_type":"a","date":"2026-01-01T00:00:00","version":"5.0"}', b"{}", False),
        (b'{"msg_type":"a","date":"","version":"5.0"}', b'{"x":[{"date":"2026-01-01T00:00:00.5"}]}', False),
        (b'{"msg_type":"a","date":"","version":"5.0"}', b'{"2026-01-01T00:00:00":1}', False),
    ],
)
def test_what_only_the_session_can_adapt_is_unusual(header: bytes, parent: bytes, unusual: bool) -> None:
    batch = batch_of(PLAIN, [header, parent, b"{}", b"{}"], PLAIN)
    assert batch.unusual() == [1] * unusual
    batch.rewrite(1, PLAIN, legacy_only=True)
    assert batch.unusual() == []


def test_another_packers_messages_are_read_from_their_rewrite() -> None:
    """Before the rewrite the batch knows no header field of them. v1 clients get the original bytes."""
    packed = [b"\x81\xa8msg_type\xa1a", b"\x80", b"\x80", b"\x80"]
    batch = batch_of(packed, packed, json=False)
    assert [batch.msg_type(index) for index in range(2)] == ["", ""]
    assert (batch.kernel_session, batch.activity(), batch.unusual()) == (None, [], [0, 1])
    header = b'{"msg_type":"status","msg_id":"m","session":"kernel"}'
    shown = [header, b'{"msg_type":"execute_request"}', b"{}", b'{"execution_state":"busy"}']
    batch.rewrite(1, shown, legacy_only=True)
    assert (batch.msg_type(0), batch.msg_type(1), batch.kernel_session) == ("", "status", "kernel")
    assert batch.activity() == [("status", "execute_request", "busy")]
    assert payload(batch, 1, "v1") == _core.encode_v1("iopub", packed)
    assert payload(batch, 1, "legacy") == _core.encode_legacy("iopub", shown)


def test_activity_has_no_equal_neighbours() -> None:
    busy, idle = (
        [b'{"msg_type":"status"}', b'{"msg_type":"a"}', b"{}", f'{{"execution_state":"{state}"}}'.encode()]
        for state in ("busy", "idle")
    )
    assert batch_of(PLAIN, PLAIN, busy, busy, idle, PLAIN, busy).activity() == [
        ("stream", None, None),
        ("status", "a", "busy"),
        ("status", "a", "idle"),
        ("stream", None, None),
        ("status", "a", "busy"),
    ]


def test_a_rewrite_of_too_few_parts_is_refused_and_changes_nothing() -> None:
    batch = batch_of(PLAIN)
    with pytest.raises(MalformedMessage) as caught:
        batch.rewrite(0, PLAIN[:3])
    assert caught.value.kind == "missing_parts"
    assert batch.parts(0) == PLAIN


def test_large_parts_and_many_buffers_arrive_whole() -> None:
    """Sizes at which lengths take more bytes, frames are kept without a copy, and the GIL is let go."""
    for size in (125, 126, 65_535, 65_536, 200_000):
        body = [*PLAIN[:3], b'{"text":"%s"}' % (b"x" * size), b"y" * size, b"", *[b"z"] * 1000]
        sent = [DELIMITER, b"", *body]
        batch = batch_of(body, PLAIN)
        check(batch, [Expected(sent, body, body), Expected([DELIMITER, b"", *PLAIN], PLAIN, PLAIN)])


def test_an_index_that_is_not_there_is_an_index_error() -> None:
    batch = batch_of(PLAIN)
    for call in (batch.frames, batch.parts, batch.msg_type):
        with pytest.raises(IndexError):
            call(1)
    with pytest.raises(ValueError, match="protocol"):
        batch.refused("v2")  # type: ignore[arg-type]
    assert wire(batch, "v1", 1, 5) == b""


def test_a_socket_may_return_any_buffer() -> None:
    for kind in (bytes, bytearray, memoryview):
        receiver = _core.Receiver(b"", SCHEME)
        batch = receiver.split("iopub", [tuple(kind(frame) for frame in [DELIMITER, b"", *PLAIN])])
        assert batch.parts(0) == PLAIN
