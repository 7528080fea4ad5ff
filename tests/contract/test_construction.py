"""What other packages construct, configure and look up through the class.

Names are compared with the stock class, which is the oracle: every trait with its default and its help text, every method.
"""

import inspect
import weakref
from typing import Any

import pytest
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.abc import KernelWebsocketConnectionABC
from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock
from traitlets.config import Config

import kernelws
from tests.support.fake_kernel import FakeKernel
from tests.support.offline import Offline
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Ours = kernelws.ZMQChannelsWebsocketConnection
ACCOUNTING = {
    # stock's own counters of the rate window; ours are in Rust
    "_iopub_window_msg_count",
    "_iopub_window_byte_count",
    "_iopub_msgs_exceeded",
    "_iopub_data_exceeded",
    "_iopub_window_byte_queue",
}


async def test_the_public_names() -> None:
    """Public names are pinned."""
    assert kernelws.__all__ == [
        "IntakeUnavailable",
        "KernelwsError",
        "MalformedMessage",
        "SignatureError",
        "UnsupportedScheme",
        "ZMQChannelsWebsocketConnection",
        "__version__",
    ]
    assert all(hasattr(kernelws, name) for name in kernelws.__all__)


async def test_every_name_of_upstream_exists() -> None:
    """The public class has all of upstream's methods, with upstream's parameters."""
    for name, theirs in vars(Stock).items():
        if name.startswith("__") or name in ACCOUNTING:
            continue
        assert hasattr(Ours, name), name
        if inspect.isfunction(theirs):
            ours = inspect.signature(getattr(Ours, name))
            assert list(ours.parameters) == list(inspect.signature(theirs).parameters), name
            assert inspect.iscoroutinefunction(getattr(Ours, name)) == inspect.iscoroutinefunction(theirs), name


async def test_every_trait_of_upstream_exists_with_its_default_and_help() -> None:
    """Every trait, default and help text of upstream is kept."""
    for name, theirs in Stock.class_traits().items():
        if name in ACCOUNTING:
            continue
        ours = Ours.class_traits()[name]
        assert type(ours) is type(theirs), name
        assert ours.default_value == theirs.default_value, name
        assert ours.help == theirs.help, name
        assert ours.metadata.get("config") == theirs.metadata.get("config"), name


async def test_it_does_not_inherit_the_stock_class_but_its_name() -> None:
    """A class of its own under upstream's name; a section is passed on by class name."""
    assert not issubclass(Ours, Stock)
    assert issubclass(Ours, BaseKernelWebsocketConnection)
    assert issubclass(Ours, KernelWebsocketConnectionABC)
    assert Ours.__name__ == "ZMQChannelsWebsocketConnection"


async def test_construction(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``Cls(parent=..., websocket_handler=..., config=...)`` and what it offers."""
    kernel_id, _ = fake
    offline = Offline(server, kernel_id)
    connection = offline.connection
    assert connection.kernel_manager is server.kernels.get_kernel(kernel_id)
    assert connection.multi_kernel_manager is server.kernels
    assert connection.kernel_id == kernel_id
    assert isinstance(connection.session, Session)
    assert connection.session_id == connection.session.session
    assert connection.websocket_handler is offline.handler
    assert connection.kernel_info_timeout == server.kernels.kernel_info_timeout
    assert connection.channels == {}
    assert connection.kernel_info_channel is None


async def test_channels_are_not_shared_between_connections(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``channels`` is an assignable dictionary of each connection's own."""
    kernel_id, _ = fake
    one, other = Offline(server, kernel_id).connection, Offline(server, kernel_id).connection
    one.channels["shell"] = None
    assert other.channels == {}
    other.channels = {"control": None}
    assert one.channels == {"shell": None}


async def test_a_session_id_set_later_changes_key_and_identity(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``conn.session.session = "..."`` changes both ``session_key`` and the ZMQ identity."""
    kernel_id, kernel = fake
    offline = Offline(server, kernel_id)
    connection = offline.connection
    connection.session.session = "a-session-of-mine"
    await connection.prepare()
    await connection.connect()
    assert connection.session_key == f"{kernel_id}:a-session-of-mine"
    for channel in ("shell", "control", "stdin"):
        connection.session.send(connection.channels[channel], "hello")
        received = await kernel.until(lambda request, channel=channel: request.channel == channel)  # type: ignore[misc]
        assert received.identities == [b"a-session-of-mine"]
    connection.disconnect()


async def test_configuration_by_class_name(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``c.ZMQChannelsWebsocketConnection.*`` applies."""
    kernel_id, _ = fake
    values: dict[str, Any] = {
        "limit_rate": False,
        "iopub_msg_rate_limit": 1.5,
        "iopub_data_rate_limit": 2.5,
        "rate_limit_window": 3.5,
        "kernel_ws_protocol": "",
        "verify_signatures": False,
    }
    with server.configured(ZMQChannelsWebsocketConnection=values):
        connection = Offline(server, kernel_id).connection
    assert {name: getattr(connection, name) for name in values} == values


@pytest.mark.parametrize(
    ("setting", "offered", "selected"),
    [
        (None, ["v1.kernel.websocket.jupyter.org"], "v1.kernel.websocket.jupyter.org"),
        (None, [], None),
        ("", ["v1.kernel.websocket.jupyter.org"], None),
        ("other", ["v1.kernel.websocket.jupyter.org", "other"], "other"),
    ],
)
async def test_kernel_ws_protocol_chooses_the_subprotocol(
    server: Server, fake: tuple[str, FakeKernel], setting: str | None, offered: list[str], selected: str | None
) -> None:
    """The handler asks the connection's ``kernel_ws_protocol``."""
    kernel_id, _ = fake
    offline = Offline(server, kernel_id, kernel_ws_protocol=setting)
    assert offline.handler.select_subprotocol(offered) == selected


async def test_the_registries(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``_open_sockets`` holds connections weakly; ``_open_sessions`` session key -> handler."""
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    assert isinstance(Ours._open_sockets, weakref.WeakSet)
    assert connection in Ours._open_sockets
    assert type(connection)._open_sockets is Ours._open_sockets
    assert Ours._open_sessions[f"{kernel_id}:{client.session_id}"] is connection.websocket_handler


async def test_a_session_is_removed_by_its_owner_only(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``_open_sessions``: removed only by its owner."""
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    connection = server.connection(kernel_id, client)
    other = Offline(server, kernel_id)
    key = connection.session_key
    Ours._open_sessions[key] = other.handler
    connection.disconnect()
    assert Ours._open_sessions.pop(key) is other.handler


async def test_subclasses_share_the_registries(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """``close_all`` of any class ends them all: they are found through the class object."""

    class Sub(Ours):
        pass

    kernel_id, _ = fake
    with server.connection_class(Sub):
        client = await server.live(kernel_id)
    assert server.connection(kernel_id, client) in Ours._open_sockets
    await Ours.close_all()
    assert not Ours._open_sockets
    assert server.kernels._kernel_connections[kernel_id] == 0


async def test_close_all_waits_until_all_are_closed(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Contract: ``ServerApp._cleanup`` and Jupyter Kernel Gateway await the classmethod ``close_all()``."""
    kernel_id, _ = fake
    clients = [await server.live(kernel_id) for _ in range(3)]
    connections = [server.connection(kernel_id, client) for client in clients]
    await Ours.close_all()
    assert all(connection._close_future.done() for connection in connections)
    assert all(connection.channels == {} for connection in connections)


async def test_the_class_can_be_set_by_configuration_alone() -> None:
    """Jupyter Kernel Gateway has no extensions."""
    from jupyter_server.serverapp import ServerApp

    config = Config({"ServerApp": {"kernel_websocket_connection_class": "kernelws.ZMQChannelsWebsocketConnection"}})
    assert ServerApp(config=config).kernel_websocket_connection_class is Ours
