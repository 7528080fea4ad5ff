"""Strategies for messages in both directions: frames of a kernel, and frames of a client, valid or damaged.

A kernel's message is drawn with its key and signature scheme. Must not decide what is right: ``upstream`` does.
"""

import hmac
import json
import struct
from dataclasses import dataclass

from hypothesis import strategies as st

from . import texts

DELIMITER = b"<IDS|MSG>"
DIGESTS = (
    "sha256 md5 sha1 sha224 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512 blake2b blake2s".split()  # noqa: SIM905
)
"""The digests of fixed length that hashlib guarantees."""
SCHEMES = st.sampled_from(["hmac-sha256"] * 6 + [f"hmac-{digest}" for digest in DIGESTS])
KEYS = st.one_of(st.just(b"a-key-of-a-kernel"), st.just(b""), st.binary(max_size=200))
CHANNELS = st.sampled_from(["iopub", "shell", "control", "stdin"])

MSG_TYPES = st.sampled_from(
    ["stream", "status", "execute_reply", "display_data", "comm_msg", "error", "execute_input", "of_tomorrow"]
).map(json.dumps)
VERSIONS = st.sampled_from(['"5.4"'] * 8 + ['"5.0"', '"6.1"', '"4.1"', '"4"', '"3.0"', '"x"', '""', '" 4.0"', "5", "null"])


def signature(key: bytes, scheme: str, parts: list[bytes]) -> bytes:
    """By the standard library: what a kernel puts before ``parts``."""
    if not key:
        return b""
    return hmac.new(key, b"".join(parts[:4]), scheme.removeprefix("hmac-")).hexdigest().encode()


@st.composite
def headers(draw: st.DrawFn) -> str:
    """A header with its usual members, some of them missing, odd, or twice."""
    members = {
        "msg_id": draw(texts.STRINGS),
        "msg_type": draw(MSG_TYPES),
        "username": '"kernel"',
        "session": draw(texts.STRINGS),
        "date": draw(texts.DATE_TEXTS),
        "version": draw(VERSIONS),
    }
    for name in draw(st.lists(st.sampled_from([*members, "", "", ""]), max_size=1)):
        members.pop(name, None)
    spelled = [(texts.spelled(name, draw(texts.WAY)), value) for name, value in members.items()]
    odd = st.tuples(st.sampled_from([*members, "other"]).map(json.dumps), texts.VALUES)
    at = draw(st.integers(0, len(spelled)))
    return texts.object_of([*spelled[:at], *draw(st.lists(odd, max_size=1)), *spelled[at:]], draw(texts.SPACE))


PARENTS = st.one_of(st.just("{}"), headers(), headers(), texts.OBJECTS, st.sampled_from(["null", "[]", "5"]))
STATUS = st.sampled_from(["idle", "busy", "starting", "odd"]).map(lambda state: json.dumps({"execution_state": state}))
CONTENTS = st.one_of(STATUS, texts.OBJECTS, texts.OBJECTS, texts.DEEP, texts.LONG_INTEGER, texts.VALUES)
BUFFERS: st.SearchStrategy[list[bytes]] = st.one_of(
    st.just([]), st.lists(st.binary(max_size=20), max_size=4), st.just([b""] * 300)
)


@st.composite
def parts(draw: st.DrawFn, *, may_be_damaged: bool = True) -> list[bytes]:
    """Header, parent_header, metadata, content and buffers; now and then one of the four is damaged."""
    found = [draw(headers()), draw(PARENTS), draw(texts.OBJECTS), draw(CONTENTS)]
    packed = [text.encode() for text in found]
    if may_be_damaged and draw(st.integers(0, 3)) == 3:
        at = draw(st.integers(0, 3))
        packed[at] = draw(texts.damaged(st.just(packed[at])))
    return packed + draw(BUFFERS)


@dataclass(frozen=True)
class KernelMessage:
    """What a socket returned, and how it should be signed."""

    frames: tuple[bytes, ...]
    key: bytes
    scheme: str
    channel: str


@st.composite
def kernel_messages(draw: st.DrawFn, *, valid: bool = False) -> KernelMessage:
    key, scheme, channel = draw(KEYS), draw(SCHEMES), draw(CHANNELS)
    body = draw(parts(may_be_damaged=not valid))
    identities = draw(st.lists(st.sampled_from([b"", b"topic", b"kernel.stream", b"\x00\xff"]), max_size=2))
    good = signature(key, scheme, body)
    if valid:
        return KernelMessage((*identities, DELIMITER, good, *body), key, scheme, channel)
    wrong = [b"", b"0" * 64, good.upper(), good[:-1], good + b"0", b"\xff" * 64, signature(b"other", scheme, body)]
    frames = [*identities, DELIMITER, draw(st.sampled_from([good] * 12 + wrong)), *body]
    kind = draw(st.integers(0, 15))
    if kind == 15:
        frames = frames[: draw(st.integers(0, len(frames)))]
    elif kind == 14:
        frames.insert(draw(st.integers(0, len(frames))), draw(st.sampled_from([DELIMITER, b"", b"{}"])))
    return KernelMessage(tuple(frames), key, scheme, channel)


# clients


def v1_frame(channel: bytes, body: list[bytes]) -> bytes:
    """By the description of the subprotocol."""
    offsets = [8 * (1 + 2 + len(body))]
    for part in (channel, *body):
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{1 + len(offsets)}Q", len(offsets), *offsets) + channel + b"".join(body)


def binary_frame(pieces: list[bytes]) -> bytes:
    offsets = [4 * (1 + len(pieces))]
    for piece in pieces[:-1]:
        offsets.append(offsets[-1] + len(piece))
    return struct.pack(f"!{1 + len(pieces)}I", len(pieces), *offsets) + b"".join(pieces)


CHANNEL_NAMES = st.sampled_from(["shell", "control", "stdin", "iopub", "", "nowhere", "\u00e9"])
LYING = st.sampled_from([0, 1, 7, 8, 2**31, 2**32 - 1, 2**63, 2**64 - 1])


@st.composite
def table_damaged(draw: st.DrawFn, frame: bytes, width: int, order: str) -> bytes:
    """Another number in the table of offsets, or a frame that is too short or too long for it."""
    kind = draw(st.sampled_from(["number", "bit", "cut", "trailing"]))
    if kind == "cut":
        return frame[: draw(st.integers(0, len(frame)))]
    if kind == "trailing":
        return frame + draw(st.binary(min_size=1, max_size=9))
    at = width * draw(st.integers(0, min(8, len(frame) // width - 1)))
    number = int.from_bytes(frame[at : at + width], order)  # type: ignore[arg-type]
    if kind == "bit":
        number ^= 1 << draw(st.integers(0, 8 * width - 1))
    else:
        number = draw(LYING | st.sampled_from([number - 1, number + 1])) % 2 ** (8 * width)
    return frame[:at] + number.to_bytes(width, order) + frame[at + width :]  # type: ignore[arg-type]


@st.composite
def v1_frames(draw: st.DrawFn) -> bytes:
    channel = draw(st.one_of(CHANNEL_NAMES.map(str.encode), CHANNEL_NAMES.map(str.encode), texts.NOT_UTF8))
    body = draw(parts())
    if draw(st.integers(0, 7)) == 7:
        body = body[: draw(st.integers(0, 4))]
    frame = v1_frame(channel, body)
    return draw(st.one_of(st.just(frame), table_damaged(frame, 8, "little")))


@st.composite
def legacy_texts(draw: st.DrawFn) -> str:
    """The JSON object of a legacy client, now and then without a member, with one of another kind, or one twice."""
    content = st.one_of(CONTENTS, CONTENTS, texts.OBJECTS.map(json.dumps), st.sampled_from(["null", '"abc"']))
    members = {
        "header": draw(headers()),
        "parent_header": draw(PARENTS),
        "metadata": draw(st.one_of(texts.OBJECTS, texts.OBJECTS, texts.VALUES)),
        "content": draw(content),
        "channel": draw(st.one_of(CHANNEL_NAMES.map(json.dumps), texts.SCALARS)),
        "buffers": draw(st.sampled_from(["[]"] * 6 + ["null", "[ ]", "{}", '""', "0", '["a"]', "[[]]"])),
    }
    for name in draw(st.lists(st.sampled_from([*members, "", "", ""]), max_size=1)):
        members.pop(name, None)
    spelled = [(texts.spelled(name, draw(texts.WAY)), value) for name, value in members.items()]
    if draw(st.integers(0, 7)) == 7:
        spelled.append((json.dumps(draw(st.sampled_from([*members, "more"]))), draw(texts.VALUES)))
    return texts.object_of(spelled, draw(texts.SPACE))


@st.composite
def legacy_frames(draw: st.DrawFn) -> str | bytes:
    text = draw(legacy_texts())
    if draw(st.booleans()):
        if draw(st.integers(0, 5)) < 5:
            return text
        return draw(texts.damaged(st.just(text.encode()))).decode(errors="replace")
    packed = text.encode()
    if draw(st.integers(0, 5)) == 5:
        packed = draw(texts.damaged(st.just(packed)))
    frame = binary_frame([packed, *draw(BUFFERS)])
    return draw(st.one_of(st.just(frame), st.just(frame), table_damaged(frame, 4, "big")))
