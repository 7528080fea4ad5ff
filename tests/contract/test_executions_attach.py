"""A page takes an execution over: it shows what the page that ran it would show, then and from then on.

Each test is one trap; ``tests/support/page.py`` says what JupyterLab makes of the messages.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from kernelws.session.registry import registry_of
from tests.support.client import Client, Message
from tests.support.executions import Executions, attach, text
from tests.support.page import cell, shown
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATE = """
import pathlib, time
def wait():
    while not pathlib.Path({file!r}).exists(): time.sleep(0.01)
"""


class Pages:
    """Pages on one kernel."""

    def __init__(self, server: Server, kernel_id: str, protocol: str) -> None:
        self._where = server, kernel_id, protocol

    async def open(self) -> Client:
        """A new one."""
        server, kernel_id, protocol = self._where
        return await server.connect(kernel_id, protocol)

    async def left(self, code: str, msg_type: str) -> tuple[Client, str]:
        """One that runs code and leaves as soon as it gets a message of this type; and the execution's id."""
        page = await self.open()
        request = await page.execute(code, allow_stdin=True)
        await page.until(msg_type)
        await page.close()
        return page, request["header"]["msg_id"]


@pytest.fixture
def pages(server: Server, kernel_id: str, protocol: str) -> Pages:
    return Pages(server, kernel_id, protocol)


@pytest_asyncio.fixture(loop_scope="module")
async def go(api: Executions, tmp_path: Path) -> Callable[[], None]:
    """Ends ``wait()`` in the kernel."""
    file = tmp_path / "go"
    await api.done(await api.run(GATE.format(file=str(file))))
    return file.touch


async def answer(client: Client, prompt: Message, value: str) -> None:
    """Answers a prompt as JupyterLab does: the prompt is the parent."""
    reply = client.message("input_reply", {"value": value, "status": "ok"})
    reply["parent_header"] = prompt.header
    await client.write(client.encode(reply, "stdin"))


async def test_a_running_cell_goes_on_in_another_page(api: Executions, pages: Pages, go: Callable[[], None]) -> None:
    """The first page has gone; the second one shows all output, once, and the reply."""
    _, one = await pages.left("print('a', flush=True)\nwait()\nprint('b')\n7", "stream")
    second = await pages.open()
    await attach(api, second, one)
    await shown(second, one, lambda cell: cell.text() == "a\n")
    go()
    now = await shown(second, one, lambda cell: cell.over)
    assert now.text() == "a\nb\n"
    assert now.outputs[-1]["data"] == {"text/plain": "7"}
    assert now.reply is not None
    assert now.reply.content["execution_count"] == now.outputs[-1]["execution_count"]
    assert now.kernel == "idle"


async def test_a_page_that_attaches_what_it_runs_itself_gets_one_reply(
    api: Executions, pages: Pages, go: Callable[[], None]
) -> None:
    page = await pages.open()
    request = await page.execute("print('on', flush=True)\nwait()")
    one = request["header"]["msg_id"]
    await shown(page, one, lambda cell: cell.text() == "on\n")
    await attach(api, page, one)
    go()
    await shown(page, one, lambda cell: cell.over)
    await page.run("1")  # a copy would have come before this output
    assert len(page.of(request, "execute_reply")) == 1


async def test_a_finished_cell_is_shown_whole(api: Executions, pages: Pages) -> None:
    one = await api.run("from IPython.display import display\nd = display(1, display_id=True)\nd.update(2)\n1/0")
    await api.done(one)
    page = await pages.open()
    await attach(api, page, one)
    now = await shown(page, one, lambda cell: cell.over)
    assert [output["type"] for output in now.outputs] == ["display_data", "error"]
    assert now.outputs[0]["data"] == {"text/plain": "2"}
    assert now.reply is not None
    assert (now.reply.channel, now.reply.content["status"]) == ("shell", "error")
    await attach(api, page, one)

    def errors() -> list[Message]:
        return [message for message in page.messages if message.msg_type == "error"]

    await page.changes.until(lambda: len(errors()) == 2, what="a second replay")
    assert len({message.header["msg_id"] for message in errors()}) == 2


async def test_a_prompt_is_answered_in_the_page_that_took_over(api: Executions, pages: Pages) -> None:
    """The kernel asks the sockets of the page that has gone; the prompt after the first one too."""
    first, one = await pages.left("print(input('a? ') + input('b? '))", "input_request")
    asked = await first.until("input_request")
    second = await pages.open()
    await attach(api, second, one)
    again = await second.until("input_request")
    assert again.header["msg_id"] == asked.header["msg_id"], "an answer names the prompt by its id"
    await answer(second, again, "1")
    next_one = await second.until(lambda message: message.msg_type == "input_request" and message.content["prompt"] == "b? ")
    await answer(second, next_one, "2")
    now = await shown(second, one, lambda cell: cell.over)
    assert now.text() == "12\n"
    assert text(await api.json(f"/{one}"), "stdin") == "a?  1\nb?  2\n"


async def test_one_answer_a_prompt_and_the_other_pages_show_it_gone(api: Executions, pages: Pages) -> None:
    """Three pages show the prompt. The second answer, from the page that ran the cell, must not feed the next ``input()``."""
    first = await pages.open()
    request = await first.execute("print('on')\na = input('a? ')\nb = input('b? ')\nprint(a + b)", allow_stdin=True)
    one = request["header"]["msg_id"]
    asked = await first.until("input_request")
    others = [await pages.open() for _ in range(2)]
    for page in others:
        await attach(api, page, one)
        await shown(page, one, lambda cell: cell.prompt is not None)
    await answer(others[0], asked, "1")
    for page in (first, others[1]):
        await shown(page, one, lambda cell: cell.prompt is not None and cell.prompt["prompt"] == "b? ")
        assert cell(page, one).text("stdin") == "a?  1\n"
    await answer(first, asked, "too late")
    await api.json(f"/{one}/input", "POST", {"value": "2"})
    for page in (first, *others):
        assert (await shown(page, one, lambda cell: cell.over)).text() == "on\n12\n"


async def test_an_answer_to_an_interrupted_prompt_is_not_that_of_the_next(
    server: Server, kernel_id: str, api: Executions, protocol: str
) -> None:
    page = await server.connect(kernel_id, protocol)
    request = await page.execute("input('a? ')", allow_stdin=True)
    old = await page.until("input_request")
    await api.json(f"/{request['header']['msg_id']}/interrupt", "POST")
    await shown(page, request["header"]["msg_id"], lambda cell: cell.over)
    request = await page.execute("print(input('b? '))", allow_stdin=True)
    one = request["header"]["msg_id"]
    asked = await page.until(lambda message: message.msg_type == "input_request" and message.parent_id == one)
    await answer(page, old, "too late")
    await answer(page, asked, "in time")
    assert (await shown(page, one, lambda cell: cell.over)).text() == "in time\n"


@pytest.mark.parametrize("allowed", [[], ["after"]])
async def test_the_attach_message_never_reaches_the_kernel(
    server: Server, protocol: str, allowed: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """JupyterLab may send it at any time, to register a future. It is dropped without a log line, whatever types are allowed."""
    kernel_id, kernel = await server.start_fake()
    page = await server.live(kernel_id, protocol)
    monkeypatch.setattr(server.kernels, "allowed_message_types", allowed)
    await page.send("kernelws_attach_request", {}, msg_id="of another page")
    await page.send("after")
    await kernel.until("after")
    assert "kernelws_attach_request" not in {request.msg_type for request in kernel.received}
    assert not [record for record in caplog.records if "kernelws_attach_request" in record.getMessage()]


async def test_a_replayed_idle_does_not_hide_that_the_kernel_is_busy(
    api: Executions, pages: Pages, go: Callable[[], None]
) -> None:
    ended = await api.run("print(1)")
    await api.done(ended)
    running = await api.run("print('on', flush=True)\nwait()")
    await api.until(running, lambda found: text(found) == "on\n")
    page = await pages.open()
    await attach(api, page, ended, running)
    assert (await shown(page, ended, lambda cell: cell.over and cell.kernel == "busy")).kernel == "busy"
    go()
    assert (await shown(page, running, lambda cell: cell.over)).text() == "on\n"
    await shown(page, running, lambda cell: cell.kernel == "idle")


async def test_messages_carry_the_session_of_the_kernel(api: Executions, pages: Pages) -> None:
    one = await api.run("print(1)\n2")
    await api.done(one)
    page = await pages.open()
    await page.run("3")
    await attach(api, page, one)
    await shown(page, one, lambda cell: cell.over)
    assert len({message.header["session"] for message in page.messages}) == 1
    ids = [message.header["msg_id"] for message in page.messages]
    assert len(set(ids)) == len(ids)


async def test_the_rate_limits_do_not_delay_a_replay(server: Server, api: Executions, pages: Pages) -> None:
    one = await api.run("import sys\nfor n in range(60):\n    print(n, file=(sys.stdout, sys.stderr)[n % 2], flush=True)")
    await api.done(one)
    with server.configured(ServerApp={"iopub_msg_rate_limit": 1}, ZMQChannelsWebsocketConnection={"iopub_msg_rate_limit": 1}):
        page = await pages.open()
        await attach(api, page, one)
        now = await shown(page, one, lambda cell: cell.over)
    assert now.text() == "".join(f"{n}\n" for n in range(0, 60, 2))


async def test_missing_output_has_an_exact_notice(server: Server, kernel_id: str, pages: Pages) -> None:
    api = Executions(server, kernel_id)
    one = await api.run("for n in range(6): print('x' * 1_000_000)")
    await api.done(one)
    missing = (await api.json(f"/{one}"))["left_out"]
    page = await pages.open()
    await attach(api, page, one)
    now = await shown(page, one, lambda cell: cell.over)
    assert missing["bytes"] > 0
    assert f"[{missing['messages']} messages with {missing['bytes']} bytes of output were left out here" in now.text("stderr")
    kept = now.text()
    assert len(json.dumps(kept)) - 2 + missing["bytes"] == 6 * (1_000_000 + len(r"\n"))


async def test_without_output_the_old_one_is_cleared(api: Executions, pages: Pages) -> None:
    one = await api.run("pass")
    await api.done(one)
    page = await pages.open()
    await attach(api, page, one)
    await shown(page, one, lambda cell: cell.over)
    cleared = [message.content for message in page.messages if message.msg_type == "clear_output"]
    assert cleared == [{"wait": False}]


async def test_a_reply_that_no_socket_can_get_any_more_is_made(
    server: Server, kernel_id: str, api: Executions, pages: Pages, go: Callable[[], None]
) -> None:
    """The session that ran the cell has ended, and its sockets are closed because too many ended sessions had open executions."""
    with server.configured(ZMQChannelsWebsocketConnection={"max_detached_sessions": 0}):
        first, one = await pages.left("print('on', flush=True)\nwait()\n1/0", "stream")
        key = f"{kernel_id}:{first.session_id}"
        await eventually(lambda: registry_of(server.kernels).get(key) is None, "the end of the session")
        page = await pages.open()
        await attach(api, page, one)
        go()
        now = await shown(page, one, lambda cell: cell.over)
    assert now.reply is not None
    assert (now.reply.content["status"], now.reply.content["ename"]) == ("error", "ZeroDivisionError")


async def test_an_execution_that_was_lost_ends(server: Server, protocol: str) -> None:
    kernel_id = await server.start_kernel()
    api = Executions(server, kernel_id)
    one = await api.run("print('on', flush=True)\nimport time; time.sleep(1000)")
    await api.until(one, lambda found: text(found) == "on\n")
    await server.kernels.restart_kernel(kernel_id, now=True)
    await api.done(one)
    page = await server.connect(kernel_id, protocol)
    await page.run("1")
    await attach(api, page, one)
    now = await shown(page, one, lambda cell: cell.over)
    assert (now.text(), now.reply is not None and now.reply.content["status"]) == ("on\n", "aborted")
    await server.kernels.shutdown_kernel(kernel_id, now=True)


async def test_bad_requests_attach_nothing(server: Server, kernel_id: str, api: Executions) -> None:
    one = await api.run("1")
    await api.done(one)
    page = await server.connect(kernel_id)
    ask = {"session_id": page.session_id, "msg_ids": [one]}
    for body, status in (
        ({**ask, "session_id": "none"}, 404),
        ({**ask, "msg_ids": ["none"]}, 404),
        ({**ask, "msg_ids": "none"}, 400),
        ({**ask, "msg_ids": [1]}, 400),
        ({"session_id": page.session_id}, 400),
        ({**ask, "more": 1}, 400),
        (b"[", 400),
    ):
        code, reason = await api.status("/attach", "POST", body)
        assert (code, bool(reason)) == (status, True), body
    assert await api.json("/attach", "POST", {**ask, "msg_ids": [one, "none", one]}) == {"attached": [one]}
    assert await api.json("/attach", "POST", {**ask, "msg_ids": []}) == {"attached": []}
