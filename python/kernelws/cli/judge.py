"""Doctor's checks of a server: its classes, how it receives from kernels, versions of packages, and limits.

Must not read anything but the probe's facts, this environment's packages, and the directory for overflow. Each check that is
not OK names the setting that would change it. Cost: reading a few files.
"""

from __future__ import annotations

import logging
import platform
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_runtime_dir
from packaging.requirements import Requirement

from .. import __version__, container
from ..session.spool import FREE_SHARE, usable_directory
from ..trait_types import Memory
from ..traits import ConnectionTraits
from .origin import CONNECTION, MANAGER
from .report import Verdict

if TYPE_CHECKING:
    from .report import Report

SERVER, RECEIVING, VERSIONS, LIMITS = "Server", "Receiving", "Versions", "Limits"
PACKAGES = ("jupyter_server", "jupyter_client", "tornado", "pyzmq", "traitlets")
OPTIONAL = ("ipykernel", "jupyterlab", "notebook", "jupyter_kernel_gateway")
CLASS = "ZMQChannelsWebsocketConnection"
DESCRIPTORS_A_CLIENT = 7
"""The most descriptors that a client needs: two for each of three ZMQ sockets, and one for the WebSocket."""
FEW_CLIENTS = 100
USUAL = {name: trait.usual for name, trait in ConnectionTraits.class_traits().items() if isinstance(trait, Memory)}
"""The default limits of memory outside a container."""
OK, WARN, FAIL, SKIP = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.SKIP


def judge(report: Report, facts: dict[str, Any]) -> None:
    """Adds all checks but those of the self-test. Adds versions and the overflow directory to the report's facts."""
    _connection_class(report, facts)
    _manager_class(report, facts)
    _receiving(report, facts)
    _versions(report, facts)
    _system(report, facts)
    if facts["connection_class"]["kernelws"]:
        limits = {limit["name"]: limit["value"] for limit in facts["limits"]}
        _settings(report, facts)
        _executions(report, facts, limits)
        _message_size(report, facts, limits)
        _signatures(report, limits)
        _memory(report, limits)
        _container(report, facts, limits)
        _disk(report, limits)
    _descriptors(report, facts)


def set_by(used: dict[str, str]) -> str:
    """What has set a class, as text."""
    where = used["where"]
    extension = {"kernelws": "kernelws's extension", "": "an extension"}.get(where, f"the extension {where}")
    return {
        "default": "the default",
        "command line": "set on the command line",
        "file": f"set in {where}",
        "extension": f"set by {extension}",
        "application": f"set by {where}",
        "gateway mode": "because of gateway mode",
    }[used["by"]]


def _connection_class(report: Report, facts: dict[str, Any]) -> None:
    used = facts["connection_class"]
    if facts["gateway"]:
        text = f"this server is in gateway mode: its kernels run at {facts['gateway']}, and kernelws is not used here"
        report.add(SERVER, "connection_class", WARN, f"{text}. Install kernelws and run doctor there.", "GatewayClient.url")
        return
    text = f"kernel connections go through {used['name']}, {set_by(used)}"
    if used["kernelws"]:
        report.add(SERVER, "connection_class", OK, text)
        return
    hint = f"{_section(facts)}.{CONNECTION}"
    reasons = {
        "disabled": ("; the extension kernelws is disabled", "jupyter server extension enable kernelws"),
        "not found": ("; the extension kernelws is not enabled anywhere", "jupyter server extension enable kernelws"),
        "failed": ("; the extension kernelws could not be linked", "the server's log says why"),
    }
    by_default = used["by"] == "default"
    more, trait = reasons.get(facts["extension"], ("", hint)) if by_default else ("", hint)
    report.add(SERVER, "connection_class", WARN, f"kernelws is not active: {text}{more}", trait)


def _section(facts: dict[str, Any]) -> str:
    return "KernelGatewayApp" if facts["extension"] == "no extensions" else "ServerApp"


def _manager_class(report: Report, facts: dict[str, Any]) -> None:
    used = facts["kernel_manager_class"]
    text = f"kernel manager {used['name']}, {set_by(used)}"
    if facts["gateway"] or not facts["connection_class"]["kernelws"]:
        report.add(SERVER, "kernel_manager_class", OK, text)
    elif used["feeds"]:
        report.add(SERVER, "kernel_manager_class", OK, f"{text}; with kernelws's feed, mixed in by its extension")
    elif facts["extension"] == "no extensions":
        report.add(SERVER, "kernel_manager_class", OK, f"{text}; each kernel's feed opens with its first connection")
    else:
        more = "it follows activity with a subscription of its own, which costs more than the connection itself"
        report.add(SERVER, "kernel_manager_class", WARN, f"{text}; {more}", f"ServerApp.{MANAGER}, the extension kernelws")


def _receiving(report: Report, facts: dict[str, Any]) -> None:
    receive = facts["receive"]
    verdict = {"native": OK, "fallback": WARN, "none": FAIL}[receive["way"]]
    trait = "" if verdict == OK else "the environment variable KERNELWS_RECEIVE, pyzmq's build"
    text = {WARN: "; the same results, slower"}.get(verdict, "")
    report.add(RECEIVING, "receive", verdict, f"{receive['reason']}{text}", trait)


def _versions(report: Report, facts: dict[str, Any]) -> None:
    installed = {name: found for name in (*PACKAGES, *OPTIONAL) if (found := _version(name))}
    system = {"libzmq": facts["libzmq"], "python": platform.python_version(), "os": platform.platform()}
    report.facts["versions"] = {"kernelws": __version__, **installed, **system}
    report.add(VERSIONS, "versions", OK, ", ".join(f"{name} {found}" for name, found in report.facts["versions"].items()))
    for requirement in map(Requirement, requires("kernelws") or ()):
        found = _version(requirement.name)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and not (found and requirement.specifier.contains(found, prereleases=True)):
            text = f"kernelws needs {requirement.name} {requirement.specifier}, and {found or 'none'} is installed"
            report.add(VERSIONS, "requirement", FAIL, text, f'pip install "{requirement}"')


def _system(report: Report, facts: dict[str, Any]) -> None:
    """One line for each thing that works differently on this system, none on Linux with glibc."""
    for sentence in facts["system"]:
        report.add(VERSIONS, "system", OK, sentence)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _settings(report: Report, facts: dict[str, Any]) -> None:
    """A check for each wrong setting: FAIL for a value that is not allowed, WARN for an unknown name."""
    wrong = facts["wrong_settings"]
    for one in wrong:
        report.add(
            LIMITS, "settings", FAIL if one["allowed"] else WARN, one["sentence"], f"{CLASS}.{one['nearest'] or one['name']}"
        )
    if not wrong:
        report.add(LIMITS, "settings", OK, f"every setting of {CLASS} is known and within its range")


def _executions(report: Report, facts: dict[str, Any], limits: dict[str, Any]) -> None:
    if facts["executions"]:
        report.add(
            SERVER, "executions", OK, f"the last {limits['executions_kept']:,} executions of a kernel can be read over HTTP"
        )
    elif facts["extension"] != "linked":
        report.add(SERVER, "executions", OK, "executions are not kept: that needs the extension kernelws")
    else:
        reason = "buffer_offline_messages is off" if limits["executions"] else "they are turned off"
        report.add(SERVER, "executions", OK, f"executions are not kept: {reason}", f"{CLASS}.executions")


def _message_size(report: Report, facts: dict[str, Any], limits: dict[str, Any]) -> None:
    """The largest message that a client may send, and other limits that do not apply to it."""
    tornado = _bytes(facts["websocket"]["max_message_size"])
    text = f"messages from a client: at most {_bytes(limits['max_message_size'])}, {CLASS}.max_message_size"
    text += f"; tornado's websocket_max_message_size, {tornado}, is for other WebSockets"
    text += "; tornado's read buffer is enlarged if such a message would not fit (Jupyter Kernel Gateway limits it to 100 MiB)"
    report.add(LIMITS, "max_message_size", OK, text)


def _signatures(report: Report, limits: dict[str, Any]) -> None:
    if not limits["verify_signatures"]:
        text = "signatures of the kernel's messages are not checked for v1 clients: a forged message would be delivered"
        report.add(LIMITS, "verify_signatures", WARN, text, f"{CLASS}.verify_signatures")


def _memory(report: Report, limits: dict[str, Any]) -> None:
    one, all_of_them = limits["session_memory_limit"], limits["outbox_memory_limit"]
    text = f"queued output in memory: {_bytes(one)} for one session, {_bytes(all_of_them)} for all"
    if one > all_of_them:
        text += "; a single session may exceed the limit for all, and be ended"
        report.add(LIMITS, "memory", WARN, text, f"{CLASS}.session_memory_limit, {CLASS}.outbox_memory_limit")
    else:
        report.add(LIMITS, "memory", OK, text)


def _container(report: Report, facts: dict[str, Any], limits: dict[str, Any]) -> None:
    """The limits for all sessions and all executions, beside the memory of the container that the server runs in."""
    room = facts["container"]
    if room is None:
        report.add(LIMITS, "container", OK, "this server's memory is not limited by a container (cgroup)")
        return
    shown, above = [], []
    for name, what in (("outbox_memory_limit", "queued output"), ("executions_server_memory_limit", "kept executions")):
        usual, used = USUAL[name], limits[name]
        share = container.share_of(usual, room)
        shown.append(f"{what} {_bytes(used)} (outside a container {_bytes(usual)}; this container's share of it {_bytes(share)})")
        above += [f"{CLASS}.{name}"] if used > share else []
    text = f"this container (cgroup) has {_bytes(room)} of memory; of it, at most {', '.join(shown)}"
    if above:
        text += "; that is more than the share: the container may run out of memory, and kernels or the server be killed"
        report.add(LIMITS, "container", WARN, text, ", ".join(above))
    else:
        report.add(LIMITS, "container", OK, text)


class _Lines(logging.Handler):
    """Keeps the lines that `usable_directory` logs, which a server would log too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _disk(report: Report, limits: dict[str, Any]) -> None:
    one, all_of_them = limits["session_disk_limit"], limits["outbox_disk_limit"]
    directory = Path(limits["spool_dir"] or jupyter_runtime_dir())
    spool: dict[str, Any] = {"directory": str(directory), "usable": False, "free": 0}
    report.facts["spool"] = spool
    if one <= 0:
        report.add(LIMITS, "spool_dir", WARN, "overflow to disk is turned off", f"{CLASS}.session_disk_limit")
        return
    log, logged = logging.getLogger("kernelws.doctor"), _Lines()
    log.propagate = False
    log.handlers[:] = [logged]
    present = _nearest(directory) if not limits["spool_dir"] else directory  # a server creates its own runtime directory
    if usable_directory(present, log) is None:
        report.add(LIMITS, "spool_dir", WARN, logged.lines[0], f"{CLASS}.spool_dir")
        return
    disk = shutil.disk_usage(present)
    free = max(0, int(disk.free - FREE_SHARE * disk.total))
    spool |= {"usable": True, "free": free}
    text = f"overflow goes to {directory}: {_bytes(one)} for one session, {_bytes(all_of_them)} for all"
    text = f"{text}; the disk has {_bytes(free)} for it"
    if free < all_of_them:
        report.add(LIMITS, "spool_dir", WARN, f"{text}, which is less", f"{CLASS}.spool_dir, {CLASS}.outbox_disk_limit")
    else:
        report.add(LIMITS, "spool_dir", OK, text)


def _nearest(directory: Path) -> Path:
    """The directory, or its nearest parent that exists."""
    return next(path for path in (directory, *directory.parents) if path.exists())


def _descriptors(report: Report, facts: dict[str, Any]) -> None:
    descriptors = facts["descriptors"]
    if descriptors["soft"] is None:
        report.add(LIMITS, "descriptors", SKIP, "this system does not tell its limit of file descriptors")
        return
    clients = (descriptors["soft"] - descriptors["open"]) // DESCRIPTORS_A_CLIENT
    room = f"room for {max(0, clients):,} clients, which need at most {DESCRIPTORS_A_CLIENT} each"
    text = f"{descriptors['soft']:,} file descriptors: {room}"
    if descriptors["soft"] >= 0 and clients < FEW_CLIENTS:
        report.add(LIMITS, "descriptors", WARN, text, f"{_section(facts)}.min_open_files_limit, ulimit -n")
    elif descriptors["soft"] < 0:  # RLIM_INFINITY
        report.add(LIMITS, "descriptors", OK, "file descriptors are not limited")
    else:
        report.add(LIMITS, "descriptors", OK, text)


def _bytes(number: int) -> str:
    """A size as text: ``134,217,728 bytes (128 MiB)``; below 1 MiB without the part in parentheses."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if number >= size:
            return f"{number:,} bytes ({number / size:.3g} {unit})"
    return f"{number:,} bytes"
