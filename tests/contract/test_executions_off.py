"""Executions that are turned off: no routes, no journal. ``buffer_offline_messages = False`` turns them off too, unless they are
turned on explicitly.

One server for each configuration.
"""

from typing import Any

import pytest

from kernelws.kernel import journals
from kernelws.kernel.kernel import kernel_of
from tests.support.executions import Executions
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIDGE = "ZMQChannelsWebsocketConnection"
MANAGER = "AsyncMappingKernelManager"
CONFIGURED: dict[str, tuple[bool, dict[str, Any]]] = {
    "default": (True, {}),
    "off": (False, {BRIDGE: {"executions": False}}),
    "nothing is buffered": (False, {MANAGER: {"buffer_offline_messages": False}}),
    "nothing is buffered, by the base class": (False, {"MappingKernelManager": {"buffer_offline_messages": False}}),
    "nothing is buffered, but on": (True, {MANAGER: {"buffer_offline_messages": False}, BRIDGE: {"executions": True}}),
    "nothing is buffered, and off": (False, {MANAGER: {"buffer_offline_messages": False}, BRIDGE: {"executions": False}}),
    "another setting": (False, {MANAGER: {"buffer_offline_messages": False}, BRIDGE: {"executions_kept": 5}}),
    "a wrong value": (True, {BRIDGE: {"executions": "perhaps"}}),
}
"""What is configured: whether executions are on, and the configuration."""


@pytest.fixture(scope="module", params=CONFIGURED)
def configured(request: pytest.FixtureRequest) -> tuple[bool, dict[str, Any]]:
    return CONFIGURED[request.param]


@pytest.fixture(scope="module")
def server_config(configured: tuple[bool, dict[str, Any]]) -> dict[str, Any]:
    return configured[1]


async def test_the_routes_are_there_if_executions_are_on(
    server: Server, fake: tuple[str, FakeKernel], configured: tuple[bool, dict[str, Any]], protocol: str
) -> None:
    """If executions are off, the routes do not exist, and nothing that a page runs is kept."""
    on, _ = configured
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    request = await client.execute("1")
    await kernel.until("execute_request")
    api = Executions(server, kernel_id)
    for path, method in (("", "GET"), ("", "POST"), ("/x", "DELETE"), ("/x/input", "POST"), ("/x/interrupt", "POST")):
        response = await api.ask(path, method)
        json = response.headers["Content-Type"] == "application/json"
        assert json is on
        assert response.code != 200 if path or method == "POST" else response.code == (200 if on else 404)
        assert on or response.code == 404
    if on:
        assert [one["id"] for one in (await api.json())["executions"]] == [request["header"]["msg_id"]]
    else:
        assert journals.journals_of(server.kernels) is None
        assert kernel_of(server.kernels.get_kernel(kernel_id)).journal is None
