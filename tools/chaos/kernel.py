"""bench's synthetic kernel, which can also spread a flood over a time.

What it does: on `bench_paced` (seconds) sends what `bench_prepare` made evenly over that time, so that a fault at a random
moment meets a flood that is still running. `bench_drained` waits for that as well. What it must not do: drop or reorder.
Strategy: one chunk of the flood, then a pause; a chunk holds some hundred messages.
Cost: that of bench's kernel.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kernelws.cli.bench.kernel import Kernel, main

if TYPE_CHECKING:
    from kernelws.cli.frames import Json


class ChaosKernel(Kernel):
    """A kernel of `bench` with one more request."""

    _pacing: asyncio.Task[None] | None = None

    async def _command(self, msg_type: str, content: Json) -> Json:
        if msg_type == "bench_paced":
            self._pacing = asyncio.create_task(self._pace(float(content["seconds"])))
        if msg_type == "bench_drained" and self._pacing is not None:
            await self._pacing
        return await super()._command(msg_type, content)

    async def _pace(self, seconds: float) -> None:
        chunks, self.chunks = self.chunks, []
        for chunk in chunks:
            self.publisher.publish([chunk])
            await asyncio.sleep(seconds / len(chunks))


if __name__ == "__main__":
    main(ChaosKernel)
