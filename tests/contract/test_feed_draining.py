"""A feed when something goes wrong: a socket for a probe or for new ports cannot be opened, or a kernel dies in a flood."""

from typing import Any

import pytest

from kernelws.kernel.kernel import kernel_of
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_probe_that_cannot_be_opened_ends_the_connection_and_not_its_messages(
    server: Server, fake: tuple[str, FakeKernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no socket can be opened to probe a restarted kernel, the WebSocket is closed with a reason; the client reconnects."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(24, "Too many open files")

    kernel_id, _ = fake
    client = await server.live(kernel_id)
    kernel_of(server.kernels.get_kernel(kernel_id)).new_incarnation()
    with monkeypatch.context() as patch:
        patch.setattr(server.kernels.get_kernel(kernel_id), "connect_control", refuse)
        await client.execute("1")
        await client.until_closed()
    assert client.websocket is not None
    assert client.websocket.close_code == 1011
    again = await server.connect(kernel_id, session_id=client.session_id)
    await again.execute("2")
    received = await server.fake(kernel_id).until("execute_request")
    assert received.message["content"]["code"] == "2"


async def test_a_session_that_cannot_follow_its_kernel_stops_no_other(
    server: Server, fake: tuple[str, FakeKernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_id, _ = fake
    stuck, moves = await server.live(kernel_id), await server.live(kernel_id)

    def refuse() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(server.connection(kernel_id, stuck).channels["shell"], "_connect", refuse)
    manager = server.kernels.get_kernel(kernel_id)
    for session in kernel_of(manager).listeners:
        session.moved(manager)
    await stuck.until_closed()
    assert stuck.websocket is not None
    assert stuck.websocket.close_code == 1011
    await moves.execute("1")
    await server.fake(kernel_id).until("execute_request")


async def test_a_death_in_a_flood_does_not_hold_up_the_server(
    server: Server, fake: tuple[str, FakeKernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that are left in the socket are read in turns, and ``restarting`` is sent after them."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    feed = kernel_of(server.kernels.get_kernel(kernel_id)).feed
    assert feed.reader is not None
    monkeypatch.setattr("kernelws.kernel.feed.FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(feed.reader.budget, "messages", 10)
    feed.hold(1, True)
    for n in range(500):
        kernel.publish("display_data", {"n": n})
    await eventually(lambda: feed.reader is not None and feed.reader.poller.readable(), "the flood in the socket")
    connection = server.connection(kernel_id, client)
    connection._send_status_message("restarting")
    assert feed._callbacks, "it was not all read at once"
    feed.hold(1, False)
    restarting = await client.until(lambda message: message.state == "restarting")
    before = client.messages[: client.messages.index(restarting)]
    assert [m.content["n"] for m in before if m.msg_type == "display_data"] == list(range(500))
