"""The nudge, and when a connection is live.

A connection is live when the kernel has answered and a message of it has arrived on the shared feed. Clients do not get the
messages that a probe causes; they get all others.
"""

import asyncio
from typing import Any

import pytest

from kernelws.kernel.kernel import kernel_of
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.offline import Offline
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def prepared(server: Server, kernel_id: str, **traits: Any) -> Any:
    connection = Offline(server, kernel_id, **traits).connection
    await connection.prepare()
    connection.create_stream()
    return connection


async def test_nudge_returns_a_future_and_may_be_called_again_on_a_live_connection(
    server: Server, fake: tuple[str, FakeKernel]
) -> None:
    """Contract: ``nudge()`` returns a future, may be called again on a live connection."""
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    for _ in range(3):
        future = connection.nudge()
        assert asyncio.isfuture(future)
        await future
        await asyncio.wrap_future(connection.nudge())  # as upstream's tests do
    request = await client.send("hello")
    kernel = fake[1]
    kernel.reply(await kernel.until("hello"))
    await client.until(lambda message: message.parent_id == request["header"]["msg_id"])


async def test_an_unproven_feed_is_probed_until_the_kernel_is_heard(server: Server) -> None:
    """A nudge ends after an answer on shell or control and a message on IOPub; the answer alone is not enough."""
    kernel_id, kernel = await server.start_fake(Plan(welcome=False, announces=False))
    connection = await prepared(server, kernel_id)
    future = connection.nudge()
    await kernel.changes.until(lambda: len(kernel.probes) >= 4)  # two of prepare, two of the nudge, both answered
    assert not future.done()
    kernel.status("idle")
    await future
    connection.disconnect()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_nudge_asks_again_until_it_is_answered(server: Server) -> None:
    """Upstream's retry: every 0.5 s on both channels."""
    kernel_id, kernel = await server.start_fake(Plan(answers=set(), welcome=False))
    connection = await prepared(server, kernel_id, kernel_info_timeout=0.01)
    connection.kernel_info_timeout = 60
    asked = len(kernel.probes)
    future = connection.nudge()
    await kernel.changes.until(lambda: len(kernel.probes) >= asked + 2)
    kernel.plan.answers.add("control")
    await future
    assert {probe.channel for probe in kernel.probes[asked:]} == {"shell", "control"}
    assert len(kernel.probes) >= asked + 4
    connection.disconnect()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_late_answer_of_the_old_process_lets_no_request_through(server: Server, protocol: str) -> None:
    """A probe that the old process answers while it is replaced, on the channel whose answer nobody has waited for."""
    kernel_id, kernel = await server.start_fake(Plan(answers={"control"}))
    client = await server.live(kernel_id, protocol)
    feed = kernel_of(server.connection(kernel_id, client).kernel_manager)
    feed.new_incarnation()
    kernel.plan.answers.clear()
    kernel.status("idle", next(probe for probe in kernel.probes if probe.channel == "shell"))
    kernel.stream("the last word")
    await client.until("stream")
    asked = len(kernel.probes)
    await client.send("hello")
    await kernel.changes.until(lambda: len(kernel.probes) > asked)
    assert not feed.proven
    assert not any(request.message["msg_type"] == "hello" for request in kernel.received)
    kernel.plan.answers.add("control")
    await kernel.until("hello")
    assert not any(message.msg_type == "status" and message.parent for message in client.messages)
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_nudge_ends_in_a_timeout(server: Server) -> None:
    """A nudge that is not answered raises ``TimeoutError``."""
    kernel_id, _ = await server.start_fake(Plan(answers=set(), welcome=False))
    connection = await prepared(server, kernel_id, kernel_info_timeout=0.05)
    with pytest.raises(TimeoutError):
        await connection.nudge()
    connection.disconnect()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_forged_answer_does_not_end_a_nudge(server: Server) -> None:
    """The feed is proven, so the nudge waits only for its answer. A forged answer does not count."""
    kernel_id, kernel = await server.start_fake(Plan(answers=set()))
    connection = await prepared(server, kernel_id, kernel_info_timeout=0.01)
    connection.kernel_info_timeout = 60
    feed = kernel_of(connection.kernel_manager)
    feed.new_incarnation()
    asked = len(kernel.probes)
    future = connection.nudge()
    await kernel.changes.until(lambda: len(kernel.probes) > asked)
    probe = kernel.probes[-1]
    kernel.session.session = "the-new-one"
    kernel.status("idle")
    await eventually(lambda: feed.proven, "the proof of the feed")
    forged = kernel.frames(kernel.message("kernel_info_reply", {}, probe))
    kernel.send(probe.channel, [forged[0], b"0" * 64, *forged[2:]], probe.identities[0])
    await eventually(lambda: connection.faults.counts, "the forgery")
    done, _ = await asyncio.wait({future}, timeout=0.1)
    assert not done
    kernel.plan.answers.add("control")
    await future
    connection.disconnect()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


@pytest.mark.parametrize("end", ["kernel_is_gone", "ports_changed", "disconnect", "disconnect_at_once"])
async def test_a_nudge_without_a_point_ends(server: Server, end: str) -> None:
    """Upstream's reasons to give up: a stopped kernel, changed ports, closed sockets."""
    kernel_id, _ = await server.start_fake(Plan(answers=set(), welcome=False))
    connection = await prepared(server, kernel_id, kernel_info_timeout=0.01)
    connection.kernel_info_timeout = 60
    future = connection.nudge()
    if end != "disconnect_at_once":
        await asyncio.sleep(0)  # the first request is sent
    if end == "kernel_is_gone":
        await server.kernels.shutdown_kernel(kernel_id, now=True)
    elif end == "ports_changed":
        connection.kernel_manager.shell_port += 1
    else:
        connection.disconnect()
    await asyncio.wait([future], timeout=20)
    assert future.done()
    if end == "ports_changed":
        connection.kernel_manager.shell_port -= 1
    connection.disconnect()
    if kernel_id in server.kernels:
        await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_nudge_that_outlives_its_websocket_touches_nothing(server: Server) -> None:
    """It sends nothing, and the channels stay closed. With stock it connects the buffered streams to the dead WebSocket."""
    kernel_id, kernel = await server.start_fake(Plan(answers={"shell"}))
    offline = Offline(server, kernel_id)
    connection = offline.connection
    await connection.prepare()
    kernel_of(connection.kernel_manager).new_incarnation()
    kernel.plan.answers.clear()
    connected = connection.connect()
    shown = len(offline.written)  # the state on connect
    channels = dict(connection.channels)
    connection.disconnect()
    kernel.plan.answers.add("shell")
    kernel.stream("for nobody")
    await connected
    await eventually(lambda: not connection.link._nudges, "the end of the nudge")
    assert len(offline.written) == shown
    assert all(channel.closed() for channel in channels.values())  # the client named no session id, so its session is not kept
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_only_the_probes_traffic_is_swallowed(server: Server, protocol: str) -> None:
    """The first IOPub message that no probe caused arrives. With stock a nudge swallows it."""
    kernel_id, kernel = await server.start_fake(Plan(welcome=False, announces=True))
    kernel_of(server.kernels.get_kernel(kernel_id)).new_incarnation()
    kernel.plan.answers = set()
    with server.kernels_with(kernel_info_timeout=0.2):
        opening = asyncio.ensure_future(server.connect(kernel_id, protocol))
        client = await opening
        first = kernel.stream("the first real one")
        kernel.plan.answers = {"shell", "control"}
        message = await client.until("stream")
    assert message.header["msg_id"] == first["header"]["msg_id"]
    assert [seen.msg_type for seen in client.messages if seen.parent_id or seen.msg_type != "status"] == ["stream"]
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_what_a_clients_own_kernel_info_causes_is_shown(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """A client's kernel_info_request is no probe: reply and status messages reach it."""
    kernel_id, _ = fake
    client = await server.live(kernel_id, protocol)
    answers = await client.idle(await client.send("kernel_info_request"))
    assert sorted(m.state or m.msg_type for m in answers) == ["busy", "idle", "kernel_info_reply"]


async def test_no_status_flickers_when_another_client_comes(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The status messages that probes for another client cause do not reach this client."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    kernel_of(server.kernels.get_kernel(kernel_id)).new_incarnation()
    await server.live(kernel_id, protocol)
    end = kernel.publish("end")
    await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])
    shown = [message for message in client.messages if message.state is None or message.parent_id]  # less the state on connect
    assert {message.msg_type for message in shown} == {"marker", "end"}


async def test_iopub_welcome_is_not_shown(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Clients do not get ``iopub_welcome``: it is addressed to the feed."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    kernel.publish("iopub_welcome", {"subscription": ""})
    end = kernel.publish("end")
    await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])
    assert "iopub_welcome" not in {message.msg_type for message in client.messages}


@pytest.mark.parametrize("welcome", [True, False])
async def test_a_client_of_a_proven_busy_kernel_is_live_at_once(server: Server, welcome: bool) -> None:
    """The feed is subscribed and proven, so the client gets output at once, and no probe is sent."""
    kernel_id, kernel = await server.start_fake(Plan(welcome=welcome))
    first = await server.live(kernel_id)
    kernel.plan.answers.clear()
    request = await first.execute("a long cell")
    received = await kernel.until("execute_request")
    kernel.status("busy", received)
    await first.until(lambda message: message.state == "busy")
    asked = len(kernel.probes)
    second = await server.connect(kernel_id)
    sent = kernel.stream("at once", received)
    message = await second.until("stream")
    assert message.header["msg_id"] == sent["header"]["msg_id"]
    assert message.parent_id == request["header"]["msg_id"]
    assert len(kernel.probes) == asked
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
