"""Sessions for unit tests: a kernel without a socket, default settings, and a client that takes messages only on demand."""

import logging
from dataclasses import replace
from typing import Any

from jupyter_client.session import Session

from kernelws import ZMQChannelsWebsocketConnection
from kernelws.kernel.kernel import Kernel, kernel_of
from kernelws.session.facts import Identity
from kernelws.session.limiter import DropLimiter
from kernelws.session.limits import NAMES, Limits
from kernelws.session.registry import registry_of
from kernelws.session.session import ClientSession

LOG = logging.getLogger("session")


def default_limits(**changes: Any) -> Limits:
    """What a connection's traits say by default, but for the ``changes``."""
    traits = ZMQChannelsWebsocketConnection.class_traits()
    defaults: Any = {name: traits[name].default() for name in NAMES}
    return replace(Limits(**defaults), **changes)


class MultiManager(dict[str, Any]):
    """A multi kernel manager with these kernels: what sessions and their registry ask of one."""

    def __init__(self, *kernel_ids: str) -> None:
        super().__init__({kernel_id: KernelManager(kernel_id, self) for kernel_id in kernel_ids})
        self.allow_tracebacks = True
        self._kernel_buffers: dict[str, Any] = {}
        self.callbacks: list[Any] = []

    def add_restart_callback(self, kernel_id: str, callback: Any, event: str = "restart") -> None:
        self.callbacks.append(callback)

    def remove_restart_callback(self, kernel_id: str, callback: Any, event: str = "restart") -> None:
        self.callbacks.remove(callback)


class KernelManager:
    """A kernel manager whose kernel nobody connects to."""

    def __init__(self, kernel_id: str, parent: Any = None) -> None:
        self.kernel_id = kernel_id
        self.kernel_name = "python3"
        self.parent = parent
        self.log = LOG
        self.session = Session(key=b"")


class TakingClient:
    """A client that takes messages only when a test asks for them. The constructor attaches it to the session."""

    round_trip = None
    silent = False

    def __init__(self, session: ClientSession, protocol: Any = "v1") -> None:
        self.session = session
        self.ended: list[tuple[int, str]] = []
        session.attach(self, protocol, DropLimiter(session.session, LOG, lambda *_: None))

    def wake(self) -> None:
        """Does nothing: messages wait until the test takes them."""

    def moved(self, session: Any) -> None:
        """Does nothing: this client has no Session of its own."""

    def end(self, code: int, reason: str) -> None:
        """Records the code and the reason."""
        self.ended.append((code, reason))


def a_session(
    key: str = "kernel:session",
    manager: Any = None,
    *,
    kernel: Kernel | None = None,
    protocol: Any = "v1",
    named: bool = True,
    limits: Limits | None = None,
) -> ClientSession:
    """An open session, known to the registry of ``manager``."""
    kernel_id = key.partition(":")[0]
    manager = MultiManager(kernel_id) if manager is None else manager
    kernel = kernel or kernel_of(manager[kernel_id] if isinstance(manager, dict) else KernelManager(kernel_id, manager))
    return registry_of(manager).open(
        Identity(key, kernel_id, named=named),
        Session(key=b""),
        kernel,
        protocol=protocol,
        log=LOG,
        limits=limits or default_limits(),
    )
