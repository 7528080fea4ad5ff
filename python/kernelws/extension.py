"""Puts kernelws into a Jupyter server, and says what it did.

The classes are set when extensions are linked: loading comes after the server has made its kernel manager. At link time the
application's traits are not initialised, and reading an unset one raises, so only the configuration and the values that
are already set are looked at. Never in gateway mode, never over a class that the user or another extension has set.
When extensions are loaded, what the server really uses is looked up, and one line says that kernelws is active, or who is in
charge instead. Must not fail a server's start.
"""

from typing import Any

from jupyter_server.gateway.gateway_client import GatewayClient
from tornado.ioloop import IOLoop
from traitlets.utils.importstring import import_item

from ._core import __version__
from .active import log_startup, name_of
from .connection import ZMQChannelsWebsocketConnection
from .manager import with_feeds
from .observe import metrics, page

CONNECTION_TRAIT = "kernel_websocket_connection_class"
MANAGER_TRAIT = "kernel_manager_class"


def link(serverapp: Any) -> None:
    """Sets the connection class and mixes the feed into the kernel manager class, where nobody else has a say."""
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
        # An extension application that is linked later, as Notebook's, sets what is configured once more
        serverapp.observe(_mix_in_again, MANAGER_TRAIT)


def _mix_in_again(change: Any) -> None:
    if isinstance(change.new, type) and change.new in getattr(change.old, "__bases__", ()):
        change.owner.kernel_manager_class = change.old


def _already_chosen(serverapp: Any, trait: str) -> Any:
    """The class that somebody has set a class trait to; None if nobody has."""
    value = serverapp.config.ServerApp.get(trait) or serverapp._trait_values.get(trait)
    return import_item(value) if isinstance(value, str) else value


def extension_of(serverapp: Any, used: Any) -> str:
    """The enabled extension whose package a class is in; empty where there is none, as on Kernel Gateway."""
    package = getattr(used, "__module__", "").partition(".")[0]
    enabled = (name for name, enabled in getattr(serverapp, "jpserver_extensions", {}).items() if enabled)
    return next((name for name in enabled if package and name.partition(".")[0] == package), "")


def _who_has_set(serverapp: Any, used: Any) -> str:
    """Who has set the connection class. An extension may do so by updating the configuration, as jupyter_server_documents
    does, so that a class from an extension's own package is that extension's."""
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
        _who_has_set(serverapp, used),
        CONNECTION_TRAIT,
        name_of(used),
    )


def load(serverapp: Any) -> None:
    """Logs what kernel connections of this server go through, since later extensions can overwrite what was linked.

    Where that is kernelws, its metrics and its status page are added.
    """
    used = serverapp.web_app.settings.get(CONNECTION_TRAIT)
    if not (isinstance(used, type) and issubclass(used, ZMQChannelsWebsocketConnection)):
        _not_active(serverapp, used)
        return
    log_startup(serverapp.log, used, serverapp.kernel_manager, serverapp.config)
    metrics.register()
    board = page.add(serverapp.web_app, serverapp.kernel_manager)
    IOLoop.current().add_callback(board.start)
