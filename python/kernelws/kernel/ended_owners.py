"""``EndedOwners``: keeps the shell and stdin sockets of sessions that end before their executions do.

A kernel sends its reply and its prompts to the sockets that sent the request. Without them an ``input()`` in a long cell would
wait for ever. The journal takes them when the session ends, and closes them when its last execution is over.
Must not send requests. Cost: two sockets for each such session, at most ``max_detached_sessions`` of them a kernel.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .. import _core

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


class EndedOwners:
    """The ended sessions of one kernel with open executions."""

    def __init__(self, log: "logging.Logger", take: Callable[[_core.Batch], None]) -> None:
        self._log = log
        self._take = take
        self.kept: dict[str, tuple[Owner, dict[str, Any]]] = {}

    def inherit(self, owner: Owner, most: int) -> None:
        """Takes the sockets of a session, which ends now. Closes the oldest ones if there are more than ``most``."""
        found = {name: owner.channels.get(name) for name in INHERITED}
        ours = {name: channel for name, channel in found.items() if channel is not None and hasattr(channel, "on_batch")}
        channels = {name: owner.channels.pop(name) for name, channel in ours.items() if not channel.closed()}
        for channel in channels.values():
            channel.on_batch(self._take)
        self.kept[owner.session.session] = owner, channels
        while len(self.kept) > most:
            first, _ = self.kept[name := next(iter(self.kept))]
            self._log.warning("session %s: its open executions can prompt no more (max_detached_sessions)", first.name)
            self._close(name)

    def stdin(self, session: str) -> tuple[Any, _core.Signer] | None:
        """The stdin channel of an ended session, and what signs for it."""
        owner, channels = self.kept.get(session, (None, {}))
        stdin = channels.get("stdin")
        return None if owner is None or stdin is None or stdin.closed() else (stdin, owner.keys.signer)

    def keep(self, open_sessions: set[str]) -> None:
        """Closes the sockets of sessions that have no open execution any more."""
        for name in [name for name in self.kept if name not in open_sessions]:
            self._close(name)

    def moved(self, kernel_manager: Any) -> None:
        """Follows the kernel to its new address."""
        for owner, channels in self.kept.values():
            new = kernel_manager.session
            owner.session.key, owner.session.signature_scheme = new.key, new.signature_scheme
            for channel in channels.values():
                if not channel.closed():
                    channel.move()

    def close(self) -> None:
        self.keep(set())

    def _close(self, name: str) -> None:
        _, channels = self.kept.pop(name)
        for channel in channels.values():
            channel.close()
