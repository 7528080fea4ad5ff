"""The status page over a real server: who may see it, what its answers contain and must not contain, its security policy.

tests/browser/test_status_page.py tests what a browser shows, tests/unit/test_board.py which rows there are.
"""

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from kernelws.observe import page
from kernelws.observe.views import KERNEL_COLUMNS, SESSION_COLUMNS
from tests.contract.test_outbox import leave
from tests.support.fake_kernel import FakeKernel
from tests.support.server import TOKEN, Server
from tests.support.wait import eventually

if TYPE_CHECKING:
    from kernelws.observe.board import Board

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE, DATA = "/kernelws", "/kernelws/api/status"
FILES = ("status.js", "status.css", "kernel.js", "notebooks.js")
EVERYTHING = (PAGE, DATA, *(f"/kernelws/static/{name}" for name in FILES))


async def fetch(server: Server, path: str, *, token: bool = True, **options: Any) -> HTTPResponse:
    headers = {"Authorization": f"token {TOKEN}"} if token else {}
    client = AsyncHTTPClient(force_instance=True)
    return await client.fetch(server.url + path, headers=headers, raise_error=False, follow_redirects=False, **options)


async def seen(server: Server) -> dict[str, Any]:
    """All that a page would show, the rows as dictionaries."""
    answer: dict[str, Any] = json.loads((await fetch(server, DATA)).body)
    for what, columns in (("kernels", KERNEL_COLUMNS), ("sessions", SESSION_COLUMNS)):
        answer[what] = [dict(zip(columns, row, strict=True)) for row in answer[what]]
    return answer


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is reused: normally one is valid for a second."""
    monkeypatch.setattr("kernelws.observe.board.FRESH", 0.0)


async def test_without_a_login_the_page_leads_to_it_and_the_data_answers_403(server: Server) -> None:
    """As every page and as the kernels API."""
    answer = await fetch(server, PAGE, token=False)
    assert answer.code == 302
    assert answer.headers["Location"].startswith("/login?next=%2Fkernelws")
    assert (await fetch(server, DATA, token=False)).code == 403
    assert (await fetch(server, "/api/kernels", token=False)).code == 403
    for name in FILES:
        answer = await fetch(server, f"/kernelws/static/{name}", token=False)
        assert answer.code == 302


async def test_who_may_not_read_kernels_sees_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class NoKernels(AllowAllAuthorizer):
        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
            asked.append((action, resource))
            return resource != "kernels"

    monkeypatch.setitem(server.app.web_app.settings, "authorizer", NoKernels(parent=server.app))
    for path in (*EVERYTHING, "/api/kernels"):
        assert (await fetch(server, path)).code == 403, path
    assert set(asked) == {("read", "kernels")}


async def test_the_page_holds_no_script_style_data_or_foreign_address(server: Server) -> None:
    """Its policy forbids all of that, and so may the server's."""
    answer = await fetch(server, PAGE)
    html = answer.body.decode()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html) == []
    assert re.findall(r"(?:src|href)=\"(?!/kernelws/static/|#)", html) == []
    assert TOKEN not in html
    assert "{{" not in html
    for name in page.FILES.iterdir():
        source = name.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|innerHTML|document\.write|eval\(", source), name


async def test_a_policy_that_the_user_has_set_comes_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = "frame-ancestors 'none'; script-src 'self' https://their.example"
    monkeypatch.setitem(server.app.web_app.settings, "headers", {"Content-Security-Policy": theirs})
    assert (await fetch(server, PAGE)).headers["Content-Security-Policy"].startswith(theirs + ";")


async def test_the_files_are_served_and_nothing_beside_them(server: Server) -> None:
    for name in FILES:
        answer = await fetch(server, f"/kernelws/static/{name}")
        assert answer.code == 200
        assert answer.body == (page.FILES / name).read_bytes()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("../page.py", "%2e%2e/page.py", "..%2fpage.py", "nothing.js"):
        assert (await fetch(server, f"/kernelws/static/{path}")).code in {403, 404}, path


async def test_kernels_and_sessions_are_shown_and_no_secret(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    await eventually(lambda: server.connection(kernel_id, client).link.writer.heartbeat.round_trip, "a pong")
    kernel.publish("display_data", {"data": {"text/plain": "the-contents"}})
    await client.until("display_data")
    answer = await seen(server)
    (row,) = [row for row in answer["kernels"] if row["id"] == kernel_id]
    assert (row["name"], row["heard"], row["state"]) == ("fake", True, "idle")
    (session,) = [row for row in answer["sessions"] if row["kernel"] == kernel_id]
    assert (session["state"], session["protocol"]) == ("connected", protocol)
    assert session["ping"] > 0
    assert client.session_id.startswith(session["name"])
    assert session["bounds"] == [16 << 20, 64 << 20, 1 << 30, 512 << 10]
    assert answer["server"]["bounds"] == [512 << 20, 4 << 30]
    told = (await fetch(server, DATA)).body.decode()
    for secret in (client.session_id, TOKEN, kernel.session.key.decode(), kernel.session.session, "the-contents"):
        assert secret not in told


async def test_a_detached_session_and_a_restart_are_shown(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    before = await seen(server)
    await leave(server, kernel_id, client)
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    again = server.fake(kernel_id)
    await again.changes.until(lambda: again.subscriptions, what="the server's subscription")
    again.publish("display_data", {"n": 0})
    board: Board = server.app.web_app.settings[page.BOARD]
    await eventually(lambda: any(row[KERNEL_COLUMNS.index("restarts")] for row in board.answer()["kernels"]), "a restart")
    answer = await seen(server)
    (row,) = [row for row in answer["kernels"] if row["id"] == kernel_id]
    assert row["restarts"] == 1
    assert 0 <= answer["now"] - row["restarted"] < 60
    (session,) = [row for row in answer["sessions"] if row["kernel"] == kernel_id]
    assert session["state"] == "detached"
    assert 0 <= answer["now"] - session["since"] < 60
    assert session["id"] in {row["id"] for row in before["sessions"]}


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "lost"])
async def test_a_page_that_was_closed_is_told_from_a_network_that_was_lost(
    server: Server, fake: tuple[str, FakeKernel], closed: bool
) -> None:
    """A closed page has sent a close frame, with or without a code. A session that is resumed counts as neither."""
    kernel_id, _ = fake
    for code in (1001, 1000, None) if closed else (None,):
        client = await server.live(kernel_id)
        connection = server.connection(kernel_id, client)
        await (client.close(code) if closed else client.hang_up())
        await asyncio.wrap_future(connection._close_future)
        (session,) = [row for row in (await seen(server))["sessions"] if client.session_id.startswith(row["name"])]
        assert (session["state"], session["closed"]) == ("detached", closed)
        await server.live(kernel_id, session_id=client.session_id)
        (session,) = [row for row in (await seen(server))["sessions"] if client.session_id.startswith(row["name"])]
        assert (session["state"], session["closed"]) == ("connected", False)


async def test_notebooks_come_from_the_sessions_api_alone(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """Who may read kernels and not sessions sees no path. Asking for them is no activity."""
    kernel_id, _ = fake
    model = {"path": "secret-folder/secret.ipynb", "name": "secret.ipynb", "type": "notebook", "kernel": {"id": kernel_id}}
    made = await server.rest("sessions", "POST", model)
    await server.live(kernel_id)
    for path in EVERYTHING:
        assert b"secret" not in (await fetch(server, path)).body
    before = server.app.web_app.settings.get("api_last_activity")
    answer = await fetch(server, "/api/sessions?no_track_activity=1")
    assert [one["path"] for one in json.loads(answer.body)] == [model["path"]]
    assert server.app.web_app.settings.get("api_last_activity") == before
    await server.rest(f"sessions/{made['id']}", "DELETE")


@pytest.mark.parametrize(
    ("running", "place"),
    [((), ""), (("lab",), "/lab/tree/"), (("notebook",), "/notebooks/"), (("lab", "notebook"), "/lab/tree/")],
)
async def test_a_link_leads_to_what_opens_files_here(
    server: Server, monkeypatch: pytest.MonkeyPatch, running: tuple[str, ...], place: str
) -> None:
    for name in running:
        monkeypatch.setitem(server.app.web_app.settings, name, object())
    assert f'data-open="{place}"' in (await fetch(server, PAGE)).body.decode()


async def test_looking_is_no_activity(server: Server) -> None:
    """Else a page that is left open would keep an idle server from being culled."""
    before = server.app.web_app.settings.get("api_last_activity")
    await fetch(server, DATA)
    assert server.app.web_app.settings.get("api_last_activity") == before
    await fetch(server, "/api/kernels")
    assert server.app.web_app.settings.get("api_last_activity") != before


async def test_points_are_added_and_lag_is_measured_while_nobody_looks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    board: Board = server.app.web_app.settings[page.BOARD]
    monkeypatch.setattr("kernelws.observe.board.TICK", 0.005)
    monkeypatch.setattr("kernelws.observe.board.EVERY", 0.02)
    points = len(board.lags)
    await eventually(lambda: len(board.lags) >= points + 3, "three points")
