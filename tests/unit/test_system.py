"""A system that lacks what Windows, macOS or musl lack: the functions are removed here, and kernelws does without them.

tests/bridge/test_doctor.py runs a whole server like this. What Windows itself does is left to .github/workflows/wheels.yml.
"""

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from kernelws import system
from kernelws.errors import IntakeUnavailable
from kernelws.sockets import transport
from tests.support.alone import run_alone
from tests.support.overflow import MIB, Session, with_room

MISSING = ("pwritev", "preadv", "pread", "writev", "statvfs", "getpriority", "setpriority", "confstr_names")
"""Of ``os``, on Windows."""
VIEWS = [memoryview(b"ab"), memoryview(b""), memoryview(b"cde")]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This system without ``MISSING``. ``os.statvfs`` stays: only ``shutil.disk_usage`` calls it, which works on Windows too."""
    for name in set(MISSING) - {"statvfs"}:
        monkeypatch.delattr(os, name)
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(system, "_PROC", "/nowhere")
    return monkeypatch


def test_every_module_of_the_server_and_the_command_is_imported_without_them() -> None:
    printed = run_alone(f"""
        import os, pkgutil, sys
        import jupyter_server.serverapp

        for name in {MISSING}:
            delattr(os, name)
        sys.modules["resource"] = sys.modules["fcntl"] = None
        import kernelws, kernelws.cli

        found = [one.name for one in pkgutil.walk_packages(kernelws.__path__, "kernelws.")]
        for name in found:
            if not name.endswith("__main__"):
                __import__(name)
        print(len(found) > 90, kernelws.sockets.transport.choose().reason.split(":")[0])
    """)
    assert printed == "True native"


@pytest.mark.parametrize("gone", [False, True])
def test_views_are_written_where_they_belong(bare: pytest.MonkeyPatch, gone: bool) -> None:
    if not gone:
        bare.undo()
    with tempfile.TemporaryFile(buffering=0) as file:
        assert system.write_at(file, 0, VIEWS) == 5
        assert system.write_at(file, 3, VIEWS * system.IOV_MAX) == system.IOV_MAX // 3 * 5 + 2
        file.seek(0)
        assert file.read().startswith(b"abcabcdeabcde")


async def test_what_waits_on_disk_comes_back_without_them(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    session = Session(with_room(tmp_path, bare), 4 * MIB, 64 * MIB)
    for _ in range(4):
        assert session.append("execute_result", 100)
        await session.settled()
    assert session.spill.disk_bytes > 10 * MIB
    assert await session.come_back() == (list(range(100)) * 4, 0)
    session.spill.close()


def test_this_linux_lacks_nothing() -> None:
    if not sys.platform.startswith("linux") or not system.has_glibc() or sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("another system")
    assert system.peculiarities() == []
    assert system.descriptor_limits() is not None


def test_each_thing_that_is_missing_is_told_with_its_effect(bare: pytest.MonkeyPatch) -> None:
    assert system.descriptor_limits() is None
    told = "\n".join(system.peculiarities())
    for word in ("os.pwritev", "resource", "/proc", "receive_niceness", "spool_dir", "large_block_size"):
        assert word in told


@pytest.mark.parametrize(("enabled", "word"), [(True, "is on"), (False, "stays off")])
def test_a_free_threaded_python_is_told(monkeypatch: pytest.MonkeyPatch, enabled: bool, word: str) -> None:
    real = sysconfig.get_config_var
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: 1 if name == "Py_GIL_DISABLED" else real(name))
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: enabled, raising=False)
    assert word in system.peculiarities()[0]


def test_libzmq_is_not_called_directly_while_the_gil_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """rust/intake.rs says why: another thread could close the socket during the call."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(IntakeUnavailable, match="keeps its GIL off"):
        transport.Native()
    assert transport._choose("").reason.startswith("fallback: this Python keeps its GIL off")
