"""Stand-ins for the files of cgroups, of either version, under a folder of the test. Must not touch the machine's."""

from pathlib import Path
from typing import ClassVar


class Machine:
    """``/proc`` and one mounted hierarchy that counts memory."""

    version: ClassVar[int]
    controllers: ClassVar[str]
    filesystem: ClassVar[str]
    files: ClassVar[dict[str, str]]
    endless: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.top = folder / "sys fs" / "cgroup"
        self.root = "/"
        """The part of the hierarchy that is mounted."""
        self.top.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        self.mount()

    def mount(self) -> None:
        """Writes the mounts, others among them."""
        top = str(self.top).replace(" ", "\\040")
        lines = [
            "22 1 0:21 / /proc rw,nosuid - proc proc rw",
            f"30 23 0:27 / {top}/../cpu rw - cgroup cgroup rw,cpu",
            f"31 23 0:28 {self.root} {top} rw,relatime shared:9 - {self.filesystem}",
        ]
        (self.proc / "self" / "mountinfo").write_text("\n".join(lines) + "\n")

    def make(self, path: str, *, limit: int | None) -> Path:
        """A cgroup; returns its folder."""
        folder = self.top / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        self.limit(folder, limit)
        self.kill(folder, 0)
        (folder / "cgroup.procs").write_text("7\n")
        return folder

    def file(self, folder: Path, what: str) -> Path:
        """The file with the ``limit`` or the ``kills``."""
        return folder / self.files[what]

    def limit(self, folder: Path, size: int | None) -> None:
        self.file(folder, "limit").write_text((self.endless if size is None else str(size)) + "\n")

    def kill(self, folder: Path, kills: int) -> None:
        """The OOM killer has killed so many processes in all."""
        self.file(folder, "kills").write_text(f"low 0\noom 9\noom_kill {kills}\noom_group_kill 0\n")

    def place(self, pid: int | str, path: str) -> None:
        """The process is in this cgroup."""
        (self.proc / str(pid)).mkdir(exist_ok=True)
        (self.proc / str(pid) / "cgroup").write_text(f"{self.controllers}:{path}\n")


class V1(Machine):
    """As before systemd 232 and Docker 20.10."""

    version, controllers, filesystem = 1, "9:cpu:/\n4:hugetlb,memory", "cgroup cgroup rw,hugetlb,memory"
    files: ClassVar[dict[str, str]] = {"limit": "memory.limit_in_bytes", "kills": "memory.oom_control"}
    endless = "9223372036854771712"


class V2(Machine):
    """The unified hierarchy."""

    version, controllers, filesystem = 2, "0:", "cgroup2 cgroup2 rw,nsdelegate"
    files: ClassVar[dict[str, str]] = {"limit": "memory.max", "kills": "memory.events"}
    endless = "max"
