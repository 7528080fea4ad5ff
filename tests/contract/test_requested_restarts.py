"""A restart that a client asks for: old output is left out, and sessions that use the new process are not notified.

The rate limits are so low that sending the old output would take minutes. If later messages arrive, it was left out.
"""

from functools import partial

import pytest
from tornado.httpclient import HTTPClientError

from kernelws.kernel.kernel import kernel_of
from tests.contract.test_outbox import BRIDGE, leave, texts
from tests.support.client import Client, Message
from tests.support.fake_kernel import FakeKernel, Received
from tests.support.outbox import waiting
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = {"iopub_msg_rate_limit": 10.0, "rate_limit_window": 1.0, "stream_merge_window": 0.0}
"""Ten messages a second."""
MANY = 300


async def restart(server: Server, kernel_id: str) -> FakeKernel:
    """Restarts the kernel by REST, as another client does; returns the new process once the server has subscribed to it."""
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    new = server.fake(kernel_id)
    await new.changes.until(lambda: new.subscriptions, what="the server's subscription")
    return new


async def flood(kernel_id: str, kernel: FakeKernel, client: Client) -> None:
    """Publishes many displays, most of which wait because of the rate limits."""
    for n in range(MANY):
        kernel.publish("display_data", {"n": n})
    await eventually(lambda: displays(client) and displays(client) + waiting(kernel_id) >= MANY, "the flood at the server")


def displays(client: Client) -> int:
    return sum(message.msg_type == "display_data" for message in client.messages)


def left_out(client: Client) -> list[int]:
    """How many messages the notices tell of."""
    notices = [m.content["text"] for m in client.messages if m.msg_type == "stream" and "left out" in m.content["text"]]
    return [int(text.split(" ", 1)[0].lstrip("[")) for text in notices]


async def test_old_output_that_was_never_sent_makes_way_for_the_new_process(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """One notice has the exact number. The old process's reply still arrives."""
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: SLOW}):
        client = await server.live(kernel_id, protocol)
    request = await client.send("execute_request", {"code": ""})
    received = await kernel.until("execute_request")
    await flood(kernel_id, kernel, client)
    kernel.reply(received)
    new = await restart(server, kernel_id)
    new.publish("execute_result", {"new": True})
    await client.until(lambda message: message.content.get("new"))
    assert left_out(client) == [MANY - displays(client)]
    assert "drop_output_on_restart" in texts(client)
    assert any(m.msg_type == "execute_reply" and m.parent_id == request["header"]["msg_id"] for m in client.messages)


async def test_it_makes_way_in_detached_sessions_too(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    await leave(server, kernel_id, client)
    for n in range(MANY):
        kernel.publish("display_data", {"n": n})
    await eventually(lambda: waiting(kernel_id) >= MANY, "the flood at the server")
    new = await restart(server, kernel_id)
    new.publish("execute_result", {"new": True})
    again = await server.connect(kernel_id, session_id=client.session_id)
    await again.until(lambda message: message.content.get("new"))
    assert (displays(again), left_out(again)) == (0, [MANY])


async def test_what_had_waited_in_the_socket_is_left_out_too(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``header.session`` tells the processes apart. A session opened after the restart does not get the old output either."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    feed = kernel_of(server.kernels.get_kernel(kernel_id)).feed
    feed.hold(1, True)
    for n in range(MANY):
        kernel.publish("display_data", {"n": n})
    new = await restart(server, kernel_id)
    stranger = await server.connect(kernel_id)
    feed.hold(1, False)
    new.publish("execute_result", {"new": True})
    for one in (client, stranger):
        await one.until(lambda message: message.content.get("new"))
        assert displays(one) + sum(left_out(one)) == MANY
        assert displays(one) == 0


async def test_the_old_way_is_a_trait_away(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """With ``drop_output_on_restart = False`` all old output arrives before the new process's."""
    kernel_id, kernel = fake
    limits = SLOW | {"iopub_msg_rate_limit": 1000.0, "rate_limit_window": 0.05, "drop_output_on_restart": False}
    with server.configured(**{BRIDGE: limits}):
        client = await server.live(kernel_id)
    await flood(kernel_id, kernel, client)
    new = await restart(server, kernel_id)
    new.publish("execute_result", {"new": True})
    await client.until(lambda message: message.content.get("new"))
    assert (displays(client), left_out(client)) == (MANY, [])


@pytest.mark.logs_exceptions
async def test_a_restart_that_fails_leaves_nothing_out(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: SLOW | {"rate_limit_window": 0.5, "iopub_msg_rate_limit": 400.0}}):
        client = await server.live(kernel_id)
    await flood(kernel_id, kernel, client)
    kernel.plan.start_error = "no more room"
    with pytest.raises(HTTPClientError):
        await server.rest(f"kernels/{kernel_id}/restart", "POST")
    await client.until(lambda message: message.content.get("n") == MANY - 1)
    assert (displays(client), left_out(client)) == (MANY, [])


# who is told


async def heard(client: Client) -> Message:
    return await client.until(lambda message: message.state == "restarting")


async def test_a_session_that_works_with_the_new_process_is_not_told_of_the_restart(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """On ``restarting`` JupyterLab would drop the requests that it waits for, among them its new cell."""
    kernel_id, _ = fake
    with server.configured(**{BRIDGE: {"restart_announce_delay": 1.0}}):
        works, waits = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
    new = await restart(server, kernel_id)
    await works.execute("1")
    await heard(waits)
    await new.until("execute_request")
    new.publish("display_data", {"n": 1})
    await works.until("display_data")
    assert not any(message.state == "restarting" for message in works.messages)


async def test_what_a_page_asks_by_itself_does_not_count(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """JupyterLab sends kernel_info_request by itself. If that counted, the page would get no notice: its cell would stay busy."""
    kernel_id, _ = fake
    with server.configured(**{BRIDGE: {"restart_announce_delay": 0.2}}):
        client = await server.live(kernel_id)
    await restart(server, kernel_id)
    await client.send("kernel_info_request")
    await heard(client)


async def test_who_has_reconnected_is_not_told(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, _ = fake
    with server.configured(**{BRIDGE: {"restart_announce_delay": 1.0}}):
        asks, waits = await server.live(kernel_id), await server.live(kernel_id)
        new = await restart(server, kernel_id)
        await leave(server, kernel_id, asks)
        again = await server.connect(kernel_id, session_id=asks.session_id)
    await heard(waits)
    new.publish("display_data", {"n": 1})
    await again.until("display_data")
    assert not any(message.state == "restarting" for message in again.messages)


async def test_without_a_delay_nobody_is_told(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """As upstream. The test ends when a second session, with a short delay, is notified: a notice to the first would have
    arrived by then."""
    kernel_id, _ = fake
    with server.configured(**{BRIDGE: {"restart_announce_delay": 0}}):
        never = await server.live(kernel_id)
    with server.configured(**{BRIDGE: {"restart_announce_delay": 0.1}}):
        waits = await server.live(kernel_id)
    new = await restart(server, kernel_id)
    await heard(waits)
    new.publish("display_data", {"n": 1})
    await never.until("display_data")
    assert not any(message.state == "restarting" for message in never.messages)


# stdin


async def test_the_first_cell_after_a_restart_can_ask_for_input(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """The ports are the same, but the new process must greet the client's stdin socket before it can send a prompt to it."""
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    for number in range(5):
        new = await restart(server, kernel_id)
        asked = partial(ask, new, client.session_id.encode(), number)
        new.on["execute_request"] = asked
        await client.execute("input()")
        await client.until(lambda message, number=number: message.content.get("prompt") == str(number))  # type: ignore[misc]


def ask(kernel: FakeKernel, identity: bytes, number: int, request: Received) -> None:
    kernel.send("stdin", kernel.frames(kernel.message("input_request", {"prompt": str(number)}, request)), identity)
