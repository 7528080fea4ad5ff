"""Without the extension: our class by configuration alone, on the stock kernel manager, as in Jupyter Kernel Gateway.

The feed opens in the first ``prepare()`` and is freed when the kernel id leaves the manager. The stock manager
keeps its own activity watcher, so the fake kernel sees two subscriptions: that one and the feed.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from kernelws.kernel import kernel as kernel_module
from kernelws.kernel.kernel import kernel_of, known_kernel
from kernelws.manager import FeedKernelManagerMixin
from tests.support.fake_kernel import FakeKernel, Received
from tests.support.outbox import waiting
from tests.support.server import Server, descriptors
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def server_config() -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"kernelws": False},
            "kernel_websocket_connection_class": "kernelws.ZMQChannelsWebsocketConnection",
        }
    }


@pytest.fixture(autouse=True, scope="module")
def looks_often() -> Iterator[None]:
    """The feed checks more often than every two seconds whether its kernel is gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_module, "LEAVE_CHECK", 0.02)
        yield


async def test_it_works_on_the_stock_manager(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """A request and its answers, for two clients of one feed."""
    kernel_id, kernel = fake
    assert not isinstance(server.kernels, FeedKernelManagerMixin)
    first, second = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
    request = await first.execute("1")
    received = await kernel.until("execute_request")
    kernel.status("busy", received)
    kernel.stream("text", received)
    kernel.reply(received, {"status": "ok"})
    kernel.status("idle", received)
    await first.idle(request)
    await second.until(lambda message: message.state == "idle" and message.parent_id == request["header"]["msg_id"])
    assert first.text(request) == second.text(request) == "text"
    assert not second.of(request, "execute_reply")
    assert kernel.subscriptions == 2


async def test_after_a_restart_nothing_is_sent_before_its_output_would_be_heard(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """The stock manager announces no restart. kernelws must notice the new process, or the first cell's output is lost."""
    kernel_id, _ = fake
    client = await server.live(kernel_id, protocol)
    for _ in range(5):
        await server.rest(f"kernels/{kernel_id}/restart", "POST")
        new = server.fake(kernel_id)

        def answer(request: Received, kernel: FakeKernel = new) -> None:
            kernel.stream("first", request)
            kernel.reply(request, {"status": "ok"})
            kernel.status("idle", request)

        new.on["execute_request"] = answer
        request = await client.execute("1")
        await client.idle(request)
        assert client.text(request) == "first"


async def test_the_first_connection_says_once_that_kernelws_is_active(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Without the extension there is no such line when the server starts."""
    kernel_id, _ = fake
    for _ in range(2):
        await server.live(kernel_id)
    (said,) = [record.message for record in server.log.records if "is active on kernel connections" in record.message]
    assert "kernelws.connection.ZMQChannelsWebsocketConnection" in said
    assert type(server.kernels).__name__ in said


async def test_the_feed_opens_with_the_first_client(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Before that the kernel has only the stock manager's subscription."""
    kernel_id, kernel = fake
    assert known_kernel(server.kernels.get_kernel(kernel_id)) is None
    assert kernel.subscriptions == 1
    await server.live(kernel_id)
    assert kernel.subscriptions == 2


@pytest.mark.parametrize("end", ["dies", "is_shut_down"])
async def test_the_feed_is_freed_when_the_kernel_is_gone(server: Server, end: str) -> None:
    """Freed when the kernel id leaves the manager; also what a dead kernel's last client had buffered."""
    before = descriptors()
    kernel_id, kernel = await server.start_fake()
    manager = server.kernels.get_kernel(kernel_id)
    manager._restarter.restart_limit = 0
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    channels = dict(connection.channels)
    feed = kernel_of(manager)
    await client.close()
    await asyncio.wrap_future(connection._close_future)
    if end == "dies":
        kernel.die()
        await eventually(lambda: kernel_id not in server.kernels, "the end of the kernel")
        await manager.cleanup_resources()
    else:
        await server.kernels.shutdown_kernel(kernel_id, now=True)
    await eventually(feed.closed, "the end of the feed")
    assert kernel_id not in server.kernels._kernel_buffers
    assert all(channel.closed() for channel in channels.values())
    # the stock manager itself leaves its activity stream open when a kernel dies
    await eventually(lambda: descriptors() <= before + (3 if end == "dies" else 1), "closed sockets")


async def test_what_is_missed_is_replayed(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The stock manager's buffer holds our channels, and its unbounded list stays empty."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    connection = server.connection(kernel_id, client)
    await client.close()
    await asyncio.wrap_future(connection._close_future)
    for n in range(5):
        kernel.publish("display_data", {"n": n})
    await eventually(lambda: waiting(kernel_id) >= 5, "waiting messages")
    assert server.kernels._kernel_buffers[kernel_id]["buffer"] == []
    again = await server.connect(kernel_id, protocol, client.session_id)
    kernel.publish("display_data", {"n": 5})
    await again.until(lambda message: message.content.get("n") == 5)
    assert [m.content["n"] for m in again.messages if m.msg_type == "display_data"] == list(range(6))


async def test_a_restart_is_followed(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """A kernel that dies: the client hears of it and gets the new one's output."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    kernel.die()
    await client.until(lambda message: message.state == "restarting")
    await eventually(lambda: server.fake(kernel_id) is not kernel, "the new kernel")
    new = server.fake(kernel_id)
    await new.changes.until(lambda: new.subscriptions == 2)
    new.stream("from the new one")
    await client.until("stream")
