"""Sends the server's own messages to one client: notices, ``restarting`` and ``dead``.

They go through the session's outbox, after everything that is queued. Without a session, or if hooks see every message, they
are written to the WebSocket directly. Must not decide when to send one.
"""

from typing import TYPE_CHECKING, Protocol

from tornado.websocket import WebSocketClosedError

from ..kernel.feed_channel import FeedChannel
from ..messages.notices import ServerMessages
from ..record.log_lines import shown_key

if TYPE_CHECKING:
    from ..session.session import ClientSession
    from .hooks import Hooks
    from .outbound import Writer


class Owner(Protocol):
    """The link, as ``Notices`` sees it."""

    hooks: "Hooks"
    writer: "Writer"
    session: "ClientSession | None"

    @property
    def heard_session(self) -> str | None: ...


class Notices:
    """The server's own messages to the client of one link."""

    def __init__(self, link: Owner) -> None:
        self._link = link

    @property
    def messages(self) -> ServerMessages:
        """Builds messages in this client's subprotocol."""
        link = self._link
        return ServerMessages(link.hooks.session, link.writer.protocol, link.heard_session)

    def show(self, payload: str | bytes) -> None:
        """Sends an encoded message, after everything that is queued for this client."""
        link = self._link
        if link.session is not None and not link.writer.per_message:
            link.session.append_own(payload)
        else:
            self.show_at_once(payload)

    def announce(self, state: str) -> None:
        """Sends ``restarting`` or ``dead``, after everything that the kernel has published."""
        link = self._link
        iopub, session = link.hooks.channels.get("iopub"), link.session  # read now: the client may leave before ``announce``

        def announce() -> None:
            if session is not None and not session.closed and not link.writer.per_message:
                session.processes.announce(state)
            else:
                self.show_at_once(self.messages.status(state))

        if isinstance(iopub, FeedChannel) and not iopub.closed():
            iopub.kernel.feed.after_drain(announce)
        else:
            announce()

    def show_at_once(self, payload: str | bytes) -> None:
        """Writes an encoded message to the WebSocket at once, before everything that is queued."""
        hooks = self._link.hooks
        try:
            hooks.write_message(payload, binary=isinstance(payload, bytes))
        except WebSocketClosedError:
            hooks.log.debug("a notice came too late for the client of %s", shown_key(hooks.session_key))
