"""A session for whose messages there is no room, over a live server: it ends with a reason, and says so when it is back."""

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = {"ZMQChannelsWebsocketConnection": {"session_memory_limit": 50_000, "session_disk_limit": 0}}


async def test_what_may_not_be_left_out_and_does_not_fit_ends_the_session_and_is_told(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Results never give way. The client is told to come again; what it gets then begins with why something is missing."""
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
