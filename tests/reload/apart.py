"""Where the page's extension must do nothing: real-time collaboration, other executors, gateway mode; with the real programs.

A notebook is run and reloaded there. The page must say why once in the console, send no request to kernelws, and work as without
it. The programs are those of `.venv-others` (`make .venv-others/built`); must not start one that is not installed.
Cost: ten seconds each.
"""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelws.cli.bench.server import KERNELWS
from tools.chaos.server import ROOT, PlainServer

from .page import Desk
from .rows import Wrong, expect
from .servers import Newest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from playwright.sync_api import Browser, ConsoleMessage, Request

DOCUMENTS, NBMODEL = "@jupyter-ai-contrib/server-documents", "@datalayer/jupyter-server-nbmodel"
COLLABORATION = ("@jupyter/collaboration-extension", "@jupyter/docprovider-extension")
TEXT = "shown\n"


@dataclass(frozen=True)
class Place:
    """Where the extension has nothing to do."""

    name: str
    title: str
    reason: str
    """Part of what it says."""
    on: tuple[str, ...] = ()
    """Further server extensions."""
    off: tuple[str, ...] = ()
    """Extensions of the page that are installed and not wanted."""
    gateway: bool = False
    saves: bool = True
    """False: the server saves by itself, and the page's own save never ends."""

    def installed(self) -> bool:
        """Whether its programs are there."""
        return self.gateway or With.installed()

    def visit(self, browser: Browser) -> Wrong:
        """Runs a cell there and reloads the page; returns what is wrong."""
        with self._server() as server, Desk(browser, server, [f"print({TEXT.strip()!r})"], random.Random(1)) as desk:  # noqa: S311
            said: list[str] = []
            asked: list[str] = []

            def note(message: ConsoleMessage) -> None:
                said.extend([message.text] if "kernelws: " in message.text else [])

            def look(request: Request) -> None:
                asked.extend([request.url] if "/kernelws/api/" in request.url else [])

            sheet = desk.open()
            sheet.page.on("console", note)
            sheet.page.on("request", look)
            sheet.run(0)
            wrong = expect(sheet, 0, TEXT)
            if self.saves:
                sheet.save()
            sheet.go()
            wrong += expect(sheet, 0, TEXT)
            sheet.settled()
        wrong += [f"{len(asked)} requests to kernelws"] if asked else []
        return wrong + ([] if len(said) == 1 and self.reason in said[0] else [f"the console says {said}"])

    @contextlib.contextmanager
    def _server(self) -> Iterator[Newest]:
        if not self.gateway:
            with With(self) as server:
                yield server
            return
        with PlainServer(KERNELWS) as kernels:
            url = f"--GatewayClient.url=http://127.0.0.1:{kernels.address.port}"
            with Behind(KERNELWS, (url, f"--GatewayClient.auth_token={kernels.address.token}")) as server:
                yield server


class Behind(Newest):
    """JupyterLab in gateway mode."""

    def check(self) -> None:
        """Nothing: kernelws is enabled, and serves no kernel here."""


class With(Behind):
    """JupyterLab beside other products."""

    python: ClassVar[str] = str(ROOT / ".venv-others" / "bin" / "python")

    def __init__(self, place: Place) -> None:
        self._on = dict.fromkeys(place.on, True)
        super().__init__(KERNELWS)
        (self.home / "data").mkdir()  # where documents' ids are kept
        file = self.home / "config/labconfig/page_config.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"disabledExtensions": dict.fromkeys(place.off, True)}))

    def extensions(self) -> dict[str, bool]:
        """Only those that the place wants."""
        return {**super().extensions(), "jupyter_server_nbmodel": False, "jupyter_server_ydoc": False, **self._on}


PLACES = (
    Place(
        "rtc",
        "jupyter-collaboration",
        "another extension runs the cells",
        ("jupyter_server_ydoc", "jupyter_server_fileid"),
        (DOCUMENTS, NBMODEL),
    ),
    Place(
        "documents",
        "jupyter-server-documents",
        "this server keeps no executions",
        ("jupyter_server_documents", "jupyter_server_fileid"),
        (NBMODEL,),
        saves=False,
    ),
    Place(
        "nbmodel",
        "jupyter-server-nbmodel",
        "another extension runs the cells",
        ("jupyter_server_nbmodel",),
        (DOCUMENTS, *COLLABORATION),
    ),
    Place("gateway", "gateway mode", "this server keeps no executions", gateway=True),
)
