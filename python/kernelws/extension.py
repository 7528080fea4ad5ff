"""Puts kernelws into a Jupyter server, and says what it did.

The classes are set when extensions are linked: loading comes after the server has made its kernel manager. At link time the
application's traits are not initialised, and reading an unset one raises, so only the configuration and the values that
are already set are looked at. Never in gateway mode, never over a class that the user or another extension has set.
When extensions are loaded, what the server really uses is looked up and logged. Must not fail a server's start.
"""

from typing import Any

from jupyter_server.gateway.gateway_client import GatewayClient
from tornado.ioloop import IOLoop
from traitlets.utils.importstring import import_item

from ._core import __version__
from .connection import ZMQChannelsWebsocketConnection
from .manager import with_feeds
from .observe import metrics, page
from .observe.announce import active, name_of

CONNECTION_TRAIT = "kernel_websocket_connection_class"
MANAGER_TRAIT = "kernel_manager_class"


def link(serverapp: Any) -> None:
    """Sets the connection class and mixes the feed into the kernel manager class, where nobody else has a say."""
    if GatewayClient.instance(parent=serverapp).gateway_enabled:
        serverapp.log.info("kernelws %s is not active: this server is in gateway mode", __version__)
        return
    who, chosen = _already_chosen(serverapp, CONNECTION_TRAIT)
    if chosen is not None and not issubclass(chosen, ZMQChannelsWebsocketConnection):
        serverapp.log.info(
            "kernelws %s is not active: %s has set ServerApp.%s to %s", __version__, who, CONNECTION_TRAIT, name_of(chosen)
        )
        return
    if chosen is None:
        serverapp.kernel_websocket_connection_class = ZMQChannelsWebsocketConnection
    _mix_into_manager(serverapp)


def _mix_into_manager(serverapp: Any) -> None:
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, MappingKernelManager

    _, chosen = _already_chosen(serverapp, MANAGER_TRAIT)
    manager_class = chosen or AsyncMappingKernelManager
    if issubclass(manager_class, MappingKernelManager):
        serverapp.kernel_manager_class = with_feeds(manager_class)
        # An extension application that is linked later, as Notebook's, sets what is configured once more
        serverapp.observe(_mix_in_again, MANAGER_TRAIT)


def _mix_in_again(change: Any) -> None:
    if isinstance(change.new, type) and change.new in getattr(change.old, "__bases__", ()):
        change.owner.kernel_manager_class = change.old


def _already_chosen(serverapp: Any, trait: str) -> tuple[str, Any]:
    """Who has set a class trait, and the class; ``("", None)`` if nobody has."""
    configured = serverapp.config.ServerApp.get(trait)
    if configured:
        return "the configuration", import_item(configured) if isinstance(configured, str) else configured
    value = serverapp._trait_values.get(trait)
    if value is None:
        return "", None
    return "another extension", import_item(value) if isinstance(value, str) else value


def load(serverapp: Any) -> None:
    """Logs what kernel connections of this server go through, since later extensions can overwrite what was linked.

    Where that is kernelws, its metrics and its status page are added.
    """
    used = serverapp.web_app.settings.get(CONNECTION_TRAIT)
    if not (isinstance(used, type) and issubclass(used, ZMQChannelsWebsocketConnection)):
        serverapp.log.info("kernelws %s is not active: kernel connections go through %s", __version__, name_of(used))
        return
    active(serverapp.log, used, serverapp.kernel_manager, serverapp.config)
    metrics.register()
    board = page.add(serverapp.web_app, serverapp.kernel_manager)
    IOLoop.current().add_callback(board.start)
