"""kernelws: the bridge between a Jupyter client's WebSocket and a kernel's ZMQ sockets, on a Rust core.

It replaces one class of jupyter_server, ``ZMQChannelsWebsocketConnection``, under the same name. Installing the package
enables its server extension, which sets the class. Without extensions, set
``c.ServerApp.kernel_websocket_connection_class = "kernelws.ZMQChannelsWebsocketConnection"``.
"""

from typing import Any

from ._core import __version__
from .connection import ZMQChannelsWebsocketConnection
from .errors import IntakeUnavailable, KernelwsError, MalformedMessage, SignatureError, UnsupportedScheme

__all__ = [
    "IntakeUnavailable",
    "KernelwsError",
    "MalformedMessage",
    "SignatureError",
    "UnsupportedScheme",
    "ZMQChannelsWebsocketConnection",
    "__version__",
]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "kernelws"}]


def _link_jupyter_server_extension(serverapp: Any) -> None:
    from .extension import link

    link(serverapp)


def _load_jupyter_server_extension(serverapp: Any) -> None:
    from .extension import load

    load(serverapp)
