"""Handlers of other packages that override ``write_message`` or ``on_message``, as Voila does.

**Writing past an overridden write_message would show source that must stay hidden.** It is overridden in the handler's class,
patched on a live handler, or wrapped on tornado's WebSocket. In each case it must get every message.
"""

import json
from typing import Any

import pytest
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from tests.support.client import V1, Message
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 40


async def test_write_message_patched_on_a_live_handler_is_met(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """Contract: ``write_message`` may be a mock, its result cannot be awaited."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    handler = server.connection(kernel_id, client).websocket_handler
    written: list[Any] = []
    handler.write_message = lambda message, binary=False: written.append((message, binary))
    try:
        kernel.publish("numbered", {"n": 1})
        await client.send("hello")
        kernel.reply(await kernel.until("hello"))
        await eventually(lambda: len(written) >= 2, "two written messages")
    finally:
        del handler.write_message
    types = [Message(raw, protocol, json.loads).msg_type for raw, _ in written]
    assert sorted(types) == ["hello", "numbered"]
    assert all(binary == (protocol == "v1") for _, binary in written)
    kernel.publish("comm_open")
    await client.until("comm_open")
    assert not [message for message in client.messages if message.msg_type == "numbered"]


class Wrapping(KernelWebsocketHandler):
    """Wraps ``write_message`` of its ``ws_connection``, one step further down."""

    written = 0

    async def open(self, kernel_id: str) -> None:
        websocket: Any = self.ws_connection
        original = websocket.write_message

        def write_message(message: Any, binary: bool = False) -> Any:
            Wrapping.written += 1
            return original(message, binary=binary)

        websocket.write_message = write_message
        await super().open(kernel_id)  # type: ignore[no-untyped-call]


async def test_write_message_wrapped_on_the_websocket_is_met(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Code that wraps it, for example to count or filter messages, gets every message."""
    kernel_id, kernel = fake
    server.route("/wrapping", Wrapping)
    client = await server.live(kernel_id, protocol, prefix="/wrapping")
    before = Wrapping.written
    for n in range(5):
        kernel.publish("numbered", {"n": n})
    await client.until(lambda message: message.content.get("n") == 4)
    assert Wrapping.written - before == 5


# Voila: another handler


class VoilaHandler(KernelWebsocketHandler):
    """Hides code on the way in and out, with the same attributes of the connection that Voila uses."""

    def write_message(self, message: Any, binary: bool = False) -> Any:
        shown = message.replace(b"secret source", b"*************") if isinstance(message, bytes) else message
        if isinstance(shown, str):
            shown = shown.replace("secret source", "*************")
        return super().write_message(shown, binary=binary)

    def on_message(self, ws_message: Any) -> None:
        connection = self.connection
        if not connection.channels:
            return
        if connection.subprotocol == V1:
            channel, parts = deserialize_msg_from_ws_v1(ws_message)
            message = {"header": None, "content": None}
        else:
            message, parts = json.loads(ws_message), []
            channel = message.pop("channel")
        header = connection.get_part("header", message["header"], parts)
        if header["msg_type"] != "execute_request":
            super().on_message(ws_message)  # type: ignore[no-untyped-call]
            return
        content = connection.get_part("content", message["content"], parts)
        content["code"] = "replaced"
        stream = connection.channels[channel]
        if connection.subprotocol == V1:
            parts[3] = connection.session.pack(content)
            connection.session.send_raw(stream, parts)
        else:
            connection.session.send(stream, message)


async def test_voila_hides_source_on_both_ways(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Voila overrides the handler's ``write_message`` and its ``on_message``."""
    kernel_id, kernel = fake
    server.route("/voila", VoilaHandler)
    client = await server.live(kernel_id, protocol, prefix="/voila")
    request = await client.execute("1 + 1")
    received = await kernel.until("execute_request")
    assert received.message["content"]["code"] == "replaced"
    for _ in range(COUNT):
        kernel.publish("execute_input", {"code": "secret source"}, received)
    kernel.reply(received, {"status": "ok", "payload": ["secret source"]})
    kernel.status("idle", received)
    answers = await client.idle(request)
    assert len([message for message in answers if message.msg_type == "execute_input"]) == COUNT
    assert not [m for m in client.messages if b"secret source" in (m.raw if isinstance(m.raw, bytes) else m.raw.encode())]
    assert [m.content["code"] for m in answers if m.msg_type == "execute_input"] == ["*************"] * COUNT
