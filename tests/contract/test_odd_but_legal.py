"""Odd but legal messages pass: byte for byte in v1, in legacy with the same values.

Each case goes both ways over a live server. For example, a lone surrogate in a legacy message does not close the WebSocket.
"""

import json
from typing import Any

import pytest
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server
from tests.vectors.make import binary

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER: dict[str, Any] = {
    "msg_id": "odd",
    "session": "odd",
    "username": "",
    "date": "2026-01-02T03:04:05.678901Z",
    "msg_type": "odd_request",
    "version": "5.4",
}


def head(**changes: Any) -> bytes:
    return json.dumps(HEADER | changes).encode()


CASES: dict[str, tuple[bytes, bytes, list[bytes]]] = {
    "plain": (head(), b"{}", []),
    "newer_version": (head(version="17.3"), b"{}", []),
    "unknown_fields": (head(colour={"of": ["the", "sky"]}), b'{"a": null}', []),
    "nan": (head(), b'{"a": NaN, "b": [Infinity, -Infinity]}', []),
    "lone_surrogate": (head(), b'{"text": "\\ud800 \\udc00 and \\ud83d"}', []),
    "two_to_70": (head(), b'{"a": 1180591620717411303424, "b": -1180591620717411303424}', []),
    "long_fraction": (head(), b'{"a": 0.1000000000000000055511151231257827, "b": 1e400, "c": 1E-400}', []),
    "duplicate_keys": (head(), b'{"a": 1, "a": 2}', []),
    "white_space": (head(), b' {\n"a" :\t[ 1 , 2 ] } ', []),
    "escapes": (head(), b'{"\\u0061\\/\\"": "\\u0000\\n\\u00e9\\ud83d\\ude00"}', []),
    "not_ascii": (head(), '{"a": "é 漢 🙂 \u2028"}'.encode(), []),
    "nested_200": (head(), b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", []),
    "date_like_strings": (head(), b'{"a": "2026-01-02T03:04:05Z", "date": "2026-01-02T03:04:05.1+02:00"}', []),
    "empty_buffers": (head(), b"{}", [b"", b"", b"x", b""]),
    "binary_buffers": (head(), b"{}", [bytes(range(256)), b"<IDS|MSG>", b"\xff" * 70_000]),
    "4096_buffers": (head(), b"{}", [b"%d" % n for n in range(4096)]),
    "long_text": (head(), json.dumps({"text": "x" * 3_000_000}).encode(), []),
}


def loads(part: bytes | str) -> Any:
    return json.loads(part)


def same(one: Any, other: Any) -> bool:
    """Equality in which NaN equals itself."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("case", CASES)
async def test_v1_passes_a_clients_parts_byte_for_byte(server: Server, fake: tuple[str, FakeKernel], case: str) -> None:
    """The parts reach the kernel byte for byte, and their signature is valid."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    header, content, buffers = CASES[case]
    parts = [header, b" {}", b"{ }", content, *buffers]
    await client.write(serialize_msg_to_ws_v1(parts, "shell"))
    assert (await kernel.until("odd_request")).parts == parts


@pytest.mark.parametrize("case", CASES)
async def test_legacy_passes_what_a_client_means(server: Server, fake: tuple[str, FakeKernel], case: str) -> None:
    """The kernel reads from legacy what the client wrote."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, "legacy")
    header, content, buffers = CASES[case]
    text = b'{"header": %b, "parent_header": {}, "metadata": {}, "content": %b, "channel": "shell"}' % (header, content)
    await client.write(binary(text, tuple(buffers)) if buffers else text.decode())
    received = await kernel.until("odd_request")
    assert same(loads(received.parts[3]), loads(content))
    assert same(loads(received.parts[0]), loads(header))
    assert received.parts[4:] == buffers


@pytest.mark.parametrize("channel", ["iopub", "shell"])
@pytest.mark.parametrize("case", CASES)
async def test_a_client_gets_what_the_kernel_sent(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, case: str, channel: str
) -> None:
    """Byte-exact in v1; what a legacy client parses equals what the kernel wrote."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    header, content, buffers = CASES[case]
    parts = [header, b" {}", b"{ }", content, *buffers]
    identity = client.session_id.encode() if channel == "shell" else b""
    kernel.send(channel, kernel.signed(*parts), identity)
    message = await client.until("odd_request")
    assert message.channel == channel
    assert message.buffers == buffers
    if protocol == "v1":
        assert message.parts == parts
    else:
        assert same(message.content, loads(content))
        assert message.header["msg_id"] == "odd"


async def test_legacy_shows_bytes_that_are_not_utf8_as_the_session_reads_them(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Jupyter's Session decodes with replacement characters; v1 passes the bytes."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    content = b'{"text": "\xff and \xed\xa0\x80"}'
    client.unpack = lambda part: json.loads(part.decode("utf8", "replace"))
    kernel.send("iopub", kernel.signed(head(), b"{}", b"{}", content))
    message = await client.until("odd_request")
    assert same(message.content, json.loads(content.decode("utf8", "replace")))
    if protocol == "v1":
        assert message.parts[3] == content


async def test_legacy_without_buffers_is_text(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Never a binary frame with one part: JupyterLab's reader refuses it."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, "legacy")
    kernel.publish("plain")
    assert isinstance((await client.until("plain")).raw, str)
    kernel.publish("buffered", buffers=[b""])
    assert isinstance((await client.until("buffered")).raw, bytes)


async def test_a_header_with_two_types_passes_no_allow_list(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """A kernel may read either of them. Without an allow-list the message passes, and the last type counts, as upstream."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)

    async def write(first: str, last: str) -> None:
        header = head(msg_type=first)[:-1] + b', "msg_type": "%b"}' % last.encode()
        message = client.encode(client.message("placeholder"), "shell")
        if protocol == "v1":
            await client.write(serialize_msg_to_ws_v1([header, b"{}", b"{}", b"{}"], "shell"))
        else:
            fields = json.loads(message)
            written = json.dumps(fields | {"header": "@"}).replace('"@"', header.decode())
            await client.write(written)

    with server.kernels_with(allowed_message_types=["fine_request"]), server.logged() as lines:
        await write("fine_request", "evil_request")
        await write("evil_request", "fine_request")
        await client.send("fine_request")
        await kernel.until("fine_request")
    assert [request.msg_type for request in kernel.received] == ["fine_request"]
    assert loads(kernel.received[0].parts[0])["msg_id"] != loads(head())["msg_id"]
    assert any("its header has more than one msg_type" in line for line in lines)
    await write("evil_request", "fine_request")
    received = await kernel.until(lambda request: request.msg_type == "fine_request" and request is not kernel.received[0])
    assert b'"msg_type": "fine_request"}' in received.parts[0]


async def test_the_allow_list_holds_for_every_channel(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """``MappingKernelManager.allowed_message_types`` is honoured."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    with server.kernels_with(allowed_message_types=["fine_request"]):
        for channel in ("shell", "control", "stdin"):
            await client.send("evil_request", channel=channel)
            await client.send("fine_request", channel=channel)
            await kernel.until(lambda request, channel=channel: request.channel == channel)  # type: ignore[misc]
    assert {request.msg_type for request in kernel.received} == {"fine_request"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("buffers", "{}"),
        ("buffers", '""'),
        ("buffers", "null"),
        ("metadata", "null"),
        ("metadata", "[]"),
        ("parent_header", "[]"),
    ],
)
async def test_empty_values_of_a_legacy_client_are_none(
    server: Server, fake: tuple[str, FakeKernel], field: str, value: str
) -> None:
    """kernel_gateway's tests, Enterprise Gateway's client and ag2 send ``"buffers": {}``."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, "legacy")
    fields = {"header": head().decode(), "parent_header": "{}", "metadata": "{}", "content": "{}", "channel": '"shell"'}
    await client.write("{" + ", ".join(f'"{name}": {text}' for name, text in (fields | {field: value}).items()) + "}")
    assert (await kernel.until("odd_request")).parts == [head(), b"{}", b"{}", b"{}"]
