"""JupyterHub with its proxy and three users: docs/deploy/jupyterhub.md."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import pytest_asyncio
from tornado.httpclient import HTTPClientError

from tests.deploy.conftest import Keep
from tests.deploy.flood import Flood, arrived, assert_complete
from tests.deploy.hub import Hub, Person, restarted

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory, installation: dict[str, str], node_folder: Path, keep: Keep) -> Hub:
    hub = await Hub.start(tmp_path_factory.mktemp("hub"), installation, node_folder)
    keep(hub)
    return hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alice(hub: Hub) -> Person:
    return await Person.log_in(hub, "alice")


async def test_a_server_of_a_hub_has_kernelws(hub: Hub, alice: Person) -> None:
    """kernelws is active because it is installed there, with the traits that the hub passes on."""
    assert "is active on kernel connections" in hub.output
    client = await alice.connect(alice.own, await alice.start_kernel())
    await client.run("1")
    await client.close()


async def test_the_proxy_is_killed_in_a_flood(hub: Hub, alice: Person, tmp_path: Path) -> None:
    """The hub restarts the proxy. The sessions of both users resume and miss nothing."""
    bob = await Person.log_in(hub, "bob")
    floods = [Flood(tmp_path / person.name) for person in (alice, bob)]
    running = []
    for person, flood in zip((alice, bob), floods, strict=True):
        flood.told.parent.mkdir()
        kernel_id = await person.start_kernel()
        client = await person.connect(person.own, kernel_id)
        running.append((person, kernel_id, client, await flood.begin(client)))
    pid = hub.proxy_pid
    await asyncio.gather(*(flood.unread(client) for flood, (_, _, client, _) in zip(floods, running, strict=True)))
    os.kill(pid, signal.SIGKILL)
    for _, _, client, _ in running:
        await client.hang_up()
    for flood in floods:
        flood.enough()
    await restarted(hub, pid)
    for person, kernel_id, client, request in running:
        again = await person.connect(person.own, kernel_id, client.session_id)
        await again.idle(request, 60)
        assert not [m for m in client.of(request) if m.state == "idle"], "the proxy was killed after the flood"
        assert_complete(arrived(request, client, again))
        await again.close()


async def test_who_may_not_use_a_server_reaches_no_session_of_it(hub: Hub, alice: Person) -> None:
    """The hub refuses the request before kernelws reads the session id. The owner's connection goes on."""
    kernel_id = await alice.start_kernel()
    client = await alice.connect(alice.own, kernel_id)
    await client.run("1")
    mallory = await Person.log_in(hub, "mallory")
    with pytest.raises(HTTPClientError) as refused:
        await mallory.connect(alice.own, kernel_id, client.session_id)
    assert refused.value.code == 403
    assert await client.run("2")
    await client.close()


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "detached"])
async def test_a_guest_is_refused_the_hosts_session(hub: Hub, alice: Person, connected: bool) -> None:
    """Somebody who may use the server uses its kernels with sessions of their own."""
    kernel_id = await alice.start_kernel()
    client = await alice.connect(alice.own, kernel_id)
    await client.run("secret = 'of the host'")
    carol = await Person.log_in(hub, "carol")
    carol.visit(alice.own)
    if not connected:
        await client.close()
    with pytest.raises(HTTPClientError) as refused:
        await carol.connect(alice.own, kernel_id, client.session_id)
    assert refused.value.code == 403
    guest = await carol.connect(alice.own, kernel_id)
    assert await guest.run("3")
    await guest.close()
    if connected:
        assert await client.run("4")
        await client.close()
