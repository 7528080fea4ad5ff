"""Jupyter Kernel Gateway's own tests of its WebSockets, from its source distribution, with kernelws's class.

Left out is ``TestRemoteSeedURI``, which fetches a notebook from the internet. Cost: a minute.
"""

import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from scripts.upstream_contract import fetch
from tests.support.process import Process

HERE = Path(__file__).resolve().parent
OPTIONS = ("-q", "-p", "no:asyncio", "-p", "gateway_plugin", "-p", "no:cacheprovider", "-o", "addopts=")


@pytest.mark.timeout(300)
async def test_its_own_websocket_tests_pass(installation: dict[str, str]) -> None:
    folder = fetch("jupyter_kernel_gateway", version("jupyter_kernel_gateway"))
    command = (sys.executable, "-m", "pytest", *OPTIONS, "tests/test_jupyter_websocket.py", "-k", "not TestRemoteSeedURI")
    process = await Process.run(*command, env=os.environ | installation | {"PYTHONPATH": str(HERE)}, cwd=folder)
    await process.until("connections of kernelws were made", times=1)
    assert await process.wait() == 0, process.output
    made = re.search(r"(\d+) connections of kernelws were made", process.output)
    assert made is not None
    assert int(made[1]) > 0
