"""A pytest plugin: the Hypothesis profile of `make fuzz`, many examples and no stored ones.

It must not change what a property says. A test that fixes its own ``max_examples`` keeps them. Cost: none.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Load the profile before a test module reads its settings, after the conftest.py files had their turn."""
    settings.register_profile("fuzz", max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("fuzz")
