"""Methods of the class that other packages override: each is called for every message.

Each hook is overridden in a subclass, or on an instance. It must get each message once, in order, with upstream's arguments, and
what it does must take effect. ``test_handlers.py`` tests overridden handlers.
"""

import asyncio
import json
from typing import Any

import pytest

import kernelws
from tests.support.client import Client, Message
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Base = kernelws.ZMQChannelsWebsocketConnection
COUNT = 40


def publish_numbered(kernel: FakeKernel, client: Client) -> None:
    """Messages on all four channels, IOPub in a burst."""
    for channel in ("shell", "control", "stdin"):
        message = kernel.message("numbered", {"n": -1})
        kernel.send(channel, kernel.frames(message), client.session_id.encode())
    for n in range(COUNT):
        kernel.publish("numbered", {"n": n}, buffers=[b"x"] if n % 5 == 0 else ())


async def arrived(client: Client, kernel: FakeKernel) -> list[Message]:
    """The numbered messages that the client has, once the server has sent or dropped each of them."""
    mark = kernel.publish("comm_open")
    await client.until(lambda message: message.header["msg_id"] == mark["header"]["msg_id"])
    others = [m for m in client.messages if m.msg_type == "numbered" and m.channel != "iopub"]
    if len(others) < 3:
        await client.changes.until(lambda: len([m for m in client.messages if m.content == {"n": -1}]) == 3)
    return [message for message in client.messages if message.msg_type == "numbered"]


def complete(messages: list[Message]) -> bool:
    return (
        [m.content["n"] for m in messages if m.channel == "iopub"] == list(range(COUNT))
        and sorted(m.channel for m in messages if m.channel != "iopub") == ["control", "shell", "stdin"]
        and all(m.buffers == ([b"x"] if m.content["n"] >= 0 and m.content["n"] % 5 == 0 else []) for m in messages)
    )


class Seen(Base):
    """Subclasses note here what their hook has seen."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seen: list[tuple[str, int]] = []

    def note(self, channel: str, parts: list[Any]) -> None:
        header, content = (json.loads(bytes(part)) for part in (parts[0], parts[3]))
        if header["msg_type"] == "numbered":
            self.seen.append((channel, content["n"]))


class SeesOutgoing(Seen):
    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> Any:
        _, rest = self.session.feed_identities(outgoing_msg)
        self.note(stream.channel, rest[1:])
        return super().handle_outgoing_message(stream, outgoing_msg)


class SeesOutgoingAsCoroutine(Seen):
    async def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:  # type: ignore[override]
        _, rest = self.session.feed_identities(outgoing_msg)
        self.note(stream.channel, rest[1:])
        super().handle_outgoing_message(stream, outgoing_msg)


class SeesReplies(Seen):
    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        if isinstance(msg_list, dict):
            if msg_list["msg_type"] == "numbered":
                self.seen.append((stream.channel, msg_list["content"]["n"]))
        else:
            self.note(stream.channel, msg_list)
        super()._on_zmq_reply(stream, msg_list)


class SeesRates(Seen):
    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        self.note(channel, msg_list)
        return super()._limit_rate(channel, msg, msg_list)


class SeesErrors(Seen):
    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None:
        self.note(channel, msg_list)
        super()._on_error(channel, msg, msg_list)


class SeesParts(Seen):
    """``get_part`` is called for IOPub's header at least, by the limiter."""

    def get_part(self, field: str, value: Any, msg_list: list[Any]) -> Any:
        if field == "header":
            self.note("iopub", msg_list)
        return super().get_part(field, value, msg_list)


HOOKED = [SeesOutgoing, SeesOutgoingAsCoroutine, SeesReplies, SeesRates, SeesErrors]


@pytest.mark.parametrize("cls", HOOKED)
async def test_an_overridden_hook_sees_every_message_once(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, cls: type[Seen]
) -> None:
    """A subclass that overrides a hook still sees every message; the client gets them all, in order."""
    kernel_id, kernel = fake
    with server.connection_class(cls):
        client = await server.live(kernel_id, protocol)
        connection = server.connection(kernel_id, client)
    publish_numbered(kernel, client)
    assert complete(await arrived(client, kernel))
    assert [n for channel, n in connection.seen if channel == "iopub"] == list(range(COUNT))
    assert sorted(channel for channel, n in connection.seen if n == -1) == ["control", "shell", "stdin"]


async def test_an_overridden_get_part_is_asked(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The limiter calls an overridden ``get_part``."""
    kernel_id, kernel = fake
    with server.connection_class(SeesParts):
        client = await server.live(kernel_id, protocol)
        connection = server.connection(kernel_id, client)
    publish_numbered(kernel, client)
    assert complete(await arrived(client, kernel))
    assert [n for _, n in connection.seen if n >= 0][-1] == COUNT - 1


class DropsOdd(Base):
    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        content = self.get_part("content", msg["content"], msg_list)
        return super()._limit_rate(channel, msg, msg_list) or content.get("n", 0) % 2 == 1


class Rewrites(Base):
    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        _, rest = self.session.feed_identities(outgoing_msg)
        rest = [bytes(part) for part in rest]  # type: ignore[arg-type]
        parts = [part.replace(b'"n"', b'"number"') for part in rest[1:]]
        super().handle_outgoing_message(stream, [b"<IDS|MSG>", self.session.sign(parts[:4]), *parts])


class Swallows(Base):
    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        """Shows the client nothing of the kernel's."""


async def test_what_a_hook_drops_is_not_sent(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """The result of an overridden ``_limit_rate`` counts."""
    kernel_id, kernel = fake
    with server.connection_class(DropsOdd):
        client = await server.live(kernel_id, protocol)
    for n in range(COUNT):
        kernel.publish("numbered", {"n": n})
    mark = kernel.publish("comm_open")
    await client.until(lambda message: message.header["msg_id"] == mark["header"]["msg_id"])
    assert [m.content["n"] for m in client.messages if m.msg_type == "numbered"] == list(range(0, COUNT, 2))


async def test_what_a_hook_rewrites_is_sent_so(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """An overridden ``handle_outgoing_message`` may hand on another message, with or without identities."""
    kernel_id, kernel = fake
    with server.connection_class(Rewrites):
        client = await server.live(kernel_id, protocol)
    kernel.publish("numbered", {"n": 7})
    assert (await client.until("numbered")).content == {"number": 7}


async def test_nothing_passes_by_an_overridden_on_zmq_reply(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """If an overridden ``_on_zmq_reply`` sends nothing, the client gets nothing from the kernel."""
    kernel_id, kernel = fake
    with server.connection_class(Swallows):
        client = await server.connect(kernel_id, protocol)
    request = await client.send("hello")
    received = await kernel.until("hello")
    kernel.publish("numbered", {"n": 1}, received)
    kernel.reply(received)
    connection = server.connection(kernel_id, client)
    connection.write_stderr("the end", {})
    await client.until(lambda message: message.content.get("text") == "the end\n")
    assert client.of(request) == []


class Firewall(Base):
    """Forwards only some messages of a client, as some packages do."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        if b"forbidden" not in (incoming_msg if isinstance(incoming_msg, bytes) else incoming_msg.encode()):
            super().handle_incoming_message(incoming_msg)


async def test_an_overridden_handle_incoming_message_decides(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Only messages that an overridden ``handle_incoming_message`` passes on reach the kernel."""
    kernel_id, kernel = fake
    with server.connection_class(Firewall):
        client = await server.live(kernel_id, protocol)
    await client.send("forbidden_request")
    await client.send("fine_request")
    await kernel.until("fine_request")
    assert [request.msg_type for request in kernel.received] == ["fine_request"]


class Leaves(Base):
    left = 0

    def disconnect(self) -> None:  # type: ignore[override]
        Leaves.left += 1
        super().disconnect()


async def test_an_overridden_disconnect_is_called(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """An overridden ``disconnect`` is called once for each closed WebSocket."""
    kernel_id, _ = fake
    Leaves.left = 0
    with server.connection_class(Leaves):
        client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    await client.close()
    await asyncio.wrap_future(connection._close_future)
    assert Leaves.left == 1


# instances, as tests and extensions patch them


@pytest.mark.parametrize("hook", ["handle_outgoing_message", "_on_zmq_reply", "_on_error", "_limit_rate"])
async def test_a_hook_patched_on_a_live_instance_is_met(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, hook: str
) -> None:
    """A hook that is patched while the connection is live gets every later message."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    connection = server.connection(kernel_id, client)
    original, calls = getattr(connection, hook), []

    def patched(*arguments: Any) -> Any:
        calls.append(arguments)
        return original(*arguments)

    setattr(connection, hook, patched)
    kernel.publish("numbered", {"n": 1})
    await client.until("numbered")
    assert len(calls) == 1
