"""Sockets that are opened when they are needed, and shell messages that wait for stdin.

Upstream opens all of a client's sockets with the connection, and sends to shell whether or not the kernel knows the client's
stdin. Against bare sockets in this process; waits for arrivals, never for time.
"""

import logging
import socket as sockets
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from kernelws import _core
from kernelws.errors import ChannelUnavailable
from kernelws.kernel.connect import Connector
from kernelws.sockets import channel as channels
from kernelws.sockets.channel import ASKS_NO_INPUT, Channel
from tests.parity.messages import DELIMITER
from tests.support.wait import eventually

Socket = zmq.Socket[bytes]
LOG = logging.getLogger("channels")
IDENTITY = b"session"
SIGNER = _core.Signer(b"", "hmac-sha256")


def receiver() -> _core.Receiver:
    return _core.Receiver(b"", "hmac-sha256")


class Kernel:
    """The ROUTER sockets of a kernel, and a kernel manager that records the connections to them."""

    def __init__(self) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.routers: dict[str, Socket] = {}
        self.new_ports()
        self.connected: list[str] = []
        self.manager: Any = SimpleNamespace(context=self.context)
        self.manager.connect_shell = lambda identity: self.connect("shell", identity)
        self.manager.connect_stdin = lambda identity: self.connect("stdin", identity)

    def new_ports(self) -> None:
        for router in self.routers.values():
            router.close()
        self.routers = {name: self.bound() for name in ("shell", "stdin")}

    def bound(self) -> Socket:
        router: Socket = self.context.socket(zmq.ROUTER)
        router.set(zmq.ROUTER_MANDATORY, 1)  # a prompt to an unknown identity raises an error; a real kernel would lose it
        router.bind("tcp://127.0.0.1:*")
        return router

    def connect(self, name: str, identity: bytes) -> Socket:
        socket: Socket = self.context.socket(zmq.DEALER)
        socket.set(zmq.IDENTITY, identity)
        socket.connect(str(self.routers[name].get_string(zmq.LAST_ENDPOINT)))
        self.connected.append(name)
        return socket

    def channels(self) -> tuple[Channel, Channel]:
        """A session's stdin and shell."""
        stdin = Channel("stdin", Connector(self.manager, "stdin", IDENTITY), receiver, LOG)
        return stdin, Channel("shell", Connector(self.manager, "shell", IDENTITY), receiver, LOG, stdin=stdin)

    async def got(self, count: int) -> list[str]:
        """The types of the first messages on shell."""
        found: list[str] = []

        def look() -> bool:
            while int(self.routers["shell"].get(zmq.EVENTS)) & zmq.POLLIN:
                header = self.routers["shell"].recv_multipart()[3]
                found.append(header.decode().split('"')[3])
            return len(found) >= count

        await eventually(look, "messages")
        return found


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.context.destroy(linger=0)


@pytest.fixture
def silent(kernel: Kernel) -> Iterator[None]:
    """A kernel whose stdin accepts connections but sends no greeting, like a stopped process."""
    with sockets.create_server(("127.0.0.1", 0)) as listening:
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        kernel.routers["stdin"].close()
        kernel.routers["stdin"] = SimpleNamespace(get_string=lambda _: address, close=lambda: None)  # type: ignore[assignment]
        yield


def request(msg_type: str) -> _core.ClientMessage:
    parts = [f'{{"msg_type":"{msg_type}","msg_id":"a"}}'.encode(), b"{}", b"{}", b"{}"]
    return _core.decode_v1(_core.encode_v1("shell", parts))


def close(*opened: Channel) -> None:
    for channel in opened:
        channel.close(linger=0)


async def test_a_channel_opens_its_socket_when_it_is_first_needed(kernel: Kernel) -> None:
    stdin, shell = kernel.channels()
    for channel in (stdin, shell):
        channel.on_recv(print)
        assert not channel.closed()
        assert not channel.sending()
        assert channel.flush() == 0
    assert kernel.connected == []
    shell.send_signed(SIGNER, request("kernel_info_request"))
    assert await kernel.got(1) == ["kernel_info_request"]
    assert kernel.connected == ["shell"]
    assert not stdin.socket.closed  # reading the attribute opens the socket
    assert kernel.connected == ["shell", "stdin"]
    close(stdin, shell)


async def test_a_channel_that_nobody_needed_is_closed_without_a_socket(kernel: Kernel) -> None:
    stdin, _ = kernel.channels()
    stdin.close()
    assert stdin.closed()
    assert stdin.socket.closed
    assert kernel.connected == []


@pytest.mark.parametrize("msg_type", sorted(ASKS_NO_INPUT))
async def test_what_asks_for_no_input_needs_no_stdin(kernel: Kernel, msg_type: str) -> None:
    stdin, shell = kernel.channels()
    shell.send_signed(SIGNER, request(msg_type))
    assert await kernel.got(1) == [msg_type]
    assert kernel.connected == ["shell"]
    close(stdin, shell)


def signed(shell: Channel) -> None:
    shell.send_signed(SIGNER, request("execute_request"))


def by_others(shell: Channel) -> None:
    shell.send_multipart([DELIMITER, b"", b'{"msg_type":"execute_request"}', b"{}", b"{}", b"{}"])


@pytest.mark.parametrize("send", [signed, by_others])
async def test_a_kernel_that_gets_work_can_ask_for_input(kernel: Kernel, send: Callable[[Channel], None]) -> None:
    """A cell is sent after the greeting: before it, the kernel would lose the cell's prompt."""
    for _ in range(50):
        stdin, shell = kernel.channels()
        prompts: list[Any] = []
        stdin.on_recv(prompts.append)
        send(shell)
        assert await kernel.got(1) == ["execute_request"]
        kernel.routers["stdin"].send_multipart([IDENTITY, b"prompt"])
        await eventually(prompts.copy, "the prompt")
        close(stdin, shell)
        kernel.new_ports()


async def test_the_order_is_kept_while_messages_wait_for_stdin(kernel: Kernel) -> None:
    stdin, shell = kernel.channels()
    sent = ["kernel_info_request", "execute_request", "kernel_info_request", "comm_msg", "complete_request"]
    for msg_type in sent:
        shell.send_signed(SIGNER, request(msg_type))
    assert shell.sending()
    assert await kernel.got(len(sent)) == sent
    assert not shell.sending()
    assert kernel.connected == ["shell", "stdin"]
    close(stdin, shell)


@pytest.mark.usefixtures("silent")
async def test_a_stdin_that_never_answers_does_not_keep_a_cell(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "GREETING_TIMEOUT", 0.05)
    stdin, shell = kernel.channels()
    signed(shell)
    assert await kernel.got(1) == ["execute_request"]
    signed(shell)
    assert not shell.sending()  # it has waited once
    assert await kernel.got(1) == ["execute_request"]
    close(stdin, shell)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("first", ["stdin", "shell"])
async def test_what_waits_for_stdin_goes_out_when_the_session_ends(kernel: Kernel, first: str) -> None:
    """If a client sends a cell and disconnects at once, the cell is run."""
    stdin, shell = kernel.channels()
    signed(shell)
    assert shell.sending()
    for channel in (stdin, shell) if first == "stdin" else (shell, stdin):
        channel.close()
    assert await kernel.got(1) == ["execute_request"]


@pytest.mark.usefixtures("silent")
async def test_what_waits_for_stdin_follows_the_kernel_to_new_ports(kernel: Kernel) -> None:
    stdin, shell = kernel.channels()
    signed(shell)
    kernel.new_ports()
    for channel in (stdin, shell):
        channel.move()
    assert shell.sending()
    assert await kernel.got(1) == ["execute_request"]
    kernel.routers["stdin"].send_multipart([IDENTITY, b"prompt"])
    close(stdin, shell)


async def test_new_ports_are_greeted_again(kernel: Kernel) -> None:
    stdin, shell = kernel.channels()
    signed(shell)
    assert await kernel.got(1) == ["execute_request"]
    kernel.new_ports()
    for channel in (stdin, shell):
        channel.move()
    signed(shell)
    assert shell.sending()
    assert await kernel.got(1) == ["execute_request"]
    kernel.routers["stdin"].send_multipart([IDENTITY, b"prompt"])
    close(stdin, shell)


@pytest.mark.parametrize("fails", ["stdin", "shell"])
async def test_a_socket_that_cannot_be_opened_is_an_error_of_the_send(kernel: Kernel, fails: str) -> None:
    stdin, shell = kernel.channels()
    works = getattr(kernel.manager, f"connect_{fails}")

    def fail(identity: bytes) -> Any:
        raise OSError(24, "Too many open files")

    setattr(kernel.manager, f"connect_{fails}", fail)
    with pytest.raises(ChannelUnavailable, match=f"{fails}: .*Too many open files"):
        signed(shell)
    setattr(kernel.manager, f"connect_{fails}", works)
    signed(shell)
    assert await kernel.got(1) == ["execute_request"]
    close(stdin, shell)


async def test_only_stdin_waits_for_the_greeting_and_the_manager_keeps_its_options(kernel: Kernel) -> None:
    stdin, shell = kernel.channels()
    assert [stdin.socket.get(zmq.IMMEDIATE), shell.socket.get(zmq.IMMEDIATE)] == [1, 0]
    assert kernel.context.sockopts == {}
    kernel.context.setsockopt(zmq.IMMEDIATE, 0)  # a manager that has set it itself
    with kernel.context.socket(zmq.DEALER):
        Connector(kernel.manager, "stdin", b"other")().close()
    assert kernel.context.sockopts == {zmq.IMMEDIATE: 0}
    close(stdin, shell)
