"""How a connection ends: disconnect, offline buffering, replay, and what is freed.

In stock a second ``disconnect()`` drives the connection count to -1, and the buffer and four sockets of a kernel that dies while
buffered are never freed.
"""

import asyncio
import inspect
import weakref
from typing import Any

import pytest

import kernelws
from kernelws.kernel.kernel import kernel_of
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.offline import Offline
from tests.support.outbox import sessions_of, unacknowledged, waiting
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Base = kernelws.ZMQChannelsWebsocketConnection


async def leave(server: Server, kernel_id: str, client: Client) -> Any:
    """Closes a client and returns the server's end of it, ended."""
    connection = server.connection(kernel_id, client)
    await client.close()
    await asyncio.wrap_future(connection._close_future)
    return connection


async def buffered(server: Server, kernel_id: str, count: int) -> None:
    """That many messages wait in the session's outbox, and none in the manager's unbounded list."""
    await eventually(lambda: waiting(kernel_id) >= count, "waiting messages")
    assert server.kernels._kernel_buffers[kernel_id]["buffer"] == []


def numbers(client: Client) -> list[tuple[str, int]]:
    return [(m.channel, m.content["n"]) for m in client.messages if m.msg_type == "numbered"]


def send_numbered(kernel: FakeKernel, session_id: str, numbers: range, channels: tuple[str, ...] = ("iopub",)) -> None:
    for channel in channels:
        for n in numbers:
            message = kernel.message("numbered", {"n": n})
            buffers = [b"x"] if n % 3 == 0 else []
            kernel.send(channel, kernel.frames(message, buffers), b"" if channel == "iopub" else session_id.encode())


async def test_disconnect_is_synchronous_and_tells_the_manager_first(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``notify_disconnect`` first, then sockets."""
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    channels = dict(connection.channels)
    states: list[list[bool]] = []
    original = server.kernels.notify_disconnect

    def notify(which: str) -> None:
        states.append([channel.closed() for channel in channels.values()])
        original(which)

    server.kernels.notify_disconnect = notify
    try:
        assert not inspect.iscoroutinefunction(Base.disconnect)
        with server.kernels_with(buffer_offline_messages=False):
            assert connection.disconnect() is None
    finally:
        del server.kernels.notify_disconnect
    assert states == [[False] * 4]
    assert all(channel.closed() for channel in channels.values())
    assert connection.channels == {}
    assert connection._close_future.done()


async def test_a_second_disconnect_counts_nobody_twice(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """In stock the count is -1 then: no culling, no buffering from then on."""
    kernel_id, _ = fake
    first, second = await server.live(kernel_id), await server.live(kernel_id)
    connection = server.connection(kernel_id, first)
    for _ in range(3):
        connection.disconnect()
    assert server.kernels._kernel_connections[kernel_id] == 1
    await leave(server, kernel_id, second)
    assert server.kernels._kernel_connections[kernel_id] == 0
    connection.disconnect()
    assert server.kernels._kernel_connections[kernel_id] == 0


async def test_disconnect_before_connect_counts_nobody(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """A connection that was never counted is never discounted."""
    kernel_id, _ = fake
    await server.live(kernel_id)
    connection = Offline(server, kernel_id).connection
    await connection.prepare()
    connection.disconnect()
    assert server.kernels._kernel_connections[kernel_id] == 1


async def test_channels_have_the_interface_that_others_use(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``close closed on_recv on_recv_stream stop_on_recv flush channel socket.closed``."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    for name, channel in connection.channels.items():
        assert channel.channel == name
        assert [channel.closed(), channel.socket.closed] == [False, False]
        channel.stop_on_recv()
        received: list[Any] = []
        channel.on_recv_stream(lambda stream, frames, received=received: received.append((stream, frames)))
        message = kernel.message("numbered", {"n": 1})
        kernel.send(name, kernel.frames(message), b"" if name == "iopub" else client.session_id.encode())
        await eventually(lambda c=channel, r=received: c.flush() is not None and r, "a message on the channel")  # type: ignore[misc]
        assert received[0][0] is channel
        assert received[0][1][-1] == b'{"n": 1}' or received[0][1][-1] == kernel.session.pack({"n": 1})
        channel.on_recv(None)
        channel.close()
        assert [channel.closed(), channel.socket.closed] == [True, True]
        with pytest.raises(OSError, match="closed"):
            channel.on_recv(lambda frames: None)


async def test_session_send_and_send_raw_work_on_channels(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """They work with ``session.send`` and ``session.send_raw``."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    for name in ("shell", "control", "stdin"):
        sent = connection.session.send(connection.channels[name], "by_send", {"n": 1})
        raw = [connection.session.pack(sent[part]) for part in ("header", "parent_header", "metadata", "content")]
        raw[0] = raw[0].replace(b"by_send", b"by_raw")
        connection.session.send_raw(connection.channels[name], raw)
        for msg_type in ("by_send", "by_raw"):
            await kernel.until(lambda m, name=name, msg_type=msg_type: (m.channel, m.msg_type) == (name, msg_type))  # type: ignore[misc]
    assert kernel.refused == []


@pytest.mark.parametrize("same", [True, False], ids=["same_session", "other_session"])
async def test_what_is_missed_is_replayed_to_the_same_session_only(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, same: bool
) -> None:
    """Upstream's buffering: complete, in order, all channels, buffers intact, ahead of live messages."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await leave(server, kernel_id, client)
    send_numbered(kernel, client.session_id, range(10), ("iopub", "shell", "control", "stdin"))
    await buffered(server, kernel_id, 40)
    again = await server.connect(kernel_id, protocol, client.session_id if same else None)
    send_numbered(kernel, again.session_id, range(10, 11))
    await again.until(lambda message: message.content.get("n") == 10)
    expected = [(channel, n) for channel in ("iopub", "shell", "control", "stdin") for n in range(10)] if same else []
    assert numbers(again)[-1] == ("iopub", 10)
    assert sorted(numbers(again)[:-1]) == sorted(expected)
    for channel in ("iopub", "shell", "control", "stdin"):
        assert [n for name, n in numbers(again)[:-1] if name == channel] == [n for name, n in expected if name == channel]
    for message in again.messages:
        assert message.msg_type != "numbered" or message.buffers == ([b"x"] if message.content["n"] % 3 == 0 else [])


async def test_malformed_messages_in_the_buffer_are_set_aside(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Signatures are checked on every message, also on those that come out of the buffer."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await leave(server, kernel_id, client)
    forged = kernel.frames(kernel.message("numbered", {"n": -1}))
    kernel.send("shell", [forged[0], b"0" * 64, *forged[2:]], client.session_id.encode())
    kernel.send("shell", [b"nonsense"], client.session_id.encode())
    send_numbered(kernel, client.session_id, range(3), ("shell",))
    await buffered(server, kernel_id, 3)
    again = await server.connect(kernel_id, protocol, client.session_id)
    await again.until(lambda message: message.content.get("n") == 2)
    assert numbers(again) == [("shell", 0), ("shell", 1), ("shell", 2)]


async def test_the_replay_happens_once(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Coming back twice shows nothing twice."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await leave(server, kernel_id, client)
    send_numbered(kernel, client.session_id, range(3))
    await buffered(server, kernel_id, 3)
    first = await server.connect(kernel_id, protocol, client.session_id)
    await first.until(lambda message: message.content.get("n") == 2)
    await eventually(lambda: unacknowledged(kernel_id) == 0, "the pong that acknowledges the replay")
    await leave(server, kernel_id, first)
    second = await server.live(kernel_id, protocol, client.session_id)
    assert numbers(second) == []


async def test_buffer_offline_messages_false_keeps_nothing(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """``MappingKernelManager.buffer_offline_messages`` is honoured."""
    kernel_id, kernel = fake
    with server.kernels_with(buffer_offline_messages=False):
        client = await server.live(kernel_id, protocol)
        channels = server.connection(kernel_id, client).channels
        await leave(server, kernel_id, client)
        assert all(channel.closed() for channel in channels.values())
        flow = kernel_of(server.kernels.get_kernel(kernel_id)).flow
        before = flow.messages
        send_numbered(kernel, client.session_id, range(3))
        await eventually(lambda: flow.messages >= before + 3, "the server has read them")
        again = await server.live(kernel_id, protocol, client.session_id)
    assert numbers(again) == []


async def test_a_client_that_leaves_before_it_is_live_loses_nothing(server: Server) -> None:
    """If a reconnected client leaves before its nudge is answered, the next connection gets the messages that did not arrive."""
    kernel_id, kernel = await server.start_fake()
    client = await server.live(kernel_id)
    await leave(server, kernel_id, client)
    send_numbered(kernel, client.session_id, range(3), ("shell",))
    await buffered(server, kernel_id, 3)
    kernel.plan.answers.clear()
    kernel_of(server.kernels.get_kernel(kernel_id)).new_incarnation()
    with server.kernels_with(kernel_info_timeout=0.1):
        hasty = await server.connect(kernel_id, session_id=client.session_id)
        await hasty.until_closed()
    kernel.plan.answers.add("shell")
    patient = await server.live(kernel_id, session_id=client.session_id)
    assert numbers(hasty) + numbers(patient) == [("shell", 0), ("shell", 1), ("shell", 2)]
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_pending_kernel_info_is_given_up(server: Server) -> None:
    """``disconnect()`` resolves a pending ``_kernel_info_future`` with ``{}`` and removes it from the kernel manager."""
    kernel_id, _ = await server.start_fake(Plan(answers=set()))
    connection = Offline(server, kernel_id).connection
    other = Offline(server, kernel_id).connection
    waiting = asyncio.ensure_future(connection.prepare())
    await eventually(lambda: connection.kernel_info_channel is not None, "a pending kernel_info request")
    second = asyncio.ensure_future(other.prepare())
    channel, manager = connection.kernel_info_channel, connection.kernel_manager
    assert manager._kernel_info_future is connection._kernel_info_future
    await eventually(lambda: len(connection._kernel_info_future._done_callbacks) > 1, "a second one who waits")
    connection.disconnect()
    await asyncio.gather(waiting, second)
    assert connection._kernel_info_future.result() == {}
    assert other._kernel_info_future.result() == {}
    assert not hasattr(manager, "_kernel_info_future")
    assert channel.closed()
    other.disconnect()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_another_connections_kernel_info_is_left_alone(server: Server) -> None:
    """A connection gives up only a kernel_info request that it has sent itself."""
    kernel_id, _ = await server.start_fake(Plan(answers=set()))
    owner, other = Offline(server, kernel_id).connection, Offline(server, kernel_id).connection
    waiting = [asyncio.ensure_future(owner.prepare())]
    await eventually(lambda: owner.kernel_info_channel is not None, "a pending kernel_info request")
    waiting.append(asyncio.ensure_future(other.prepare()))
    await eventually(lambda: len(owner._kernel_info_future._done_callbacks) > 1, "a second one who waits")
    other.disconnect()
    assert owner.kernel_manager._kernel_info_future is owner._kernel_info_future
    assert not owner._kernel_info_future.done()
    owner.disconnect()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_restart_callbacks_are_removed(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Callbacks of a connection that ended are not called again."""
    kernel_id, _ = fake
    callbacks = server.kernels.get_kernel(kernel_id)._restarter.callbacks
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    assert connection.on_kernel_restarted in callbacks["restart"]
    assert connection.on_restart_failed in callbacks["dead"]
    await leave(server, kernel_id, client)
    assert connection.on_kernel_restarted not in callbacks["restart"]
    assert connection.on_restart_failed not in callbacks["dead"]


async def test_a_session_without_a_connection_keeps_none_alive(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """A session may be kept for an hour. It must not keep a connection, with its handler and request, in memory."""
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    gone = weakref.ref(connection)
    await leave(server, kernel_id, client)
    del connection
    (client_session,) = sessions_of(kernel_id)
    held = [name for name, value in vars(client_session).items() if refers_to(value, gone)]
    assert held == []


def refers_to(value: Any, gone: "weakref.ref[Any]") -> bool:
    """Whether a callable holds a connection that has ended."""
    cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    return any(cell is gone() for cell in [*cells, getattr(value, "__self__", None)] if cell is not None)


async def test_a_session_that_comes_back_signs_with_the_kernels_present_key(server: Server) -> None:
    """While it was detached, the kernel was restarted with another key, on the same ports."""
    kernel_id, kernel = await server.start_fake(Plan(own_key=True))
    client = await server.live(kernel_id)
    await leave(server, kernel_id, client)
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    new = server.fake(kernel_id)
    await new.changes.until(lambda: new.subscriptions, what="the server's subscription")
    assert new.session.key != kernel.session.key
    again = await server.connect(kernel_id, session_id=client.session_id)
    request = await again.send("hello_request")
    new.reply(await new.until("hello_request"))
    assert (await again.until("hello_reply")).parent_id == request["header"]["msg_id"]
    assert new.refused == []
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
