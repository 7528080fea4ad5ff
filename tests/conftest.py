"""Fixtures of the contract and bridge tests: one real server per module, in the test's process and event loop.

After each test the log of ``server`` is read: an exception in it fails the test, unless the test has the marker
``logs_exceptions``. ``KERNELWS_TEST_STOCK=1`` runs the same tests with the stock class and manager, to see which fail there.
Must not start a server for tests that do not use one. Cost: half a second per module.
"""

import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import settings

from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server, environment

# The same commit gives the same answer, on however slow a machine; `make fuzz` is where new examples are looked for.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# A job that a shell script starts in the background ignores SIGINT, and so would each program that a test starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

STOCK = bool(os.environ.get("KERNELWS_TEST_STOCK"))
WITHOUT_US: dict[str, Any] = {"ServerApp": {"jpserver_extensions": {"kernelws": False}}}


@pytest.fixture(scope="session")
def jupyter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that Jupyter takes for the user's home during these tests. Short: ipc addresses lie in it."""
    folder = tmp_path_factory.mktemp("jupyter")
    for name in ("runtime", "root"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="session")
def jupyter_environment(jupyter_folder: Path) -> Iterator[dict[str, str]]:
    """Sets the environment for this process, and for the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        variables = environment(jupyter_folder)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield variables


@pytest.fixture(scope="module")
def server_config() -> dict[str, Any]:
    """What a module wants its server configured with; overridden in modules."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_server(
    jupyter_environment: dict[str, str], jupyter_folder: Path, server_config: dict[str, Any]
) -> AsyncIterator[Server]:
    """The module's server; tests take ``server``."""
    server = await Server.start(jupyter_folder / "root", server_config | WITHOUT_US if STOCK else server_config)
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def server(module_server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """The module's server, with what the test leaves open closed, and its log read for exceptions."""
    start = len(module_server.log.records)
    yield module_server
    await module_server.close_clients()
    if request.node.get_closest_marker("logs_exceptions") or STOCK:
        return
    raised = [record.message for record in module_server.log.records[start:] if record.exc_info]
    assert not raised, "exceptions in the server's log:\n" + "\n".join(raised)


@pytest_asyncio.fixture(loop_scope="module")
async def fake(server: Server) -> AsyncIterator[tuple[str, FakeKernel]]:
    """A fake kernel of the test's own: its id, and the kernel's end of the sockets."""
    kernel_id, kernel = await server.start_fake()
    yield kernel_id, kernel
    await server.close_clients()
    if kernel_id in server.kernels:
        await server.kernels.shutdown_kernel(kernel_id, now=True)


@pytest.fixture(params=["v1", "legacy"])
def protocol(request: pytest.FixtureRequest) -> str:
    """Both subprotocols."""
    return str(request.param)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "logs_exceptions: the test makes the server log an exception on purpose")
    logging.getLogger("asyncio").setLevel(logging.WARNING)
