"""Why a kernel died: real processes that end in all ways, one of them by the limit of a real cgroup. The text is shown below the
cell before ``restarting``, and is in the execution, the log, the status page and the metrics."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelws.kernel.death import SPAN
from kernelws.kernel.kernel import kernel_of
from tests.contract.test_metrics import growth, scraped
from tests.support import cgroup
from tests.support.client import Client
from tests.support.executions import Executions, text
from tests.support.server import Server
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILL = "import os, signal; os.kill(os.getpid(), signal.{})"
WAYS = {
    "import os; os._exit(3)": ("exited with status 3", "failed"),
    "import os; os._exit(0)": ("exited with status 0", "exited"),
    KILL.format("SIGSEGV"): ("crashed (SIGSEGV)", "SIGSEGV"),
    KILL.format("SIGTERM"): ("was killed (SIGTERM)", "SIGTERM"),
    KILL.format("SIGKILL"): ("was killed (SIGKILL)", "SIGKILL"),
    KILL.format("SIGUSR2"): ("was killed (SIGUSR2)", "signal"),
}
LIMIT = 320 << 20
EATS = "x = b'x' * (1 << 30)"


@pytest.fixture(scope="module")
def server_config() -> dict[str, Any]:
    return {"KernelRestarter": {"restart_limit": 100}, "ZMQChannelsWebsocketConnection": {"kernel_heartbeat_period": 0.1}}


async def works(page: Client) -> None:
    """Waits until the new process has run a cell, because a kernel that is shut down during its restart logs exceptions."""
    await page.idle(await page.execute("1"))


async def alone(server: Server, kernel_id: str) -> None:
    """Waits until the kernel's process is known to be the only one in its cgroup: ipykernel runs ``uname`` when it starts."""
    page = await server.connect(kernel_id)
    await works(page)
    deaths = kernel_of(server.kernels.get_kernel(kernel_id)).deaths

    def known() -> bool:
        looks = [look for look in deaths._looks if look.cgroup == deaths._looks[-1].cgroup]
        return bool(looks) and all(look.processes == {look.pid} for look in looks)

    await eventually(known, "a process that is alone in its cgroup", timeout=2 * SPAN)
    await page.close()


async def shown(server: Server, kernel_id: str, **columns: Any) -> None:
    """Returns when the status page shows this of the kernel."""

    def row() -> dict[str, Any]:
        answer = server.app.web_app.settings["kernelws_board"].answer()
        rows = [dict(zip(answer["columns"]["kernels"], row, strict=True)) for row in answer["kernels"]]
        return next((row for row in rows if row["id"] == kernel_id), {})

    await eventually(lambda: columns.items() <= row().items(), f"{columns} on the status page")


async def dies(server: Server, kernel_id: str, code: str, why: str, cause: str) -> None:
    """Runs code that ends the kernel, and looks everywhere for the text."""
    metrics = await growth(server)
    page = await server.connect(kernel_id)
    request = await page.execute(code)
    restarting = await page.until(lambda message: message.state == "restarting")
    told = [message for message in page.messages if message.msg_type == "stream"]
    assert [(message.content["name"], message.content["text"]) for message in told] == [("stderr", f"The kernel {why}\n")]
    assert told[0].parent["msg_id"] == request["header"]["msg_id"]
    assert page.messages.index(told[0]) < page.messages.index(restarting)
    found = await Executions(server, kernel_id).json(f"/{request['header']['msg_id']}")
    assert (found["state"], text(found, "stderr")) == ("lost", f"The kernel {why}\n")
    assert f"kernel {kernel_id} died: it {why}" in [record.message for record in server.log.records]
    await shown(server, kernel_id, death=why)
    assert await metrics.of(f"kernel_deaths_total|{cause}") == 1
    await works(page)
    await page.close()


@pytest.mark.parametrize(("code", "why", "cause"), [(code, *words) for code, words in WAYS.items()])
async def test_every_end_is_told_apart(server: Server, kernel_id: str, code: str, why: str, cause: str) -> None:
    await dies(server, kernel_id, code, why, cause)


async def test_a_kernel_that_reaches_the_limit_of_its_cgroup_says_so(server: Server, tmp_path: Path) -> None:
    with cgroup.limited(LIMIT) as folder:
        kernels = tmp_path / "kernels" / "limited"
        kernels.mkdir(parents=True)
        argv = cgroup.argv(folder, sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
        spec = {"argv": argv, "display_name": "limited", "language": "python"}
        (kernels / "kernel.json").write_text(json.dumps(spec))
        directories = server.kernels.kernel_spec_manager.kernel_dirs
        directories.append(str(tmp_path / "kernels"))
        kernel_id = await server.start_kernel("limited")
        try:
            await alone(server, kernel_id)
            why = "was killed (SIGKILL): out of memory, limit 320 MiB"
            await dies(server, kernel_id, EATS, why, "out_of_memory")
            await dies(server, kernel_id, KILL.format("SIGKILL"), "was killed (SIGKILL)", "SIGKILL")
        finally:
            await server.kernels.shutdown_kernel(kernel_id, now=True)
            directories.remove(str(tmp_path / "kernels"))


async def test_what_was_asked_for_is_no_death(server: Server, kernel_id: str) -> None:
    """Neither a restart, nor a shutdown that a client asks the kernel itself for."""
    metrics = await growth(server)
    page = await server.connect(kernel_id)
    await page.execute("import time; time.sleep(1000)")
    await page.until(lambda message: message.msg_type == "execute_input")
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    await page.idle(await page.execute("1"))
    await page.send("shutdown_request", {"restart": True}, channel="control")
    await page.until(lambda message: message.state == "restarting")
    await works(page)
    assert not [message for message in page.messages if "The kernel" in message.content.get("text", "")]
    for cause in ("failed", "exited", "signal", "SIGKILL", "SIGTERM"):
        assert await metrics.of(f"kernel_deaths_total|{cause}") == 0


async def test_a_stopped_kernel_is_unresponsive_until_it_goes_on(server: Server, kernel_id: str) -> None:
    """Nothing is done to it: it goes on with its cell."""
    page = await server.connect(kernel_id)
    await works(page)
    process = server.kernels.get_kernel(kernel_id).provisioner.process
    request = await page.execute("import time\nfor n in range(100): time.sleep(0.01)\nprint('the end')")
    await page.until(
        lambda message: message.msg_type == "execute_input" and message.parent["msg_id"] == request["header"]["msg_id"]
    )
    pulse = kernel_of(server.kernels.get_kernel(kernel_id)).pulse
    await eventually(lambda: pulse._heard, "a heartbeat")
    process.send_signal(signal.SIGSTOP)
    await shown(server, kernel_id, state="unresponsive", open=(0, 1, 0))
    assert (await scraped(server))["unresponsive_kernels"] == 1
    process.send_signal(signal.SIGCONT)
    await page.idle(request)
    assert page.text(request) == "the end\n"
    await shown(server, kernel_id, state="idle", open=(0, 0, 0))
    assert (await scraped(server))["unresponsive_kernels"] == 0
    assert server.kernels.get_kernel(kernel_id).provisioner.process is process
