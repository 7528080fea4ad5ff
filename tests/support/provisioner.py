"""Starts a ``FakeKernel`` where a server would start a process, so that everything else in the server is the real thing.

The kernelspec ``fake`` names the provisioner ``fake``; ``install`` writes the kernelspec and registers the provisioner. Must not
start processes. Cost: a kernel starts within a turn of the event loop.
"""

import json
import signal
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from tests.support.fake_kernel import FakeKernel, Plan
from tests.support.wait import eventually

NAME = "fake"
NO_PROCESS = 1 << 30
"""Above every process id there can be: a fake kernel has one for each start, as processes have, and no process."""


class FakeProvisioner(LocalProvisioner):
    """One kernel id; ``kernel`` is its present incarnation."""

    plan: ClassVar[Plan] = Plan()
    """The plan of kernels that are started next."""
    started: ClassVar[dict[str, "FakeProvisioner"]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.own_plan = FakeProvisioner.plan
        self.kernel: FakeKernel | None = None
        self.incarnations: list[FakeKernel] = []
        self.signals: list[int] = []
        self.started[str(self.kernel_id)] = self

    @property
    def has_process(self) -> bool:
        return self.kernel is not None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        if self.own_plan.start_error:
            raise RuntimeError(self.own_plan.start_error)
        chosen: dict[str, Any] = {"key": uuid.uuid4().hex.encode()} if self.own_plan.own_key else {}
        if self.own_plan.address:
            chosen["ip"] = self.own_plan.address
        self.connection_info |= chosen  # type: ignore[typeddict-item] # jupyter_client itself has bytes there
        self.kernel = FakeKernel(dict(self.connection_info), self.own_plan)
        self.incarnations.append(self.kernel)
        self.pid = NO_PROCESS + len(self.incarnations)
        return self.connection_info

    async def poll(self) -> int | None:
        return 0 if self.kernel is None else self.kernel.exit_code

    async def wait(self) -> int | None:
        kernel, code = self.kernel, await self.poll()
        if kernel is not None:
            await eventually(lambda: kernel.exit_code is not None, "the end of a fake kernel")
            kernel.die(kernel.exit_code or 0)
        self.kernel = None
        return code

    async def send_signal(self, signum: int) -> None:
        self.signals.append(signum)
        if signum in {signal.SIGKILL, signal.SIGTERM} and self.kernel is not None:
            self.kernel.die(-signum)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)


@dataclass(frozen=True)
class _EntryPoint:
    """As much of an entry point as the factory uses."""

    name: str
    provisioner: type[LocalProvisioner]

    def load(self) -> type[LocalProvisioner]:
        return self.provisioner


def install(
    data_dir: Path,
    name: str = NAME,
    provisioner: type[LocalProvisioner] = FakeProvisioner,
    argv: Sequence[str] = ("fake",),
    **fields: Any,
) -> None:
    """Writes the kernelspec ``name`` under a Jupyter data directory and registers its provisioner in this process."""
    folder = data_dir / "kernels" / name
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"kernel_provisioner": {"provisioner_name": name}}
    spec = {"argv": list(argv), "display_name": name, "language": "none", "metadata": metadata, **fields}
    (folder / "kernel.json").write_text(json.dumps(spec))
    provisioners: dict[str, Any] = KernelProvisionerFactory.provisioners
    provisioners[name] = _EntryPoint(name, provisioner)
