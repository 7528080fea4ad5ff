"""A kernel that dies: clients get its last messages, then ``restarting`` once, then those of the new process.

JupyterLab answers ``restarting`` by closing its WebSocket, with a close frame without a code, and reconnects at once with the
same session id. If it got ``restarting`` again then, it would do the same again.
"""

import asyncio

import pytest

from tests.contract.test_outbox import BRIDGE, leave
from tests.contract.test_requested_restarts import MANY, SLOW, displays, flood, heard
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.provisioner import FakeProvisioner
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def successor(server: Server, kernel_id: str, kernel: FakeKernel) -> FakeKernel:
    """The process in a dead one's place, to which the server has subscribed."""
    await eventually(lambda: server.fake(kernel_id) is not kernel, "the new kernel")
    new = server.fake(kernel_id)
    await new.changes.until(lambda: new.subscriptions, what="the server's subscription")
    return new


async def cut(server: Server, kernel_id: str, client: Client) -> None:
    """The connection is lost without a close frame; returns when the server knows."""
    connection = server.connection(kernel_id, client)
    client.tcp.close()
    await asyncio.wrap_future(connection._close_future)


def told(*clients: Client) -> int:
    return sum(message.state == "restarting" for client in clients for message in client.messages)


@pytest.mark.parametrize("pongs", [True, False])
async def test_a_page_that_closes_and_comes_back_again_and_again_is_told_once(
    server: Server, protocol: str, pongs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new process sends nothing meanwhile. A page may close before the server has read its pong."""
    if not pongs:
        monkeypatch.setattr("kernelws.client.heartbeat.Heartbeat._on_pong", lambda *_: None)
    kernel_id, kernel = await server.start_fake()
    clients = [await server.live(kernel_id, protocol)]
    FakeProvisioner.plan = Plan(answers=set(), welcome=False, announces=False)
    kernel.die()
    await heard(clients[0])
    new = await successor(server, kernel_id, kernel)
    for _ in range(5):
        await leave(server, kernel_id, clients[-1])
        clients.append(await server.connect(kernel_id, protocol, clients[0].session_id))
    new.publish("display_data", {"n": 1})
    await clients[-1].until("display_data")
    assert told(*clients) == 1
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_what_a_cut_may_have_swallowed_is_told_again(
    server: Server, fake: tuple[str, FakeKernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not sent again if the session has sent a request to the new process since."""
    monkeypatch.setattr("kernelws.client.heartbeat.Heartbeat._on_pong", lambda *_: None)
    kernel_id, kernel = fake
    first = await server.live(kernel_id)
    kernel.die()
    await heard(first)
    new = await successor(server, kernel_id, kernel)
    await cut(server, kernel_id, first)
    second = await server.connect(kernel_id, session_id=first.session_id)
    await heard(second)
    await second.execute("1")
    await new.until("execute_request")
    await cut(server, kernel_id, second)
    third = await server.connect(kernel_id, session_id=first.session_id)
    new.publish("display_data", {"n": 1})
    await third.until("display_data")
    assert told(third) == 0


async def test_a_pong_says_that_it_has_arrived(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    first = await server.live(kernel_id)
    (client_session,) = [server.connection(kernel_id, first).link.session]
    kernel.die()
    await heard(first)
    new = await successor(server, kernel_id, kernel)
    await eventually(lambda: client_session.outbox.unacknowledged() == 0, "the pong")
    await cut(server, kernel_id, first)
    second = await server.connect(kernel_id, session_id=first.session_id)
    new.publish("display_data", {"n": 1})
    await second.until("display_data")
    assert told(second) == 0


async def test_what_a_dead_kernel_has_said_comes_first_and_is_not_held(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Rate limits do not delay it (with them it would take half a minute). They delay the new process's output."""
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: SLOW}):
        client = await server.live(kernel_id, protocol)
    await flood(kernel_id, kernel, client)
    kernel.die()
    restarting = await heard(client)
    assert displays(client) == MANY
    assert client.messages.index(restarting) > max(
        index for index, message in enumerate(client.messages) if message.msg_type == "display_data"
    )
    new = await successor(server, kernel_id, kernel)
    for n in range(MANY):
        new.publish("display_data", {"n": n})
    connection = server.connection(kernel_id, client)
    await eventually(lambda: connection.link.session.outbox.stats().waits_for == "rate", "the limits")
    assert displays(client) < 2 * MANY


async def test_a_detached_session_is_told_when_it_comes_back_and_once(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    await leave(server, kernel_id, client)
    kernel.publish("display_data", {"n": 0})
    kernel.die()
    new = await successor(server, kernel_id, kernel)
    new.publish("display_data", {"n": 1})
    again = await server.connect(kernel_id, session_id=client.session_id)
    await again.until(lambda message: message.content.get("n") == 1)
    kinds = [m.content.get("n", m.state) for m in again.messages if m.msg_type == "display_data" or m.state == "restarting"]
    assert kinds == [0, "restarting", 1]
