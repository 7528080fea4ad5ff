"""An SSH server on the other host of a ``Link``, which lets one key in, and the files of the user who has that key.

Must not read or write the SSH files of this machine: host key, user key and known hosts are made for the test.
Cost: a second.
"""

import shutil
import sys
from pathlib import Path

from tests.deploy.link import THERE, Link
from tests.support.process import Process

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
PRIVILEGE_SEPARATION = Path("/run/sshd")
"""sshd does not start without this folder, which the service of Debian makes."""
CONFIG = """
Port 22
ListenAddress {there}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/home/.ssh/id_ed25519.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


def _folders(folder: Path) -> Path:
    PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    keys = folder / "home" / ".ssh"
    keys.mkdir(parents=True, mode=0o700)
    return keys


async def start(link: Link, folder: Path) -> Process:
    """The running server. ``folder/home`` is the user's home from now on."""
    keys = _folders(folder)
    for file in (folder / "host_key", keys / "id_ed25519"):
        made = await Process.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
        assert await made.wait() == 0, made.output
    kind, key = (folder / "host_key.pub").read_text().split()[:2]
    (keys / "known_hosts").write_text(f"{THERE} {kind} {key}\n")
    (folder / "sshd_config").write_text(CONFIG.format(there=THERE, folder=folder))
    assert SSHD is not None, "needs sshd (Debian: openssh-server)"
    server = await Process.run("ip", "netns", "exec", link.namespace, SSHD, "-D", "-e", "-f", folder / "sshd_config")
    await server.until("Server listening on")
    return server


def interpreter() -> str:
    """The Python of the other host, where it has an environment with ipykernel: this machine's, as the files are shared."""
    return sys.executable
