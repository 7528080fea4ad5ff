"""A pytest plugin that runs jupyter_server's own, unchanged tests with our class, and counts how often it was instantiated.

It must not change what a test does: it replaces the class, deselects what known.txt lists, and nothing else. It refuses an entry
of that list that it does not understand, that has no reason, or that names no test.

``KERNELWS_CONTRACT_MODE`` chooses one of two ways of putting the class in:

- ``name``: our class replaces the module attribute that tests import, and every ``ServerApp`` is configured with it;
- ``extension``: upstream's modules stay as they are, every ``ServerApp`` is configured with our extension, which must
  set the class by itself.

``KERNELWS_CONTRACT_CLASS`` names another class; ``stock`` stands for upstream's own and gives a baseline. A run in which the
class was never instantiated fails, because it has shown nothing. Cost: negligible.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "kernelws.ZMQChannelsWebsocketConnection"
STOCK = "jupyter_server.services.kernels.connection.channels.ZMQChannelsWebsocketConnection"
MODES = {"name", "extension", "*"}
KNOWN = Path(__file__).with_name("known.txt")


class Count:
    """How often the class was instantiated, and in which tests."""

    def __init__(self) -> None:
        self.instances = 0
        self.tests: set[str] = set()
        self.current = ""

    def watch(self, cls: type[Any]) -> None:
        """Count each instance of ``cls`` and of its subclasses."""
        original = cls.__init__

        def __init__(instance: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
            self.instances += 1
            self.tests.add(self.current)
            original(instance, *args, **kwargs)

        cls.__init__ = __init__

    def sentence(self, class_path: str, mode: str) -> str:
        """What the run has shown, for the summary."""
        return f"{mode}: {class_path} was instantiated {self.instances} times in {len(self.tests)} tests"


count = Count()


def class_path() -> str:
    """The dotted path of the class under test."""
    chosen = os.environ.get("KERNELWS_CONTRACT_CLASS", OURS)
    return STOCK if chosen == "stock" else chosen


def mode() -> str:
    """How the class is put in: ``name`` or ``extension``."""
    chosen = os.environ["KERNELWS_CONTRACT_MODE"]
    if chosen not in MODES - {"*"}:
        raise pytest.UsageError(f"KERNELWS_CONTRACT_MODE is {chosen!r}, not 'name' or 'extension'")
    return chosen


def extent() -> str:
    """Which tests run: the ``whole`` set, ``part`` of it, or those that failed ``again``."""
    return os.environ.get("KERNELWS_CONTRACT_RUN", "whole")


# Not earlier: upstream's conftest.py sets an environment variable that must be there before Jupyter is imported.
# Not later: the test modules import the name when they are collected.
@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Replace the class and watch it."""
    from jupyter_server.services.kernels.connection import channels

    module, _, name = class_path().rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    count.watch(cls)
    if mode() == "name":
        channels.ZMQChannelsWebsocketConnection = cls  # type: ignore[misc]
    configure_every_server(cls)


def configure_every_server(cls: type[Any]) -> None:
    """Give each ServerApp our class or our extension, under what a test itself configures."""
    from jupyter_server.serverapp import ServerApp
    from traitlets.config import Config

    original = ServerApp.initialize

    def initialize(app: ServerApp, *args: Any, **kwargs: Any) -> None:
        configured = app.config.ServerApp
        if mode() == "name":
            ours: dict[str, Any] = {"kernel_websocket_connection_class": cls} | dict(configured)
        else:
            extensions = dict(configured.get("jpserver_extensions", {}))
            ours = {"jpserver_extensions": {"kernelws": class_path() != STOCK} | extensions}
        app.update_config(Config({"ServerApp": ours}))
        original(app, *args, **kwargs)

    ServerApp.initialize = initialize  # type: ignore[assignment, method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note which test is running."""
    count.current = item.nodeid
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what known.txt lists for this release and mode; an entry that names no test is an error."""
    from jupyter_server import __version__

    entries = [entry for entry in read_known(KNOWN) if entry.applies(__version__, mode(), class_path() == STOCK)]
    left_out = [item for item in items if any(entry.names(item.nodeid) for entry in entries)]
    stale = stale_tests(entries, [item.nodeid for item in items])
    if stale and extent() == "whole":
        raise pytest.UsageError(f"known.txt names tests that this run does not have: {', '.join(stale)}")
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run that never saw the class is a failure, unless it only repeats a few tests of one that did."""
    if count.instances == 0 and exitstatus == pytest.ExitCode.OK and extent() != "again":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the run has shown."""
    colour = {"green": True} if count.instances else {"red": True}
    if extent() != "again":
        terminalreporter.write_sep("=", count.sentence(class_path(), mode()), **colour)


@dataclass(frozen=True)
class Known:
    """One test that is left out."""

    releases: SpecifierSet
    mode: str
    test: str
    reason: str

    def applies(self, release: str, mode: str, stock: bool) -> bool:
        """Whether the entry speaks of this run. Upstream's own class is never excused: it is the baseline."""
        return not stock and self.mode in {mode, "*"} and self.releases.contains(release, prereleases=True)

    def names(self, nodeid: str) -> bool:
        """Whether ``nodeid`` is the entry's test, or that test with parameters."""
        return nodeid == self.test or nodeid.startswith(f"{self.test}[")


def read_known(path: Path) -> list[Known]:
    """All entries of the file. Raises ValueError with the line's number when one is malformed."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        parse_entry(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")
    ]


def parse_entry(number: int, line: str) -> Known:
    """One line: ``releases | modes | test | reason``."""
    fields = [field.strip() for field in line.split("|", 3)]
    if len(fields) != 4 or not all(fields):
        raise ValueError(f"known.txt line {number}: not 'releases | modes | test | reason'")
    releases, mode, test, reason = fields
    if mode not in MODES:
        raise ValueError(f"known.txt line {number}: mode {mode!r} is none of {sorted(MODES)}")
    return Known(SpecifierSet("" if releases == "*" else releases), mode, test, reason)


def stale_tests(entries: list[Known], nodeids: list[str]) -> list[str]:
    """The tests of ``entries`` that are not among ``nodeids``."""
    return [entry.test for entry in entries if not any(map(entry.names, nodeids))]
