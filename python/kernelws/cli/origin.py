"""Finds out what has set a server's classes: a configuration file, the command line, an extension, or the default.

Runs in doctor's server process, after the server has loaded its extensions. Must not change the server. If a class is configured
and not on the command line, each configuration file is loaded again by itself; the last file that names the class has set it.
A class that is neither configured nor the default was set by an extension: the one whose package has the class. If no
extension's package has it, the extension cannot be found. Cost: reading the configuration files a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets.utils.importstring import import_item

from ..manager import FeedKernelManagerMixin

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION, MANAGER = "kernel_websocket_connection_class", "kernel_manager_class"


def connection_class(app: Any) -> dict[str, str]:
    """The class of a server's kernel connections: its ``name``, and what has set it.

    ``by`` is "default", "command line", "file", "extension", "application" or "gateway mode". ``where`` is the name of the
    file, the extension or the application, or empty.
    """
    return _used(app, CONNECTION, app.web_app.settings[CONNECTION])


def manager_class(app: Any) -> dict[str, str]:
    """As ``connection_class``, for the server's multi kernel manager."""
    return _used(app, MANAGER, type(app.kernel_manager))


def config_files(app: Any) -> list[str]:
    """The configuration files of the server, then of its extension applications, without duplicates."""
    return list(dict.fromkeys(file for one in _applications(app) for file in one.loaded_config_files))


def section(app: Any) -> str:
    """The configuration section of a server's own traits: the name of the class that defines them."""
    return next(cls.__name__ for cls in type(app).__mro__ if CONNECTION in cls.__dict__)


def _used(app: Any, trait: str, cls: type) -> dict[str, str]:
    by, where = _set_by(app, trait, _without_feeds(cls))
    return {"name": f"{cls.__module__}.{cls.__qualname__}", "by": by, "where": where}


def _set_by(app: Any, trait: str, cls: type) -> tuple[str, str]:
    from ..extension import extension_of  # imported here: it loads the status page, which doctor itself does not need

    if getattr(getattr(app, "gateway_config", None), "gateway_enabled", False):
        return "gateway mode", ""
    if _sets(app.cli_config, app, trait, cls):
        return "command line", ""
    configured = _sets(app.config, app, trait, cls)
    if configured:
        files = [file for file, config in _file_configs(app) if _sets(config, app, trait, cls)]
        if files:
            return "file", files[-1]
    elif _is(app.trait_defaults(trait), cls):
        return "default", ""
    extension = extension_of(app, cls)  # an extension may set the class in the configuration
    if extension or not configured:
        return "extension", extension
    return "application", f"{type(app).__module__}.{type(app).__qualname__}"


def _applications(app: Any) -> list[Any]:
    """The server, and its extensions that read their own configuration files, such as JupyterLab."""
    manager = getattr(app, "extension_manager", None)
    return [app, *(one for apps in manager.extension_apps.values() for one in apps)] if manager else [app]


def _file_configs(app: Any) -> Iterator[tuple[str, Any]]:
    for file in config_files(app):
        load = app.json_config_loader_class if file.endswith(".json") else app.python_config_loader_class
        try:
            yield file, load(file).load_config()
        except Exception:  # noqa: BLE001, S112 - a Python configuration file may raise when it runs a second time
            continue


def _sets(config: Any, app: Any, trait: str, cls: type) -> bool:
    return _is(config.get(section(app), {}).get(trait), cls)


def _is(configured: Any, cls: type) -> bool:
    """Whether a configured value, a class or its name, is this class."""
    if not configured:
        return False
    try:
        return (import_item(str(configured)) if isinstance(configured, str) else configured) is cls
    except ImportError:
        return False


def _without_feeds(cls: type) -> type:
    """The class that kernelws's mixin was added to; ``cls`` itself if it has no mixin."""
    made = issubclass(cls, FeedKernelManagerMixin) and cls.__module__ == "kernelws.manager"
    return cls.__mro__[2] if made else cls
