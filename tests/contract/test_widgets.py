"""The widgets of a kernel reach a page that has just been opened, while the kernel is busy, in the state that they have.

A real kernel opens comms as ipywidgets does; ``tests/reload/widgets.py`` uses ipywidgets itself. Cost: a second a test.
"""

from typing import Any

import pytest

from kernelws.kernel.kernel import kernel_of
from tests.support.client import Client, Message
from tests.support.executions import Executions, text
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPEN = """
from comm import create_comm
import pathlib, time
def widget(name, state, *buffers):
    data = {'state': state, 'buffer_paths': [['image', 'bytes']] * len(buffers)}
    return create_comm('jupyter.widget', data, {'version': '2.1.0'}, list(buffers), comm_id=name)
def change(comm, **state):
    comm.send({'method': 'update', 'state': state, 'buffer_paths': []})
"""
BUSY = """
print('begun', flush=True)
while not pathlib.Path({name!r}).exists(): time.sleep(0.01)
"""
MADE = "leaf = widget('leaf', {'value': 1, 'kept': True})\nbox = widget('box', {'image': {}, 'child': None}, b'pixels')"
CHANGED = "change(box, child='IPY_MODEL_leaf')\nchange(leaf, value=2)\ngone = widget('gone', {})\ngone.close()"
CAPTURES = """
out = widget('out', {'_model_name': 'OutputModel', 'msg_id': '', 'outputs': []})
print('before', flush=True)
change(out, msg_id=get_ipython().kernel.get_parent()['header']['msg_id'])
print('captured', flush=True)
change(out, msg_id='')
"""
REQUEST = "of-the-pages-future"


async def opened(api: Executions, code: str) -> str:
    """Runs code that opens widgets, and waits for its end."""
    done = await api.done(await api.run(OPEN + code))
    assert done["status"] == "ok", done
    return str(done["id"])


async def attach(api: Executions, page: Client, *ids: str) -> dict[str, int]:
    """A page asks for executions and widgets; returns the counts of widgets once all messages are there."""
    body = {"session_id": page.session_id, "msg_ids": ids, "widgets": REQUEST}
    found = await api.json("/attach", "POST", body)
    assert found["attached"] == list(ids)
    await page.until("kernelws_widgets_end")
    counts: dict[str, int] = found["widgets"]
    return counts


def answers(page: Client) -> list[Message]:
    return [message for message in page.messages if message.parent_id == REQUEST]


def states(page: Client) -> dict[str, Any]:
    """The state with which each widget was opened."""
    opens = [message for message in answers(page) if message.msg_type == "kernelws_comm_open"]
    return {message.content["comm_id"]: message.content["data"]["state"] for message in opens}


async def test_a_page_gets_the_state_that_kernel_and_client_have_made(server: Server, protocol: str, tmp_path: Any) -> None:
    """The kernel is busy with the last change, and what the client has sent still waits for it."""
    kernel_id = await server.start_kernel()
    api = Executions(server, kernel_id)
    await opened(api, MADE)
    await api.done(await api.run(CHANGED))
    gate = tmp_path / "go"
    busy = await api.run("change(leaf, value=3)" + BUSY.format(name=str(gate)))
    await api.until(busy, lambda found: text(found) == "begun\n")
    first = await server.connect(kernel_id, protocol)
    data = {"method": "update", "state": {"moved": [1]}, "buffer_paths": []}
    await first.send("comm_msg", {"comm_id": "leaf", "data": data})
    page = await server.connect(kernel_id, protocol)

    async def merged() -> bool:
        page.messages.clear()
        await attach(api, page, busy)
        return "moved" in states(page)["leaf"]

    while not await merged():
        pass
    assert states(page) == {"leaf": {"value": 3, "kept": True, "moved": [1]}, "box": {"image": {}, "child": "IPY_MODEL_leaf"}}
    kinds = [message.msg_type for message in page.messages if message.parent_id in (busy, REQUEST) and message.state is None]
    assert kinds == ["kernelws_comm_open"] * 2 + ["kernelws_widgets", "clear_output", "stream", "kernelws_widgets_end"]
    box = next(message for message in answers(page) if message.content["comm_id"] == "box")
    assert [bytes(buffer) for buffer in box.buffers] == [b"pixels"]
    assert box.content["data"]["buffer_paths"] == [["image", "bytes"]]
    assert box.fields["metadata"] == {"version": "2.1.0"}
    assert box.header["session"] == kernel_of(server.kernels.get_kernel(kernel_id)).kernel_session
    gate.touch()
    await api.done(busy)


async def test_a_restart_ends_the_widgets(server: Server, protocol: str) -> None:
    kernel_id = await server.start_kernel()
    api = Executions(server, kernel_id)
    await opened(api, "w = widget('w', {})")
    page = await server.connect(kernel_id, protocol)
    assert await attach(api, page) == {"replayed": 1, "evicted": 0, "unknown": 0}
    await server.kernels.restart_kernel(kernel_id, now=True)
    again = await server.connect(kernel_id, protocol)
    assert await attach(api, again) == {"replayed": 0, "evicted": 0, "unknown": 0}


async def test_what_a_widget_captures_is_no_output_of_the_execution(server: Server, kernel_id: str, api: Executions) -> None:
    one = await opened(api, CAPTURES)
    assert text(await api.json(f"/{one}")) == "before\n"
    page = await server.connect(kernel_id)
    await attach(api, page)
    streams = [message.content["text"] for message in answers(page) if message.msg_type == "stream"]
    assert streams == ["captured\n"]


@pytest.mark.parametrize("widgets", ["", "x" * 1025, "two words", "\ud800", 7])
async def test_what_is_no_id_of_a_request_is_refused(server: Server, kernel_id: str, api: Executions, widgets: Any) -> None:
    page = await server.connect(kernel_id)
    status, reason = await api.status("/attach", "POST", {"session_id": page.session_id, "msg_ids": [], "widgets": widgets})
    assert (status, "widgets must be" in reason) == (400, True)
