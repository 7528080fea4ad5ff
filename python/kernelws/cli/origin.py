"""Who has set a server's classes: a configuration file, the command line, an extension, or nobody.

Runs in doctor's server process, once the server has loaded its extensions. Must not change the server. Strategy: where a class
is configured and not on the command line, the files that the server has loaded are loaded once more, each alone; the last one
that names the class has set it. A class that is neither configured nor the default is that of the extension whose package it is
in; which extension has set a class of another package cannot be known. Cost: reading the configuration files a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets.utils.importstring import import_item

from ..manager import FeedKernelManagerMixin

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION, MANAGER = "kernel_websocket_connection_class", "kernel_manager_class"


def connection_class(app: Any) -> dict[str, str]:
    """``name`` of the class of a server's kernel connections, and who has set it.

    ``by`` is "default", "command line", "file", "extension", "application" or "gateway mode"; ``where`` names the file, the
    extension or the application, and is empty where there is nothing to name.
    """
    return _used(app, CONNECTION, app.web_app.settings[CONNECTION])


def manager_class(app: Any) -> dict[str, str]:
    """The same of its kernel manager."""
    return _used(app, MANAGER, type(app.kernel_manager))


def config_files(app: Any) -> list[str]:
    """The configuration files that the server and its extension applications have loaded, in that order, each once."""
    return list(dict.fromkeys(file for one in _applications(app) for file in one.loaded_config_files))


def section(app: Any) -> str:
    """The name under which a server's own traits are configured: its class's, or that of the class it derives from."""
    return next(cls.__name__ for cls in type(app).__mro__ if CONNECTION in cls.__dict__)


def _used(app: Any, trait: str, cls: type) -> dict[str, str]:
    by, where = _set_by(app, trait, _without_feeds(cls))
    return {"name": f"{cls.__module__}.{cls.__qualname__}", "by": by, "where": where}


def _set_by(app: Any, trait: str, cls: type) -> tuple[str, str]:
    from ..extension import extension_of  # it loads the whole server, which doctor's own process does without

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
    extension = extension_of(app, cls)  # which may have set it in the configuration
    if extension or not configured:
        return "extension", extension
    return "application", f"{type(app).__module__}.{type(app).__qualname__}"


def _applications(app: Any) -> list[Any]:
    """The server, and those of its extensions that read configuration files of their own, as JupyterLab does."""
    manager = getattr(app, "extension_manager", None)
    return [app, *(one for apps in manager.extension_apps.values() for one in apps)] if manager else [app]


def _file_configs(app: Any) -> Iterator[tuple[str, Any]]:
    for file in config_files(app):
        load = app.json_config_loader_class if file.endswith(".json") else app.python_config_loader_class
        try:
            yield file, load(file).load_config()
        except Exception:  # noqa: BLE001, S112 - a file is a program, which may raise when it runs again
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
    """The class that kernelws's feed was mixed into."""
    made = issubclass(cls, FeedKernelManagerMixin) and cls.__module__ == "kernelws.manager"
    return cls.__mro__[2] if made else cls
