"""The status page under another base_url, and on a kernel manager without kernelws's mixin."""

import json
import re
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient

from kernelws.manager import FeedKernelManagerMixin
from kernelws.observe import page
from kernelws.observe.views import KERNEL_COLUMNS
from tests.contract.test_status_page import fetch
from tests.support.fake_kernel import FakeKernel
from tests.support.server import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

BASE = "/user/ada"


@pytest.fixture(scope="module")
def server_config() -> dict[str, Any]:
    return {
        "ServerApp": {
            "base_url": BASE,
            "jpserver_extensions": {"kernelws": False},
            "kernel_websocket_connection_class": "kernelws.ZMQChannelsWebsocketConnection",
        }
    }


@pytest.fixture
def added(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extension somebody else adds the page."""
    monkeypatch.setattr("kernelws.observe.board.FRESH", 0.0)
    if page.BOARD not in server.app.web_app.settings:
        page.add(server.app.web_app, server.kernels)


@pytest.mark.usefixtures("added")
async def test_everything_is_found_under_the_base_url(server: Server) -> None:
    html = (await fetch(server, f"{BASE}/kernelws")).body.decode()
    files = re.findall(r"(?:src|href)=\"([^\"#]+)\"", html)
    assert len(files) == 3
    for file in files:
        assert file.startswith(f"{BASE}/kernelws/static/")
        assert (await fetch(server, file)).code == 200
    assert f'data-base="{BASE}/kernelws"' in html
    assert (await fetch(server, f"{BASE}/kernelws/api/status")).code == 200
    assert (await fetch(server, "/kernelws")).code in {302, 404}
    answer = await fetch(server, f"{BASE}/kernelws", token=False)
    assert answer.headers["Location"].startswith(f"{BASE}/login?next=")


@pytest.mark.usefixtures("added")
async def test_a_manager_without_the_mixin_is_shown(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, _ = fake
    assert not isinstance(server.kernels, FeedKernelManagerMixin)

    async def row() -> dict[str, Any]:
        url = f"{server.url}{BASE}/kernelws/api/status?token={TOKEN}"
        answer = json.loads((await AsyncHTTPClient(force_instance=True).fetch(url)).body)
        (found,) = [row for row in answer["kernels"] if row[0] == kernel_id]
        return dict(zip(KERNEL_COLUMNS, found, strict=True))

    before = await row()
    assert (before["heard"], before["name"]) == (False, "fake")
    await server.live(kernel_id, prefix=BASE)
    after = await row()
    assert after["heard"]
    assert after["state"] in {"idle", "starting", "busy"}
