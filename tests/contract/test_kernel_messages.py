"""Malformed messages from a kernel, against a live server: each is dropped and the next one is delivered.

Each fault is sent on each of the 4 channels in both subprotocols, followed by a good message. With stock, one malformed IOPub
message ends a client's output for good, and v1 delivers forged messages.
"""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.fake_kernel import CHANNELS, FakeKernel
from tests.support.server import TOKEN, Server
from tests.support.vectors import SECRET, kernel_faults, kernel_messages

pytestmark = pytest.mark.asyncio(loop_scope="module")


def identity_of(channel: str, client: Client) -> bytes:
    """The routing identity of a client's own socket; IOPub has none."""
    return b"" if channel == "iopub" else client.session_id.encode()


def good(kernel: FakeKernel, channel: str, client: Client, n: int = 1) -> dict[str, Any]:
    """Sends a good message on a channel and returns it."""
    message = kernel.message("good", {"n": n})
    kernel.send(channel, kernel.frames(message), identity_of(channel, client))
    return message


async def until_good(client: Client, message: dict[str, Any]) -> None:
    await client.until(lambda seen: seen.header["msg_id"] == message["header"]["msg_id"])


def log_lines(lines: list[str], channel: str) -> list[str]:
    return [line for line in lines if "ignored a message" in line and f", {channel}:" in line]


async def test_there_are_6_kinds_of_malformed_kernel_messages_at_least() -> None:
    """No delimiter, missing parts, empty or wrong or replayed signature, non-JSON header."""
    named = {"no_delimiter", "missing_parts", "empty_signature", "wrong_signature", "replayed", "header_not_json"}
    assert named <= set(kernel_faults())


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("fault", kernel_faults())
async def test_a_malformed_message_is_set_aside(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, fault: str, channel: str
) -> None:
    """One malformed message from the kernel is set aside, counted, the next one is delivered."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    with server.logged() as lines:
        for frames in kernel_messages(fault, kernel.session.sign):
            kernel.send(channel, frames, identity_of(channel, client))
        await until_good(client, good(kernel, channel, client))
    delivered = [message for message in client.messages if message.header["msg_id"] == "malformed"]
    assert len(delivered) == (fault == "replayed")
    assert len(log_lines(lines, channel)) == 1, lines
    assert not any(secret in line for line in lines for secret in (SECRET, TOKEN, kernel.session.key.decode()))


@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_follows_all_faults_arrives_in_order(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, channel: str
) -> None:
    """Good messages between the malformed ones all arrive, in order."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    sent = []
    for n, fault in enumerate(kernel_faults()):
        for frames in kernel_messages(fault, kernel.session.sign):
            kernel.send(channel, frames, identity_of(channel, client))
        sent.append(good(kernel, channel, client, n)["header"]["msg_id"])
    await client.until(lambda seen: seen.header["msg_id"] == sent[-1])
    assert [seen.header["msg_id"] for seen in client.messages if seen.msg_type == "good"] == sent


async def test_a_forged_message_with_a_real_signature_does_not_use_it_up(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """The real message still arrives. Stock remembers the forgery's signature, and refuses the real message as a duplicate."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    real = kernel.frames(kernel.message("good", {"n": 1}))
    kernel.send("iopub", [*real[:5], b'{"n": 2}'])
    kernel.send("iopub", real)
    assert (await client.until("good")).content == {"n": 1}


async def test_a_flood_of_malformed_messages_does_not_flood_the_log(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Log lines are rate-limited."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    with server.logged() as lines:
        for _ in range(1000):
            kernel.send("iopub", [b"nonsense"])
        await until_good(client, good(kernel, "iopub", client))
    assert len(log_lines(lines, "iopub")) == 1


async def test_unverified_connections_are_as_upstream(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """``verify_signatures`` off gives upstream's behaviour: v1 takes what comes, legacy checks."""
    kernel_id, kernel = fake
    with server.configured(ZMQChannelsWebsocketConnection={"verify_signatures": False}):
        client = await server.live(kernel_id, protocol)
        forged = kernel.frames(kernel.message("forged"))
        kernel.send("iopub", [forged[0], b"0" * 64, *forged[2:]])
        await until_good(client, good(kernel, "iopub", client))
    assert [seen.msg_type for seen in client.messages].count("forged") == (protocol == "v1")


async def test_the_rest_state_survives_malformed_messages(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """The kernels API shows the state after it. With stock the state stays busy after one malformed message."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    request = client.message("execute_request", {"code": ""})["header"]
    kernel.status("busy", request)
    await client.until(lambda message: message.state == "busy" and message.parent_id == request["msg_id"])
    assert (await server.rest(f"kernels/{kernel_id}"))["execution_state"] == "busy"
    for fault in kernel_faults():
        for frames in kernel_messages(fault, kernel.session.sign):
            kernel.send("iopub", frames)
    kernel.status("idle", request)
    await client.until(lambda message: message.state == "idle" and message.parent_id == request["msg_id"])
    assert (await server.rest(f"kernels/{kernel_id}"))["execution_state"] == "idle"
