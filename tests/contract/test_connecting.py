"""How a connection begins: prepare, connect, close codes, the first connection to a kernel.

In stock a failed ``connect()`` returns None, which the handler awaits: the socket breaks without a close frame.
"""

import asyncio
import errno
import inspect
import socket
from typing import Any

import pytest
import zmq
from tornado import web
from tornado.httpclient import HTTPClientError

import kernelws
from kernelws.session.registry import registry_of
from kernelws.sockets.poller import take_socket
from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.offline import Offline
from tests.support.server import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Base = kernelws.ZMQChannelsWebsocketConnection


async def test_prepare_is_a_coroutine_and_runs_before_the_handshake(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``prepare()`` is a coroutine, runs before the handshake."""
    kernel_id, _ = fake
    states: list[Any] = []

    class Watching(Base):
        async def prepare(self) -> None:
            states.append(self.websocket_handler.ws_connection)
            await super().prepare()

    assert inspect.iscoroutinefunction(Base.prepare)
    with server.connection_class(Watching):
        await server.live(kernel_id)
    assert states == [None]


async def test_a_kernel_that_cannot_start_is_a_500_with_a_reason(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Sets ``execution_state = "dead"`` and ``reason`` and raises ``web.HTTPError(500)``."""
    kernel_id, _ = fake
    manager = server.kernels.get_kernel(kernel_id)
    before, manager._ready = manager._ready, asyncio.get_running_loop().create_future()
    manager._ready.set_exception(RuntimeError("no such interpreter"))
    try:
        with pytest.raises(web.HTTPError, match="no such interpreter") as error:
            await Offline(server, kernel_id).connection.prepare()
        assert error.value.status_code == 500
        model = await server.rest(f"kernels/{kernel_id}")
        assert (model["execution_state"], model["reason"]) == ("dead", "no such interpreter")
        with pytest.raises(HTTPClientError) as refused:
            await server.connect(kernel_id)
        assert refused.value.code == 500
    finally:
        manager._ready = before


@pytest.mark.logs_exceptions
async def test_a_kernel_that_never_lives_is_a_timeout(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """As upstream: "Kernel never reached an 'alive' state"."""
    kernel_id, _ = fake
    offline = Offline(server, kernel_id)

    async def dead() -> bool:
        return False

    offline.connection.kernel_manager.stop_restarter()
    offline.connection.kernel_manager.is_alive = dead
    try:
        with server.kernels_with(kernel_info_timeout=0.05), pytest.raises(TimeoutError, match="alive"):
            await offline.connection.prepare()
    finally:
        del offline.connection.kernel_manager.is_alive


async def test_connect_counts_before_it_returns(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """It has called ``notify_connect`` when it returns, and returns an awaitable."""
    kernel_id, _ = fake
    connection = Offline(server, kernel_id).connection
    assert not inspect.iscoroutinefunction(Base.connect)
    await connection.prepare()
    awaitable = connection.connect()
    assert server.kernels._kernel_connections[kernel_id] == 1
    assert inspect.isawaitable(awaitable)
    await awaitable
    connection.disconnect()
    assert server.kernels._kernel_connections[kernel_id] == 0


async def test_the_rest_model_counts_as_soon_as_the_handshake_is_done(server: Server) -> None:
    """The REST model says ``connections: 1`` as soon as the client's handshake is done."""
    kernel_id, _ = await server.start_fake(Plan(answers=set()))
    with server.kernels_with(kernel_info_timeout=0.05):
        client = await server.connect(kernel_id)
    assert (await server.rest(f"kernels/{kernel_id}"))["connections"] == 1
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


FAILURES: list[Exception] = [
    web.HTTPError(500, "the sockets are gone"),
    web.HTTPError(404, "Kernel does not exist"),
    zmq.ZMQError(errno.EMFILE),
    OSError(24, "Too many open files"),
    RuntimeError("whatever"),
]


@pytest.mark.logs_exceptions
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: f"{type(error).__name__}")
@pytest.mark.parametrize("on_demand", [False, True])
@pytest.mark.parametrize("at", ["stdin", "shell", "control"])
async def test_a_failed_connect_closes_with_a_code_and_a_reason(
    server: Server, fake: tuple[str, FakeKernel], error: Exception, at: str, on_demand: bool
) -> None:
    """``connect()`` returns an awaitable. If it fails, the WebSocket is closed with a code and a reason first.

    A socket that is opened on demand fails at the message that needs it, in the same way.
    """
    kernel_id, _ = fake
    opened: list[Any] = []

    class Failing(Base):
        async def prepare(self) -> None:
            await super().prepare()
            kernel_manager, name = self.kernel_manager, f"connect_{at}"

            def fail(*_: Any, **__: Any) -> Any:
                delattr(kernel_manager, name)
                raise error

            setattr(kernel_manager, name, fail)

        def create_stream(self) -> None:
            try:
                super().create_stream()
            finally:
                opened.extend(self.channels.values())

    traits = {"ZMQChannelsWebsocketConnection": {"sockets_on_demand": on_demand}}
    later = on_demand and at != "shell"
    with server.configured(**traits), server.connection_class(Failing), server.logged() as lines:
        client = await server.connect(kernel_id)
        if later:
            await client.send("execute_request", {"code": ""}, "control" if at == "control" else "shell")
        code, reason = await client.until_closed()
    assert code == 1011
    assert reason
    assert server.kernels._kernel_connections[kernel_id] == 0
    # a connection that fails later has a session, which keeps its channels
    assert later or all(channel.closed() for channel in opened)
    assert not any(TOKEN in line for line in lines)
    await server.live(kernel_id)  # the failed connection does not affect the next one


@pytest.mark.parametrize("at", ["shell", "control"])
async def test_a_probe_that_cannot_be_opened_closes_at_once_and_leaves_nothing(server: Server, at: str) -> None:
    """A nudge opens its own sockets. If that fails, the client must not wait as for a kernel that does not answer."""
    kernel_id, _ = await server.start_fake(Plan(answers=set(), welcome=False))
    made: list[Any] = []

    class Failing(Base):
        def nudge(self) -> Any:
            manager = self.kernel_manager
            other = "control" if at == "shell" else "shell"
            connect = getattr(manager, f"connect_{other}")

            def keep(*arguments: Any, **options: Any) -> Any:
                made.append(take_socket(connect(*arguments, **options)))
                return made[-1]

            def fail(*_: Any, **__: Any) -> Any:
                raise OSError(24, "Too many open files")

            setattr(manager, f"connect_{other}", keep)
            setattr(manager, f"connect_{at}", fail)
            try:
                return super().nudge()
            finally:
                delattr(manager, f"connect_{other}")
                delattr(manager, f"connect_{at}")

    with server.kernels_with(kernel_info_timeout=0.05), server.connection_class(Failing), server.logged():
        client = await server.connect(kernel_id)
        code, reason = await client.until_closed()
    assert code == 1011
    assert reason == "The kernel's channels cannot be opened: [Errno 24] Too many open files"
    assert all(socket.closed for socket in made)
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_a_wrong_setting_is_said_at_the_first_connection_and_prevents_none(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """On Kernel Gateway no extension has logged the wrong settings before."""
    kernel_id, kernel = fake
    registry_of(server.kernels).announced = False
    wrong = {"overload": "x", "resume_timout": 1, "stream_backlog_limit": -5, "spool_dir": "\0", "resume_timeout": 7.0}
    with server.configured(ZMQChannelsWebsocketConnection=wrong), server.logged() as lines:
        client = await server.live(kernel_id, protocol)
        other = await server.live(kernel_id, protocol)
    kernel.publish("arrives")
    await client.until("arrives")
    await other.until("arrives")
    assert server.connection(kernel_id, client).resume_timeout == 7.0
    assert sum("a setting of ZMQChannelsWebsocketConnection is not" in line for line in lines) == 4
    assert not any("not recognized" in line for line in lines), "traitlets says it for each object"


async def test_a_kernel_that_does_not_answer_ends_with_a_code_and_a_reason(server: Server) -> None:
    """The code is neither 1000 nor 1001: after these JupyterLab would not reconnect."""
    kernel_id, kernel = await server.start_fake(Plan(answers=set(), welcome=False))
    with server.kernels_with(kernel_info_timeout=0.05):
        client = await server.connect(kernel_id)
        code, reason = await client.until_closed()
    assert code not in {None, 1000, 1001}
    assert reason
    kernel.plan.answers.add("shell")
    await server.live(kernel_id)
    await server.close_clients()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_prepare_gives_up_after_kernel_info_timeout(server: Server) -> None:
    """As upstream's ``give_up``, because a browser must get a response to its handshake."""
    kernel_id, _ = await server.start_fake(Plan(answers=set()))
    connection = Offline(server, kernel_id, kernel_info_timeout=0.05).connection
    with server.logged() as lines:
        await connection.prepare()
    assert any("Timeout waiting for kernel_info reply" in line for line in lines)
    connection.disconnect()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


@pytest.mark.parametrize("answers", ["shell", "control"])
async def test_prepare_takes_the_first_answer_of_shell_and_control(server: Server, answers: str) -> None:
    """One answer, on either channel, is enough. Stock asks on shell only, and waits for a running cell up to 60 s."""
    kernel_id, kernel = await server.start_fake(Plan(answers={answers}))
    client = await server.live(kernel_id)
    assert {probe.channel for probe in kernel.probes} == {"shell", "control"}
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_only_one_kernel_info_request_is_under_way(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """The answer is kept on the kernel manager, whoever asks."""
    kernel_id, kernel = fake
    await asyncio.gather(*(server.connect(kernel_id) for _ in range(5)))
    assert len(kernel.probes) == 2  # one on shell, one on control
    await server.live(kernel_id)
    assert len(kernel.probes) == 2


async def test_tcp_nodelay_is_set(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Tornado does not set TCP_NODELAY on WebSockets, nor does stock: a request then takes 43 ms instead of 1.2."""
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    stream = server.connection(kernel_id, client).websocket_handler.ws_connection.stream
    assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_a_session_id_that_is_open_replaces_the_stale_connection(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """A session id is an identity: unique per connection."""
    kernel_id, kernel = fake
    old = await server.live(kernel_id, protocol)
    with server.logged() as lines:
        new = await server.live(kernel_id, protocol, old.session_id)
    await old.until_closed()
    assert any("Replacing stale connection" in line for line in lines)
    request = await new.send("hello")
    received = await kernel.until("hello")
    kernel.reply(received)
    await new.until(lambda message: message.parent_id == request["header"]["msg_id"])
    assert server.kernels._kernel_connections[kernel_id] == 1


async def test_an_unsupported_scheme_is_a_clear_error(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """An unsupported scheme is a clear error when the connection is made."""
    kernel_id, _ = fake
    connection = Offline(server, kernel_id).connection
    session = connection.kernel_manager.session
    before = session.signature_scheme
    try:
        session._trait_values["signature_scheme"] = "hmac-shake_128"
        with pytest.raises(web.HTTPError, match="shake_128") as error:
            await connection.prepare()
        assert error.value.status_code == 500
    finally:
        session._trait_values["signature_scheme"] = before
    connection.disconnect()
