"""Connections of the real class as unit tests make them: real managers whose kernel was never started, and no network.

Must not be used where a WebSocket or a server matters: ``offline`` has a server. Cost: half a millisecond a connection.
"""

import logging
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, ServerKernelManager
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from kernelws import ZMQChannelsWebsocketConnection, _core

KERNEL_ID = "kernel"
LOG = logging.getLogger("connection")


class Handler(KernelWebsocketHandler):
    """A handler without a request. ``closed`` has the code and the reason of each ``close``."""

    def __init__(self, protocol: str) -> None:
        """Without tornado's, which wants a request."""
        self.protocol = protocol
        self.request: Any = None
        self.ws_connection: Any = None
        self.closed: list[tuple[int | None, str | None]] = []

    @property
    def selected_subprotocol(self) -> str | None:
        return _core.V1 if self.protocol == "v1" else None

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.closed.append((code, reason))


def a_connection(protocol: str = "v1", *, cls: Any = ZMQChannelsWebsocketConnection, **traits: Any) -> Any:
    """A connection to the kernel ``KERNEL_ID`` that is not open. Its type is Any, because tests replace attributes."""
    kernels = AsyncMappingKernelManager(log=LOG)
    kernel_manager = ServerKernelManager(parent=kernels)
    kernel_manager.kernel_id = KERNEL_ID
    kernels._kernels[KERNEL_ID] = kernel_manager
    return cls(parent=kernel_manager, websocket_handler=Handler(protocol), **traits)
