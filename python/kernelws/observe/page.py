"""The status page's handlers: the page, its data as JSON, and its static files.

Users who may read the kernels API may see the page (``auth_resource`` is ``kernels``). Without a login, the page redirects to
the login page and the data answers 403, as the API does. The page must work under any Content-Security-Policy, so it has no
inline script or style, and loads nothing from other hosts. Its requests must not count as activity: an idle server with an open
page is still culled.
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
        """The server's policy, with stricter directives added. Of a repeated directive browsers use the first: the server's."""
        return f"{super().content_security_policy}; {POLICY}"

    @web.authenticated
    @authorized
    def get(self) -> None:
        """The page without data; its script requests the data."""
        html = (FILES / "status.html").read_text(encoding="utf-8")
        for name, value in (("base", url_path_join(self.base_url, "kernelws")), ("open", self._opens_files())):
            html = html.replace(f"{{{{ {name} }}}}", xhtml_escape(value))
        self.set_header("Cache-Control", "no-store")
        self.finish(html)

    def _opens_files(self) -> str:
        """The URL prefix with which JupyterLab or Notebook opens a file; empty if neither runs on this server."""
        places = (("lab", ("lab", "tree")), ("notebook", ("notebooks",)))
        for extension, parts in places:  # each extension application adds itself to the settings
            if extension in self.settings:
                return url_path_join(self.base_url, *parts) + "/"
        return ""


class Data(APIHandler):
    """The page's data."""

    auth_resource = "kernels"
    _track_activity = False

    @web.authenticated
    @authorized
    def get(self) -> None:
        """The answer of ``Board.answer``; ``?histories=1`` adds the points of the plots."""
        board: Board = self.settings[BOARD]
        self.set_header("Cache-Control", "no-store")
        self.finish(json_encode(board.answer(histories=self.get_query_argument("histories", "") == "1")))


class Files(JupyterHandler, web.StaticFileHandler):
    """Scripts, styles and the icon."""

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
        """Makes the browser check its copies of the files, which an update of kernelws may have changed."""
        self.set_header("Cache-Control", "no-cache")


def add(web_app: Any, manager: Any) -> Board:
    """Adds the page to a server. Returns its board, which the caller starts once the event loop runs."""
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
