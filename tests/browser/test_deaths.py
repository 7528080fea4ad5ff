"""A kernel that dies in a real JupyterLab: the cell that ran says why, at the limit of a real cgroup too.

JupyterLab ignores output of a cell that arrives after the status ``restarting``. Cost: five to ten seconds each.
"""

import json
import sys
from collections.abc import Iterator

import pytest

from tests.browser.conftest import STOCK, Open
from tests.browser.lab import LabServer
from tests.support import cgroup

pytestmark = pytest.mark.skipif(STOCK, reason="the stock class says nothing")

ENDS = {
    "import os\nos._exit(3)": "The kernel exited with status 3",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)": "The kernel crashed (SIGSEGV)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)": "The kernel was killed (SIGTERM)",
}


@pytest.fixture
def limited(lab: LabServer) -> Iterator[str]:
    """A kernelspec whose kernels are in a cgroup with 320 MiB of memory."""
    with cgroup.limited(320 << 20) as folder:
        spec = lab.home / "data/kernels/limited/kernel.json"
        spec.parent.mkdir(parents=True)
        argv = cgroup.argv(folder, sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
        spec.write_text(json.dumps({"argv": argv, "display_name": "limited", "language": "python"}))
        yield "limited"
        for kernel_id in lab.kernels():
            lab.end_kernel(kernel_id)
        spec.unlink()


@pytest.mark.parametrize("code", ENDS)
def test_the_cell_says_why_its_kernel_died(notebook: Open, code: str) -> None:
    opened = notebook(code)
    opened.click_run()
    opened.wait_shown(ENDS[code])


def test_the_cell_says_that_its_kernel_reached_its_memory_limit(limited: str, lab: LabServer, notebook: Open) -> None:
    opened = notebook(name=lab.write_notebook(["x = b'x' * (1 << 30)"], limited))
    opened.click_run()
    opened.wait_shown("The kernel was killed (SIGKILL): out of memory, limit 320 MiB")
