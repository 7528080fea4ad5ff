"""Fixtures of the browser tests: one chromium and one JupyterLab per run, a proxy per test, and screenshots when a test fails.

Only ``make browser`` collects the tests: other test runs need no browser. ``KERNELWS_TEST_STOCK=1`` runs them with the stock
class, to see which fail there. Cost: five seconds a run, three a notebook.
"""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

PICTURES = Path(__file__).resolve().parents[2] / ".cache" / "browser"
STOCK = bool(os.environ.get("KERNELWS_TEST_STOCK"))

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if "KERNELWS_BROWSER" in os.environ:
    from kernelws.cli.bench.server import KERNELWS
    from kernelws.cli.bench.server import STOCK as STOCK_NAME
    from tests.browser.lab import LabServer, Notebook
    from tools.chaos.proxy import Proxy
    from tools.chromium import chromium
else:
    collect_ignore_glob = ["test_*.py"]

Open = Callable[..., "Notebook"]
REPORT = pytest.StashKey[pytest.TestReport]()


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Debian's chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def lab() -> Iterator["LabServer"]:
    """A JupyterLab with the class under test; a restart is announced soon."""
    ours = () if STOCK else ("--ZMQChannelsWebsocketConnection.restart_announce_delay=1",)
    with LabServer(STOCK_NAME if STOCK else KERNELWS, ours) as server:
        yield server


@pytest.fixture
def proxy(lab: "LabServer") -> Iterator["Proxy"]:
    """The network between the browser and the server."""
    with Proxy(lab.address.port) as started:
        yield started


@pytest.fixture
def notebook(browser: "Browser", lab: "LabServer", proxy: "Proxy", request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a notebook with the given cells, or another tab with the notebook of that name, through the proxy."""
    context = browser.new_context()
    opened: list[Notebook] = []

    def open_one(*sources: str, name: str = "") -> Notebook:
        page = context.new_page()
        try:
            opened.append(Notebook(page, lab, name or lab.write_notebook(list(sources)), proxy.port))
        except BaseException:
            page.screenshot(path=PICTURES / f"{request.node.name}-opening.png")
            raise
        return opened[-1]

    yield open_one
    report = request.node.stash.get(REPORT, None)
    for number, one in enumerate(opened):
        if report is not None and report.failed:
            one.page.screenshot(path=PICTURES / f"{request.node.name}-{number}.png")
    context.close()
    for kernel_id in lab.kernels():
        lab.end_kernel(kernel_id)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets the fixture know whether the test it served has failed."""
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report
    return report
