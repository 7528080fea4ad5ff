"""What is hidden from clients on their WebSocket is hidden in executions too: tracebacks, types that are not allowed, and all
output of a kernel whose messages a handler or a subclass may change or drop.

A fake kernel publishes what must not be seen. If executions of a kernel are not kept, its routes answer as for an unknown kernel.
"""

import asyncio
from typing import Any

import pytest
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

import kernelws
from kernelws.session.registry import registry_of
from tests.support.executions import Executions, text
from tests.support.fake_kernel import FakeKernel, Received
from tests.support.raw_http import send
from tests.support.server import TOKEN, Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Base = kernelws.ZMQChannelsWebsocketConnection
SECRET = "secret source line"
ERROR: dict[str, Any] = {"ename": "SecretError", "evalue": SECRET, "traceback": [SECRET, "secret frame"]}
HIDDEN = {
    "ename": "ExecutionError",
    "evalue": "Execution error",
    "traceback": ["An exception occurred at runtime, which is not shown due to security reasons."],
}
GONE = (404, "no such kernel, or its executions are not kept")


@pytest.fixture
def api(server: Server, fake: tuple[str, FakeKernel]) -> Executions:
    return Executions(server, fake[0])


def answer(kernel: FakeKernel, request: Received, *, error: bool = False) -> None:
    """What a kernel says about an execution."""
    kernel.status("busy", request)
    kernel.publish("execute_input", {"code": SECRET, "execution_count": 3}, request)
    kernel.stream(f"{SECRET}\n", request)
    if error:
        kernel.publish("error", ERROR, request)
    kernel.reply(request, {"status": "error", "execution_count": 3, **ERROR} if error else {"status": "ok", "execution_count": 3})
    kernel.status("idle", request)


async def requested(kernel: FakeKernel, execution_id: str) -> Received:
    return await kernel.until(lambda request: request.message["header"]["msg_id"] == execution_id)


async def have_run(api: Executions, kernel: FakeKernel) -> str:
    """An execution that has ended."""
    execution_id = await api.run("1")
    answer(kernel, await requested(kernel, execution_id))
    assert text(await api.done(execution_id)) == f"{SECRET}\n"
    return execution_id


async def gone(server: Server, api: Executions, execution_id: str) -> None:
    """All routes answer as for an unknown kernel, byte for byte."""
    unknown = Executions(server, "00000000-0000-0000-0000-000000000000")
    routes: list[tuple[str, str, Any]] = [
        ("", "GET", None),
        ("", "POST", {"code": "1"}),
        (f"/{execution_id}", "GET", None),
        (f"/{execution_id}", "DELETE", None),
    ]
    routes += [(f"/{execution_id}/input", "POST", {"value": "1"}), (f"/{execution_id}/interrupt", "POST", None)]
    routes.append(("/saved", "POST", {"ids": [execution_id]}))
    for path, method, body in routes:
        assert await api.status(path, method, body) == GONE
        assert (await api.ask(path, method, body)).body == (await unknown.ask(path, method, body)).body


async def showing(api: Executions, kernel: FakeKernel) -> tuple[Any, dict[str, Any]]:
    """A request that runs and has shown a text, and the execution as it was read then."""
    execution_id = await api.run("1")
    request = await requested(kernel, execution_id)
    kernel.stream("shown", request)
    return request, await api.until(execution_id, text)


# tracebacks


async def test_tracebacks_are_hidden_of_what_ran_over_http(server: Server, fake: tuple[str, FakeKernel], api: Executions) -> None:
    _, kernel = fake
    with server.kernels_with(allow_tracebacks=False):
        execution_id = await api.run("1/0")
        answer(kernel, await requested(kernel, execution_id), error=True)
        found = await api.done(execution_id)
    assert found["status"] == "error"
    assert found["outputs"][-1] == {"output_type": "error", **HIDDEN}
    assert "ecretError" not in str(found)
    assert "frame" not in str(found)


async def test_tracebacks_are_hidden_of_what_a_page_ran(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str
) -> None:
    kernel_id, kernel = fake
    with server.kernels_with(allow_tracebacks=False):
        client = await server.live(kernel_id, protocol)
        request = await client.execute("1/0")
        answer(kernel, await requested(kernel, request["header"]["msg_id"]), error=True)
        found = await api.done(request["header"]["msg_id"])
    assert found["outputs"][-1] == {"output_type": "error", **HIDDEN}
    assert "frame" not in str(found)


async def test_tracebacks_are_hidden_of_what_a_page_takes_over(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str
) -> None:
    """Replayed and live, also in a reply to a session that has ended."""
    kernel_id, kernel = fake
    with server.kernels_with(allow_tracebacks=False):
        first = await server.live(kernel_id, protocol)
        one = (await first.execute("1/0"))["header"]["msg_id"]
        request = await requested(kernel, one)
        kernel.status("busy", request)
        await api.until(one, lambda found: found["state"] == "running")
        registry = registry_of(server.kernels)
        registry.end(next(session for session in registry.of_kernel(kernel_id)))
        pages = [await server.live(kernel_id, protocol) for _ in range(2)]
        await api.json("/attach", "POST", {"session_id": pages[0].session_id, "msg_ids": [one]})
        answer(kernel, request, error=True)
        await api.done(one)
        await api.json("/attach", "POST", {"session_id": pages[1].session_id, "msg_ids": [one]})
        for page in pages:
            reply = await page.until("execute_reply")
            assert reply.content.items() >= {"status": "error", **HIDDEN}.items()
            assert "frame" not in str(page.messages)


async def test_tracebacks_are_shown_by_default(fake: tuple[str, FakeKernel], api: Executions) -> None:
    _, kernel = fake
    execution_id = await api.run("1/0")
    answer(kernel, await requested(kernel, execution_id), error=True)
    assert (await api.done(execution_id))["outputs"][-1] == {"output_type": "error", **ERROR}


# types that are not allowed


async def test_code_is_not_run_where_execute_request_is_not_allowed(
    server: Server, fake: tuple[str, FakeKernel], api: Executions
) -> None:
    _, kernel = fake
    with server.kernels_with(allowed_message_types=["kernel_info_request", "input_reply"]):
        status, reason = await api.status("", "POST", {"code": "1"})
        assert (status, reason) == (403, "execute_request is not among allowed_message_types")
        assert (await api.json()) == {"executions": []}
    await have_run(api, kernel)
    assert [request.msg_type for request in kernel.received].count("execute_request") == 1


async def test_a_prompt_is_not_answered_where_input_reply_is_not_allowed(
    server: Server, fake: tuple[str, FakeKernel], api: Executions
) -> None:
    """It stays pending."""
    _, kernel = fake
    execution_id = await api.run("input()", allow_stdin=True)
    request = await requested(kernel, execution_id)
    kernel.status("busy", request)
    prompt = kernel.message("input_request", {"prompt": "? ", "password": False}, request)
    kernel.send("stdin", kernel.frames(prompt), request.identities[0])
    await api.until(execution_id, lambda found: found["state"] == "input")
    with server.kernels_with(allowed_message_types=["kernel_info_request", "execute_request"]):
        status, reason = await api.status(f"/{execution_id}/input", "POST", {"value": "1"})
        assert (status, reason) == (403, "input_reply is not among allowed_message_types")
    assert await api.json(f"/{execution_id}/input", "POST", {"value": "2"}) is None
    assert (await kernel.until("input_reply")).message["content"]["value"] == "2"


# hooks and handlers


class OverridesIncoming(Base):
    def handle_incoming_message(self, incoming_msg: Any) -> None:
        super().handle_incoming_message(incoming_msg)


class OverridesOutgoing(Base):
    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        super().handle_outgoing_message(stream, outgoing_msg)


class OverridesReplies(Base):
    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        super()._on_zmq_reply(stream, msg_list)


class OverridesErrors(Base):
    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None:
        super()._on_error(channel, msg, msg_list)


class OverridesWriting(Base):
    @property
    def write_message(self) -> Any:
        return super().write_message


class HandlerWrites(KernelWebsocketHandler):
    def write_message(self, message: Any, binary: bool = False) -> Any:
        return super().write_message(message, binary=binary)


class HandlerReads(KernelWebsocketHandler):
    def on_message(self, ws_message: Any) -> None:
        super().on_message(ws_message)  # type: ignore[no-untyped-call]


class HandlerWraps(KernelWebsocketHandler):
    """Filters one step further down, at tornado's WebSocket."""

    async def open(self, kernel_id: str) -> None:
        websocket: Any = self.ws_connection
        original = websocket.write_message
        websocket.write_message = lambda message, binary=False: original(message, binary=binary)
        await super().open(kernel_id)  # type: ignore[no-untyped-call]


OVERRIDING = [OverridesIncoming, OverridesOutgoing, OverridesReplies, OverridesErrors, OverridesWriting]
HANDLERS = [HandlerWrites, HandlerReads, HandlerWraps]


@pytest.mark.parametrize("cls", [*OVERRIDING, *HANDLERS])
async def test_where_messages_may_be_hidden_there_are_no_executions(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, protocol: str, cls: Any
) -> None:
    """Such a client ends the kernel's executions: earlier ones are forgotten, and later ones of any client are not kept."""
    kernel_id, kernel = fake
    execution_id = await have_run(api, kernel)
    prefix = f"/{cls.__name__}" if cls in HANDLERS else ""
    if prefix:
        server.route(prefix, cls)
    with server.connection_class(Base if prefix else cls):
        client = await server.live(kernel_id, protocol, prefix=prefix)
    await gone(server, api, execution_id)
    request = await client.execute("1")
    answer(kernel, await requested(kernel, request["header"]["msg_id"]))
    await client.idle(request)
    await gone(server, api, request["header"]["msg_id"])
    await client.close()
    plain = await server.live(kernel_id, protocol)
    await plain.execute("1")
    await gone(server, api, execution_id)


async def test_who_waits_for_output_gets_none_once_it_may_be_hidden(
    server: Server, fake: tuple[str, FakeKernel], api: Executions
) -> None:
    """A request that waits for output is answered with 404 at once, although more output comes."""
    kernel_id, kernel = fake
    request, shown = await showing(api, kernel)
    execution_id = shown["id"]
    waits = asyncio.ensure_future(api.status(f"/{execution_id}", since=shown["next"], wait=60))
    journal = server.app.web_app.settings["kernelws_executions"].journal(kernel_id)
    await eventually(lambda: journal.waits, "a request that waits")
    with server.connection_class(OverridesOutgoing):
        await server.connect(kernel_id)
    kernel.stream(SECRET, request)
    assert await waits == (404, "no such execution")
    await gone(server, api, execution_id)


async def test_an_event_stream_ends_once_output_may_be_hidden(
    server: Server, fake: tuple[str, FakeKernel], api: Executions
) -> None:
    kernel_id, kernel = fake
    request, shown = await showing(api, kernel)
    execution_id = shown["id"]
    headers = {"Authorization": f"token {TOKEN}", "Accept": "text/event-stream"}
    stream = asyncio.ensure_future(send(server.url, "GET", f"{api.url.removeprefix(server.url)}/{execution_id}", headers))
    journal = server.app.web_app.settings["kernelws_executions"].journal(kernel_id)
    await eventually(lambda: journal.waits, "a reader that waits")
    with server.connection_class(OverridesOutgoing):
        await server.connect(kernel_id)
    kernel.stream(SECRET, request)
    body = (await stream).body
    assert b"shown" in body
    assert SECRET.encode() not in body


async def patch_hook(server: Server, kernel_id: str, client: Any) -> None:
    connection = server.connection(kernel_id, client)
    connection.handle_outgoing_message = connection.handle_outgoing_message


async def patch_handler(server: Server, kernel_id: str, client: Any) -> None:
    handler = server.connection(kernel_id, client).websocket_handler
    handler.write_message = handler.write_message


@pytest.mark.parametrize("patch", [patch_hook, patch_handler])
@pytest.mark.parametrize("compressed", [False, True])
async def test_what_is_patched_on_a_live_connection_ends_executions(
    server: Server, fake: tuple[str, FakeKernel], api: Executions, patch: Any, compressed: bool
) -> None:
    """They end with the next message to that client."""
    kernel_id, kernel = fake
    execution_id = await have_run(api, kernel)
    settings = server.app.web_app.settings
    settings["websocket_compression_options"] = {} if compressed else None
    try:
        client = await server.live(kernel_id, compression_options={} if compressed else None)
    finally:
        del settings["websocket_compression_options"]
    assert (await api.status())[0] == 200
    await patch(server, kernel_id, client)
    kernel.stream("next")
    await client.until("stream")
    await gone(server, api, execution_id)


async def test_a_restart_brings_nothing_back(server: Server, fake: tuple[str, FakeKernel], api: Executions) -> None:
    kernel_id, kernel = fake
    execution_id = await have_run(api, kernel)
    with server.connection_class(OverridesOutgoing):
        client = await server.live(kernel_id)
    await client.close()
    await server.kernels.restart_kernel(kernel_id, now=True)
    await server.live(kernel_id)
    await gone(server, api, execution_id)


async def test_another_kernel_of_the_server_is_not_concerned(
    server: Server, fake: tuple[str, FakeKernel], api: Executions
) -> None:
    with server.connection_class(OverridesOutgoing):
        await server.live(fake[0])
    kernel_id, kernel = await server.start_fake()
    await have_run(Executions(server, kernel_id), kernel)
    assert await api.status() == GONE
    await server.kernels.shutdown_kernel(kernel_id, now=True)
