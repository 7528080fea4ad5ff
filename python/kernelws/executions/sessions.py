"""The routes ``kernelws/api/kernels/<kernel_id>/sessions/<session_id>``: what a page asks of its own session.

Must not show anything of another user's session. Cost: that of what is asked.
"""

from tornado import web

from .handler import ExecutionsHandler, executing


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
