"""The traits of a connection class with their values, as doctor and `settings` report them.

Runs in doctor's server process. Must not configure anything: `settings.configured` does. The help of a trait begins with its
unit in parentheses. Cost: one object.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..trait_types import allowed

if TYPE_CHECKING:
    from traitlets import TraitType
    from traitlets.config import Configurable

UNIT = re.compile(r"\s*\(([a-z/]+)\)\s*")
SIMPLE = (str, int, float, bool, type(None))


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
    """ "bytes", "sec", "msgs/sec" and so on; empty for a trait without a unit."""
    match = UNIT.match(trait.help or "")
    return match.group(1) if match else ""


def meaning(trait: TraitType[Any, Any]) -> str:
    """The help without its unit."""
    return UNIT.sub("", " ".join((trait.help or "").split()), count=1)
