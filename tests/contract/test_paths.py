"""The Python files that a message passes, as docs/how.md names them, in the order in which they are first called.

Records the interpreter's calls while one ordinary message passes, with default settings, in both subprotocols. These are the
files that a newcomer has to read.
"""

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import pytest

import kernelws
from kernelws import ZMQChannelsWebsocketConnection
from kernelws.kernel.kernel import kernel_of
from kernelws.sockets.poller import SocketPoller
from tests.support.client import Message
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import unacknowledged
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGE = str(Path(kernelws.__file__).parent) + "/"
PAGE = Path(__file__).parents[2] / "docs" / "how.md"
MOST = {"kernel to client": 9, "client to kernel": 7, "resume": 10}


class Watch:
    """A context manager: ``files`` are those of the package that are called in it, each once, in order."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def __enter__(self) -> Self:
        sys.setprofile(self._called)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE) and (name := file.removeprefix(PACKAGE)) not in self.files:
            self.files.append(name)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, watched whenever it is called."""

        def watched(*arguments: Any, **named: Any) -> Any:
            with self:
                return function(*arguments, **named)

        return watched


def documented(path: str) -> list[str]:
    """The files that the page names for one way."""
    found = re.search(rf"^Python files, {path}: ((?:`[^`]+`,?\s*)+)\.", PAGE.read_text(), re.MULTILINE)
    assert found, f"{PAGE.name} has no line for {path}"
    return re.findall(r"`([\w/]+\.py)`", found[1])


def is_message(msg_id: str, message: Message) -> bool:
    return bool(message.header["msg_id"] == msg_id)


@pytest.mark.parametrize("path", MOST)
async def test_the_page_names_no_more_files_than_a_newcomer_reads(path: str) -> None:
    assert 0 < len(documented(path)) <= MOST[path]


async def test_the_way_from_the_kernel_to_a_client(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await eventually(lambda: unacknowledged(kernel_id) == 0, "a quiet session")
    watch, reader = Watch(), kernel_of(server.kernels.get_kernel(kernel_id)).feed.reader
    assert reader is not None
    poller = reader.poller
    # the handler that the event loop calls was bound when the socket was opened
    poller.loop.remove_handler(poller.socket)
    monkeypatch.setattr(SocketPoller, "_on_event", watch.around(SocketPoller._on_event))
    poller.loop.add_handler(poller.socket, poller._on_event, poller.loop.READ)
    for _ in range(1000):  # the first one may come less than 50 ms after the last ping
        sent = kernel.stream("text")["header"]["msg_id"]
        await client.until(partial(is_message, sent))
        if "client/heartbeat.py" in watch.files:
            break
    assert watch.files == documented("kernel to client")


async def test_the_way_from_a_client_to_the_kernel(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await client.execute("1")
    await kernel.until("execute_request")  # stdin has greeted: the second message waits for nothing
    connection = server.connection(kernel_id, client)
    with Watch() as watch:
        connection.handle_incoming_message(client.encode(client.message("execute_request", {"code": "2"}), "shell"))
    assert watch.files == documented("client to kernel")


async def test_the_way_of_a_resume(
    server: Server, fake: tuple[str, FakeKernel], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From ``connect`` to the first message that is written again."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await client.close()
    waits = kernel.stream("what it has missed")
    watch = Watch()
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", watch.around(ZMQChannelsWebsocketConnection.connect))
    again = await server.connect(kernel_id, protocol, client.session_id)
    await again.until(lambda seen: seen.header["msg_id"] == waits["header"]["msg_id"])
    assert watch.files == documented("resume")
