"""A session whose outbox is full of messages that are never left out, or whose outbox fails, over a live server.

The WebSocket is closed with a reason, and the client gets a notice when it reconnects. One message that alone exceeds the limit
does not fill the outbox.
"""

from collections.abc import Callable
from typing import Any, cast

import pytest

from kernelws import _core
from kernelws.errors import OutboxFailed
from kernelws.session.session import ClientSession
from tests.support.client import Message
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import all_sessions, unacknowledged
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = {"ZMQChannelsWebsocketConnection": {"session_memory_limit": 50_000, "session_disk_limit": 0}}


def session_named(session_id: str) -> ClientSession:
    (client_session,) = [each for each in all_sessions() if each.identity.key.endswith(session_id)]
    return client_session


async def test_what_may_not_be_left_out_and_does_not_fit_ends_the_session_and_is_told(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Results are never left out. The client is closed with 1013; after its reconnect a notice says why output is missing."""
    kernel_id, kernel = fake
    with server.configured(**SMALL):
        client = await server.live(kernel_id, protocol)
        client.stop_reading()
        session = session_named(client.session_id)
        with server.logged() as lines:
            for _ in range(20):
                kernel.publish("execute_result", {"n": 0, "data": "x" * 100_000})
            await eventually(lambda: session.closed, "the end of the session")
        client.read_on()
        code, reason = await client.until_closed()
        assert any("the outbox is full; raise session_memory_limit" in line for line in lines)
        assert code == 1013
        assert "ZMQChannelsWebsocketConnection.session_memory_limit" in (reason or "")
        again = await server.connect(kernel_id, protocol, client.session_id)
        kernel.publish("execute_result", {"n": 1})
        await again.until(lambda message: message.content.get("n") == 1)
    (notice,) = [message.content["text"] for message in again.messages if message.msg_type == "stream"]
    assert "earlier output was discarded" in notice
    assert not any(message.content.get("n") == 0 for message in again.messages)


def told(after: int) -> Callable[[Message], bool]:
    return lambda message: bool(message.content.get("after") == after)


@pytest.mark.parametrize("disk", [0, 1 << 30])
@pytest.mark.parametrize("msg_type", ["execute_result", "display_data"])
async def test_messages_that_alone_exceed_the_limit_arrive_whole_if_the_client_reads(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, msg_type: str, disk: int
) -> None:
    """Upstream delivers a message of any size. One at a time waits in memory, beyond the limit; and with a disk, any number."""
    kernel_id, kernel = fake
    with server.configured(ZMQChannelsWebsocketConnection={"session_memory_limit": 50_000, "session_disk_limit": disk}):
        client = await server.live(kernel_id, protocol)
        count = 5 if disk else 1
        for start in range(0, 3 * count, count):
            for n in range(start, start + count):
                kernel.stream("before it\n")
                kernel.publish(msg_type, {"n": n, "data": "x" * 2_000_000})
            kernel.publish("status", {"execution_state": "idle", "after": start})
            await client.until(told(start))
            await eventually(lambda: unacknowledged(kernel_id) == 0, "the acknowledgement")
    arrived = [message.content for message in client.messages if message.msg_type == msg_type]
    assert [(content["n"], len(content["data"])) for content in arrived] == [(n, 2_000_000) for n in range(3 * count)]
    texts = [message.content["text"] for message in client.messages if message.msg_type == "stream"]
    assert "".join(texts) == 3 * count * "before it\n"


async def test_a_message_that_alone_exceeds_the_limit_survives_a_cut(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    kernel_id, kernel = fake
    with server.configured(**SMALL):
        client = await server.live(kernel_id, protocol)
        client.stop_reading()
        kernel.publish("execute_result", {"n": 0, "data": "x" * 2_000_000})
        await eventually(lambda: unacknowledged(kernel_id) > 0, "the message on its way")
        kernel.publish("stream", {"name": "stdout", "text": "behind it"})
        await client.hang_up()
        again = await server.connect(kernel_id, protocol, client.session_id)
        await again.until(lambda message: message.content.get("text") == "behind it")
    assert [len(message.content["data"]) for message in again.messages if message.msg_type == "execute_result"] == [2_000_000]


ENDED = "is ended: work on its outbox panicked"


class Failing:
    """The session's outbox, in which one kind of work panics."""

    def __init__(self, outbox: _core.Outbox, *work: str) -> None:
        self._outbox, self._work = outbox, work

    def __getattr__(self, name: str) -> Any:
        if name in self._work:
            raise OutboxFailed("work on its outbox panicked, and what it held is discarded")
        return getattr(self._outbox, name)


def let_fail(session_id: str, *work: str) -> None:
    client_session = session_named(session_id)
    client_session.outbox = cast("Any", Failing(client_session.outbox, *work))


@pytest.mark.parametrize("work", ["append", "take", "acknowledge"])
async def test_an_outbox_that_fails_ends_its_session_and_no_other(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, work: str
) -> None:
    kernel_id, kernel = fake
    client, other = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
    let_fail(client.session_id, work, work + "_messages")
    with server.logged() as lines:
        kernel.publish("execute_result", {"n": 0})
        code, reason = await client.until_closed()
    assert (code, reason) == (1011, "the session's outbox failed; the server's log says more")
    assert len([line for line in lines if ENDED in line]) == 1
    await other.until(lambda message: message.content.get("n") == 0)
    again = await server.connect(kernel_id, protocol, client.session_id)
    kernel.publish("execute_result", {"n": 1})
    await again.until(lambda message: message.content.get("n") == 1)
    await other.until(lambda message: message.content.get("n") == 1)
    (notice,) = [message.content["text"] for message in again.messages if message.msg_type == "stream"]
    assert "earlier output was discarded, because of a bug in the server" in notice


async def test_an_outbox_that_fails_while_nobody_is_connected_is_told_too(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    kernel_id, kernel = fake
    client, other = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
    await client.close()
    detached = session_named(client.session_id)
    await eventually(lambda: detached.stats.detached_at is not None, "a detached session")
    let_fail(client.session_id, "append")
    with server.logged() as lines:
        kernel.publish("execute_result", {"n": 0})
        await other.until(lambda message: message.content.get("n") == 0)
        await eventually(lambda: detached.closed, "the end of the session")
    assert len([line for line in lines if ENDED in line]) == 1
    again = await server.connect(kernel_id, protocol, client.session_id)
    kernel.publish("execute_result", {"n": 1})
    await again.until(lambda message: message.content.get("n") == 1)
    assert any("earlier output was discarded" in message.content.get("text", "") for message in again.messages)
    assert not any(message.content.get("n") == 0 for message in again.messages)
