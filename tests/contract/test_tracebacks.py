"""``allow_tracebacks = False``: hidden on IOPub errors and in every failing reply, in both subprotocols.

Stock raises AttributeError on every error, and shell replies leak the traceback.
"""

from typing import Any

import pytest

import kernelws
from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import waiting
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "secret source line"
ERROR: dict[str, Any] = {"ename": "SecretError", "evalue": SECRET, "traceback": [SECRET, "secret frame"]}
FAILED = ERROR | {"status": "error", "execution_count": 3}
HIDDEN = {
    "ename": "ExecutionError",
    "evalue": "Execution error",
    "traceback": ["An exception occurred at runtime, which is not shown due to security reasons."],
}
EXPRESSIONS = {
    "status": "ok",
    "user_expressions": {"good": {"status": "ok", "data": {"text/plain": "1"}}, "bad": ERROR | {"status": "error"}},
}


class ByHand(kernelws.ZMQChannelsWebsocketConnection):
    """Overrides a hook, so that every message takes the per-message way."""

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        super()._on_zmq_reply(stream, msg_list)


WAYS = pytest.mark.parametrize("cls", [kernelws.ZMQChannelsWebsocketConnection, ByHand], ids=["batches", "per_message"])


def leaks(client: Client) -> list[Any]:
    return [m for m in client.messages if b"ecret" in (m.raw if isinstance(m.raw, bytes) else m.raw.encode())]


@WAYS
async def test_tracebacks_are_hidden(server: Server, fake: tuple[str, FakeKernel], protocol: str, cls: type) -> None:
    """Hidden on IOPub errors and in replies on shell and control, user expressions included."""
    kernel_id, kernel = fake
    with server.kernels_with(allow_tracebacks=False), server.connection_class(cls):
        client = await server.live(kernel_id, protocol)
        request = await client.execute("1 / 0")
        received = await kernel.until("execute_request")
        kernel.publish("error", ERROR, received, buffers=[b"kept"])
        kernel.reply(received, FAILED)
        error, reply = await client.until("error"), await client.until("execute_reply")
        assert error.content == HIDDEN
        assert error.buffers == [b"kept"]
        assert error.parent["msg_id"] == request["header"]["msg_id"]
        assert reply.content == FAILED | HIDDEN
        await client.send("debug_request", {}, "control")
        kernel.reply(await kernel.until("debug_request"), FAILED)
        assert (await client.until("debug_reply")).content == FAILED | HIDDEN
        await client.send("expressions_request")
        kernel.reply(await kernel.until("expressions_request"), EXPRESSIONS)
        expressions = (await client.until("expressions_reply")).content["user_expressions"]
        assert expressions["good"] == EXPRESSIONS["user_expressions"]["good"]  # type: ignore[index]
        assert expressions["bad"] == HIDDEN | {"status": "error"}
    assert leaks(client) == []


@WAYS
async def test_what_does_not_fail_is_byte_exact(server: Server, fake: tuple[str, FakeKernel], protocol: str, cls: type) -> None:
    """Messages without a failure pass byte for byte."""
    kernel_id, kernel = fake
    header = kernel.session.pack(kernel.message("execute_reply")["header"]).replace(b"{", b"{ ")
    parts = [header, b" {}", b"{ }", b'{"status" : "ok"}']
    with server.kernels_with(allow_tracebacks=False), server.connection_class(cls):
        client = await server.live(kernel_id, protocol)
        kernel.send("shell", kernel.signed(*parts), client.session_id.encode())
        reply = await client.until("execute_reply")
    assert reply.content == {"status": "ok"}
    if protocol == "v1":
        assert reply.parts == parts


@WAYS
async def test_tracebacks_are_shown_by_default(server: Server, fake: tuple[str, FakeKernel], protocol: str, cls: type) -> None:
    """``allow_tracebacks`` is True by default, and nothing is touched."""
    kernel_id, kernel = fake
    with server.connection_class(cls):
        client = await server.live(kernel_id, protocol)
    kernel.publish("error", ERROR)
    assert (await client.until("error")).content == ERROR


async def test_the_replacement_is_configurable(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """``traceback_replacement_message`` of the kernel manager.

    Upstream asks the kernel's own manager for it, which has no such trait: hence its AttributeError.
    """
    kernel_id, kernel = fake
    with server.kernels_with(allow_tracebacks=False, traceback_replacement_message="nothing to see"):
        client = await server.live(kernel_id, protocol)
        kernel.publish("error", ERROR)
        assert (await client.until("error")).content["traceback"] == ["nothing to see"]


async def test_an_unreadable_failure_is_not_shown(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """What cannot be read must not be shown."""
    kernel_id, kernel = fake
    header = kernel.session.pack(kernel.message("error")["header"])
    with server.kernels_with(allow_tracebacks=False):
        client = await server.live(kernel_id, protocol)
        kernel.send("iopub", kernel.signed(header, b"{}", b"{}", b'{"evalue": "secret source line", '))
        end = kernel.publish("end")
        await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])
    assert leaks(client) == []


async def test_the_buffer_does_not_leak_tracebacks(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Replayed failures are hidden too, on every channel."""
    kernel_id, kernel = fake
    with server.kernels_with(allow_tracebacks=False):
        client = await server.live(kernel_id, protocol)
        await client.execute("1 / 0")
        received = await kernel.until("execute_request")
        await client.close()
        await eventually(lambda: kernel_id in server.kernels._kernel_buffers, "buffering")
        kernel.publish("error", ERROR, received)
        kernel.reply(received, FAILED)
        await eventually(lambda: waiting(kernel_id) >= 2, "waiting messages")
        again = await server.connect(kernel_id, protocol, client.session_id)
        assert (await again.until("error")).content == HIDDEN
        assert (await again.until("execute_reply")).content == FAILED | HIDDEN
    assert leaks(again) == []


async def test_a_message_that_somebody_hands_over_is_hidden_too(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """``handle_outgoing_message`` with a kernel's own frames, which the feed has not seen."""
    kernel_id, kernel = fake
    with server.kernels_with(allow_tracebacks=False):
        client = await server.live(kernel_id, protocol)
        connection = server.connection(kernel_id, client)
        connection.handle_outgoing_message("iopub", kernel.frames(kernel.message("error", ERROR)))
        assert (await client.until("error")).content == HIDDEN
    assert not leaks(client)
