"""A session whose outbox is full of messages that are never left out, or whose outbox fails, over a live server.

The WebSocket is closed with a reason, and the client gets a notice when it reconnects.
"""

from typing import Any, cast

import pytest

from kernelws import _core
from kernelws.errors import OutboxFailed
from kernelws.session.session import ClientSession
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import all_sessions
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = {"ZMQChannelsWebsocketConnection": {"session_memory_limit": 50_000, "session_disk_limit": 0}}


async def test_what_may_not_be_left_out_and_does_not_fit_ends_the_session_and_is_told(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Results are never left out. The client is closed with 1013; after its reconnect a notice says why output is missing."""
    kernel_id, kernel = fake
    with server.configured(**SMALL):
        client = await server.live(kernel_id, protocol)
        with server.logged() as lines:
            kernel.publish("execute_result", {"n": 0, "data": "x" * 100_000})
            code, reason = await client.until_closed()
        assert code == 1013
        assert "ZMQChannelsWebsocketConnection.session_memory_limit" in (reason or "")
        assert any("the outbox is full; raise session_memory_limit" in line for line in lines)
        again = await server.connect(kernel_id, protocol, client.session_id)
        kernel.publish("execute_result", {"n": 1})
        await again.until(lambda message: message.content.get("n") == 1)
    (notice,) = [message.content["text"] for message in again.messages if message.msg_type == "stream"]
    assert "earlier output was discarded" in notice
    assert not any(message.content.get("n") == 0 for message in again.messages)


ENDED = "is ended: work on its outbox panicked"


class Failing:
    """The session's outbox, in which one kind of work panics."""

    def __init__(self, outbox: _core.Outbox, *work: str) -> None:
        self._outbox, self._work = outbox, work

    def __getattr__(self, name: str) -> Any:
        if name in self._work:
            raise OutboxFailed("work on its outbox panicked, and what it held is discarded")
        return getattr(self._outbox, name)


def session_named(session_id: str) -> ClientSession:
    (client_session,) = [each for each in all_sessions() if each.identity.key.endswith(session_id)]
    return client_session


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
