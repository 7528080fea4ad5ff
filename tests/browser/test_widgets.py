"""Widgets in JupyterLab after a reload. The stories are those of `tests/reload/widgets.py`; `make reload` tells all of them.

No test asserts a time. Cost: fifteen seconds each.
"""

import json
from typing import TYPE_CHECKING

import pytest

from kernelws.cli.bench.server import KERNELWS
from tests.browser.conftest import STOCK
from tests.browser.lab import LabServer
from tests.reload import widgets

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(STOCK, reason="the stock class has no extension")

STORIES = {row.name: row for row in widgets.ROWS}
MANAGER = "@jupyter-widgets/jupyterlab-manager"


def test_an_output_widget_goes_on_after_a_reload_while_the_kernel_is_busy(browser: "Browser", lab: LabServer) -> None:
    """And has what it captured while no page was open."""
    assert STORIES["output"].tell(browser, lab) == []


def test_a_page_without_a_widget_manager_leaves_the_kernels_widgets_alive(browser: "Browser") -> None:
    """JupyterLab closes a comm whose target no extension has registered, and the kernel deletes its widget."""
    server = LabServer(KERNELWS)
    file = server.home / "config/labconfig/page_config.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"disabledExtensions": {MANAGER: True}}))
    with server:
        assert widgets.WITHOUT_MANAGER.tell(browser, server) == []
