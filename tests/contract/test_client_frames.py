"""Malformed frames from a client, against a live server.

Each named file under ``vectors/client`` is sent, then a good message. Only the good one must arrive, and the log must have one
line that says what was wrong, without contents, token or key. Stock closes the WebSocket on most of them.
"""

import pytest

from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel
from tests.support.server import TOKEN, Server
from tests.support.vectors import SECRET, client_frame, client_frames

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = [(protocol, name) for protocol in ("v1", "legacy") for name in client_frames(protocol)]
CHANNELS = ("shell", "control", "stdin")


def lines_about_frames(lines: list[str]) -> list[str]:
    return [line for line in lines if "ignored a message" in line]


def assert_nothing_leaked(lines: list[str], *secrets: str) -> None:
    """Log lines never carry the request's URI, message contents or keys."""
    for line in lines:
        assert not any(secret in line for secret in (TOKEN, SECRET, *secrets)), line


async def assert_a_good_message_arrives(client: Client, kernel: FakeKernel, channel: str = "shell") -> None:
    good = await client.send("good_request", {"n": 1}, channel)
    received = await kernel.until(lambda request: request.message["header"]["msg_id"] == good["header"]["msg_id"])
    assert received.channel == channel
    kernel.reply(received, {"status": "ok"})
    await client.until(lambda message: message.parent_id == good["header"]["msg_id"])


async def test_there_are_23_kinds_of_malformed_frames_at_least() -> None:
    """There are 23 kinds of malformed frames from clients."""
    assert len(client_frames("v1")) >= 23
    assert len(client_frames("legacy")) >= 23


@pytest.mark.parametrize(("protocol", "name"), CASES)
async def test_a_malformed_frame_costs_one_log_line(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, name: str
) -> None:
    """No exception leaves ``handle_incoming_message``; nothing is forwarded, the WebSocket lives."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    with server.logged() as lines:
        await client.write(client_frame(protocol, name))
        await assert_a_good_message_arrives(client, kernel)
    assert [request.msg_type for request in kernel.received] == ["good_request"]
    assert kernel.refused == []
    assert len(lines_about_frames(lines)) == 1, lines
    readable = name.startswith(("content_", "metadata_", "parent_header_")) and "deep" not in name
    assert ", client: ignored a message: " in lines_about_frames(lines)[0]
    assert not readable or lines_about_frames(lines)[0].endswith(" (for shell)")
    assert_nothing_leaked(lines, kernel.session.key.decode())


@pytest.mark.parametrize("channel", CHANNELS)
async def test_after_all_malformed_frames_every_channel_works(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, channel: str
) -> None:
    """After all malformed frames on one connection, it still works, and the log does not contain their contents."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    with server.logged() as lines:
        for name in client_frames(protocol):
            await client.write(client_frame(protocol, name))
        await assert_a_good_message_arrives(client, kernel, channel)
    assert [request.msg_type for request in kernel.received] == ["good_request"]
    assert_nothing_leaked(lines, kernel.session.key.decode())


async def test_a_flood_of_malformed_frames_does_not_flood_the_log(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Log lines are rate-limited."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    with server.logged() as lines:
        for _ in range(500):
            await client.write(b"\x00\x00")
        await assert_a_good_message_arrives(client, kernel)
    assert len(lines_about_frames(lines)) == 1


async def test_every_single_flipped_bit_of_the_offsets_is_survived(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Each bit of the count and of each offset (64 bits in v1, 32 in legacy) is flipped once. No such frame is forwarded."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    message = client.message("damaged_request", {"text": SECRET})
    frame = bytearray(client.encode(message, "shell", [b"x"]))  # type: ignore[arg-type] # binary, having a buffer
    table = 8 * (1 + 7) if protocol == "v1" else 4 * (1 + 2)
    for bit in range(table * 8):
        frame[bit // 8] ^= 1 << bit % 8
        await client.write(bytes(frame))
        frame[bit // 8] ^= 1 << bit % 8
    await assert_a_good_message_arrives(client, kernel)
    assert kernel.refused == []
    assert len(kernel.received) == 1


async def test_a_message_without_a_channel_goes_to_shell(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """As upstream does, and with its log line, but the line does not contain the message."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, "legacy")
    message = client.message("good_request", {"text": SECRET})
    with server.logged() as lines:
        await client.write(str(client.encode(message, "shell")).replace(', "channel": "shell"', ""))
        assert (await kernel.until("good_request")).channel == "shell"
    assert [line for line in lines if "No channel specified, assuming shell" in line]
    assert_nothing_leaked(lines)


async def test_a_frame_on_a_closed_connection_is_ignored(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``handle_incoming_message`` raises nothing; upstream logs the message itself here."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    connection.disconnect()
    with server.logged() as lines:
        connection.handle_incoming_message(client.encode(client.message("late_request", {"text": SECRET}), "shell"))
    assert kernel.received == []
    assert_nothing_leaked(lines)
