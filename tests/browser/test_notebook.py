"""A real JupyterLab in a real browser through kernelws: cells run, restarts show no needless dialog, a cut loses nothing.

No test asserts a time. A second, raw client of the same kernel, which bypasses the proxy, shows when a cell runs and when a
restart was announced. Cost: four to twelve seconds each.
"""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.browser.conftest import STOCK, Open
from tests.browser.lab import LabServer, Notebook
from tests.browser.onlooker import Onlooker, announced
from tools.chaos.proxy import Proxy

LINES = 150
SLOW_PRINTS = f"""\
import time
for number in range({LINES}):
    print(f"#{{number:07d}}#", flush=True)
    time.sleep(0.02)
print("the end")"""
FAST_PRINTS = """\
for number in range(3000):
    print(f"#{number:07d}#", "x" * 60, flush=True)
print("the end")"""
FOREVER = 'import time\nprint("#0000000#", flush=True)\ntime.sleep(100_000)'
"""Says that it runs: the kernel's last status may be that of a request on the control channel."""
BLOCK = "() => { setTimeout(() => { const end = performance.now() + 5000; while (performance.now() < end); }, 0); }"
DIED = "appears to have died"


@pytest.fixture
def onlooker(lab: LabServer) -> Iterator[Callable[[Notebook], Onlooker]]:
    """Connects an onlooker to a notebook's kernel."""
    opened: list[Onlooker] = []

    def look(notebook: Notebook) -> Onlooker:
        opened.append(Onlooker(lab, notebook.kernel_id))
        return opened[-1]

    yield look
    for one in opened:
        one.close()


def expected(lines: int, fill: str = "") -> str:
    """What the cells above print."""
    return "".join(f"#{number:07d}#{fill}\n" for number in range(lines)) + "the end"


def test_a_cell_runs_through_the_class_under_test(lab: LabServer, notebook: Open) -> None:
    opened = notebook("print('six times', 7)")
    opened.click_run()
    opened.wait_shown("six times 7")
    assert bool(lab.active()) != STOCK


def test_a_restart_from_the_menu_shows_no_dialog_to_who_asked(notebook: Open, onlooker: Callable[..., Onlooker]) -> None:
    opened = notebook("print('after the restart')")
    watching = onlooker(opened)
    opened.restart_from_menu()
    watching.wait(announced)
    opened.wait_ready()
    opened.click_run()
    opened.wait_shown("after the restart")
    assert not [text for text in opened.dialogs() if DIED in text]


def test_a_second_tabs_cell_does_not_stay_busy_after_a_restart(notebook: Open, onlooker: Callable[..., Onlooker]) -> None:
    first = notebook(FOREVER)
    second = notebook(name=first.name)
    assert second.kernel_id == first.kernel_id
    watching = onlooker(first)
    second.click_run()
    watching.wait(lambda tally: tally.arrived == 1)
    assert second.prompt() == "[*]:"
    first.restart_from_menu()
    watching.wait(announced)
    second.wait_ready()
    assert second.prompt() != "[*]:"


@pytest.mark.parametrize("told", [True, False], ids=["cut", "half-open"])
def test_a_lost_network_loses_no_line_of_a_running_cell(
    notebook: Open, onlooker: Callable[..., Onlooker], proxy: Proxy, told: bool
) -> None:
    opened = notebook(SLOW_PRINTS)
    watching = onlooker(opened)
    opened.click_run()
    watching.wait(lambda tally: tally.arrived >= LINES // 5)
    proxy.network(on=False)
    (proxy.reset if told else proxy.drop_clients)()
    watching.wait(lambda tally: tally.arrived >= LINES // 2)
    proxy.network(on=True)
    opened.wait_shown("the end")
    shown = [int(number) for number in re.findall(r"#(\d+)#", opened.output())]
    assert shown == list(range(LINES))


def test_a_page_whose_script_was_blocked_catches_up(notebook: Open) -> None:
    opened = notebook(FAST_PRINTS)
    opened.click_run()
    opened.page.evaluate(BLOCK)
    opened.wait_shown("the end")
    assert opened.output().rstrip() == expected(3000, " " + "x" * 60)
