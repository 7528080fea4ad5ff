"""Finds mistakes in the configuration of a connection: values that are not allowed, and unknown names.

A wrong setting must not prevent a connection, nor a server's start: the default is used instead. The server's log, doctor and
``jupyter kernelws settings`` report what is found here. Setting a trait in code raises TraitError as usual.
Must not log. Cost: one validation per configured setting and connection.
"""

import difflib
from dataclasses import dataclass
from typing import Any

from traitlets.config import Config, Configurable
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from .record.log_lines import shown
from .trait_types import allowed

VALUE_SHOWN = 100


@dataclass(frozen=True)
class Finding:
    """One wrong setting. ``allowed`` is empty if the name is unknown; ``nearest`` is a similar known name, or empty."""

    name: str
    value: str
    allowed: str = ""
    default: str = ""
    nearest: str = ""

    @property
    def sentence(self) -> str:
        """The finding as a log line says it."""
        if self.allowed:
            return f"{self.name} = {self.value}, but it takes {self.allowed}; the default, {self.default}, is used"
        return f"{shown(self.name)} changes nothing" + (f"; did you mean {self.nearest}?" if self.nearest else "")


def configured(cls: type[Configurable], parent: Any, config: Any) -> Any:
    """An object of ``cls`` with configured traits; the ``__init__`` of ``cls`` is not called."""
    one = cls.__new__(cls)
    Configurable.__init__(one, parent=parent, config=config)
    return one


def of_server(cls: Any, manager: Any, config: Any) -> list[Finding]:
    """The findings for a server's connections: ``cls`` is their class, ``manager`` the server's multi kernel manager."""
    one = configured(cls, manager, config)
    return check(one, one.configured_section(config))


def check(owner: Configurable, section: Config) -> list[Finding]:
    """The findings for ``owner``'s configuration section, in the order of the section."""
    traits = owner.traits(config=True)
    found = []
    for name, value in section.items():
        if isinstance(value, Config):  # a nested section
            continue
        if name not in traits:
            near = difflib.get_close_matches(name, traits, n=1)
            found.append(Finding(name, "", nearest=near[0] if near else ""))
        elif not _is_valid(owner, traits[name], value):
            trait = traits[name]
            written = str(value) if isinstance(value, str) else value  # values of a command line are a subclass of str
            found.append(Finding(name, shown(repr(written), VALUE_SHOWN), allowed(trait), repr(trait.default(owner))))
    return found


def valid(owner: Configurable, section: Config) -> Config:
    """The section without its wrong settings."""
    wrong = {finding.name for finding in check(owner, section)}
    return Config({name: value for name, value in section.items() if name not in wrong}) if wrong else section


def _is_valid(owner: Configurable, trait: Any, value: Any) -> bool:
    """Whether traitlets accepts a configured value. A value from the command line is text that is parsed first."""
    try:
        if isinstance(value, LazyConfigValue):
            value = value.get_value(trait.default(owner))
        elif isinstance(value, DeferredConfig):
            value = value.get_value(trait)
        trait._validate(owner, value)
    except Exception:  # noqa: BLE001 - TraitError, or whatever a value's own methods raise
        return False
    return True
