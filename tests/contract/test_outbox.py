"""The outbox over a live server: held output, resumed sessions and their owners, prompts, limits, pings.

tests/unit/test_outbox.py tests the rules themselves, `make chaos` faults of the network. These tests cover the path from a
trait, or from a client's behaviour, to what the client gets.
"""

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from jupyter_server.auth.identity import PasswordIdentityProvider
from tornado.httpclient import HTTPClientError

from kernelws.cli.child import Address
from kernelws.cli.client import Client as BlockingClient
from kernelws.cli.client import ClosedError
from kernelws.kernel.kernel import kernel_of
from kernelws.record.counters import TOTALS
from kernelws.session import owners
from kernelws.session.registry import registry_of
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.outbox import sessions_of, unacknowledged, waiting
from tests.support.server import TOKEN, Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIDGE = "ZMQChannelsWebsocketConnection"


async def leave(server: Server, kernel_id: str, client: Client) -> Any:
    """Closes a client and returns the server's end of it, ended."""
    connection = server.connection(kernel_id, client)
    await client.close()
    await asyncio.wrap_future(connection._close_future)
    return connection


def texts(client: Client) -> str:
    return "".join(m.content["text"] for m in client.messages if m.msg_type == "stream")


async def test_output_over_the_limits_is_held_and_not_dropped(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Error, results and displays are not dropped, and there is no notice."""
    kernel_id, kernel = fake
    limits = {"iopub_msg_rate_limit": 100.0, "rate_limit_window": 0.2, "stream_merge_window": 0.0}
    with server.configured(**{BRIDGE: limits}):
        client = await server.live(kernel_id, protocol)
    for n in range(60):
        kernel.publish(("execute_result", "display_data", "error", "comm_msg")[n % 4], {"n": n})
    await client.until(lambda message: message.content.get("n") == 59)
    assert [m.content["n"] for m in client.messages if "n" in m.content] == list(range(60))
    assert not any(m.msg_type == "stream" for m in client.messages)


async def test_text_in_a_burst_merges_to_exactly_its_concatenation(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Fewer messages, the same text, the first one's headers; a message of another kind is never passed."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    parent = client.message("execute_request", {})
    for n in range(500):
        kernel.stream(f"{n} é\n", parent["header"])
    mark = kernel.publish("execute_result", {"mark": True}, parent["header"])
    await client.until(lambda message: message.header["msg_id"] == mark["header"]["msg_id"])
    kinds = [m.msg_type for m in client.messages if m.msg_type in {"stream", "execute_result"}]
    assert kinds[-1] == "execute_result"
    assert 1 < len(kinds) < 250
    assert texts(client) == "".join(f"{n} é\n" for n in range(500))


async def test_text_that_trickles_within_the_window_is_merged_too(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Each message is a batch of its own; only the first one of the burst leaves at once."""
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: {"stream_merge_window": 60.0}}):
        client = await server.live(kernel_id)
    (client_session,) = sessions_of(kernel_id)
    parent = client.message("execute_request", {})
    kernel.stream("0\n", parent["header"])
    await client.until("stream")
    before = client_session.outbox.stats().appended
    for n in range(1, 10):
        kernel.stream(f"{n}\n", parent["header"])
        await eventually(lambda n=n: client_session.outbox.stats().appended >= before + n, f"{n} at the outbox")  # type: ignore[misc]
    mark = kernel.publish("execute_result", {"mark": True}, parent["header"])
    await client.until(lambda message: message.header["msg_id"] == mark["header"]["msg_id"])
    assert [m.content["text"] for m in client.messages if m.msg_type == "stream"] == [
        "0\n",
        "".join(f"{n}\n" for n in range(1, 10)),
    ]


async def test_a_gap_says_what_was_left_out_to_the_byte(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The middle of the text is left out; its beginning, its end and all other messages arrive."""
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: {"stream_backlog_limit": 10_000}}):
        client = await server.live(kernel_id, protocol)
    parent = client.message("execute_request", {})["header"]
    await leave(server, kernel_id, client)
    lines = [f"{n:06}\n" for n in range(20_000)]
    for line in lines:
        kernel.stream(line, parent)
    idle = kernel.status("idle", parent)
    session = f"{kernel_id}:{client.session_id}"
    client_session = next(each for each in sessions_of(kernel_id) if each.identity.key == session)
    await eventually(lambda: client_session.outbox.stats().appended >= 20_001, "all of it in the outbox")
    with server.configured(**{BRIDGE: {"stream_backlog_limit": 10_000}}):
        again = await server.connect(kernel_id, protocol, client.session_id)
        await again.until(lambda message: message.header["msg_id"] == idle["header"]["msg_id"])
    shown = [m.content for m in again.messages if m.msg_type == "stream"]
    (notice,) = [content["text"] for content in shown if content["name"] == "stderr"]
    kept = "".join(content["text"] for content in shown if content["name"] == "stdout").splitlines(keepends=True)
    missing = [line for line in lines if line not in set(kept)]
    assert kept[0] == lines[0]
    assert kept[-1] == lines[-1]
    # the kernel's JSON spells the newline in two bytes
    assert f"{len(missing)} messages with {8 * len(missing)} bytes" in notice
    assert "stream_backlog_limit" in notice


async def test_a_half_open_connection_resumes(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The client is back before the server has noticed that it was gone; what it missed comes, in order."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await eventually(lambda: unacknowledged(kernel_id) == 0, "a quiet connection")
    connection = server.connection(kernel_id, client)
    with patch.object(connection.websocket_handler.ws_connection.stream, "write", lambda _: asyncio.Future()):
        kernel.publish("display_data", {"n": 0})  # written into a network that swallows it
        await eventually(lambda: unacknowledged(kernel_id) > 0, "an unacknowledged message")
        again = await server.connect(kernel_id, protocol, client.session_id)
    kernel.publish("display_data", {"n": 1})
    await again.until(lambda message: message.content.get("n") == 1)
    assert [m.content["n"] for m in again.messages if m.msg_type == "display_data"] == [0, 1]


async def test_what_another_session_does_changes_nothing(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """A detached session keeps its output when other clients come and go. Stock keeps only the last client's."""
    kernel_id, kernel = fake
    one, two = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
    await leave(server, kernel_id, one)
    kernel.publish("display_data", {"n": 0})
    await leave(server, kernel_id, two)
    await leave(server, kernel_id, await server.live(kernel_id, protocol))
    kernel.publish("display_data", {"n": 1})
    await eventually(lambda: waiting(kernel_id) >= 4, "both messages in both outboxes")
    for client in (one, two):
        again = await server.connect(kernel_id, protocol, client.session_id)
        await again.until(lambda message: message.content.get("n") == 1)
        assert [m.content["n"] for m in again.messages if m.msg_type == "display_data"][-1] == 1


async def test_a_prompt_that_has_arrived_is_not_shown_again_and_can_be_answered_after_a_reconnect(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """The page still shows its input box. A second box would stay open after the answer."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    kernel.send("stdin", kernel.frames(kernel.message("input_request", {"prompt": "?"})), client.session_id.encode())
    await client.until("input_request")
    await eventually(lambda: unacknowledged(kernel_id) == 0, "the pong for it")
    await leave(server, kernel_id, client)
    again = await server.live(kernel_id, protocol, client.session_id)
    await again.send("input_reply", {"value": "x"}, channel="stdin")
    await kernel.until("input_reply")
    assert not any(m.msg_type == "input_request" for m in again.messages)


async def test_text_that_waits_for_a_socket_that_takes_nothing_keeps_to_its_limit(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """The limit holds after each message, even if the message is larger than the room that was left."""
    kernel_id, kernel = fake
    limit, texts_at = 16 << 20, list[int]()
    traits = {"stream_backlog_limit": limit, "write_high_water": 1 << 60, "limit_rate": False}
    with server.configured(**{BRIDGE: traits}):
        client = await server.live(kernel_id, protocol)
    client.stop_reading()
    outbox = server.connection(kernel_id, client).link.session.outbox
    stalls = TOTALS.socket_stalls
    for number in range(12):
        before = outbox.stats().appended
        kernel.stream(f"{number}" * (5 << 20))
        await eventually(lambda: outbox.stats().appended > before, "the message")  # noqa: B023 - it is waited for here
        texts_at.append(outbox.stats().text)
    assert TOTALS.socket_stalls > stalls
    assert 0 < max(texts_at) <= limit, [size >> 20 for size in texts_at]
    await client.hang_up()


async def test_a_session_belongs_to_the_user_who_opened_it(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Another user gets 403, and the owner's connection goes on. A session id is no secret: every parent_header has it."""
    kernel_id, kernel = fake
    with patch.object(owners, "owner_of", lambda _: "alice"):
        client = await server.live(kernel_id)
    with patch.object(owners, "owner_of", lambda _: "mallory"), pytest.raises(HTTPClientError) as refused:
        await server.connect(kernel_id, "v1", client.session_id)
    assert refused.value.code == 403
    kernel.publish("still_there")
    await client.until("still_there")


async def test_a_provider_that_changes_nothing_about_users_tells_nobody_apart(
    server: Server, fake: tuple[str, FakeKernel]
) -> None:
    """To this provider a client without cookies is a new user at each request. It still resumes its own session."""
    kernel_id, kernel = fake
    branded = type("Branded", (PasswordIdentityProvider,), {})(parent=server.app, token=TOKEN)
    with patch.dict(server.app.web_app.settings, identity_provider=branded):
        client = await server.live(kernel_id)
        await leave(server, kernel_id, client)
        kernel.publish("while_away")
        again = await server.connect(kernel_id, "v1", client.session_id)
    await again.until("while_away")


async def test_a_message_that_is_too_big_names_the_trait(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The client gets the reason even if it is still sending. A socket closed at once is reset, and the reason is lost."""
    kernel_id, _ = fake

    def send() -> None:
        with BlockingClient(Address(int(server.url.rpartition(":")[2]), TOKEN), kernel_id, protocol) as client:
            client.send("shell", "comm_msg", {"data": "x" * 20_000_000})
            while True:
                client.receive()

    with server.configured(**{BRIDGE: {"max_message_size": 100_000}}), pytest.raises(ClosedError) as closed:
        await asyncio.to_thread(send)
    assert closed.value.code == 1009
    assert "ZMQChannelsWebsocketConnection.max_message_size" in closed.value.reason


async def test_the_servers_ping_settings_take_effect(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """In seconds, on this handler alone."""
    kernel_id, _ = fake
    settings = server.app.web_app.settings
    with patch.dict(settings, {"websocket_ping_interval": 7, "websocket_ping_timeout": 5}):
        client = await server.live(kernel_id)
    assert server.connection(kernel_id, client).websocket_handler.ping_callback.callback_time == 7000
    other = await server.live(kernel_id)
    assert server.connection(kernel_id, other).websocket_handler.ping_callback.callback_time == 30_000


async def test_connect_does_not_block_reading(server: Server, protocol: str) -> None:
    """Control goes through while the kernel is not ready; shell waits, in order, and then goes on."""
    kernel_id, kernel = await server.start_fake(Plan(answers={"shell"}, welcome=False))
    manager = server.kernels.get_kernel(kernel_id)
    first = await server.connect(kernel_id, protocol)
    await first.close()
    kernel.plan.answers.clear()
    for session in sessions_of(kernel_id):
        registry_of(server.kernels).end_gone(session)

    kernel_of(manager).new_incarnation()
    client = await server.connect(kernel_id, protocol)
    for n in range(3):
        await client.send("numbered", {"n": n})
    await client.send("urgent", {}, channel="control")
    await kernel.until("urgent")
    assert not any(received.msg_type == "numbered" for received in kernel.received)
    kernel.plan.answers.add("shell")
    kernel.session.session = "another-incarnation"
    kernel.status("idle")
    await kernel.until(lambda received: received.msg_type == "numbered" and b"2" in received.parts[3])
    order = [received.parts[3] for received in kernel.received if received.msg_type == "numbered"]
    assert [part.decode()[-2] for part in order] == ["0", "1", "2"]
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_client_that_never_answers_pings_is_served_all_the_same(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """After ``ack_timeout`` only the socket's backpressure limits what is sent to it."""
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: {"ack_timeout": 0.3}}):
        client = await server.connect(kernel_id, protocol)
    assert client.websocket is not None
    client.websocket.protocol._send_pong = lambda _: None  # type: ignore[union-attr]
    for n in range(12):
        kernel.publish("display_data", {"n": n, "data": "x" * 100_000})
    await client.until(lambda message: message.content.get("n") == 11)
    assert [m.content["n"] for m in client.messages if m.msg_type == "display_data"] == list(range(12))


async def test_bytes_that_are_still_in_this_process_are_never_taken_for_received(
    server: Server, fake: tuple[str, FakeKernel]
) -> None:
    """The first ping is still queued behind a large result. After the cut the result is resent."""
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: {"write_high_water": 1 << 30}}):
        client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    heartbeat = connection.link.writer.heartbeat
    client.stop_reading()
    kernel.publish("execute_result", {"n": 0})
    kernel.publish("execute_result", {"data": "x" * (16 << 20)})
    stream = connection.websocket_handler.ws_connection.stream
    await eventually(lambda: unacknowledged(kernel_id) > 16 << 20 and stream.writing(), "a full socket")
    heartbeat.answered, heartbeat.first_flushed_at = False, None  # as if it had never answered
    connection.link.writer._ask_for_acknowledgement(connection.link.session, 1e9)
    assert heartbeat.first_flushed_at is None, "no ping has left yet"
    heartbeat.first_flushed_at = 0.0
    connection.link.writer._ask_for_acknowledgement(connection.link.session, 1e9)
    assert unacknowledged(kernel_id) > 16 << 20
    await client.hang_up()
    await asyncio.wrap_future(connection._close_future)
    again = await server.connect(kernel_id, session_id=client.session_id)
    assert len((await again.until(lambda message: "data" in message.content)).content["data"]) == 16 << 20


async def test_what_several_sessions_wait_for_counts_once_in_the_limits_of_the_server(
    server: Server, fake: tuple[str, FakeKernel]
) -> None:
    """For example, each reload of a page leaves a detached session, and all of them wait for the same images."""
    kernel_id, kernel = fake
    gone = [await server.live(kernel_id) for _ in range(4)]
    await eventually(lambda: unacknowledged(kernel_id) == 0, "the acknowledgement of all that was sent")
    for client in gone:
        await leave(server, kernel_id, client)
    before = registry_of(server.kernels).memory()
    for _ in range(10):
        kernel.publish("display_data", buffers=[b"x" * (1 << 20)])
    await eventually(lambda: waiting(kernel_id) == 40, "the images in all sessions")
    counted = registry_of(server.kernels).memory() - before
    each = [client_session.spill.memory_bytes() for client_session in sessions_of(kernel_id)]
    assert min(each) > 10 << 20
    assert 10 << 20 < counted < 12 << 20


async def test_a_session_that_was_ended_for_another_is_told_when_it_comes_back(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: {"max_detached_sessions": 1}}):
        first, second = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
        await leave(server, kernel_id, first)
        kernel.publish("display_data", {"n": 0})
        await eventually(lambda: waiting(kernel_id) > 0, "output for the first")
        with server.logged() as lines:
            await leave(server, kernel_id, second)
        assert any(first.session_id in line and "max_detached_sessions = 1" in line for line in lines)
        again = await server.live(kernel_id, protocol, first.session_id)
        assert "max_detached_sessions (now 1)" in texts(again)
