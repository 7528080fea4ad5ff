"""The rate limiter over a live server: upstream's accounting, upstream's texts, the kernel's session in its notices.

Stock's notices carry the client's session. tests/parity/test_rate.py compares the accounting with upstream's; these tests cover
the path from the trait to the notice.
"""

from textwrap import dedent
from typing import Any

import pytest

import kernelws
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = dedent(
    """\
    IOPub message rate exceeded.
    The Jupyter server will temporarily stop sending output
    to the client in order to avoid crashing it.
    To change this limit, set the config variable
    `--ServerApp.iopub_msg_rate_limit`.

    Current values:
    ServerApp.iopub_msg_rate_limit=1.0 (msgs/sec)
    ServerApp.rate_limit_window=60.0 (secs)

    """
)
BYTES = dedent(
    """\
    IOPub data rate exceeded.
    The Jupyter server will temporarily stop sending output
    to the client in order to avoid crashing it.
    To change this limit, set the config variable
    `--ServerApp.iopub_data_rate_limit`.

    Current values:
    ServerApp.iopub_data_rate_limit=100.0 (bytes/sec)
    ServerApp.rate_limit_window=60.0 (secs)

    """
)
LIMITED = {"overload": "drop", "iopub_msg_rate_limit": 1, "rate_limit_window": 60}
ALLOWED = 60
"""Messages in the window of ``LIMITED``; nothing leaves the window while a test runs."""


async def limited(server: Server, kernel_id: str, protocol: str, cls: Any = None, **traits: Any) -> Client:
    """A client of a connection with these traits, whose counts have just been reset by an idle status."""
    with (
        server.configured(ZMQChannelsWebsocketConnection=LIMITED | traits),
        server.connection_class(cls or server.connection_class_in_use),
    ):
        client = await server.live(kernel_id, protocol)
    await settled(client, server.fake(kernel_id))
    return client


async def settled(client: Client, kernel: FakeKernel) -> None:
    """Waits until all published messages were sent or dropped: an idle status is never held back."""
    end = kernel.status("idle")
    await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])


def numbered(client: Client) -> list[int]:
    return [message.content["n"] for message in client.messages if message.msg_type == "display_data"]


def notices(client: Client) -> list[Any]:
    return [message for message in client.messages if message.content.get("name") == "stderr"]


class ByHand(kernelws.ZMQChannelsWebsocketConnection):
    """Overrides a hook, so that every message takes the per-message way."""

    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        return super()._limit_rate(channel, msg, msg_list)


@pytest.mark.parametrize("cls", [None, ByHand], ids=["batches", "per_message"])
async def test_over_the_message_limit_there_is_one_notice(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, cls: Any
) -> None:
    """Texts that a user reads are upstream's; the notice answers the message that was too much."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol, cls)
    parent = client.message("execute_request")["header"]
    for n in range(ALLOWED + 50):
        kernel.publish("display_data", {"n": n}, parent)
    await settled(client, kernel)
    assert numbered(client) == list(range(ALLOWED))
    (notice,) = notices(client)
    assert notice.channel == "iopub"
    assert notice.content == {"name": "stderr", "text": MESSAGES}
    assert notice.parent["msg_id"] == parent["msg_id"]
    assert client.messages.index(notice) == client.messages.index(client.of({"header": parent}, "display_data")[-1]) + 1


@pytest.mark.parametrize("cls", [None, ByHand], ids=["batches", "per_message"])
async def test_over_the_data_limit_there_is_one_notice(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, cls: Any
) -> None:
    """Only the bytes of ``stream`` messages count."""
    kernel_id, kernel = fake
    limits = {"iopub_msg_rate_limit": 0, "iopub_data_rate_limit": 100}
    client = await limited(server, kernel_id, protocol, cls, **limits)
    parent = client.message("execute_request")["header"]
    kernel.publish("display_data", {"n": 0, "text": "x" * 10_000}, parent)
    for _ in range(3):
        kernel.stream("x" * 4_000, parent)
    await settled(client, kernel)
    (notice,) = notices(client)
    assert notice.content["text"] == BYTES
    assert notice.parent["msg_id"] == parent["msg_id"]
    assert numbered(client) == [0]
    assert len([m for m in client.messages if m.content.get("name") == "stdout"]) == 1


@pytest.mark.parametrize("cls", [None, ByHand], ids=["batches", "per_message"])
async def test_notices_carry_the_kernels_session(server: Server, fake: tuple[str, FakeKernel], protocol: str, cls: Any) -> None:
    """JupyterLab cancels queued messages when ``header.session`` changes."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol, cls)
    for n in range(ALLOWED + 1):
        kernel.publish("display_data", {"n": n})
    await settled(client, kernel)
    server.connection(kernel_id, client).on_kernel_restarted()
    restarting = await client.until(lambda message: message.state == "restarting")
    assert notices(client)[0].header["session"] == kernel.session.session
    assert restarting.header["session"] == kernel.session.session
    assert {message.header["session"] for message in client.messages} == {kernel.session.session}


async def test_what_upstream_exempts_is_exempt(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """``status``, ``comm_open`` and ``execute_input`` neither count nor are held back."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol)
    exempt = ("status", "comm_open", "execute_input")
    for n in range(ALLOWED + 1):
        kernel.publish(exempt[n % 3], {"n": n, "execution_state": "busy"})
    kernel.publish("display_data", {"n": -1})
    for n in range(ALLOWED + 1):
        kernel.publish("display_data", {"n": n})
    kernel.publish("comm_open", {"last": True})
    await client.until(lambda message: message.content.get("last"))
    assert len([m for m in client.messages if m.msg_type in exempt and "n" in m.content]) == ALLOWED + 1
    assert numbered(client) == [-1, *range(ALLOWED - 1)]


async def test_idle_resets_the_window(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """So that "Run All" does not hit limits prematurely."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol)
    for round_ in range(3):
        for n in range(ALLOWED):
            kernel.publish("display_data", {"n": round_ * ALLOWED + n})
        await settled(client, kernel)
    assert numbered(client) == list(range(3 * ALLOWED))
    assert notices(client) == []


async def test_output_resumes_once_the_window_has_moved_on(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The log says "iopub messages resumed" and messages arrive again."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol, iopub_msg_rate_limit=10, rate_limit_window=0.2)
    for n in range(20):
        kernel.publish("display_data", {"n": n})
    kernel.publish("comm_open")
    await client.until("comm_open")
    assert numbered(client) == [0, 1]
    with server.logged() as lines:
        await eventually(lambda: arrives_now(client, kernel), "a message of the next window")
    assert any("iopub messages resumed" in line for line in lines)


def arrives_now(client: Client, kernel: FakeKernel) -> bool:
    """Publishes once more, and says whether any of those published here has arrived."""
    kernel.publish("display_data", {"n": 1000})
    return 1000 in numbered(client)


async def test_what_is_held_is_not_lost(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Over the limit stock drops; ``overload = "hold"`` lets messages wait and leave at the allowed rate."""
    kernel_id, kernel = fake
    traits = {"overload": "hold", "iopub_msg_rate_limit": 100, "rate_limit_window": 0.1}
    client = await limited(server, kernel_id, protocol, **traits)
    for n in range(60):
        kernel.publish("display_data", {"n": n})
    await settled(client, kernel)
    assert numbered(client) == list(range(60))
    assert notices(client) == []


async def test_what_is_held_holds_up_no_reply(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The window does not end during the test, so the held IOPub messages stay held. Replies overtake them."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol, overload="hold")
    for n in range(ALLOWED + 30):
        kernel.publish("display_data", {"n": n})
    await eventually(lambda: len(numbered(client)) >= ALLOWED, "what the window allows")
    for n in range(3):
        message = kernel.message("execute_reply", {"n": n})
        kernel.send("shell", kernel.frames(message), client.session_id.encode())
        await client.until(lambda seen, n=n: seen.msg_type == "execute_reply" and seen.content["n"] == n)  # type: ignore[misc]
    assert numbered(client) == list(range(ALLOWED))


async def test_limit_rate_false_holds_nothing_back(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """``limit_rate = False`` switches the limiter off."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol, limit_rate=False)
    for n in range(ALLOWED * 2):
        kernel.publish("display_data", {"n": n})
    await settled(client, kernel)
    assert numbered(client) == list(range(ALLOWED * 2))


async def test_replies_are_never_limited(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The rate limits apply to IOPub only."""
    kernel_id, kernel = fake
    client = await limited(server, kernel_id, protocol)
    for n in range(ALLOWED + 20):
        kernel.publish("display_data", {"n": n})
        message = kernel.message("execute_reply", {"n": n})
        kernel.send("shell", kernel.frames(message), client.session_id.encode())
    await client.until(lambda message: message.msg_type == "execute_reply" and message.content["n"] == ALLOWED + 19)
    assert len([m for m in client.messages if m.msg_type == "execute_reply"]) == ALLOWED + 20
