"""The routes of executions, below the server's base URL. Must hold no behaviour."""

from typing import Any

from jupyter_server.utils import url_path_join

from .acting import Attach, Input, Interrupt, Saved
from .handler import ID, KERNEL
from .reading import Listing, One
from .sessions import Extension, Skip, State


def routes(base: str) -> list[tuple[Any, ...]]:
    """All routes, below the server's base URL."""
    kernel = url_path_join(base, "kernelws", "api", "kernels", KERNEL)
    root = f"{kernel}/executions"
    session = f"{kernel}/sessions/(?P<session_id>[^/]+)"
    return [
        (session, State),
        (f"{session}/extension", Extension),
        (f"{session}/skip", Skip),
        (root, Listing),
        (f"{root}/attach", Attach),
        (f"{root}/saved", Saved),
        (f"{root}/{ID}", One),
        (f"{root}/{ID}/input", Input),
        (f"{root}/{ID}/interrupt", Interrupt),
    ]
