"""The routes ``kernelws/api/kernels/<kernel_id>/sessions/<session_id>``: what a page asks of its own session.

kernelws's extension for JupyterLab shows the state of the session. It also announces itself: the server then sends its page
``kernelws_restarted`` in place of the status ``restarting``, for which JupyterLab would say that the kernel has died.
Must not show anything of another user's session. Cost: that of what is asked.
"""

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..session.session import ClientSession
from .handler import ExecutionsHandler, executing


class SessionHandler(ExecutionsHandler):
    """What these routes share."""

    def session(self, kernel_id: str, session_id: str) -> ClientSession:
        """A session of this user, or 404."""
        session = self.service.session(kernel_id, session_id, self.owner)
        if session is None:
            self.refuse(404, "no such session")
        return session


class State(SessionHandler):
    """The state of a session."""

    @web.authenticated
    @authorized
    def get(self, kernel_id: str, session_id: str) -> None:
        """Its round trip, what it has caught up on, what still waits for it, and the state of its kernel."""
        session = self.session(kernel_id, session_id)
        stats, client = session.outbox.stats(), session.client
        manager = self.service.manager.get_kernel(kernel_id)
        self.answer(
            {
                "round_trip": None if client is None else client.round_trip,
                "resumes": session.stats.resumes,
                "caught_up": {"messages": session.stats.caught_up},
                "waiting": {"messages": stats.waiting, "bytes": stats.memory + stats.disk},
                "kernel": getattr(manager, "execution_state", None) or "unknown",
                "announced": session.stats.announced,
            }
        )


class Extension(SessionHandler):
    """Announces that the session's page has the extension."""

    @web.authenticated
    @executing
    def post(self, kernel_id: str, session_id: str) -> None:
        """Records the announcement."""
        session = self.session(kernel_id, session_id)
        self.body()
        session.stats.announced = True
        self.set_status(204)
        self.finish()


class Skip(ExecutionsHandler):
    """Shortens the output that waits for a session."""

    @web.authenticated
    @executing
    def post(self, kernel_id: str, session_id: str) -> None:
        """Shortens its text to the beginning and the end; a notice says how much is left out."""
        if not self.service.skip(kernel_id, session_id, self.owner):
            self.refuse(404, "no such session")
        self.set_status(204)
        self.finish()
