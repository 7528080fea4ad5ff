"""A JupyterHub as docs/deploy/jupyterhub.md has it, and people who use it as browsers do: a form, redirects, cookies.

Must use only what a user of the hub can use, not its administration. Cost: three seconds a hub, three a user.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, Self

import requests
from requests.cookies import get_cookie_header

from kernelws.cli.child import free_port
from tests.deploy.pages import block
from tests.support.client import Client
from tests.support.process import Process, is_alive, working_in
from tests.support.wait import TIMEOUT, eventually

PASSWORD = "a password for everybody"
OF_THE_TEST = """
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.ConfigurableHTTPProxy.check_running_interval = 1
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/{{username}}"
c.Spawner.args += ["--allow-root"]
c.JupyterHub.load_roles = [
    {{"name": "guests", "scopes": ["access:servers!user=alice", "read:users!user=alice"], "users": ["carol"]}}
]
"""


class Hub(Process):
    """``url`` is the proxy's; ``folder`` holds the hub's files."""

    url = ""
    folder = Path()

    @classmethod
    async def start(cls, folder: Path, environment: dict[str, str], node_folder: Path) -> Self:
        port = free_port()
        text = block("jupyterhub.md", "python", {"127.0.0.1:8000": f"127.0.0.1:{port}"})
        text += OF_THE_TEST.format(folder=folder, hub_port=free_port(), api_port=free_port())
        (folder / "jupyterhub_config.py").write_text(text)
        (folder / "node_modules").symlink_to(node_folder / "node_modules")
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        hub = await cls.run(
            *("jupyterhub", "-f", "jupyterhub_config.py"), env=os.environ | environment | {"PATH": programs}, cwd=folder
        )
        hub.url, hub.folder = f"http://127.0.0.1:{port}", folder
        await hub.until("JupyterHub is now running")
        return hub

    async def wait(self) -> int:
        """Waits for the hub's end, and ends what is left: a hub that has restarted its proxy may start another one at its end."""
        await eventually(lambda: not is_alive(self.process.pid), "the end of the hub", 3 * TIMEOUT)
        for pid in working_in(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return await super().wait()

    @property
    def proxy_pid(self) -> int:
        """The process id of the proxy; 0 while there is none."""
        try:
            return int((self.folder / "proxy.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return 0


class Person:
    """Somebody who has logged in and whose server runs. ``own`` is the address of that server."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name = hub, name
        self.own = f"{hub.url}/user/{name}"
        self.browser = requests.Session()

    @classmethod
    async def log_in(cls, hub: Hub, name: str) -> Self:
        person = cls(hub, name)
        await asyncio.to_thread(person._log_in)
        return person

    def _log_in(self) -> None:
        hub = f"{self.hub.url}/hub"
        self._get(f"{hub}/login")
        form = {"username": self.name, "password": PASSWORD, "_xsrf": self.browser.cookies["_xsrf"]}
        self.browser.post(f"{hub}/login", data=form, timeout=TIMEOUT).raise_for_status()
        self._get(f"{hub}/spawn/{self.name}")
        with self._get(f"{hub}/api/users/{self.name}/server/progress", stream=True) as progress:
            events = [json.loads(line[5:]) for line in progress.iter_lines() if line.startswith(b"data:")]
        assert events[-1].get("ready"), events
        self.visit(self.own)

    def visit(self, server: str) -> None:
        """Opens a page of a server, which sends the browser to the hub and back, and agrees if it is somebody else's."""
        answer = self._get(f"{server}/lab")
        if "/oauth2/authorize" in answer.url:
            form = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
            headers = {"Referer": answer.url, "Sec-Fetch-Mode": "navigate"}
            answer = self.browser.post(answer.url, data=form, headers=headers, timeout=TIMEOUT)
            answer.raise_for_status()
        assert answer.url.startswith(f"{server}/lab"), answer.url

    def _get(self, url: str, **options: Any) -> requests.Response:
        # what browsers say of a page that somebody opens; XSRF checks rest on it
        answer = self.browser.get(url, headers={"Sec-Fetch-Mode": "navigate"}, timeout=3 * TIMEOUT, **options)
        answer.raise_for_status()
        return answer

    async def start_kernel(self) -> str:
        """A kernel on the person's own server."""
        url = f"{self.own}/api/kernels"
        (token,) = [
            cookie.value for cookie in self.browser.cookies if (cookie.name, cookie.path) == ("_xsrf", f"/user/{self.name}/")
        ]
        answer = await asyncio.to_thread(self.browser.post, url, json={}, headers={"X-XSRFToken": token}, timeout=TIMEOUT)
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def connect(self, server: str, kernel_id: str, session_id: str | None = None) -> Client:
        """A client of a kernel on a server. Raises tornado's ``HTTPClientError`` where that is refused."""
        url = f"{server}/api/kernels/{kernel_id}/channels"
        cookies = get_cookie_header(self.browser.cookies, requests.Request("GET", url))  # type: ignore[no-untyped-call]
        headers = {"Cookie": cookies or "", "Origin": self.hub.url, "Sec-Fetch-Mode": "websocket"}
        return await Client.open(url.replace("http", "ws", 1), "v1", session_id, http={"headers": headers})


async def restarted(hub: Hub, pid: int) -> None:
    """The hub has started another proxy, and told it the way to every server."""
    await eventually(lambda: hub.proxy_pid not in {0, pid}, "another proxy", 3 * TIMEOUT)
    await hub.until("Adding user alice to proxy", times=2)
