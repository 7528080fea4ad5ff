"""The routes of sessions: what a page learns of its own connection, and what it is sent after it has announced its extension."""

import pytest

from tests.support.executions import Executions
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import waiting
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def sessions(server: Server, kernel_id: str) -> Executions:
    """The routes of one kernel's sessions."""
    api = Executions(server, kernel_id)
    api.url = api.url.replace("/executions", "/sessions")
    return api


async def test_a_page_learns_what_waits_for_it_and_what_it_has_caught_up_on(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id, "v1")
    api = sessions(server, kernel_id)
    calm = await api.json(f"/{client.session_id}")
    assert (calm["resumes"], calm["caught_up"], calm["kernel"], calm["announced"]) == (0, {"messages": 0}, "idle", False)
    await client.hang_up()
    for n in range(5):
        kernel.publish("execute_result", {"n": n})
    await eventually(lambda: waiting(kernel_id) >= 5, "messages that wait")
    away = await api.json(f"/{client.session_id}")
    assert away["round_trip"] is None
    assert away["waiting"]["messages"] >= 5
    assert away["waiting"]["bytes"] > 0
    again = await server.connect(kernel_id, "v1", session_id=client.session_id)
    await again.until(lambda message: message.msg_type == "execute_result" and message.content["n"] == 4)
    back = await api.json(f"/{client.session_id}")
    assert (back["resumes"], back["caught_up"]["messages"] >= 5) == (1, True)
    assert (await api.status("/unknown"))[0] == 404
    assert (await api.status("/unknown/extension", "POST"))[0] == 404


async def test_a_page_with_the_extension_is_told_of_a_restart_without_a_dialog(
    server: Server, fake: tuple[str, FakeKernel], protocol: str
) -> None:
    """JupyterLab opens a dialog at the status ``restarting``; a page without the extension still gets that."""
    kernel_id, _ = fake
    with server.configured(ZMQChannelsWebsocketConnection={"restart_announce_delay": 0.05}):
        announced, other = await server.live(kernel_id, protocol), await server.live(kernel_id, protocol)
    api = sessions(server, kernel_id)
    await api.json(f"/{announced.session_id}/extension", "POST", {})
    assert (await api.json(f"/{announced.session_id}"))["announced"] is True
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    await other.until(lambda message: message.state == "restarting")
    told = await announced.until(lambda message: message.msg_type == "kernelws_restarted")
    assert (told.channel, told.parent, told.content) == ("iopub", {}, {})
    assert not [message for message in announced.messages if message.state == "restarting"]
