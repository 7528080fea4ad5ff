"""Fuzz bodies: ordinary functions with strategies for their arguments.

``fuzzed`` makes a body a test with few examples and registers it under its name. ``scripts/fuzz.py`` runs the registered bodies
for a given time, with new seeds.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

Body = Callable[..., None]

BODIES: dict[str, tuple[Body, dict[str, st.SearchStrategy[Any]]]] = {}
MACHINES: dict[str, type[RuleBasedStateMachine]] = {}

EXAMPLES = 100
QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,  # the machine is shared, and time is not what is tested
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
ROUND = settings(QUICK, max_examples=200, phases=[Phase.generate, Phase.shrink], print_blob=True, report_multiple_bugs=False)
"""One round of fuzzing."""


def fuzzed(**strategies: st.SearchStrategy[Any]) -> Callable[[Body], Body]:
    """Enters a body; what comes back is its test."""

    def enter(body: Body) -> Body:
        BODIES[body.__name__.removeprefix("test_")] = (body, strategies)
        test: Body = QUICK(given(**strategies)(body))
        return test

    return enter


def machine(cls: type[RuleBasedStateMachine]) -> type[RuleBasedStateMachine]:
    """Enters a state machine. Its test: ``TestName = machine(Name).TestCase``."""
    cls.TestCase.settings = settings(QUICK, max_examples=40, stateful_step_count=50)
    MACHINES[cls.__name__] = cls
    return cls
