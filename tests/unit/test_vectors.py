"""The named malformed inputs of ``tests/vectors``, each through the decoders of both directions, and what they may cost.

The decoder for which a file is meant must refuse it, with a typed error and one log line without its contents. The other
decoders must not be harmed by it. ``found/not_json`` has texts that Python's ``json.loads`` refuses, and ``found/odd_json``
texts that it accepts: kernelws must do the same, in every part. The cost is measured in a child process, which must not grow by
more than a few times the largest input; no clock is read.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelws import MalformedMessage, _core
from tests.parity import upstream
from tests.parity.messages import DELIMITER, binary_frame, signature, v1_frame
from tests.support import vectors
from tests.support.connection import a_connection
from tests.support.native import payload

FOUND = vectors.FOLDER / "found"
KEY, SCHEME = b"key", "hmac-sha256"
HEADER = b'{"msg_id":"m","msg_type":"a","date":"2026-01-01T00:00:00Z","version":"5.4"}'
PARTS = [HEADER, b"{}", b"{}", b"{}"]


def named(folder: str) -> pytest.MarkDecorator:
    paths = sorted((FOUND / folder).iterdir())
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


CLIENT = [(protocol, name) for protocol in ("v1", "legacy") for name in vectors.client_frames(protocol)]


def as_bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


def split(frames: list[bytes]) -> _core.Batch:
    return _core.Receiver(KEY, SCHEME).split("shell", [frames])


def signed(parts: list[bytes]) -> list[bytes]:
    return [DELIMITER, signature(KEY, SCHEME, parts), *parts]


# clients


@pytest.mark.parametrize(("protocol", "name"), CLIENT)
def test_a_clients_malformed_frame_is_refused_with_one_line_that_shows_nothing(
    protocol: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    frame = vectors.client_frame(protocol, name)
    connection = a_connection(protocol, session=upstream.session_for(KEY))
    connection.channels = {name: upstream.Wire() for name in ("shell", "control", "stdin", "iopub")}
    connection.link.kernel.proven = True
    with caplog.at_level(logging.DEBUG):
        connection.handle_incoming_message(frame)
    assert not any(wire.frames for wire in connection.channels.values())
    (record,) = caplog.records
    assert "ignored a message: " in record.getMessage()
    assert vectors.SECRET not in record.getMessage()


@pytest.mark.parametrize(("protocol", "name"), CLIENT)
def test_a_clients_malformed_frame_does_no_harm_anywhere_else(protocol: str, name: str) -> None:
    """In the other decoders, and as each frame of a kernel's message: a result or a typed error."""
    frame = as_bytes(vectors.client_frame(protocol, name))
    harmless(_core.decode_v1, frame)
    harmless(lambda data: _core.decode_v1(data, json=False), frame)
    harmless(_core.decode_legacy, frame)
    harmless(lambda data: _core.decode_legacy(data.decode(errors="replace")), frame)
    for at in range(5):
        parts = [*PARTS[:at], frame, *PARTS[at + 1 :]]
        for batch in (split(signed(parts)), split([DELIMITER, frame, *parts]), split([frame, *signed(PARTS)])):
            for index in range(len(batch)):
                harmless(lambda _, batch=batch, index=index: payload(batch, index, "legacy"), frame)
            assert len(batch) + len(batch.malformed) == 1


def harmless(decode: Any, frame: bytes) -> None:
    sentence = ""
    try:
        decode(frame)
    except MalformedMessage as fault:
        sentence = fault.sentence
    assert vectors.SECRET not in sentence


# kernels


@pytest.mark.parametrize("name", vectors.kernel_faults())
def test_a_kernels_malformed_message_is_set_aside_and_the_next_one_taken(name: str) -> None:
    frames = vectors.kernel_messages(name, lambda parts: signature(KEY, SCHEME, parts))
    good = signed([HEADER.replace(b'"m"', b'"good"'), *PARTS[1:]])
    batch = _core.Receiver(KEY, SCHEME).split("shell", [*frames, good])
    ((kind, sentence),) = batch.malformed
    assert kind.isidentifier()
    assert vectors.SECRET not in sentence
    assert batch.frames(len(batch) - 1) == good
    assert len(batch) == len(frames)


@pytest.mark.parametrize("name", vectors.kernel_faults())
def test_a_kernels_malformed_message_does_no_harm_on_the_way_of_clients(name: str) -> None:
    for frames in vectors.kernel_messages(name, lambda parts: signature(KEY, SCHEME, parts)):
        for frame in (b"".join(frames), v1_frame(b"shell", frames), binary_frame(frames)):
            harmless(_core.decode_v1, frame)
            harmless(_core.decode_legacy, frame)
        for encode in (_core.encode_v1, _core.encode_legacy):
            harmless(lambda _, encode=encode, frames=frames: encode("shell", frames), b"")


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_kernels_signed_parts_pass_in_v1_as_they_are_and_in_legacy_if_they_are_json(at: int) -> None:
    """Upstream's v1 path reads none of them. The header is read by rules, in both subprotocols."""
    for part, is_json in ((b"not JSON", False), (b"[]", True), (b"", False)):
        parts = [*PARTS[:at], part, *PARTS[at + 1 :]]
        batch = split(signed(parts))
        assert (len(batch), batch.malformed) == (1, [])
        assert payload(batch, 0, "v1") == v1_frame(b"shell", parts)
        assert (batch.refused("legacy") == []) == is_json
    assert split(signed([b"not JSON", *PARTS[1:]])).malformed != []


# JSON


def python_takes(text: bytes) -> bool:
    try:
        json.loads(text.decode(errors="replace"), parse_int=len)
    except ValueError:
        return False
    return True


def outcomes(text: bytes) -> list[str]:
    """What becomes of a text in every place where JSON is read; ``""`` is taken."""
    found = []
    for at in range(4):
        parts = [*PARTS[:at], text, *PARTS[at + 1 :]]
        header_less = at == 0 and b'"msg_type"' not in text
        kinds = [kind_of(_core.decode_v1, v1_frame(b"shell", parts)), kind_of(legacy_batch, parts)]
        kinds += [kind_of(_core.decode_legacy, frame) for frame in legacy_frames(parts)]
        found += [kind if not (header_less and kind == "no_member") else "" for kind in kinds]
    return found


def kind_of(decode: Any, argument: Any) -> str:
    try:
        decode(argument)
    except MalformedMessage as fault:
        return fault.kind
    return ""


def legacy_batch(parts: list[bytes]) -> None:
    batch = split(signed(parts))
    for kind, sentence in batch.malformed:
        raise MalformedMessage(kind, sentence)
    payload(batch, 0, "legacy")


def legacy_frames(parts: list[bytes]) -> list[str | bytes]:
    """As text and as a binary message, as far as a client could write it: what is not UTF-8 is left to the kernel's way."""
    names = (b"header", b"parent_header", b"metadata", b"content")
    message = b"{%s}" % b",".join(b'"%s":%s' % pair for pair in zip(names, parts, strict=True))
    try:
        return [message.decode(), binary_frame([message])]
    except UnicodeDecodeError:
        assert kind_of(_core.decode_legacy, binary_frame([message])) == "not_utf8"
        return []


@named("not_json")
def test_what_python_refuses_as_json_is_refused_in_every_part(path: Path) -> None:
    text = path.read_bytes()
    assert not python_takes(text)
    assert set(outcomes(text)) <= {"not_json", "no_member"}
    assert "" not in outcomes(text)


@named("odd_json")
def test_what_python_takes_as_json_passes_in_every_part(path: Path) -> None:
    text = path.read_bytes()
    assert python_takes(text)
    assert set(outcomes(text)) <= ({"", "too_deep"} if path.stem == "depth_512" else {""})


@named("odd_json")
def test_what_is_odd_passes_to_v1_byte_for_byte(path: Path) -> None:
    parts = [*PARTS[:3], path.read_bytes()]
    message = _core.decode_v1(v1_frame(b"shell", parts))
    assert message.parts == parts
    assert payload(split(signed(parts)), 0, "v1") == v1_frame(b"shell", parts)


def test_nesting_is_bounded_exactly() -> None:
    for depth, kind in ((_core.MAX_DEPTH, ""), (_core.MAX_DEPTH + 1, "too_deep"), (100_000, "too_deep")):
        for opening, closing in ((b'{"a":', b"}"), (b"[", b"]")):
            text = b'{"a":' + opening * (depth - 1) + b"0" + closing * (depth - 1) + b"}"
            assert kind_of(_core.decode_v1, v1_frame(b"shell", [*PARTS[:3], text])) == kind
            assert kind_of(legacy_batch, [*PARTS[:3], text]) == kind


# cost

CHILD = """
import resource, sys
from kernelws import MalformedMessage, _core
from tests.support import vectors
from tests.support.connection import a_connection
frames = [vectors.client_frame(protocol, name) for protocol in ("v1", "legacy") for name in vectors.client_frames(protocol)]
frames = [frame.encode() if isinstance(frame, str) else frame for frame in frames]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 16 * max(map(len, frames)),) * 2)
receiver = _core.Receiver(b"", "hmac-sha256")
for frame in frames:
    for decode in (_core.decode_v1, _core.decode_legacy):
        try:
            decode(frame)
        except MalformedMessage:
            continue
    receiver.split("iopub", [[b"<IDS|MSG>", b"", frame, frame, frame, frame]])
print(len(frames))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space is limited and read as Linux does")
def test_no_frame_makes_the_process_grow_by_more_than_a_few_times_its_size() -> None:
    """Upstream takes 2.9 GB for ``seven_bytes``. Under the limit an allocation fails and ends the child."""
    child = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", CHILD], capture_output=True, text=True, cwd=vectors.FOLDER.parent.parent, check=False
    )
    assert (child.returncode, child.stdout.strip()) == (0, str(len(CLIENT))), child.stderr
