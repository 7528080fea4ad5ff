"""Fixtures of the deployment tests, which are collected only when ``make deploy`` asks for them: they need its environment.

Programs read the configuration of the installation and none of the user's, so the file from the wheel enables kernelws. Must not
leave a program, a namespace or an interface behind. Cost: that of the programs.
"""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.node import available, packages
from tests.support.process import Process

if "KERNELWS_DEPLOY" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

Keep = Callable[[Process], None]


@pytest.fixture(scope="session")
def installation(jupyter_environment: dict[str, str], jupyter_folder: Path) -> dict[str, str]:
    """The environment of programs: configuration files are read, and the user's own folders are empty ones."""
    config = jupyter_folder / "config"
    config.mkdir()
    return jupyter_environment | {"JUPYTER_NO_CONFIG": "", "JUPYTER_CONFIG_DIR": str(config)}


@pytest.fixture(scope="session")
def root(jupyter_folder: Path) -> Path:
    """The folder that servers show."""
    return jupyter_folder / "root"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keep() -> AsyncIterator[Keep]:
    """Takes programs that are ended after the module, the last one first."""
    kept: list[Process] = []
    yield kept.append
    for process in reversed(kept):
        await process.finish()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node_folder() -> Path:
    """The folder with the packages of ``tests/js``."""
    assert available(), "needs node (20 or newer) and npm"
    return await packages()
