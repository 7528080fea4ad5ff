"""bench's synthetic kernel, which can also send a flood evenly over some seconds.

The request `bench_paced` sends the chunks of the flood with pauses, so that a fault at a random moment hits a flood that is still
running. `bench_drained` waits for it too. A chunk has several hundred messages. Must not drop or reorder messages.
Cost: as bench's kernel.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kernelws.cli.bench.kernel import Kernel, main

if TYPE_CHECKING:
    from kernelws.cli.frames import Json


class ChaosKernel(Kernel):
    """bench's kernel with the request `bench_paced`."""

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
