"""Client to kernel: what a client's frame becomes, through upstream's functions and through ours.

The results are compared as the kernel reads them. v1 frames with more offsets than bytes are not passed to upstream, which would
take minutes for them.
"""

import json
from typing import Any

from hypothesis import example
from hypothesis import strategies as st

from kernelws import _core

from . import messages, texts, upstream
from .compare import Case, Outcome, as_text, loaded, ours, stock
from .divergences import FROM_LEGACY, FROM_V1, agree
from .registry import fuzzed

KEY = b"a-key-of-a-kernel"


# v1


def stock_v1(frame: bytes) -> tuple[str, list[bytes]]:
    channel, parts = upstream.deserialize_msg_from_ws_v1(frame)
    return channel, parts


def ours_v1(frame: bytes, json: bool) -> tuple[str | None, list[bytes]]:
    message = _core.decode_v1(frame, json=json)
    return message.channel, message.parts


def costs_stock_too_much(frame: bytes) -> bool:
    return int.from_bytes(frame[:8], "little") > len(frame)


@fuzzed(frame=messages.v1_frames(), checked=st.booleans())
def test_v1_frames_are_taken_apart_as_upstream_does(frame: bytes, checked: bool) -> None:
    our = ours(ours_v1, frame, checked)
    if costs_stock_too_much(frame):
        assert our.kind in ("offset_count", "short_frame")
        return
    theirs = stock(stock_v1, frame)
    parts = () if theirs.refused else tuple(theirs.value[1])
    agree(Case(theirs, our, parts, frame), FROM_V1)


@fuzzed(frame=messages.v1_frames())
def test_a_v1_frame_is_taken_exactly_if_it_is_the_one_way_to_write_a_whole_message(frame: bytes) -> None:
    """A frame passes exactly if upstream's encoder makes the same frame of its parts, and it has four parts or more."""
    theirs = Outcome(error=ValueError()) if costs_stock_too_much(frame) else stock(stock_v1, frame)
    honest = not theirs.refused and frame == upstream.serialize_msg_to_ws_v1(theirs.value[1], theirs.value[0])
    whole = honest and len(theirs.value[1]) >= 4
    assert ours(ours_v1, frame, False).refused != whole
    if whole:
        our, is_message = ours(ours_v1, frame, True), is_json_message(theirs.value[1])
        assert our.refused != is_message or our.kind == "too_deep" or is_too_long_for_python(theirs.value[1])


def is_json_message(parts: list[bytes]) -> bool:
    header, parent, metadata, content = found = [loaded(part) for part in parts[:4]]
    empty = [b"".join(part.split()) for part in parts[:4]]
    parent_fits = isinstance(parent, dict) or empty[1] in (b"null", b"[]", b'""')
    metadata_fits = isinstance(metadata, dict) or empty[2] in (b"null", b"[]", b'""')
    content_fits = isinstance(content, dict) or empty[3] == b"null"
    fits = parent_fits and metadata_fits and content_fits
    return fits and isinstance(header, dict) and isinstance(found[0].get("msg_type"), str)


def is_too_long_for_python(parts: list[bytes]) -> bool:
    return any(sum(48 <= byte < 58 for byte in part) > 4300 for part in parts[:4])


@fuzzed(channel=st.text(texts.CHARACTERS, max_size=9), parts=st.lists(st.binary(max_size=300), max_size=9))
@example(channel="", parts=[])
@example(channel="iopub", parts=[b"{}"] * 4 + [b""] * 10_000)
@example(channel="iopub", parts=[b"{}"] * 4 + [b"x" * 70_000] * 3)
def test_v1_messages_are_written_as_upstream_does(channel: str, parts: list[bytes]) -> None:
    assert _core.encode_v1(channel, parts) == upstream.serialize_msg_to_ws_v1(parts, channel)


# legacy


def stock_legacy(frame: str | bytes) -> tuple[Any, dict[str, Any]]:
    channel, frames = upstream.client_to_kernel_legacy(upstream.session_for(KEY), frame)
    return channel, upstream.kernel_reads(KEY, "hmac-sha256", frames)


def ours_legacy(frame: str | bytes) -> tuple[str | None, dict[str, Any]]:
    message = _core.decode_legacy(frame)
    frames = message.signed(_core.Signer(KEY, "hmac-sha256"))
    assert frames[2:] == message.parts
    return message.channel, upstream.kernel_reads(KEY, "hmac-sha256", frames)


def kernel_refuses(frame: str | bytes) -> bool:
    """Whether kernelws forwards the message, but the kernel cannot read it. The test then expects that upstream fails too."""
    return stock(ours_legacy, frame).refused and not ours(_core.decode_legacy, frame).refused


def parts_in(frame: str | bytes) -> tuple[bytes, ...]:
    """The JSON of each member as a Python client would spell it."""
    text = frame
    if isinstance(frame, bytes):
        at = int.from_bytes(frame[4:8])
        end = int.from_bytes(frame[8:12]) if frame[:4] > b"\0\0\0\1" else len(frame)
        text = frame[at:end]
    message = loaded(text)
    if not isinstance(message, dict):
        return (text.encode(errors="replace"),) if isinstance(text, str) else (text,)
    content = message.get("content")
    spelled = [json.dumps(message.get(name)) for name in ("header", "parent_header", "metadata")]
    spelled.append(content if isinstance(content, str) else json.dumps({} if content is None else content))
    return tuple(part.encode(errors="replace") for part in spelled)


@fuzzed(frame=messages.legacy_frames())
@example(frame="")
@example(frame=b"")
@example(frame=b"\0\0\0\0")
@example(frame='{"header":{"msg_type":"a"},"parent_header":{},"metadata":{},"content":"{\\"a\\":1}"}')
def test_a_kernel_reads_what_upstream_would_have_sent_for_a_legacy_client(frame: str | bytes) -> None:
    if kernel_refuses(frame):
        assert stock(stock_legacy, frame).refused
        return
    our = ours(ours_legacy, frame)
    agree(Case(stock(stock_legacy, frame), our, parts_in(frame), frame), FROM_LEGACY)


@fuzzed(frame=messages.legacy_frames() | messages.v1_frames())
def test_the_message_type_that_is_judged_is_the_one_that_the_kernel_reads(frame: str | bytes) -> None:
    """Otherwise a client could evade the allow-list, by duplicate members or escapes."""
    for decode in (_core.decode_legacy, _core.decode_v1):
        if isinstance(frame, str) and decode is _core.decode_v1:
            continue
        message = ours(decode, frame)
        if not message.refused:
            header = loaded(message.value.parts[0])
            if header is not None:  # a number too long for Python
                assert message.value.msg_type == as_text(header["msg_type"])
