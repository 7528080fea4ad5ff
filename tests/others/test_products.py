"""Server extensions and applications beside kernelws, each as it is installed: its own page or API works, and kernels do.

docs/others.md lists what was run. Must not test what a product shows, only that it works with kernelws's class and kernel
manager.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernelws.cli.child import free_port
from tests.others.conftest import ACTIVE, Start, new_client
from tests.support.client import Client, results
from tests.support.process import Process, listening
from tests.support.process_server import ProcessServer
from tests.support.rest import fetch, rest
from tests.support.server import TOKEN

OURS = "kernelws.ZMQChannelsWebsocketConnection"


def notebook(folder: Path, name: str, code: str) -> None:
    """A notebook of one cell."""
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "one",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": code,
    }
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": [cell], "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
    (folder / name).write_text(json.dumps(content))


async def page(server: ProcessServer, path: str) -> str:
    return str((await fetch(f"{server.url}/{path}", token=TOKEN)).body.decode())


async def computes(client: Client) -> None:
    """The kernel answers this client."""
    assert results(await client.run("6 * 7")) == ["42"]


async def test_voila_as_an_extension(beside: Start, root: Path) -> None:
    """The page has the cell's output, and the page's kernel goes on serving its widgets."""
    notebook(root, "voila.ipynb", "answer = 6 * 7; print(f'the answer is {answer}')")
    server = await beside("voila.server_extension")
    assert "the answer is 42" in await page(server, "voila/render/voila.ipynb")
    (kernel,) = await server.rest("kernels")
    client = await server.connect(kernel["id"])
    assert results(await client.run("answer")) == ["42"]
    assert ACTIVE in server.output


async def test_voila_on_its_own(
    installation: dict[str, str], root: Path, keep: Callable[[Process], None], jupyter_folder: Path
) -> None:
    """``voila FILE`` loads no server extension, so its own trait names the class. Its ``allowed_message_types`` refuse code."""
    notebook(root, "alone.ipynb", "answer = 6 * 7; print(f'the answer is {answer}')")
    port = free_port()
    options = (f"--port={port}", "--no-browser", f"--token={TOKEN}", f"--Voila.kernel_websocket_connection_class={OURS}")
    voila = await Process.run("voila", str(root / "alone.ipynb"), *options, env=installation, cwd=jupyter_folder)
    keep(voila)
    await listening(port)
    url = f"http://127.0.0.1:{port}"
    text = (await fetch(f"{url}/?token={TOKEN}")).body.decode()
    assert "the answer is 42" in text
    kernel_id = json.loads(text.partition('id="jupyter-config-data" type="application/json">')[2].partition("</script>")[0])[
        "kernelId"
    ]
    client = await Client.open(f"{url.replace('http', 'ws')}/api/kernels/{kernel_id}/channels?token={TOKEN}")
    await client.execute("answer")
    await client.idle(await client.send("kernel_info_request"))
    assert not [message for message in client.messages if message.msg_type == "execute_reply"]
    assert ACTIVE in voila.output


async def test_jupyter_collaboration(beside: Start, root: Path) -> None:
    notebook(root, "shared.ipynb", "1")
    server = await beside("jupyter_server_ydoc", "jupyter_server_fileid")
    body = {"format": "json", "type": "notebook"}
    session = await server.rest("collaboration/session/shared.ipynb", "PUT", body)
    assert session["fileId"]
    await computes(await new_client(server))
    assert ACTIVE in server.output


async def test_jupyter_server_documents(beside: Start) -> None:
    """It sets its own connection class, which keeps cells' output in its documents, whatever is configured. kernelws is then not
    in use, its log line names the extension, and kernels work as without kernelws."""
    named = f"--ServerApp.kernel_websocket_connection_class={OURS}"
    server = await beside("jupyter_server_documents", "jupyter_server_fileid", arguments=(named,))
    await computes(await new_client(server))
    assert ACTIVE not in server.output
    assert "is not active: the extension jupyter_server_documents has set" in server.output


async def test_nbclassic(beside: Start, root: Path) -> None:
    """Its pages use the legacy subprotocol. Beside Notebook 7 they would be under /nbclassic."""
    notebook(root, "classic.ipynb", "1")
    server = await beside("nbclassic", "notebook_shim")
    assert "data-notebook-path" in await page(server, "notebooks/classic.ipynb")
    await computes(await new_client(server, protocol="legacy"))
    assert ACTIVE in server.output


async def test_jupyter_resource_usage(beside: Start) -> None:
    """It asks a kernel on a control channel of its own."""
    server = await beside("jupyter_resource_usage")
    client = await new_client(server)
    await computes(client)
    (kernel,) = await server.rest("kernels")
    usage = await server.rest(f"metrics/v1/kernel_usage/get_usage/{kernel['id']}")
    assert usage["content"]["kernel_cpu"] >= 0
    assert (await server.rest("metrics/v1"))["rss"] > 0
    await computes(client)
    assert ACTIVE in server.output


async def test_ipywidgets(beside: Start) -> None:
    """A slider is moved by the client, and the kernel's answer to it arrives."""
    client = await new_client(await beside())
    code = "import ipywidgets\nslider = ipywidgets.IntSlider()\nslider.observe(lambda _: print(slider.value), 'value')\nslider"
    answers = await client.run(code)
    opened = [message for message in answers if message.msg_type == "comm_open"]
    (slider,) = [message for message in opened if message.content["data"]["state"].get("_model_name") == "IntSliderModel"]
    update = {"method": "update", "state": {"value": 42}, "buffer_paths": []}
    moved = await client.send("comm_msg", {"comm_id": slider.content["comm_id"], "data": update})
    printed = await client.until(lambda message: message.msg_type == "stream" and message.parent_id == moved["msg_id"])
    assert printed.content["text"].strip() == "42"


async def test_ipympl(beside: Start) -> None:
    """A figure's picture comes as a buffer, once the client has said that it is there."""
    client = await new_client(await beside())
    code = "%matplotlib widget\nimport matplotlib.pyplot as plt\nfigure = plt.figure()\nplt.plot([1, 2])\nfigure.canvas"
    answers = await client.run(code)
    (canvas,) = [message for message in answers if is_canvas(message.content)]
    for kind in ("send_image_mode", "refresh", "initialized", "draw"):
        content = {"method": "custom", "content": {"type": kind}}
        await client.send("comm_msg", {"comm_id": canvas.content["comm_id"], "data": content})
    drawn = await client.until(lambda message: message.msg_type == "comm_msg" and bool(message.buffers))
    assert bytes(drawn.buffers[0]).startswith(b"\x89PNG")


def is_canvas(content: Any) -> bool:
    return (
        bool(content.get("data", {}).get("state", {}).get("_model_name") == "MPLCanvasModel") if "comm_id" in content else False
    )


async def test_panel_preview(beside: Start, root: Path) -> None:
    """It runs a notebook in a kernel of the server, over sockets of its own."""
    notebook(root, "panel.ipynb", "import panel as pn\npn.panel('the answer is 42').servable()")
    server = await beside("panel.io.jupyter_server_extension")
    assert "<title>" in await page(server, "panel-preview/render/panel.ipynb")
    assert ACTIVE in server.output


async def test_panel_in_a_cell(beside: Start) -> None:
    """Its comms pass a client's WebSocket."""
    server = await beside("panel.io.jupyter_server_extension")
    client = await new_client(server)
    answers = await client.run("import panel as pn\npn.extension(comms='default')\npn.widgets.IntSlider(name='answer')")
    assert [message for message in answers if message.msg_type in ("display_data", "execute_result")]
    assert ACTIVE in server.output


async def test_all_that_go_together(beside: Start, root: Path) -> None:
    """One server with every extension but jupyter_server_documents."""
    notebook(root, "all.ipynb", "print('the answer is 42')")
    server = await beside(
        "jupyterlab",
        "jupyter_lsp",
        "jupyter_resource_usage",
        "jupyter_server_fileid",
        "jupyter_server_terminals",
        "jupyter_server_ydoc",
        "nbclassic",
        "notebook_shim",
        "panel.io.jupyter_server_extension",
        "voila.server_extension",
        module="jupyterlab",
    )
    assert "the answer is 42" in await page(server, "voila/render/all.ipynb")
    for protocol in ("v1", "legacy"):
        await computes(await new_client(server, protocol=protocol))
    assert len(await rest(f"{server.url}/api/kernels", token=TOKEN)) == 3
    assert ACTIVE in server.output
