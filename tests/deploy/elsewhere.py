"""A kernel provisioner that starts kernels on the other host of a ``Link``.

That host is a namespace of this machine, so the provisioner is simple: both hosts have the connection files, ports are counted
up, and the process is known by its id. All traffic between server and kernel crosses the link. Must be used by tests only. Cost:
that of a local kernel, and the link's.
"""

import itertools
import sys
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.connect import port_names
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from tests.deploy.link import THERE
from tests.support.provisioner import install

NAME = "elsewhere"
FIRST_PORT = 40_000


class NamespaceProvisioner(LocalProvisioner):
    """See the head of the file."""

    namespace: ClassVar[str] = ""
    """Where kernels are started next."""
    ports: ClassVar[Any] = itertools.count(FIRST_PORT)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager: Any = self.parent
        manager.ip = THERE
        for name in port_names:
            if not getattr(manager, name):
                setattr(manager, name, next(self.ports))
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        command = manager.format_kernel_cmd(extra_arguments=kwargs.pop("extra_arguments", []))
        kwargs.pop("transport_encryption", None)
        there = ["ip", "netns", "exec", self.namespace, *command]
        # the base's: LocalProvisioner's own refuses an address that is not this machine's
        return await KernelProvisionerBase.pre_launch(self, cmd=there, **kwargs)


def install_kernelspec(data_dir: Path, namespace: str) -> None:
    """The kernelspec ``elsewhere``. Its kernels are interrupted by a message: a signal would not cross a network."""
    NamespaceProvisioner.namespace = namespace
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    install(data_dir, NAME, NamespaceProvisioner, argv, interrupt_mode="message")
