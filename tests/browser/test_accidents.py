"""The most important accidents once, in JupyterLab through kernelws: what a user must not see. `make accidents` has all of them.

No test asserts a time. If an accident takes longer than its limit, the page counts as unusable; `PATIENT` is the limit for a
flood, including the flood itself. Cost: ten to twenty seconds each.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.accidents import kernel, network, server
from tests.accidents.seen import Seen
from tests.accidents.stage import perform
from tests.browser.lab import LabServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ACCIDENTS = {accident.name: accident for accident in (*kernel.ACCIDENTS, *network.ACCIDENTS, *server.ACCIDENTS)}
PATIENT = 45.0
"""Seconds, on a machine that does nothing else some five times what it takes."""


def see(browser: "Browser", lab: LabServer, name: str, **changes: float) -> Seen:
    """One accident, after which the notebook works and no cell is left `[*]`."""
    seen = perform(browser, lab, replace(ACCIDENTS[name], **changes))  # type: ignore[arg-type] # only its limit
    assert (seen.unusable, seen.stuck) == (0, 0), seen
    return seen


def test_a_kernel_that_dies_in_a_cell_is_announced_once(browser: "Browser", lab: LabServer) -> None:
    seen = see(browser, lab, "dies-in-cell")
    assert (seen.died, seen.missing, seen.twice) == (1, 0, 0), seen


def test_a_restart_by_another_client_is_announced_at_most_once(browser: "Browser", lab: LabServer) -> None:
    seen = see(browser, lab, "restart-elsewhere")
    assert seen.died <= 1, seen


def test_a_prompt_is_shown_once_however_often_the_network_is_cut(browser: "Browser", lab: LabServer) -> None:
    seen = see(browser, lab, "cut-at-prompt")
    assert (seen.boxes, seen.missing, seen.twice) == (0, 0, 0), seen


def test_a_cut_repeats_and_loses_no_line(browser: "Browser", lab: LabServer) -> None:
    seen = see(browser, lab, "cut")
    assert (seen.missing, seen.twice, seen.disordered) == (0, 0, 0), seen


def test_an_interrupted_flood_is_soon_over(browser: "Browser", lab: LabServer) -> None:
    see(browser, lab, "interrupt-text", limit=PATIENT)


def test_a_second_tab_runs_a_cell_in_the_new_process(browser: "Browser", lab: LabServer) -> None:
    seen = see(browser, lab, "two-tabs-restart")
    assert (seen.missing, seen.twice) == (0, 0), seen
