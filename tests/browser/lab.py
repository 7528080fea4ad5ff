"""JupyterLab and Notebook 7, served by a real server with stock or kernelws, and notebooks in them as Chromium shows them.

Starts `jupyter lab` or `jupyter notebook` in directories of its own, opens notebooks, and uses them as a person does. Must not
connect to other machines (no news, no updates), or read a server's internal state. The server is that of tools/chaos with
JupyterLab's own application. `window.jupyterapp` is exposed, because nothing on the page shows whether the kernel is idle and
connected. Cost: four seconds a server, three a notebook.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from tools.chaos.server import PlainServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

LAB = (
    "--LabApp.expose_app_in_browser=True",
    "--JupyterNotebookApp.expose_app_in_browser=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=None",
)
SETTINGS: dict[str, dict[str, Any]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}
TIMEOUT_MS = 60_000
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
READY = f"{KERNEL}?.status === 'idle' && {KERNEL}?.connectionStatus === 'connected'"
# Milliseconds from the click to the first frame in which the last output ends with the text; null until then.
SHOWN = f"""text => {{
  const outputs = document.querySelectorAll('{PANEL} .jp-OutputArea-output');
  const last = outputs[outputs.length - 1];
  return last && last.textContent.trimEnd().endsWith(text) ? performance.now() - window.clickedAt + 1e-6 : null;
}}"""
NOTE_CLICKS = """() => {
  window.clickedAt = null;
  document.addEventListener('click', () => { window.clickedAt ??= performance.now(); }, true);
}"""
# Keeps the texts of all dialogs since the page was opened, also of those that are closed.
NOTE_DIALOGS = """() => {
  window.dialogs = [];
  new MutationObserver(() => document.querySelectorAll('.jp-Dialog').forEach(dialog => {
    if (!window.dialogs.includes(dialog.textContent)) window.dialogs.push(dialog.textContent);
  })).observe(document.body, {childList: true, subtree: true});
}"""


class LabServer(PlainServer):
    """A server whose application is JupyterLab."""

    module = "jupyterlab"
    pinned = False

    def __init__(self, name: str, extra: tuple[str, ...] = ()) -> None:
        super().__init__(name, (*LAB, *extra))

    def extensions(self) -> dict[str, bool]:
        """JupyterLab, and kernelws or not."""
        return {**super().extensions(), "jupyterlab": True}

    def _write_kernelspecs(self) -> None:
        """None: the environment's python3 is used. JupyterLab's settings are written instead."""
        for plugin, values in SETTINGS.items():
            file = self.home / "config/lab/user-settings/@jupyterlab" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))

    def page_path(self, name: str) -> str:
        """The path of the page that shows this notebook."""
        # A workspace of its own: a second tab does not take over the first one's.
        return f"lab/workspaces/{uuid.uuid4().hex[:8]}/tree/{name}"

    def write_notebook(self, sources: list[str], kernel: str = "python3") -> str:
        """A new notebook with these cells, for this kernelspec; returns its file name."""
        name = f"{uuid.uuid4().hex[:8]}.ipynb"
        empty: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        cells = [{**empty, "id": f"cell-{number}", "source": source} for number, source in enumerate(sources)]
        spec = {"name": kernel, "display_name": kernel, "language": "python"}
        notebook = {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
        (self.home / name).write_text(json.dumps(notebook))
        return name


class NotebookServer(LabServer):
    """A server whose application is Notebook 7."""

    module = "notebook"

    def extensions(self) -> dict[str, bool]:
        """Notebook 7 too, which needs JupyterLab's extension."""
        return {**super().extensions(), "notebook": True}

    def page_path(self, name: str) -> str:
        """Notebook 7 shows one notebook a page."""
        return f"notebooks/{name}"


class Notebook:
    """One browser tab with one notebook, whose kernel is idle."""

    def __init__(self, page: Page, server: LabServer, name: str, port: int = 0, *, ready: bool = True) -> None:
        """`port` is that of a proxy before the server; `ready` False does not wait for the kernel."""
        self.page, self.server, self.name = page, server, name
        page.set_default_timeout(TIMEOUT_MS)
        where = server.page_path(name)
        page.goto(f"http://127.0.0.1:{port or server.address.port}/{where}?token={server.address.token}")
        if ready:
            self.wait_ready()
        page.evaluate(NOTE_DIALOGS)

    def wait_ready(self) -> None:
        """Until the kernel is idle and connected, as JupyterLab sees it."""
        self.page.wait_for_function(READY)

    @property
    def kernel_id(self) -> str:
        """The id of this notebook's kernel."""
        return str(self.page.evaluate(f"{KERNEL}.id"))

    def click_run(self) -> None:
        """The toolbar's run button, on the selected cell."""
        self.page.evaluate(NOTE_CLICKS)
        self.page.click(f'{PANEL} [data-command="notebook:run-cell-and-select-next"]')

    def run_all(self) -> None:
        """Every cell, from top to bottom."""
        self.page.evaluate("() => { window.clickedAt = performance.now(); }")
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def wait_shown(self, text: str) -> float:
        """Until the last output ends with `text`; returns the seconds since the click."""
        handle = self.page.wait_for_function(SHOWN, arg=text)
        return float(handle.json_value()) / 1e3

    def output(self) -> str:
        """The text of the first output of the first cell, as it is shown."""
        return str(self.page.locator(f"{PANEL} .jp-OutputArea-output").first.text_content())

    def prompt(self) -> str:
        """The first cell's prompt: `[*]:` while it runs."""
        return str(self.page.locator(f"{PANEL} .jp-InputPrompt").first.text_content())

    def restart_from_menu(self) -> None:
        """Kernel, Restart Kernel, and yes."""
        self.page.click(".lm-MenuBar-itemLabel:text-is('Kernel')")
        self.page.click('.lm-Menu-item[data-command="kernelmenu:restart"]')
        self.page.click(".jp-Dialog button.jp-mod-accept")
        self.page.wait_for_selector(".jp-Dialog", state="detached")

    def dialogs(self) -> list[str]:
        """The texts of all dialogs since the notebook was opened."""
        return [str(text) for text in self.page.evaluate("window.dialogs")]

    def close(self) -> None:
        """Close the tab and end the kernel."""
        kernel_id = self.kernel_id
        self.page.close()
        if kernel_id in self.server.kernels():
            self.server.end_kernel(kernel_id)
