"""How the accident suite counts and judges: pure functions, without a browser."""

from typing import Any

import pytest

from tests.accidents.seen import DIED, Seen, compare, numbers
from tests.accidents.verdict import ALLOWED, BAD, bad, verdict, worse


def runs(*values: int, name: str = "boxes", seconds: float = 1.0) -> list[Seen]:
    """A run for each value of one count."""
    made = [Seen(seconds=seconds) for _ in values]
    for seen, value in zip(made, values, strict=True):
        setattr(seen, name, value)
    return made


def page(*prompts: str, **changes: Any) -> dict[str, Any]:
    """What a page with these cells is read as."""
    cells = [{"prompt": prompt, "text": ""} for prompt in prompts]
    return {"dialogs": [], "connections": [], "boxes": 0, "openBoxes": 0, "status": "idle", "cells": cells} | changes


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([0, 1, 2], (0, 0, 0)),
        ([], (3, 0, 0)),
        ([0, 2], (1, 0, 0)),
        ([0, 1, 0, 1, 2], (0, 2, 0)),
        ([0, 2, 1], (0, 0, 1)),
        ([0, 1, 2, 7], (0, 0, 0)),
    ],
    ids=["whole", "nothing", "missing", "twice", "out of order", "more than expected"],
)
def test_each_line_is_missing_comes_again_or_is_out_of_order(shown: list[int], expected: tuple[int, int, int]) -> None:
    assert compare(shown, range(3)) == expected


def test_numbers_are_read_between_whatever_else_is_shown() -> None:
    assert numbers("#0000003#xxx\n#0000004#\nother #1# #0000005#") == [3, 4, 5]


def test_every_appearance_of_a_dialog_counts_but_those_that_the_user_asked_for() -> None:
    seen = Seen()
    seen.add_page(
        page(
            dialogs=[f"the kernel {DIED}"] * 30 + ["Restart Kernel?: Do you want to restart the kernel of x.ipynb?", "Error: no"]
        ),
        set(),
    )
    assert (seen.dialogs, seen.died) == (31, 30)


def test_a_cell_is_stuck_if_its_kernel_is_idle_and_only_cells_that_were_run_count() -> None:
    idle, busy = Seen(), Seen()
    idle.add_page(page("[*]:", "[ ]:", "[1]:", "[ ]:"), {0, 1, 2})
    busy.add_page(page("[*]:", status="busy"), {0})
    assert (idle.stuck, idle.uncounted, busy.stuck) == (1, 2, 0), "what stays [*] has no count either"


def test_one_input_box_at_a_time_is_as_it_should_be() -> None:
    answered, doubled = Seen(), Seen()
    answered.add_page(page(boxes=1), set())
    doubled.add_page(page(boxes=3, openBoxes=2), set())
    assert (answered.boxes, doubled.boxes) == (0, 4)


def test_the_browsers_words_for_a_cut_network_are_no_errors_of_the_page() -> None:
    seen = Seen()
    seen.add_errors(["Failed to load resource: net::ERR", "WebSocket connection to 'x' failed", "Error: x is not a function"])
    assert seen.errors == 1


def test_a_count_is_worse_from_three_of_five_pairs() -> None:
    assert worse(runs(1, 1, 0, 0, 0), runs(0, 0, 0, 0, 0)) == []
    assert worse(runs(1, 1, 1, 0, 0), runs(0, 0, 0, 0, 0)) == ["input boxes too many"]
    assert worse(runs(1), runs(0)) == ["input boxes too many"]


@pytest.mark.parametrize(("ours", "stock", "found"), [(1.4, 1.0, []), (10.6, 10.0, []), (2.0, 1.0, ["time"])])
def test_a_time_is_worse_if_it_is_much_longer_in_ratio_and_in_seconds(ours: float, stock: float, found: list[str]) -> None:
    assert worse(runs(0, seconds=ours), runs(0, seconds=stock)) == found


def test_what_is_worse_is_said_before_what_is_better() -> None:
    assert verdict(runs(0), runs(0)) == "same"
    assert verdict(runs(2), runs(0)) == "better (input boxes too many)"
    assert verdict(runs(0), runs(2)) == "**worse** (input boxes too many)"
    assert verdict(runs(0, seconds=9), runs(2)) == "**worse** (input boxes too many)"
    assert verdict(runs(3), runs(1)) == "better (input boxes too many), both bad"


def test_only_a_known_count_is_a_fault_by_itself() -> None:
    assert set(BAD) <= set(Seen().counts())
    assert bad(runs(1, name="dialogs")) == []
    assert bad(runs(0, 1, 1)) == ["input boxes too many"]


def test_what_an_accident_may_show_is_worse_only_beyond_that() -> None:
    for name, allowed in (("dialogs", 1), ("twice", 3), ("missing", 0)):
        assert worse(runs(allowed, name=name), runs(0, name=name)) == []
        assert len(worse(runs(allowed + 1, name=name), runs(0, name=name))) == 1
        assert worse(runs(allowed + 1, name=name), runs(allowed + 1, name=name)) == []
    assert set(ALLOWED) <= set(Seen().counts())


def test_what_no_user_sees_is_not_judged() -> None:
    assert worse(runs(100, name="errors"), runs(0, name="errors")) == []
