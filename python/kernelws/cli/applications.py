"""Finds the programs that start a server (`jupyter server`, `lab`, `notebook`, `kernelgateway`) by their console scripts.

Must not start one. Cost: importing the application, which takes a second for some.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from traitlets.config import Application

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class UnknownApplicationError(ValueError):
    """A program does not exist, cannot be imported, or starts no server; the message says which."""


def application(name: str) -> type[Application]:
    """The application class behind `jupyter NAME`. Raises UnknownApplicationError."""
    scripts = list(entry_points(group="console_scripts", name=f"jupyter-{name}"))
    if not scripts:
        raise UnknownApplicationError(f"there is no jupyter-{name} in this environment")
    try:
        launch: Any = scripts[0].load()
    except Exception as error:  # whatever a package raises when it is imported
        raise UnknownApplicationError(f"jupyter {name} cannot be imported: {error!r}") from error
    found = getattr(launch, "__self__", None)  # `main` is the class's `launch_instance`
    if not (isinstance(found, type) and issubclass(found, Application) and hasattr(server_class(found), "init_webapp")):
        raise UnknownApplicationError(f"jupyter {name} starts no server")
    return found


def server_class(app: type[Application]) -> Any:
    """The class of the server that ``app`` starts: ``app`` itself, or a ServerApp if ``app`` is an extension's application."""
    return getattr(app, "serverapp_class", app)


def _names(cls: Any, trait: str) -> Iterable[str | tuple[str, ...]]:
    """The keys of a class's `flags` or `aliases`: a dictionary, or a trait whose default is one."""
    value = getattr(cls, trait)
    return value if isinstance(value, dict) else value.default() or ()


def refused_argument(app: type[Application], arguments: Sequence[str]) -> str:
    """The first argument that the application does not know; empty if it knows all.

    Traits of all classes (`--Class.name=value`) are accepted: the server itself warns of unknown ones.
    """
    names = [name for cls in (app, server_class(app)) for trait in ("flags", "aliases") for name in _names(cls, trait)]
    known = {name for one in names for name in (one if isinstance(one, tuple) else (one,))}
    takes_value = False
    for argument in arguments:
        name, assigned, _ = argument.lstrip("-").partition("=")
        if not argument.startswith("-"):
            if not takes_value:
                return argument
            takes_value = False
            continue
        if "." not in name and name not in known:
            return argument
        takes_value = not assigned
    return ""
