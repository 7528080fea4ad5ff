"""The benchmark's synthetic kernel, which can also send its messages one by one at a given rate.

Sends a prepared message, sleeps for 1/rate seconds, and sends the next. Must not catch up in a burst: a late message delays
those after it. Cost: none for the server's core.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kernelws.cli.bench.kernel import Kernel, main

if TYPE_CHECKING:
    from kernelws.cli.frames import Json


class PacedKernel(Kernel):
    """`bench_pace` with `rate` sends the prepared messages; the first half second is silent, so that all kernels can be told."""

    async def _command(self, msg_type: str, content: Json) -> Json:
        if msg_type == "bench_pace":
            self.pacing = asyncio.get_running_loop().create_task(self._pace(float(content["rate"])))
            return {}
        return await super()._command(msg_type, content)

    async def _pace(self, rate: float) -> None:
        await asyncio.sleep(0.5)
        for chunk in self.chunks:
            self.publisher.publish([chunk])
            await asyncio.sleep(1 / rate)


if __name__ == "__main__":
    main(PacedKernel)
