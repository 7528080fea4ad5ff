"""Watches a server start, to tell afterwards who has set its classes: which file, the command line, or which extension.

Runs in doctor's server process. Must not change what the server does: it stands around the functions that read
configuration files, link and load extensions, and notes what was different after them. Strategy: no file is read twice,
since a configuration file is a program. Cost: none worth naming.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from jupyter_server.extension.manager import ExtensionManager
from traitlets.config import Application
from traitlets.utils.importstring import import_item

from ..manager import FeedKernelManagerMixin

CONNECTION, MANAGER = "kernel_websocket_connection_class", "kernel_manager_class"
OURS = "kernelws"


@dataclass(frozen=True)
class Used:
    """A class that the server uses. ``by`` is "default", "command line", "file", "extension", "application" or "gateway mode".

    ``where`` names the file, the extension or the application.
    """

    name: str
    by: str
    where: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


class Witness:
    """``watch()`` before the application starts, ``used()`` once it has loaded its extensions."""

    def __init__(self) -> None:
        self.files: list[tuple[str, Any]] = []
        """Each configuration file with what it says, in the order they were read."""
        self._changes: list[tuple[str, str, Any]] = []
        """Extension, trait, class, in the order they were set."""

    def watch(self) -> None:
        """Stands around traitlets' reading of files, and around jupyter_server's extensions."""
        read = Application._load_config_files.__func__  # type: ignore[attr-defined]

        def reading(cls: Any, *args: Any, **kwargs: Any) -> Any:
            for config, file in read(cls, *args, **kwargs):
                self.files.append((str(file), config))
                yield config, file

        Application._load_config_files = classmethod(reading)  # type: ignore[assignment]
        for name in ("link_extension", "load_extension"):
            setattr(ExtensionManager, name, self._around(getattr(ExtensionManager, name)))

    def _around(self, step: Any) -> Any:
        def watched(manager: Any, extension: str, *args: Any) -> Any:
            before = _classes(manager.serverapp)
            try:
                return step(manager, extension, *args)
            finally:
                after = _classes(manager.serverapp)
                self._changes += [(extension, trait, after[trait]) for trait in after if after[trait] is not before[trait]]

        return watched

    def used(self, app: Any, trait: str) -> Used:
        """The class in use, and who has set it. ``app`` is the server after it has loaded its extensions."""
        cls = _classes(app)[trait]
        name = f"{cls.__module__}.{cls.__qualname__}"
        if getattr(getattr(app, "gateway_config", None), "gateway_enabled", False):
            return Used(name, "gateway mode")
        plain = _without_feeds(cls)
        if _is(app.config.get(section(app), {}).get(trait), plain):
            return Used(name, *self._configured_by(app, trait, plain))
        setters = [who for who, changed, value in self._changes if changed == trait and _without_feeds(value) is plain]
        # An extension that only mixes our feed in has not chosen the class.
        chosen = [who for who in setters if not (who == OURS and trait == MANAGER)]
        return Used(name, "extension", chosen[-1]) if chosen else Used(name, "default")

    def _configured_by(self, app: Any, trait: str, plain: type) -> tuple[str, str]:
        """The last one that says so has said it with effect."""
        if _is(app.cli_config.get(section(app), {}).get(trait), plain):
            return "command line", ""
        files = [file for file, config in self.files if _is(config.get(section(app), {}).get(trait), plain)]
        return ("file", files[-1]) if files else ("application", f"{type(app).__module__}.{type(app).__qualname__}")


def section(app: Any) -> str:
    """The name under which a server's own traits are configured: its class's, or that of the class it derives from."""
    return next(cls.__name__ for cls in type(app).__mro__ if CONNECTION in cls.__dict__)


def _classes(app: Any) -> dict[str, Any]:
    """Both classes as far as they are known: reading a trait that is not set may raise while a server starts."""
    found = {trait: app._trait_values.get(trait) for trait in (CONNECTION, MANAGER)}
    web_app = getattr(app, "web_app", None)
    if web_app is not None:
        found[CONNECTION] = web_app.settings.get(CONNECTION)
        found[MANAGER] = type(app.kernel_manager)
    return found


def _without_feeds(cls: Any) -> Any:
    """The class that kernelws's feed was mixed into."""
    made = isinstance(cls, type) and issubclass(cls, FeedKernelManagerMixin) and cls.__module__ == "kernelws.manager"
    return cls.__mro__[2] if made else cls


def _is(configured: Any, cls: Any) -> bool:
    """Whether a configured value, a class or its name, is this class."""
    if not configured:
        return False
    try:
        return (import_item(str(configured)) if isinstance(configured, str) else configured) is cls
    except ImportError:
        return False
