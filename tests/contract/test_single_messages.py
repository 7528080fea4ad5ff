"""The per-message methods of the class, called as other packages call them.

``handle_outgoing_message`` takes the channel as a stream or as a string, with or without identities. The message may be
unverified, and the channel may be closed. The results are compared with those of a batch with the same message.
"""

from typing import Any

import pytest

from tests.support.client import Client, Message
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server
from tests.support.vectors import kernel_faults, kernel_messages

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def shown(client: Client, n: int) -> Message:
    return await client.until(lambda message: message.content.get("n") == n)


@pytest.mark.parametrize("channel", ["iopub", "shell", "control", "stdin"])
async def test_channels_by_name_or_stream_with_or_without_identities(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, channel: str
) -> None:
    """Takes the channel as a stream or as a string, with or without identities."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    connection = server.connection(kernel_id, client)
    streams: list[Any] = [channel, connection.channels[channel]]
    for n, stream in enumerate(streams):
        for m, identities in enumerate(([], [b"identity"], [b"one", b"two"])):
            number = 10 * n + m
            frames = kernel.frames(kernel.message("numbered", {"n": number}), [b"buffer"])
            connection.handle_outgoing_message(stream, [*identities, *frames])
            message = await shown(client, number)
            assert (message.channel, message.buffers) == (channel, [b"buffer"])


@pytest.mark.parametrize("fault", kernel_faults())
async def test_a_malformed_message_raises_nothing(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, fault: str
) -> None:
    """Set aside with a log line; the next one is delivered."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    connection = server.connection(kernel_id, client)
    with server.logged() as lines:
        for frames in kernel_messages(fault, kernel.session.sign):
            connection.handle_outgoing_message("iopub", frames)
        connection.handle_outgoing_message("iopub", kernel.frames(kernel.message("numbered", {"n": 1})))
        await shown(client, 1)
    malformed = [message for message in client.messages if message.header["msg_id"] == "malformed"]
    assert len(malformed) == (fault == "replayed")
    assert len([line for line in lines if "ignored a message" in line and ", iopub:" in line]) == 1


async def test_a_message_on_a_closed_channel_ends_the_connection(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Upstream: "zmq message arrived on closed channel", and ``disconnect``."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    connection = server.connection(kernel_id, client)
    stream = connection.channels["shell"]
    stream.close()
    with server.logged() as lines:
        connection.handle_outgoing_message(stream, kernel.frames(kernel.message("numbered", {"n": 1})))
    assert any("zmq message arrived on closed channel" in line for line in lines)
    assert connection._close_future.done()
    assert server.kernels._kernel_connections[kernel_id] == 0


async def test_reserialize_takes_a_dictionary_or_frames(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``_reserialize_reply``: text, or bytes where there are buffers."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, "legacy")
    connection = server.connection(kernel_id, client)
    plain = kernel.frames(kernel.message("numbered", {"n": 1}))
    buffered = kernel.frames(kernel.message("numbered", {"n": 2}), [b"x"])
    text = connection._reserialize_reply(plain, channel="shell")
    assert isinstance(text, str)
    assert Message(text, "legacy", connection.session.unpack).channel == "shell"
    binary = connection._reserialize_reply([b"identity", *buffered], channel="iopub")
    assert isinstance(binary, bytes)
    assert Message(binary, "legacy", connection.session.unpack).buffers == [b"x"]
    dictionary = kernel.message("numbered", {"n": 3}) | {"buffers": []}
    assert Message(connection._reserialize_reply(dictionary, "iopub"), "legacy", connection.session.unpack).content == {"n": 3}


async def test_get_part_reads_what_is_missing(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``get_part(field, value, msg_list)``: the value, or the unpacked part."""
    kernel_id, kernel = fake
    connection = server.connection(kernel_id, await server.live(kernel_id))
    parts = kernel.frames(kernel.message("numbered", {"n": 1}, kernel.session.msg("asked")["header"]))[2:]
    assert connection.get_part("header", None, parts)["msg_type"] == "numbered"
    assert connection.get_part("parent_header", None, parts)["msg_type"] == "asked"
    assert connection.get_part("content", None, parts) == {"n": 1}
    assert connection.get_part("content", {"given": 1}, parts) == {"given": 1}
