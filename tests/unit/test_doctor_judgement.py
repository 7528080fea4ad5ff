"""What doctor makes of a server's facts: each WARN and FAIL, with the setting that would change it."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.websocket import WebSocketHandler
from traitlets.config import Config

import kernelws
from kernelws import settings
from kernelws.cli import judge as judging
from kernelws.cli import probe, trait_values
from kernelws.cli.report import Report, Verdict

LIMITS = trait_values.traits(settings.configured(kernelws.ZMQChannelsWebsocketConnection, None, None))
FACTS: dict[str, Any] = {
    "gateway": "",
    "connection_class": {"name": "kernelws.X", "by": "extension", "where": "kernelws", "kernelws": True},
    "kernel_manager_class": {"name": "kernelws.M", "by": "default", "where": "", "feeds": True},
    "extension": "linked",
    "executions": True,
    "container": None,
    "receive": {"way": "native", "reason": "native: calls libzmq"},
    "libzmq": "4.3.5",
    "limits": LIMITS,
    "wrong_settings": [],
    "websocket": {"max_message_size": 10 << 20},
    "descriptors": {"soft": 4096, "hard": 4096, "open": 40},
    "system": [],
}
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jupyter's runtime directory on a disk with room; ``tmp_path`` itself may be in memory."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setattr("kernelws.session.spool.filesystem_of", lambda _directory: "ext4")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(total=100 << 30, free=90 << 30))
    return tmp_path


def judged(facts: dict[str, Any]) -> Report:
    report = Report()
    judging.judge(report, facts)
    return report


def changed(change: Change) -> Report:
    facts = copy.deepcopy(FACTS)
    change(facts)
    return judged(facts)


def sets(section: str, **values: Any) -> Change:
    return lambda facts: facts[section].update(values)


def sets_top(**values: Any) -> Change:
    return lambda facts: facts.update(values)


def limit(name: str, value: Any) -> Change:
    def change(facts: dict[str, Any]) -> None:
        (one,) = (one for one in facts["limits"] if one["name"] == name)
        one["value"] = value

    return change


def both(*changes: Change) -> Change:
    def change(facts: dict[str, Any]) -> None:
        for one in changes:
            one(facts)

    return change


def wrong(**values: Any) -> Change:
    """These settings, as the server's process tells of them."""
    app: Any = SimpleNamespace(kernel_manager=None, config=Config({"ZMQChannelsWebsocketConnection": values}))
    return lambda facts: facts.update(wrong_settings=probe._wrong(kernelws.ZMQChannelsWebsocketConnection, app))


def extension(state: str) -> Change:
    stock = sets("connection_class", name="stock.X", by="default", where="", kernelws=False)
    return both(stock, lambda facts: facts.update(extension=state))


def test_a_server_as_it_is_meant_to_be_is_ok(disk: Path) -> None:
    report = judged(FACTS)
    assert {check.verdict for check in report.checks} == {Verdict.OK}
    assert report.facts["spool"] == {"directory": str(disk / "runtime"), "usable": True, "free": 80 << 30}
    assert report.facts["versions"]["kernelws"] == kernelws.__version__


CASES: dict[str, tuple[Change, str, Verdict, str, str]] = {
    "gateway mode": (
        lambda facts: facts.update(gateway="https://gateway:8888"),
        *("connection_class", Verdict.WARN, "its kernels run at https://gateway:8888", "GatewayClient.url"),
    ),
    "the user's class": (
        sets("connection_class", name="mine.X", by="file", where="/etc/jupyter_server_config.py", kernelws=False),
        *("connection_class", Verdict.WARN, "mine.X, set in /etc/jupyter_server_config.py"),
        "ServerApp.kernel_websocket_connection_class",
    ),
    "another extension's class": (
        sets("connection_class", name="theirs.X", by="extension", where="theirs", kernelws=False),
        *("connection_class", Verdict.WARN, "theirs.X, set by the extension theirs"),
        "ServerApp.kernel_websocket_connection_class",
    ),
    "extension disabled": (
        extension("disabled"),
        *("connection_class", Verdict.WARN, "is disabled", "jupyter server extension enable kernelws"),
    ),
    "extension not found": (
        extension("not found"),
        *("connection_class", Verdict.WARN, "not enabled anywhere", "jupyter server extension enable kernelws"),
    ),
    "extension failed": (extension("failed"), *("connection_class", Verdict.WARN, "could not be linked", "log")),
    "gateway server's default": (
        extension("no extensions"),
        *("connection_class", Verdict.WARN, "the default", "KernelGatewayApp.kernel_websocket_connection_class"),
    ),
    "a manager without the feed": (
        sets("kernel_manager_class", feeds=False),
        *("kernel_manager_class", Verdict.WARN, "a subscription of its own", "ServerApp.kernel_manager_class"),
    ),
    "fallback": (
        sets("receive", way="fallback", reason="fallback: KERNELWS_RECEIVE asks for it"),
        *("receive", Verdict.WARN, "KERNELWS_RECEIVE asks for it; the same results, slower", "KERNELWS_RECEIVE"),
    ),
    "no way to receive": (
        sets("receive", way="none", reason="KERNELWS_RECEIVE is 'x'"),
        *("receive", Verdict.FAIL, "KERNELWS_RECEIVE is 'x'", "KERNELWS_RECEIVE"),
    ),
    "signatures not checked": (
        limit("verify_signatures", False),
        *("verify_signatures", Verdict.WARN, "not checked", "ZMQChannelsWebsocketConnection.verify_signatures"),
    ),
    "one session more than all": (
        limit("session_memory_limit", 1 << 40),
        *("memory", Verdict.WARN, "a single session", "ZMQChannelsWebsocketConnection.session_memory_limit"),
    ),
    "overflow turned off": (
        limit("session_disk_limit", 0),
        *("spool_dir", Verdict.WARN, "turned off", "ZMQChannelsWebsocketConnection.session_disk_limit"),
    ),
    "a directory that is not there": (
        limit("spool_dir", "/nowhere/at/all"),
        *("spool_dir", Verdict.WARN, "/nowhere/at/all cannot be written", "ZMQChannelsWebsocketConnection.spool_dir"),
    ),
    "a disk that is too small": (
        limit("outbox_disk_limit", 1 << 40),
        *("spool_dir", Verdict.WARN, "which is less", "ZMQChannelsWebsocketConnection.outbox_disk_limit"),
    ),
    "a value out of its range": (
        wrong(resume_timeout=-1),
        *("settings", Verdict.FAIL, "resume_timeout = -1, but it takes", "ZMQChannelsWebsocketConnection.resume_timeout"),
    ),
    "a misspelt setting": (
        wrong(resume_timout=1),
        *("settings", Verdict.WARN, "did you mean resume_timeout", "ZMQChannelsWebsocketConnection.resume_timeout"),
    ),
    "more than the share of a container": (
        both(
            sets_top(container=1 << 30), limit("outbox_memory_limit", 512 << 20), limit("executions_server_memory_limit", 1 << 20)
        ),
        *("container", Verdict.WARN, "at most queued output 536,870,912 bytes (512 MiB)"),
        "ZMQChannelsWebsocketConnection.outbox_memory_limit",
    ),
    "few descriptors": (
        sets("descriptors", soft=256),
        *("descriptors", Verdict.WARN, "256 file descriptors: room for 30", "ServerApp.min_open_files_limit, ulimit -n"),
    ),
}


@pytest.mark.usefixtures("disk")
@pytest.mark.parametrize("case", CASES)
def test_what_is_not_as_it_could_be_is_said_with_the_setting(case: str) -> None:
    """One thing is wrong: one check says so, and names what would change it; all others stay OK."""
    change, name, verdict, text, trait = CASES[case]
    report = changed(change)
    (wrong,) = [check for check in report.checks if check.verdict != Verdict.OK]
    assert (wrong.name, wrong.verdict) == (name, verdict)
    assert text in wrong.text
    assert trait in wrong.trait


def test_a_directory_in_memory_is_refused(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the function that the server asks, with its sentence."""
    monkeypatch.setattr("kernelws.session.spool.filesystem_of", lambda _directory: "tmpfs")
    report = changed(limit("spool_dir", str(disk)))
    (wrong,) = [check for check in report.checks if check.verdict != Verdict.OK]
    assert wrong.text == f"no overflow to disk: {disk} is a tmpfs; set ZMQChannelsWebsocketConnection.spool_dir"
    assert not report.facts["spool"]["usable"]


@pytest.mark.usefixtures("disk")
def test_unlimited_descriptors_are_enough() -> None:
    report = changed(sets("descriptors", soft=-1))
    assert report.verdict == Verdict.OK


@pytest.mark.usefixtures("disk")
def test_a_package_that_does_not_fit_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor checks kernelws's own requirements, except those of extras: a package may have been changed without pip's check."""
    needs = ["jupyter_server>=99", "tornado>=6", "not-there", 'matplotlib>=99; extra == "bench"']
    monkeypatch.setattr(judging, "requires", lambda _package: needs)
    failed = [check for check in judged(FACTS).checks if check.verdict == Verdict.FAIL]
    assert [check.trait for check in failed] == ['pip install "jupyter_server>=99"', 'pip install "not-there"']


@pytest.mark.usefixtures("disk")
def test_limits_of_another_class_are_not_judged() -> None:
    """They are listed; what they mean is that class's business."""
    report = changed(sets("connection_class", kernelws=False))
    assert {check.name for check in report.checks if check.section == judging.LIMITS} == {"descriptors"}


@pytest.mark.usefixtures("disk")
def test_a_small_container_gets_its_share_and_doctor_shows_both() -> None:
    share = both(limit("outbox_memory_limit", 128 << 20), limit("executions_server_memory_limit", 64 << 20))
    (check,) = (check for check in changed(both(sets_top(container=512 << 20), share)).checks if check.name == "container")
    assert check.verdict == Verdict.OK
    assert "has 536,870,912 bytes (512 MiB) of memory" in check.text
    usual, part = "outside a container 536,870,912 bytes (512 MiB)", "share of it 134,217,728 bytes (128 MiB)"
    assert f"queued output 134,217,728 bytes (128 MiB) ({usual}; this container's {part})" in check.text


def test_tornados_limit_is_what_doctor_says() -> None:
    """Doctor has a copy of the default, because tornado does not export it."""
    handler: Any = SimpleNamespace(settings={})
    assert WebSocketHandler.max_message_size.fget(handler) == probe.TORNADO_MESSAGE  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "text", "trait"),
    [
        (lambda facts: None, "the last 1,000 executions of a kernel can be read over HTTP", ""),
        (
            both(sets_top(executions=False), limit("executions", False)),
            "executions are not kept: they are turned off",
            "executions",
        ),
        (sets_top(executions=False), "executions are not kept: buffer_offline_messages is off", "executions"),
        (sets_top(executions=False, extension="no extensions"), "executions are not kept: that needs the extension kernelws", ""),
    ],
)
def test_it_says_whether_executions_are_kept(change: Change, text: str, trait: str) -> None:
    (check,) = (check for check in changed(change).checks if check.name == "executions")
    assert (check.text, check.trait.rpartition(".")[2]) == (text, trait)
