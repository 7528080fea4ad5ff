"""What the server itself says to one client: notices, ``restarting``, ``dead``.

Goes through the session's outbox, after what is already on its way, or past it where there is no session or hooks see every
message. Must not decide when to speak.
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
    """The link whose client is spoken to."""

    hooks: "Hooks"
    writer: "Writer"
    session: "ClientSession | None"

    @property
    def heard_session(self) -> str | None: ...


class Notices:
    """Of one link."""

    def __init__(self, link: Owner) -> None:
        self._link = link

    @property
    def messages(self) -> ServerMessages:
        """How the server itself speaks to this client."""
        link = self._link
        return ServerMessages(link.hooks.session, link.writer.protocol, link.heard_session)

    def show(self, payload: str | bytes) -> None:
        """Shows a message, after what is already on its way to this client."""
        link = self._link
        if link.session is not None and not link.writer.per_message:
            link.session.append_own(payload)
        else:
            self.show_at_once(payload)

    def announce(self, state: str) -> None:
        """Tells the session what has become of the kernel's process, after all that it has published."""
        link = self._link
        iopub, session = link.hooks.channels.get("iopub"), link.session  # which hears of it also if its client leaves now

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
        """Writes past the outbox: before a session's messages begin, or where there is no session yet."""
        hooks = self._link.hooks
        try:
            hooks.write_message(payload, binary=isinstance(payload, bytes))
        except WebSocketClosedError:
            hooks.log.debug("a notice came too late for the client of %s", shown_key(hooks.session_key))
