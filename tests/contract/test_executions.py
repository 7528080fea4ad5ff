"""Executions over HTTP with real kernels: run, read now and later, answer, interrupt, forget; what a page ran is there too."""

import asyncio
from pathlib import Path

import pytest

from kernelws.kernel.kernel import kernel_of
from kernelws.session.registry import registry_of
from tests.support.cells import STUBBORN
from tests.support.executions import Executions, text
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import waiting
from tests.support.server import Server
from tests.support.wait import TIMEOUT, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_code_is_run_and_its_output_read(api: Executions) -> None:
    response = await api.ask("", "POST", {"code": "print('a'); print('b')\n6 * 7"})
    execution_id = response.headers["Location"].rpartition("/")[2]
    assert response.code == 202
    found = await api.done(execution_id)
    assert (found["state"], found["status"]) == ("done", "ok")
    assert found["execution_count"] > 0
    assert text(found) == "a\nb\n"
    assert found["outputs"][-1]["data"] == {"text/plain": "42"}
    assert found["outputs"][-1]["output_type"] == "execute_result"
    assert found["left_out"] == {"messages": 0, "bytes": 0}
    again = await api.json(f"/{execution_id}")
    assert text(again) == text(found), "reading consumes nothing"
    assert (await api.json())["executions"][0]["id"] == execution_id
    assert (await api.json(state="running"))["executions"] == []


async def test_an_error_is_an_output_and_a_status(api: Executions) -> None:
    found = await api.done(await api.run("1/0"))
    assert found["status"] == "error"
    assert found["outputs"][-1]["ename"] == "ZeroDivisionError"


async def test_what_a_page_ran_is_read_over_http(server: Server, kernel_id: str, api: Executions, protocol: str) -> None:
    """Also after the page has gone."""
    client = await server.connect(kernel_id, protocol)
    request = await client.execute("print('of a page')")
    await client.idle(request)
    await client.close()
    found = await api.done(request["header"]["msg_id"])
    assert (text(found), found["status"]) == ("of a page\n", "ok")


async def test_what_a_client_that_is_connected_directly_to_the_kernel_runs_is_not_kept(
    server: Server, kernel_id: str, api: Executions
) -> None:
    """A page sees its output, but the server has not sent the request and does not know whose it is."""
    page = await server.connect(kernel_id)
    await page.run("'the page receives'")
    before = await api.json()
    client = server.kernels.get_kernel(kernel_id).client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=TIMEOUT)
        reply = await client.execute_interactive("print('of a console')", timeout=TIMEOUT, output_hook=lambda _: None)
    finally:
        client.stop_channels()
    request = reply["parent_header"]["msg_id"]
    await page.until(lambda message: message.state == "idle" and message.parent_id == request)
    assert any(message.content.get("text") == "of a console\n" for message in page.messages)
    assert await api.json() == before
    assert await api.status(f"/{request}") == (404, "no such execution")


async def test_a_prompt_is_answered_once(api: Executions) -> None:
    execution_id = await api.run("print(input('name? ') + '!')", allow_stdin=True)
    found = await api.until(execution_id, lambda found: found["state"] == "input")
    assert found["input_request"] == {"prompt": "name? ", "password": False}
    assert await api.json(f"/{execution_id}/input", "POST", {"value": "é"}) is None
    assert (await api.status(f"/{execution_id}/input", "POST", {"value": "again"}))[0] == 409
    found = await api.done(execution_id)
    assert text(found) == "é!\n"
    assert text(found, "stdin") == "name?  é\n"


async def test_a_password_is_not_shown(api: Executions) -> None:
    execution_id = await api.run("import getpass; len(getpass.getpass('pw'))", allow_stdin=True)
    await api.until(execution_id, lambda found: found["state"] == "input")
    await api.json(f"/{execution_id}/input", "POST", {"value": "secret"})
    found = await api.done(execution_id)
    assert found["outputs"][-1]["data"] == {"text/plain": "6"}
    assert "secret" not in str(found)


async def test_what_runs_is_interrupted_and_nothing_else(api: Executions) -> None:
    execution_id = await api.run("import time\nprint('on', flush=True)\ntime.sleep(1000)")
    waiting = await api.run("1")
    await api.until(execution_id, lambda found: text(found) == "on\n")
    assert (await api.status(f"/{waiting}/interrupt", "POST"))[0] == 409
    await api.json(f"/{execution_id}/interrupt", "POST")
    found = await api.done(execution_id)
    assert found["outputs"][-1]["ename"] == "KeyboardInterrupt"
    assert (await api.done(waiting))["status"] == "aborted"
    assert (await api.status(f"/{execution_id}/interrupt", "POST"))[0] == 409


async def test_a_forgotten_execution_is_not_there(api: Executions) -> None:
    execution_id = await api.run("1")
    await api.done(execution_id)
    await api.json(f"/{execution_id}", "DELETE")
    assert await api.status(f"/{execution_id}") == (404, "no such execution")
    assert (await api.status(f"/{execution_id}", "DELETE"))[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"code": 1}', 400),
        (b"{}", 400),
        (b'{"code": "1", "silent": "no"}', 400),
        (b'{"code": "1", "other": 1}', 400),
        (b"[" * 100_000, 400),
        (b"x" * ((16 << 20) + 1), 413),
    ],
)
async def test_a_bad_body_is_refused_with_a_reason(api: Executions, body: bytes, status: int) -> None:
    code, reason = await api.status("", "POST", body)
    assert code == status
    assert reason


async def test_bad_arguments_and_unknown_things_are_refused(server: Server, api: Executions) -> None:
    execution_id = await api.run("1")
    for query in ({"since": "x"}, {"since": -1}, {"wait": "nan"}, {"max_bytes": -5}):
        assert (await api.status(f"/{execution_id}", **query))[0] == 400
    assert (await api.status(state="other"))[0] == 400
    assert (await api.status("/unknown"))[0] == 404
    assert (await Executions(server, "00000000-0000-0000-0000-000000000000").status())[0] == 404
    api.token = ""
    assert (await api.status())[0] == 403


async def test_a_restart_loses_what_was_running(server: Server, kernel_id: str, api: Executions) -> None:
    execution_id = await api.run(STUBBORN)
    await api.until(execution_id, lambda found: text(found) == "on\n")
    waits = asyncio.ensure_future(api.done(execution_id))
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    found = await waits
    assert (found["state"], found["status"], text(found)) == ("lost", None, "on\n")


async def test_a_long_output_has_a_beginning_and_an_end(api: Executions) -> None:
    """What is missing between them is counted to the byte, as the kernel wrote it: a line break has two bytes there."""
    execution_id = await api.run("print('x' * 100_000)")
    await api.done(execution_id)
    found = await api.json(f"/{execution_id}", max_bytes=10_000)
    kept = text(found)
    assert len(kept) < 10_000
    assert found["left_out"]["bytes"] == 100_002 - (len(kept) + 1)


async def test_a_prompt_outlives_the_session_that_ran_the_cell(
    server: Server, kernel_id: str, api: Executions, tmp_path: Path
) -> None:
    """The page is reloaded, its session ends, and the kernel prompts only then. The answer comes over HTTP."""
    gate = tmp_path / "gate"
    client = await server.connect(kernel_id, "v1")
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"
    request = await client.execute(f"{wait}\nprint(input('late? '))", allow_stdin=True)
    execution_id = request["header"]["msg_id"]
    await api.until(execution_id, lambda found: found["state"] == "running")
    await client.close()
    registry = registry_of(server.kernels)
    [session] = [one for one in registry.of_kernel(kernel_id) if one.session.session == client.session_id]
    registry.end(session)
    gate.touch()
    found = await api.until(execution_id, lambda found: found["state"] == "input")
    assert found["input_request"] == {"prompt": "late? ", "password": False}
    await api.json(f"/{execution_id}/input", "POST", {"value": "yes"})
    found = await api.done(execution_id)
    assert (text(found), found["status"]) == ("yes\n", "ok")
    journal = kernel_of(server.kernels.get_kernel(kernel_id)).journal
    assert journal is not None
    assert not journal.inherited, "its sockets are closed"


async def test_what_a_document_holds_may_go(api: Executions) -> None:
    done = await api.run("1")
    await api.done(done)
    waiting = await api.run("input('')", allow_stdin=True)
    await api.until(waiting, lambda found: found["state"] == "input")
    await api.json("/saved", "POST", {"ids": [done, waiting, "unknown"]})
    kept = [one["id"] for one in (await api.json())["executions"]]
    assert done not in kept
    assert waiting in kept, "it has not ended"
    await api.json(f"/{waiting}/input", "POST", {"value": ""})
    assert (await api.status("/saved", "POST", {"ids": done}))[0] == 400


async def test_waiting_text_is_skipped(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """To its beginning and its end, with the usual notice; what follows arrives."""
    kernel_id, kernel = fake
    limits = {"iopub_data_rate_limit": 1000.0}
    with server.configured(ZMQChannelsWebsocketConnection=limits):
        client = await server.live(kernel_id, protocol)
    parent = {"msg_id": "cell", "msg_type": "execute_request"}
    for n in range(2000):
        kernel.publish("stream", {"name": "stdout", "text": f"{n:999d}\n"}, parent)
    kernel.publish("status", {"execution_state": "idle"}, parent)
    await eventually(lambda: waiting(kernel_id) > 1990, "text that waits")
    api = Executions(server, kernel_id)
    api.url = api.url.replace("/executions", "/sessions")
    await api.json(f"/{client.session_id}/skip", "POST")
    await client.until(lambda message: message.state == "idle" and message.parent_id == "cell")
    shown = "".join(m.content["text"] for m in client.messages if m.msg_type == "stream" and m.content["name"] == "stdout")
    assert shown.lstrip().startswith("0\n")
    assert shown.endswith(f"{1999:999d}\n")
    assert len(shown) < 700_000
    assert any(m.content["name"] == "stderr" for m in client.messages if m.msg_type == "stream")
    assert (await api.status("/unknown/skip", "POST"))[0] == 404
