"""Nothing leaks: descriptors over many reconnects, and the buffer of a kernel that dies while nobody is connected.

100 reconnects with changed ports, or 100 disconnects with an unanswered kernel_info, leave at most 5 descriptors open. They are
counted in ``/proc/self/fd``, where the fake kernel's sockets are too: so a test does not change its fake kernel.
"""

import asyncio
import gc
import random
from functools import partial
from typing import Any

import pytest

from kernelws.kernel.kernel import kernel_of, known_kernel
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.offline import Offline
from tests.support.server import Server, descriptors
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 100
LEFT = 5


async def settle(before: int, allowed: int = LEFT) -> None:
    """Waits until at most ``allowed`` more descriptors are open than before: libzmq closes sockets asynchronously."""
    gc.collect()
    await eventually(lambda: descriptors() - before <= allowed, f"at most {allowed} descriptors more than {before}")


async def test_reconnects_with_changed_ports(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """100 reconnects with changed ports leave at most 5."""
    kernel_id, _ = fake
    await (await server.live(kernel_id, session_id="again")).close()
    before = descriptors()
    for _ in range(ROUNDS):
        server.kernels._kernel_ports[kernel_id] = [0, 0, 0, 0, 0]  # so the manager finds that the ports have changed
        client = await server.connect(kernel_id, session_id="again")
        connection = server.connection(kernel_id, client)
        await client.close()
        await asyncio.wrap_future(connection._close_future)
    await settle(before)


async def test_disconnects_with_an_unanswered_kernel_info(server: Server) -> None:
    """100 disconnects with an unanswered kernel_info leave at most 5."""
    kernel_id, _ = await server.start_fake(Plan(answers=set()))
    before = descriptors()
    for _ in range(ROUNDS):
        connection = Offline(server, kernel_id).connection
        waiting = asyncio.ensure_future(connection.prepare())
        await eventually(partial(getattr, connection, "kernel_info_channel"), "a kernel_info request")
        connection.disconnect()
        await waiting
    await settle(before)
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_ordinary_connections(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Clients that come and go leave nothing but the sessions that are kept for them."""
    kernel_id, _ = fake
    with server.configured(ZMQChannelsWebsocketConnection={"max_detached_sessions": 0}):
        await (await server.live(kernel_id, protocol)).close()
        before = descriptors()
        for _ in range(30):
            client = await server.connect(kernel_id, protocol)
            connection = server.connection(kernel_id, client)
            await client.close()
            await asyncio.wrap_future(connection._close_future)
        await settle(before)


async def test_nudges_in_every_race(server: Server) -> None:
    """Contract: ``nudge()`` leaks no descriptor in any race: with a disconnect, a shutdown, new ports, a cancellation."""
    kernel_id, kernel = await server.start_fake(Plan(answers=set()))
    manager = server.kernels.get_kernel(kernel_id)
    connection = Offline(server, kernel_id, kernel_info_timeout=0.05).connection
    await connection.prepare()
    connection.create_stream()
    before = descriptors()
    chance = random.Random(0)  # noqa: S311 - which race is next
    for _ in range(40):
        kernel_of(manager).new_incarnation()
        future = connection.nudge()
        await asyncio.sleep(0) if chance.random() < 0.5 else None
        race = chance.choice(["cancel", "finish", "timeout", "answer", "nothing_yet"])
        if race == "cancel":
            future.cancel()
        elif race == "finish":
            for nudge in list(connection.link._nudges):
                nudge.finish()
        elif race == "answer":
            kernel.plan.answers.add("control")
            kernel.status("idle")
        await asyncio.wait([future])
        kernel.plan.answers.clear()
        _ = future.cancelled() or future.exception()
    await settle(before)
    connection.disconnect()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


@pytest.mark.parametrize("end", ["dies", "is shut down"])
async def test_a_kernel_that_ends_while_buffered_frees_everything(server: Server, end: str) -> None:
    """Buffer and four sockets of a kernel that dies while buffered are never freed in stock."""
    before = descriptors()
    kernel_id, kernel = await server.start_fake()
    manager = server.kernels.get_kernel(kernel_id)
    manager._restarter.restart_limit = 0
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    channels = dict(connection.channels)
    await client.close()
    await asyncio.wrap_future(connection._close_future)
    assert kernel_id in server.kernels._kernel_buffers
    if end == "dies":
        kernel.die()
        await eventually(lambda: kernel_id not in server.kernels, "the end of the kernel")
    else:
        await server.rest(f"kernels/{kernel_id}", "DELETE")
    assert kernel_id not in server.kernels._kernel_buffers
    assert all(channel.closed() for channel in channels.values())
    feed: Any = known_kernel(manager)
    assert feed is not None
    assert feed.closed()
    if end == "dies":
        await manager.cleanup_resources()
    await settle(before)


async def test_a_further_client_needs_at_most_7_descriptors(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Stock needs 9. Both ends of the WebSocket and the kernel's three TCP connections are in this process too."""
    kernel_id, _ = fake
    await server.live(kernel_id)
    before = descriptors()
    await server.live(kernel_id)
    others = 1 + 3  # the client's end of the WebSocket, the kernel's ends of shell, control and stdin
    assert descriptors() - before - others <= 7
