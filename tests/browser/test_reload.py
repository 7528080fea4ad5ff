"""JupyterLab with the extension: a reload loses nothing, a cut repeats nothing, another client's restart needs no dialog.

The stories are those of `tests/reload`, which tells all of them with stock too (`make reload`). No test asserts a time. Cost:
half a minute for the reloads, ten seconds for each of the others.
"""

import random
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from kernelws.cli.bench.server import KERNELWS
from tests.browser.conftest import STOCK, Open
from tests.browser.lab import LabServer, Notebook, NotebookServer
from tests.reload import cells, figure, rows
from tests.reload.page import Desk
from tools.chaos.proxy import Proxy

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(STOCK, reason="the stock class has no extension")

STEPS = (15, 0.1)
"""How many steps each of the five slow cells takes, and how many seconds a step takes."""
RELOADS = 3
CUTS = 10
STORIES = {row.name: row for row in (*rows.ROWS, *cells.ROWS)}
INDICATOR = ".kernelws-Indicator"
SAYS = f"text => document.querySelector('{INDICATOR}')?.textContent.includes(text)"
TOAST = ".Toastify__toast, .jp-toastContainer"


@pytest.mark.timeout(180)
def test_reloads_change_nothing_in_the_saved_notebook(browser: "Browser", lab: LabServer) -> None:
    rng = random.Random(1)  # noqa: S311 - moments, not secrets
    reference, _ = figure.run(browser, lab, STEPS, rng, reloads=0)
    saved, reloads = figure.run(browser, lab, STEPS, rng, reloads=RELOADS)
    result = figure.compare(reference, saved)
    assert reloads > 1
    assert not result.different, result.notes


@pytest.mark.parametrize("name", ["prompts", "killed"])
def test_a_story_ends_as_without_a_reload(browser: "Browser", lab: LabServer, name: str) -> None:
    assert STORIES[name].tell(browser, lab) == []


def test_cuts_repeat_nothing_and_lose_nothing(browser: "Browser", lab: LabServer) -> None:
    with Desk(browser, lab, STORIES["cuts"].sources, random.Random(1)) as desk:  # noqa: S311 - moments, not secrets
        assert cells.cuts(desk, CUTS) == []


def test_another_clients_restart_is_told_without_a_dialog(notebook: Open, lab: LabServer) -> None:
    opened = notebook("import time\ntime.sleep(1000)", "print('after')")
    opened.click_run()
    lab.request("POST", f"/api/kernels/{opened.kernel_id}/restart")
    opened.page.wait_for_selector(f"{TOAST} >> text=was restarted by another page or program")
    opened.wait_ready()
    assert opened.prompt() == "[ ]:"
    assert opened.dialogs() == []


def test_the_indicator_says_what_happens_and_is_readable_for_all(notebook: Open, proxy: Proxy) -> None:
    opened = notebook("1")
    opened.page.wait_for_function(SAYS, arg="ms")
    found = Axe().run(opened.page, context=INDICATOR)
    assert found.violations_count == 0, found.generate_report()
    proxy.network(on=False)
    proxy.reset()
    opened.page.wait_for_function(SAYS, arg="Reconnecting")
    proxy.network(on=True)
    opened.page.wait_for_function(SAYS, arg="Resumed")


def test_settings_follow_other_pages_and_hide_the_indicator(browser: "Browser") -> None:
    lab = LabServer(KERNELWS)
    file = lab.home / "config/lab/user-settings/kernelws/plugin.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    file.write_text('{"follow": true, "indicator": false}')
    with lab, Desk(browser, lab, [rows.SLOW], random.Random(1)) as desk:  # noqa: S311 - moments, not secrets
        first, second = desk.open(), desk.open()
        first.run(0)
        assert rows.expect(second, 0, rows.TEXT) == []
        assert second.page.locator(INDICATOR).count() == 0


@pytest.mark.parametrize("kind", [LabServer, NotebookServer])
def test_where_nothing_is_kept_it_does_nothing_and_says_so_once(browser: "Browser", kind: type[LabServer]) -> None:
    said: list[str] = []
    with kind(KERNELWS, ("--ZMQChannelsWebsocketConnection.executions=False",)) as server:
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text) if "kernelws" in message.text else None)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url) if "/kernelws/api/" in request.url else None)
        opened = Notebook(page, server, server.write_notebook(["1"]))
        assert opened.page.locator(INDICATOR).count() == 0
        opened.close()
    assert len(said) == 1, said
    assert "executions are off" in said[0]
    assert requests == []
