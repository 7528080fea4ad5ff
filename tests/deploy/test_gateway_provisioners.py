"""gateway_provisioners' distributed provisioner: a kernel that is started over SSH on another host.

The host is a namespace with an SSH server, behind a link of 40 ms that loses packets; it shares this machine's files. The server
is a process of its own, because the provisioner reads its environment when it is imported. The environment is that of
docs/deploy/remote-kernels.md.
"""

import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernelws.cli.child import free_port
from tests.deploy import ssh_host
from tests.deploy.conftest import Keep
from tests.deploy.far import FAR, interrupt_and_restart
from tests.deploy.flood import Flood, arrived, assert_complete
from tests.deploy.link import HERE, THERE, Link, not_possible
from tests.deploy.pages import block
from tests.support.process import Process
from tests.support.process_server import ProcessServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.skipif(bool(not_possible()), reason=not_possible())]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link() -> AsyncIterator[Link]:
    link = await Link.up(seed=2)
    yield link
    carried, lost = await link.down()
    assert 0 < lost < carried


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("far")


@pytest.fixture(scope="module")
def variables(installation: dict[str, str], folder: Path) -> dict[str, str]:
    """What the page tells the administrator to export, and a home with SSH keys."""
    exported = dict(re.findall(r"^export (\w+)=(\S+)$", block("remote-kernels.md", "sh", {"10.0.0.1": HERE}), re.MULTILINE))
    own = {"HOME": str(folder / "home"), "KERNEL_USERNAME": "somebody", "GP_KERNEL_LOG_DIR": str(folder)}
    return installation | exported | own


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(link: Link, variables: dict[str, str], folder: Path, root: Path, keep: Keep) -> AsyncIterator[ProcessServer]:
    keep(await ssh_host.start(link, folder))
    program = Path(sys.executable).with_name("jupyter-ssh-spec")
    words = ("install", "--user", "--kernel-name=far", "--display-name=Far", f"--remote-hosts={THERE}")
    installed = await Process.run(program, *words, env={**variables, "PATH": "/usr/bin:/bin"})
    assert await installed.wait() == 0, installed.output
    spec = Path(variables["JUPYTER_DATA_DIR"]) / "kernels" / "far" / "kernel.json"
    fields = json.loads(spec.read_text())
    fields["argv"][0] = ssh_host.interpreter()
    spec.write_text(json.dumps(fields))
    server = await ProcessServer.start(root, variables, port=free_port(), extensions="")
    yield server
    await server.finish()


async def test_the_provisioner_is_the_remote_one(server: ProcessServer) -> None:
    """Execute, interrupt, restart (new ports, a new key) on one connection.

    Its launcher lives on for half a minute after the kernel was shut down, with the stock class too.
    """
    kernel_id = (await server.rest("kernels", "POST", {"name": "far"}))["id"]
    assert "is active on kernel connections" in server.output
    assert f"DistributedProvisioner: kernel launched.  Host: '{THERE}'" in server.output
    client = await server.connect(kernel_id)
    addresses = "import subprocess; print(subprocess.check_output(['ip', '-brief', 'address'], text=True))"
    request = await client.execute(addresses)
    await client.idle(request, FAR)
    assert THERE in client.text(request)
    assert HERE not in client.text(request).replace(f"peer {HERE}", "")
    await interrupt_and_restart(server, client, kernel_id)
    await client.close()
    await server.rest(f"kernels/{kernel_id}", "DELETE")


async def test_a_flood_from_a_kernel_started_over_ssh(server: ProcessServer, tmp_path: Path) -> None:
    """Everything arrives, the client's connection cut in the middle."""
    kernel_id = (await server.rest("kernels", "POST", {"name": "far"}))["id"]
    client = await server.connect(kernel_id)
    flood = Flood(tmp_path, chunk=20, rest=5000)
    request = await flood.begin(client)
    await flood.cut(client)
    flood.enough()
    again = await server.connect(kernel_id, session_id=client.session_id)
    await again.idle(request, FAR)
    assert_complete(arrived(request, client, again))
    await again.close()
    await server.rest(f"kernels/{kernel_id}", "DELETE")
