"""A real ipykernel over real WebSockets, both subprotocols: what a notebook does with its kernel.

Covers execute, stream, display with binary buffers both ways, comm, stdin, two clients, and subshells.
"""

import asyncio
import itertools
from functools import partial
from typing import Any

import pytest

from tests.support.cells import COMM, WAIT
from tests.support.client import Message
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGET = """
from IPython import get_ipython
def opened(comm, message):
    comm.send({"opened": message["content"]["data"]}, buffers=[bytes(b) for b in message["buffers"]])
get_ipython().kernel.comm_manager.register_target("client_side", opened)
"""


def one(messages: list[Message], msg_type: str) -> Message:
    (found,) = [message for message in messages if message.msg_type == msg_type]
    return found


async def test_execute(server: Server, kernel_id: str, protocol: str) -> None:
    """busy, execute_input, execute_result, idle on IOPub, in this order, and the reply on shell."""
    client = await server.connect(kernel_id, protocol)
    messages = await client.run("6 * 7")
    iopub = [message.state or message.msg_type for message in messages if message.channel == "iopub"]
    assert iopub == ["busy", "execute_input", "execute_result", "idle"]
    assert one(messages, "execute_result").content["data"] == {"text/plain": "42"}
    reply = one(messages, "execute_reply")
    assert (reply.channel, reply.content["status"]) == ("shell", "ok")


async def test_the_first_request_of_a_fresh_connection_loses_nothing(server: Server, kernel_id: str, protocol: str) -> None:
    """The request is sent right after connecting, without waiting. All its replies arrive."""
    for _ in range(5):
        client = await server.connect(kernel_id, protocol)
        request = await client.execute("print('first')")
        messages = await client.idle(request)
        seen = [m.state or m.msg_type for m in messages if m.channel == "iopub"]
        # a kernel on a busy machine may send the text and its line end as two messages
        assert [kind for kind, _ in itertools.groupby(seen)] == ["busy", "execute_input", "stream", "idle"]
        assert client.text(request) == "first\n"


async def test_streams(server: Server, kernel_id: str, protocol: str) -> None:
    """10,000 lines arrive complete and in order, both streams."""
    client = await server.connect(kernel_id, protocol)
    request = await client.execute("import sys\nfor i in range(10_000): print(i)\nprint('no', file=sys.stderr)")
    await client.idle(request)
    out = "".join(m.content["text"] for m in client.of(request, "stream") if m.content["name"] == "stdout")
    assert out.split() == [str(n) for n in range(10_000)]
    assert [m.content["text"] for m in client.of(request, "stream") if m.content["name"] == "stderr"] == ["no\n"]


async def test_an_error_and_text_of_every_kind(server: Server, kernel_id: str, protocol: str) -> None:
    """Tracebacks and text that is not ASCII arrive as they are."""
    client = await server.connect(kernel_id, protocol)
    messages = await client.run("raise ValueError('é \\u2028 🙂')")
    error = one(messages, "error")
    assert error.content["ename"] == "ValueError"
    assert error.content["evalue"] == "é \u2028 🙂"
    assert one(messages, "execute_reply").content["status"] == "error"


async def test_display_and_updates(server: Server, kernel_id: str, protocol: str) -> None:
    """display_data and update_display_data: an update that a newer one directly follows may be left out."""
    client = await server.connect(kernel_id, protocol)
    code = "h = display('a', display_id='x'); [h.update(str(n)) for n in range(5)]; None"
    messages = await client.run("from IPython.display import display\n" + code)
    shown = [m for m in messages if m.msg_type in {"display_data", "update_display_data"}]
    values = [m.content["data"]["text/plain"] for m in shown]
    assert (values[0], values[-1]) == ("'a'", "'4'")
    assert values[1:] == sorted(set(values[1:]))


async def test_large_output(server: Server, kernel_id: str, protocol: str) -> None:
    """Megabytes in one message."""
    client = await server.connect(kernel_id, protocol)
    messages = await client.run("from IPython.display import display\ndisplay({'text/plain': 'x' * 8_000_000}, raw=True)")
    assert len(one(messages, "display_data").content["data"]["text/plain"]) == 8_000_000


async def test_comm_with_binary_buffers_both_ways(server: Server, kernel_id: str, protocol: str) -> None:
    """As ipywidgets uses them: buffers arrive byte for byte, empty ones too."""
    client = await server.connect(kernel_id, protocol)
    opened = one(await client.run(COMM), "comm_open")
    assert opened.buffers == [bytes(range(256)), b""]
    content = {"comm_id": opened.content["comm_id"], "data": {"n": 1}}
    request = await client.send("comm_msg", content, buffers=[b"\x00\x01\x02", b"", b"x" * 100_000])
    answer = await client.until(lambda m: m.msg_type == "comm_msg" and m.parent_id == request["header"]["msg_id"])
    assert answer.content["data"] == {"echo": {"n": 1}}
    assert answer.buffers == [b"\x02\x01\x00", b"", b"x" * 100_000]


async def test_a_comm_that_the_client_opens(server: Server, kernel_id: str, protocol: str) -> None:
    """comm_open from the client, with buffers."""
    client = await server.connect(kernel_id, protocol)
    await client.run(TARGET)
    content = {"comm_id": f"comm-{protocol}", "target_name": "client_side", "data": {"a": 1}}
    request = await client.send("comm_open", content, buffers=[b"\xff"])
    answer = await client.until(lambda m: m.msg_type == "comm_msg" and m.parent_id == request["header"]["msg_id"])
    assert (answer.content["data"], answer.buffers) == ({"opened": {"a": 1}}, [b"\xff"])


async def test_stdin_reaches_the_client_that_asked(server: Server, kernel_id: str, protocol: str) -> None:
    """A prompt reaches only the client whose cell asks: its stdin socket has the identity of its shell socket."""
    asker, other = await server.connect(kernel_id, protocol), await server.connect(kernel_id, protocol)
    request = await asker.execute("print(input('name? ') + '!')", allow_stdin=True)
    prompt = await asker.until("input_request")
    assert (prompt.channel, prompt.content["prompt"]) == ("stdin", "name? ")
    await asker.send("input_reply", {"value": "é"}, "stdin")
    await asker.idle(request)
    assert asker.text(request) == "é!\n"
    await other.until(lambda m: m.state == "idle" and m.parent_id == request["header"]["msg_id"])
    assert "input_request" not in {message.msg_type for message in other.messages}


async def test_a_prompt_in_the_first_cell_of_a_client_arrives(server: Server, kernel_id: str, protocol: str) -> None:
    """The client's stdin socket opens for that cell. A prompt to a socket that the kernel does not know yet would be lost."""
    for number in range(20):
        client = await server.connect(kernel_id, protocol)
        request = await client.execute("print(input('name? ') * 2)", allow_stdin=True)
        await client.until("input_request")
        await client.send("input_reply", {"value": str(number)}, "stdin")
        await client.idle(request)
        assert client.text(request) == f"{number}{number}\n"
        await client.close()


def is_idle(msg_id: str, message: Message) -> bool:
    return message.state == "idle" and message.parent_id == msg_id


async def test_a_cell_of_a_client_that_goes_at_once_runs(server: Server, kernel_id: str, protocol: str) -> None:
    """If a client disconnects while its cell waits for stdin to be greeted, the cell is sent to the kernel."""
    watching = await server.connect(kernel_id, protocol)
    for _ in range(10):
        client = await server.connect(kernel_id, protocol)
        request = await client.execute("print('ran')")
        await client.close()
        await watching.until(partial(is_idle, request["header"]["msg_id"]))
        assert watching.text(request) == "ran\n"


async def test_every_client_sees_output_and_only_one_the_reply(server: Server, kernel_id: str, protocol: str) -> None:
    """Two clients, one kernel; their subprotocols may differ."""
    first, second = await server.connect(kernel_id, protocol), await server.connect(kernel_id, "legacy")
    request = await first.execute("print('for all')")
    await first.idle(request)
    await second.until(lambda m: m.state == "idle" and m.parent_id == request["header"]["msg_id"])
    assert first.text(request) == second.text(request) == "for all\n"
    assert [m.msg_type for m in first.of(request) if m.channel == "shell"] == ["execute_reply"]
    assert [m.msg_type for m in second.of(request) if m.channel != "iopub"] == []


async def test_requests_of_all_kinds(server: Server, kernel_id: str, protocol: str) -> None:
    """The other requests of a notebook."""
    client = await server.connect(kernel_id, protocol)
    contents: dict[str, dict[str, Any]] = {
        "complete_request": {"code": "pri", "cursor_pos": 3},
        "inspect_request": {"code": "print", "cursor_pos": 5, "detail_level": 0},
        "history_request": {"output": False, "raw": True, "hist_access_type": "tail", "n": 3},
        "is_complete_request": {"code": "if True:"},
        "comm_info_request": {},
        "kernel_info_request": {},
    }
    for msg_type, content in contents.items():
        messages = await client.idle(await client.send(msg_type, content))
        assert one(messages, msg_type.replace("request", "reply")).content["status"] != "error"


async def test_control_is_answered_while_a_cell_runs(server: Server, kernel_id: str, protocol: str) -> None:
    """A control message does not wait for the cell that runs on shell."""
    client = await server.connect(kernel_id, protocol)
    request = await client.execute(WAIT)
    await client.until(lambda m: m.msg_type == "stream" and m.parent_id == request["header"]["msg_id"])
    info = await client.send("kernel_info_request", channel="control")
    reply = await client.until(lambda m: m.parent_id == info["header"]["msg_id"] and m.msg_type == "kernel_info_reply")
    assert reply.channel == "control"
    assert not [m for m in client.of(request) if m.msg_type == "execute_reply"]
    await server.rest(f"kernels/{kernel_id}/interrupt", "POST")
    await client.idle(request)


async def test_subshells(server: Server, kernel_id: str, protocol: str) -> None:
    """Messages with ``subshell_id`` in their header: a subshell answers while the main shell runs a cell."""
    client = await server.connect(kernel_id, protocol)
    created = await client.send("create_subshell_request", channel="control")
    reply = await client.until(lambda m: m.parent_id == created["header"]["msg_id"] and m.channel == "control")
    subshell: str = reply.content["subshell_id"]
    blocked = await client.execute(WAIT)
    await client.until(lambda m: m.msg_type == "stream" and m.parent_id == blocked["header"]["msg_id"])
    message = client.message("execute_request", {"code": "print('sub'); stop = 1", "silent": False}, subshell_id=subshell)
    await client.write(client.encode(message, "shell"))
    await client.idle(message)
    await client.idle(blocked)
    assert client.text(message) == "sub\n"
    await client.run("del stop")
    await client.send("delete_subshell_request", {"subshell_id": subshell}, "control")
    await client.until("delete_subshell_reply")


async def test_many_requests_at_once_are_answered_in_order(server: Server, kernel_id: str, protocol: str) -> None:
    """200 requests written without waiting."""
    client = await server.connect(kernel_id, protocol)
    requests = [await client.execute(f"print({n})") for n in range(200)]
    await client.idle(requests[-1])
    assert [client.text(request) for request in requests] == [f"{n}\n" for n in range(200)]
    replies = [m.parent_id for m in client.messages if m.msg_type == "execute_reply"]
    assert replies == [request["header"]["msg_id"] for request in requests]


async def test_a_flood_does_not_hold_up_another_client(server: Server, kernel_id: str, protocol: str) -> None:
    """A second kernel's client works while the first one's output pours."""
    flooding = await server.connect(kernel_id, protocol)
    request = await flooding.execute("import sys\nfor i in range(5_000): sys.stdout.write('x' * 100); sys.stdout.flush()")
    await flooding.until(lambda m: m.parent_id == request["header"]["msg_id"])
    other_kernel = await server.start_kernel()
    other = await server.connect(other_kernel, protocol)
    messages = await other.run("'alive'")
    assert one(messages, "execute_result").content["data"] == {"text/plain": "'alive'"}
    await asyncio.gather(flooding.idle(request), server.kernels.shutdown_kernel(other_kernel, now=True))
