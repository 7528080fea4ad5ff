"""The native signer and receivers for a jupyter_client Session: they sign and verify messages with its key.

The key or the scheme may change during a session, for example when the kernel restarts on another host. Each use compares them
and makes new objects if they have changed. Must not hold messages. Cost: one comparison a use.
"""

from typing import Any

from jupyter_client.session import Session

from .. import _core
from . import adapt


class Keys:
    """The signer and the receivers of one Session. All methods raise ``UnsupportedScheme``."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._signer: tuple[tuple[Any, ...], _core.Signer] | None = None
        self._receivers: dict[str, tuple[tuple[Any, ...], _core.Receiver]] = {}

    @property
    def signer(self) -> _core.Signer:
        terms = (self.session.key, self.session.signature_scheme)
        if self._signer is None or self._signer[0] != terms:
            self._signer = (terms, _core.Signer(*terms))
        return self._signer[1]

    def new_receiver(self, *, verify: bool = True) -> _core.Receiver:
        """A receiver with an empty replay window."""
        session = self.session
        return _core.Receiver(
            session.key,
            session.signature_scheme,
            digest_history_size=session.digest_history_size,
            verify=verify,
            json=adapt.packs_json(session),
        )

    def receiver(self, use: str, *, verify: bool = True) -> _core.Receiver:
        """The receiver named ``use``, which keeps its replay window between calls."""
        terms = (self.session.key, self.session.signature_scheme, verify)
        held = self._receivers.get(use)
        if held is None or held[0] != terms:
            held = self._receivers[use] = (terms, self.new_receiver(verify=verify))
        return held[1]


def probe_session(kernel_manager: Any) -> Session:
    """A new Session for the server's own requests, with the kernel's key and packer."""
    session: Session = kernel_manager.session
    return Session(
        config=session.config,
        key=session.key,
        signature_scheme=session.signature_scheme,
        packer=session.packer,
        unpacker=session.unpacker,
    )
