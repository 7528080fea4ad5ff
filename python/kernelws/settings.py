"""Which configured settings of a connection are wrong: values out of their range, and names that nobody knows.

A wrong one must not prevent a connection, nor a server's start: its default is used, and it is said once a server, in the
log, by doctor and by ``jupyter kernelws settings``. All ask here. Setting a trait in code raises TraitError as ever.
Must not log. Cost: one validation a configured setting and connection.
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
    """One wrong setting. ``allowed`` is empty where its name is unknown, ``nearest`` where no known one is like it."""

    name: str
    value: str
    allowed: str = ""
    default: str = ""
    nearest: str = ""

    @property
    def sentence(self) -> str:
        """The whole of it, for a log line."""
        if self.allowed:
            return f"{self.name} = {self.value}, but it takes {self.allowed}; the default, {self.default}, is used"
        return f"{shown(self.name)} changes nothing" + (f"; did you mean {self.nearest}?" if self.nearest else "")


def of_server(cls: Any, manager: Any, config: Any) -> list[Finding]:
    """What is wrong with the configuration of a server's connections.

    ``cls`` is their class, ``manager`` the server's multi kernel manager.
    """
    one = cls.__new__(cls)
    one.parent = manager
    return check(one, one.configured_section(config))


def check(owner: Configurable, section: Config) -> list[Finding]:
    """What is wrong with the configuration section of an object, in its order."""
    traits = owner.traits(config=True)
    found = []
    for name, value in section.items():
        if isinstance(value, Config):  # a section for what belongs to this class
            continue
        if name not in traits:
            near = difflib.get_close_matches(name, traits, n=1)
            found.append(Finding(name, "", nearest=near[0] if near else ""))
        elif not _is_valid(owner, traits[name], value):
            trait = traits[name]
            written = str(value) if isinstance(value, str) else value  # a command line's is a class of its own
            found.append(Finding(name, shown(repr(written), VALUE_SHOWN), allowed(trait), repr(trait.default(owner))))
    return found


def valid(owner: Configurable, section: Config) -> Config:
    """The section without what is wrong in it."""
    wrong = {finding.name for finding in check(owner, section)}
    return Config({name: value for name, value in section.items() if name not in wrong}) if wrong else section


def _is_valid(owner: Configurable, trait: Any, value: Any) -> bool:
    """Whether traitlets would take a configured value, which may be text of a command line."""
    try:
        if isinstance(value, LazyConfigValue):
            value = value.get_value(trait.default(owner))
        elif isinstance(value, DeferredConfig):
            value = value.get_value(trait)
        trait._validate(owner, value)
    except Exception:  # noqa: BLE001 - TraitError, or whatever a value's own methods raise
        return False
    return True
