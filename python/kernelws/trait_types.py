"""Trait types with a range of allowed values, and that range as text.

``traits.py`` gives each setting its range. TraitErrors, the server's log, doctor and the settings page are made from it.
Must not know a setting. Cost: a comparison when a trait is set.
"""

import math
import os
from typing import Any

from traitlets import Bool, Enum, Float, Int, TraitError, TraitType, Unicode

from . import container

LARGEST = 2**63 - 1
"""The largest number that the core accepts: it counts in 64 bits."""


class Whole(Int[int, int]):
    """A whole number, from ``min`` to ``max``."""

    def __init__(self, default: int, *, min: int = 0, max: int = LARGEST, **options: Any) -> None:  # noqa: A002 - traitlets' names
        super().__init__(default, min=min, max=max, **options)


class Memory(Whole):
    """Bytes of memory. In a small container the default is smaller: see ``container.share_of``."""

    def default(self, obj: Any = None) -> int:
        """Without an object, the default outside a container, for the documentation."""
        least = self.min or 0
        return self.usual if obj is None else max(least, container.share_of(self.usual, container.own_limit()))

    @property
    def usual(self) -> int:
        """The default outside a container."""
        return int(self.default_value)


class Seconds(Float[float, float]):
    """A time span: finite, and not negative."""

    def __init__(self, default: float, **options: Any) -> None:
        super().__init__(default, min=0.0, **options)

    def validate(self, obj: Any, value: Any) -> float:
        valid: float = super().validate(obj, value)
        if not math.isfinite(valid):
            raise TraitError(f"The '{self.name}' trait of a {type(obj).__name__} instance must be finite, not {valid}")
        return valid


class Directory(Unicode[str, str]):
    """A path; empty for a default."""

    def validate(self, obj: Any, value: Any) -> str:
        valid: str = super().validate(obj, value)
        try:
            if b"\0" in os.fsencode(valid):
                raise ValueError("it holds a NUL")
        except ValueError as error:
            raise TraitError(f"The '{self.name}' trait of a {type(obj).__name__} instance is no path: {error}") from None
        return valid


def allowed(trait: TraitType[Any, Any]) -> str:
    """The values that a trait accepts, as text."""
    if isinstance(trait, Bool):
        return "True or False"
    if isinstance(trait, Enum):
        return "one of " + ", ".join(repr(value) for value in trait.values or ())
    if isinstance(trait, Whole):
        return (
            f"a whole number, {trait.min:,} or more"
            if trait.max == LARGEST
            else f"a whole number from {trait.min:,} to {trait.max:,}"
        )
    if isinstance(trait, Seconds):
        return "a finite number, 0 or more"
    if isinstance(trait, Directory):
        return "a path"
    return "a number" if isinstance(trait, Float) else "text" if isinstance(trait, Unicode) else str(trait.info())
