"""What a notebook does with its kernel, as steps for a client library, with the outcome that each step must have.

An outcome has the same shape for every library: ``{"reply": content, "outputs": [{"id", "type", "content"}]}``.
``tests/js/everything.js`` runs the steps with @jupyterlab/services; ``jupyter_kernel_client`` is a synchronous library, so its
steps run in a thread. Must not reconnect for a client: the library does that, or not at all.
"""

from collections.abc import Callable
from typing import Any

from tests.deploy.flood import assert_complete, lines
from tests.support.cells import COMM, WAIT

Outcome = dict[str, Any]
DISPLAY = "handle = display('one', display_id=True); handle.update('two')"
STEPS = {"comm": COMM, "wait": WAIT}
SECONDS = 60.0


def assert_everything(outcomes: dict[str, Outcome]) -> None:
    """Each step came to what it must."""
    by_type = {name: _by_type(outcome) for name, outcome in outcomes.items() if "outputs" in outcome}
    assert by_type["execute"]["execute_result"]["data"] == {"text/plain": "42"}
    assert by_type["display"]["display_data"]["data"] == {"text/plain": "'one'"}
    assert by_type["display"]["update_display_data"]["data"] == {"text/plain": "'two'"}
    assert outcomes["comm_open"]["data"] == {"hello": 1}
    assert outcomes["comm_open"]["buffers"] == [list(range(256)), []]
    assert outcomes["comm_msg"]["data"] == {"echo": {"n": 1}}
    assert outcomes["comm_msg"]["buffers"] == [[2, 1, 0], []]
    assert by_type["stdin"]["stream"]["text"] == "é!\n"
    assert by_type["interrupt"]["error"]["ename"] == "KeyboardInterrupt"
    assert outcomes["interrupt"]["reply"]["status"] == "error"
    assert by_type["restart"]["execute_result"]["data"] == {"text/plain": "False"}
    assert outcomes["flood"]["reply"]["status"] == "ok"
    assert_complete(lines((one["id"], one["content"]["text"]) for one in outcomes["flood"]["outputs"] if one["type"] == "stream"))


def _by_type(outcome: Outcome) -> dict[str, Any]:
    return {one["type"]: one["content"] for one in outcome["outputs"]}


def with_kernel_client(url: str, token: str, kernel_id: str, flood: str, on_flooding: Callable[[], None]) -> dict[str, Outcome]:
    """The outcomes by step. ``on_flooding`` is called when the flood has begun to arrive."""
    from jupyter_kernel_client import KernelHttpManager

    again = {"reconnect_interval": 1}  # seconds
    manager = KernelHttpManager(server_url=url, token=token, kernel_id=kernel_id, client_kwargs=again)
    manager.client.start_channels()
    try:
        return _steps(manager, flood, on_flooding)
    finally:
        manager.client.stop_channels()


def _steps(manager: Any, flood: str, on_flooding: Callable[[], None]) -> dict[str, Outcome]:
    run = _Run(manager.client)
    outcomes = {"execute": run("6 * 7"), "display": run(DISPLAY), **_comm(manager.client, run)}
    outcomes["stdin"] = run("print(input('name? ') + '!')", answer="é")
    outcomes["interrupt"] = run(WAIT, on_text=manager.interrupt_kernel)
    run("before = 1")
    manager.restart_kernel()
    outcomes["restart"] = run("'before' in globals()")
    outcomes["flood"] = _across_a_cut(manager.client, flood, on_flooding)
    return outcomes


class _Run:
    """Runs code with the client's own ``execute_interactive``."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(self, code: str, answer: str | None = None, on_text: Callable[[], None] | None = None) -> Outcome:
        outputs: list[Any] = []

        def output(message: dict[str, Any]) -> None:
            outputs.append(_output(message))
            if message["header"]["msg_type"] == "stream" and on_text is not None:
                on_text()

        reply = self.client.execute_interactive(
            code,
            allow_stdin=answer is not None,
            stdin_hook=lambda _: self.client.input(answer),
            output_hook=output,
            timeout=SECONDS,
        )
        return {"reply": reply["content"], "outputs": outputs}


def _output(message: dict[str, Any]) -> dict[str, Any]:
    header = message["header"]
    buffers = [list(buffer) for buffer in message.get("buffers") or ()]
    return {"id": header["msg_id"], "type": header["msg_type"], "content": message["content"], "buffers": buffers}


def _comm(client: Any, run: _Run) -> dict[str, Outcome]:
    """It has no comms of its own: the messages are sent and read as they are."""
    (opened,) = [one for one in run(COMM)["outputs"] if one["type"] == "comm_open"]
    message = client.session.msg("comm_msg", {"comm_id": opened["content"]["comm_id"], "data": {"n": 1}})
    message["buffers"] = [b"\x00\x01\x02", b""]
    client.session.send(client.kernel_socket, "shell", message)
    while (echoed := _output(client.get_iopub_msg(timeout=SECONDS)))["type"] != "comm_msg":
        pass
    return {name: {**one["content"], "buffers": one["buffers"]} for name, one in (("comm_open", opened), ("comm_msg", echoed))}


def _across_a_cut(client: Any, code: str, on_flooding: Callable[[], None]) -> Outcome:
    """Its ``execute_interactive`` gives up when a connection ends; its channels go on with the next one."""
    request, outputs = client.execute(code), list[dict[str, Any]]()
    while not (outputs and outputs[-1]["type"] == "status" and outputs[-1]["content"]["execution_state"] == "idle"):
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") != request:
            continue
        outputs.append(_output(message))
        if outputs[-1]["type"] == "stream":
            on_flooding()
    return {"reply": client.get_shell_msg(timeout=SECONDS)["content"], "outputs": outputs}
