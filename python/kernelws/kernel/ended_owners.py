"""``EndedOwners``: keeps the shell and stdin sockets of sessions that end before their executions do.

A kernel sends its reply and its prompts to the sockets that sent the request. Without them an ``input()`` in a long cell would
wait for ever. The journal takes them when the session ends, and closes them when its last execution is over and replied to.
Must not send requests. Cost: two sockets for each such session, at most ``max_detached_sessions`` of them a kernel.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .. import _core
from ..messages import redact
from .connect import move

if TYPE_CHECKING:
    import logging

    from jupyter_client.session import Session

    from ..messages.keys import Keys

INHERITED = ("shell", "stdin")


class Owner(Protocol):
    """A session that ends."""

    session: "Session"
    keys: "Keys"
    channels: dict[str, Any]
    name: str
    manager: Any
    identity: Any
    """Its ``owner`` is the user whose session it is; None if the server does not tell users apart."""


class EndedOwner(NamedTuple):
    """What is kept of a session that has ended."""

    session: "Session"
    keys: "Keys"
    channels: dict[str, Any]
    name: str
    owner: str | None

    @property
    def replays(self) -> None:
        """It has no page any more."""

    def close(self) -> None:
        for channel in self.channels.values():
            channel.close()


class EndedOwners:
    """The ended sessions of one kernel with open executions."""

    def __init__(self, log: "logging.Logger", take: Callable[[_core.Batch], None]) -> None:
        self._log = log
        self._take = take
        self.kept: dict[str, EndedOwner] = {}

    def inherit(self, owner: Owner, most: int) -> None:
        """Takes the sockets of a session, which ends now. Closes the oldest ones if there are more than ``most``."""
        found = {name: owner.channels.get(name) for name in INHERITED}
        ours = {name: channel for name, channel in found.items() if channel is not None and hasattr(channel, "on_batch")}
        channels = {name: owner.channels.pop(name) for name, channel in ours.items() if not channel.closed()}
        session, manager = owner.session, owner.manager

        def take(batch: _core.Batch) -> None:
            redact.hide_tracebacks(batch, manager, session)
            self._take(batch)

        for channel in channels.values():
            channel.on_batch(take)
        self.kept[owner.session.session] = EndedOwner(owner.session, owner.keys, channels, owner.name, owner.identity.owner)
        while len(self.kept) > most:
            first = self.kept.pop(next(iter(self.kept)))
            self._log.warning("session %s: its open executions can no longer ask for input (max_detached_sessions)", first.name)
            first.close()

    def claim(self, session: str, owner: str | None) -> bool:
        """A client connects with this session id. Closes the sockets that are kept of it: the kernel's answers have one address,
        the session id, so they reach the client's own sockets now. False: the session was another user's.
        """
        kept = self.kept.get(session)
        if kept is not None and kept.owner != owner:
            return False
        if kept is not None:
            self.kept.pop(session).close()
        return True

    def get(self, session: str) -> EndedOwner | None:
        """What is kept of the session with this id."""
        return self.kept.get(session)

    def keep(self, open_sessions: set[str]) -> None:
        """Closes the sockets of all other sessions: they have no open execution any more."""
        for name in [name for name in self.kept if name not in open_sessions]:
            self.kept.pop(name).close()

    def moved(self, kernel_manager: Any) -> None:
        """Follows the kernel to its new address. Closes the sockets of a session that cannot be opened there."""
        for name, owner in list(self.kept.items()):
            try:
                move(owner.session, owner.channels, kernel_manager)
            except Exception as error:  # noqa: BLE001 - any error of a kernel manager's connect_*()
                self._log.error("session %s cannot follow its kernel: %s", owner.name, error)
                self.kept.pop(name).close()

    def close(self) -> None:
        self.keep(set())
