"""Memory limits of cgroups, as containers have them: in which cgroup a process is, its limit, and what the OOM killer did there.

Reads both versions of cgroups, also where version 2 is mounted beside version 1. The limit of a cgroup is the smallest of its
own and of those above it, as far as this process sees them. What cannot be read or makes no sense is unknown (None): nothing here
raises. Must not write, and must not decide what a limit means. Cost: 40 us for a process, 10 us a file after that.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
ENDLESS = 1 << 60
"""Bytes. A limit this large is none: version 1 writes "no limit" as 2**63 less a page."""
READ = 64 << 10
"""The most bytes that are read of a file. These files have a few hundred."""
WHOLE = 2 << 30
"""Bytes. A container with this much memory or more gets the default limits; in a smaller one they shrink in proportion."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The cgroup of a process, as a folder."""

    folder: Path
    top: Path
    """Where the hierarchy is mounted: the highest cgroup that this process sees."""
    version: int

    def limit(self) -> int | None:
        """The most bytes of memory that its processes may use together; None: no limit."""
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        folders = [folder for folder in (self.folder, *self.folder.parents) if folder.is_relative_to(self.top)]
        limits = [_number(_text(folder / name)) for folder in folders]
        return min((limit for limit in limits if limit is not None and 0 < limit < ENDLESS), default=None)

    def oom_kills(self) -> int | None:
        """How many processes of this cgroup the OOM killer has killed."""
        text = _text(self.folder / ("memory.events" if self.version == 2 else "memory.oom_control"))
        return next(
            (_number(value) for name, _, value in (line.partition(" ") for line in text.splitlines()) if name == "oom_kill"), None
        )

    def processes(self) -> frozenset[int]:
        """The ids of the processes in it; empty if they cannot be read. A process that ends leaves it before it has ended."""
        pids = (_number(line) for line in _text(self.folder / "cgroup.procs").split())
        return frozenset(pid for pid in pids if pid is not None)


def cgroup_of(pid: int | str = "self", proc: Path = PROC) -> Cgroup | None:
    """The cgroup that counts the memory of a process."""
    for line in _text(proc / str(pid) / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 1 if "memory" in controllers.split(",") else 0 if controllers else 2
        found = _mounted(version, path, proc) if version else None
        if found is not None:
            return found
    return None


def _mounted(version: int, path: str, proc: Path) -> Cgroup | None:
    """The cgroup ``path`` as a folder. A container may mount only a part of the hierarchy; then ``path`` begins with the root of
    that part."""
    for line in _text(proc / "self" / "mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        mount, kind = fields.split(" "), rest.split(" ")
        if len(mount) < 5 or len(kind) < 3:
            continue
        if not (kind[0] == "cgroup2" if version == 2 else kind[0] == "cgroup" and "memory" in kind[2].split(",")):
            continue
        root, top = (_unescaped(field) for field in mount[3:5])
        inside = path.removeprefix(root) if root != "/" and (path + "/").startswith(root + "/") else path
        folder = Path(top + "/" + inside)
        inaccessible = ".." in folder.parts or not folder.is_dir()
        return Cgroup(Path(top) if inaccessible else folder, Path(top), version)
    return None


def _unescaped(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(READ).decode("utf-8", "replace")
    except (OSError, ValueError):  # ValueError: the path has a NUL
        return ""


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


@cache
def own_limit() -> int | None:
    """The memory limit of this process's cgroup when it was first asked for; None: no limit."""
    own = cgroup_of()
    return None if own is None else own.limit()


def share_of(size: int, limit: int | None) -> int:
    """A default of ``size`` bytes; for a container with less memory than ``WHOLE`` proportionally less."""
    return size if limit is None else min(size, size * limit // WHOLE)


def written(size: int) -> str:
    """A size as text: ``2.0 GiB``, ``512 MiB``."""
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.3g} MiB"
