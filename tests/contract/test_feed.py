"""The shared feed over a live server.

The fake kernel's XPUB socket counts the subscriptions that the server makes: one per kernel, whatever the number of clients.
"""

import asyncio
import time
from typing import Any

import pytest
import zmq

import kernelws
from kernelws.kernel.kernel import kernel_of
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BURST = 4_000
WAITS = 5_000
"""Milliseconds after which a socket that takes nothing has stopped receiving."""


async def until_end(kernel: FakeKernel, *clients: Client) -> None:
    """Waits until all published messages have arrived."""
    end = kernel.status("idle")
    for client in clients:
        await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])


def numbers(client: Client) -> list[int]:
    return [message.content["n"] for message in client.messages if message.msg_type == "execute_result"]


async def test_one_subscription_serves_all_clients_and_activity(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """One IOPub subscription per kernel for all its clients and for activity."""
    kernel_id, kernel = fake
    clients = [await server.live(kernel_id, protocol) for _ in range(4)]
    for n in range(50):
        kernel.publish("execute_result", {"n": n})
    await until_end(kernel, *clients)
    assert [numbers(client) for client in clients] == [list(range(50))] * 4
    assert (kernel.subscribed, kernel.subscriptions) == (1, 1)


async def test_clients_that_left_are_forgotten(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Nothing is kept for a client without a session that could be resumed: 20 of them leave no subscriber behind."""
    kernel_id, _ = fake
    feed: Any = kernel_of(server.kernels.get_kernel(kernel_id))
    with server.kernels_with(buffer_offline_messages=False):
        await server.live(kernel_id, protocol)
        before = len(feed._subscribers)
        for _ in range(20):
            client = await server.connect(kernel_id, protocol)
            connection = server.connection(kernel_id, client)
            await client.close()
            await asyncio.wrap_future(connection._close_future)
        assert len(feed._subscribers) == before


async def test_the_feed_goes_on_when_clients_leave(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """A subscriber that leaves takes nothing from the others, nor from activity."""
    kernel_id, kernel = fake
    first, second = await server.live(kernel_id), await server.live(kernel_id)
    await first.close()
    kernel.publish("execute_result", {"n": 1})
    await until_end(kernel, second)
    assert numbers(second) == [1]
    assert kernel.subscriptions == 1


async def test_a_burst_while_the_loop_is_blocked_arrives(server: Server, protocol: str) -> None:
    """Stock loses the messages over the high-water marks.

    The event loop is blocked until libzmq has taken the last message: with RCVHWM 0 its thread goes on receiving. The kernel's
    socket does not drop messages (XPUB_NODROP), so the test fails if the server's socket stops receiving.
    """
    kernel_id, kernel = await server.start_fake(Plan(high_water=1000))
    with server.configured(ZMQChannelsWebsocketConnection={"limit_rate": False}):
        client = await server.live(kernel_id, protocol)
    socket = kernel.streams["iopub"].socket
    socket.set(zmq.XPUB_NODROP, 1)
    payload = "x" * 10_000
    for n in range(BURST):
        send_while_blocked(socket, kernel.frames(kernel.message("execute_result", {"n": n, "payload": payload})))
    await until_end(kernel, client)
    assert numbers(client) == list(range(BURST))
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


def send_while_blocked(socket: zmq.Socket[bytes], frames: list[bytes]) -> None:
    """Sends, waiting for libzmq's threads on both sides but not for the event loop."""
    for _ in range(WAITS):
        try:
            socket.send_multipart(frames, zmq.NOBLOCK)
            return
        except zmq.Again:
            time.sleep(0.001)
    raise AssertionError("the bridge's socket has stopped receiving")


@pytest.mark.logs_exceptions
async def test_a_subscriber_that_raises_disturbs_no_other(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Subscribers before and after it, and the recording of activity, get every batch."""
    kernel_id, kernel = fake
    manager = server.kernels.get_kernel(kernel_id)
    first = await server.live(kernel_id)

    def fail(_batch: Any) -> None:
        raise RuntimeError("a subscriber with a bug")

    token = kernel_of(manager).subscribe(fail)
    last = await server.live(kernel_id)
    kernel.publish("execute_result", {"n": 1})
    kernel.status("busy", kernel.session.msg("execute_request")["header"])
    for client in (first, last):
        await client.until(lambda message: message.state == "busy")
        assert numbers(client) == [1]
    assert manager.execution_state == "busy"
    kernel_of(manager).unsubscribe(token)


@pytest.mark.logs_exceptions
async def test_a_failing_hook_disturbs_nobody(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """A subclass that raises is logged; the other clients get everything."""
    kernel_id, kernel = fake

    class Fails(kernelws.ZMQChannelsWebsocketConnection):
        def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
            raise RuntimeError("an extension with a bug")

    with server.connection_class(Fails):
        await server.connect(kernel_id)
    client = await server.live(kernel_id)
    for n in range(20):
        kernel.publish("execute_result", {"n": n})
    await until_end(kernel, client)
    assert numbers(client) == list(range(20))


async def test_a_client_that_does_not_read_disturbs_nobody(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """A stalled client's socket is full; another client of the same kernel gets everything meanwhile."""
    kernel_id, kernel = fake
    with server.configured(ZMQChannelsWebsocketConnection={"limit_rate": False}):
        stalled, client = await server.live(kernel_id), await server.live(kernel_id)
    stalled.tcp.io_loop.remove_handler(stalled.tcp.socket)
    payload = "x" * 100_000
    for n in range(200):
        kernel.publish("execute_result", {"n": n, "payload": payload})
    await until_end(kernel, client)
    assert numbers(client) == list(range(200))
    assert len(numbers(stalled)) < 200
    stalled.tcp.close()


async def test_the_websocket_of_a_client_that_is_gone_is_noticed(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """No tracebacks when messages come for a client whose TCP connection has just broken."""
    kernel_id, kernel = fake
    gone, client = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
    connection = server.connection(kernel_id, gone)
    gone.tcp.close()
    for n in range(20):
        kernel.publish("execute_result", {"n": n})
    await until_end(kernel, client)
    await asyncio.wrap_future(connection._close_future)
    assert numbers(client) == list(range(20))
    assert server.kernels._kernel_connections[kernel_id] == 1


async def test_a_restart_with_new_ports_makes_the_feed_again(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The feed is opened again when ports change, for old and new clients."""
    kernel_id, old = fake
    client = await server.live(kernel_id, protocol)
    manager = server.kernels.get_kernel(kernel_id)
    ports = list(manager.ports)
    manager.provisioner.ports_cached = False  # the provisioner chooses new ones
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    new = server.fake(kernel_id)
    assert manager.ports != ports
    assert new is not old
    await new.changes.until(lambda: new.subscriptions)
    again = await server.live(kernel_id, protocol, client.session_id)
    new.publish("execute_result", {"n": 1})
    await until_end(new, again)
    assert numbers(again) == [1]
    assert (new.subscribed, new.subscriptions) == (1, 1)


@pytest.mark.parametrize("resumed", [False, True], ids=["first", "resumed"])
@pytest.mark.parametrize("elsewhere", ["ports", "host"])
async def test_open_connections_follow_a_kernel_that_restarts_elsewhere(
    server: Server, protocol: str, elsewhere: str, resumed: bool
) -> None:
    """As kernels of gateway_provisioners do, with a new key: a client's messages are signed with the new key."""
    plan = Plan(own_key=True)
    kernel_id, old = await server.start_fake(plan)
    client = await server.live(kernel_id, protocol)
    if resumed:
        await client.close()
        client = await server.live(kernel_id, protocol, client.session_id)
    manager = server.kernels.get_kernel(kernel_id)
    key, ports = manager.session.key, list(manager.ports)
    if elsewhere == "host":
        plan.address = "127.0.0.2"
    else:
        manager.provisioner.ports_cached = False  # the provisioner chooses new ones
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    new = server.fake(kernel_id)
    assert new is not old
    assert manager.session.key not in {key, b""}
    assert (manager.ports == ports) == (elsewhere == "host")
    await new.changes.until(lambda: new.subscriptions)
    new.on["execute_request"] = lambda request: new.reply(request, {"status": "ok"})
    request = await client.execute("1")
    await client.until(lambda m: m.msg_type == "execute_reply" and m.parent_id == request["header"]["msg_id"])
    assert not new.refused
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_rest_restart_starts_a_new_incarnation(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """A restart starts a new incarnation, unproven until its first message."""
    kernel_id, old = fake
    client = await server.live(kernel_id)
    feed: Any = kernel_of(server.kernels.get_kernel(kernel_id))
    assert feed.proven
    plan = server.fake(kernel_id).plan
    plan.welcome, plan.announces = False, False
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    new = server.fake(kernel_id)
    assert new is not old
    await new.changes.until(lambda: new.subscriptions)
    assert not feed.proven
    new.status("idle")
    await client.until(lambda message: message.header["session"] == new.session.session)
    assert feed.proven
    new.publish("execute_result", {"n": 2})
    await until_end(new, client)
    assert numbers(client) == [2]


async def test_words_of_the_old_incarnation_prove_nothing(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Late messages of the old process are delivered, but do not prove the new process."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    feed: Any = kernel_of(server.kernels.get_kernel(kernel_id))
    feed.new_incarnation()
    late = kernel.stream("the old one's last words")
    await client.until(lambda message: message.header["msg_id"] == late["header"]["msg_id"])
    assert not feed.proven
    kernel.session.session = "the-new-one"
    kernel.status("idle")
    await client.until(lambda message: message.header["session"] == "the-new-one")
    assert feed.proven


async def test_the_feed_follows_a_changed_key(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The feed uses the new key."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    server.kernels.get_kernel(kernel_id).session.key = b"another-key"
    kernel.send("iopub", kernel.frames(kernel.message("execute_result", {"n": 1})))
    kernel.session.key = b"another-key"
    kernel.publish("execute_result", {"n": 2})
    await until_end(kernel, client)
    assert numbers(client) == [2]


async def test_a_first_connection_to_a_busy_kernel_does_not_wait_for_its_cell(server: Server, protocol: str) -> None:
    """Stock waits for the cell, up to 60 s, because it asks on shell only."""
    kernel_id, kernel = await server.start_fake(Plan(answers={"control"}))
    parent = kernel.session.msg("execute_request")["header"]
    kernel.status("busy", parent)
    await eventually(lambda: server.kernels.get_kernel(kernel_id).execution_state == "busy", "busy")
    client = await server.connect(kernel_id, protocol)
    sent = kernel.stream("from the running cell")
    assert (await client.until("stream")).header["msg_id"] == sent["header"]["msg_id"]
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_the_feed_ends_with_the_kernel(server: Server) -> None:
    """A shutdown of the kernel closes its feed."""
    kernel_id, _ = await server.start_fake()
    feed = kernel_of(server.kernels.get_kernel(kernel_id))
    assert not feed.closed()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
    assert feed.closed()


async def test_what_a_dying_kernel_said_last_is_delivered(server: Server, protocol: str) -> None:
    """The feed is drained before it is closed, and ``dead`` comes after all of it."""
    kernel_id, kernel = await server.start_fake()
    server.kernels.get_kernel(kernel_id)._restarter.restart_limit = 0
    feed = kernel_of(server.kernels.get_kernel(kernel_id))
    client = await server.live(kernel_id, protocol)
    for n in range(100):
        kernel.publish("execute_result", {"n": n})
    kernel.die()
    dead = await client.until(lambda message: message.state == "dead")
    assert numbers(client) == list(range(100))
    assert client.messages[-1] is dead
    await eventually(feed.closed, "the end of the feed")
