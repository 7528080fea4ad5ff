"""The traits of a connection class with the values that a configuration gives them.

Runs in doctor's server process. Must not make a connection: only its traits are configured. Units stand in the traits' help,
in brackets at its beginning. Cost: one object.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from traitlets.config import Configurable

from ..trait_types import allowed

if TYPE_CHECKING:
    from traitlets import TraitType

UNIT = re.compile(r"\s*\(([a-z/]+)\)\s*")
SIMPLE = (str, int, float, bool, type(None))


def configured(cls: type[Configurable], parent: Any, config: Any) -> Any:
    """An object of ``cls`` whose traits are configured and whose own ``__init__`` was not called."""
    one = cls.__new__(cls)
    Configurable.__init__(one, parent=parent, config=config)
    return one


def traits(one: Configurable) -> list[dict[str, Any]]:
    """Name, value, default, unit, range and help of each configurable trait that has a simple value."""
    found = []
    for name, trait in sorted(one.class_traits(config=True).items()):
        value = getattr(one, name)
        if isinstance(value, SIMPLE):
            default = trait.default(one)
            words = {"unit": unit(trait), "allowed": allowed(trait), "help": meaning(trait)}
            found.append({"name": name, "value": value, "default": default} | words)
    return found


def unit(trait: TraitType[Any, Any]) -> str:
    """ "bytes", "sec", "msgs/sec" and so on; nothing for what is counted or named."""
    match = UNIT.match(trait.help or "")
    return match.group(1) if match else ""


def meaning(trait: TraitType[Any, Any]) -> str:
    """The help without its unit."""
    return UNIT.sub("", " ".join((trait.help or "").split()), count=1)
