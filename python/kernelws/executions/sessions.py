"""The routes ``kernelws/api/kernels/<kernel_id>/sessions/<session_id>``: what a page is told of its own session.

The extension of JupyterLab shows it, and announces itself: it explains a restart by another client better than the status
``restarting`` does. For everybody but the user who opened a session, the session does not exist (404).
Must not show contents of messages. Cost: a few counters are read.
"""

from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado import web

from ..session.session import ClientSession
from .handlers import KERNEL, ExecutionsHandler, executing


class SessionHandler(ExecutionsHandler):
    """What these routes share."""

    def session(self, kernel_id: str, session_id: str) -> ClientSession:
        """A session of this user, or 404."""
        session = self.service.session(kernel_id, session_id)
        if session is None or session.identity.owner != self.owner:
            self.refuse(404, "no such session")
        return session


class Facts(SessionHandler):
    """The state of a session."""

    @web.authenticated
    @authorized
    def get(self, kernel_id: str, session_id: str) -> None:
        """Its round trip, what it has caught up on, what is still waiting for it, and the state of its kernel."""
        session = self.session(kernel_id, session_id)
        stats, client = session.outbox.stats(), session.client
        self.answer(
            {
                "round_trip": None if client is None else client.round_trip,
                "resumes": session.stats.resumes,
                "caught_up": {"messages": session.stats.caught_up},
                "waiting": {"messages": stats.waiting, "bytes": stats.memory + stats.disk},
                "kernel": getattr(self.service.manager.get_kernel(kernel_id), "execution_state", None) or "unknown",
                "announced": session.stats.announced,
            }
        )


class Extension(SessionHandler):
    """Whether the session's page has the extension of JupyterLab."""

    @web.authenticated
    @executing
    def post(self, kernel_id: str, session_id: str) -> None:
        """It has, from now on."""
        session = self.session(kernel_id, session_id)
        self.body()
        session.stats.announced = True
        self.set_status(204)
        self.finish()


def routes(base: str) -> list[tuple[Any, ...]]:
    """All routes, below the server's base URL."""
    root = url_path_join(base, "kernelws", "api", "kernels", KERNEL, "sessions", "(?P<session_id>[^/]+)")
    return [(root, Facts), (f"{root}/extension", Extension)]
