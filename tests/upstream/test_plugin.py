"""The plugin that runs upstream's tests against our class must notice when our class was not there.

It must not need a kernel or our class: a stand-in class is put in. Cost: a few pytest processes, some seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.upstream.plugin import read_known, stale_tests

pytest_plugins = ["pytester"]

IMPORT = "from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as C\n"
LINE = ">=2.17 | name | tests/a.py::test_a | it reads a private name that we do not have"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs a test file under the plugin with a stand-in class."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{pytester.path}")
    monkeypatch.setenv("KERNELWS_CONTRACT_CLASS", "stand_in.StandIn")
    monkeypatch.setenv("KERNELWS_CONTRACT_MODE", "name")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # each start would import them all
    pytester.makepyfile(stand_in="class StandIn:\n    def __init__(self, n=0): self.n = n\n")
    return Runner(pytester)


class Runner:
    """One pytest process with the plugin."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def __call__(self, source: str) -> pytest.RunResult:
        self.pytester.makepyfile(test_it=source)
        return self.pytester.runpytest_subprocess("-p", "plugin", "test_it.py")


def test_a_run_that_never_instantiates_the_class_fails(run: Runner) -> None:
    result = run("def test_nothing(): pass\n")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*stand_in.StandIn was instantiated 0 times in 0 tests*"])


def test_instances_of_the_class_and_its_subclasses_are_counted(run: Runner) -> None:
    result = run(f"{IMPORT}class D(C): pass\ndef test_two(): assert (C(1).n, D(n=2).n) == (1, 2)\n")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*instantiated 2 times in 1 tests*"])


def test_a_failing_test_stays_a_failure(run: Runner) -> None:
    assert run(f"{IMPORT}def test_two(): assert C().n\n").ret == pytest.ExitCode.TESTS_FAILED


def test_the_extension_mode_leaves_upstreams_name_alone(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWS_CONTRACT_MODE", "extension")
    result = run(f"{IMPORT}import stand_in\ndef test_it(): stand_in.StandIn(); assert C is not stand_in.StandIn\n")
    assert result.ret == pytest.ExitCode.OK


def test_an_unknown_mode_is_refused(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWS_CONTRACT_MODE", "both")
    assert run("def test_nothing(): pass\n").ret not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}


def write_known(folder: Path, *lines: str) -> Path:
    """A known.txt with these lines."""
    path = folder / "known.txt"
    path.write_text("\n".join(("# comment", "", *lines)), encoding="utf-8")
    return path


def test_an_entry_applies_to_its_releases_and_modes_and_never_to_the_stock_class(tmp_path: Path) -> None:
    (entry,) = read_known(write_known(tmp_path, LINE))
    assert entry.applies("2.21.1", "name", stock=False)
    assert not entry.applies("2.15.0", "name", stock=False)
    assert not entry.applies("2.21.1", "extension", stock=False)
    assert not entry.applies("2.21.1", "name", stock=True)


def test_an_entry_names_its_test_with_all_parameters_and_no_other(tmp_path: Path) -> None:
    (entry,) = read_known(write_known(tmp_path, LINE))
    assert entry.names("tests/a.py::test_a")
    assert entry.names("tests/a.py::test_a[x]")
    assert not entry.names("tests/a.py::test_ab")
    assert stale_tests([entry], ["tests/a.py::test_ab"]) == ["tests/a.py::test_a"]
    assert stale_tests([entry], ["tests/a.py::test_a[x]"]) == []


@pytest.mark.parametrize(
    "line", [LINE.rpartition("|")[0], f"{LINE.rpartition('|')[0]}|", LINE.replace("name", "names"), LINE.replace(">=", "~")]
)
def test_an_entry_without_a_reason_or_with_a_wrong_field_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"known\.txt line 3|Invalid specifier"):
        read_known(write_known(tmp_path, line))
