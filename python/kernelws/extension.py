"""The server extension: sets kernelws's classes on a Jupyter server, and logs whether the server uses them.

``link`` sets the classes, because ``load`` runs after the server has made its kernel manager. When ``link`` runs, reading a
trait that is not set raises, so it looks only at the configuration and at values that are already set. It does nothing in
gateway mode, and keeps a class that the user or another extension has set. ``load`` looks up the class that the server
uses, and logs one line: kernelws is active, or what has set another class. Must not make a server's start fail.
"""

from typing import Any

from jupyter_server.gateway.gateway_client import GatewayClient
from tornado.ioloop import IOLoop
from traitlets.utils.importstring import import_item

from ._core import __version__
from .active import log_startup, name_of
from .connection import ZMQChannelsWebsocketConnection
from .executions import start
from .manager import with_feeds
from .observe import metrics, page

CONNECTION_TRAIT = "kernel_websocket_connection_class"
MANAGER_TRAIT = "kernel_manager_class"


def link(serverapp: Any) -> None:
    """Sets the connection class and mixes the feed into the kernel manager class, unless another class is configured."""
    if GatewayClient.instance(parent=serverapp).gateway_enabled:
        return
    chosen = _already_chosen(serverapp, CONNECTION_TRAIT)
    if chosen is not None and not issubclass(chosen, ZMQChannelsWebsocketConnection):
        return
    if chosen is None:
        serverapp.kernel_websocket_connection_class = ZMQChannelsWebsocketConnection
    _mix_into_manager(serverapp)


def _mix_into_manager(serverapp: Any) -> None:
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, MappingKernelManager

    manager_class = _already_chosen(serverapp, MANAGER_TRAIT) or AsyncMappingKernelManager
    if issubclass(manager_class, MappingKernelManager):
        serverapp.kernel_manager_class = with_feeds(manager_class)
        # An extension that is linked later, such as Notebook, may set the configured class again
        serverapp.observe(_mix_in_again, MANAGER_TRAIT)


def _mix_in_again(change: Any) -> None:
    if isinstance(change.new, type) and change.new in getattr(change.old, "__bases__", ()):
        change.owner.kernel_manager_class = change.old


def _already_chosen(serverapp: Any, trait: str) -> Any:
    """The class that the configuration or the application has set ``trait`` to, or None."""
    value = serverapp.config.ServerApp.get(trait) or serverapp._trait_values.get(trait)
    return import_item(value) if isinstance(value, str) else value


def extension_of(serverapp: Any, used: Any) -> str:
    """The enabled extension from whose package the class ``used`` comes. Empty if there is none, as on Kernel Gateway."""
    package = getattr(used, "__module__", "").partition(".")[0]
    enabled = (name for name, enabled in getattr(serverapp, "jpserver_extensions", {}).items() if enabled)
    return next((name for name in enabled if package and name.partition(".")[0] == package), "")


def _set_by(serverapp: Any, used: Any) -> str:
    """What has set the connection class. The class's package is checked first, because an extension may set the class in the
    configuration, as jupyter_server_documents does."""
    extension = extension_of(serverapp, used)
    if extension:
        return f"the extension {extension}"
    return "the configuration" if serverapp.config.ServerApp.get(CONNECTION_TRAIT) else "another extension"


def _not_active(serverapp: Any, used: Any) -> None:
    if GatewayClient.instance(parent=serverapp).gateway_enabled:
        serverapp.log.info(
            "kernelws %s is not active: this server is in gateway mode; its status page and metrics are off", __version__
        )
        return
    serverapp.log.info(
        "kernelws %s is not active: %s has set ServerApp.%s to %s; its status page and metrics are off",
        __version__,
        _set_by(serverapp, used),
        CONNECTION_TRAIT,
        name_of(used),
    )


def load(serverapp: Any) -> None:
    """Logs which class the server uses, since an extension that was linked later may have replaced kernelws's.

    If it is kernelws's, adds the metrics and the status page.
    """
    used = serverapp.web_app.settings.get(CONNECTION_TRAIT)
    if not (isinstance(used, type) and issubclass(used, ZMQChannelsWebsocketConnection)):
        _not_active(serverapp, used)
        return
    log_startup(serverapp.log, used, serverapp.kernel_manager, serverapp.config)
    metrics.register()
    start.add(serverapp.web_app, serverapp.kernel_manager, used)
    board = page.add(serverapp.web_app, serverapp.kernel_manager)
    IOLoop.current().add_callback(board.start)
