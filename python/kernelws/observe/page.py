"""The status page's handlers: the page, what it shows as JSON, and its files.

Who may read the kernels API may see the page (``auth_resource`` is ``kernels``); without a login the page leads to the
login page, and the JSON answers 403, as the API does. The page loads nothing from elsewhere and runs no inline script or
style, whatever the Content-Security-Policy. A page that is left open is no activity, or no idle server would be culled.
"""

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.escape import json_encode, xhtml_escape

from .board import Board

FILES = Path(__file__).parent / "static"
BOARD = "kernelws_board"
"""The key of the server's ``Board`` in tornado's settings."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'"),
        *("base-uri 'none'", "form-action 'none'"),
    )
)


class Page(JupyterHandler):
    """The page itself."""

    auth_resource = "kernels"

    @property
    def content_security_policy(self) -> str:
        """The server's, and stricter: of two directives of one name the first counts, which is the server's."""
        return f"{super().content_security_policy}; {POLICY}"

    @web.authenticated
    @authorized
    def get(self) -> None:
        """The page, which asks for its contents by itself."""
        html = (FILES / "status.html").read_text(encoding="utf-8")
        for name, value in (("base", url_path_join(self.base_url, "kernelws")), ("open", self._opens_files())):
            html = html.replace(f"{{{{ {name} }}}}", xhtml_escape(value))
        self.set_header("Cache-Control", "no-store")
        self.finish(html)

    def _opens_files(self) -> str:
        """The address below which JupyterLab, or Notebook, opens a file; empty where neither runs here."""
        places = (("lab", ("lab", "tree")), ("notebook", ("notebooks",)))
        for extension, parts in places:  # an extension application puts itself into the settings
            if extension in self.settings:
                return url_path_join(self.base_url, *parts) + "/"
        return ""


class Data(APIHandler):
    """What the page shows."""

    auth_resource = "kernels"
    _track_activity = False

    @web.authenticated
    @authorized
    def get(self) -> None:
        """``?histories=1`` asks for the points of the plots too."""
        board: Board = self.settings[BOARD]
        self.set_header("Cache-Control", "no-store")
        self.finish(json_encode(board.answer(histories=self.get_query_argument("histories", "") == "1")))


class Files(JupyterHandler, web.StaticFileHandler):
    """Script and style."""

    auth_resource = "kernels"

    @web.authenticated
    @authorized
    def get(self, path: str) -> Any:  # type: ignore[override] # a coroutine in one base, nothing in the other
        return web.StaticFileHandler.get(self, path)

    @web.authenticated
    @authorized
    def head(self, path: str) -> Any:  # type: ignore[override] # the same
        return web.StaticFileHandler.head(self, path)

    def set_extra_headers(self, path: str) -> None:
        """After an update of kernelws the browser asks whether its copy is still right."""
        self.set_header("Cache-Control", "no-cache")


def add(web_app: Any, manager: Any) -> Board:
    """Adds the page to a server and begins to sample for its plots once the event loop runs."""
    board = web_app.settings[BOARD] = Board(manager)
    base = web_app.settings["base_url"]
    web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "kernelws"), Page),
            (url_path_join(base, "kernelws", "api", "status"), Data),
            (url_path_join(base, "kernelws", "static", "(.*)"), Files, {"path": str(FILES)}),
        ],
    )
    return board
